package main

import (
	"context"
	"maps"
	"slices"
	"strconv"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// fromFlow keeps a draft that says what a flow does.
func (cmd *accordsNewCmd) fromFlow(ctx context.Context, g *globals, p *printer) error {
	if cmd.ID != "" {
		return &failure{exit: exitUsage, code: "usage", message: "A draft that is there changes with a file, not with --from-flow.", hint: "hansa accords new FILE --id " + cmd.ID}
	}
	if cmd.Request != "" {
		return &failure{exit: exitUsage, code: "usage", message: "A draft of a flow answers no request.", hint: "hansa accords new FILE --request " + cmd.Request}
	}
	o := api.FlowDraft{Party: cmd.Party, Model: hansa.Model(cmd.Model), Answers: cmd.Answers}
	if err := cmd.personal(&o); err != nil {
		return err
	}
	list, err := fetchFlows(ctx, g, p)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(list.Flows, func(f api.FlowInfo) bool { return f.Name == cmd.FromFlow || string(f.ID) == cmd.FromFlow })
	if i < 0 {
		return &failure{exit: exitNotFound, code: "not-found", message: "There is no flow " + clean(cmd.FromFlow) + ".", hint: "hansa flows list"}
	}
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	var d api.FlowDrafted
	if err := c.do(ctx, "POST", "/api/v1/flows/"+string(list.Flows[i].ID)+"/accord", o, &d); err != nil {
		return err
	}
	if done, err := p.show(&d); done {
		return err
	}
	if err := p.accord(&d.AccordDetail); err != nil {
		return err
	}
	for _, s := range d.Notes {
		p.say("Note: %s", clean(s))
	}
	p.say("Next: hansa accords show %s --text > FILE, and change it with hansa accords new FILE --id %s; then hansa accords open %s", d.ID, d.ID, d.ID)
	return nil
}

// personal reads what is said of personal data.
func (cmd *accordsNewCmd) personal(o *api.FlowDraft) error {
	if len(cmd.Personal) == 0 {
		return nil
	}
	o.Personal = &accord.Personal{}
	for _, name := range slices.Sorted(maps.Keys(cmd.Personal)) {
		v := cmd.Personal[name]
		switch name {
		case "roles":
			o.Personal.Roles = v
		case "basis":
			o.Personal.Basis = v
		case "assessment":
			o.Personal.Assessment = v
		case "country":
			o.Personal.Country = v
		case "retention":
			days, err := strconv.Atoi(v)
			if err != nil {
				return badly("--personal retention", v, "--personal retention=30")
			}
			o.Personal.Retention = days
		default:
			return badly("--personal", name, "--personal roles=separate")
		}
	}
	return nil
}
