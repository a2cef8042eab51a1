package accord

import (
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/hansa-exchange/hansa"
)

// Standing asks for the accords in force, and those suspended, of a node's parties. Each
// stands once: as the copy has it that was told most.
type Standing struct {
	Owns  []hansa.PartyID // whose copies; of several that were told as much, that of the first of these
	Now   time.Time
	Limit int            // 0 and more than [ListMax] is [ListMax]
	After hansa.AccordID // the last of the page before
	// Binds says whether a copy's party is bound by it still; nil is all. One that a newer
	// version left out is told nothing more, and its copy stands for nobody.
	Binds func(own hansa.PartyID, s *State) bool
}

// standing finds the copies that stand at a moment that is given twice, see [State.At], and
// whose copies know better. Of two that were told as much the later effect goes first: the
// keeper said different things, and there is one place for both.
const standing = `SELECT a.own, a.id, a.effect, b.own FROM accord a LEFT JOIN accord b ON b.id = a.id AND b.told >= a.told AND (b.told > a.told OR b.effect > a.effect)
	WHERE a.state IN ('in-force', 'suspended') AND a.effect <= ? AND (a.ends = 0 OR a.ends > ?)`

// Standing lists accords, each once, those that came into force last first.
func (b Book) Standing(tx hansa.Tx, q Standing) ([]Row, error) {
	if q.Limit <= 0 || q.Limit > ListMax {
		q.Limit = ListMax
	}
	out := make([]Row, 0, q.Limit)
	for more := true; more && len(out) < q.Limit; {
		keys, most := make([]standingKey, 0, q.Limit), q.Limit-len(out)
		err := q.each(tx, func(k standingKey) bool {
			keys = append(keys, k)
			return len(keys) < most
		})
		if err != nil {
			return nil, fmt.Errorf("list the accords in force: %w", err)
		}
		more = len(keys) == most
		for _, k := range keys {
			q.After = k.id
			r, err := b.row(tx, q.Owns[k.rank], k.id)
			if err != nil {
				return nil, err
			}
			if q.Binds == nil || q.Binds(r.Own, r.State) {
				out = append(out, r)
			}
		}
	}
	return out, nil
}

// CountStanding returns how many accords stand at most: those that a newer copy knows to
// be over, and those that no longer bind, are not looked into.
func (Book) CountStanding(tx hansa.Tx, now time.Time) (n int, err error) {
	err = tx.QueryRow(`SELECT COUNT(DISTINCT id) FROM accord WHERE state IN ('in-force', 'suspended') AND effect <= ? AND (ends = 0 OR ends > ?)`, micro(now), micro(now)).Scan(&n)
	return n, err
}

// Knows returns the copy that [Book.Standing] goes by, whether it stands now or not.
func (b Book) Knows(tx hansa.Tx, owns []hansa.PartyID, id hansa.AccordID) (Row, error) {
	own, _, err := knows(tx, owns, id, 1)
	if err != nil {
		return Row{}, fmt.Errorf("read accord %s: %w", id, err)
	}
	if own == "" {
		return Row{}, hansa.Errorf(hansa.NotFound, "there is no accord %.60q", id)
	}
	return b.row(tx, own, id)
}

// knows finds whose copy of an accord was told most, and not less than least, and when it
// came into force by it; nobody's is empty.
func knows(tx hansa.Tx, owns []hansa.PartyID, id hansa.AccordID, least int64) (own hansa.PartyID, effect int64, err error) {
	rows, err := tx.Query(`SELECT own, told, effect FROM accord WHERE id = ? AND told >= ? ORDER BY told DESC, effect DESC`, string(id), least)
	if err != nil {
		return "", 0, err
	}
	defer func() { _ = rows.Close() }() // rows.Err says what went wrong
	var told int64
	for rows.Next() {
		var who hansa.PartyID
		var n, at int64
		if err := rows.Scan(&who, &n, &at); err != nil {
			return "", 0, err
		}
		rank := slices.Index(owns, who)
		switch {
		case rank < 0:
		case own == "":
			own, told, effect = who, n, at
		case n == told && at == effect && rank < slices.Index(owns, own):
			own = who
		}
	}
	return own, effect, rows.Err()
}

// standingKey is a copy by its place in a list.
type standingKey struct {
	rank int // of its party, among those asked for
	id   hansa.AccordID
}

// each calls f with the copies that are listed, in order, until it returns false. Copies
// that were told as much came into force at one moment, so they follow each other; one that
// was told less has no place.
func (q *Standing) each(tx hansa.Tx, f func(standingKey) bool) error {
	text, args := standing, []any{micro(q.Now), micro(q.Now)}
	if q.After != "" {
		_, effect, err := knows(tx, q.Owns, q.After, 0)
		if err != nil {
			return err
		}
		if effect > 0 { // one that never came into force is no place to go on from
			text, args = text+` AND (a.effect < ? OR a.effect = ? AND a.id < ?)`, append(args, effect, effect, string(q.After))
		}
	}
	rows, err := tx.Query(text+` ORDER BY a.effect DESC, a.id DESC`, args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // rows.Err says what went wrong
	ranks := make(map[hansa.PartyID]int, len(q.Owns))
	for i, own := range q.Owns {
		ranks[own] = i
	}
	best, better, at := standingKey{rank: -1}, false, int64(0)
	for rows.Next() {
		var own hansa.PartyID
		var id hansa.AccordID
		var effect int64
		var by sql.NullString
		if err := rows.Scan(&own, &id, &effect, &by); err != nil {
			return err
		}
		if id != best.id || effect != at {
			if best.rank >= 0 && !better && !f(best) {
				return nil
			}
			best, better, at = standingKey{rank: -1, id: id}, false, effect
		}
		if rank, ok := ranks[own]; ok && (best.rank < 0 || rank < best.rank) {
			best.rank = rank
		}
		_, asked := ranks[hansa.PartyID(by.String)]
		better = better || by.Valid && asked
	}
	if best.rank >= 0 && !better {
		f(best)
	}
	return rows.Err()
}

// fillRun is how many copies are filled in one transaction.
const fillRun = 1000

// Fill writes what an earlier build did not know of up to 1,000 copies, and returns how
// many it looked at; 0 is that all is filled. What is corrupt counts as told nothing.
func (Book) Fill(tx hansa.Tx) (n int, err error) {
	rows, err := tx.Query(`SELECT own, id, doc, sum FROM accord WHERE told IS NULL LIMIT ?`, fillRun)
	if err != nil {
		return 0, err
	}
	defer func() { _ = rows.Close() }() // rows.Err says what went wrong
	type copied struct {
		own  hansa.PartyID
		id   hansa.AccordID
		told int64
	}
	var list []copied
	for rows.Next() {
		var c copied
		var doc, sum []byte
		if err := rows.Scan(&c.own, &c.id, &doc, &sum); err != nil {
			return 0, err
		}
		if x, err := unseal(c.own, c.id, doc, sum); err == nil {
			c.told = x.State.N
		}
		list = append(list, c)
	}
	if err := rows.Err(); err != nil {
		return 0, err
	}
	for _, c := range list {
		if _, err := tx.Exec(`UPDATE accord SET told = ? WHERE own = ? AND id = ?`, c.told, string(c.own), string(c.id)); err != nil {
			return 0, fmt.Errorf("fill accord %s: %w", c.id, err)
		}
	}
	return len(list), nil
}
