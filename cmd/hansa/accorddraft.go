package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
)

// accordsDraftCmd fills a template in. It needs no node.
type accordsDraftCmd struct {
	Template  string            `arg:"" help:"partnership, donation, procurement, pool or clause."`
	Parties   []string          `name:"party" required:"" sep:"none" help:"A party: its id, its kind (city, public-body, company, intermediary) and its title; once for each, the opener first." placeholder:"ID=KIND,TITLE"`
	Flows     []string          `name:"flow" required:"" sep:"none" help:"What is given: its name, giver and receiver by number from 1 (or members), situation, observation or document, and the formats; once for each." placeholder:"NAME=FROM,TO,KIND,FORMAT+FORMAT"`
	Answers   map[string]string `name:"answer" mapsep:"none" help:"An answer to the template's question; once for each." placeholder:"NAME=ANSWER"`
	Purposes  map[string]string `name:"purpose" mapsep:"none" help:"The purposes of a flow, in the place of the template's." placeholder:"FLOW=PURPOSE,PURPOSE"`
	Set       map[string]string `mapsep:"none" help:"A parameter of a clause; once for each." placeholder:"CLAUSE.PARAMETER=VALUE"`
	With      []string          `help:"Clauses of the catalogue besides the template's." placeholder:"CLAUSE"`
	Without   []string          `help:"Clauses of the template to leave out." placeholder:"CLAUSE"`
	From      string            `help:"The first day; today when left out." placeholder:"DAY"`
	Until     string            `help:"The last day; as the template says when left out." placeholder:"DAY"`
	Zone      string            `help:"The zone in which days are counted." default:"Europe/Amsterdam"`
	Languages []string          `name:"lang" help:"The languages of authenticity: en, nl, it, de, fr; the first decides." default:"en"`
	Title     map[string]string `mapsep:"none" help:"The title in a language, in the place of the template's; once for each." placeholder:"LANG=TITLE"`
	Law       string            `help:"The governing law." placeholder:"LAW"`
	Forum     string            `help:"Who decides a dispute." placeholder:"FORUM"`
}

func (accordsDraftCmd) examples() []string {
	return []string{
		"hansa accords draft partnership --party 'did:web:doggerhaven.example=city,City of Doggerhaven' --party 'did:web:navco.example=company,Navco Routing' " +
			"--flow closures=1,2,situation,datex2+cifs --flow jams=2,1,observation,record --answer 'gets/1=jams within a minute' --answer 'gets/2=closures at the second' > draft.accord",
		"hansa accords draft donation --party 'did:web:navco.example=company,Navco Routing' --party 'did:web:doggerhaven.example=city,City of Doggerhaven' --flow speeds=1,2,observation,record --answer purpose=planning,research --lang nl,en",
	}
}

func (cmd *accordsDraftCmd) Run(p *printer) error {
	t, err := accord.TemplateByName(cmd.Template)
	if err != nil {
		return err
	}
	o, err := cmd.order(time.Now())
	if err != nil {
		return err
	}
	text, err := t.Draft(*o)
	if err != nil {
		return err
	}
	b, err := text.Canonical()
	if err != nil {
		return err
	}
	if done, err := p.show(text); done {
		return err
	}
	if _, err := fmt.Fprintf(p.out, "%s\n", b); err != nil {
		return err
	}
	p.say("%s, %s. What keeps it from being signed: hansa accords check FILE", count(len(text.Clauses), "clause"), count(len(text.Flows), "flow"))
	return nil
}

// order reads the command line as an order made at now.
func (cmd *accordsDraftCmd) order(now time.Time) (*accord.Order, error) {
	o := &accord.Order{
		ID: hansa.AccordID(hansa.NewID(now)), Answers: cmd.Answers, With: cmd.With, Without: cmd.Without, Languages: cmd.Languages, Title: cmd.Title, Law: cmd.Law, Forum: cmd.Forum,
		Term: accord.Term{From: cmd.From, Until: cmd.Until, Zone: cmd.Zone}, Set: map[string]policy.Params{}, Purposes: map[hansa.FlowID][]hansa.Purpose{},
	}
	zone, err := time.LoadLocation(cmd.Zone)
	if err != nil {
		return nil, &failure{exit: exitUsage, code: "usage", message: fmt.Sprintf("There is no time zone %q.", cmd.Zone), hint: "hansa accords draft --help"}
	}
	if o.Term.From == "" {
		o.Term.From = now.In(zone).Format(time.DateOnly)
	}
	for _, s := range cmd.Parties {
		id, rest, ok := strings.Cut(s, "=")
		kind, title, both := strings.Cut(rest, ",")
		if !ok || !both {
			return nil, badly("--party", s, "--party 'did:web:doggerhaven.example=city,City of Doggerhaven'")
		}
		o.Parties = append(o.Parties, accord.Party{ID: hansa.PartyID(id), Title: title, Kind: hansa.PartyKind(kind)})
	}
	for _, s := range cmd.Flows {
		f, err := cmd.flow(s, o.Parties, now)
		if err != nil {
			return nil, err
		}
		o.Flows = append(o.Flows, f)
	}
	placeParties(o)
	for name, list := range cmd.Purposes {
		id, ok := flowNamed(o.Flows, name)
		if !ok {
			return nil, badly("--purpose", name, "name one of the flows")
		}
		for s := range strings.SplitSeq(list, ",") {
			o.Purposes[id] = append(o.Purposes[id], hansa.Purpose(s))
		}
	}
	for name, v := range cmd.Set {
		clause, param, ok := strings.Cut(name, ".")
		if !ok {
			return nil, badly("--set", name, "--set notice.days=30")
		}
		if o.Set[clause] == nil {
			o.Set[clause] = policy.Params{}
		}
		o.Set[clause][param] = v
	}
	return o, nil
}

// badly says that a flag's value is not in its form.
func badly(flag, value, hint string) *failure {
	return &failure{exit: exitUsage, code: "usage", message: fmt.Sprintf("%s cannot be read from %q.", flag, value), hint: hint}
}

// flow reads closures=1,2,situation,datex2+cifs.
func (*accordsDraftCmd) flow(s string, parties []accord.Party, now time.Time) (accord.Flow, error) {
	const form = "--flow closures=1,2,situation,datex2+cifs"
	name, rest, _ := strings.Cut(s, "=")
	parts := strings.Split(rest, ",")
	if len(parts) != 4 {
		return accord.Flow{}, badly("--flow", s, form)
	}
	party := func(n string) (hansa.PartyID, bool) {
		for i := range parties {
			if n == fmt.Sprint(i+1) || n == string(parties[i].ID) {
				return parties[i].ID, true
			}
		}
		return hansa.PartyID(n), n == string(accord.Members) || n == string(hansa.PublicParty)
	}
	from, known := party(parts[0])
	to, also := party(parts[1])
	if !known || !also {
		return accord.Flow{}, badly("--flow", s, form)
	}
	f := accord.Flow{ID: hansa.FlowID(hansa.NewID(now)), Name: name, From: from, To: to, Dataset: accord.Dataset{Name: name, Kind: hansa.RecordKind(parts[2])}}
	for x := range strings.SplitSeq(parts[3], "+") {
		f.Formats = append(f.Formats, hansa.Format(x))
	}
	return f, nil
}

// placeParties says of each party whether it gives, receives or both.
func placeParties(o *accord.Order) {
	for i := range o.Parties {
		p := &o.Parties[i]
		gives, takes := false, false
		for _, f := range o.Flows {
			gives = gives || f.From == p.ID
			takes = takes || f.To == p.ID || f.To == accord.Members && f.From != p.ID
		}
		switch {
		case gives && takes:
			p.Role = hansa.RoleBoth
		case gives:
			p.Role = hansa.RoleGiver
		default:
			p.Role = hansa.RoleReceiver
		}
	}
}

func flowNamed(flows []accord.Flow, name string) (hansa.FlowID, bool) {
	for _, f := range flows {
		if f.Name == name {
			return f.ID, true
		}
	}
	return "", false
}
