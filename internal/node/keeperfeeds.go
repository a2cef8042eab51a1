package node

import (
	"context"
	"slices"
	"strings"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/words"
	"github.com/hansa-exchange/hansa/internal/edge/api"
	"github.com/hansa-exchange/hansa/internal/edge/room"
)

// Feeds lists the sources that by may see.
func (k kept) Feeds(ctx context.Context, by hansa.Actor) ([]room.FeedRow, error) {
	list, err := admins(k).Feeds(ctx, by)
	out := make([]room.FeedRow, 0, len(list))
	for i := range list {
		out = append(out, shownFeed(ctx, by, &list[i]))
	}
	return out, err
}

// shownFeed is a source in the room's words. A path of the node's machine is for
// its operator alone.
func shownFeed(ctx context.Context, by hansa.Actor, f *api.Feed) room.FeedRow {
	row := room.FeedRow{
		Name: f.Feed, Status: f.Status, Since: f.Since, Why: f.Reason, LastGood: f.LastGood, LastTry: f.LastTry, Records: f.Records, Dataset: f.DatasetName,
		Source: f.URL, Format: string(f.Format), Kind: f.Kind, Every: f.Every,
	}
	if row.Source == "" {
		if row.Source = words.Of(ctx).Say("a file on the node's machine"); admin(by) {
			row.Source = f.Path
		}
	}
	return row
}

// Feed is one source with its last answers.
func (k kept) Feed(ctx context.Context, by hansa.Actor, name string) (room.FeedSheet, error) {
	d, err := admins(k).Feed(ctx, by, name)
	if err != nil {
		return room.FeedSheet{}, hansa.Public(err).WithHint("see all at /feeds")
	}
	return room.FeedSheet{FeedRow: shownFeed(ctx, by, &d.Feed), Good: shownAnswer(d.Good), Bad: shownAnswer(d.Bad)}, nil
}

func shownAnswer(a *api.FeedAnswer) *room.FeedAnswer {
	if a == nil {
		return nil
	}
	return &room.FeedAnswer{At: a.At, Whole: a.Whole, Why: a.Why, Body: a.Body}
}

func feedOrder(o *room.FeedOrder) api.FeedOrder {
	out := api.FeedOrder{Name: o.Name, Dataset: o.Dataset, Format: hansa.Format(o.Format), Every: hansa.Duration(o.Every)}
	if o.Delta {
		out.Kind = "delta"
	}
	if strings.Contains(o.Source, "://") {
		out.URL = o.Source
	} else {
		out.Path = o.Source
	}
	return out
}

// TryFeed asks a source once, and says what would become of each fact.
func (k kept) TryFeed(ctx context.Context, by hansa.Actor, o room.FeedOrder) (room.Trial, error) {
	t, err := admins(k).TryFeed(ctx, by, feedOrder(&o))
	if err != nil {
		return room.Trial{}, err
	}
	out := room.Trial{In: t.In, Taken: t.Taken, Refused: t.Refused, Broken: t.Broken}
	for _, r := range t.Records {
		x := room.TrialRecord{ID: r.ID, Says: r.Says}
		for _, f := range r.Findings {
			x.Findings = append(x.Findings, strings.TrimSpace(string(f.Severity)+": "+f.Message+" "+f.Field))
		}
		out.Records = append(out.Records, x)
	}
	for _, e := range t.Errors {
		out.Errors = append(out.Errors, strings.TrimSpace(e.Message+" "+e.Field))
	}
	return out, nil
}

// AddFeed starts a source of a name that is free.
func (k kept) AddFeed(ctx context.Context, by hansa.Actor, o room.FeedOrder) error {
	if _, err := k.n.feeds.Get(o.Name); err == nil || o.Name == "add" { // that is the page where one is added
		return hansa.Errorf(hansa.Conflict, "there is a feed %q already", o.Name).At("/name").WithHint("take another name")
	}
	_, err := admins(k).SaveFeed(ctx, by, feedOrder(&o))
	return err
}

// ChangeFeed does pause, resume, release or remove.
func (k kept) ChangeFeed(ctx context.Context, by hansa.Actor, name, what string) error {
	a := admins(k)
	_, err := a.feedFor(by, name)
	if err != nil {
		return err
	}
	switch what {
	case "pause", "resume":
		_, err = a.PauseFeed(ctx, by, name, what == "pause")
	case "release":
		err = operator(k).Release(ctx, by, name)
	case "remove":
		err = a.RemoveFeed(ctx, by, name)
	default:
		err = hansa.Errorf(hansa.NotFound, "there is no act %q of a feed", what)
	}
	return err
}

// Readable lists the formats that a source may have.
func (k kept) Readable() (names []string) {
	for _, c := range k.n.line.codecs {
		if c.Reader != nil {
			names = append(names, string(c.Name))
		}
	}
	return names
}

// Datasets lists those of by's party, with what fills them and who gets them.
func (k kept) Datasets(ctx context.Context, by hansa.Actor) ([]room.DatasetRow, error) {
	list, err := operator(k).Datasets(ctx, by)
	if err != nil {
		return nil, err
	}
	flows, err := operator(k).Flows(ctx, by)
	if err != nil {
		return nil, err
	}
	feeds, err := admins(k).Feeds(ctx, by)
	if err != nil {
		return nil, err
	}
	own := k.n.party(by.Party)
	out := make([]room.DatasetRow, 0, len(list))
	for i := range list {
		d := &list[i]
		row := room.DatasetRow{Name: d.Name, Title: first(d.Title[own.Language()], d.Title["en"]), Kind: string(d.Kind), Licence: d.Licence, Holder: d.Holder, Feeds: []string{}, To: []string{}}
		for _, f := range feeds {
			if f.Dataset == d.ID && f.Party == d.Party {
				row.Feeds = append(row.Feeds, f.Feed)
			}
		}
		for _, f := range flows {
			if f.From == d.Party && f.Dataset == d.ID && !slices.Contains(row.To, f.ToTitle) {
				row.To = append(row.To, f.ToTitle)
			}
		}
		out = append(out, row)
	}
	return out, nil
}

// AddDataset makes a dataset of closures of by's party.
func (k kept) AddDataset(ctx context.Context, by hansa.Actor, name, title, licence string) error {
	o := api.DatasetOrder{Name: name, Licence: licence}
	if title != "" {
		own := k.n.party(by.Party)
		o.Title = map[string]string{own.Language(): title}
	}
	_, err := admins(k).SaveDataset(ctx, by, o)
	return err
}
