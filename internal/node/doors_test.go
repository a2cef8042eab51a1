package node

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/trust"
)

// town is a node with a city, two companies and a flow to each, answered in place.
type town struct {
	*Node
	give, one, two, read string // secrets
}

func newTown(t testing.TB) *town {
	t.Helper()
	n, err := Open(t.Context(), Config{Data: filepath.Join(t.TempDir(), "n"), Origin: "town.example", Version: "test", Own: "did:web:city", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	w := &town{Node: n, give: token(), one: token(), two: token(), read: token()}
	set := hansa.DatasetID(named("dataset", "did:web:city", "closures"))
	s := &Setup{Datasets: []hansa.Dataset{{ID: set, Party: "did:web:city", Name: "closures", Kind: hansa.KindSituation}}}
	for name, secret := range map[string]string{"city": w.give, "one": w.one, "two": w.two} {
		id := hansa.PartyID("did:web:" + name)
		kind, rights := hansa.Company, []hansa.Right{hansa.RightRead, hansa.RightReceipt}
		if name == "city" {
			kind, rights = hansa.City, []hansa.Right{hansa.RightRead, hansa.RightPublish, hansa.RightControl}
		} else {
			s.Flows = append(s.Flows, hansa.Flow{
				ID: hansa.FlowID(named("flow", name)), Name: "to-" + name, Dataset: set, From: "did:web:city", To: id, Limit: hansa.Duration(time.Minute),
				Terms: hansa.Terms{Purposes: []hansa.Purpose{"navigation"}, Formats: []hansa.Format{"record", "geojson", "cifs"}},
			})
		}
		s.Parties = append(s.Parties, hansa.Party{ID: id, Name: name, Title: name, Kind: kind, Hosted: true})
		s.Credentials = append(s.Credentials, trust.CredentialSpec{Party: id, Name: "main", Kind: trust.Bearer, Rights: rights, Secret: trust.NewSecret(secret)})
	}
	s.Credentials = append(s.Credentials, trust.CredentialSpec{Party: "did:web:one", Name: "old", Kind: trust.Bearer, Rights: []hansa.Right{hansa.RightAdmin}, Secret: trust.NewSecret(w.read), Expires: time.Now().Add(-time.Hour)})
	if err := n.Apply(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	return w
}

// manager makes a credential of the city that may manage, and returns its secret.
func (w *town) manager(t *testing.T) string {
	t.Helper()
	return w.holder(t, hansa.RightManage, hansa.RightRead)
}

// administrator makes one that operates the node.
func (w *town) administrator(t *testing.T) string {
	t.Helper()
	return w.holder(t, hansa.RightAdmin, hansa.RightManage, hansa.RightRead)
}

func (w *town) holder(t *testing.T, rights ...hansa.Right) string {
	t.Helper()
	secret := token()
	if err := w.Apply(t.Context(), &Setup{
		Parties:     []hansa.Party{{ID: "did:web:city", Name: "city", Title: "city", Kind: hansa.City, Hosted: true}},
		Credentials: []trust.CredentialSpec{{Party: "did:web:city", Name: "holder", Kind: trust.Bearer, Rights: rights, Secret: trust.NewSecret(secret)}},
	}); err != nil {
		t.Fatal(err)
	}
	return secret
}

// ask sends one request and returns status and body.
func (w *town) ask(t *testing.T, method, path, authorization, contentType, body string) (int, string) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Second)
	defer stop()
	r := httptest.NewRequestWithContext(ctx, method, path, strings.NewReader(body))
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	rec := httptest.NewRecorder()
	w.Handler().ServeHTTP(rec, r)
	b, err := io.ReadAll(rec.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return rec.Code, string(b)
}

const goodRecord = `{"kind":"situation","id":"a","version":1,"update":"insert","situation":{"lifecycle":"active","effect":"road-closed","direction":"both","start":"2026-11-23T10:00:00Z","endKind":"unknown","road":{"name":"Oostertunnel"},"geometry":{"type":"LineString","coordinates":[[4.9,52.37],[4.91,52.38]]}}}`

// filled puts a name into each {…} of a pattern.
func filled(pattern, flow, dataset string) string {
	const record = "a"
	return strings.NewReplacer("{flow}", flow, "{dataset}", dataset, "{record}", record, "{closure}", record, "{subscription}", "x", "{delivery}", "x", "{feed}", "x", "{view}", "snapshot.record", "{path...}", "0/000", "{file}", "x").Replace(pattern)
}

// state is what no refused request may change.
func (w *town) state(t *testing.T) [2]int64 {
	t.Helper()
	records, err := w.stream.Records(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	entries, err := w.journal.Size(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return [2]int64{records, entries}
}

// TestForgedTokens tries every route that asks for a right with every credential
// that has none: each is turned away, and nothing changes.
func TestForgedTokens(t *testing.T) {
	w := newTown(t)
	basic := func(user, pass string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+pass))
	}
	forged := map[string]string{
		"none": "", "unknown": "Bearer " + token(), "empty": "Bearer ", "no scheme": w.give, "other scheme": "Digest " + w.give, "cut": "Bearer " + w.give[:len(w.give)-1], "longer": "Bearer " + w.give + "x",
		"spaces": "Bearer  " + w.give, "as basic": basic("city", w.give), "basic of nobody": basic("x", "y"), "bad base64": "Basic ???", "expired": "Bearer " + w.read, "alg none": "Bearer eyJhbGciOiJub25lIn0.e30.",
		"control": "Bearer \x01\x02", "huge": "Bearer " + strings.Repeat("a", 8000),
	}
	before, tries := w.state(t), 0
	for _, d := range w.doors.table {
		if d.Right == "" {
			continue
		}
		path := filled(d.Pattern, "to-one", "closures")
		for name, auth := range forged {
			code, body := w.ask(t, d.Method, path, auth, "application/json", "{}")
			tries++
			if code != http.StatusUnauthorized && code != http.StatusForbidden && code != http.StatusTooManyRequests {
				t.Errorf("%s %s with %s: %d %.120s", d.Method, path, name, code, body)
			}
		}
		code, _ := w.ask(t, d.Method, path, "Bearer "+w.two, "application/json", "{}")
		tries++
		if code < 400 && d.Object != "node" || code >= 500 {
			t.Errorf("%s %s by another company: %d", d.Method, path, code)
		}
	}
	if got := w.state(t); got != before {
		t.Errorf("refused requests changed the state from %v to %v", before, got)
	}
	if tries < 300 {
		t.Errorf("%d tries, too few", tries)
	}
}

// TestForeignIsAsNeverExisted asks as one company for what is another's, and for
// what never was: the answers are equal but for their request ids.
func TestForeignIsAsNeverExisted(t *testing.T) {
	w := newTown(t)
	if code, body := w.ask(t, "POST", "/data/v1/datasets/closures/records", "Bearer "+w.give, "application/json", goodRecord); code != 200 {
		t.Fatalf("publish: %d %s", code, body)
	}
	plain := func(s string) string {
		s, _, _ = strings.Cut(s, `,"requestId"`)
		return s
	}
	for _, d := range w.doors.table {
		if d.Right == "" || d.Object == "node" || d.Object == "record" {
			continue
		}
		foreign := filled(d.Pattern, named("flow", "one"), named("dataset", "did:web:city", "closures"))
		never := filled(d.Pattern, "01a20000-0000-7000-8000-000000000000", "01a20000-0000-7000-8000-000000000000")
		fc, fb := w.ask(t, d.Method, foreign, "Bearer "+w.two, "application/json", "{}")
		nc, nb := w.ask(t, d.Method, never, "Bearer "+w.two, "application/json", "{}")
		if fc != nc || plain(fb) != plain(nb) {
			t.Errorf("%s %s: %d %s for a foreign one, %d %s for none", d.Method, d.Pattern, fc, plain(fb), nc, plain(nb))
		}
	}
	for path, want := range map[string]int{"/api/v1/flows": 1, "/api/v1/datasets": 0} {
		_, body := w.ask(t, "GET", path, "Bearer "+w.two, "", "")
		if got := strings.Count(body, `"name":"to-`) + strings.Count(body, `"name":"closures"`); got != want || strings.Contains(body, "to-one") {
			t.Errorf("%s shows company two %d things: %s", path, got, body)
		}
	}
}

// TestHostileBodies posts what breaks decoders: each is refused with the place or
// the rule, none is an internal error, and nothing of it is stored.
func TestHostileBodies(t *testing.T) {
	w := newTown(t)
	manifest, err := os.ReadFile("testdata/hostile/manifest.txt")
	if err != nil {
		t.Fatal(err)
	}
	before := w.state(t)
	tried, taken := 0, int64(0)
	for line := range strings.Lines(string(manifest)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		p := strings.Split(strings.TrimSpace(line), " | ")
		if len(p) != 4 {
			t.Fatalf("the manifest's line %q is not FILE | TYPE | STATUS | SAYS", line)
		}
		body, err := os.ReadFile("testdata/hostile/" + p[0])
		if err != nil {
			t.Fatal(err)
		}
		tried++
		code, says := w.ask(t, "POST", "/data/v1/datasets/closures/records", "Bearer "+w.give, strings.TrimPrefix(p[1], "-"), string(body))
		if strconv.Itoa(code) != p[2] || !strings.Contains(says, p[3]) {
			t.Errorf("%s: %d %.300s, want %s and %q", p[0], code, says, p[2], p[3])
		}
		if n, ok := strings.CutPrefix(p[3], `"accepted":`); ok && p[2] == "200" {
			took, err := strconv.ParseInt(n, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			taken += took
		}
		if code >= 500 || p[2] != "200" && (code < 400 || !strings.Contains(says, `"message":"`)) {
			t.Errorf("%s: %d %.300s, want a refusal in words", p[0], code, says)
		}
	}
	if tried < 60 {
		t.Errorf("only %d hostile files were tried", tried)
	}
	t.Logf("%d hostile bodies refused by rule or pinned", tried)
	if got := w.state(t); got[0] > before[0]+taken { // a repeat is taken and stores nothing
		t.Errorf("hostile bodies took the records from %d to %d, want at most the %d that are pinned", before[0], got[0], taken)
	}
	var lines bytes.Buffer
	lines.WriteString(strings.Replace(goodRecord, `"id":"a"`, `"id":"first"`, 1) + "\n{broken\n\n" + strings.Replace(goodRecord, `"id":"a"`, `"id":"last"`, 1) + "\n")
	code, says := w.ask(t, "POST", "/data/v1/datasets/closures/records", "Bearer "+w.give, "application/x-ndjson", lines.String())
	if code != 200 || !strings.Contains(says, `"accepted":2,"refused":1`) {
		t.Errorf("a broken line between good ones: %d %s", code, says)
	}
}
