package trust_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/trust"
)

func newKey(t *testing.T, alg trust.Alg) (*trust.PrivateKey, []byte) {
	t.Helper()
	k, err := trust.GenerateKey(alg)
	if err != nil {
		t.Fatal(err)
	}
	public, err := k.Public()
	if err != nil {
		t.Fatal(err)
	}
	return k, public
}

func (w *world) register(party hansa.PartyID, jwk []byte) {
	w.Helper()
	w.change(func(tx hansa.Tx) error {
		_, err := w.r.RegisterKey(tx, party, jwk, w.now, w.now.Add(time.Hour))
		return err
	})
}

func sign(t *testing.T, k *trust.PrivateKey, b []byte) string {
	t.Helper()
	s, err := trust.SignReceipt(k, b)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// withHeader puts another header before jws, as a forger would.
func withHeader(jws, header string) string {
	_, sig, _ := strings.Cut(jws, "..")
	return base64.RawURLEncoding.EncodeToString([]byte(header)) + ".." + sig
}

func TestReceipt(t *testing.T) {
	for _, alg := range []trust.Alg{trust.ES256, trust.EdDSA} {
		t.Run(string(alg), func(t *testing.T) {
			w := newWorld(t)
			k, public := newKey(t, alg)
			w.register(alice, public)
			body := []byte(`{"record":"r1","step":"live"}`)
			jws := sign(t, k, body)
			kid, err := w.r.VerifyReceipt(t.Context(), alice, body, jws, w.now)
			if err != nil || kid != k.KID() {
				t.Fatalf("got %q, %v", kid, err)
			}
			if kid, err := trust.VerifyDetached(public, body, jws); err != nil || kid != k.KID() {
				t.Errorf("offline: got %q, %v", kid, err)
			}
			other, otherPublic := newKey(t, alg)
			w.register(bob, otherPublic)
			foreign := sign(t, other, body)
			for name, tc := range map[string]struct {
				party hansa.PartyID
				body  string
				jws   string
				after time.Duration
			}{
				"other bytes":         {alice, string(body) + " ", jws, 0},
				"another party":       {bob, string(body), jws, 0},
				"another's key":       {alice, string(body), foreign, 0},
				"unknown party":       {"did:web:x", string(body), jws, 0},
				"not valid yet":       {alice, string(body), jws, -time.Second},
				"expired":             {alice, string(body), jws, time.Hour},
				"another's signature": {alice, string(body), withHeader(foreign, fmt.Sprintf(`{"alg":%q,"kid":%q}`, alg, k.KID())), 0},
			} {
				if _, err := w.r.VerifyReceipt(t.Context(), tc.party, []byte(tc.body), tc.jws, w.now.Add(tc.after)); err == nil || hansa.KindOf(err) != hansa.Denied {
					t.Errorf("%s: got %v, want Denied", name, err)
				}
			}
			for i := range len(jws) {
				b := []byte(jws)
				b[i] ^= 1
				if _, err := w.r.VerifyReceipt(t.Context(), alice, body, string(b), w.now); err == nil {
					t.Errorf("byte %d flipped was not noticed", i)
				}
			}
		})
	}
}

func TestForgedSignatures(t *testing.T) {
	w := newWorld(t)
	k, public := newKey(t, trust.ES256)
	w.register(alice, public)
	body := []byte(`{"record":"r1"}`)
	good := sign(t, k, body)
	kid := k.KID()

	hs := base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"alg":"HS256","kid":%q}`, kid))
	mac := hmac.New(sha256.New, public) // the public key as the secret
	mac.Write([]byte(hs + "." + base64.RawURLEncoding.EncodeToString(body)))
	_, mine := newKey(t, trust.ES256)

	for name, jws := range map[string]string{
		"alg none":          base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"alg":"none","kid":%q}`, kid)) + "..",
		"alg none, signed":  withHeader(good, fmt.Sprintf(`{"alg":"none","kid":%q}`, kid)),
		"alg None":          withHeader(good, fmt.Sprintf(`{"alg":"None","kid":%q}`, kid)),
		"HS256, public key": hs + ".." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)),
		"HS512":             withHeader(good, fmt.Sprintf(`{"alg":"HS512","kid":%q}`, kid)),
		"EdDSA for ES256":   withHeader(good, fmt.Sprintf(`{"alg":"EdDSA","kid":%q}`, kid)),
		"RS256":             withHeader(good, fmt.Sprintf(`{"alg":"RS256","kid":%q}`, kid)),
		"no alg":            withHeader(good, fmt.Sprintf(`{"kid":%q}`, kid)),
		"two algs":          withHeader(good, fmt.Sprintf(`{"alg":"ES256","alg":"ES256","kid":%q}`, kid)),
		"Alg in capitals":   withHeader(good, fmt.Sprintf(`{"Alg":"ES256","kid":%q}`, kid)),
		"no kid":            withHeader(good, `{"alg":"ES256"}`),
		"kid traversal":     withHeader(good, `{"alg":"ES256","kid":"../../../../dev/null"}`),
		"kid with SQL":      withHeader(good, `{"alg":"ES256","kid":"x' OR '1'='1"}`),
		"kid a URL":         withHeader(good, `{"alg":"ES256","kid":"https://evil.example/key"}`),
		"jku":               withHeader(good, fmt.Sprintf(`{"alg":"ES256","kid":%q,"jku":"https://evil.example/jwks"}`, kid)),
		"x5u":               withHeader(good, fmt.Sprintf(`{"alg":"ES256","kid":%q,"x5u":"https://evil.example/c"}`, kid)),
		"x5c":               withHeader(good, fmt.Sprintf(`{"alg":"ES256","kid":%q,"x5c":["MA=="]}`, kid)),
		"jwk":               withHeader(good, fmt.Sprintf(`{"alg":"ES256","kid":%q,"jwk":%s}`, kid, mine)),
		"crit":              withHeader(good, fmt.Sprintf(`{"alg":"ES256","kid":%q,"crit":["exp"]}`, kid)),
		"b64 false":         withHeader(good, fmt.Sprintf(`{"alg":"ES256","kid":%q,"b64":false,"crit":["b64"]}`, kid)),
		"attached payload":  strings.Replace(good, "..", "."+base64.RawURLEncoding.EncodeToString(body)+".", 1),
		"zero signature":    strings.SplitAfter(good, "..")[0] + strings.Repeat("A", 86),
		"JSON form":         `{"payload":"","signatures":[]}`,
		"four parts":        good + ".x",
		"white space":       strings.Replace(good, "..", ". .", 1),
		"newline at end":    good + "\n",
		"empty":             "",
		"huge":              strings.Repeat("a", 1<<20),
	} {
		_, err := w.r.VerifyReceipt(t.Context(), alice, body, jws, w.now)
		if err == nil || hansa.KindOf(err) != hansa.Denied {
			t.Errorf("%s: got %v, want Denied", name, err)
		}
		if _, err := trust.VerifyDetached(public, body, jws); err == nil {
			t.Errorf("%s: taken offline", name)
		}
	}
}

func TestRevokedKey(t *testing.T) {
	w := newWorld(t)
	k, public := newKey(t, trust.EdDSA)
	w.register(alice, public)
	body := []byte(`{}`)
	jws := sign(t, k, body)
	w.change(func(tx hansa.Tx) error {
		return w.r.RevokeKey(tx, alice, k.KID(), w.now.Add(10*time.Minute), "laptop stolen")
	})
	if _, err := w.r.VerifyReceipt(t.Context(), alice, body, jws, w.now.Add(9*time.Minute)); err != nil {
		t.Errorf("before the revocation: %v", err)
	}
	if _, err := w.r.VerifyReceipt(t.Context(), alice, body, jws, w.now.Add(10*time.Minute)); err == nil {
		t.Error("taken after the revocation")
	}
	err := w.r.Change(t.Context(), func(tx hansa.Tx) error {
		return w.r.RevokeKey(tx, alice, k.KID(), w.now.Add(20*time.Minute), "made milder")
	})
	if err == nil || hansa.KindOf(err) != hansa.Conflict {
		t.Errorf("a revocation moved later: got %v, want Conflict", err)
	}
	keys, err := w.r.Keys(t.Context(), alice)
	if err != nil || len(keys) != 1 || keys[0].Reason != "laptop stolen" {
		t.Errorf("got %+v, %v; want the key kept", keys, err)
	}
	if got := strings.Join(w.acts, ","); !strings.Contains(got, "key-registered") || !strings.Contains(got, "key-revoked") {
		t.Errorf("got acts %s", got)
	}
}

func TestRegisterKeyRefuses(t *testing.T) {
	w := newWorld(t)
	k, public := newKey(t, trust.ES256)
	private, err := k.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := trust.ParsePrivateKey(private); err != nil || again.KID() != k.KID() {
		t.Errorf("got %v, %v", again, err)
	}
	if s := fmt.Sprintf("%v %+v", k, k); strings.Contains(s, "D:") {
		t.Errorf("a private key shows itself: %s", s)
	}
	w.register(alice, public)
	var members map[string]any
	if err := json.Unmarshal(public, &members); err != nil {
		t.Fatal(err)
	}
	edit := func(k string, v any) string {
		c := maps.Clone(members)
		c[k] = v
		b, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	_, fresh := newKey(t, trust.EdDSA)
	for name, jwk := range map[string]string{
		"private":          string(private),
		"of another party": string(public),
		"symmetric":        `{"kty":"oct","k":"AAAA"}`,
		"RSA":              `{"kty":"RSA","n":"AQAB","e":"AQAB"}`,
		"wrong kid":        edit("kid", "x"),
		"encryption":       edit("use", "enc"),
		"other alg":        edit("alg", "HS256"),
		"x5u":              edit("x5u", "https://evil.example"),
		"off the curve":    edit("x", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE"),
		"P-384":            edit("crv", "P-384"),
		"not JSON":         "x",
		"two keys":         string(fresh) + string(fresh),
		"duplicate":        strings.Replace(string(fresh), "{", `{"kty":"OKP",`, 1),
	} {
		err := w.r.Change(t.Context(), func(tx hansa.Tx) error {
			_, err := w.r.RegisterKey(tx, bob, []byte(jwk), w.now, time.Time{})
			return err
		})
		if err == nil || hansa.KindOf(err) == hansa.Internal {
			t.Errorf("%s: got %v, want it refused", name, err)
		}
	}
}

func TestNodeKey(t *testing.T) {
	dir := t.TempDir()
	place := trust.NodeKeyPlace{Name: "city.example", Dir: dir}
	k, err := trust.OpenNodeKey(place)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, trust.NodeKeyFile)
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Fatalf("got %v, %v; want mode 0600", st.Mode(), err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".key-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	again, err := trust.OpenNodeKey(place)
	if err != nil || again.VerifierKey() != k.VerifierKey() {
		t.Errorf("got %v, %v; want the same key", again, err)
	}
	if s := fmt.Sprintf("%v %s", k, k); strings.Contains(s, "PRIVATE") {
		t.Error("the private half is shown")
	}
	t.Run("under another name", func(t *testing.T) {
		if _, err := trust.OpenNodeKey(trust.NodeKeyPlace{Name: "other.example", Dir: dir}); err == nil || hansa.KindOf(err) != hansa.Invalid {
			t.Errorf("got %v, want Invalid", err)
		}
	})
	t.Run("readable by others", func(t *testing.T) {
		for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o660} {
			os.Chmod(path, mode)
			_, err := trust.OpenNodeKey(place)
			if err == nil || !strings.Contains(hansa.Public(err).Hint, "chmod 600 "+path) {
				t.Errorf("mode %o: got %v, want it refused with the mend", mode, err)
			}
		}
		os.Chmod(path, 0o600)
	})
	t.Run("from a systemd credential", func(t *testing.T) {
		creds := t.TempDir()
		b, _ := os.ReadFile(path)
		os.WriteFile(filepath.Join(creds, trust.NodeKeyCredential), b, 0o440)
		elsewhere := trust.NodeKeyPlace{Name: "city.example", Dir: t.TempDir(), Credentials: creds}
		got, err := trust.OpenNodeKey(elsewhere)
		if err != nil || got.VerifierKey() != k.VerifierKey() {
			t.Errorf("got %v, %v", got, err)
		}
		if _, err := os.Stat(filepath.Join(elsewhere.Dir, trust.NodeKeyFile)); err == nil {
			t.Error("a second key was made")
		}
	})
	t.Run("damaged", func(t *testing.T) {
		os.WriteFile(path, []byte("PRIVATE+KEY+city.example+x+sesame"), 0o600)
		_, err := trust.OpenNodeKey(place)
		if err == nil || strings.Contains(err.Error(), "sesame") {
			t.Errorf("got %v, want an error that does not show the key", err)
		}
	})
}

func FuzzReceiptHeader(f *testing.F) {
	k, err := trust.GenerateKey(trust.EdDSA)
	if err != nil {
		f.Fatal(err)
	}
	public, _ := k.Public()
	body := []byte("{}")
	good, _ := trust.SignReceipt(k, body)
	f.Add(good)
	f.Add(withHeader(good, `{"alg":"none"}`))
	f.Fuzz(func(t *testing.T, jws string) {
		if _, err := trust.VerifyDetached(public, body, jws); err == nil && jws != good {
			t.Errorf("%q was taken", jws)
		}
	})
}
