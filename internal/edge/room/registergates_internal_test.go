package room

import (
	"slices"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa"
)

// Each condition that a gate holds to is named in the register.
func TestGatesInWords(t *testing.T) {
	three := 3
	p := &printPage{}
	got := p.gates(&hansa.Terms{
		Fields: []string{"lanes", "cause"}, Precision: &three, Delay: hansa.Duration(15 * time.Minute), Retention: 1, Conditions: map[string]string{"personal": "none", "audience": "public"},
		Windows: []hansa.Recurrence{{Zone: "Europe/Amsterdam", Days: []string{"monday", "friday"}, From: "06:00", To: "09:30", Except: []string{"2026-12-25"}}},
	})
	want := []string{
		"besides identity, time and place only: " + labels("fields", []string{"lanes", "cause"}, "en"), "places to 3 decimals of a degree", "held back for 15 min", "open Mon and Fri 06:00–09:30 Europe/Amsterdam (on some of these days alone)",
		"nothing older than 1 day", "only what is meant for the public", "no personal data",
	}
	if !slices.Equal(got, want) {
		t.Errorf("the gates are %q, want %q", got, want)
	}
	if got := p.gates(&hansa.Terms{}); len(got) > 0 {
		t.Errorf("none are %q", got)
	}
}
