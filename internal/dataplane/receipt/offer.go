package receipt

import (
	"slices"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
)

// Offer begins the ladder of a situation that passed the gate of flow, or that
// of its end. A further version is a further offered step on the same ladder; a
// repeat changes nothing. Silent is how long a receiver may say nothing.
func (b *Book) Offer(tx hansa.Tx, flow *hansa.Flow, rec *hansa.Record, silent time.Duration, now time.Time) error {
	return b.OfferAll(tx, flow, []*hansa.Record{rec}, silent, now)
}

// OfferAll does for each of recs, in their order, what [Book.Offer] does. From
// [RangeMin] on, and while an earlier range is not settled, they are one fact.
func (b *Book) OfferAll(tx hansa.Tx, flow *hansa.Flow, recs []*hansa.Record, silent time.Duration, now time.Time) error {
	recs = slices.DeleteFunc(slices.Clone(recs), func(r *hansa.Record) bool { return r.Kind != hansa.KindSituation })
	if len(recs) == 0 {
		return nil
	}
	waits, err := unsettled(tx, flow.ID)
	if err != nil {
		return err
	}
	if waits || len(recs) >= RangeMin {
		for part := range slices.Chunk(recs, RangeMax) {
			if err := b.offerRange(tx, flow, part, silent, now); err != nil {
				return err
			}
		}
		return nil
	}
	for _, r := range recs {
		if err := b.offerOne(tx, flow, r, silent, now); err != nil {
			return err
		}
	}
	return nil
}

func (b *Book) offerOne(tx hansa.Tx, flow *hansa.Flow, rec *hansa.Record, silent time.Duration, now time.Time) error {
	o := offeredOf(rec)
	l, err := aimOffer(tx, &ladder{
		Flow: flow.ID, Record: rec.ID, Generation: o.Generation, Dataset: rec.Dataset, Giver: flow.From, Party: flow.To,
		Offered: now.UnixMicro(), Times: map[hansa.Step]time.Time{},
	}, o, now)
	if err != nil || l == nil {
		return err
	}
	l.await(rec.Version, silent, now)
	return b.add(tx, l, Step{Step: hansa.StepOffered, At: now, Evidence: hansa.EvidenceNode, Version: rec.Version})
}

// aimOffer finds the ladder that an offer climbs; fresh when there is none yet,
// nil when the offer changes nothing. The other generation's ladder is closed.
func aimOffer(tx hansa.Tx, fresh *ladder, o Offered, now time.Time) (*ladder, error) {
	other := map[Generation]Generation{Opening: Ending, Ending: Opening}[o.Generation]
	before, err := find(tx, fresh.Flow, o.Record, other)
	switch {
	case err != nil:
		return nil, err
	case before == nil && o.Generation == Ending:
		return nil, nil //nolint:nilnil // what was never offered need not be cleared
	case before != nil && before.Version > o.Version:
		return nil, nil //nolint:nilnil // an older word replaces nothing
	case before != nil && before.Over == 0:
		before.Over = now.UnixMicro()
		if err := before.save(tx); err != nil {
			return nil, err
		}
	}
	l, err := find(tx, fresh.Flow, o.Record, o.Generation)
	switch {
	case err != nil:
		return nil, err
	case l == nil:
		return fresh, nil
	case l.Version >= o.Version && l.Over == 0:
		return nil, nil //nolint:nilnil // it was offered already
	}
	return l, nil
}

// await makes l wait for a version to be fetched and answered anew.
func (l *ladder) await(version int64, silent time.Duration, now time.Time) {
	l.Version, l.Over, l.Fetched, l.Acted, l.Silent, l.Due = version, 0, 0, 0, 0, 0
	if silent > 0 {
		l.Due = now.Add(silent).UnixMicro()
	}
}

// offeredIn notes the range that offered l's record, or handed it over, once; of
// [StepsMax] ranges at most, the others are evidence all the same.
func (l *ladder) offeredIn(id string) {
	if l.Steps <= StepsMax && !slices.Contains(strings.Fields(l.Offers), id) {
		l.Offers = strings.TrimSpace(l.Offers + " " + id)
	}
}
