package room

import (
	"slices"
	"strconv"
	"strings"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/words"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
)

// accordExit is what became of the data after the end, as the receivers certify it.
type accordExit struct {
	Certificates []certificateRow
	Owed         []owedRow
}

// certificateRow is a certificate of the exit rule.
type certificateRow struct {
	Says, When, Words string
	Facts             []fact
}

// owedRow is a certificate that is not there.
type owedRow struct{ Tone, Says, Do string }

// AccordErased is a certificate of the exit rule, and which entry of the accord has it.
type AccordErased struct {
	By hansa.PartyID `json:"by"`
	accord.Erasure
	Entry int64 `json:"entry,omitzero"`
}

// erased lists the certificates with their entries.
func (x *AccordSheet) erased(steps []AccordStep) []AccordErased {
	out := []AccordErased{}
	for _, e := range x.Copy.Erasures {
		one := AccordErased{By: e.By, Erasure: e.Erasure, Entry: e.Entry}
		for i := range steps {
			if e.Entry == 0 && steps[i].Kind == accord.Erased && steps[i].From == e.By { // it was stored when the last alone stood
				one.Entry = steps[i].N
			}
		}
		out = append(out, one)
	}
	return out
}

// What a certificate says, by the exit rule.
var (
	certifies = map[string]string{
		"erase": words.Mark("{1} certifies that it erased what it received by these flows."), "return": words.Mark("{1} certifies that it returned what it received by these flows."), "keep": words.Mark("{1} certifies that it keeps what it received by these flows."),
	}
	certificates = map[string]string{"erase": words.Mark("the certificate of erasure"), "return": words.Mark("the certificate of return")}
)

// exit puts what became of the data into words; nil while there is nothing to say of it.
func (p *accordPage) exit(x *AccordSheet, steps []AccordStep, titles map[hansa.PartyID]string) *accordExit {
	out := &accordExit{}
	for _, e := range x.erased(steps) {
		row := certificateRow{Says: p.say.Fill(first(certifies[e.Rule], "{1}"), first(titles[e.By], string(e.By))), When: p.day(e.On) + " " + words.Clock(e.On, p.zone) + " " + words.Zone(e.On, p.zone), Facts: p.certificate(x, &e)}
		if i := slices.IndexFunc(steps, func(s AccordStep) bool { return s.N == e.Entry }); i >= 0 {
			row.Words = steps[i].Words
		}
		out.Certificates = append(out.Certificates, row)
	}
	for i := range x.Owed {
		out.Owed = append(out.Owed, p.owed(x, &x.Owed[i], titles))
	}
	if len(out.Certificates)+len(out.Owed) == 0 {
		return nil
	}
	return out
}

// certificate is what a certificate says, one by one.
func (p *accordPage) certificate(x *AccordSheet, e *AccordErased) (out []fact) {
	add := func(key, value, href string) {
		if value != "" {
			out = append(out, fact{Key: key, Value: value, Href: href})
		}
	}
	add(words.Mark("Flows"), strings.Join(x.flowNames(e.Flows), ", "), "")
	if e.Records > 0 || e.Versions > 0 {
		add(words.Mark("How much"), p.say.Fill("{1} in {2}", p.say.Count(int(e.Records), "{1} record", "{1} records"), p.say.Count(int(e.Versions), "{1} version", "{1} versions")), "")
	}
	if n, err := strconv.Atoi(e.Clause); err == nil {
		href := ""
		if x.Force == nil && n <= len(x.Text.Clauses) { // the text on this page is that in force
			href = "#c" + e.Clause
		}
		add(words.Mark("Under"), p.say.Fill("Clause {1}", e.Clause), href)
	}
	add(words.Mark("Went on to"), p.say.List(e.Onward...), "")
	backups := p.say.Say("not said")
	if e.Backups != "" {
		backups = p.dayOf(e.Backups)
	}
	add(words.Mark("Backups hold it until"), backups, "")
	if e.Entry > 0 {
		add(words.Mark("In the proof bundle"), p.say.Fill("Entry {1}, signed", e.Entry), "")
	}
	return out
}

// owed says who still owes a certificate, until when, and what own can do about its own.
func (p *accordPage) owed(x *AccordSheet, o *accord.Owed, titles map[hansa.PartyID]string) owedRow {
	rule := x.Text.Term.Exit
	if x.Force != nil {
		rule = x.Force.Term.Exit
	}
	row := owedRow{Tone: "med"}
	who, what, day := first(titles[o.Party], string(o.Party)), p.say.Say(certificates[rule]), p.dayOf(o.Day)
	switch {
	case o.Day == "":
		row.Says = p.say.Fill("{1} still owes {2}.", who, what)
	case o.Late:
		row.Tone, row.Says = "high", p.say.Fill("{1} still owes {2}: it was due by {3}.", who, what, day)
	default:
		row.Says = p.say.Fill("{1} still owes {2}, at the latest by {3}.", who, what, day)
	}
	row.Says += " " + p.say.Fill("Flows: {1}", strings.Join(x.flowNames(o.Flows), ", ")) + "."
	switch {
	case o.Party != x.Me:
	case x.Erasing:
		row.Do = p.say.Say("Your node erases it, and certifies it by itself.")
	case slices.Contains(x.May, accord.Erased):
		row.Do = p.say.Say("Certify it here once it is done, under Certify what became of the data.")
	}
	return row
}

// flowNames are the names of flows of the text, and of those that members gave; one that
// a former version had is shown by its id.
func (x *AccordSheet) flowNames(list []hansa.FlowID) (out []string) {
	names := map[hansa.FlowID]string{}
	for _, t := range []*accord.Text{x.Text, x.Force} {
		if t != nil {
			for i := range t.Flows {
				names[t.Flows[i].ID] = t.Flows[i].Name
			}
		}
	}
	for i := range x.Copy.Members {
		for k := range x.Copy.Members[i].Gives {
			f := &x.Copy.Members[i].Gives[k]
			names[f.ID] = f.Name
		}
	}
	for _, id := range list {
		out = append(out, first(names[id], string(id)))
	}
	return out
}
