package room

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	rules "github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/base/words"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
)

// kindWords are what parties do, in words.
var kindWords = map[accord.Kind]string{
	accord.Open: words.Mark("Opened it"), accord.Propose: words.Mark("Proposed a version"), accord.Comment: words.Mark("Commented"), accord.AcceptClause: words.Mark("Accepted a clause"), accord.RejectClause: words.Mark("Rejected a clause"),
	accord.Decline: words.Mark("Declined"), accord.Sign: words.Mark("Signed"), accord.Withdraw: words.Mark("Took it back"), accord.Serve: words.Mark("Served it"), accord.Object: words.Mark("Objected"), accord.Acknowledge: words.Mark("Acknowledged the duty"), accord.EnterIntoForce: words.Mark("Said that it is in force"),
	accord.Suspend: words.Mark("Suspended what it gives"), accord.Resume: words.Mark("Resumed what it gives"), accord.End: words.Mark("Announced the end"), accord.Erased: words.Mark("Certified what became of the data"), accord.Join: words.Mark("Joined"), accord.Leave: words.Mark("Left"),
	accord.ConfirmMeasures: words.Mark("Confirmed its measures"), accord.AcceptDelivery: words.Mark("Tested a delivery"), accord.Report: words.Mark("Reported"), accord.HandOver: words.Mark("Handed the keeping over"),
}

// clauses are the words beside the policy, joined by their numbers.
func (p *accordPage) clauses(x *AccordSheet, steps []AccordStep, titles map[hansa.PartyID]string) {
	for i := range x.Text.Clauses {
		c := &x.Text.Clauses[i]
		row := accordClause{printClause: p.Clauses[i], Evidence: label("evidence", string(c.Evidence), cmp.Or(p.Lang, english))}
		row.Kind, row.KindWord, row.Icon = comesTo(&c.Rules)
		switch c.Enforced {
		case "gate":
			row.Checked = p.say.Say("held to by the gate")
		case "check":
			row.Checked = p.say.Say("has a check, which nothing measures yet")
			if entry, ok := rules.ClauseByID(c.ID); ok && entry.Measured() {
				row.Checked = p.say.Say("measured by software")
			}
		}
		no := strconv.Itoa(row.N)
		row.Said = p.said(steps, no, titles)
		row.Accepted = slices.ContainsFunc(x.Copy.Verdicts, func(v accord.ClauseVerdict) bool { return v.Clause == no && v.Party == x.Me && v.Accept })
		row.Open = p.FormClause == no && p.again != nil
		if p.Changes {
			p.params(&row, c)
		}
		p.Told = append(p.Told, row)
	}
}

// comesTo says what a clause comes to for who bears it.
func comesTo(r *rules.Rules) (kind, word, icon string) {
	switch {
	case len(r.Prohibition) > 0:
		return "not", words.Mark("Must not"), "crit"
	case len(r.Permission) > 0:
		return "may", words.Mark("May, within this"), "ok"
	}
	return "must", words.Mark("Must"), "low"
}

// said is what the parties say of a clause of this version; an empty number is of all.
func (p *accordPage) said(steps []AccordStep, no string, titles map[hansa.PartyID]string) (out []saidRow) {
	for i := range steps {
		s := &steps[i]
		if s.Clause != no || s.Base != p.Base {
			continue
		}
		row := saidRow{Who: first(titles[s.From], string(s.From)), When: p.when(s.At), Words: s.Words, Tone: "low"}
		switch s.Kind { //nolint:exhaustive // the others say nothing of a clause
		case accord.Comment:
		case accord.AcceptClause:
			row.What, row.Tone = p.say.Say("accepts it"), "ok"
		case accord.RejectClause:
			row.What, row.Tone = p.say.Say("rejects it"), "high"
		default:
			continue
		}
		out = append(out, row)
	}
	return out
}

// params are what can be changed about a clause.
func (p *accordPage) params(row *accordClause, c *accord.Clause) {
	known, ok := rules.ClauseByID(c.ID)
	if !ok {
		row.Gone = true
		return
	}
	lang := cmp.Or(p.Lang, english)
	for i := range known.Params {
		k := &known.Params[i]
		one := paramRow{Name: k.Name, Value: first(c.Params[k.Name], k.Default), Hint: p.paramHint(k)}
		if row.Open {
			one.Value = p.again.Get("p." + k.Name)
			one.Bad = strings.HasSuffix(p.Field, "parameters/"+k.Name)
		}
		for _, o := range k.Options {
			one.Options = append(one.Options, tickRow{Value: o.Value, Says: first(o.Text.In(lang), o.Text.EN), On: o.Value == one.Value})
		}
		row.Params = append(row.Params, one)
	}
}

// unitWords are the lengths of time that are counted.
var unitWords = map[string]string{
	"seconds": words.Mark("seconds"), "minutes": words.Mark("minutes"), "hours": words.Mark("hours"), "days": words.Mark("days"), "working-days": words.Mark("working days"), "months": words.Mark("months"),
}

// paramHint says how a value is written.
func (p *accordPage) paramHint(k *rules.Param) string {
	switch k.Kind { //nolint:exhaustive // the others are shown by an example
	case rules.KindCount:
		return p.say.Say(first(unitWords[k.Unit], k.Unit))
	case rules.KindPercent:
		return "0–100 %"
	}
	return k.Example
}

// catalogue lists the clauses that can be added.
func (p *accordPage) catalogue(t *accord.Text) {
	lang := cmp.Or(p.Lang, english)
	for _, c := range rules.Clauses() {
		if slices.Contains(c.Models, t.Model) && !slices.ContainsFunc(t.Clauses, func(x accord.Clause) bool { return x.ID == c.ID }) {
			p.More = append(p.More, tickRow{Value: c.ID, Says: first(c.Title.In(lang), c.Title.EN), On: p.again.Get("add") == c.ID})
		}
	}
}

// history is every step, the newest first.
func (p *accordPage) history(x *AccordSheet, steps []AccordStep, titles map[hansa.PartyID]string) {
	const most = 30
	for i := range slices.Backward(steps) {
		if len(p.Steps) == most {
			p.StepsMore = i + 1
			break
		}
		s := &steps[i]
		row := entryRow{N: s.N, When: p.when(s.At), Who: first(titles[s.From], string(s.From)), What: p.say.Say(kindWords[s.Kind]), Words: s.Words, Hash: s.Hash}
		switch {
		case s.Kind == accord.Sign && s.Role != "":
			row.What = p.say.Fill("Signed, as {1}", s.Role)
		case s.Version != "" && s.Number > 0:
			row.What = p.say.Fill("Proposed version {1}", s.Number)
		case s.Clause != "":
			row.What += ": " + s.Clause
		case s.Notice != "":
			row.What += ": " + p.dayOf(s.Notice)
		}
		if s.Kind == accord.Open {
			row.What = p.say.Say(kindWords[accord.Open])
		}
		if s.Version != "" && s.Base != "" {
			row.Changes = p.Path + "/changes?" + url.Values{"from": {s.Base}, "to": {s.Version}}.Encode()
		}
		p.Steps = append(p.Steps, row)
	}
	add := func(key, value string, code bool) {
		if value != "" {
			p.Proof = append(p.Proof, fact{Key: key, Value: value, Code: code})
		}
	}
	c := &x.Copy
	if c.N > 0 {
		add(words.Mark("Entries"), strconv.FormatInt(c.N, 10), false)
	}
	add(words.Mark("The last, SHA-256"), c.Head, true)
	add(words.Mark("Kept by"), first(titles[c.Keeper], string(c.Keeper)), false)
	add(words.Mark("Text, SHA-256"), p.Base, true)
	var signed []string
	for i := range p.Signatures {
		signed = append(signed, p.Signatures[i].Party)
	}
	add(words.Mark("Signed by"), p.say.List(signed...), false)
}

// givenWays say how a reader took what it was given.
var givenWays = map[string]string{
	"snapshot": words.Mark("fetched in whole"), "changes": words.Mark("fetched what is new"), "stream": words.Mark("by stream"), "webhook": words.Mark("by webhook"),
}

// deliveries are the newest both ways.
func (p *accordPage) deliveries(x *AccordSheet) {
	for i := range x.Given {
		g := &x.Given[i]
		row := givenRow{When: words.ClockSeconds(g.At, p.zone), Out: g.Out, What: g.What, Tone: "ok"}
		if p.now.Sub(g.At) > 24*time.Hour {
			row.When = p.when(g.At)
		}
		if d := g.Delivery; d != nil {
			row.ID, row.What, row.State, row.Tone = d.ID, first(d.Name, d.Record), d.State, "low"
			switch d.State {
			case "delivered":
				row.Tone = "ok"
			case "parked":
				row.Tone = "crit"
			}
			if n := len(d.Attempts); n > 0 && d.Attempts[n-1].Status > 0 {
				row.Status = strconv.Itoa(d.Attempts[n-1].Status)
			}
		} else {
			row.Count, row.How = p.say.Count(g.Records, "{1} record", "{1} records"), p.say.Say(first(givenWays[g.How], g.How))
		}
		p.Given = append(p.Given, row)
	}
}

// accordAct is one thing that a person may do now, with what it asks.
type accordAct struct {
	Act, Word, Yes, Says string
	Bad, Open            bool
	Words, NeedsWords    bool
	Binds                bool // it asks for role and power
	Day                  bool // it asks for the last day
	Backups              bool
	Service              bool
	Flows                []tickRow
	Refuses              bool      // it can be said of it that it is not accepted
	Clauses              []tickRow // that can be reported on
	Parties              []tickRow
	Path, Base           string // of the accord, and of the version that it is about
	FormWords, Field     string // of the form that was refused
}

// acts lists what own may do now, besides what is said of clauses.
func (p *accordPage) acts(x *AccordSheet, titles map[hansa.PartyID]string) (out []accordAct) {
	for _, a := range []struct {
		kind accord.Kind
		accordAct
	}{
		{accord.Open, accordAct{Word: words.Mark("Send it to the others"), Yes: words.Mark("Yes, send it"), Says: words.Mark("The others get the text as it stands here. Nothing binds anybody yet.")}},
		{accord.Serve, accordAct{Word: words.Mark("Serve it"), Yes: words.Mark("It has been served"), Says: words.Mark("It binds by recorded service, without the other's signature."), Service: true, Binds: true}},
		{accord.Object, accordAct{Word: words.Mark("Object"), Yes: words.Mark("Record the objection"), Says: words.Mark("The objection is recorded, and the authority has it at once."), Service: true, Words: true}},
		{accord.Acknowledge, accordAct{Word: words.Mark("Acknowledge the duty"), Yes: words.Mark("Yes, we know them"), Says: words.Mark("What was served binds you by itself; what you give starts once you say that you know who served it as the authority."), Words: true}},
		{accord.Decline, accordAct{Word: words.Mark("Decline this version"), Yes: words.Mark("Decline it"), Says: words.Mark("Nobody can sign this version any more; another can be proposed. Your reason goes to all."), Words: true, NeedsWords: true, Bad: true}},
		{accord.Withdraw, accordAct{Word: words.Mark("Take it back"), Yes: words.Mark("Take it back now"), Says: words.Mark("Nobody can sign it any more."), Words: true, Bad: true}},
		{accord.ConfirmMeasures, accordAct{Word: words.Mark("Confirm measures"), Yes: words.Mark("They are in place"), Says: words.Mark("Marked fields leave only once you say that the agreed measures are in place."), Flows: marked(x.Text, x.Me), Words: true}},
		{accord.AcceptDelivery, accordAct{Word: words.Mark("Accept a delivery"), Yes: words.Mark("Say so"), Says: words.Mark("Say of data that you tested that you accept it, or what is wrong with it."), Flows: p.received(x), Refuses: true, Words: true}},
		{accord.Report, accordAct{Word: words.Mark("Report"), Yes: words.Mark("Send the report"), Says: words.Mark("Say what you did that a clause asks for. It stands in the accord's entries, and in its proof."), Clauses: p.reported(x), Words: true, NeedsWords: true}},
		{accord.Suspend, accordAct{Word: words.Mark("Suspend what you give"), Yes: words.Mark("Stop it now"), Says: words.Mark("It stops at once, here; the others hear of it. What they give goes on until they stop it."), Flows: given(x.Text, x.Me), Words: true, NeedsWords: true}},
		{accord.Resume, accordAct{Word: words.Mark("Resume what you give"), Yes: words.Mark("Yes, resume it"), Says: words.Mark("The data passes again."), Words: true}},
		{accord.HandOver, accordAct{Word: words.Mark("Hand the keeping over"), Yes: words.Mark("Sign for it"), Says: words.Mark("Who keeps an accord numbers its entries. Both sign for it."), Parties: p.keepers(x, titles), Binds: true}},
		{accord.Leave, accordAct{Word: words.Mark("Leave the pool"), Yes: words.Mark("Leave it now"), Says: words.Mark("Your flows end, both ways; those of the others go on."), Words: true, Binds: true, Bad: true}},
		{accord.End, accordAct{Word: words.Mark("End the accord"), Yes: words.Mark("Announce the end"), Says: words.Mark("Say the last day. A day before the notice is over stops what you give then; the others may hold you to the notice."), Day: true, Words: true, NeedsWords: true, Binds: true, Bad: true}},
		{accord.Erased, accordAct{Word: words.Mark("Certify what became of the data"), Yes: words.Mark("Certify it"), Says: words.Mark("Say that you did what the exit rule asks, and until when backups hold the data still."), Backups: true, Words: true}},
	} {
		if !slices.Contains(x.May, a.kind) || len(a.Flows) == 0 && (a.kind == accord.ConfirmMeasures || a.kind == accord.AcceptDelivery) || a.kind == accord.Report && len(a.Clauses) == 0 {
			continue
		}
		a.Act = string(a.kind)
		a.Open, a.Path, a.FormWords, a.Field = p.Open == a.Act, p.Path, p.FormWords, p.Field
		if slices.Contains([]accord.Kind{accord.Open, accord.Serve, accord.Decline, accord.Withdraw}, a.kind) {
			a.Base = p.Base
		}
		out = append(out, a.accordAct)
	}
	if p.Draft && p.Changes {
		out = append(out, accordAct{Act: discardDraft, Word: words.Mark("Throw the draft away"), Yes: words.Mark("Throw it away"), Says: words.Mark("Nobody else has it. Its text is gone then, for good."), Bad: true, Open: p.Open == discardDraft, Path: p.Path, Field: p.Field})
	}
	return out
}

// keepers are the parties to which the keeping can go.
func (*accordPage) keepers(x *AccordSheet, titles map[hansa.PartyID]string) (out []tickRow) {
	for i := range x.Text.Parties {
		if id := x.Text.Parties[i].ID; id != x.Copy.Keeper {
			out = append(out, tickRow{Value: string(id), Says: first(titles[id], string(id))})
		}
	}
	return out
}

// inForce is the text that binds.
func inForce(x *AccordSheet) *accord.Text {
	if x.Force != nil {
		return x.Force
	}
	return x.Text
}

// received are the flows to me that a clause has me accept.
func (*accordPage) received(x *AccordSheet) (out []tickRow) {
	t := inForce(x)
	for i := range t.Flows {
		f := &t.Flows[i]
		if f.From != x.Me && (f.To == x.Me || f.To == accord.Members) && slices.ContainsFunc(t.Clauses, func(c accord.Clause) bool { return c.ID == "acceptance" && c.About(f.ID) }) {
			out = append(out, tickRow{Value: string(f.ID), Says: f.Name})
		}
	}
	return out
}

// reported are the clauses that are kept by reports.
func (p *accordPage) reported(x *AccordSheet) (out []tickRow) {
	t := inForce(x)
	for i := range t.Clauses {
		c := &t.Clauses[i]
		if entry, ok := rules.ClauseByID(c.ID); ok && entry.Reported() {
			title, _ := worded(c.Title, p.Lang)
			out = append(out, tickRow{Value: strconv.Itoa(i + 1), Says: strconv.Itoa(i+1) + ". " + title})
		}
	}
	return out
}

// marked are the flows to me with marked fields.
func marked(t *accord.Text, me hansa.PartyID) (out []tickRow) {
	for i := range t.Flows {
		if f := &t.Flows[i]; len(f.Marked) > 0 && (f.To == me || f.To == accord.Members && f.From != me) {
			out = append(out, tickRow{Value: string(f.ID), Says: f.Name})
		}
	}
	return out
}

// given are the flows from me.
func given(t *accord.Text, me hansa.PartyID) (out []tickRow) {
	for i := range t.Flows {
		if f := &t.Flows[i]; f.From == me {
			out = append(out, tickRow{Value: string(f.ID), Says: f.Name})
		}
	}
	return out
}
