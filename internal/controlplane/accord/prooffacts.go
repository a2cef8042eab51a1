package accord

import (
	"fmt"
	"slices"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/journal"
	"github.com/hansa-exchange/hansa/internal/base/trust"
)

// The names of what is checked of an accord in a proof bundle.
const (
	checkAccord     = "accord"
	checkSignedText = "accord signatures"
)

// CheckFacts checks what proven facts say of accords, together: that each entry is what
// its sender signed, that they follow each other from the first, and that every signature
// holds over its text, by a key that was its party's then. Facts that are none of
// an accord are passed over; without any that is, there is nothing to check. It is
// [journal.Trust.Further].
func CheckFacts(facts []journal.Fact) (checks []journal.Check) {
	var list []provenEntry
	erased := 0
	fail := func(name, format string, args ...any) []journal.Check {
		return append(checks, journal.Check{Name: name, Detail: fmt.Sprintf(format, args...)})
	}
	for i := range facts {
		f := &facts[i]
		switch {
		case f.Kind != hansa.FactAct || f.Act != EntryAct:
		case f.Erased != nil:
			erased++
		default:
			p, err := readProven(f.Doc, f.Content)
			if err != nil {
				return fail(checkAccord, "fact %d: %v", i, err)
			}
			list = append(list, p)
		}
	}
	if len(list) == 0 {
		return nil
	}
	slices.SortStableFunc(list, byNumber)
	if err := checkChain(list, erased); err != nil {
		return fail(checkAccord, "%v", err)
	}
	last := &list[len(list)-1]
	checks = append(checks, journal.Check{Name: checkAccord, OK: true, Detail: fmt.Sprintf("%s, entries 1 to %d in a chain, %d erased; the last is %s by %s, %.16s…", last.Message.Accord, last.Entry.N, erased, last.Message.Kind, last.Message.From, last.hash)})
	n, texts, err := checkSigned(list, keyHistory(facts))
	if err != nil {
		return fail(checkSignedText, "%v", err)
	}
	detail := fmt.Sprintf("%d signatures hold over %d texts, each by a key that was its party's then", n, len(texts))
	if by := signedBy(list); by != "" {
		detail += ": " + by
	}
	return append(checks, journal.Check{Name: checkSignedText, OK: true, Detail: detail})
}

// keyActs are the kinds of act that say what became of a key.
var keyActs = []string{"key-registered", "key-replaced", "key-revoked", "key-gone"}

// KeyActs lists the kinds of act whose document is a [trust.Key].
func KeyActs() []string { return slices.Clone(keyActs) }

// keyHistory is what facts show of keys, by id.
func keyHistory(facts []journal.Fact) map[string][]trust.Key {
	out := map[string][]trust.Key{}
	for i := range facts {
		f := &facts[i]
		if f.Kind != hansa.FactAct || f.Erased != nil || !slices.Contains(keyActs, f.Act) {
			continue
		}
		var k trust.Key
		if json.Unmarshal([]byte(f.Doc), &k) == nil && k.KID != "" {
			out[k.KID] = append(out[k.KID], k)
		}
	}
	return out
}
