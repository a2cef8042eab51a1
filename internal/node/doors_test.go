package node

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
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

func newTown(t *testing.T) *town {
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
	deep := strings.Repeat("[", 100_000)
	in := func(s string) string { return strings.Replace(goodRecord, `"road":{"name":"Oostertunnel"}`, s, 1) }
	bodies := map[string][2]string{
		"empty": {"application/json", ""}, "not JSON": {"application/json", "{"}, "deep": {"application/json", deep}, "deep object": {"application/json", strings.Repeat(`{"a":`, 5000)},
		"duplicate member":    {"application/json", strings.Replace(goodRecord, `"version":1`, `"version":1,"version":2`, 1)},
		"escaped duplicate":   {"application/json", strings.Replace(goodRecord, `"version":1`, `"version":1,"\u0076ersion":2`, 1)},
		"invalid UTF-8":       {"application/json", in("\"road\":{\"name\":\"\xff\xfe\"}")},
		"lone surrogate":      {"application/json", in(`"road":{"name":"\ud800"}`)},
		"NaN":                 {"application/json", strings.Replace(goodRecord, "4.9,", "NaN,", 1)},
		"too large a number":  {"application/json", strings.Replace(goodRecord, "4.9,", "1e999,", 1)},
		"off the globe":       {"application/json", strings.Replace(goodRecord, "4.9,", "490,", 1)},
		"wrong type":          {"application/json", strings.Replace(goodRecord, `"id":"a"`, `"id":7`, 1)},
		"no id":               {"application/json", strings.Replace(goodRecord, `"id":"a",`, ``, 1)},
		"two kinds":           {"application/json", strings.Replace(goodRecord, `"situation":{`, `"document":{"mediaType":"x","body":""},"situation":{`, 1)},
		"bad zone":            {"application/json", in(`"recurrence":[{"zone":"Mars/Base","from":"00:00","to":"05:00"}]`)},
		"billion laughs":      {"application/xml", `<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><l>&b;</l>`},
		"external entity":     {"application/xml", `<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>`},
		"unknown entity":      {"application/xml", `<x>&nbsp;</x>`},
		"second root":         {"application/xml", `<d2LogicalModel/><d2LogicalModel/>`},
		"unclosed":            {"application/xml", `<d2LogicalModel>`},
		"duplicate attribute": {"application/xml", `<d2LogicalModel a="1" a="2"/>`},
		"instruction":         {"application/xml", `<?xml-stylesheet href="x"?><d2LogicalModel/>`},
		"deep XML":            {"application/xml", strings.Repeat("<a>", 10_000)},
		"many attributes":     {"application/xml", "<a" + strings.Repeat(` b="c"`, 100_000) + "/>"},
		"not XML":             {"application/xml", "\x00\x01\x02"},
		"not a format":        {"image/png", "x"},
		"no type":             {"", goodRecord},
		"not GeoJSON":         {"application/geo+json", `{"type":"Feature"}`},
		"feature without id":  {"application/geo+json", `{"type":"FeatureCollection","features":[{"type":"Feature","properties":{},"geometry":null}]}`},
	}
	before := w.state(t)
	for name, b := range bodies {
		code, says := w.ask(t, "POST", "/data/v1/datasets/closures/records", "Bearer "+w.give, b[0], b[1])
		if code < 400 && !strings.Contains(says, `"accepted":0`) || code >= 500 {
			t.Errorf("%s: %d %.200s", name, code, says)
		}
		if code >= 400 && !strings.Contains(says, `"message":"`) {
			t.Errorf("%s: refused without a word: %d %.200s", name, code, says)
		}
	}
	if got := w.state(t); got != before {
		t.Errorf("hostile bodies changed the state from %v to %v", before, got)
	}
	var lines bytes.Buffer
	lines.WriteString(strings.Replace(goodRecord, `"id":"a"`, `"id":"first"`, 1) + "\n{broken\n\n" + strings.Replace(goodRecord, `"id":"a"`, `"id":"last"`, 1) + "\n")
	code, says := w.ask(t, "POST", "/data/v1/datasets/closures/records", "Bearer "+w.give, "application/x-ndjson", lines.String())
	if code != 200 || !strings.Contains(says, `"accepted":2,"refused":1`) {
		t.Errorf("a broken line between good ones: %d %s", code, says)
	}
}
