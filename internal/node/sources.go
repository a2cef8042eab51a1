package node

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/dataplane/feed"
	"github.com/hansa-exchange/hansa/internal/dataplane/format"
	"github.com/hansa-exchange/hansa/internal/dataplane/quality"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// Feeds lists the sources of by's party, to the operator all.
func (a admins) Feeds(ctx context.Context, by hansa.Actor) ([]api.Feed, error) {
	states, err := a.n.feeds.States(ctx)
	out := []api.Feed{}
	for _, s := range states {
		if s.Party != by.Party && !admin(by) {
			continue
		}
		f, err := a.n.feeds.Get(s.Feed)
		if err != nil {
			continue // removed in between
		}
		out = append(out, a.feed(&f, s))
	}
	return out, err
}

func (a admins) feed(f *feed.Feed, s hansa.FeedState) api.Feed {
	out := api.Feed{FeedState: s, URL: f.URL, Path: f.Path, Format: f.Format, Kind: string(f.Kind), Every: hansa.Duration(f.Every)}
	if f.Zone != nil {
		out.Zone = f.Zone.String()
	}
	a.n.line.mu.RLock()
	defer a.n.line.mu.RUnlock()
	for _, d := range a.n.line.datasets[f.Party] {
		if d.ID == f.Dataset {
			out.DatasetName = d.Name
		}
	}
	return out
}

// feedFor finds a source of by's party; a foreign one is as if it had never been.
func (a admins) feedFor(by hansa.Actor, name string) (feed.Feed, error) {
	f, err := a.n.feeds.Get(name)
	if err == nil && f.Party != by.Party && !admin(by) {
		err = hansa.Errorf(hansa.NotFound, "there is no feed %q", name).WithHint("hansa feeds list")
	}
	return f, err
}

func (a admins) shown(ctx context.Context, by hansa.Actor, name string) (api.Feed, error) {
	list, err := a.Feeds(ctx, by)
	if i := slices.IndexFunc(list, func(f api.Feed) bool { return f.Feed == name }); err == nil && i >= 0 {
		return list[i], nil
	}
	_, missing := a.feedFor(by, name)
	if err == nil {
		err = missing
	}
	return api.Feed{}, err
}

func (a admins) Feed(ctx context.Context, by hansa.Actor, name string) (api.FeedDetail, error) {
	f, err := a.shown(ctx, by, name)
	if err != nil {
		return api.FeedDetail{}, err
	}
	good, bad, err := a.n.feeds.Answers(ctx, name)
	return api.FeedDetail{Feed: f, Good: answer(good), Bad: answer(bad)}, err
}

func answer(a *feed.Answer) *api.FeedAnswer {
	if a == nil {
		return nil
	}
	return &api.FeedAnswer{At: a.At, Whole: a.Whole, Why: a.Why, Body: strings.ToValidUTF8(string(a.Body), "\uFFFD")}
}

// source makes a feed of an order.
func (a admins) source(by hansa.Actor, o *api.FeedOrder) (feed.Feed, error) {
	p, err := a.n.partyFor(by, o.Party)
	if err != nil {
		return feed.Feed{}, err
	}
	d, err := a.n.datasetFor(hansa.Actor{Party: p.ID}, o.Dataset)
	if err != nil {
		return feed.Feed{}, hansa.Errorf(hansa.NotFound, "there is no dataset %q", o.Dataset).At("/dataset").WithHint("hansa datasets add " + first(o.Dataset, "NAME"))
	}
	zone, err := time.LoadLocation(first(o.Zone, first(p.Zone, "UTC")))
	if err != nil {
		return feed.Feed{}, hansa.Fielded("/zone", "there is no time zone %q", o.Zone).WithHint("write one like Europe/Amsterdam")
	}
	if o.Path != "" && !admin(by) {
		return feed.Feed{}, hansa.Errorf(hansa.Denied, "only the node's operator reads files of its machine").With(hansa.CodeForbidden).At("/path")
	}
	if o.Format != "" && !slices.ContainsFunc(a.n.line.codecs, func(c format.Codec) bool { return c.Name == o.Format && c.Reader != nil }) {
		return feed.Feed{}, hansa.Fielded("/format", "no format %q can be read", o.Format).With(hansa.CodeFormat)
	}
	f := feed.Feed{
		ID: o.Name, Party: p.ID, Dataset: d.ID, URL: o.URL, Path: o.Path, Format: o.Format, Kind: feed.Kind(first(o.Kind, string(feed.Snapshot))),
		Every: o.Every.Std(), Silent: o.Silent.Std(), Zone: zone,
	}
	if f.Every == 0 {
		f.Every = time.Minute
	}
	if f.URL == "" {
		return f, nil
	}
	if admin(by) && a.n.client.CheckURL(f.URL) != nil { // naming a source is the operator's leave to call its host
		if err := a.n.client.Register(hostOf(f.URL)); err != nil {
			return f, hansa.Public(err).At("/url")
		}
	}
	if err := a.n.client.CheckURL(f.URL); err != nil {
		return f, hansa.Public(err).At("/url")
	}
	return f, nil
}

func (a admins) SaveFeed(ctx context.Context, by hansa.Actor, o api.FeedOrder) (api.Feed, error) {
	f, err := a.source(by, &o)
	if err != nil {
		return api.Feed{}, err
	}
	if old, err := a.n.feeds.Get(f.ID); err == nil {
		f.Paused = old.Paused
	}
	err = a.n.feeds.Save(ctx, f, func(tx hansa.Tx) error {
		if host := hostOf(f.URL); host != "" {
			if err := saveHost(tx, host, f.Party); err != nil {
				return err
			}
		}
		return a.n.act(tx, by, f.Party, "feed-saved", o)
	})
	if err != nil {
		return api.Feed{}, err
	}
	return a.shown(ctx, by, f.ID)
}

// TryFeed asks a source once, and says what would become of each fact.
func (a admins) TryFeed(ctx context.Context, by hansa.Actor, o api.FeedOrder) (api.Trial, error) {
	f, err := a.source(by, &o)
	if err != nil {
		return api.Trial{}, err
	}
	if f.ID == "" {
		f.ID = "trial"
	}
	t, err := a.n.feeds.Try(ctx, f)
	if err != nil {
		return api.Trial{}, err
	}
	out := api.Trial{In: t.In, Taken: t.Taken, Refused: t.Report.Refused, Broken: t.Broken, Type: t.Type, Records: []api.TrialRecord{}, Errors: []*api.ErrorBody{}}
	for _, r := range t.Records {
		quality.Mark(r, quality.Context{Now: a.n.clock()})
		x := api.TrialRecord{ID: r.ID, Says: says(r), Findings: r.Defects}
		if x.Findings == nil {
			x.Findings = []hansa.Finding{}
		}
		out.Records = append(out.Records, x)
	}
	for _, e := range t.Refused {
		out.Errors = append(out.Errors, api.ErrorBodyOf(e, ""))
	}
	return out, nil
}

// says is a record in one line.
func says(r *hansa.Record) string {
	if r.Situation == nil {
		return string(r.Kind)
	}
	s := r.Situation
	words := []string{string(s.Lifecycle), string(s.Effect)}
	if name := first(s.Road.Name, s.Road.Number); name != "" {
		words = append(words, name)
	}
	if s.Direction != "" {
		words = append(words, "direction "+string(s.Direction))
	}
	line := strings.Join(words, ", ")
	if s.Start != nil {
		line += " from " + s.Start.UTC().Format(time.RFC3339)
	}
	if s.End != nil {
		line += " until " + s.End.UTC().Format(time.RFC3339)
		if s.EndKind != "" {
			line += fmt.Sprintf(" (%s)", s.EndKind)
		}
	}
	return line
}

func (a admins) PauseFeed(ctx context.Context, by hansa.Actor, name string, paused bool) (api.Feed, error) {
	f, err := a.feedFor(by, name)
	if err != nil {
		return api.Feed{}, err
	}
	f.Paused = paused
	err = a.n.feeds.Save(ctx, f, func(tx hansa.Tx) error {
		return a.n.act(tx, by, f.Party, map[bool]string{true: "feed-paused", false: "feed-resumed"}[paused], name)
	})
	if err != nil {
		return api.Feed{}, err
	}
	return a.shown(ctx, by, name)
}

func (a admins) RemoveFeed(ctx context.Context, by hansa.Actor, name string) error {
	f, err := a.feedFor(by, name)
	if err != nil {
		return err
	}
	return a.n.feeds.Remove(ctx, name, func(tx hansa.Tx) error { return a.n.act(tx, by, f.Party, "feed-removed", name) })
}
