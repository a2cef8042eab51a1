package node

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/words"
	"github.com/hansa-exchange/hansa/internal/dataplane/deliver"
	"github.com/hansa-exchange/hansa/internal/dataplane/quality"
	"github.com/hansa-exchange/hansa/internal/edge/api"
	"github.com/hansa-exchange/hansa/internal/edge/room"
)

// Preview says what each receiver would get of a closure, in each of its formats,
// and publishes nothing. What could not be published is refused as it would be.
func (p pages) Preview(ctx context.Context, by hansa.Actor, o room.Closing) ([]room.Preview, error) {
	d := p.n.desk
	order, err := closeOrder(o)
	if err != nil {
		return nil, err
	}
	set, err := d.dataset(by, "")
	if err != nil {
		return nil, err
	}
	place, err := d.where(by, order)
	if err != nil {
		return nil, err
	}
	now, id := p.n.clock().UTC(), o.RequestID
	if !uuid.MatchString(id) {
		id = hansa.NewID(p.n.wall())
	}
	r, err := d.record(ctx, by, set, place, order, id, now)
	if err != nil {
		return nil, err
	}
	r.Dataset, r.Provenance.Holder, r.Received = set.ID, first(r.Provenance.Holder, set.Holder), now
	in := quality.Context{Now: now, Own: true}
	if err := quality.Publication(r, in); err != nil {
		return nil, err
	}
	quality.Mark(r, in)
	out := []room.Preview{}
	for _, c := range d.courses(by.Party, set.ID) {
		if c.flow.Test != r.Mode.IsReal() {
			out = append(out, p.preview(words.Of(ctx), c, r))
		}
	}
	slices.SortFunc(out, func(a, b room.Preview) int {
		return cmp.Or(strings.Compare(a.Party, b.Party), strings.Compare(a.Flow, b.Flow))
	})
	return out, nil
}

// preview holds one flow against a record.
func (p pages) preview(say *words.Catalogue, c *course, r *hansa.Record) room.Preview {
	e := operator(p).explain(c, r, "")
	out := room.Preview{Party: e.Title, Flow: e.Name, Gets: e.Outcome != hansa.Deny.String()}
	if !out.Gets {
		var why []string
		for _, x := range e.Why {
			if !x.OK {
				why = append(why, x.What)
			}
		}
		out.Why = strings.Join(why, "; ")
		return out
	}
	outcome := hansa.Pass
	if e.Outcome == hansa.Trim.String() {
		outcome, out.Why = hansa.Trim, say.Say("without the fields that its terms leave out")
	}
	for _, f := range e.Formats {
		out.Formats = append(out.Formats, p.previewAs(c, r, outcome, e.Purpose, &f))
	}
	return out
}

func (p pages) previewAs(c *course, r *hansa.Record, outcome hansa.Outcome, purpose hansa.Purpose, f *api.FormatSays) room.PreviewFormat {
	out := room.PreviewFormat{Name: string(f.Format), Refused: f.Refused}
	for _, l := range f.Losses {
		out.Losses = append(out.Losses, room.PreviewLoss{Field: strings.TrimPrefix(strings.TrimPrefix(l.Field, "/situation"), "/"), Says: l.Reason})
	}
	w, err := WriterOf(p.n.line.codecs, f.Format)
	if err != nil || f.Refused {
		return out
	}
	ev := deliver.Event{Outcome: outcome}
	if err := p.n.line.encode(c, p.n.line.view(c, purpose, f.Format), w, r, &ev); err == nil {
		out.Body = strings.ToValidUTF8(string(ev.Body), "\uFFFD")
	}
	return out
}
