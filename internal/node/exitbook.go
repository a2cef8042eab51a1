package node

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
)

// exitMigrations are the tables of what parties of this node have to erase.
func exitMigrations() []hansa.Migration {
	return []hansa.Migration{{Room: "exit", Number: 1, Statements: []string{
		`CREATE TABLE exit_holding (own TEXT NOT NULL, accord TEXT NOT NULL, fills TEXT NOT NULL, due BIGINT NOT NULL, doc TEXT NOT NULL, checksum TEXT NOT NULL, PRIMARY KEY (own, accord, fills))`,
		`CREATE INDEX exit_holding_due ON exit_holding (due)`,
	}}}
}

// storeHolding stores h; due is when it is looked at again, zero is never.
func storeHolding(tx hansa.Tx, h *holding, due time.Time) error {
	doc, err := json.Marshal(h, json.Deterministic(true))
	if err != nil {
		return err
	}
	at := int64(0)
	if !due.IsZero() {
		at = due.UnixMicro()
	}
	_, err = tx.Exec(`INSERT INTO exit_holding (own, accord, fills, due, doc, checksum) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (own, accord, fills) DO UPDATE SET due = excluded.due, doc = excluded.doc, checksum = excluded.checksum`,
		string(h.Own), string(h.Accord), h.Fills, at, string(doc), pledgeSum(doc))
	return err
}

// readHoldings reads holdings by a condition.
func readHoldings(tx hansa.Tx, where string, args ...any) (out []*holding, err error) {
	rows, err := tx.Query(`SELECT fills, doc, checksum FROM exit_holding `+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
	for rows.Next() {
		var fills, doc, sum string
		if err := rows.Scan(&fills, &doc, &sum); err != nil {
			return nil, err
		}
		h := new(holding)
		if err := json.Unmarshal([]byte(doc), h); err != nil || pledgeSum([]byte(doc)) != sum {
			return nil, &hansa.Error{Kind: hansa.Internal, Code: hansa.CodeCorrupt, Message: "what is stored of the erasure of " + fills + " does not match its checksum"}
		}
		out = append(out, h)
	}
	return out, rows.Err()
}

// oneHolding is the first that a condition finds; nil is none.
func oneHolding(tx hansa.Tx, where string, args ...any) (*holding, error) {
	list, err := readHoldings(tx, where+` LIMIT 1`, args...)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return list[0], nil
}

// certificate is what own has to tell the others of an accord, of which h is one
// holding; nil when there is nothing to tell, or not yet.
func (n *Node) certificate(ctx context.Context, h *holding) (c *accord.Erasure, err error) {
	err = n.db.Write(ctx, func(tx hansa.Tx) error {
		c = nil
		all, err := readHoldings(tx, `WHERE own = ? AND accord = ? ORDER BY fills`, string(h.Own), string(h.Accord))
		if err != nil {
			return err
		}
		wait := func(d time.Duration) error {
			for _, x := range all {
				due := time.Time{}
				if d > 0 {
					due = n.wall().Add(d)
				}
				if err := storeHolding(tx, x, due); err != nil {
					return err
				}
			}
			return nil
		}
		if slices.ContainsFunc(all, func(x *holding) bool { return x.Done.IsZero() }) {
			return nil // the others are due too
		}
		s, err := n.accords.book.Get(tx, h.Own, h.Accord)
		if hansa.KindOf(err) == hansa.NotFound && err != nil { // nobody is there to tell
			return wait(0)
		}
		if err != nil {
			return err
		}
		me, err := n.accords.meIn(tx, h.Own, s)
		if err != nil {
			return err
		}
		t, err := n.accords.texts(tx, h.Own, s)
		if err != nil {
			return err
		}
		made := n.certified(all)
		if s.Certified(t.force, n.clock(), me, made.Flows) {
			return wait(0)
		}
		waiting, err := sents(tx, h.Own, h.Accord, sentWaits, accordSentShownMax)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(waiting, func(m sent) bool { return m.kind == accord.Erased }) {
			return wait(exitEvery)
		}
		for _, x := range all {
			x.Tries++
		}
		c = made
		return wait(max(retryAfter(all[0].Tries), exitEvery))
	})
	return c, err
}

// certified is the certificate of holdings that are done.
func (n *Node) certified(all []*holding) *accord.Erasure {
	c := &accord.Erasure{Rule: exitErase, Flows: []hansa.FlowID{}, Clause: all[len(all)-1].Clause} // the first may be that of no dataset
	for _, h := range all {
		for _, id := range h.Flows {
			if !slices.Contains(c.Flows, id) && len(c.Flows) < accord.FlowsMax {
				c.Flows = append(c.Flows, id)
			}
		}
		for _, name := range h.Onward {
			if !slices.Contains(c.Onward, name) && len(c.Onward) < accord.FlowsMax {
				c.Onward = append(c.Onward, name)
			}
		}
		c.Records, c.Versions = c.Records+h.Records, c.Versions+h.Versions
		if h.Done.After(c.On) {
			c.On = h.Done
		}
		if h.Clause != c.Clause && h.Fills != "" { // not one for all
			c.Clause = ""
		}
	}
	if kept := n.cfg.BackupsKept; kept > 0 {
		c.Backups = c.On.Add(kept).AddDate(0, 0, 1).Format(time.DateOnly) // the day is over everywhere
	}
	return c
}

// exitWords says what a certificate of a node covers, and what it does not.
func exitWords(c *accord.Erasure) string {
	if c.Versions == 0 {
		return "The node that receives these flows holds nothing that came by them."
	}
	out := fmt.Sprintf("Erased by the node that held them: %s in %s, with their originals. What programs of the receiver have read from it is for the receiver to erase.", plural(int(c.Records), "record"), plural(int(c.Versions), "version"))
	if len(c.Onward) > 0 {
		out += " So is what went on to the receivers that are named."
	}
	if c.Backups == "" {
		out += " How long backups of the node are kept is not set there."
	}
	return out
}
