package node

import (
	"strings"
	"testing"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// refuses expects an act to come to nothing: by its kind of error, with words in its
// message or its hint.
func (p *partner) refuses(id hansa.AccordID, kind accord.Kind, a api.AccordAct, want hansa.Kind, says ...string) {
	p.t.Helper()
	_, err := p.node.accords.ActAccord(p.t.Context(), p.actor(), id, kind, a)
	if err == nil || hansa.KindOf(err) != want {
		p.t.Errorf("%s: got %v, want one that is %s", kind, err, want)
		return
	}
	e := hansa.Public(err)
	for _, s := range says {
		if !strings.Contains(e.Error()+" "+e.Hint, s) {
			p.t.Errorf("%s: got %q with the hint %q, want %q in it", kind, e.Error(), e.Hint, s)
		}
	}
}

// What comes to nothing is refused with the act that does: a partnership is not left, an
// unchanged text is no version, and a certificate names the flows that it is about.
func TestAccordRefusesWithTheWayOut(t *testing.T) {
	all := signatories(t, "city", "nav")
	knowsAll(all...)
	city, nav := all[0], all[1]
	id := city.drafts(terms(t, city, nav))
	city.acts(id, accord.Open, api.AccordAct{})
	d := nav.comes(id, "the first entry", entries(1))
	flow := accord.Erasure{Rule: "erase", On: d.Since}
	city.refuses(id, accord.Erased, api.AccordAct{Erasure: &flow}, hansa.Conflict, "has not been in force")
	nav.refuses(id, accord.Leave, api.AccordAct{Role: "director", Power: "statute"}, hansa.Conflict, "is a partnership, not a pool", "hansa accords decline "+string(id))
	nav.refuses(id, accord.Propose, api.AccordAct{Text: d.Text}, hansa.Conflict, "nothing is changed", "version 1")
	nav.proposes(id, func(x *accord.Text) { x.Title["en"], x.Term.Notice = "Closures, and counts", 60 })
	city.comes(id, "the second version", entries(2))
	signsAll(id, city, nav)
	d = city.comes(id, "force", inForce)
	nav.comes(id, "force", inForce)
	city.refuses(id, accord.Propose, api.AccordAct{Text: d.Text}, hansa.Conflict, "nothing is changed", "version 2")
	city.refuses(id, accord.Leave, api.AccordAct{}, hansa.Conflict, "hansa accords end "+string(id))
	city.refuses(id, accord.Erased, api.AccordAct{Erasure: &flow}, hansa.Conflict, "has not ended")
	city.ends(id)
	nav.comes(id, "the end", func(d api.AccordDetail) bool { return d.State == hansa.AccordEnded })
	nav.refuses(id, accord.Erased, api.AccordAct{Erasure: &flow}, hansa.Invalid, "/erasure/flows: a certificate names the flows")
	nav.comes(id, "both certificates", func(d api.AccordDetail) bool { return len(d.Erasures) == 2 && len(d.Owed) == 0 })
	nav.refuses(id, accord.Erased, api.AccordAct{Erasure: &flow}, hansa.Invalid, "owes none any more")
	d, err := nav.node.accords.Accord(t.Context(), nav.actor(), id)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range d.Erasures { // none was replaced by an empty one
		if len(e.Flows) == 0 {
			t.Errorf("the certificate of %s names no flows", e.By)
		}
	}
}

// A query that asks for what there is not is 400 with what there is, and a body of another
// form says so in the words of its writer.
func TestAccordInputIsNamed(t *testing.T) {
	w := newTown(t)
	for _, c := range []struct {
		method, path, body string
		code               int
		says               []string
	}{
		{"GET", "/api/v1/accords?state=foo", "", 400, []string{`"field":"?state"`, "draft, proposed, signed, in-force, suspended, ended"}},
		{"GET", "/api/v1/accords?model=foo", "", 400, []string{`"field":"?model"`, "donation", "clause"}},
		{"GET", "/api/v1/accords?turn=maybe", "", 400, []string{`"field":"?turn"`}},
		{"GET", "/api/v1/accords?state=in-force&model=pool&turn=false", "", 200, []string{`"accords":[]`}},
		{"GET", "/api/v1/register?limit=51", "", 422, []string{`"field":"?limit"`}},
		{"POST", "/api/v1/accords/none/acts/comment", `{"words":7}`, 400, []string{`"field":"/words"`, "here stands a number, and a string is expected"}},
		{"POST", "/api/v1/accords/none/acts/comment", `[]`, 400, []string{"here stands a list, and an object is expected"}},
		{"POST", "/api/v1/accords/none/acts/comment", `{"wrods":"x"}`, 400, []string{`"field":"/wrods"`, "there is no such member"}},
		{"POST", "/api/v1/accords", `{"text":"x"}`, 422, []string{`"field":"/text"`, "this is no text of an accord", "hansa accords draft"}},
	} {
		kind := ""
		if c.method == "POST" {
			kind = "application/json"
		}
		code, says := w.ask(t, c.method, c.path, "Bearer "+w.two, kind, c.body)
		if code != c.code || strings.Contains(says, " Go ") || strings.Contains(says, "api.") {
			t.Errorf("%s %s %s: got %d %s, want %d", c.method, c.path, c.body, code, says, c.code)
		}
		for _, s := range c.says {
			if !strings.Contains(says, s) {
				t.Errorf("%s %s %s: got %s, want %s in it", c.method, c.path, c.body, says, s)
			}
		}
	}
}
