package gate

import (
	"time"

	"github.com/hansa-exchange/hansa"
)

// The rules that verdicts name. They are written to disk: append, never renumber.
const (
	NoPurpose     hansa.Rule = "GATE-01"
	PurposeDenied hansa.Rule = "GATE-02"
	NotYet        hansa.Rule = "GATE-03"
	Over          hansa.Rule = "GATE-04"
	Window        hansa.Rule = "GATE-05"
	Delay         hansa.Rule = "GATE-06"
	Outside       hansa.Rule = "GATE-07"
	FormatDenied  hansa.Rule = "GATE-08"
	Paused        hansa.Rule = "GATE-09"
	TestOnLive    hansa.Rule = "GATE-10"
	RealOnTest    hansa.Rule = "GATE-11"
	OtherDataset  hansa.Rule = "GATE-12"
	OtherParty    hansa.Rule = "GATE-13"
	NoPlace       hansa.Rule = "GATE-14"
	Widened       hansa.Rule = "GATE-15"
	Collapsed     hansa.Rule = "GATE-16"
	NotPublic     hansa.Rule = "GATE-17"
	Personal      hansa.Rule = "GATE-18"
	TooOld        hansa.Rule = "GATE-19"
	Passed        hansa.Rule = "GATE-20"
	FieldsTrimmed hansa.Rule = "GATE-21"
	Coarsened     hansa.Rule = "GATE-22"
	Internal      hansa.Rule = "GATE-23"
	NotPassedOn   hansa.Rule = "GATE-24"
)

// Title is a verdict's rule in words.
type Title struct {
	Rule    hansa.Rule
	Outcome hansa.Outcome
	Words   string
}

var titles = [...]Title{
	{NoPurpose, hansa.Deny, "no purpose was stated"},
	{PurposeDenied, hansa.Deny, "the purpose is not agreed"},
	{NotYet, hansa.Deny, "the terms are not in force yet"},
	{Over, hansa.Deny, "the terms have ended"},
	{Window, hansa.Deny, "the flow is closed at this hour"},
	{Delay, hansa.Deny, "the agreed delay has not passed"},
	{Outside, hansa.Deny, "the record lies outside the agreed area"},
	{FormatDenied, hansa.Deny, "the format is not agreed"},
	{Paused, hansa.Deny, "the flow is paused"},
	{TestOnLive, hansa.Deny, "a test record does not leave by a live flow"},
	{RealOnTest, hansa.Deny, "a real record does not leave by a test flow"},
	{OtherDataset, hansa.Deny, "the record belongs to another dataset"},
	{OtherParty, hansa.Deny, "the flow goes to another party"},
	{NoPlace, hansa.Deny, "the terms name an area and the record says no place"},
	{Widened, hansa.Deny, "without what the terms withhold the record would say more than it does"},
	{Collapsed, hansa.Deny, "at the agreed precision the record's shape would be lost"},
	{NotPublic, hansa.Deny, "the record is not meant for the public"},
	{Personal, hansa.Deny, "the record holds personal data"},
	{TooOld, hansa.Deny, "the record is older than the agreed retention"},
	{Passed, hansa.Pass, "the record leaves as it is"},
	{FieldsTrimmed, hansa.Trim, "the record leaves without the fields that the terms withhold"},
	{Coarsened, hansa.Trim, "the record leaves with coarser coordinates"},
	{Internal, hansa.Trim, "the record leaves without its internal texts"},
	{NotPassedOn, hansa.Deny, "who gave the record does not allow passing it on to this receiver"},
}

// Titles returns the rules of verdicts in words, in order.
func Titles() []Title { return append([]Title(nil), titles[:]...) }

// Words returns what rule says; empty for a rule that is not the gate's.
func Words(rule hansa.Rule) string {
	for i := range titles {
		if titles[i].Rule == rule {
			return titles[i].Words
		}
	}
	return ""
}

// ended reports whether what shuts g at now is that its accord is over.
func (g *Gate) ended(now time.Time) bool {
	return g.accord && g.paused && !g.until.IsZero() && !now.Before(g.until)
}

// words is [Words], but of a flow whose accord has ended: it is not paused for a while.
func (g *Gate) words(rule hansa.Rule, now time.Time) string {
	if rule == Paused && g.ended(now) {
		return "its accord has ended"
	}
	return Words(rule)
}

// Refusal is [Refusal] in the words of g.
func (g *Gate) Refusal(v hansa.Verdict, now time.Time) *hansa.Error {
	err := Refusal(v)
	if err != nil && v.Rule == Paused && g.ended(now) {
		return hansa.Errorf(hansa.Denied, "the accord of this flow has ended (%s)", v.Rule).With(err.Code)
	}
	return err
}

// Refusal returns the error that a denied reader hears, and nil for a verdict
// that lets something through.
func Refusal(v hansa.Verdict) *hansa.Error {
	if v.Outcome != hansa.Deny {
		return nil
	}
	words := Words(v.Rule)
	if words == "" {
		words = "nothing allows it"
	}
	err := hansa.Errorf(hansa.Denied, "%s (%s)", words, v.Rule)
	switch v.Rule {
	case NoPurpose:
		return err.With(hansa.CodeNoPurpose)
	case PurposeDenied:
		return err.With(hansa.CodePurpose)
	case FormatDenied:
		return err.With(hansa.CodeFormat)
	}
	return err.With(hansa.CodeForbidden)
}
