package receipt

import (
	"context"
	"fmt"
	"time"

	"github.com/hansa-exchange/hansa"
)

// Seal seals up to [SealMax] steps and as many ranges, one batch for each giver
// and flow, and returns how many. What a crash left unsealed is sealed by the next
// call.
func (b *Book) Seal(ctx context.Context, now time.Time) (n int, err error) {
	err = b.DB.Write(ctx, func(tx hansa.Tx) error {
		list, err := steps(tx, `batch = '' ORDER BY giver, flow, id LIMIT ?`, SealMax)
		if err != nil {
			return err
		}
		if err := b.seal(tx, `UPDATE receipt_steps SET batch = ?, position = ? WHERE id = ?`, list, now); err != nil {
			return err
		}
		n = len(list)
		if list, err = openRanges(tx); err != nil {
			return err
		}
		n += len(list)
		return b.seal(tx, `UPDATE receipt_offers SET batch = ?, position = ? WHERE id = ?`, list, now)
	})
	return n, err
}

// openRanges lists the leaves of ranges that are not sealed.
func openRanges(tx hansa.Tx) (list []kept, err error) {
	rows, err := tx.Query(`SELECT id, giver, flow, leaf FROM receipt_offers WHERE batch = '' ORDER BY giver, flow, number LIMIT ?`, SealMax)
	if err != nil {
		return nil, fmt.Errorf("read ranges: %w", err)
	}
	defer func() { _ = rows.Close() }() // rows.Err says what went wrong
	for rows.Next() {
		var f kept
		var leaf []byte
		if err := rows.Scan(&f.ID, &f.giver, &f.flow, &leaf); err != nil {
			return nil, fmt.Errorf("read a range: %w", err)
		}
		if len(leaf) != len(f.leaf) {
			return nil, hansa.Errorf(hansa.Internal, "the range %s does not match its checksum", f.ID).With(hansa.CodeCorrupt)
		}
		f.leaf = hansa.Hash(leaf)
		list = append(list, f)
	}
	return list, rows.Err()
}

// seal seals list, whose members of one giver and flow stand together, and marks
// each by the statement mark.
func (b *Book) seal(tx hansa.Tx, mark string, list []kept, now time.Time) error {
	for from := 0; from < len(list); {
		to := from
		batch := hansa.Batch{Party: list[from].giver, Kind: hansa.FactReceipt, Subject: list[from].flow, At: now}
		for ; to < len(list) && list[to].giver == batch.Party && list[to].flow == batch.Subject; to++ {
			batch.Leaves = append(batch.Leaves, list[to].leaf)
		}
		id, err := b.Sealer.Seal(tx, batch)
		if err != nil {
			return fmt.Errorf("seal steps: %w", err)
		}
		for i, f := range list[from:to] {
			if _, err := tx.Exec(mark, id, i, f.ID); err != nil {
				return fmt.Errorf("mark a sealed step: %w", err)
			}
		}
		from = to
	}
	return nil
}
