package accord_test

import (
	"bytes"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/gowebpki/jcs"
	"pgregory.net/rapid"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
)

// TestCanonicalTwin: texts and entries have the very bytes that another maker of RFC 8785
// gives them, whatever words and names they hold.
func TestCanonicalTwin(t *testing.T) {
	x := partnership(t, hansa.ModelPartnership, city, company)
	twin := func(t *rapid.T, v any, got []byte) {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		want, err := jcs.Transform(b)
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("got\n%s\nwant\n%s %v", got, want, err)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		y := *x
		y.Title = accord.Words(rapid.MapOf(rapid.String(), rapid.String()).Draw(t, "title"))
		y.Summary = accord.Words{"en": rapid.StringMatching(`[\x00-\x40\x{7f}-\x{ff}\x{2028}\x{2029}\x{fb33}\x{1f600}"\\/<>&]*`).Draw(t, "summary")}
		y.Term.Notice, y.Version = rapid.Int().Draw(t, "notice"), rapid.IntRange(0, 1<<53).Draw(t, "version")
		got, err := y.Canonical()
		if err != nil {
			t.Fatal(err)
		}
		twin(t, &y, got)
		e := accord.Entry{N: rapid.Int64Range(0, 1<<53).Draw(t, "n"), Before: rapid.String().Draw(t, "before"), Message: rapid.String().Draw(t, "message")}
		if got, err = accord.EntryContent(&e); err != nil {
			t.Fatal(err)
		}
		twin(t, &e, got)
	})
}
