package main

import (
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/words"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// datasetsCmd keeps what a party has on offer.
type datasetsCmd struct {
	List   datasetsListCmd   `cmd:"" default:"1" help:"List your datasets."`
	Add    datasetsAddCmd    `cmd:"" help:"Add a dataset, or change the one of that name."`
	Show   datasetsShowCmd   `cmd:"" help:"Show one dataset."`
	Follow datasetsFollowCmd `cmd:"" help:"Show what comes into a dataset of yours."`
	Open   datasetsOpenCmd   `cmd:"" help:"List what everybody may read, with its addresses."`
}

func (datasetsCmd) examples() []string {
	return []string{"hansa datasets", "hansa datasets add closures --licence CC-BY-4.0"}
}

type datasetsListCmd struct{}

func (datasetsListCmd) examples() []string { return []string{"hansa datasets list"} }

func fetchDatasets(ctx context.Context, g *globals, p *printer) (list api.DatasetsBody, err error) {
	c, err := g.connect(p)
	if err != nil {
		return list, err
	}
	return list, c.do(ctx, "GET", "/api/v1/datasets", nil, &list)
}

func (datasetsListCmd) Run(ctx context.Context, g *globals, p *printer) error {
	list, err := fetchDatasets(ctx, g, p)
	if err != nil {
		return err
	}
	if done, err := p.show(list); done {
		return err
	}
	rows := [][]string{}
	for _, d := range list.Datasets {
		rows = append(rows, []string{d.Name, string(d.Kind), string(d.Party), d.Licence, string(d.ID)})
	}
	p.table([]string{"DATASET", "KIND", "PARTY", "LICENCE", "ID"}, rows, "")
	return nil
}

type datasetsAddCmd struct {
	Name    string        `arg:"" help:"Its name: a-z, 0-9 and hyphen."`
	Party   string        `help:"The party, by name; your own when empty." placeholder:"NAME"`
	Title   string        `help:"Its title in English."`
	Kind    string        `help:"situation, observation or document." enum:"situation,observation,document" default:"situation"`
	Update  time.Duration `help:"The update promise, such as 1m; 0 is none."`
	Licence string        `help:"The licence that rides on every answer." placeholder:"CC-BY-4.0"`
	Holder  string        `help:"The original holder; the party when empty."`
	Keep    time.Duration `help:"How long records are kept, such as 2160h; 0 takes the node's."`
	// What a catalogue says of it.
	Description string   `help:"What is in it, in a few sentences of English."`
	Theme       []string `help:"A mobility theme (mobilityDCAT-AP), such as road-events-and-conditions. May be repeated."`
	Coverage    string   `help:"The area that it covers: a NUTS code, or the web address of an area." placeholder:"NL329"`
	HighValue   string   `help:"Its category of high-value datasets: geospatial, earth-observation, meteorological, statistics, companies or mobility." placeholder:"CATEGORY"`
	Contact     string   `help:"The mail address of a desk that answers for it." placeholder:"MAIL"`
	Relays      []string `help:"As a hub, gather in it what others give by datasets of this name, and pass it on where their accords allow it. May be repeated." placeholder:"NAME"`
}

func (datasetsAddCmd) examples() []string {
	return []string{
		"hansa datasets add closures --title 'Road closures' --licence CC-BY-4.0 --update 1m",
		"hansa datasets add closures --description 'What is shut, and until when.' --coverage NL329 --high-value mobility --contact data@city.example",
		"hansa datasets add closures-of-cities --relays closures",
	}
}

func (cmd *datasetsAddCmd) Run(ctx context.Context, g *globals, p *printer) error {
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	o := api.DatasetOrder{Party: cmd.Party, Name: cmd.Name, Kind: hansa.RecordKind(cmd.Kind), Update: hansa.Duration(cmd.Update), Licence: cmd.Licence, Holder: cmd.Holder, AgeMax: hansa.Duration(cmd.Keep)}
	o.Themes, o.Coverage, o.HighValue, o.Contact, o.Relays = cmd.Theme, cmd.Coverage, cmd.HighValue, cmd.Contact, cmd.Relays
	if cmd.Title != "" {
		o.Title = map[string]string{"en": cmd.Title}
	}
	if cmd.Description != "" {
		o.Description = map[string]string{"en": cmd.Description}
	}
	var d hansa.Dataset
	if err := c.do(ctx, "POST", "/api/v1/datasets", o, &d); err != nil {
		return err
	}
	if done, err := p.show(d); done {
		return err
	}
	p.say("The dataset %s stands: %s", d.Name, d.ID)
	p.say("Next: hansa feeds add URL --to %s        # or: hansa publish FILE --to %s", d.Name, d.Name)
	p.say("Offer it: hansa offers add %s --purpose navigation", d.Name)
	return nil
}

type datasetsShowCmd struct {
	Name string `arg:"" help:"Its name or id."`
}

func (datasetsShowCmd) examples() []string { return []string{"hansa datasets show closures"} }

func (cmd *datasetsShowCmd) Run(ctx context.Context, g *globals, p *printer) error {
	list, err := fetchDatasets(ctx, g, p)
	if err != nil {
		return err
	}
	for _, d := range list.Datasets {
		if d.Name != cmd.Name && string(d.ID) != cmd.Name {
			continue
		}
		if done, err := p.show(d); done {
			return err
		}
		p.table([]string{"DATASET", d.Name}, [][]string{
			{"title", clean(d.Title["en"])},
			{"description", clean(d.Description["en"])},
			{"kind", string(d.Kind)},
			{"themes", strings.Join(d.Themes, ", ")},
			{"coverage", d.Coverage},
			{"high value", d.HighValue},
			{"party", string(d.Party)},
			{"contact", d.Contact},
			{"relays", strings.Join(d.Relays, ", ")},
			{"licence", d.Licence},
			{"holder", clean(d.Holder)},
			{"update", span(d.Update)},
			{"kept", kept(d.AgeMax)},
			{"id", string(d.ID)},
		}, "")
		return nil
	}
	return &failure{exit: exitNotFound, code: "not-found", message: "There is no dataset " + cmd.Name + ".", hint: "hansa datasets list"}
}

// flowsCmd keeps what is given to whom.
type flowsCmd struct {
	List   flowsListCmd   `cmd:"" default:"1" help:"List the flows that you give or receive."`
	Add    flowsAddCmd    `cmd:"" help:"Give a dataset to a party, or change the flow of that name."`
	Show   flowsShowCmd   `cmd:"" help:"Show one flow with its terms."`
	Pause  flowsPauseCmd  `cmd:"" help:"Stop giving a flow, at once."`
	Resume flowsResumeCmd `cmd:"" help:"Give a flow again."`
}

func (flowsCmd) examples() []string {
	return []string{"hansa flows", "hansa flows add navco --to navco --dataset closures --purpose navigation"}
}

type flowsListCmd struct{}

func (flowsListCmd) examples() []string { return []string{"hansa flows list", "hansa flows --json"} }

func fetchFlows(ctx context.Context, g *globals, p *printer) (list api.FlowsBody, err error) {
	c, err := g.connect(p)
	if err != nil {
		return list, err
	}
	return list, c.do(ctx, "GET", "/api/v1/flows", nil, &list)
}

func (flowsListCmd) Run(ctx context.Context, g *globals, p *printer) error {
	list, err := fetchFlows(ctx, g, p)
	if err != nil {
		return err
	}
	if done, err := p.show(list); done {
		return err
	}
	rows := [][]string{}
	for _, f := range list.Flows {
		state := "open"
		if f.Paused {
			state = "paused"
		}
		rows = append(rows, []string{f.Name, state, clean(f.FromTitle), clean(f.ToTitle), f.DatasetName, joined(f.Terms.Purposes), joined(f.Terms.Formats), span(f.Limit), standsOn(&f)})
	}
	p.table([]string{"FLOW", "STATE", "FROM", "TO", "DATASET", "PURPOSES", "FORMATS", "LIMIT", "BASIS"}, rows, "")
	return nil
}

// standsOn is the basis of a flow, marked where that is no accord.
func standsOn(f *api.FlowInfo) string {
	if f.WithoutAccord {
		return string(f.Basis.Kind) + ", without accord"
	}
	return string(f.Basis.Kind) + " " + f.Basis.ID
}

func joined[T ~string](list []T) string {
	words := make([]string, 0, len(list))
	for _, x := range list {
		words = append(words, string(x))
	}
	return strings.Join(words, ", ")
}

type flowsAddCmd struct {
	Name        string        `arg:"" help:"Its name: a-z, 0-9 and hyphen."`
	To          string        `required:"" help:"The party that receives, by name." placeholder:"PARTY"`
	Dataset     string        `required:"" help:"The dataset, by id or name."`
	From        string        `help:"The party that gives, by name; your own when empty." placeholder:"PARTY"`
	Purpose     []string      `required:"" help:"What it may be used for. May be repeated."`
	As          []string      `help:"A format that may be asked for. May be repeated; all when none is named." placeholder:"FORMAT"`
	Field       []string      `help:"A field that may leave besides identity, time and place. May be repeated; all when none is named."`
	Delay       time.Duration `help:"Hold records back for this long."`
	Precision   int           `help:"Decimals of a coordinate that may leave, 0 to 7; -1 sets no bound." default:"-1"`
	Limit       time.Duration `help:"Agreed time from offered to live." default:"5m"`
	Licence     string        `help:"The licence; the dataset's when empty."`
	Attribution string        `help:"How to name the source."`
	Test        bool          `help:"It carries marked test records alone."`
}

func (flowsAddCmd) examples() []string {
	return []string{"hansa flows add navco-closures --to navco --dataset closures --purpose navigation --as cifs --as wzdx"}
}

func (cmd *flowsAddCmd) Run(ctx context.Context, g *globals, p *printer) error {
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	o := api.FlowOrder{From: cmd.From, To: cmd.To, Name: cmd.Name, Dataset: cmd.Dataset, Limit: hansa.Duration(cmd.Limit), Test: cmd.Test}
	o.Terms = hansa.Terms{Fields: cmd.Field, Delay: hansa.Duration(cmd.Delay), Licence: cmd.Licence, Attribution: cmd.Attribution}
	if cmd.Precision >= 0 {
		o.Terms.Precision = &cmd.Precision
	}
	for _, x := range cmd.Purpose {
		o.Terms.Purposes = append(o.Terms.Purposes, hansa.Purpose(x))
	}
	for _, x := range cmd.As {
		o.Terms.Formats = append(o.Terms.Formats, hansa.Format(x))
	}
	var f api.FlowInfo
	if err := c.do(ctx, "POST", "/api/v1/flows", o, &f); err != nil {
		return err
	}
	if done, err := p.show(f); done {
		return err
	}
	p.say("%s gives %s to %s for %s, as %s.", clean(f.FromTitle), f.DatasetName, clean(f.ToTitle), joined(f.Terms.Purposes), joined(f.Terms.Formats))
	p.say("Its id: %s", f.ID)
	p.say("Next: hansa credentials add main --party %s", cmd.To)
	return nil
}

type flowsShowCmd struct {
	Name string `arg:"" help:"Its name or id."`
}

func (flowsShowCmd) examples() []string { return []string{"hansa flows show navco-closures"} }

func (cmd *flowsShowCmd) Run(ctx context.Context, g *globals, p *printer) error {
	list, err := fetchFlows(ctx, g, p)
	if err != nil {
		return err
	}
	for i := range list.Flows {
		f := &list.Flows[i]
		if f.Name == cmd.Name || string(f.ID) == cmd.Name {
			return p.flow(f)
		}
	}
	return &failure{exit: exitNotFound, code: "not-found", message: "There is no flow " + cmd.Name + ".", hint: "hansa flows list"}
}

func (p *printer) flow(f *api.FlowInfo) error {
	if done, err := p.show(f); done {
		return err
	}
	state := "open"
	if f.Paused {
		state = "paused"
	}
	p.table([]string{"FLOW", f.Name}, [][]string{
		{"state", state},
		{"from", clean(f.FromTitle)},
		{"to", clean(f.ToTitle)},
		{"dataset", f.DatasetName},
		{"purposes", joined(f.Terms.Purposes)},
		{"formats", joined(f.Terms.Formats)},
		{"fields", joined(f.Terms.Fields)},
		{"delay", span(f.Terms.Delay)},
		{"limit", span(f.Limit)},
		{"licence", f.Terms.Licence},
		{"basis", standsOn(f)},
		{"id", string(f.ID)},
	}, "")
	return nil
}

type flowsPauseCmd struct {
	Name string `arg:"" help:"Its name or id."`
}

func (flowsPauseCmd) examples() []string { return []string{"hansa flows pause navco-closures"} }

func (cmd *flowsPauseCmd) Run(ctx context.Context, g *globals, p *printer) error {
	return pauseFlow(ctx, g, p, cmd.Name, "pause")
}

type flowsResumeCmd struct {
	Name string `arg:"" help:"Its name or id."`
}

func (flowsResumeCmd) examples() []string { return []string{"hansa flows resume navco-closures"} }

func (cmd *flowsResumeCmd) Run(ctx context.Context, g *globals, p *printer) error {
	return pauseFlow(ctx, g, p, cmd.Name, "resume")
}

func pauseFlow(ctx context.Context, g *globals, p *printer, name, what string) error {
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	var f api.FlowInfo
	if err := c.do(ctx, "POST", "/api/v1/flows/"+url.PathEscape(name)+"/"+what, nil, &f); err != nil {
		return err
	}
	if done, err := p.show(f); done {
		return err
	}
	if f.Paused {
		p.say("%s gives nothing from now on. Resume it by: hansa flows resume %s", f.Name, f.Name)
	} else {
		p.say("%s gives again.", f.Name)
	}
	return nil
}

// span writes a length of time as people say it; none is a dash.
func span(d hansa.Duration) string {
	if d == 0 {
		return "–"
	}
	return words.Span(time.Duration(d))
}

// kept is how long records are kept; 0 is the node's own.
func kept(d hansa.Duration) string {
	if d == 0 {
		return "400 d"
	}
	return span(d)
}
