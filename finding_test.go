package hansa_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"pgregory.net/rapid"

	"github.com/hansa-exchange/hansa"
)

// TestFindingsJSON holds the bytes of findings to what any reader makes of them.
func TestFindingsJSON(t *testing.T) {
	text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", `"\\`, "</script>", "\x00\x1f\x7f", "a\u2028b\u2029", "é€😀", "\xff\xc3"}))
	rapid.Check(t, func(rt *rapid.T) {
		list := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) hansa.Finding {
			return hansa.Finding{
				Rule: hansa.Rule(text.Draw(rt, "rule")), Severity: hansa.FindingSeverity(text.Draw(rt, "severity")), Field: text.Draw(rt, "field"),
				Value: text.Draw(rt, "value"), Message: text.Draw(rt, "message"), Mend: text.Draw(rt, "mend"),
			}
		}), 0, 4).Draw(rt, "list")
		b := hansa.AppendFindings(nil, list)
		if strings.ContainsAny(string(b), "<>&\u2028\u2029\n") || !utf8.Valid(b) {
			rt.Fatalf("%q may not stand in HTML", b)
		}
		var got []hansa.Finding
		if err := json.Unmarshal(b, &got); err != nil {
			rt.Fatalf("%s: %v", b, err)
		}
		for i, f := range list {
			want := f
			for _, s := range []*string{(*string)(&want.Rule), (*string)(&want.Severity), &want.Field, &want.Value, &want.Message, &want.Mend} {
				*s = string([]rune(*s)) // what is no UTF-8 becomes U+FFFD
			}
			if got[i] != want {
				rt.Fatalf("got %+v, want %+v", got[i], want)
			}
		}
		if len(got) != len(list) {
			rt.Fatalf("%d findings, want %d", len(got), len(list))
		}
	})
}
