package accord

import (
	"slices"

	"github.com/hansa-exchange/hansa"
)

// Instead returns t with the party old under another id and title: among the parties, at
// its flows, at what is given in return, and as the authority of a duty. All else stays.
// t is not changed.
func (t *Text) Instead(old, id hansa.PartyID, title string) *Text {
	out := *t
	rename := func(p *hansa.PartyID) {
		if *p == old {
			*p = id
		}
	}
	out.Parties = slices.Clone(t.Parties)
	for i := range out.Parties {
		if p := &out.Parties[i]; p.ID == old {
			p.ID, p.Title = id, title
		}
	}
	out.Flows = slices.Clone(t.Flows)
	for i := range out.Flows {
		rename(&out.Flows[i].From)
		rename(&out.Flows[i].To)
	}
	out.Consideration = slices.Clone(t.Consideration)
	for i := range out.Consideration {
		rename(&out.Consideration[i].By)
		rename(&out.Consideration[i].To)
	}
	if t.Basis != nil {
		b := *t.Basis
		rename(&b.Authority)
		out.Basis = &b
	}
	return &out
}

// Anew returns t as the first version of another accord: with the ids that fresh makes
// for it and for each of its flows. t is not changed.
func (t *Text) Anew(fresh func() string) *Text {
	out := *t
	out.ID, out.Version, out.Supersedes, out.Request = hansa.AccordID(fresh()), 1, "", ""
	now := map[hansa.FlowID]hansa.FlowID{}
	out.Flows = slices.Clone(t.Flows)
	for i := range out.Flows {
		f := &out.Flows[i]
		now[f.ID] = hansa.FlowID(fresh())
		f.ID = now[f.ID]
	}
	out.Clauses = slices.Clone(t.Clauses)
	for i := range out.Clauses {
		c := &out.Clauses[i]
		c.Flows = slices.Clone(c.Flows)
		for k, id := range c.Flows {
			c.Flows[k] = now[id]
		}
	}
	out.Consideration = slices.Clone(t.Consideration)
	for i := range out.Consideration {
		if c := &out.Consideration[i]; c.Flow != "" {
			c.Flow = now[c.Flow]
		}
	}
	return &out
}
