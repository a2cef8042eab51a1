package receipt

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
)

// Rungs is where one record stands at one receiver.
type Rungs struct {
	Flow       hansa.FlowID             `json:"flow"`
	Dataset    hansa.DatasetID          `json:"dataset"`
	Party      hansa.PartyID            `json:"party"`
	Record     string                   `json:"record"`
	Version    int64                    `json:"version"`
	Generation Generation               `json:"generation"`
	Step       hansa.Step               `json:"step"`
	Evidence   hansa.Evidence           `json:"evidence"`
	Reason     string                   `json:"reason,omitempty"`
	Offered    time.Time                `json:"offered"`
	Times      map[hansa.Step]time.Time `json:"times"`         // the first of each
	Over       bool                     `json:"over,omitzero"` // the situation has ended, see the end's ladder
}

// Late reports whether the step that counts, live or cleared, took or is taking
// longer than limit. A limit of 0 is none.
func (r *Rungs) Late(limit time.Duration, now time.Time) bool {
	if limit <= 0 || r.Over {
		return false
	}
	goal := hansa.StepLive
	if r.Generation == Ending {
		goal = hansa.StepCleared
	}
	if done, ok := r.Times[goal]; ok {
		now = done
	}
	return now.Sub(r.Offered) > limit
}

// Reach is the sum of the declared shares of the parties at which it is live.
func Reach(rungs []Rungs, share func(hansa.PartyID) float64) float64 {
	sum, counted := 0.0, map[hansa.PartyID]bool{}
	for i := range rungs {
		r := &rungs[i]
		if r.Generation == Opening && !r.Over && r.Step == hansa.StepLive && !counted[r.Party] {
			counted[r.Party] = true
			sum += share(r.Party)
		}
	}
	return sum
}

func (l *ladder) rungs() Rungs {
	return Rungs{
		Flow: l.Flow, Dataset: l.Dataset, Party: l.Party, Record: l.Record, Version: l.Version, Generation: l.Generation, Step: l.Current,
		Evidence: l.Evidence, Reason: l.Reason, Offered: time.UnixMicro(l.Offered).UTC(), Times: l.Times, Over: l.Over != 0,
	}
}

// askMax bounds the ranges that are settled before a question is answered: after
// a burst the answer may lag for a moment, and does not wait.
const askMax = 8

// Ladder lists where a record of a dataset stands at each receiver, as party may
// see it: the giver all, a receiver its own.
func (b *Book) Ladder(ctx context.Context, party hansa.PartyID, dataset hansa.DatasetID, record string) ([]Rungs, error) {
	if _, err := b.Settle(ctx, "", askMax); err != nil {
		return nil, err
	}
	return b.list(ctx, `dataset = ? AND record = ? AND (giver = ? OR party = ?) AND ? <> '' ORDER BY party, flow, generation DESC`,
		string(dataset), record, string(party), string(party), string(party))
}

// Board lists all ladders of a giver's dataset that were offered since a time,
// newest first, [BoardMax] times ten at most.
func (b *Book) Board(ctx context.Context, giver hansa.PartyID, dataset hansa.DatasetID, since time.Time) ([]Rungs, error) {
	if _, err := b.Settle(ctx, "", askMax); err != nil {
		return nil, err
	}
	return b.list(ctx, `giver = ? AND dataset = ? AND offered >= ? ORDER BY offered DESC, record, party, generation LIMIT ?`,
		string(giver), string(dataset), since.UnixMicro(), BoardMax*10)
}

// OfFlow lists ladders of a flow that were offered since a time, [BoardMax] at most;
// more says that there are others.
func (b *Book) OfFlow(ctx context.Context, flow hansa.FlowID, since time.Time) (list []Rungs, more bool, err error) {
	if _, err := b.Settle(ctx, flow, askMax); err != nil {
		return nil, false, err
	}
	list, err = b.list(ctx, `flow = ? AND offered >= ? LIMIT ?`, string(flow), since.UnixMicro(), BoardMax+1)
	if more = len(list) > BoardMax; more {
		list = list[:BoardMax]
	}
	return list, more, err
}

func (b *Book) list(ctx context.Context, where string, args ...any) (out []Rungs, err error) {
	err = b.DB.Read(ctx, func(tx hansa.Tx) error {
		list, err := ladders(tx, where, args...)
		for _, l := range list {
			out = append(out, l.rungs())
		}
		return err
	})
	return out, err
}

// Progress says when the receiver of flow first was handed something, and when it
// first said what became of something; zero is never.
func (b *Book) Progress(ctx context.Context, flow hansa.FlowID) (fetched, acted time.Time, err error) {
	err = b.DB.Read(ctx, func(tx hansa.Tx) error {
		var f, a sql.NullInt64
		row := tx.QueryRow(`SELECT MIN(CASE WHEN fetched > 0 THEN fetched END), MIN(CASE WHEN acted > 0 THEN acted END) FROM receipt_ladders WHERE flow = ?`, string(flow))
		if err := row.Scan(&f, &a); err != nil {
			return fmt.Errorf("read ladders: %w", err)
		}
		fetched, acted = time.Time{}, time.Time{}
		if f.Valid {
			fetched = time.UnixMicro(f.Int64).UTC()
		}
		if a.Valid {
			acted = time.UnixMicro(a.Int64).UTC()
		}
		return nil
	})
	return fetched, acted, err
}

// Fact is one step as a proof needs it. Batch is empty before it is sealed.
type Fact struct {
	ID       string
	Step     Step
	Salt     hansa.Salt
	Doc      []byte
	Batch    string
	Position int64
}

// Facts lists the steps of a record that party may see: flow by flow, the
// opening before the end, each in the order in which it was written down. An offer
// in a range is there as its range.
func (b *Book) Facts(ctx context.Context, party hansa.PartyID, dataset hansa.DatasetID, record string) (list []Fact, err error) {
	if party == "" {
		return nil, nil
	}
	if _, err := b.Settle(ctx, "", 0); err != nil {
		return nil, err
	}
	err = b.DB.Read(ctx, func(tx hansa.Tx) error {
		list = nil
		has, err := ladders(tx, `dataset = ? AND record = ? AND (giver = ? OR party = ?) ORDER BY flow, generation DESC`, string(dataset), record, string(party), string(party))
		if err != nil {
			return err
		}
		done := map[string]bool{}
		for _, l := range has {
			some, err := l.facts(tx, done)
			if err != nil {
				return err
			}
			list = append(list, some...)
		}
		return nil
	})
	return list, err
}

// facts lists what stands behind a ladder: the ranges that offered it, but for
// those that are done, and its own steps.
func (l *ladder) facts(tx hansa.Tx, done map[string]bool) (list []Fact, err error) {
	for id := range strings.FieldsSeq(l.Offers) {
		if done[id] {
			continue
		}
		done[id] = true
		in, err := ranges(tx, `id = ?`, id)
		if err != nil {
			return nil, err
		}
		for _, g := range in {
			f := g.Fact
			for _, o := range g.Records {
				if o.Record == l.Record && o.Generation == l.Generation {
					f.Step = g.stepOf(o)
				}
			}
			list = append(list, f)
		}
	}
	all, err := steps(tx, `flow = ? AND record = ? AND generation = ? ORDER BY number`, string(l.Flow), l.Record, string(l.Generation))
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(all, func(x, y kept) int { return x.Step.Kept.Compare(y.Step.Kept) })
	for _, f := range all {
		list = append(list, f.Fact)
	}
	return list, nil
}

// Fact returns one step, or NotFound.
func (b *Book) Fact(ctx context.Context, id string) (Fact, error) {
	all, err := b.facts(ctx, `id = ?`, id)
	if err == nil && len(all) == 0 {
		err = hansa.Errorf(hansa.NotFound, "there is no receipt %q", id)
	}
	if err != nil {
		return Fact{}, err
	}
	return all[0].Fact, nil
}

type kept struct {
	Fact
	giver hansa.PartyID
	flow  string
	leaf  hansa.Hash
}

func (b *Book) facts(ctx context.Context, where string, args ...any) (list []kept, err error) {
	err = b.DB.Read(ctx, func(tx hansa.Tx) error {
		list, err = steps(tx, where, args...)
		return err
	})
	return list, err
}

// steps reads rows and holds each to its checksum (decision 1b).
func steps(tx hansa.Tx, where string, args ...any) (list []kept, err error) {
	rows, err := tx.Query(`SELECT id, giver, flow, salt, doc, leaf, batch, position FROM receipt_steps WHERE `+where, args...)
	if err != nil {
		return nil, fmt.Errorf("read steps: %w", err)
	}
	defer func() { _ = rows.Close() }() // rows.Err says what went wrong
	for rows.Next() {
		var f kept
		var salt, leaf []byte
		if err := rows.Scan(&f.ID, &f.giver, &f.flow, &salt, &f.Doc, &leaf, &f.Batch, &f.Position); err != nil {
			return nil, fmt.Errorf("read a step: %w", err)
		}
		if len(salt) != len(f.Salt) || len(leaf) != len(f.leaf) || hansa.Leaf(hansa.FactReceipt, hansa.Salt(salt), f.Doc) != hansa.Hash(leaf) {
			return nil, hansa.Errorf(hansa.Internal, "the receipt %s does not match its checksum", f.ID).With(hansa.CodeCorrupt)
		}
		f.Salt, f.leaf = hansa.Salt(salt), hansa.Hash(leaf)
		if err := json.Unmarshal(f.Doc, &f.Step); err != nil {
			return nil, fmt.Errorf("read a step: %w", err)
		}
		list = append(list, f)
	}
	return list, rows.Err()
}
