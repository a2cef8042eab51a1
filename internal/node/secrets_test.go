package node

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/outbound"
	"github.com/hansa-exchange/hansa/internal/base/trust"
)

// paper is what a node writes, while it runs.
type paper struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (p *paper) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.b.Write(b)
}

func (p *paper) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.b.String()
}

// canaries are secrets that may stand nowhere but where they were shown once.
type canaries struct {
	t    *testing.T
	list map[string]string
}

func (c *canaries) add(what, secret string) string {
	c.t.Helper()
	if len(secret) < 8 {
		c.t.Fatalf("%s is no secret: %q", what, secret)
	}
	c.list[what] = secret
	return secret
}

// absent wants none of them in b, in any of the usual clothes.
func (c *canaries) absent(where string, b []byte) {
	c.t.Helper()
	for what, secret := range c.list {
		raw := []byte(secret)
		if key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_")); err == nil && strings.HasPrefix(secret, "whsec_") {
			raw = key
		}
		for how, find := range map[string][]byte{"plain": []byte(secret), "raw": raw, "base64": []byte(base64.StdEncoding.EncodeToString(raw)), "base64url": []byte(base64.RawURLEncoding.EncodeToString(raw)), "hex": []byte(hex.EncodeToString(raw)), "escaped": []byte(url.QueryEscape(secret))} {
			if bytes.Contains(b, find) {
				c.t.Errorf("%s holds %s (%s)", where, what, how)
			}
		}
	}
}

// TestSecrets passes secrets through every way in, rightly and wrongly, and finds
// none of them in what the node logs, tells, counts, seals, stores or backs up.
func TestSecrets(t *testing.T) {
	c, log := &canaries{t: t, list: map[string]string{}}, &paper{}
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	defer hook.Close()
	n, err := Open(t.Context(), Config{
		Data: filepath.Join(t.TempDir(), "n"), Origin: "town.example", Version: "test", Own: "did:web:city", Log: slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		OIDC: &OIDC{Name: "Service", Issuer: "http://127.0.0.1:9", ClientID: "hansa", Secret: trust.NewSecret(c.add("the sign-in service's secret", "canary-oidc-"+token()))}, Outbound: outbound.Config{Allow: []string{strings.TrimPrefix(hook.URL, "http://")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	w := &town{Node: n, give: c.add("a publisher's token", "canary-give-"+token()), one: c.add("a reader's token", "canary-one-"+token()), read: c.add("an administrator's token", "canary-admin-"+token())}
	basic, header := c.add("a password of a program", "canary-basic-"+token()), c.add("a header's key", "canary-header-"+token())
	set := hansa.DatasetID(named("dataset", "did:web:city", "closures"))
	cred := func(party hansa.PartyID, name string, kind trust.CredentialKind, secret string, rights ...hansa.Right) trust.CredentialSpec {
		s := trust.CredentialSpec{Party: party, Name: name, Kind: kind, Rights: rights, Secret: trust.NewSecret(secret)}
		if kind == trust.Header {
			s.HeaderName = "X-Api-Key"
		}
		return s
	}
	if err := n.Apply(t.Context(), &Setup{
		Parties:  []hansa.Party{{ID: "did:web:city", Name: "city", Title: "city", Kind: hansa.City, Hosted: true}, {ID: "did:web:one", Name: "one", Title: "one", Kind: hansa.Company, Hosted: true}},
		Datasets: []hansa.Dataset{{ID: set, Party: "did:web:city", Name: "closures", Kind: hansa.KindSituation}},
		Flows:    []hansa.Flow{{ID: hansa.FlowID(named("flow", "one")), Name: "to-one", Dataset: set, From: "did:web:city", To: "did:web:one", Limit: hansa.Duration(time.Minute), Terms: hansa.Terms{Purposes: []hansa.Purpose{"navigation"}, Formats: []hansa.Format{"record"}}}},
		Credentials: []trust.CredentialSpec{
			cred("did:web:city", "give", trust.Bearer, w.give, hansa.RightPublish, hansa.RightControl), cred("did:web:city", "admin", trust.Bearer, w.read, hansa.RightAdmin, hansa.RightManage, hansa.RightControl, hansa.RightRead),
			cred("did:web:one", "read", trust.Bearer, w.one, hansa.RightRead, hansa.RightReceipt), cred("did:web:one", "basic", trust.Basic, basic, hansa.RightRead), cred("did:web:one", "header", trust.Header, header, hansa.RightRead),
		},
	}); err != nil {
		t.Fatal(err)
	}
	answers := w.passSecrets(t, c, hook.URL, basic, header)
	if err := n.seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.absent("an answer", []byte(answers))
	c.absent("the log", []byte(log.String()))
	for _, d := range n.doors.table {
		if d.Method != http.MethodGet || d.Slow || strings.Contains(d.Pattern, "{") {
			continue
		}
		_, body := w.ask(t, d.Method, d.Pattern, "Bearer "+w.read, "", "")
		c.absent("GET "+d.Pattern, []byte(body))
	}
	backup := filepath.Join(t.TempDir(), "backup.db")
	if err := n.db.Backup(t.Context(), backup); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(backup)
	if err != nil {
		t.Fatal(err)
	}
	c.absent("the backup", b)
	t.Logf("%d secrets passed, 0 found in %d bytes of log and %d of backup", len(c.list), len(log.String()), len(b))
	if len(c.list) < 12 || log.String() == "" {
		t.Errorf("%d secrets and %d bytes of log: too few for the run to count", len(c.list), len(log.String()))
	}
	(&canaries{t: &testing.T{}, list: c.list}).absent("control", []byte(w.give))
}

// passSecrets uses every secret rightly and wrongly, and returns what was answered
// but for what shows a secret once.
func (w *town) passSecrets(t *testing.T, c *canaries, hook, basic, header string) string {
	t.Helper()
	var told strings.Builder
	try := func(method, path, authorization, kind, body string) string {
		t.Helper()
		code, answer := w.ask(t, method, path, authorization, kind, body)
		fmt.Fprintf(&told, "%d %s\n", code, answer)
		return answer
	}
	flow := "/data/v1/flows/" + named("flow", "one")
	asBasic := "Basic " + base64.StdEncoding.EncodeToString([]byte("basic:"+basic))
	for _, auth := range []string{"Bearer " + w.one, "Bearer " + basic, asBasic, asBasic + "x", "Basic " + w.one, "Digest " + w.one, w.one, "Bearer " + w.one + " " + basic, "Bearer " + header} {
		try(http.MethodGet, flow+"/snapshot.record", auth, "", "")
	}
	try(http.MethodGet, flow+"/snapshot?access_token="+w.one+"&format="+w.one, "", "", "")
	try(http.MethodPost, "/data/v1/datasets/closures/records", "Bearer "+w.give, "application/json", goodRecord)
	try(http.MethodPost, flow+"/receipts", "Bearer "+w.one, "application/json", `{"record":"a","version":1,"step":"live","at":"2026-11-23T10:00:00Z","evidence":"stated"}`)
	// Shown once: kept from what was told.
	var made struct {
		Key, Secret, Link, ID string
		Rest                  map[string]any `json:",embed"`
	}
	shown := func(what, path, auth, body string) {
		t.Helper()
		code, answer := w.ask(t, http.MethodPost, path, auth, "application/json", body)
		made.Key, made.Secret, made.Link, made.ID, made.Rest = "", "", "", "", nil
		if err := json.Unmarshal([]byte(answer), &made, json.MatchCaseInsensitiveNames(true)); err != nil || code >= 300 {
			t.Fatalf("%s: %d %s %v", what, code, answer, err)
		}
	}
	shown("a shared webhook key", flow+"/subscriptions", "Bearer "+w.one, `{"url":"`+hook+`","signing":"hmac"}`)
	c.add("a shared webhook key", made.Key)
	shown("its rotated key", flow+"/subscriptions/"+made.ID+"/rotate", "Bearer "+w.one, `{}`)
	c.add("a rotated webhook key", made.Key)
	shown("a new credential", "/api/v1/credentials", "Bearer "+w.read, `{"name":"new"}`)
	c.add("a new credential", made.Secret)
	shown("a rotated credential", "/api/v1/credentials/"+made.ID+"/rotate", "Bearer "+w.read, `{}`)
	c.add("a rotated credential", made.Secret)
	shown("an invitation", "/api/v1/invitations", "Bearer "+w.read, `{"for":"Navco","purpose":"x","gives":[{"dataset":"closures","purposes":["navigation"]}]}`)
	if u, err := url.Parse(made.Link); err == nil {
		c.add("an invitation's token", made.Link[strings.LastIndexAny(u.String(), "/=")+1:])
	}
	shown("a user", "/api/v1/users", "Bearer "+w.read, `{"name":"Desk 3","roles":["controller"]}`)
	link := made.Link[strings.LastIndex(made.Link, "=")+1:]
	c.add("a one-time link's token", link)
	password := c.add("a password", "canary password "+token())
	form := func(path string, v url.Values) *http.Response {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(v.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		rec := httptest.NewRecorder()
		w.Handler().ServeHTTP(rec, r)
		told.WriteString(strings.ReplaceAll(rec.Body.String(), `name="token" value="`+link+`"`, "")) // the form brings it again
		return rec.Result()
	}
	for _, v := range []url.Values{{"token": {link}, "password": {password}, "again": {"other"}}, {"token": {link + "x"}, "password": {password}, "again": {password}}} {
		_ = form("/enter", v).Body.Close() // a recorder's
	}
	in := form("/enter", url.Values{"token": {link}, "password": {password}, "again": {password}})
	_ = in.Body.Close() // a recorder's
	for _, k := range in.Cookies() {
		if k.Name == cookiePlain {
			c.add("a session's token", k.Value)
		}
	}
	_ = form("/signin", url.Values{"name": {"Desk 3"}, "password": {password + "x"}}).Body.Close() // a recorder's
	try(http.MethodGet, "/signin/away", "", "", "")
	return told.String()
}

// TestWebhookKeysRotate: while a webhook's key is changed again and again under load,
// each call is signed by a key that the receiver was told of, and none fails.
func TestWebhookKeysRotate(t *testing.T) {
	w := newTown(t)
	var mu sync.Mutex
	keys, good, bad := []ed25519.PublicKey{}, 0, 0
	hook := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		var e struct {
			Data struct {
				Challenge string         `json:"challenge"`
				Rest      map[string]any `json:",embed"`
			} `json:"data"`
			Rest map[string]any `json:",embed"`
		}
		if json.Unmarshal(b, &e) == nil && e.Data.Challenge != "" {
			_, _ = fmt.Fprint(rw, e.Data.Challenge) // the node went away
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if signedByOne(keys, r.Header, b) {
			good++
			return
		}
		bad++
		rw.WriteHeader(http.StatusUnauthorized)
	}))
	defer hook.Close()
	if err := w.client.Reconfigure(outbound.Config{Allow: []string{strings.TrimPrefix(hook.URL, "http://")}}); err != nil {
		t.Fatal(err)
	}
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx, ln) }()
	defer func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	told := func(key string) {
		b, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(key, "whpk_"))
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, b)
	}
	path := "/data/v1/flows/" + named("flow", "one") + "/subscriptions"
	var made struct {
		ID, Key string
		Rest    map[string]any `json:",embed"`
	}
	_, body := w.ask(t, http.MethodPost, path, "Bearer "+w.one, "application/json", `{"url":"`+hook.URL+`"}`)
	if err := json.Unmarshal([]byte(body), &made, json.MatchCaseInsensitiveNames(true)); err != nil || made.ID == "" {
		t.Fatalf("%s %v", body, err)
	}
	told(made.Key)
	const rotations, each = 12, 8
	for i := range rotations {
		for j := range each {
			if code, body := w.ask(t, http.MethodPost, "/data/v1/datasets/closures/records", "Bearer "+w.give, "application/json", strings.Replace(goodRecord, `"id":"a"`, fmt.Sprintf(`"id":"a%d-%d"`, i, j), 1)); code != http.StatusOK {
				t.Fatalf("publish: %d %s", code, body)
			}
		}
		mu.Lock() // as a receiver does, that keeps the new key before it answers again
		_, body := w.ask(t, http.MethodPost, path+"/"+made.ID+"/rotate", "Bearer "+w.one, "application/json", `{}`)
		var next struct{ Key string }
		if err := json.Unmarshal([]byte(body), &next, json.MatchCaseInsensitiveNames(true)); err != nil {
			t.Fatal(err)
		}
		told(next.Key)
		mu.Unlock()
	}
	for range 500 {
		mu.Lock()
		n := good + bad
		mu.Unlock()
		if n >= rotations*each {
			break
		}
		pause(t.Context(), 20*time.Millisecond)
	}
	mu.Lock()
	defer mu.Unlock()
	t.Logf("%d calls over %d rotations, %d refused", good, rotations, bad)
	if good != rotations*each || bad != 0 {
		t.Errorf("%d calls were good and %d bad, want %d and none", good, bad, rotations*each)
	}
}

// signedByOne checks a call as Standard Webhooks says.
func signedByOne(keys []ed25519.PublicKey, h http.Header, body []byte) bool {
	message := append([]byte(h.Get("Webhook-Id")+"."+h.Get("Webhook-Timestamp")+"."), body...)
	for one := range strings.FieldsSeq(h.Get("Webhook-Signature")) {
		sig, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(one, "v1a,"))
		if err != nil {
			continue
		}
		for _, k := range keys {
			if ed25519.Verify(k, message, sig) {
				return true
			}
		}
	}
	return false
}

// TestSealedElsewhere: webhook keys that were sealed under another node key stop
// their own webhook alone, and a new key mends it.
func TestSealedElsewhere(t *testing.T) {
	w := newTown(t)
	by := hansa.Actor{Party: "did:web:one", Rights: []hansa.Right{hansa.RightRead}}
	id := ""
	for range 2 {
		_, body := w.ask(t, http.MethodPost, "/data/v1/flows/"+named("flow", "one")+"/subscriptions", "Bearer "+w.one, "application/json", `{"url":"https://navco.example/hook"}`)
		var made struct {
			ID   string         `json:"id"`
			Rest map[string]any `json:",embed"`
		}
		if err := w.client.Register("navco.example"); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(body), &made); err != nil {
			t.Fatal(err)
		}
		id = made.ID
	}
	if err := w.db.Write(t.Context(), func(tx hansa.Tx) error {
		_, err := tx.Exec(`UPDATE deliver_subscriptions SET secrets = ? WHERE id = ?`, append([]byte{1}, make([]byte, 64)...), id)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	s, err := w.deliver.Subscription(t.Context(), by, id)
	if err != nil || s.State != "parked" || !strings.Contains(s.Reason, "rotate") {
		t.Fatalf("%+v %v", s, err)
	}
	if _, err := w.deliver.Rotate(t.Context(), by, id); err != nil {
		t.Fatal(err)
	}
	if s, err = w.deliver.Subscription(t.Context(), by, id); err != nil || s.State == "parked" {
		t.Errorf("after a new key: %+v %v", s, err)
	}
}
