package accord

import (
	"slices"
	"strings"

	"github.com/hansa-exchange/hansa"
)

// Public returns what the public register shows of t: all but what t withholds
// ([Text.Confidential]), each with the rule that it states. t is not changed; the hash of
// what comes back is not that of t.
func (t *Text) Public() *Text {
	out := *t
	out.Request = "" // what was said before is between those who said it
	out.Confidential = slices.Clone(t.Confidential)
	for i, w := range t.Confidential {
		switch part, name, _ := strings.Cut(w.Part, "/"); part {
		case "consideration":
			out.Consideration = nil
		case "clauses":
			out.Clauses = nil
		case "contacts":
			out.Parties = slices.Clone(out.Parties)
			for i := range out.Parties {
				out.Parties[i].Contacts = Contacts{}
			}
		case "flows":
			out.hide(name)
			out.Confidential[i].Part = part // its name is withheld too
		}
	}
	return &out
}

// Withholds reports whether t keeps a flow of that name out of the register.
func (t *Text) Withholds(flow string) bool {
	return slices.ContainsFunc(t.Confidential, func(w Withheld) bool { return w.Part == "flows/"+flow })
}

// hide takes a flow out, with what is said of it alone.
func (t *Text) hide(name string) {
	var gone hansa.FlowID
	t.Flows = slices.DeleteFunc(slices.Clone(t.Flows), func(f Flow) bool {
		if f.Name == name {
			gone = f.ID
		}
		return f.Name == name
	})
	t.Clauses = slices.Clone(t.Clauses)
	for i := range t.Clauses {
		c := &t.Clauses[i]
		if slices.Contains(c.Flows, gone) {
			c.Flows = slices.DeleteFunc(slices.Clone(c.Flows), func(id hansa.FlowID) bool { return id == gone })
			if len(c.Flows) == 0 {
				c.ID = ""
			}
		}
	}
	t.Clauses = slices.DeleteFunc(t.Clauses, func(c Clause) bool { return c.ID == "" })
	t.Consideration = slices.DeleteFunc(slices.Clone(t.Consideration), func(c Consideration) bool { return gone != "" && c.Flow == gone })
}
