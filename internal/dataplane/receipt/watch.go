package receipt

import (
	"context"
	"fmt"
	"time"

	"github.com/hansa-exchange/hansa"
)

// Shown is one entry of the list that a receiver publishes, matched to a record
// of ours by whoever polled it.
type Shown struct {
	Record  string
	Version int64
	Segment string
}

// ladders returns those of flow that have not run out.
func ladders(tx hansa.Tx, where string, args ...any) (list []*ladder, err error) {
	rows, err := tx.Query(`SELECT `+ladderColumns+` FROM receipt_ladders WHERE `+where, args...)
	if err != nil {
		return nil, fmt.Errorf("read ladders: %w", err)
	}
	defer func() { _ = rows.Close() }() // rows.Err says what went wrong
	for rows.Next() {
		l, err := scanLadder(rows)
		if err != nil {
			return nil, fmt.Errorf("read ladders: %w", err)
		}
		list = append(list, l)
	}
	return list, rows.Err()
}

// Polled compares the whole list that the receiver of flow publishes as shown
// with what it was offered. Shown while it holds: live. Gone from the list after
// it was live: contradicted. Still shown after its end was offered: the end is
// contradicted. No longer shown: cleared. Only changes are written.
func (b *Book) Polled(ctx context.Context, flow hansa.FlowID, shown []Shown, at time.Time) error {
	on := make(map[string]Shown, len(shown))
	for _, s := range shown {
		on[s.Record] = s
	}
	return b.DB.Write(ctx, func(tx hansa.Tx) error {
		list, err := ladders(tx, `flow = ? AND over = 0 AND NOT (generation = 'end' AND current = 'cleared' AND evidence = 'polled')`, string(flow))
		if err != nil {
			return err
		}
		for _, l := range list {
			entry, is := on[l.Record]
			step, reason := seen(l, is)
			if step == "" || l.Current == step && l.Evidence == hansa.EvidencePolled {
				continue
			}
			if err := b.add(tx, l, Step{Step: step, At: at, Evidence: hansa.EvidencePolled, Version: l.Version, Reason: reason, Segment: entry.Segment}); err != nil {
				return err
			}
		}
		return nil
	})
}

// seen says what a list that does or does not show l's record means.
func seen(l *ladder, shown bool) (step hansa.Step, reason string) {
	_, live := l.Times[hansa.StepLive]
	switch {
	case l.Generation == Ending && shown:
		return hansa.StepContradicted, "still shown though it is over"
	case l.Generation == Ending:
		return hansa.StepCleared, ""
	case shown:
		return hansa.StepLive, ""
	case live:
		return hansa.StepContradicted, "no longer shown though it holds"
	}
	return "", ""
}

// Observed notes a step that a third party's list or a return flow showed.
func (b *Book) Observed(ctx context.Context, flow hansa.FlowID, record string, step hansa.Step, reason string, at time.Time) error {
	if step != hansa.StepLive && step != hansa.StepContradicted && step != hansa.StepCleared {
		return hansa.Fielded("/step", "what can be observed is live, contradicted or cleared, not %q", step)
	}
	return b.DB.Write(ctx, func(tx hansa.Tx) error {
		end, err := find(tx, flow, record, Ending)
		if err != nil {
			return err
		}
		l, err := find(tx, flow, record, Opening)
		if err != nil {
			return err
		}
		if end != nil && (l == nil || l.Over != 0) {
			l = end
		}
		if l == nil {
			return hansa.Errorf(hansa.NotFound, "the record %q was never offered on this flow", record)
		}
		return b.add(tx, l, Step{Step: step, At: at, Evidence: hansa.EvidenceObserved, Version: l.Version, Reason: reason})
	})
}

// Sweep writes silence down: a ladder whose receiver neither fetched nor said
// anything within the time given when it was offered. It returns how many.
func (b *Book) Sweep(ctx context.Context, now time.Time) (n int, err error) {
	err = b.DB.Write(ctx, func(tx hansa.Tx) error {
		n = 0
		list, err := ladders(tx, `due > 0 AND due <= ? AND fetched = 0 AND acted = 0 AND silent = 0 AND over = 0 ORDER BY due LIMIT ?`, now.UnixMicro(), SweepMax)
		if err != nil {
			return err
		}
		for _, l := range list {
			l.Silent = now.UnixMicro()
			reason := fmt.Sprintf("neither fetched nor acknowledged within %s", time.Duration(l.Due-l.Offered)*time.Microsecond)
			if err := b.add(tx, l, Step{Step: hansa.StepSilent, At: now, Evidence: hansa.EvidenceNode, Version: l.Version, Reason: reason}); err != nil {
				return err
			}
			n++
		}
		return nil
	})
	return n, err
}
