package receipt

import (
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
)

// offerChunk is how many new ladders begin in one statement.
const offerChunk = 64

var (
	seenMany    = `SELECT record FROM receipt_ladders WHERE flow = ? AND record IN (?` + strings.Repeat(",?", offerChunk-1) + `)`
	stepRow     = `(?,?,?,?,?,?,?,?,?,?,?)`
	stepsMany   = `INSERT INTO receipt_steps (id, flow, record, generation, number, digest, giver, dataset, salt, doc, leaf) VALUES ` + stepRow + strings.Repeat(","+stepRow, offerChunk-1)
	ladderRow   = `(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`
	laddersMany = `INSERT INTO receipt_ladders (` + ladderColumns + `) VALUES ` + ladderRow + strings.Repeat(","+ladderRow, offerChunk-1)
)

// OfferAll does for each of recs what [Book.Offer] does, in their order, and faster
// where many of them are new.
func (b *Book) OfferAll(tx hansa.Tx, flow *hansa.Flow, recs []*hansa.Record, silent time.Duration, now time.Time) error {
	for len(recs) >= offerChunk {
		if err := b.offerChunk(tx, flow, recs[:offerChunk], silent, now); err != nil {
			return err
		}
		recs = recs[offerChunk:]
	}
	for _, r := range recs {
		if err := b.Offer(tx, flow, r, silent, now); err != nil {
			return err
		}
	}
	return nil
}

// offerChunk begins the ladders of a chunk at once if all of them are new, live
// and different; else one by one.
func (b *Book) offerChunk(tx hansa.Tx, flow *hansa.Flow, recs []*hansa.Record, silent time.Duration, now time.Time) error {
	fresh, err := allNew(tx, flow, recs)
	if err != nil {
		return err
	}
	if !fresh {
		for _, r := range recs {
			if err := b.Offer(tx, flow, r, silent, now); err != nil {
				return err
			}
		}
		return nil
	}
	steps, ladders := make([]any, 0, offerChunk*11), make([]any, 0, offerChunk*18)
	kept := b.Now().UTC()
	at := now.UTC()
	times, err := json.Marshal(map[hansa.Step]time.Time{hansa.StepOffered: at}, json.Deterministic(true))
	if err != nil {
		return fmt.Errorf("write a ladder: %w", err)
	}
	due := int64(0)
	if silent > 0 {
		due = now.Add(silent).UnixMicro()
	}
	for _, r := range recs {
		s := Step{
			ID: hansa.NewID(kept), Flow: flow.ID, Dataset: r.Dataset, Party: flow.To, Record: r.ID, Version: r.Version, Generation: Opening,
			Step: hansa.StepOffered, At: at, Kept: kept, Evidence: hansa.EvidenceNode,
		}
		doc, err := json.Marshal(s, json.Deterministic(true))
		if err != nil {
			return fmt.Errorf("write a step: %w", err)
		}
		salt := hansa.NewSalt()
		leaf := hansa.Leaf(hansa.FactReceipt, salt, doc)
		digest := fmt.Sprintf("%s %d %d %s %s", s.Step, s.Version, at.UnixMicro(), s.Evidence, s.Segment)
		steps = append(steps, s.ID, string(flow.ID), r.ID, string(Opening), 0, digest, string(flow.From), string(r.Dataset), salt[:], doc, leaf[:])
		ladders = append(ladders, string(flow.ID), r.ID, string(Opening), string(r.Dataset), string(flow.From), string(flow.To), r.Version, now.UnixMicro(), 0, 0, 0,
			string(hansa.StepOffered), string(hansa.EvidenceNode), "", times, 1, due, 0)
		if b.Stepped != nil {
			if err := b.Stepped(tx, s); err != nil {
				return err
			}
		}
	}
	if _, err := tx.Exec(stepsMany, steps...); err != nil {
		return fmt.Errorf("keep steps: %w", err)
	}
	if _, err := tx.Exec(laddersMany, ladders...); err != nil {
		return fmt.Errorf("write ladders: %w", err)
	}
	return nil
}

// allNew reports whether recs are different live situations without a ladder.
func allNew(tx hansa.Tx, flow *hansa.Flow, recs []*hansa.Record) (bool, error) {
	args := make([]any, 0, offerChunk+1)
	args = append(args, string(flow.ID))
	seen := make(map[string]bool, len(recs))
	for _, r := range recs {
		if r.Kind != hansa.KindSituation || !r.Live() || seen[r.ID] {
			return false, nil
		}
		seen[r.ID] = true
		args = append(args, r.ID)
	}
	rows, err := tx.Query(seenMany, args...)
	if err != nil {
		return false, fmt.Errorf("read ladders: %w", err)
	}
	defer func() { _ = rows.Close() }() // rows.Err says what went wrong
	return !rows.Next(), rows.Err()
}
