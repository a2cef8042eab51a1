package policy

import (
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/gowebpki/jcs"

	"github.com/hansa-exchange/hansa"
)

// Pack is a rule pack: legal rules as they were read on a date, with their sources.
// It counts days; whether anybody complies with anything is not its to say. A pack
// is never changed: what the law became is another pack, and an accord keeps the
// one that it was made under.
type Pack struct {
	ID        string      `json:"id"`
	Date      string      `json:"date"` // as which the rules were read: 2026-06-18
	Title     string      `json:"title"`
	Note      string      `json:"note"`
	Calendars []Calendar  `json:"calendars"`
	Rules     []LegalRule `json:"rules"`
	hash      string
}

// Calendar is the public holidays of a country, or of the institutions of the
// European Union. Saturdays and Sundays are no working days anywhere (Regulation
// (EEC, Euratom) No 1182/71, Article 2(2)).
type Calendar struct {
	Country  string    `json:"country"` // ISO 3166-1 alpha-2; EU for its institutions
	Title    string    `json:"title"`
	Years    []int     `json:"years"`
	Source   string    `json:"source"`
	Note     string    `json:"note"` // what it leaves out, and what was not seen
	Holidays []Holiday `json:"holidays"`
}

// Holiday is one day that is no working day.
type Holiday struct {
	Day  string `json:"day"` // 2026-12-25
	Name string `json:"name"`
}

// RuleKind says what a legal rule sets.
type RuleKind string

// The kinds of legal rule.
const (
	RuleDeadline RuleKind = "deadline" // something is due so long after an event
	RuleLimit    RuleKind = "limit"    // something lasts at most so long
	RuleDate     RuleKind = "date"     // something holds from, or until, a day
	RuleOpen     RuleKind = "open"     // the law gives no number: the accord does
)

// LegalRule is one deadline, limit or date.
type LegalRule struct {
	ID     string   `json:"id"`
	Kind   RuleKind `json:"kind"`
	Source string   `json:"source"` // act and article
	Says   string   `json:"says"`
	Event  string   `json:"event,omitempty"` // what it counts from
	N      int      `json:"n,omitzero"`
	Unit   string   `json:"unit,omitempty"` // hours, days, working-days, months, years
	Day    string   `json:"day,omitempty"`  // of a date
	// ValidFrom and ValidTo are the first and last day on which an event counts;
	// an empty one is open.
	ValidFrom string `json:"validFrom,omitempty"`
	ValidTo   string `json:"validTo,omitempty"`
}

//go:embed packs/*.json
var packFiles embed.FS

var packs = sync.OnceValue(func() []*Pack {
	list, err := loadPacks()
	if err != nil {
		panic("internal error: " + err.Error())
	}
	return list
})

func loadPacks() (list []*Pack, err error) {
	names, err := packFiles.ReadDir("packs")
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		b, err := packFiles.ReadFile(path.Join("packs", n.Name()))
		if err != nil {
			return nil, err
		}
		p, err := ReadPack(b)
		if err != nil {
			return nil, fmt.Errorf("packs/%s: %w", n.Name(), err)
		}
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b *Pack) int { return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(b.Date, a.Date)) })
	return list, nil
}

// Packs lists the rule packs, of one id the newest first. They are shared: change
// nothing in them.
func Packs() []*Pack { return slices.Clone(packs()) }

// ReadPack reads a rule pack from strict JSON and holds it to its rules. Its error
// is Invalid.
func ReadPack(b []byte) (*Pack, error) {
	p := new(Pack)
	if err := json.Unmarshal(b, p, json.RejectUnknownMembers(true)); err != nil {
		return nil, wrong("a rule pack: %v", err)
	}
	canonical, err := jcs.Transform(b)
	if err != nil {
		return nil, wrong("a rule pack: %v", err)
	}
	h := sha256.Sum256(canonical)
	p.hash = hex.EncodeToString(h[:])
	return p, p.validate()
}

// Name returns the pack's id and date, as an accord names it: eu@2026-06-18.
func (p *Pack) Name() string { return p.ID + "@" + p.Date }

// Hash returns the hex SHA-256 of the pack in canonical form (RFC 8785).
func (p *Pack) Hash() string { return p.hash }

// Calendar returns the calendar of a country.
func (p *Pack) Calendar(country string) (*Calendar, error) {
	i := slices.IndexFunc(p.Calendars, func(c Calendar) bool { return c.Country == country })
	if i < 0 {
		known := make([]string, len(p.Calendars))
		for i := range p.Calendars {
			known[i] = p.Calendars[i].Country
		}
		return nil, hansa.Fielded("/country", "the rule pack %s has the calendars of %s, not of %q", p.Name(), join(known, "and"), clip(country))
	}
	return &p.Calendars[i], nil
}

// Rule returns a rule by its id.
func (p *Pack) Rule(id string) (*LegalRule, error) {
	i := slices.IndexFunc(p.Rules, func(r LegalRule) bool { return r.ID == id })
	if i < 0 {
		return nil, hansa.Fielded("/rule", "the rule pack %s has no rule %q", p.Name(), clip(id))
	}
	return &p.Rules[i], nil
}

func (p *Pack) validate() error {
	if !hansa.ValidName(p.ID) || !isDay(p.Date) || p.Title == "" || p.Note == "" {
		return wrong("a rule pack has an id, a date, a title and a note")
	}
	for i := range p.Calendars {
		if err := p.Calendars[i].validate(); err != nil {
			return err
		}
	}
	seen := map[string]bool{}
	for i := range p.Rules {
		r := &p.Rules[i]
		counts := r.Kind == RuleDeadline || r.Kind == RuleLimit
		switch {
		case !hansa.ValidName(r.ID) || seen[r.ID]:
			return wrong("the rule %q needs an id that no other has", clip(r.ID))
		case r.Source == "" || r.Says == "":
			return wrong("the rule %s needs its source and what it says", r.ID)
		case !slices.Contains([]RuleKind{RuleDeadline, RuleLimit, RuleDate, RuleOpen}, r.Kind):
			return wrong("the rule %s is a deadline, a limit, a date or open, not %q", r.ID, clip(string(r.Kind)))
		case counts != (r.N > 0) || counts != (r.Event != "") || counts != slices.Contains([]string{"hours", "days", "working-days", "months", "years"}, r.Unit):
			return wrong("the rule %s: a deadline and a limit, and nothing else, count so many hours, days, working-days, months or years from an event", r.ID)
		case (r.Kind == RuleDate) != isDay(r.Day):
			return wrong("the rule %s: a date, and nothing else, has a day", r.ID)
		case r.ValidFrom != "" && !isDay(r.ValidFrom) || r.ValidTo != "" && !isDay(r.ValidTo):
			return wrong("the rule %s is valid from a day, and to a day", r.ID)
		}
		seen[r.ID] = true
	}
	return nil
}

func (c *Calendar) validate() error {
	if len(c.Country) != 2 || c.Title == "" || c.Source == "" || c.Note == "" || len(c.Years) == 0 {
		return wrong("a calendar has a country, a title, years, a source and a note")
	}
	last := ""
	for _, h := range c.Holidays {
		if !isDay(h.Day) || h.Day <= last || h.Name == "" || !slices.ContainsFunc(c.Years, func(y int) bool { return strings.HasPrefix(h.Day, fmt.Sprint(y)) }) {
			return wrong("the calendar %s: %q is no day of its years, in order, with a name", c.Country, h.Day)
		}
		last = h.Day
	}
	return nil
}

func isDay(s string) bool {
	_, err := time.Parse(time.DateOnly, s)
	return err == nil
}
