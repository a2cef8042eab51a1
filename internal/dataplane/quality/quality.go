// Package quality holds a record against named rules and says what is wrong with
// it, where, and how to mend it. It marks and never changes or drops: what comes
// in is kept with its findings, and only what we ourselves would publish can be
// refused, in words.
package quality

import (
	"fmt"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/hansa-exchange/hansa"
)

// ValueBytesMax bounds what a finding quotes.
const ValueBytesMax = 200

// Context is what a check needs to know besides the record.
type Context struct {
	Now time.Time
	// Box is where the dataset's records lie: west, south, east, north. Nil when
	// nobody has said; swapped coordinates then show only when off the globe.
	Box *[4]float64
	// Own is set for what this node would publish itself: what Regulation (EU)
	// 2022/670 asks of an update is then checked too.
	Own bool
}

// Check returns what is wrong with r, [hansa.FindingsMax] findings at most, the
// last of which says how many more there were. It returns nil, and allocates
// nothing, when nothing is.
func Check(r *hansa.Record, in Context) []hansa.Finding {
	var f found
	identity(&f, r)
	times(&f, r, in.Now)
	switch {
	case r.Situation != nil:
		situation(&f, r, in)
	case r.Observation != nil:
		observation(&f, r.Observation, in)
	case r.Document != nil:
		if len(r.Document.Body) == 0 {
			f.add("DOC-01", "/document/body", "")
		}
		if r.Document.MediaType == "" {
			f.add("DOC-02", "/document/mediaType", "")
		}
	}
	if in.Own {
		update670(&f, r)
	}
	return f.all()
}

func situation(f *found, r *hansa.Record, in Context) {
	s := r.Situation
	period(f, s, in.Now)
	if len(s.Recurrence) > 0 {
		recurrences(f, s, in.Now)
	}
	if s.Geometry == nil {
		if len(s.LinearRefs) == 0 {
			f.add("GEO-01", "/situation/geometry", "")
		}
	} else {
		geometry(f, s.Geometry, "/situation/geometry", in.Box)
		shape(f, s)
	}
	direction(f, s)
	lifecycle(f, r, in.Now)
	road(f, s)
	lanes(f, s)
	vehicles(f, s)
	texts(f, s)
	relations(f, r)
	if s.Source.Org == "" && r.Provenance.Holder == "" && r.Provenance.System == "" && s.Source.System == "" {
		f.add("SRC-01", "/situation/source/org", "")
	}
}

// Mark adds to r.Defects what [Check] finds and no codec has told of the same
// field by the same rule, within [hansa.FindingsMax], and returns what it added.
func Mark(r *hansa.Record, in Context) []hansa.Finding {
	news := slices.DeleteFunc(Check(r, in), func(n hansa.Finding) bool {
		return slices.ContainsFunc(r.Defects, func(d hansa.Finding) bool { return d.Rule == n.Rule && d.Field == n.Field })
	})
	if len(news) == 0 {
		return nil
	}
	all := found{list: slices.Clone(r.Defects)}
	for _, n := range news {
		all.keep(n)
	}
	r.Defects = all.all()
	return news
}

// Publication reports why r may not be published by this node: the first thing
// that keeps it from being a record, that Regulation (EU) 2022/670 asks of an
// update and r lacks, or that is a fault. It is about own records only: what
// others say is marked and passed on.
func Publication(r *hansa.Record, in Context) error {
	if err := r.Validate(); err != nil {
		return err
	}
	in.Own = true
	all := Check(r, in)
	for _, legal := range []bool{true, false} { // what is missing tells more than what follows from it
		for _, d := range all {
			if d.Severity == hansa.Fault && (len(d.Rule) > 4 && d.Rule[:4] == "RTTI") == legal {
				return hansa.Fielded(d.Field, "%s (%s)", d.Message, d.Rule).WithHint(d.Mend)
			}
		}
	}
	return nil
}

// Grade counts the records of a set and those without a fault.
type Grade struct {
	Records int `json:"records"`
	Sound   int `json:"sound"`
}

// Add counts one record with its findings.
func (g *Grade) Add(findings []hansa.Finding) {
	g.Records++
	if !slices.ContainsFunc(findings, func(d hansa.Finding) bool { return d.Severity == hansa.Fault }) {
		g.Sound++
	}
}

// Share returns the share of sound records, 0 to 1; 1 when there are none.
func (g Grade) Share() float64 {
	if g.Records == 0 {
		return 1
	}
	return float64(g.Sound) / float64(g.Records)
}

// found collects findings up to the limit and counts the rest.
type found struct {
	list []hansa.Finding
	more int
}

// add notes that rule is broken at field by value.
func (f *found) add(id hansa.Rule, field, value string) { f.tell(id, field, value, "") }

// tell is add with a detail behind the rule's own words.
func (f *found) tell(id hansa.Rule, field, value, detail string) {
	rule := lookup(id)
	d := hansa.Finding{
		Rule: id, Severity: rule.Severity, Field: field, Value: quote(value),
		Message: rule.What, Mend: rule.Mend,
	}
	if detail != "" {
		d.Message += ": " + detail
	}
	f.keep(d)
}

func (f *found) keep(d hansa.Finding) {
	if len(f.list) >= hansa.FindingsMax {
		f.more++
		return
	}
	f.list = append(f.list, d)
}

// all returns what was found. The last place tells of what found none.
func (f *found) all() []hansa.Finding {
	if f.more == 0 {
		return f.list
	}
	rule, last := lookup("MORE-01"), len(f.list)-1
	f.list[last] = hansa.Finding{
		Rule: rule.ID, Severity: rule.Severity, Value: strconv.Itoa(f.more + 1),
		Message: fmt.Sprintf("%s: %d more", rule.What, f.more+1), Mend: rule.Mend,
	}
	return f.list
}

// quote cuts s to [ValueBytesMax], between characters.
func quote(s string) string {
	if len(s) <= ValueBytesMax {
		return s
	}
	n := ValueBytesMax
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// at names the i-th of a list in a JSON pointer.
func at(list string, i int, member string) string {
	return "/situation/" + list + "/" + strconv.Itoa(i) + member
}
