package node

import (
	"context"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/dataplane/deliver"
	"github.com/hansa-exchange/hansa/internal/dataplane/format"
	"github.com/hansa-exchange/hansa/internal/dataplane/stream"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

var _ api.Own = serving{}

// OwnRecords reads a dataset of by's party as it was kept: no terms stand between a
// party and its own data, and no evidence is due. What is internal stays with the
// desk.
func (s serving) OwnRecords(ctx context.Context, by hansa.Actor, dataset hansa.DatasetID, as hansa.Format, since hansa.Cursor, limit int, wait time.Duration) (api.Page, error) {
	if by.Test {
		return api.Page{}, hansa.Errorf(hansa.Denied, "a test credential reaches test flows alone").With(hansa.CodeForbidden)
	}
	set, err := s.n.datasetFor(by, string(dataset))
	if err != nil {
		return api.Page{}, err
	}
	w, err := WriterOf(s.n.line.codecs, as)
	if err != nil {
		return api.Page{}, err
	}
	from := s.n.stream.Of(set.Party)
	if since == api.CursorEnd {
		if since, err = from.Head(ctx, set.ID); err != nil {
			return api.Page{}, err
		}
	}
	late := time.NewTimer(wait)
	defer late.Stop()
	for {
		changed := from.Changed(set.ID)
		recs, next, err := from.Read(ctx, set.ID, since, limit)
		if err != nil {
			return api.Page{}, err
		}
		if len(recs) > 0 || wait <= 0 {
			return s.n.line.told(set, w, as, recs, next, limit)
		}
		since = next
		select {
		case <-changed:
		case <-late.C:
			wait = 0
		case <-ctx.Done():
			return api.Page{}, ctx.Err()
		}
	}
}

// told writes records of a dataset for its own party.
func (l *line) told(set *hansa.Dataset, w format.Writer, as hansa.Format, recs []*hansa.Record, next hansa.Cursor, limit int) (api.Page, error) {
	c := &course{flow: hansa.Flow{Name: set.Name, Dataset: set.ID, From: set.Party, To: set.Party}, dataset: *set}
	v := deliver.View{Flow: &c.flow, Format: as, Label: hansa.Label{Licence: set.Licence, Holder: set.Holder}}
	page := api.Page{Next: next, More: len(recs) >= limit, Events: make([]api.Event, 0, len(recs))}
	for _, r := range recs {
		if stream.IsOlder(r) {
			continue // a version that came after a higher one is no news (decision 20)
		}
		e := deliver.Event{Cursor: r.Cursor, Record: r.ID, Version: r.Version, Update: updateOf(r), At: r.Received, Outcome: hansa.Pass}
		if err := l.encode(c, v, w, r, &e); err != nil {
			return page, err
		}
		page.Events = append(page.Events, *event(&e))
	}
	return page, nil
}
