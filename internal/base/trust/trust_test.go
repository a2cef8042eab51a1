package trust_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	_ "modernc.org/sqlite" // the tests' own small database

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/trust"
)

// plainDB is the smallest database that keeps the contract of hansa.DB. It
// counts reads, to show which path does none.
type plainDB struct {
	mu    sync.Mutex
	db    *sql.DB
	reads int
}

func (p *plainDB) run(ctx context.Context, f func(hansa.Tx) error, keep bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	tx, err := p.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := f(tx); err != nil || !keep {
		p.reads++
		tx.Rollback()
		return err
	}
	return tx.Commit()
}

func (p *plainDB) Write(ctx context.Context, f func(hansa.Tx) error) error {
	return p.run(ctx, f, true)
}

func (p *plainDB) Read(ctx context.Context, f func(hansa.Tx) error) error {
	return p.run(ctx, f, false)
}

// acts is a journal that only remembers.
type acts []string

func (a *acts) Act(_ hansa.Tx, party hansa.PartyID, kind string, _ []byte, _ time.Time) (string, error) {
	*a = append(*a, kind+" "+string(party))
	return "", nil
}

type world struct {
	testing.TB
	db   *plainDB
	r    *trust.Registry
	acts acts
	now  time.Time
}

const (
	alice hansa.PartyID = "did:web:alice.example"
	bob   hansa.PartyID = "did:web:bob.example"
)

func newWorld(t testing.TB) *world {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "test.db")+"?_pragma=synchronous(off)")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	for _, m := range trust.Migrations() {
		for _, s := range m.Statements {
			if _, err := db.Exec(s); err != nil {
				t.Fatal(err)
			}
		}
	}
	w := &world{TB: t, db: &plainDB{db: db}, now: time.Date(2023, 7, 10, 12, 0, 0, 0, time.UTC)}
	w.r, err = trust.New(w.db, trust.Config{Journal: &w.acts, Vault: nodeKey(t), Now: func() time.Time { return w.now }})
	if err != nil {
		t.Fatal(err)
	}
	w.change(func(tx hansa.Tx) error {
		for name, id := range map[string]hansa.PartyID{"alice": alice, "bob": bob} {
			p, err := w.r.AddParty(tx, hansa.Party{ID: id, Name: name, Title: name, Kind: hansa.City, Hosted: true})
			if err != nil {
				return err
			}
			if len(p.OpaqueID) != 36 {
				t.Errorf("got opaque id %q", p.OpaqueID)
			}
		}
		return nil
	})
	return w
}

// nodeKey is a fresh node key, by which secrets are sealed.
func nodeKey(t testing.TB) *trust.NodeKey {
	t.Helper()
	key, err := trust.OpenNodeKey(trust.NodeKeyPlace{Name: "alice.example", Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (w *world) change(f func(hansa.Tx) error) {
	w.Helper()
	if err := w.r.Change(w.Context(), f); err != nil {
		w.Fatal(err)
	}
}

func (w *world) credential(spec trust.CredentialSpec) (trust.Credential, string) {
	w.Helper()
	if spec.Party == "" {
		spec.Party = alice
	}
	if spec.Rights == nil {
		spec.Rights = []hansa.Right{hansa.RightRead}
	}
	var c trust.Credential
	var s trust.Secret
	w.change(func(tx hansa.Tx) (err error) {
		c, s, err = w.r.AddCredential(tx, spec)
		return err
	})
	return c, s.Reveal()
}

func (w *world) as(headers ...string) (hansa.Actor, error) {
	w.Helper()
	req, err := http.NewRequestWithContext(w.Context(), http.MethodGet, "/", nil)
	if err != nil {
		w.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	return w.r.Authenticate(w.Context(), req)
}

func (w *world) refused(why string, headers ...string) {
	w.Helper()
	a, err := w.as(headers...)
	if err == nil || hansa.Public(err).Code != hansa.CodeUnauthenticated || a.Party != "" || a.May(hansa.RightRead) {
		w.Errorf("%s: got %+v, %v; want unauthenticated", why, a, err)
	}
}

func basic(user, password string) string {
	req, _ := http.NewRequest(http.MethodGet, "/", nil)
	req.SetBasicAuth(user, password)
	return req.Header.Get("Authorization")
}

func TestAuthenticate(t *testing.T) {
	w := newWorld(t)
	b, bs := w.credential(trust.CredentialSpec{Name: "one", Kind: trust.Bearer, Test: true, Purposes: []hansa.Purpose{"routing"}})
	c, cs := w.credential(trust.CredentialSpec{Name: "two", Kind: trust.Basic, Party: bob})
	h, hs := w.credential(trust.CredentialSpec{Name: "three", Kind: trust.Header, HeaderName: "X-Waze-Key", Party: bob})

	for name, tc := range map[string]struct {
		header, value, id string
		party             hansa.PartyID
	}{
		"bearer":        {"Authorization", "Bearer " + bs, b.ID, alice},
		"basic by id":   {"Authorization", basic(c.ID, cs), c.ID, bob},
		"basic by name": {"Authorization", basic("two", cs), c.ID, bob},
		"named header":  {"X-Waze-Key", hs, h.ID, bob},
	} {
		a, err := w.as(tc.header, tc.value)
		if err != nil || a.Party != tc.party || a.Credential != tc.id || a.Test != (name == "bearer") {
			t.Errorf("%s: got %+v, %v", name, a, err)
		}
	}
	w.refused("nothing")
	w.refused("unknown", "Authorization", "Bearer hansa_nonsense")
	w.refused("empty", "Authorization", "Bearer ")
	w.refused("scheme", "Authorization", "Digest "+bs)
	w.refused("bearer as basic", "Authorization", basic(b.ID, bs))
	w.refused("basic as bearer", "Authorization", "Bearer "+cs)
	w.refused("header as bearer", "Authorization", "Bearer "+hs)
	w.refused("bearer in a header", "X-Waze-Key", bs)
	w.refused("basic under another's id", "Authorization", basic(b.ID, cs))
	w.refused("two credentials", "Authorization", "Bearer "+bs, "X-Waze-Key", hs)
	w.refused("twice the same", "Authorization", "Bearer "+bs, "Authorization", "Bearer "+bs)
	w.refused("a huge secret", "Authorization", "Bearer "+strings.Repeat("x", 1<<16))
	w.refused("bad base64", "Authorization", "Basic %%%")

	before := w.db.reads
	for range 100 {
		if _, err := w.as("Authorization", "Bearer "+bs); err != nil {
			t.Fatal(err)
		}
	}
	if w.db.reads != before {
		t.Errorf("the hot path read the database %d times", w.db.reads-before)
	}
}

func TestCredentialLife(t *testing.T) {
	w := newWorld(t)
	c, s := w.credential(trust.CredentialSpec{Name: "one", Kind: trust.Bearer, Expires: w.now.Add(time.Hour)})
	if _, err := w.as("Authorization", "Bearer "+s); err != nil {
		t.Fatal(err)
	}
	t.Run("last use is written once a minute", func(t *testing.T) {
		if err := w.r.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.r.Forget()
		got, err := w.r.Credentials(t.Context(), alice)
		if err != nil || len(got) != 1 || !got[0].LastUsed.Equal(w.now) {
			t.Errorf("got %+v, %v", got, err)
		}
	})
	t.Run("a last use survives a change", func(t *testing.T) {
		w.now = w.now.Add(2 * time.Minute)
		if _, err := w.as("Authorization", "Bearer "+s); err != nil {
			t.Fatal(err)
		}
		w.r.Forget()
		if got, err := w.r.Credentials(t.Context(), alice); err != nil || !got[0].LastUsed.Equal(w.now) {
			t.Errorf("got %+v, %v", got, err)
		}
		w.now = w.now.Add(-2 * time.Minute)
	})
	t.Run("rotation overlaps", func(t *testing.T) {
		var fresh trust.Secret
		w.change(func(tx hansa.Tx) (err error) {
			_, fresh, err = w.r.Rotate(tx, alice, c.ID, 10*time.Minute)
			return err
		})
		if _, err := w.as("Authorization", "Bearer "+s); err != nil {
			t.Errorf("the old one within the overlap: %v", err)
		}
		if _, err := w.as("Authorization", "Bearer "+fresh.Reveal()); err != nil {
			t.Errorf("the new one: %v", err)
		}
		w.now = w.now.Add(10 * time.Minute)
		w.refused("the old one after the overlap", "Authorization", "Bearer "+s)
		w.now = w.now.Add(50 * time.Minute)
		w.refused("expired", "Authorization", "Bearer "+fresh.Reveal())
	})
	t.Run("revoked at once, by its own party alone", func(t *testing.T) {
		c, s := w.credential(trust.CredentialSpec{Name: "two", Kind: trust.Bearer})
		if _, err := w.as("Authorization", "Bearer "+s); err != nil {
			t.Fatal(err)
		}
		err := w.r.Change(t.Context(), func(tx hansa.Tx) error { return w.r.Revoke(tx, bob, c.ID) })
		if err == nil || hansa.KindOf(err) != hansa.NotFound {
			t.Errorf("another party's revocation: got %v, want NotFound", err)
		}
		w.change(func(tx hansa.Tx) error { return w.r.Revoke(tx, alice, c.ID) })
		w.refused("revoked", "Authorization", "Bearer "+s)
	})
	t.Run("a changed row is refused", func(t *testing.T) {
		c, s := w.credential(trust.CredentialSpec{Name: "three", Kind: trust.Bearer})
		w.change(func(tx hansa.Tx) error {
			_, err := tx.Exec(`UPDATE trust_credentials SET doc = CAST(REPLACE(CAST(doc AS TEXT), '"read"', '"admin"') AS BLOB) WHERE id = ?`, c.ID)
			return err
		})
		w.refused("raised to admin in the table", "Authorization", "Bearer "+s)
		if got, err := w.r.Damaged(t.Context()); err != nil || len(got) != 1 {
			t.Errorf("got %v, %v; want one damaged row", got, err)
		}
	})
	t.Run("issued before a restore", func(t *testing.T) {
		_, s := w.credential(trust.CredentialSpec{Name: "four", Kind: trust.Bearer})
		w.now = w.now.Add(time.Second)
		w.change(func(tx hansa.Tx) error { return w.r.RefuseIssuedBefore(tx, w.now) })
		w.refused("before the restore", "Authorization", "Bearer "+s)
		_, s = w.credential(trust.CredentialSpec{Name: "five", Kind: trust.Bearer})
		if _, err := w.as("Authorization", "Bearer "+s); err != nil {
			t.Error(err)
		}
	})
	if got := w.acts[0]; got != "credential-issued "+string(alice) {
		t.Errorf("got act %q", got)
	}
}

func TestCredentialSpec(t *testing.T) {
	w := newWorld(t)
	good := trust.CredentialSpec{Party: alice, Name: "x", Kind: trust.Bearer, Rights: []hansa.Right{hansa.RightRead}}
	for name, spoil := range map[string]func(*trust.CredentialSpec){
		"no rights":    func(s *trust.CredentialSpec) { s.Rights = nil },
		"wrong right":  func(s *trust.CredentialSpec) { s.Rights = []hansa.Right{"root"} },
		"name":         func(s *trust.CredentialSpec) { s.Name = "A b" },
		"kind":         func(s *trust.CredentialSpec) { s.Kind = "cookie" },
		"cookie":       func(s *trust.CredentialSpec) { s.Kind, s.HeaderName = trust.Header, "Cookie" },
		"own header":   func(s *trust.CredentialSpec) { s.Kind, s.HeaderName = trust.Header, "Hansa-Purpose" },
		"crlf":         func(s *trust.CredentialSpec) { s.Kind, s.HeaderName = trust.Header, "X-A\r\nB" },
		"no header":    func(s *trust.CredentialSpec) { s.Kind = trust.Header },
		"public":       func(s *trust.CredentialSpec) { s.Party = hansa.PublicParty },
		"nobody":       func(s *trust.CredentialSpec) { s.Party = "did:web:nobody" },
		"short secret": func(s *trust.CredentialSpec) { s.Secret = trust.NewSecret("123456") },
	} {
		spec := good
		spoil(&spec)
		err := w.r.Change(t.Context(), func(tx hansa.Tx) error {
			_, _, err := w.r.AddCredential(tx, spec)
			return err
		})
		if err == nil || hansa.KindOf(err) == hansa.Internal {
			t.Errorf("%s: got %v, want it refused", name, err)
		}
	}
}

func TestPurpose(t *testing.T) {
	type ps = []hansa.Purpose
	for _, tc := range []struct {
		own    ps
		header string
		flow   ps
		want   string
	}{
		{nil, "", ps{"a", "b"}, "[a b]"},
		{ps{"b", "c"}, "", ps{"a", "b"}, "[b]"},
		{nil, "a", ps{"a", "b"}, "[a]"},
		{nil, "b, a", ps{"a", "b"}, "[b a]"},
		{ps{"b"}, "a", ps{"a", "b"}, "purpose-denied"},
		{ps{"c"}, "", ps{"a", "b"}, "purpose-denied"},
		{nil, "c", ps{"a"}, "purpose-denied"},
		{nil, "A", ps{"a"}, "purpose-denied"},
		{nil, "c", nil, "purpose-denied"},
		{nil, "", nil, "purpose-missing"},
		{nil, " ", ps{"a"}, "purpose-missing"},
		{ps{"a"}, "", nil, "purpose-missing"},
	} {
		got, err := trust.Purpose(hansa.Actor{Purposes: tc.own}, tc.header, tc.flow)
		s := fmt.Sprint(got)
		if err != nil {
			s = string(hansa.Public(err).Code)
		}
		if s != tc.want {
			t.Errorf("%v narrowed by %q of %v: got %s, want %s", tc.own, tc.header, tc.flow, s, tc.want)
		}
	}
}

func TestSecretIsNeverShown(t *testing.T) {
	s := trust.NewSecret("sesame")
	var b strings.Builder
	slog.New(slog.NewJSONHandler(&b, nil)).Info("x", slog.Any("s", s), slog.Any("in", struct{ S trust.Secret }{s}))
	j, err := json.Marshal(map[string]any{"s": s})
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	all.WriteString(b.String() + string(j))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		all.WriteString(fmt.Sprintf(verb, s) + fmt.Sprintf(verb, struct{ S trust.Secret }{s}) + fmt.Sprintf(verb, &s))
	}
	if strings.Contains(all.String(), "sesame") || strings.Contains(all.String(), "736573616d65") {
		t.Errorf("the secret is shown in %s", all.String())
	}
}

func TestLimiter(t *testing.T) {
	l := trust.NewLimiter(trust.LimiterConfig{Rate: 10, Burst: 5, CallersMax: 3})
	now := time.Date(2023, 7, 10, 12, 0, 0, 0, time.UTC)
	a := hansa.Actor{Party: alice, Credential: "1"}
	for range 5 {
		if _, ok := l.Allow(a, 1, now); !ok {
			t.Fatal("refused within the burst")
		}
	}
	wait, ok := l.Allow(a, 1, now)
	if ok || wait < 100*time.Millisecond || wait > 110*time.Millisecond {
		t.Errorf("got %v, %v; want a wait of 100 ms", wait, ok)
	}
	if _, ok := l.Allow(a, 1, now.Add(wait)); !ok {
		t.Error("refused after the wait that was named")
	}
	if _, ok := l.Allow(hansa.Actor{Party: alice, Credential: "2"}, 1, now); !ok {
		t.Error("one credential's use was charged to another")
	}
	for i := range 50 { // many callers share what room there is, and stay bounded
		l.Allow(hansa.Actor{Party: bob, Credential: fmt.Sprint(i)}, 1, now)
	}
	if _, ok := l.Allow(hansa.Actor{Party: bob, Credential: "x"}, 1, now); ok {
		t.Error("the crowd has a limit too")
	}
}

func BenchmarkAuthenticate(b *testing.B) {
	w := newWorld(b)
	_, s := w.credential(trust.CredentialSpec{Name: "one", Kind: trust.Bearer})
	req, _ := http.NewRequest(http.MethodGet, "/", nil)
	req.Header.Set("Authorization", "Bearer "+s)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.r.Authenticate(b.Context(), req); err != nil {
			b.Fatal(err)
		}
	}
}
