package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/network"
	"github.com/hansa-exchange/hansa/internal/base/words"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

type closeCmd struct {
	Place     string        `arg:"" optional:"" help:"A named place: a tunnel, bridge or street."`
	Line      string        `help:"In place of a named place: LON,LAT of each point, spaces between, in the direction of travel; or a GeoJSON file with one line." placeholder:"LINE|FILE"`
	Both      bool          `help:"Close both directions of what the line follows."`
	Name      string        `help:"What the line is called, when it follows no known road."`
	Direction string        `help:"Which direction or tube of it, such as north or b." short:"d"`
	From      string        `help:"When it closes; now when left out. 2026-11-23T22:00, 22:00 or +2h."`
	Until     string        `help:"When it opens again, as for --from; unknown when left out."`
	Estimated bool          `help:"The end is an estimate."`
	Reason    string        `help:"Why: fire, accident, technical-fault, roadworks, event, ..." short:"r"`
	Text      string        `help:"A sentence for the public."`
	Lang      string        `help:"The language of the sentence."`
	Lane      []int         `help:"Close only this lane; 1 is next to the centre. May be repeated."`
	Incident  string        `help:"Join it to the incident of this closure."`
	Role      string        `help:"What it is in its incident." enum:"closure,counter-measure,diversion," default:""`
	AutoEnd   bool          `help:"Let it end at its planned end without another word." name:"auto-end"`
	Dataset   string        `help:"The dataset, when you have several of situations."`
	Test      bool          `help:"Mark it as a test; it reaches test flows only."`
	Wait      bool          `help:"Watch the receivers, until all have it or the limit passes." short:"w"`
	Limit     time.Duration `help:"How long --wait watches at most; the flows' own limit when left out."`
}

func (closeCmd) examples() []string {
	return []string{"hansa close oostertunnel --direction north --reason fire --wait", "hansa close stadstunnel --from 22:30 --until +6h --reason roadworks", "hansa close wallenweg --lane 2 --reason roadworks", "hansa close --line '4.8871,52.3702 4.8893,52.3731' --reason accident"}
}

func (cmd *closeCmd) Run(ctx context.Context, g *globals, p *printer) error {
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	now := time.Now()
	o := api.CloseOrder{
		Place: cmd.Place, Heading: cmd.Direction, Lanes: cmd.Lane, Reason: cmd.Reason, Text: cmd.Text, Lang: cmd.Lang, Incident: cmd.Incident,
		Role: hansa.Role(cmd.Role), Dataset: cmd.Dataset, Test: cmd.Test, RequestID: hansa.NewID(now),
	}
	if err := g.learn(ctx, p, cmd.From, cmd.Until); err != nil {
		return err
	}
	if o.From, err = p.when(cmd.From, now, "--from"); err != nil {
		return err
	}
	if o.Until, err = p.when(cmd.Until, now, "--until"); err != nil {
		return err
	}
	if err := cmd.drawn(ctx, g, c, p, &o); err != nil {
		return err
	}
	if cmd.Estimated {
		o.EndKind = string(hansa.EndEstimated)
	}
	if cmd.AutoEnd {
		o.EndRule = string(hansa.EndAtPlannedEnd)
	}
	var closure api.Closure
	if err := c.do(ctx, "POST", "/api/v1/closures", o, &closure); err != nil {
		return p.nearPlace(err, cmd.Place)
	}
	return cmd.finish(ctx, c, p, closure, cmd.Wait, cmd.Limit, hansa.StepLive)
}

// drawn reads the line that is closed in place of a named place, says what it
// follows, and asks.
func (cmd *closeCmd) drawn(ctx context.Context, g *globals, c *client, p *printer, o *api.CloseOrder) error {
	if (cmd.Place == "") == (cmd.Line == "") {
		return &failure{exit: exitUsage, code: "usage", message: "Name a place, or draw a line by --line.", hint: "hansa close oostertunnel        # or: hansa close --line '4.8871,52.3702 4.8893,52.3731'"}
	}
	if cmd.Line == "" {
		return nil
	}
	line, err := readLine(cmd.Line)
	if err != nil {
		return err
	}
	o.Line, o.Both, o.Name = line, cmd.Both, cmd.Name
	var m api.Matched
	if err := c.do(ctx, "POST", "/api/v1/matches", api.MatchOrder{Line: line}, &m); err != nil {
		return err
	}
	p.say("%s", clean(sentence(m.Says)))
	if m.Mend != "" {
		p.say("  %s", clean(m.Mend))
	}
	return p.ask(g, "Close it? [y/N] ")
}

// readLine reads a line as it was typed, or from a GeoJSON file: a geometry, a
// feature, or a collection of one.
func readLine(from string) ([]hansa.Position, error) {
	if _, err := os.Stat(from); err != nil {
		return network.ParseLine(from)
	}
	b, err := readFile(from, 1<<20)
	if err != nil {
		return nil, err
	}
	type feature struct {
		Geometry *hansa.Geometry `json:"geometry"`
		Rest     map[string]any  `json:",embed"`
	}
	var doc struct {
		Type        string           `json:"type"`
		Coordinates []hansa.Position `json:"coordinates"`
		Features    []feature        `json:"features"`
		feature
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		return nil, &failure{exit: exitRefused, code: "syntax", message: from + " is no GeoJSON with one line: " + words.Misread(err), hint: "a LineString, in the direction of travel"}
	}
	g := doc.Geometry
	if len(doc.Features) == 1 {
		g = doc.Features[0].Geometry
	}
	switch {
	case len(doc.Coordinates) > 0 && doc.Type == "LineString":
		return doc.Coordinates, nil
	case g != nil && g.Type == hansa.LineString && len(g.Lines) == 1:
		return g.Lines[0], nil
	}
	return nil, &failure{exit: exitRefused, code: "line", message: from + " holds no single LineString.", hint: "draw one line, in the direction of travel"}
}

// nearPlace turns the places that a node takes a wrong name for into a question
// and a command to paste.
func (p *printer) nearPlace(err error, place string) error {
	f, ok := errors.AsType[*failure](err)
	if !ok || f.exit != exitNotFound {
		return err
	}
	list, ok := strings.CutPrefix(f.hint, "did you mean ")
	if !ok {
		return err
	}
	names := strings.Split(strings.TrimSuffix(list, "?"), ", ")
	f.message += " Did you mean " + strings.Join(names, ", or ") + "?"
	f.hint = again(p.args, place, strings.ToLower(names[0]))
	return f
}

// finish shows what was done, and watches when asked to.
func (closeCmd) finish(ctx context.Context, c *client, p *printer, closure api.Closure, wait bool, limit time.Duration, until hansa.Step) error {
	if !wait {
		if done, err := p.show(closure); done {
			return err
		}
		fmt.Fprintf(p.out, "%s  %s\n", closure.ID, p.headline(closure))
		switch n := len(closure.Receivers); {
		case n > 0:
			p.say("Offered to %s. Watch: hansa closures %s", count(n, "receiver"), closure.ID)
		case closure.Record != nil && closure.Record.Live():
			p.say("Nobody receives it yet. Next: hansa parties invite NAME        # or: hansa reopen %s", closure.ID)
		}
		return nil
	}
	return watch(ctx, c, p, closure, limit, until)
}

// headline says in one line what a closure is and how it stands.
func (p *printer) headline(c api.Closure) string {
	s := c.Record.Situation
	state := strings.ReplaceAll(string(s.Lifecycle), "-", " ")
	when := c.Record.Received
	switch {
	case s.Lifecycle == hansa.Ended:
		state, when = "open again", c.Record.Updated
	case s.Lifecycle == hansa.Cancelled:
		state, when = "withdrawn", c.Record.Updated
	case s.Lifecycle == hansa.Active && s.Repaired != nil:
		state, when = "closed, repaired but not open", *s.Repaired
	case s.Lifecycle == hansa.Active && s.Closed():
		state = "closed"
		if s.Start != nil {
			when = *s.Start
		}
	case s.Lifecycle == hansa.Confirmed && s.Start != nil:
		return clean(c.Title) + "  " + paint(p.colourOut, orange, "planned") + " from " + p.at(*s.Start)
	case s.Start != nil:
		when = *s.Start
	}
	return clean(c.Title) + "  " + paint(p.colourOut, orange, state) + " " + p.clock(when)
}

type reopenCmd struct {
	changeFlags
	Wait  bool          `help:"Watch until the receivers have cleared it." short:"w"`
	Limit time.Duration `help:"How long --wait watches at most."`
}

func (reopenCmd) examples() []string {
	return []string{"hansa reopen 0199-…", "hansa reopen oostertunnel --wait"}
}

// changeFlags name a closure and what may be said with a change.
type changeFlags struct {
	Closure string `arg:"" help:"The closure's id, or the place when it has one closure."`
	Text    string `help:"A sentence for the public."`
	Lang    string `help:"The language of the sentence."`
}

// change applies what to the closure that is named.
func (f changeFlags) change(ctx context.Context, g *globals, p *printer, what string, o api.ChangeOrder) (*client, api.Closure, error) {
	var closure api.Closure
	c, err := g.connect(p)
	if err != nil {
		return nil, closure, err
	}
	id, err := f.find(ctx, c, p)
	if err != nil {
		return nil, closure, err
	}
	o.Text, o.Lang = f.Text, f.Lang
	err = c.do(ctx, "POST", "/api/v1/closures/"+url.PathEscape(id)+"/"+what, o, &closure)
	return c, closure, err
}

// find resolves a place's name to its one live closure.
func (f changeFlags) find(ctx context.Context, c *client, p *printer) (string, error) {
	var list api.ClosuresBody
	if err := c.do(ctx, "GET", "/api/v1/closures", nil, &list); err != nil {
		return "", err
	}
	var hits, names []string
	for _, k := range list.Closures {
		if k.ID == f.Closure {
			return k.ID, nil
		}
		if strings.Contains(fold(k.Title), fold(f.Closure)) {
			hits = append(hits, k.ID)
		}
		names = append(names, k.ID, k.Title)
	}
	switch len(hits) {
	case 1:
		return hits[0], nil
	case 0:
		e := &failure{exit: exitNotFound, code: "closure", message: fmt.Sprintf("No closure is called %q.", f.Closure), hint: "hansa closures"}
		if near := nearest(f.Closure, names); near != "" {
			e.message, e.hint = fmt.Sprintf("No closure is called %q, did you mean %q?", f.Closure, near), again(p.args, f.Closure, near)
		}
		return "", e
	}
	return "", &failure{exit: exitUsage, code: "closure", message: fmt.Sprintf("%q is %d closures: %s.", f.Closure, len(hits), strings.Join(hits, ", ")), hint: again(p.args, f.Closure, hits[0])}
}

func fold(s string) string {
	return strings.ToLower(strings.NewReplacer("-", "", " ", "", ",", "").Replace(s))
}

func (cmd *reopenCmd) Run(ctx context.Context, g *globals, p *printer) error {
	c, closure, err := cmd.change(ctx, g, p, "reopen", api.ChangeOrder{})
	if err != nil {
		return err
	}
	return closeCmd{}.finish(ctx, c, p, closure, cmd.Wait, cmd.Limit, hansa.StepCleared)
}

type extendCmd struct {
	changeFlags
	Until     string `required:"" help:"The new planned end: 2026-11-23T22:00, 22:00 or +2h."`
	Estimated bool   `help:"The end is an estimate."`
}

func (extendCmd) examples() []string { return []string{"hansa extend oostertunnel --until +90m"} }

func (cmd *extendCmd) Run(ctx context.Context, g *globals, p *printer) error {
	if err := g.learn(ctx, p, cmd.Until); err != nil {
		return err
	}
	until, err := p.when(cmd.Until, time.Now(), "--until")
	if err != nil {
		return err
	}
	o := api.ChangeOrder{Until: until}
	if cmd.Estimated {
		o.EndKind = string(hansa.EndEstimated)
	}
	c, closure, err := cmd.change(ctx, g, p, "extend", o)
	if err != nil {
		return err
	}
	return closeCmd{}.finish(ctx, c, p, closure, false, 0, "")
}

type beginCmd struct{ changeFlags }

func (beginCmd) examples() []string { return []string{"hansa begin stadstunnel"} }

func (cmd *beginCmd) Run(ctx context.Context, g *globals, p *printer) error {
	c, closure, err := cmd.change(ctx, g, p, "begin", api.ChangeOrder{})
	if err != nil {
		return err
	}
	return closeCmd{}.finish(ctx, c, p, closure, false, 0, "")
}

type correctCmd struct {
	changeFlags
	Direction string `help:"Which direction or tube of the place it is." short:"d"`
	Part      string `help:"Which part of the place it is, by id or name." placeholder:"PLACE"`
	Reason    string `help:"Why it is closed." short:"r"`
	From      string `help:"The planned start; of one in force, when it began."`
	Until     string `help:"The planned end."`
	Estimated bool   `help:"The end is an estimate."`
}

func (correctCmd) examples() []string {
	return []string{"hansa correct oostertunnel --direction north --reason accident", "hansa correct ID --from 2026-11-23T13:20"}
}

func (cmd *correctCmd) Run(ctx context.Context, g *globals, p *printer) error {
	now := time.Now()
	o := api.ChangeOrder{Place: cmd.Part, Heading: cmd.Direction, Reason: cmd.Reason}
	err := g.learn(ctx, p, cmd.From, cmd.Until)
	if err != nil {
		return err
	}
	if o.From, err = p.when(cmd.From, now, "--from"); err != nil {
		return err
	}
	if o.Until, err = p.when(cmd.Until, now, "--until"); err != nil {
		return err
	}
	if cmd.Estimated {
		o.EndKind = string(hansa.EndEstimated)
	}
	c, closure, err := cmd.change(ctx, g, p, "correct", o)
	if err != nil {
		return err
	}
	return closeCmd{}.finish(ctx, c, p, closure, false, 0, "")
}

type repairedCmd struct{ changeFlags }

func (repairedCmd) examples() []string { return []string{"hansa repaired stadstunnel"} }

func (cmd *repairedCmd) Run(ctx context.Context, g *globals, p *printer) error {
	c, closure, err := cmd.change(ctx, g, p, "repaired", api.ChangeOrder{})
	if err != nil {
		return err
	}
	return closeCmd{}.finish(ctx, c, p, closure, false, 0, "")
}

type withdrawCmd struct{ changeFlags }

func (withdrawCmd) examples() []string {
	return []string{`hansa withdraw wallenweg --text "Entered by mistake"`}
}

func (cmd *withdrawCmd) Run(ctx context.Context, g *globals, p *printer) error {
	c, closure, err := cmd.change(ctx, g, p, "withdraw", api.ChangeOrder{})
	if err != nil {
		return err
	}
	return closeCmd{}.finish(ctx, c, p, closure, false, 0, "")
}

type closuresCmd struct {
	ID  string `arg:"" optional:"" help:"Show one, with each receiver's ladder."`
	All bool   `help:"Ended and withdrawn ones too."`
}

func (closuresCmd) examples() []string {
	return []string{"hansa closures", "hansa closures --json", "hansa closures ID"}
}

func (cmd *closuresCmd) Run(ctx context.Context, g *globals, p *printer) error {
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	if cmd.ID != "" {
		var closure api.Closure
		if err := c.do(ctx, "GET", "/api/v1/closures/"+url.PathEscape(cmd.ID), nil, &closure); err != nil {
			return err
		}
		if done, err := p.show(closure); done {
			return err
		}
		fmt.Fprintf(p.out, "%s  %s\n\n", closure.ID, p.headline(closure))
		p.ladder(closure)
		return nil
	}
	var list api.ClosuresBody
	if err := c.do(ctx, "GET", "/api/v1/closures?ended="+strconv.FormatBool(cmd.All), nil, &list); err != nil {
		return err
	}
	if done, err := p.show(list); done {
		return err
	}
	rows := [][]string{}
	for _, k := range list.Closures {
		live, trouble := 0, []string{}
		for _, r := range k.Receivers {
			if r.Step == hansa.StepLive || r.Step == hansa.StepCleared {
				live++
			}
			if word := troubled(r); word != "" {
				trouble = append(trouble, paint(p.colourOut, pink, clean(r.Title)+" "+word))
			}
		}
		state, since := string(k.Record.Situation.Lifecycle), p.at(k.Record.Updated)
		if s := k.Record.Situation; s.Lifecycle == hansa.Confirmed && s.Start != nil {
			state, since = "planned", "from "+p.at(*s.Start)
		}
		rows = append(rows, []string{k.ID, clean(k.Title), what(k.Record.Situation), state, since, fmt.Sprintf("%d of %d", live, len(k.Receivers)), strings.Join(trouble, ", ")})
	}
	p.table([]string{"ID", "WHERE", "WHAT", "STATE", "SINCE", "LIVE AT", "TROUBLE"}, rows, "")
	if len(rows) == 0 {
		p.say("Nothing is closed.")
	}
	return nil
}

// when reads a time: RFC 3339, a local date and time, a time of day (the next
// one), or +DURATION from now.
func (p *printer) when(s string, now time.Time, flag string) (*time.Time, error) {
	if s == "" {
		return nil, nil //nolint:nilnil // nothing said is no time and no mistake
	}
	if d, ok := strings.CutPrefix(s, "+"); ok {
		if length, err := time.ParseDuration(d); err == nil {
			t := now.Add(length)
			return &t, nil
		}
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return &t, nil
	}
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04"} {
		if t, err := time.ParseInLocation(layout, s, p.zone); err == nil {
			return &t, nil
		}
	}
	if c, err := time.Parse("15:04", s); err == nil {
		local := now.In(p.zone)
		t := time.Date(local.Year(), local.Month(), local.Day(), c.Hour(), c.Minute(), 0, 0, p.zone)
		if t.Before(now) {
			t = time.Date(local.Year(), local.Month(), local.Day()+1, c.Hour(), c.Minute(), 0, 0, p.zone)
		}
		return &t, nil
	}
	return nil, &failure{exit: exitUsage, code: "time", message: fmt.Sprintf("%s is a time such as 22:30, 2026-11-23T22:30 or +2h, not %q.", flag, s), hint: again(p.args, s, "+2h")}
}

// what a situation does to the road, in words: never more than it says.
func what(s *hansa.Situation) string {
	words := string(s.Effect)
	if s.Extent != "" && s.Extent != hansa.WholeRoad && s.Effect != hansa.NoEffect {
		words += ", " + string(s.Extent)
	}
	if len(s.Vehicles) > 0 {
		words += ", some vehicles"
	}
	return words
}
