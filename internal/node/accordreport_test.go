package node

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"testing"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// with adds a clause about a flow to a text, or puts it in the place of the one there.
func with(t *testing.T, text *accord.Text, id string, params policy.Params, flows ...hansa.FlowID) {
	t.Helper()
	entry, ok := policy.ClauseByID(id)
	if !ok {
		t.Fatalf("there is no clause %s", id)
	}
	c, err := accord.NewClause(entry, params, flows, text.Languages)
	if err != nil {
		t.Fatal(err)
	}
	text.Clauses = append(slices.DeleteFunc(text.Clauses, func(c accord.Clause) bool { return c.ID == id }), c)
}

// numberOf is the number of a clause in a text.
func numberOf(text *accord.Text, id string) string {
	return strconv.Itoa(1 + slices.IndexFunc(text.Clauses, func(c accord.Clause) bool { return c.ID == id }))
}

// What a party reports under a clause, and what a receiver says of a delivery, stands in
// the entries of both, and is what those clauses are held against.
func TestAccordReported(t *testing.T) {
	all := signatories(t, "city", "nav")
	knowsAll(all...)
	city, nav := all[0], all[1]
	text := terms(t, city, nav)
	out, back := text.Flows[0].ID, text.Flows[1].ID
	with(t, text, "usage-report", policy.Params{"days": "90"}, out)
	with(t, text, "review", policy.Params{"months": "12"})
	with(t, text, "acceptance", policy.Params{"days": "10"}, out)
	with(t, text, "acknowledgement", policy.Params{"wording": "With data of the city"}, out)
	id := agree(t, text, city, nav)
	for _, p := range all {
		for clause, want := range map[string]policy.Standing{"usage-report": policy.Unknown, "review": policy.Unknown, "acknowledgement": policy.Unknown, "acceptance": policy.Unknown} {
			if c := p.keeps(id, clause, bearerOf(clause, nav.id)); c.Standing != want.String() || !c.Last.IsZero() {
				t.Errorf("%s at %s before anything was said: %+v", clause, p.name, c)
			}
		}
	}
	city.publish("one")
	nav.has("closures-from-city", "one")
	nav.refuses(id, accord.Report, api.AccordAct{Clause: "99", Words: "done"}, hansa.Invalid, "clause")
	nav.refuses(id, accord.AcceptDelivery, api.AccordAct{Flow: back}, hansa.Invalid, "receives no flow")
	nav.refuses(id, accord.AcceptDelivery, api.AccordAct{Flow: out, Refused: true}, hansa.Invalid, "says what is wrong")
	for _, clause := range []string{"usage-report", "review", "acknowledgement"} {
		nav.acts(id, accord.Report, api.AccordAct{Clause: numberOf(text, clause), Words: "it is done"})
	}
	nav.acts(id, accord.AcceptDelivery, api.AccordAct{Flow: out, Refused: true, Words: "the tubes are missing"})
	nav.acts(id, accord.AcceptDelivery, api.AccordAct{Flow: out})
	for _, p := range all {
		d := p.comes(id, "all of it", func(d api.AccordDetail) bool {
			return len(d.Reports) == 3 && len(d.Tested) == 1 && !d.Tested[0].Refused
		})
		if x := d.Tested[0]; x.By != nav.id || !x.First.Before(x.At) {
			t.Errorf("%s has of the delivery: %+v", p.name, x)
		}
		for _, clause := range []string{"usage-report", "review", "acknowledgement"} {
			if c := p.keeps(id, clause, bearerOf(clause, nav.id)); c.Standing != policy.Kept.String() || c.Last.IsZero() {
				t.Errorf("%s at %s once it was reported: %+v", clause, p.name, c)
			}
		}
		if c := p.keeps(id, "acceptance", nav.id); c.Standing != policy.Kept.String() || c.Last.IsZero() || c.Due.IsZero() {
			t.Errorf("acceptance at %s: %+v", p.name, c)
		}
	}
	same(t, id, all...)

	b := nav.desk("Boss", hansa.RoleAdministrator, hansa.RoleSignatory)
	at := "/accords/" + string(id)
	b.want("GET", at, nil, http.StatusOK, "Accept a delivery", "Under which clause", "Reported: ")
	b.want("POST", at+"/report", url.Values{"clause": {numberOf(text, "usage-report")}, "words": {" "}}, http.StatusUnprocessableEntity, "Say why")
	b.want("POST", at+"/report", url.Values{"clause": {numberOf(text, "usage-report")}, "words": {"for navigation alone"}}, http.StatusSeeOther, "done=report")
	b.want("POST", at+"/accept-delivery", url.Values{"flow": {string(out)}, "refused": {"on"}, "words": {"late"}}, http.StatusSeeOther, "done=accept-delivery")
	if d := nav.accord(id); !d.Tested[0].Refused || d.Tested[0].Entry != d.N {
		t.Errorf("by form: %+v", d.Tested)
	}
}

// bearerOf is who bears a clause of the test; a review is borne by both at once.
func bearerOf(clause string, receiver hansa.PartyID) hansa.PartyID {
	if clause == "review" {
		return ""
	}
	return receiver
}
