package accord_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/trust"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
)

var signedAt = time.Date(2026, 6, 18, 9, 30, 0, 0, time.UTC)

const navco hansa.PartyID = "did:web:hub.example:parties:navco"

func newKey(t *testing.T, alg trust.Alg) *trust.PrivateKey {
	t.Helper()
	k, err := trust.GenerateKey(alg)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func draft() accord.Signature {
	return accord.Signature{
		Party: navco, Role: "Leiterin \"Verkehr\" & <Bau>", Power: "mandate 2026-114", Held: accord.HeldByNode, Host: "did:web:hub.example", At: signedAt,
	}
}

func signed(t *testing.T, key *trust.PrivateKey, text []byte, s accord.Signature) accord.Signature {
	t.Helper()
	out, err := accord.SignBytes(key, text, s)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func public(t *testing.T, key *trust.PrivateKey) trust.Key {
	t.Helper()
	jwk, err := key.Public()
	if err != nil {
		t.Fatal(err)
	}
	return trust.Key{KID: key.KID(), Party: navco, JWK: string(jwk), Use: trust.UseSignature, ValidFrom: signedAt.Add(-time.Hour)}
}

func TestSignature(t *testing.T) {
	text := []byte(`{"format":1,"title":{"en":"Closures"}}`)
	for _, alg := range []trust.Alg{trust.ES256, trust.EdDSA} {
		key := newKey(t, alg)
		s := signed(t, key, text, draft())
		k := public(t, key)
		t.Run(string(alg)+" holds", func(t *testing.T) {
			if err := s.Verify(text, signedAt.Add(time.Minute), []trust.Key{k}); err != nil {
				t.Error(err)
			}
		})
		t.Run(string(alg)+" is over every byte of the text", func(t *testing.T) {
			for i := range text {
				other := append([]byte(nil), text...)
				other[i] ^= 1
				if s.Check(other) == nil {
					t.Fatalf("byte %d changed, and the signature holds", i)
				}
				// Nor when the hash beside it is made to match.
				lie := s
				lie.Hash = signed(t, key, other, draft()).Hash
				if lie.Check(other) == nil {
					t.Fatalf("byte %d changed with the hash, and the signature holds", i)
				}
			}
		})
		t.Run(string(alg)+" is whole: any changed byte is noticed", func(t *testing.T) {
			raw, err := json.Marshal(s)
			if err != nil {
				t.Fatal(err)
			}
			for i := range raw {
				other := append([]byte(nil), raw...)
				other[i] ^= 1
				var got accord.Signature
				if json.Unmarshal(other, &got, json.RejectUnknownMembers(true)) != nil {
					continue
				}
				if got.Check(text) == nil {
					t.Fatalf("byte %d changed (%q), and the signature holds", i, raw[i])
				}
			}
		})
	}
}

// What a signature says of itself is signed: none of it can be said otherwise after.
func TestSignatureSays(t *testing.T) {
	text, key := []byte(`{"format":1}`), newKey(t, trust.ES256)
	digest, err := accord.Body{Notice: "2026-12-31"}.Digest()
	if err != nil {
		t.Fatal(err)
	}
	later, err := accord.Body{Notice: "2027-12-31"}.Digest()
	if err != nil {
		t.Fatal(err)
	}
	end := draft()
	end.Act, end.About = accord.End, digest
	s := signed(t, key, text, end)
	for name, change := range map[string]func(*accord.Signature){
		"another party":      func(s *accord.Signature) { s.Party = "did:web:other.example" },
		"another role":       func(s *accord.Signature) { s.Role = "mayor" },
		"another power":      func(s *accord.Signature) { s.Power = "statute" },
		"another time":       func(s *accord.Signature) { s.At = s.At.Add(time.Second) },
		"another holder":     func(s *accord.Signature) { s.Held, s.Host = accord.HeldByParty, "" },
		"another host":       func(s *accord.Signature) { s.Host = "did:web:elsewhere.example" },
		"another act":        func(s *accord.Signature) { s.Act = accord.Leave },
		"an end that agrees": func(s *accord.Signature) { s.Act, s.About = accord.Sign, "" },
		"another last day":   func(s *accord.Signature) { s.About = later },
		"another key": func(s *accord.Signature) {
			s.Key = signed(t, newKey(t, trust.ES256), text, end).Key
		},
		"another's signature": func(s *accord.Signature) {
			s.JWS = signed(t, newKey(t, trust.ES256), text, end).JWS
		},
		"the signature of another text": func(s *accord.Signature) {
			s.JWS = signed(t, key, []byte(`{"format":2}`), end).JWS
		},
		"a key in another form": func(s *accord.Signature) { s.Key = []byte(strings.Replace(string(s.Key), `"use":"sig",`, "", 1)) },
	} {
		t.Run(name, func(t *testing.T) {
			other := s
			change(&other)
			if err := other.Check(text); err == nil {
				t.Error("it holds")
			}
		})
	}
	t.Run("a receipt's signature is none of an accord", func(t *testing.T) {
		jws, err := trust.SignReceipt(key, text)
		if err != nil {
			t.Fatal(err)
		}
		other := s
		other.JWS = jws
		if err := other.Check(text); err == nil || !strings.Contains(err.Error(), "type") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a signature of an accord is none of a receipt", func(t *testing.T) {
		if _, err := trust.VerifyDetached(s.Key, text, s.JWS); err == nil {
			t.Error("it holds")
		}
	})
	t.Run("a header that brings what it may not is refused", func(t *testing.T) {
		for _, extra := range []string{`"crit":["b64"],`, `"jwk":{},`, `"b64":false,`, `"n":1,`, `"act":"sign",`} {
			head := `{` + extra + `"alg":"ES256","kid":"` + key.KID() + `","typ":"` + accord.SignatureType + `","act":"end"}`
			other := s
			other.JWS = base64.RawURLEncoding.EncodeToString([]byte(head)) + s.JWS[strings.Index(s.JWS, ".."):]
			if err := other.Check(text); err == nil {
				t.Errorf("%s was taken", extra)
			}
		}
	})
}

// A signature is good by a key of its party that was good when it came.
func TestSignatureKey(t *testing.T) {
	text, key := []byte(`{"format":1}`), newKey(t, trust.EdDSA)
	s := signed(t, key, text, draft())
	for _, tc := range []struct {
		name    string
		change  func(*trust.Key)
		arrived time.Duration
		want    string
	}{
		{"good", func(*trust.Key) {}, time.Minute, ""},
		{"unknown", func(k *trust.Key) { k.KID = newKey(t, trust.EdDSA).KID() }, time.Minute, "is none by which"},
		{"of another party", func(k *trust.Key) { k.Party = "did:web:other.example" }, time.Minute, "is none by which"},
		{"for messages", func(k *trust.Key) { k.Use = trust.UseMessage }, time.Minute, "not one for signing accords"},
		{"for receipts", func(k *trust.Key) { k.Use = "" }, time.Minute, "not one for signing accords"},
		{"not valid yet", func(k *trust.Key) { k.ValidFrom = signedAt.Add(time.Hour) }, time.Minute, "not valid yet"},
		{"expired when it came", func(k *trust.Key) { k.ValidTo = signedAt.Add(time.Second) }, time.Minute, "expired"},
		{"revoked when it came, though dated before", func(k *trust.Key) { k.Revoked = signedAt.Add(time.Second) }, time.Hour, "revoked"},
		{"revoked after it came", func(k *trust.Key) { k.Revoked = signedAt.Add(time.Hour) }, time.Minute, ""},
		{"signed in the time to come", func(*trust.Key) {}, -time.Hour, "yet to come"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			k := public(t, key)
			tc.change(&k)
			err := s.Verify(text, signedAt.Add(tc.arrived), []trust.Key{k})
			if got := fmt.Sprint(err); (tc.want == "") != (err == nil) || tc.want != "" && !strings.Contains(got, tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func TestSignatureRefused(t *testing.T) {
	for _, tc := range []struct {
		field  string
		change func(*accord.Signature)
	}{
		{"/signature/role", func(s *accord.Signature) { s.Role = " " }},
		{"/signature/power", func(s *accord.Signature) { s.Power = "" }},
		{"/signature/power", func(s *accord.Signature) { s.Power = "a\nb" }},
		{"/signature/role", func(s *accord.Signature) { s.Role = strings.Repeat("x", accord.RoleBytesMax+1) }},
		{"/signature/held", func(s *accord.Signature) { s.Held = "" }},
		{"/signature/host", func(s *accord.Signature) { s.Host = "" }},
		{"/signature/host", func(s *accord.Signature) { s.Held = accord.HeldByParty }},
		{"/signature/party", func(s *accord.Signature) { s.Party = hansa.PublicParty }},
		{"/signature/act", func(s *accord.Signature) { s.Act = accord.Comment }},
		{"/signature/about", func(s *accord.Signature) { s.Act = accord.End }},
		{"/signature/at", func(s *accord.Signature) { s.At = time.Time{} }},
	} {
		s := draft()
		tc.change(&s)
		_, err := accord.SignBytes(newKey(t, trust.ES256), []byte(`{}`), s)
		if err == nil || hansa.Public(err).Field != tc.field {
			t.Errorf("%s: got %v", tc.field, err)
		}
	}
}

func hash(b []byte) string { return fmt.Sprintf("%x", sha256.Sum256(b)) }
