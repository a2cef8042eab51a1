package node

import (
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
)

// forceMigrations are the tables of what accords come to on this node: their flows,
// and the agreements that carry them.
func forceMigrations() []hansa.Migration {
	return []hansa.Migration{{Room: "force", Number: 1, Statements: []string{
		`CREATE TABLE force_pledge (own TEXT NOT NULL, id TEXT NOT NULL, accord TEXT NOT NULL, other TEXT NOT NULL, agreed TEXT NOT NULL, offer TEXT NOT NULL, state TEXT NOT NULL, due BIGINT NOT NULL, doc TEXT NOT NULL, checksum TEXT NOT NULL, PRIMARY KEY (own, id))`,
		`CREATE INDEX force_pledge_accord ON force_pledge (own, accord)`,
		`CREATE INDEX force_pledge_agreed ON force_pledge (own, other, agreed)`,
		`CREATE INDEX force_pledge_due ON force_pledge (due)`,
		`CREATE TABLE force_agreement (own TEXT NOT NULL, agreement TEXT NOT NULL, flow TEXT NOT NULL, other TEXT NOT NULL, hash TEXT NOT NULL, ended BIGINT NOT NULL, PRIMARY KEY (own, agreement))`,
		`CREATE INDEX force_agreement_hash ON force_agreement (own, other, hash)`,
	}}, {Room: "force", Number: 2, Statements: []string{
		`ALTER TABLE force_pledge ADD COLUMN fills TEXT`, // NULL: an earlier build wrote it, see [fillPledges]
		`CREATE INDEX force_pledge_fills ON force_pledge (own, fills)`,
	}}}
}

// storePledge stores p; due is when it is looked at again, zero is not before something
// happens.
func storePledge(tx hansa.Tx, p *pledge, due time.Time) error {
	doc, err := json.Marshal(p, json.Deterministic(true))
	if err != nil {
		return err
	}
	at := int64(0)
	if !due.IsZero() {
		at = due.UnixMicro()
	}
	_, err = tx.Exec(`INSERT INTO force_pledge (own, id, accord, other, agreed, offer, state, due, fills, doc, checksum) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (own, id) DO UPDATE SET accord = excluded.accord, other = excluded.other, agreed = excluded.agreed, offer = excluded.offer, state = excluded.state, due = excluded.due, fills = excluded.fills, doc = excluded.doc, checksum = excluded.checksum`,
		string(p.Own), string(p.ID), string(p.Accord), string(p.other()), p.Agreed, p.offer(), string(p.State), at, p.Fills, string(doc), pledgeSum(doc))
	return err
}

func pledgeSum(doc []byte) string {
	sum := sha256.Sum256(doc)
	return hex.EncodeToString(sum[:])
}

// readPledges reads pledges by a condition.
func readPledges(tx hansa.Tx, where string, args ...any) (out []*pledge, err error) {
	rows, err := tx.Query(`SELECT id, doc, checksum FROM force_pledge `+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
	for rows.Next() {
		var id, doc, sum string
		if err := rows.Scan(&id, &doc, &sum); err != nil {
			return nil, err
		}
		p := new(pledge)
		if err := json.Unmarshal([]byte(doc), p); err != nil || pledgeSum([]byte(doc)) != sum {
			return nil, &hansa.Error{Kind: hansa.Internal, Code: hansa.CodeCorrupt, Message: "what is stored of the accord's flow " + id + " does not match its checksum"}
		}
		out = append(out, p)
	}
	return out, rows.Err()
}

// pledgesOf are those of an accord as own holds them, by flow.
func pledgesOf(tx hansa.Tx, own hansa.PartyID, id hansa.AccordID) (map[hansa.FlowID]*pledge, error) {
	list, err := readPledges(tx, `WHERE own = ? AND accord = ?`, string(own), string(id))
	out := map[hansa.FlowID]*pledge{}
	for _, p := range list {
		out[p.ID] = p
	}
	return out, err
}

// pledgeStates are how the flows of accords stand as own holds them, by flow, read without
// all else of them.
func pledgeStates(tx hansa.Tx, own hansa.PartyID, accords []hansa.AccordID) (map[hansa.FlowID]pledgeState, error) {
	const most = 200 // accords of one query
	out := map[hansa.FlowID]pledgeState{}
	for some := range slices.Chunk(accords, most) {
		if err := addStates(tx, own, some, out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// addStates reads one part of them, of at least one accord.
func addStates(tx hansa.Tx, own hansa.PartyID, accords []hansa.AccordID, into map[hansa.FlowID]pledgeState) error {
	args := []any{string(own)}
	for _, id := range accords {
		args = append(args, string(id))
	}
	rows, err := tx.Query(`SELECT id, state FROM force_pledge WHERE own = ? AND accord IN (?`+strings.Repeat(", ?", len(accords)-1)+`)`, args...)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
	for rows.Next() {
		var id hansa.FlowID
		var state pledgeState
		if err := rows.Scan(&id, &state); err != nil {
			return err
		}
		into[id] = state
	}
	return rows.Err()
}

// pledgesFilling are those of own whose data comes into its dataset of that name, found
// without reading all others.
func pledgesFilling(tx hansa.Tx, own hansa.PartyID, name string) ([]*pledge, error) {
	list, err := readPledges(tx, `WHERE own = ? AND (fills = ? OR fills IS NULL)`, string(own), name)
	return slices.DeleteFunc(list, func(p *pledge) bool { return p.Fills != name }), err
}

// fillPledges says of up to 1,000 pledges of an earlier build which dataset they fill, and
// returns how many; 0 is that all is said.
func fillPledges(tx hansa.Tx) (int, error) {
	list, err := readPledges(tx, `WHERE fills IS NULL LIMIT 1000`)
	for _, p := range list {
		if _, err := tx.Exec(`UPDATE force_pledge SET fills = ? WHERE own = ? AND id = ?`, p.Fills, string(p.Own), string(p.ID)); err != nil {
			return 0, err
		}
	}
	return len(list), err
}

// onePledge is the first that a condition finds; nil is none.
func onePledge(tx hansa.Tx, where string, args ...any) (*pledge, error) {
	list, err := readPledges(tx, where+` LIMIT 1`, args...)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return list[0], nil
}

// pledgeUnder is the flow of an accord that an agreement of own's carries, with the
// version that it was made under; nil when it stands on no accord.
func pledgeUnder(tx hansa.Tx, own hansa.PartyID, agreement string) (*pledge, error) {
	var flow string
	err := tx.QueryRow(`SELECT flow FROM force_agreement WHERE own = ? AND agreement = ?`, string(own), agreement).Scan(&flow)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil //nolint:nilnil // none is an answer
	}
	if err != nil {
		return nil, err
	}
	return onePledge(tx, `WHERE own = ? AND id = ?`, string(own), flow)
}

// carries notes that an agreement carries a flow.
func carries(tx hansa.Tx, p *pledge, agreement string) error {
	_, err := tx.Exec(`INSERT INTO force_agreement (own, agreement, flow, other, hash, ended) VALUES (?, ?, ?, ?, ?, 0) ON CONFLICT (own, agreement) DO NOTHING`,
		string(p.Own), agreement, string(p.ID), string(p.other()), p.Agreed)
	return err
}

// carriesNoMore notes that an agreement has given way, or ended with its accord.
func carriesNoMore(tx hansa.Tx, own hansa.PartyID, agreement string, at time.Time) error {
	_, err := tx.Exec(`UPDATE force_agreement SET ended = ? WHERE own = ? AND agreement = ? AND ended = 0`, at.UnixMicro(), string(own), agreement)
	return err
}

// holdsAccord reports whether own holds, towards another party, an accord in force
// of that version, or one that descends from it with a flow's terms unchanged. A flow
// with changed terms stands on its earlier version until its successor is agreed.
func holdsAccord(tx hansa.Tx, own, other hansa.PartyID, hash string) (bool, error) {
	var n int
	err := tx.QueryRow(`SELECT (SELECT count(*) FROM force_pledge WHERE own = ? AND other = ? AND agreed = ? AND state IN ('open', 'paused'))
		+ (SELECT count(*) FROM force_agreement WHERE own = ? AND other = ? AND hash = ? AND ended = 0)`,
		string(own), string(other), hash, string(own), string(other), hash).Scan(&n)
	return n > 0, err
}
