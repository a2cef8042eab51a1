package node

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/dataplane/quality"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// Change applies begin, correct, extend, repaired, reopen or withdraw.
func (d *desk) Change(ctx context.Context, by hansa.Actor, id, what string, o api.ChangeOrder) (api.Closure, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	set, old, err := d.find(ctx, by, id)
	if err != nil {
		return api.Closure{}, err
	}
	if old.Situation == nil {
		return api.Closure{}, hansa.Errorf(hansa.Conflict, "the content of this closure was erased")
	}
	if !old.Live() {
		return api.Closure{}, hansa.Errorf(hansa.Conflict, "this closure is over already").WithHint("hansa closures --all")
	}
	now := d.node.clock().UTC()
	r, s := *old, *old.Situation
	r.Situation, r.Version, r.Updated, r.Update = &s, old.Version+1, now, hansa.Modify
	r.Original, r.OriginalType, r.Defects, r.Cursor, r.Received = nil, "", nil, "", time.Time{}
	r.Provenance.EnteredBy = by.ID()
	if err := d.amend(by, &r, what, o, now); err != nil {
		return api.Closure{}, err
	}
	if o.Text != "" {
		lang := first(o.Lang, "en")
		s.Texts = append(slices.DeleteFunc(slices.Clone(s.Texts), func(t hansa.Text) bool { return t.Lang == lang && t.Kind != "internal" }), hansa.Text{Lang: lang, Value: o.Text, Kind: "comment"})
	}
	from := own
	if !r.Live() || quality.Publication(old, quality.Context{Now: now, Own: true}) != nil {
		from = mended
	}
	return d.publish(ctx, by, set, &r, from, what)
}

// amend makes the next version of a situation, by what is done.
func (d *desk) amend(by hansa.Actor, r *hansa.Record, what string, o api.ChangeOrder, now time.Time) error {
	s := r.Situation
	switch what {
	case "reopen":
		r.Update, s.Lifecycle, s.ActualEnd = hansa.End, hansa.Ended, &now
	case "withdraw":
		r.Update, s.Lifecycle = hansa.Redact, hansa.Cancelled
	case "repaired":
		s.Repaired = &now
	case "begin":
		if s.Lifecycle == hansa.Active {
			return hansa.Errorf(hansa.Conflict, "this closure has begun already")
		}
		s.Lifecycle, s.ActualStart = hansa.Active, &now
	case "extend":
		if o.Until == nil {
			return hansa.Fielded("/until", "say until when")
		}
		return until(r, o, now)
	case "correct":
		return d.correct(by, r, o, now)
	}
	return nil
}

// until moves the planned end.
func until(r *hansa.Record, o api.ChangeOrder, now time.Time) error {
	s := r.Situation
	if s.Start != nil && !o.Until.After(*s.Start) {
		return hansa.Fielded("/until", "the end %s is not after the start %s", o.Until.Format(time.RFC3339), s.Start.Format(time.RFC3339))
	}
	if !o.Until.After(now) {
		return hansa.Fielded("/until", "the end %s is over already", o.Until.Format(time.RFC3339)).WithHint("hansa reopen " + r.ID)
	}
	s.End, s.EndKind = o.Until, hansa.EndKind(first(o.EndKind, string(hansa.EndConfirmed)))
	return nil
}

// correct puts right what was told wrongly: the part of the place, the cause, the
// start, the end, the sentence. Another place is another closure.
func (d *desk) correct(by hansa.Actor, r *hansa.Record, o api.ChangeOrder, now time.Time) error {
	s := r.Situation
	if o.Place == "" && o.Heading == "" && o.Reason == "" && o.From == nil && o.Until == nil && o.Text == "" {
		return hansa.Fielded("/", "a correction says what changes").WithHint("give the part, the reason, the start, the end or the sentence")
	}
	if o.Place != "" || o.Heading != "" {
		place, err := d.place(by, first(o.Place, s.Infra.ID), o.Heading)
		if err != nil {
			return err
		}
		if d.whole(by, place).ID != d.whole(by, hansa.Place{ID: s.Infra.ID}).ID {
			return hansa.Fielded("/place", "%s is another place: withdraw this closure, and close that one", place.Name)
		}
		effect, extent := s.Effect, s.Extent
		d.locate(by, s, place)
		switch {
		case len(s.Lanes) > 0 && s.Direction == hansa.BothDirections:
			return hansa.Fielded("/place", "lanes belong to one direction: say which")
		case len(s.Lanes) > 0:
			s.Effect, s.Extent = effect, extent
		case effect == hansa.NoEffect || effect == hansa.Restriction:
			s.Effect = effect
		}
	}
	if o.Reason != "" {
		made := spoken(s.Cause.Type)
		s.Cause = hansa.Cause{Type: o.Reason}
		s.Texts = slices.Clone(s.Texts)
		for i := range s.Texts {
			if s.Texts[i].Value == made {
				s.Texts[i].Value = spoken(o.Reason)
			}
		}
	}
	switch began := s.Lifecycle == hansa.Active; {
	case o.From == nil:
	case began && o.From.After(now):
		return hansa.Fielded("/from", "the road is closed already: it cannot have begun later than now").WithHint("withdraw it, and plan it anew")
	case began:
		if s.ActualStart == nil || s.Start == nil || s.Start.Equal(*s.ActualStart) {
			s.Start = o.From // nothing else was planned
		}
		s.ActualStart = o.From
	case !o.From.After(now):
		return hansa.Fielded("/from", "the start is over already: say that it has begun, or plan a later one").WithHint("hansa begin " + r.ID)
	default:
		s.Start = o.From
	}
	switch {
	case o.Until != nil:
		return until(r, o, now)
	case s.End != nil && s.Start != nil && !s.End.After(*s.Start):
		return hansa.Fielded("/from", "the start %s is not before the end %s", s.Start.Format(time.RFC3339), s.End.Format(time.RFC3339)).WithHint("move the end too")
	}
	return nil
}

// whole is the place that a part belongs to, or itself.
func (d *desk) whole(by hansa.Actor, place hansa.Place) hansa.Place {
	w, err := d.network(by)
	if err != nil || place.ID == "" {
		return place
	}
	if p, ok := w.Place(place.ID); ok {
		place = p
	}
	if p, ok := w.Place(place.Parent); ok && place.Parent != "" {
		return p
	}
	return place
}

// locate says where a situation is, and how much of the road that is.
func (d *desk) locate(by hansa.Actor, s *hansa.Situation, place hansa.Place) {
	whole := d.whole(by, place)
	s.Geometry, s.Direction, s.Effect, s.Extent = place.Geometry, place.Direction, hansa.RoadClosed, hansa.WholeRoad
	s.Infra = hansa.Infra{Kind: first(place.Kind, "road"), ID: place.ID, Name: whole.Name, Tube: place.Tube}
	s.Road = hansa.Road{Name: whole.Name, Number: first(place.Number, whole.Number)}
	if place.Direction == hansa.OneDirection {
		s.Effect, s.Extent = hansa.DirectionClosed, hansa.Carriageway
		if place.Tube != "" {
			s.Extent = hansa.Tube
		}
	}
}

// spoken is the sentence for the public that a reason stands for.
func spoken(reason string) string {
	if reason == "" {
		return "Closed"
	}
	return "Closed: " + strings.ReplaceAll(reason, "-", " ")
}
