package policy_test

import (
	"testing"

	"github.com/hansa-exchange/hansa/internal/base/policy"
)

// agreement holds what an offer of ours usually says.
func agreement(t testing.TB) *policy.Compiled {
	return compile(t, parse(t, permitting(
		atomic("purpose", "isAnyOf", `["traffic-information","navigation"]`), atomic("fileFormat", "isAnyOf", `["datex2","cifs"]`),
		atomic("dateTime", "lt", `"2027-01-01T00:00:00Z"`), atomic("elapsedTime", "lteq", `"P1Y"`),
		atomic(policy.Accord, "eq", `"sha-256:`+hash+`"`), atomic(policy.Delay, "gteq", `"PT1M"`))))
}

func TestAllowsAllocatesNothing(t *testing.T) {
	c, in := agreement(t), known()
	ok := false
	if n := testing.AllocsPerRun(100, func() { ok = c.Allows(policy.Use, in) }); n != 0 || !ok {
		t.Errorf("%v allocations, allowed %v; want 0, true", n, ok)
	}
}

func BenchmarkAllows(b *testing.B) {
	c, in := agreement(b), known()
	b.ReportAllocs()
	for b.Loop() {
		c.Allows(policy.Use, in)
	}
}

func BenchmarkEvaluate(b *testing.B) {
	c, in := agreement(b), known()
	b.ReportAllocs()
	for b.Loop() {
		c.Evaluate(policy.Use, in)
	}
}

func BenchmarkParse(b *testing.B) {
	in := []byte(offer)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := policy.Parse(in); err != nil {
			b.Fatal(err)
		}
	}
}
