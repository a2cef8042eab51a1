package policy_test

import (
	"testing"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
)

// FuzzPolicy: what is read is written and read the same; what passes Check can be
// asked in every scope, and answers with a reason.
func FuzzPolicy(f *testing.F) {
	f.Add([]byte(offer))
	f.Add([]byte(permitting(atomic("spatial", "eq", `{"type":"Polygon","coordinates":[[[4,52],[5,52],[5,53],[4,52]]]}`), atomic(policy.Delay, "gteq", `"PT1.5S"`))))
	f.Add([]byte(permitting(atomic(policy.InForceDate, "lteq", `"contractAgreement+30d"`), atomic(policy.Window, "eq", `{"zone":"Europe/Amsterdam","from":"06:00","to":"22:00"}`))))
	f.Add([]byte(forbidding(`{"xone":[` + atomic("elapsedTime", "lt", `"P1Y2M3W4DT5H6M7.8S"`) + `,` + atomic(policy.PartyKind, "isAnyOf", `["city"]`) + `]}`)))
	f.Add([]byte(`{"@id":"p","permission":[{"action":"use"}],"obligation":[{"action":"https://hansa-exchange.org/ns/duty/notice/1","constraint":[` + atomic("https://hansa-exchange.org/ns/term/days", "eq", `{"@value":"90"}`) + `]}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := policy.Parse(b)
		if err != nil {
			if hansa.KindOf(err) != hansa.Invalid {
				t.Fatalf("refused as %v", err)
			}
			return
		}
		w, err := p.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		back, err := policy.Parse(w)
		if err != nil || back.Hash() != p.Hash() || !policy.Equal(p, back) {
			t.Fatalf("%s was written as %s: %v", b, w, err)
		}
		c, err := policy.Compile(p)
		if err != nil {
			if hansa.KindOf(err) != hansa.Invalid {
				t.Fatalf("refused as %v", err)
			}
			return
		}
		in := known()
		for _, s := range scopes {
			d := c.Evaluate(s, in)
			if len(d.Reasons) == 0 || d.Allowed != c.Allows(s, in) {
				t.Fatalf("%s: %+v", b, d)
			}
		}
		if at := c.NextChange(in); !at.IsZero() && !at.After(in.Now) {
			t.Fatalf("the next change at %v is not after %v", at, in.Now)
		}
		if _, err := p.Terms(noon.Add(-time.Hour)); err != nil && hansa.KindOf(err) != hansa.Invalid {
			t.Fatalf("refused as %v", err)
		}
		policy.Words(p)
	})
}
