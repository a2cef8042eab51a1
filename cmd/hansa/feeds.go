package main

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// feedsCmd keeps the sources of datasets.
type feedsCmd struct {
	List    feedsListCmd    `cmd:"" default:"1" help:"List the sources and how they do."`
	Add     feedsAddCmd     `cmd:"" help:"Try a source, show what it gives, and start it."`
	Show    feedsShowCmd    `cmd:"" help:"Show a source with its last good and last bad answer."`
	Test    feedsTestCmd    `cmd:"" help:"Ask a source once, and store nothing."`
	Pause   feedsPauseCmd   `cmd:"" help:"Ask a source no more for a while."`
	Resume  feedsResumeCmd  `cmd:"" help:"Ask a source again."`
	Release feedsReleaseCmd `cmd:"" help:"Accept the held snapshot of a source."`
	Remove  feedsRemoveCmd  `cmd:"" help:"Remove a source; what it gave stays."`
}

func (feedsCmd) examples() []string {
	return []string{"hansa feeds", "hansa feeds add https://tunnels.example/datex2 --as datex2 --to closures"}
}

type feedsListCmd struct{}

func (feedsListCmd) examples() []string { return []string{"hansa feeds list"} }

func (feedsListCmd) Run(ctx context.Context, g *globals, p *printer) error {
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	var list api.FeedsBody
	if err := c.do(ctx, "GET", "/api/v1/feeds", nil, &list); err != nil {
		return err
	}
	if done, err := p.show(list); done {
		return err
	}
	rows := [][]string{}
	for i := range list.Feeds {
		f := &list.Feeds[i]
		rows = append(rows, []string{f.Feed, p.feedState(f.Status), p.at(f.Since), f.DatasetName, strconv.Itoa(f.Records), p.at(f.LastGood), clean(f.Reason)})
	}
	p.table([]string{"FEED", "STATE", "SINCE", "DATASET", "RECORDS", "LAST GOOD", "WHY"}, rows, "")
	return nil
}

func (p *printer) feedState(s hansa.FeedStatus) string {
	colour := map[hansa.FeedStatus]string{hansa.FeedFresh: teal, hansa.FeedLate: yellow, hansa.FeedSilent: pink, hansa.FeedFailing: pink, hansa.FeedDrift: pink, hansa.FeedHeld: orange, hansa.FeedPaused: dim}[s]
	return paint(p.colourOut, colour, string(s))
}

// sourceFlags say where a source is and how it is read.
type sourceFlags struct {
	Source string        `arg:"" help:"Its address, or a file or folder on the node's machine."`
	To     string        `help:"The dataset, by id or name." placeholder:"DATASET"`
	As     string        `help:"Its format; the answer tells when empty." placeholder:"FORMAT"`
	Name   string        `help:"Its name; made from the address when empty."`
	Every  time.Duration `help:"How often it is asked." default:"1m"`
	Delta  bool          `help:"It gives changes; without this, what a snapshot lacks has ended."`
	Silent time.Duration `help:"Nothing new for this long is silence; 0 is three times --every."`
	Zone   string        `help:"The time zone of times without one." placeholder:"Europe/Amsterdam"`
	Party  string        `help:"The party, by name; your own when empty." placeholder:"NAME"`
}

func (f *sourceFlags) order() (api.FeedOrder, error) {
	if f.To == "" {
		return api.FeedOrder{}, &failure{exit: exitUsage, code: "usage", message: "Missing flags: --to=DATASET.", hint: "hansa datasets"}
	}
	o := api.FeedOrder{Party: f.Party, Name: f.Name, Dataset: f.To, Format: hansa.Format(f.As), Every: hansa.Duration(f.Every), Silent: hansa.Duration(f.Silent), Zone: f.Zone, Kind: "snapshot"}
	if f.Delta {
		o.Kind = "delta"
	}
	if strings.HasPrefix(f.Source, "https://") || strings.HasPrefix(f.Source, "http://") {
		o.URL = f.Source
	} else {
		path, err := filepath.Abs(f.Source)
		if err != nil {
			return o, err
		}
		o.Path = path
	}
	if o.Name == "" {
		o.Name = nameOf(f.Source)
	}
	return o, nil
}

// nameOf makes a name of an address: its last words.
func nameOf(s string) string {
	s = strings.TrimSuffix(strings.TrimSuffix(s, "/"), filepath.Ext(s))
	s = strings.ToLower(s[strings.LastIndexByte(s, '/')+1:])
	s = strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, s), "-")
	if s == "" {
		return "source"
	}
	return s[:min(len(s), 40)]
}

type feedsAddCmd struct {
	sourceFlags
}

func (feedsAddCmd) examples() []string {
	return []string{"hansa feeds add https://tunnels.example/datex2 --as datex2 --to closures --every 30s", "hansa feeds add /srv/drop/closures.xml --to closures --yes"}
}

func (cmd *feedsAddCmd) Run(ctx context.Context, g *globals, p *printer) error {
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	o, err := cmd.order()
	if err != nil {
		return err
	}
	p.say("Asking %s …", cmd.Source)
	var t api.Trial
	if err := c.do(ctx, "POST", "/api/v1/trials", o, &t); err != nil {
		return err
	}
	if !p.json {
		p.trial(&t)
	}
	if t.Taken == 0 && (t.In > 0 || t.Broken != "") {
		return &failure{exit: exitRefused, code: "refused", message: "Nothing that it gives can be read.", hint: "name its format by --as; see: hansa help formats"}
	}
	if err := p.ask(g, fmt.Sprintf("Start %s into %s? [y/N] ", o.Name, cmd.To)); err != nil {
		return err
	}
	var f api.Feed
	if err := c.do(ctx, "POST", "/api/v1/feeds", o, &f); err != nil {
		return err
	}
	if done, err := p.show(map[string]any{"feed": f, "trial": t}); done {
		return err
	}
	p.say("%s is asked every %s, into %s.", f.Feed, span(f.Every), f.DatasetName)
	p.say("Next: hansa feeds        # how it does")
	return nil
}

// trial shows what a source would give.
func (p *printer) trial(t *api.Trial) {
	for _, r := range t.Records {
		fmt.Fprintf(p.out, "%s  %s\n", clean(r.ID), clean(r.Says))
		p.findings(r.Findings)
	}
	if more := t.Taken - len(t.Records); more > 0 {
		fmt.Fprintf(p.out, "… and %s more\n", count(more, "record"))
	}
	for _, e := range t.Errors {
		fmt.Fprintf(p.out, "%s  %s\n", paint(p.colourOut, pink, "refused"), clean(strings.TrimSpace(e.Field+" "+e.Message)))
	}
	if t.Broken != "" {
		fmt.Fprintf(p.out, "%s  %s\n", paint(p.colourOut, pink, "broke off"), clean(t.Broken))
	}
	p.say("%d in: %d can be taken, %d are refused.", t.In, t.Taken, t.Refused)
}

type feedsTestCmd struct {
	sourceFlags
}

func (feedsTestCmd) examples() []string {
	return []string{"hansa feeds test https://tunnels.example/datex2 --to closures", "hansa feeds test tunnels"}
}

// known is the order of a source that there is, when it is called by its name alone.
func (cmd *feedsTestCmd) known(ctx context.Context, c *client) (api.FeedOrder, error) {
	if cmd.To != "" || strings.ContainsAny(cmd.Source, "/.") {
		return cmd.order()
	}
	var f api.FeedDetail
	if err := c.do(ctx, "GET", "/api/v1/feeds/"+url.PathEscape(cmd.Source), nil, &f); err != nil {
		return api.FeedOrder{}, err
	}
	return api.FeedOrder{Party: cmd.Party, Name: f.Feed.Feed, Dataset: f.DatasetName, URL: f.URL, Path: f.Path, Format: f.Format, Kind: f.Kind, Every: f.Every, Zone: f.Zone}, nil
}

func (cmd *feedsTestCmd) Run(ctx context.Context, g *globals, p *printer) error {
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	o, err := cmd.known(ctx, c)
	if err != nil {
		return err
	}
	var t api.Trial
	if err := c.do(ctx, "POST", "/api/v1/trials", o, &t); err != nil {
		return err
	}
	if done, err := p.show(t); done {
		return err
	}
	p.trial(&t)
	return nil
}

type feedsShowCmd struct {
	Name   string `arg:"" help:"Its name."`
	Answer string `help:"Write its last good or last bad answer, as it came." enum:",good,bad" default:""`
}

func (feedsShowCmd) examples() []string {
	return []string{"hansa feeds show tunnels", "hansa feeds show tunnels --answer bad"}
}

func (cmd *feedsShowCmd) Run(ctx context.Context, g *globals, p *printer) error {
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	var f api.FeedDetail
	if err := c.do(ctx, "GET", "/api/v1/feeds/"+url.PathEscape(cmd.Name), nil, &f); err != nil {
		return err
	}
	if cmd.Answer != "" {
		a := map[string]*api.FeedAnswer{"good": f.Good, "bad": f.Bad}[cmd.Answer]
		if a == nil {
			return &failure{exit: exitNotFound, code: "not-found", message: "There is no " + cmd.Answer + " answer of " + cmd.Name + " yet.", hint: "hansa feeds show " + cmd.Name}
		}
		_, err := p.out.Write([]byte(a.Body))
		return err
	}
	if done, err := p.show(f); done {
		return err
	}
	rows := [][]string{{"state", p.feedState(f.Status)}, {"since", p.at(f.Since)}, {"why", clean(f.Reason)}, {"source", clean(first(f.URL, f.Path))}, {"format", string(f.Format)}, {"gives", f.Kind}, {"every", span(f.Every)}, {"dataset", f.DatasetName}, {"records", strconv.Itoa(f.Records)}, {"last good", p.at(f.LastGood)}}
	if f.Bad != nil {
		rows = append(rows, []string{"last bad", p.at(f.Bad.At) + " " + clean(f.Bad.Why)})
	}
	p.table([]string{"FEED", f.Feed.Feed}, rows, "")
	return nil
}

type feedsPauseCmd struct {
	Name string `arg:"" help:"Its name."`
}

func (feedsPauseCmd) examples() []string { return []string{"hansa feeds pause tunnels"} }

func (cmd *feedsPauseCmd) Run(ctx context.Context, g *globals, p *printer) error {
	return feedAct(ctx, g, p, "POST", cmd.Name, "/pause", cmd.Name+" is asked no more. Resume it by: hansa feeds resume "+cmd.Name)
}

type feedsResumeCmd struct {
	Name string `arg:"" help:"Its name."`
}

func (feedsResumeCmd) examples() []string { return []string{"hansa feeds resume tunnels"} }

func (cmd *feedsResumeCmd) Run(ctx context.Context, g *globals, p *printer) error {
	return feedAct(ctx, g, p, "POST", cmd.Name, "/resume", cmd.Name+" is asked again.")
}

type feedsReleaseCmd struct {
	Name string `arg:"" help:"Its name."`
}

func (feedsReleaseCmd) examples() []string { return []string{"hansa feeds release tunnels"} }

func (cmd *feedsReleaseCmd) Run(ctx context.Context, g *globals, p *printer) error {
	return feedAct(ctx, g, p, "POST", cmd.Name, "/release", "The held snapshot of "+cmd.Name+" is taken.")
}

type feedsRemoveCmd struct {
	Name string `arg:"" help:"Its name."`
}

func (feedsRemoveCmd) examples() []string { return []string{"hansa feeds remove tunnels"} }

func (cmd *feedsRemoveCmd) Run(ctx context.Context, g *globals, p *printer) error {
	return feedAct(ctx, g, p, "DELETE", cmd.Name, "", cmd.Name+" is removed; what it gave stays in its dataset.")
}

// feedAct does something with a source, and says so.
func feedAct(ctx context.Context, g *globals, p *printer, method, name, what, says string) error {
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	if err := c.do(ctx, method, "/api/v1/feeds/"+url.PathEscape(name)+what, nil, nil); err != nil {
		return err
	}
	if done, err := p.show(map[string]any{"feed": name, "done": first(strings.TrimPrefix(what, "/"), "removed")}); done {
		return err
	}
	p.say("%s", says)
	return nil
}
