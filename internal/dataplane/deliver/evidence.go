package deliver

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
)

// SealMax is how many ranges one call of [Deliverer.Seal] seals.
const SealMax = 10_000

// Range is the evidence of one hand-over. Its JSON is the sealed fact's doc.
type Range struct {
	ID         string             `json:"id"`
	Flow       hansa.FlowID       `json:"flow"`
	Party      hansa.PartyID      `json:"party"` // the receiver
	Subscriber string             `json:"subscriber"`
	Basis      hansa.Basis        `json:"basis"`
	Way        Way                `json:"way"`
	From       hansa.Cursor       `json:"from"` // not included
	To         hansa.Cursor       `json:"to"`   // included
	SHA256     string             `json:"sha256"`
	Records    int                `json:"records"`
	Bytes      int64              `json:"bytes"`
	Counts     map[hansa.Rule]int `json:"counts"`
	At         time.Time          `json:"at"`
}

// Fact is a sealed range: what a proof needs. Batch is empty before it is sealed.
type Fact struct {
	ID       string
	Salt     hansa.Salt
	Doc      []byte
	Batch    string
	Position int64
}

// write puts the evidence of a hand-over beside what it is evidence of.
func (d *Deliverer) write(tx hansa.Tx, f *hansa.Flow, r Range, refs []Ref) error {
	r.ID, r.Flow, r.Party, r.Basis = hansa.NewID(r.At), f.ID, f.To, f.Basis
	r.At = r.At.UTC()
	doc, err := json.Marshal(r, json.Deterministic(true))
	if err != nil {
		return fmt.Errorf("write a range: %w", err)
	}
	salt := hansa.NewSalt()
	leaf := hansa.Leaf(hansa.FactDelivery, salt, doc)
	if _, err := tx.Exec(`INSERT INTO deliver_ranges (id, party, flow, at, salt, doc, leaf) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		r.ID, string(f.From), string(f.ID), r.At.UnixMicro(), salt[:], doc, leaf[:]); err != nil {
		return fmt.Errorf("keep a range: %w", err)
	}
	if d.HandedOver == nil {
		return nil
	}
	return d.HandedOver(tx, Handover{Flow: f, Subscriber: r.Subscriber, Way: r.Way, Records: refs, Bytes: r.Bytes, Counts: r.Counts, At: r.At})
}

// rangeOf sums up a run of events: its bodies one after another are what is hashed.
func rangeOf(evs []Event, from, to hansa.Cursor, way Way, subscriber string, at time.Time) (Range, []Ref) {
	r := Range{Subscriber: subscriber, Way: way, From: from, To: to, Counts: map[hansa.Rule]int{}, At: at}
	h := sha256.New()
	refs := make([]Ref, 0, len(evs))
	for i := range evs {
		e := &evs[i]
		r.Counts[e.Rule]++
		if !e.told() {
			continue
		}
		if !e.Refused {
			refs = append(refs, Ref{ID: e.Record, Version: e.Version, Update: e.Update})
			r.Records++
		}
		h.Write(e.Body)
		r.Bytes += int64(len(e.Body))
	}
	r.SHA256 = hex.EncodeToString(h.Sum(nil))
	return r, refs
}

// Seal seals up to [SealMax] ranges, one batch for each giver and flow, and
// returns how many. What a crash left unsealed is sealed by the next call.
func (d *Deliverer) Seal(ctx context.Context, now time.Time) (n int, err error) {
	err = d.DB.Write(ctx, func(tx hansa.Tx) error {
		n = 0
		ids, batches, err := unsealed(tx)
		if err != nil {
			return err
		}
		for i, b := range batches {
			b.At = now
			batch, err := d.Sealer.Seal(tx, b)
			if err != nil {
				return fmt.Errorf("seal ranges: %w", err)
			}
			for pos, id := range ids[i] {
				if _, err := tx.Exec(`UPDATE deliver_ranges SET batch = ?, position = ? WHERE id = ?`, batch, pos, id); err != nil {
					return fmt.Errorf("mark a sealed range: %w", err)
				}
				n++
			}
		}
		return nil
	})
	return n, err
}

func unsealed(tx hansa.Tx) (ids [][]string, batches []hansa.Batch, err error) {
	rows, err := tx.Query(`SELECT id, party, flow, salt, doc, leaf FROM deliver_ranges WHERE batch = '' ORDER BY party, flow, id LIMIT ?`, SealMax)
	if err != nil {
		return nil, nil, fmt.Errorf("read unsealed ranges: %w", err)
	}
	defer func() { _ = rows.Close() }() // rows.Err says what went wrong
	for rows.Next() {
		var id, party, flow string
		var salt, doc, leaf []byte
		if err := rows.Scan(&id, &party, &flow, &salt, &doc, &leaf); err != nil {
			return nil, nil, fmt.Errorf("read an unsealed range: %w", err)
		}
		if err := check(id, salt, doc, leaf); err != nil {
			return nil, nil, err
		}
		last := len(batches) - 1
		if last < 0 || batches[last].Party != hansa.PartyID(party) || batches[last].Subject != flow {
			batches = append(batches, hansa.Batch{Party: hansa.PartyID(party), Kind: hansa.FactDelivery, Subject: flow})
			ids = append(ids, nil)
			last++
		}
		batches[last].Leaves = append(batches[last].Leaves, hansa.Hash(leaf))
		ids[last] = append(ids[last], id)
	}
	return ids, batches, rows.Err()
}

// check holds a stored row to its checksum (decision 1b).
func check(id string, salt, doc, leaf []byte) error {
	if len(salt) == len(hansa.Salt{}) && len(leaf) == len(hansa.Hash{}) && hansa.Leaf(hansa.FactDelivery, hansa.Salt(salt), doc) == hansa.Hash(leaf) {
		return nil
	}
	return hansa.Errorf(hansa.Internal, "the evidence %s does not match its checksum", id).With(hansa.CodeCorrupt)
}

// Fact returns one range as a fact for a proof, or NotFound.
func (d *Deliverer) Fact(ctx context.Context, id string) (f Fact, err error) {
	err = d.DB.Read(ctx, func(tx hansa.Tx) error {
		f, err = scanFact(tx.QueryRow(`SELECT id, salt, doc, leaf, batch, position FROM deliver_ranges WHERE id = ?`, id))
		if errors.Is(err, sql.ErrNoRows) {
			return hansa.Errorf(hansa.NotFound, "there is no delivery %q", id)
		}
		return err
	})
	return f, err
}

// Facts lists up to limit ranges of a flow after an id, oldest first.
func (d *Deliverer) Facts(ctx context.Context, flow hansa.FlowID, after string, limit int) (list []Fact, err error) {
	err = d.DB.Read(ctx, func(tx hansa.Tx) error {
		rows, err := tx.Query(`SELECT id, salt, doc, leaf, batch, position FROM deliver_ranges WHERE flow = ? AND id > ? ORDER BY id LIMIT ?`,
			string(flow), after, min(max(limit, 1), PageMax))
		if err != nil {
			return fmt.Errorf("list ranges: %w", err)
		}
		defer func() { _ = rows.Close() }() // rows.Err says what went wrong
		for rows.Next() {
			f, err := scanFact(rows)
			if err != nil {
				return err
			}
			list = append(list, f)
		}
		return rows.Err()
	})
	return list, err
}

func scanFact(row interface{ Scan(...any) error }) (f Fact, err error) {
	var salt, leaf []byte
	if err := row.Scan(&f.ID, &salt, &f.Doc, &leaf, &f.Batch, &f.Position); err != nil {
		return f, fmt.Errorf("read a range: %w", err)
	}
	if err := check(f.ID, salt, f.Doc, leaf); err != nil {
		return f, err
	}
	f.Salt = hansa.Salt(salt)
	return f, nil
}

// Prune forgets sealed ranges from before a time, at most [SealMax]; their
// leaves stay in the journal.
func (d *Deliverer) Prune(ctx context.Context, before time.Time) error {
	return d.DB.Write(ctx, func(tx hansa.Tx) error {
		_, err := tx.Exec(`DELETE FROM deliver_ranges WHERE id IN (SELECT id FROM deliver_ranges WHERE batch <> '' AND at < ? LIMIT ?)`, before.UnixMicro(), SealMax)
		return err
	})
}

// Newest lists up to limit ranges of a flow, the newest first.
func (d *Deliverer) Newest(ctx context.Context, flow hansa.FlowID, limit int) (list []Range, err error) {
	err = d.DB.Read(ctx, func(tx hansa.Tx) error {
		list = nil
		rows, err := tx.Query(`SELECT id, salt, doc, leaf, batch, position FROM deliver_ranges WHERE flow = ? ORDER BY id DESC LIMIT ?`, string(flow), min(max(limit, 1), PageMax))
		if err != nil {
			return fmt.Errorf("list ranges: %w", err)
		}
		defer func() { _ = rows.Close() }() // rows.Err says what went wrong
		for rows.Next() {
			f, err := scanFact(rows)
			if err != nil {
				return err
			}
			var r Range
			if err := json.Unmarshal(f.Doc, &r); err != nil {
				return fmt.Errorf("read a range: %w", err)
			}
			list = append(list, r)
		}
		return rows.Err()
	})
	return list, err
}
