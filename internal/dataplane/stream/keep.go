package stream

import (
	"context"
	"fmt"
	"time"

	"github.com/hansa-exchange/hansa"
)

// Fact is what the journal needs to prove one stored version of a record.
type Fact struct {
	Kind     hansa.FactKind
	Salt     hansa.Salt
	Doc      []byte // nil when erased
	Leaf     hansa.Hash
	Batch    string // empty: not sealed yet
	Position int64
	Content  []byte // the bytes that the doc names: the original, else the canonical form
	Version  int64
	Cursor   hansa.Cursor
}

// Seal hands the leaves of what is not sealed yet to the journal, in order, one
// batch a dataset, each batch in its own transaction, and returns how many it
// sealed. It is called at least once a second, and at start for what was left.
func (s *Stream) Seal(ctx context.Context, now time.Time) (total int, err error) {
	s.sealing.Lock() // who asks for a proof seals too: one at a time, and the second finds it done
	defer s.sealing.Unlock()
	type open struct {
		number, seq, sealed int64
		party, dataset      string
	}
	var list []open
	err = s.cfg.DB.Read(ctx, func(tx hansa.Tx) error {
		list = nil
		rows, err := tx.Query(`SELECT number, party, dataset, seq, sealed FROM stream_dataset WHERE seq > sealed`)
		if err != nil {
			return err
		}
		defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
		for rows.Next() {
			var o open
			if err := rows.Scan(&o.number, &o.party, &o.dataset, &o.seq, &o.sealed); err != nil {
				return err
			}
			list = append(list, o)
		}
		return rows.Err()
	})
	for _, o := range list {
		for err == nil && o.sealed < o.seq {
			last := min(o.seq, o.sealed+sealMax)
			var n int
			n, err = s.sealRun(ctx, o.number, o.sealed, last, hansa.Batch{Party: hansa.PartyID(o.party), Kind: hansa.FactRecord, Subject: o.dataset, At: now})
			total += n
			o.sealed = last
		}
	}
	return total, err
}

// sealRun seals the records after sealed up to last.
func (s *Stream) sealRun(ctx context.Context, number, sealed, last int64, b hansa.Batch) (int, error) {
	err := s.cfg.DB.Write(ctx, func(tx hansa.Tx) error {
		b.Leaves = b.Leaves[:0]
		var now int64
		if err := tx.QueryRow(`SELECT sealed FROM stream_dataset WHERE number = ?`, number).Scan(&now); err != nil {
			return err
		}
		if now != sealed {
			return hansa.Errorf(hansa.Conflict, "another sealer was here")
		}
		rows, err := tx.Query(`SELECT leaf FROM stream_record WHERE place > ? AND place <= ? ORDER BY place`, number<<seqBits|sealed, number<<seqBits|last)
		if err != nil {
			return err
		}
		defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
		for rows.Next() {
			var leaf []byte
			if err := rows.Scan(&leaf); err != nil {
				return err
			}
			if len(leaf) != 32 {
				return corrupt(hansa.DatasetID(b.Subject), sealed+int64(len(b.Leaves))+1)
			}
			b.Leaves = append(b.Leaves, hansa.Hash(leaf))
		}
		if err := rows.Err(); err != nil {
			return err
		}
		if int64(len(b.Leaves)) != last-sealed {
			return fmt.Errorf("internal error: %d leaves for %d records", len(b.Leaves), last-sealed)
		}
		batch, err := s.cfg.Sealer.Seal(tx, b)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(`INSERT INTO stream_batch (number, first, last, batch) VALUES (?, ?, ?, ?)`, number, sealed+1, last, batch); err != nil {
			return err
		}
		_, err = tx.Exec(`UPDATE stream_dataset SET sealed = ? WHERE number = ?`, last, number)
		return err
	})
	if err != nil {
		return 0, err
	}
	return len(b.Leaves), nil
}

// Facts returns what proves each stored version of a record, newest first, erased
// ones included.
func (p *Party) Facts(ctx context.Context, dataset hansa.DatasetID, id string) (facts []Fact, err error) {
	mem, err := p.set(dataset)
	if err != nil {
		return nil, err
	}
	err = p.stream.cfg.DB.Read(ctx, func(tx hansa.Tx) error {
		facts = nil
		rows, number, err := p.chain(tx, mem, dataset, id, "newest", historyMax)
		if err != nil {
			return err
		}
		for _, x := range rows {
			f := Fact{Kind: hansa.FactRecord, Salt: x.salt, Leaf: x.leaf, Version: x.version, Cursor: p.stream.cursor(dataset, x.place&seqMask)}
			if !x.erased {
				f.Doc = x.doc(dataset)
				if hansa.Leaf(f.Kind, x.salt, f.Doc) != x.leaf {
					return corrupt(dataset, x.place)
				}
				if f.Content = x.original; len(f.Content) == 0 {
					f.Content = x.body
				}
			}
			if f.Batch, f.Position, err = batchOf(tx, number, x.place&seqMask); err != nil {
				return err
			}
			facts = append(facts, f)
		}
		return nil
	})
	if err == nil && len(facts) == 0 {
		err = hansa.Errorf(hansa.NotFound, "there is no record %q", id)
	}
	return facts, err
}

// batchOf finds the batch that a record was sealed in; empty when it is not yet.
func batchOf(tx hansa.Tx, number, seq int64) (batch string, position int64, err error) {
	rows, err := tx.Query(`SELECT first, batch FROM stream_batch WHERE number = ? AND first <= ? AND last >= ? ORDER BY first DESC LIMIT 1`, number, seq, seq)
	if err != nil {
		return "", 0, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
	if rows.Next() {
		var first int64
		if err := rows.Scan(&first, &batch); err != nil {
			return "", 0, err
		}
		return batch, seq - first, rows.Err()
	}
	return "", 0, rows.Err()
}

// Erase removes content and salt of every version of a record. tell is called in
// the same transaction for each, with where its leaf is sealed; what is not sealed
// yet is a Conflict. The number of versions is returned.
func (p *Party) Erase(ctx context.Context, dataset hansa.DatasetID, id string, tell func(tx hansa.Tx, batch string, position int64) error) (n int, err error) {
	mem, err := p.set(dataset)
	if err != nil {
		return 0, err
	}
	err = p.stream.cfg.DB.Write(ctx, func(tx hansa.Tx) error {
		n = 0
		rows, number, err := p.chain(tx, mem, dataset, id, "newest", historyMax)
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			return hansa.Errorf(hansa.NotFound, "there is no record %q", id)
		}
		for _, x := range rows {
			if x.erased {
				continue
			}
			if err := eraseRow(tx, number, x, tell); err != nil {
				return err
			}
			n++
		}
		_, err = tx.Exec(`UPDATE stream_present SET live = 0 WHERE number = ? AND id = ?`, number, id)
		return err
	})
	mem.forget()
	return n, err
}

// forget drops the tail: followers read from disk until it stands again.
func (m *set) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tail, m.tailSize, m.next, m.pending = nil, 0, 0, nil
}

// Keep says how much of a dataset is kept; 0 sets no bound.
type Keep struct {
	AgeMax   time.Duration
	BytesMax int64
}

// trimMax bounds the rows that one transaction trims.
const trimMax = 5000

// Trim removes the oldest sealed records of a dataset that are beyond keep. What
// the present state shows stays, however old. It returns how many went; call it
// again until that is 0.
func (p *Party) Trim(ctx context.Context, dataset hansa.DatasetID, keep Keep, now time.Time) (gone int, err error) {
	mem, err := p.set(dataset)
	if err != nil {
		return 0, err
	}
	err = p.stream.cfg.DB.Write(ctx, func(tx hansa.Tx) error {
		gone = 0
		h, number, err := p.head(tx, mem, dataset)
		if err != nil || number == 0 {
			return err
		}
		upTo, err := trimEdge(tx, &h, number, keep, now)
		if err != nil || upTo <= h.first {
			return err
		}
		low, high := number<<seqBits|h.first, number<<seqBits|upTo
		var bytes int64
		err = tx.QueryRow(`SELECT COALESCE(SUM(COALESCE(LENGTH(body), 0) + COALESCE(LENGTH(original), 0)), 0) FROM stream_record
			WHERE place > ? AND place <= ? AND place NOT IN (SELECT place FROM stream_present WHERE number = ? AND live = 1)`, low, high, number).Scan(&bytes)
		if err != nil {
			return err
		}
		res, err := tx.Exec(`DELETE FROM stream_record WHERE place > ? AND place <= ? AND place NOT IN (SELECT place FROM stream_present WHERE number = ? AND live = 1)`, low, high, number)
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		if err != nil {
			return err
		}
		gone = int(n)
		if _, err := tx.Exec(`DELETE FROM stream_present WHERE number = ? AND live = 0 AND place <= ? AND newest <= ?`, number, high, high); err != nil {
			return err
		}
		_, err = tx.Exec(`UPDATE stream_dataset SET first = ?, bytes = bytes - ? WHERE number = ?`, upTo, bytes, number)
		return err
	})
	return gone, err
}

// trimEdge finds the last record to trim.
func trimEdge(tx hansa.Tx, h *head, number int64, keep Keep, now time.Time) (upTo int64, err error) {
	var bytes int64
	rows, err := tx.Query(`SELECT place, received, COALESCE(LENGTH(body), 0) + COALESCE(LENGTH(original), 0) FROM stream_record
		WHERE place > ? AND place <= ? ORDER BY place LIMIT ?`, number<<seqBits|h.first, number<<seqBits|h.sealed, trimMax)
	if err != nil {
		return 0, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
	upTo = h.first
	for rows.Next() {
		var place, received, size int64
		if err := rows.Scan(&place, &received, &size); err != nil {
			return 0, err
		}
		old := keep.AgeMax > 0 && now.Sub(time.UnixMilli(received)) > keep.AgeMax
		large := keep.BytesMax > 0 && h.bytes-bytes > keep.BytesMax
		if !old && !large {
			break
		}
		upTo, bytes = place&seqMask, bytes+size
	}
	return upTo, rows.Err()
}

// Walk checks up to limit stored rows after place against their checksums, and
// returns the place to go on from; 0 is the end. A CodeCorrupt error names the
// first bad one. Start with [Stream.Tail] to check what came last.
func (s *Stream) Walk(ctx context.Context, place int64, limit int) (next int64, checked int, err error) {
	err = s.cfg.DB.Read(ctx, func(tx hansa.Tx) error {
		next, checked = 0, 0
		names, err := s.names(tx)
		if err != nil {
			return err
		}
		rows, err := tx.Query(`SELECT `+rowColumns+` FROM stream_record WHERE place > ? ORDER BY place LIMIT ?`, place, limit)
		if err != nil {
			return err
		}
		defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
		for rows.Next() {
			x, err := scanRow(rows)
			if err != nil {
				return err
			}
			dataset, ok := names[x.place>>seqBits]
			if !ok {
				return corrupt("(unknown)", x.place)
			}
			if !x.erased && hansa.Leaf(hansa.FactRecord, x.salt, x.doc(dataset)) != x.leaf {
				return corrupt(dataset, x.place)
			}
			next, checked = x.place, checked+1
		}
		if checked < limit {
			next = 0
		}
		return rows.Err()
	})
	return next, checked, err
}

// Tail returns, for each dataset, a place n records before its end, to walk from.
func (s *Stream) Tail(ctx context.Context, n int64) (places []int64, err error) {
	err = s.cfg.DB.Read(ctx, func(tx hansa.Tx) error {
		places = nil
		rows, err := tx.Query(`SELECT number, seq FROM stream_dataset`)
		if err != nil {
			return err
		}
		defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
		for rows.Next() {
			var number, seq int64
			if err := rows.Scan(&number, &seq); err != nil {
				return err
			}
			places = append(places, number<<seqBits|max(0, seq-n))
		}
		return rows.Err()
	})
	return places, err
}

func (*Stream) names(tx hansa.Tx) (map[int64]hansa.DatasetID, error) {
	rows, err := tx.Query(`SELECT number, dataset FROM stream_dataset`)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
	names := map[int64]hansa.DatasetID{}
	for rows.Next() {
		var number int64
		var name string
		if err := rows.Scan(&number, &name); err != nil {
			return nil, err
		}
		names[number] = hansa.DatasetID(name)
	}
	return names, rows.Err()
}

// Records returns how many records the datasets have had.
func (s *Stream) Records(ctx context.Context) (n int64, err error) {
	err = s.cfg.DB.Read(ctx, func(tx hansa.Tx) error {
		return tx.QueryRow(`SELECT COALESCE(SUM(seq), 0) FROM stream_dataset`).Scan(&n)
	})
	return n, err
}
