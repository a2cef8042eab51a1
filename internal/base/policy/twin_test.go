package policy_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
)

// slow answers as Allows does, from the policy as written, one thing after the other.
func slow(p *policy.Policy, s policy.Scope, in policy.Input) bool {
	purposes := in.Purposes
	if len(purposes) == 0 {
		purposes = []hansa.Purpose{""}
	}
	for _, purpose := range purposes {
		permitted, prohibited := false, false
		for _, r := range p.Permission {
			switch slowAll(r.Constraint, false, s, in, purpose) {
			case "yes", "later":
				permitted = true
			}
		}
		for _, r := range p.Prohibition {
			switch slowAll(r.Constraint, true, s, in, purpose) {
			case "yes", "unsaid":
				prohibited = true
			}
		}
		if !permitted || prohibited {
			return false
		}
	}
	return true
}

func slowAll(list []policy.Constraint, forbids bool, s policy.Scope, in policy.Input, purpose hansa.Purpose) string {
	var got []string
	for i := range list {
		got = append(got, slowOne(&list[i], forbids, s, in, purpose))
	}
	return first(got, "yes", "no", "unsaid", "later")
}

// first returns the first of order that is among got, else none.
func first(got []string, none string, order ...string) string {
	for _, o := range order {
		if slices.Contains(got, o) {
			return o
		}
	}
	return none
}

func slowOne(c *policy.Constraint, forbids bool, s policy.Scope, in policy.Input, purpose hansa.Purpose) string {
	kids := func(list []policy.Constraint) (got []string) {
		for i := range list {
			got = append(got, slowOne(&list[i], forbids, s, in, purpose))
		}
		return got
	}
	switch {
	case c.And != nil:
		return slowAll(c.And, forbids, s, in, purpose)
	case c.AndSequence != nil:
		return slowAll(c.AndSequence, forbids, s, in, purpose)
	case c.Or != nil:
		return first(kids(c.Or), "no", "yes", "unsaid", "later")
	case c.Xone != nil:
		got := kids(c.Xone)
		yes := 0
		for _, g := range got {
			if g == "yes" {
				yes++
			}
		}
		if yes > 1 {
			return "no"
		}
		return first(got, "no", "unsaid", "later", "yes")
	}
	return slowAtom(c, forbids, s, in, purpose)
}

func slowAtom(c *policy.Constraint, forbids bool, s policy.Scope, in policy.Input, purpose hansa.Purpose) string {
	early := s == policy.Catalogue || s == policy.Negotiation
	later := func(may bool) string { return map[bool]string{true: "later", false: "unsaid"}[may] }
	truth := func(is bool) string { return map[bool]string{true: "yes", false: "no"}[is] }
	var right []string
	if json.Unmarshal(c.RightOperand, &right) != nil {
		var one string
		if err := json.Unmarshal(c.RightOperand, &one); err != nil {
			panic(err)
		}
		right = []string{one}
	}
	among := func(s string) string {
		return truth(slices.Contains(right, s) == (c.Operator == "eq" || c.Operator == "isAnyOf"))
	}
	switch c.LeftOperand {
	case policy.Purpose:
		if purpose == "" {
			return later(s == policy.Catalogue)
		}
		return among(string(purpose))
	case policy.FileFormat:
		if in.Format == "" {
			return later(early)
		}
		return among(in.Format)
	case policy.Recipient:
		if in.Caller == "" {
			return "unsaid"
		}
		return among(string(in.Caller))
	case policy.PartyKind:
		if in.CallerKind == "" {
			return "unsaid"
		}
		return among(string(in.CallerKind))
	case policy.Accord:
		if in.Accords == nil {
			return later(s == policy.Catalogue)
		}
		return truth(in.Accords(strings.TrimPrefix(right[0], "sha-256:")))
	case policy.Delay:
		return later(!forbids || s == policy.Catalogue)
	}
	at, err := time.Parse(time.RFC3339, right[0])
	if err != nil { // P1D, or contractAgreement+1d
		if in.Agreed.IsZero() {
			return later(early)
		}
		at = in.Agreed.Add(24 * time.Hour)
	}
	switch d := in.Now.Compare(at); c.Operator {
	case "lt":
		return truth(d < 0)
	case "lteq":
		return truth(d <= 0)
	case "gt":
		return truth(d > 0)
	case "gteq":
		return truth(d >= 0)
	default:
		return truth(d == 0)
	}
}

func quoted(list ...string) jsontext.Value {
	var v any = list
	if len(list) == 1 {
		v = list[0]
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// drawConstraint draws from few words, so that they often meet.
func drawConstraint(t *rapid.T, depth int) policy.Constraint {
	pick := func(of ...string) string { return rapid.SampledFrom(of).Draw(t, "pick") }
	some := func(of ...string) jsontext.Value { return quoted(of[:rapid.IntRange(1, len(of)).Draw(t, "some")]...) }
	if depth > 0 && rapid.IntRange(0, 2).Draw(t, "deeper") == 0 {
		kids := make([]policy.Constraint, rapid.IntRange(1, 3).Draw(t, "kids"))
		for i := range kids {
			kids[i] = drawConstraint(t, depth-1)
		}
		return map[string]policy.Constraint{"and": {And: kids}, "seq": {AndSequence: kids}, "or": {Or: kids}, "xone": {Xone: kids}}[pick("and", "seq", "or", "xone")]
	}
	c := policy.Constraint{LeftOperand: pick(policy.Purpose, policy.FileFormat, policy.Recipient, policy.PartyKind, policy.Accord, policy.Delay, policy.DateTime, policy.ElapsedTime, policy.InForceDate)}
	switch c.LeftOperand {
	case policy.Purpose:
		c.Operator, c.RightOperand = pick("isAnyOf", "isNoneOf"), some("a", "b", "c")
	case policy.FileFormat:
		c.Operator, c.RightOperand = "isAnyOf", some("a", "b")
	case policy.Recipient:
		c.Operator, c.RightOperand = "isAnyOf", some("did:web:a", "did:web:b")
	case policy.PartyKind:
		c.Operator, c.RightOperand = "isAnyOf", some("city", "company")
	case policy.Accord:
		c.Operator, c.RightOperand = "eq", quoted("sha-256:"+pick(hash, hash[1:]+"0"))
	case policy.Delay:
		c.Operator, c.RightOperand = "gteq", quoted("PT1M")
	case policy.ElapsedTime:
		c.Operator, c.RightOperand = pick("lt", "lteq"), quoted("P1D")
	case policy.DateTime:
		c.Operator, c.RightOperand = pick("lt", "lteq", "gt", "gteq", "eq"), quoted("2026-07-04T12:00:00Z")
	default:
		c.Operator, c.RightOperand = pick("lt", "lteq", "gt", "gteq"), quoted(pick("2026-07-04T12:00:00Z", "contractAgreement+1d"))
	}
	return c
}

func drawPolicy(t *rapid.T) *policy.Policy {
	rules := func(least int) (out []policy.Rule) {
		for range rapid.IntRange(least, 2).Draw(t, "rules") {
			r := policy.Rule{Action: "use"}
			for range rapid.IntRange(0, 3).Draw(t, "constraints") {
				r.Constraint = append(r.Constraint, drawConstraint(t, 2))
			}
			out = append(out, r)
		}
		return out
	}
	return &policy.Policy{ID: "p", Type: policy.Offer, Permission: rules(1), Prohibition: rules(0)}
}

func drawInput(t *rapid.T) policy.Input {
	in := policy.Input{
		Now:        noon.Add(rapid.SampledFrom([]time.Duration{-1, 0, 1}).Draw(t, "now")),
		Caller:     rapid.SampledFrom([]hansa.PartyID{"", "did:web:a", "did:web:b"}).Draw(t, "caller"),
		CallerKind: rapid.SampledFrom([]hansa.PartyKind{"", hansa.City, hansa.Company}).Draw(t, "kind"),
		Purposes:   rapid.SliceOfN(rapid.SampledFrom([]hansa.Purpose{"a", "b", "c", ""}), 0, 2).Draw(t, "purposes"),
		Format:     rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "format"),
	}
	if rapid.Bool().Draw(t, "agreed") {
		in.Agreed = noon.Add(-24 * time.Hour)
	}
	if rapid.Bool().Draw(t, "accords") {
		in.Accords = func(h string) bool { return h == hash }
	}
	return in
}

var scopes = []policy.Scope{policy.Catalogue, policy.Negotiation, policy.Transfer, policy.Use}

func TestEvaluateAnswersAsItsSlowTwin(t *testing.T) {
	allowed, asked := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		p := drawPolicy(t)
		c, err := policy.Compile(p)
		if err != nil {
			t.Fatal(err)
		}
		s, in := rapid.SampledFrom(scopes).Draw(t, "scope"), drawInput(t)
		d := c.Evaluate(s, in)
		if want := slow(p, s, in); d.Allowed != want || c.Allows(s, in) != want {
			t.Fatalf("Evaluate %v, Allows %v, want %v: %s", d.Allowed, c.Allows(s, in), want, d)
		}
		if len(d.Reasons) == 0 {
			t.Fatal("a decision without a reason")
		}
		asked++
		if d.Allowed {
			allowed++
		}
	})
	if allowed == 0 || allowed == asked {
		t.Errorf("%d of %d allowed: the draw says nothing", allowed, asked)
	}
}

func TestAnAnswerChangesNotBeforeNextChange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPolicy(t)
		c, err := policy.Compile(p)
		if err != nil {
			t.Fatal(err)
		}
		s, in := rapid.SampledFrom(scopes).Draw(t, "scope"), drawInput(t)
		before, next := c.Allows(s, in), c.NextChange(in)
		later := in
		for _, wait := range []time.Duration{1, 2, 24 * time.Hour} {
			later.Now = in.Now.Add(wait)
			if (next.IsZero() || later.Now.Before(next)) && c.Allows(s, later) != before {
				t.Fatalf("at %v the answer is another, and NextChange said %v", later.Now, next)
			}
		}
	})
}

func TestRulesSurviveTheWire(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPolicy(t)
		b, err := p.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		back, err := policy.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		if err := back.Validate(policy.FormOffer); err != nil {
			t.Fatal(err)
		}
		if !policy.Equal(p, back) || p.Hash() != back.Hash() || !policy.Equal(p, p.Clone()) {
			t.Fatalf("%s came back as %+v", b, back)
		}
		if words := policy.Words(back); len(words) != len(p.Permission)+len(p.Prohibition) {
			t.Fatalf("%d rules, said as %q", len(p.Permission)+len(p.Prohibition), words)
		}
	})
}
