package node

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/node/demo"
)

// called is what texts call a member: its DID on the demonstration's node.
func (d *Demo) called(name string) hansa.PartyID {
	switch id := hansa.PartyID(name); id {
	case hansa.PublicParty, accord.Members:
		return id
	}
	return d.node.accords.called(d.node.party(demoParty(name)))
}

// text drafts a pact by the template of its model. What it says of time counts from now.
func (d *Demo) text(p *demoPact, now time.Time) (*accord.Text, error) {
	template, err := accord.TemplateByName(string(p.model))
	if err != nil {
		return nil, err
	}
	zone, err := time.LoadLocation(demoZone)
	if err != nil {
		return nil, err
	}
	from := now.In(zone)
	if p.comes == demoEnded {
		from = from.AddDate(0, -3, 0)
	}
	o := accord.Order{
		ID: hansa.AccordID(hansa.NewID(now)), Title: accord.Words{"en": p.title}, Languages: []string{"en"}, Answers: map[string]string{}, Set: map[string]policy.Params{},
		Purposes: map[hansa.FlowID][]hansa.Purpose{}, Term: accord.Term{From: from.Format(time.DateOnly), Zone: demoZone},
	}
	maps.Copy(o.Answers, p.answers)
	if strings.HasSuffix(p.gives, ">public") {
		o.With, o.Set["licence"] = []string{"licence"}, policy.Params{"licence": "https://creativecommons.org/licenses/by/4.0/"}
	}
	gets := map[string][]string{}
	for gift := range strings.FieldsSeq(p.gives) {
		f, to, err := d.flow(gift, now)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.title, err)
		}
		o.Flows = append(o.Flows, f)
		gets[to] = append(gets[to], strings.ToLower(f.Dataset.Title[:1])+f.Dataset.Title[1:])
		if p.model == hansa.ModelPartnership {
			for use := range strings.SplitSeq(demoMemberOf(to).uses, ",") {
				o.Purposes[f.ID] = append(o.Purposes[f.ID], hansa.Purpose(use))
			}
		}
	}
	for i, name := range strings.Fields(p.between) {
		m := demoMemberOf(name)
		o.Parties = append(o.Parties, accord.Party{ID: d.called(name), Title: m.title, Kind: m.kind, Role: roleIn(o.Flows, d.called(name)), Contacts: accord.Contacts{Steward: "data desk", Duty: "duty desk"}})
		if p.model == hansa.ModelPartnership {
			o.Answers["gets/"+strconv.Itoa(i+1)] = strings.Join(gets[name], "; ")
		}
	}
	t, err := template.Draft(o)
	if err != nil {
		return nil, err
	}
	return t, p.onward(t)
}

// onward has a text say what a hub may pass on, and whose what it passes on was.
func (p *demoPact) onward(t *accord.Text) error {
	for i, gift := range strings.Fields(p.gives) {
		given, to, _ := strings.Cut(gift, ">")
		party, name, _ := strings.Cut(given, "/")
		if demoGathers(to, name) {
			if err := mayGoOn(t, t.Flows[i].ID); err != nil {
				return err
			}
		}
		if demoSetOf(party, name).relays != "" {
			if err := addClause(t, "original-holder", nil, t.Flows[i].ID); err != nil {
				return err
			}
		}
	}
	return nil
}

// demoGathers reports whether a member gathers datasets of a name to pass them on.
func demoGathers(member, name string) bool {
	return slices.ContainsFunc(demoSets, func(s demoSet) bool { return s.party == member && s.relays == name })
}

// roleIn is the role of a party by what it gives and receives.
func roleIn(flows []accord.Flow, id hansa.PartyID) hansa.PartyRole {
	gives := slices.ContainsFunc(flows, func(f accord.Flow) bool { return f.From == id })
	gets := slices.ContainsFunc(flows, func(f accord.Flow) bool { return f.To == id || f.To == accord.Members })
	switch {
	case gives && gets:
		return hansa.RoleBoth
	case gives:
		return hansa.RoleGiver
	}
	return hansa.RoleReceiver
}

// flow reads a gift of the table, PARTY/DATASET>RECEIVER, and returns its receiver's
// name too. What a receiver of the story has already keeps its id and its limit.
func (d *Demo) flow(gift string, now time.Time) (f accord.Flow, to string, err error) {
	given, to, _ := strings.Cut(gift, ">")
	party, name, _ := strings.Cut(given, "/")
	set := demoSetOf(party, name)
	if set == nil {
		return f, to, fmt.Errorf("there is no dataset %s", given)
	}
	f = accord.Flow{
		ID: hansa.FlowID(hansa.NewID(now)), Name: name + "-to-" + to, From: d.called(party), To: d.called(to),
		Dataset: accord.Dataset{Name: name, Title: set.title, Kind: set.kind}, Formats: d.node.planner().carry(set.kind),
	}
	if given == "doggerhaven/closures" && slices.ContainsFunc(demo.Receivers(), func(c demo.Cast) bool { return c.Name == to }) {
		f.ID, f.Limit = flowID(to), hansa.Duration(demoLimit)
	}
	return f, to, nil
}

// reworded is a text with other values in clauses, and what else changes.
func reworded(b []byte, values map[string]policy.Params, change func(*accord.Text)) ([]byte, error) {
	t := &accord.Text{}
	if err := json.Unmarshal(b, t); err != nil {
		return nil, err
	}
	for clause, params := range values {
		i := clauseIn(t, clause)
		from, known := policy.ClauseByID(clause)
		if i < 0 || !known {
			return nil, fmt.Errorf("the text has no clause %s", clause)
		}
		made, err := accord.NewClause(from, params, t.Clauses[i].Flows, t.Languages)
		if err != nil {
			return nil, err
		}
		t.Clauses[i] = made
	}
	if change != nil {
		change(t)
	}
	return json.Marshal(t)
}

// clauseIn is where a clause stands in a text; -1 is nowhere.
func clauseIn(t *accord.Text, clause string) int {
	return slices.IndexFunc(t.Clauses, func(c accord.Clause) bool { return c.ID == clause })
}
