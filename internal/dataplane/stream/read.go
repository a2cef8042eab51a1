package stream

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"

	"github.com/hansa-exchange/hansa"
)

// Changed returns the channel that the dataset's next append closes, or the next
// [Party.Wake]. Take it before reading, and nothing is missed.
func (p *Party) Changed(dataset hansa.DatasetID) <-chan struct{} {
	mem, err := p.set(dataset)
	if err != nil {
		return nil
	}
	mem.mu.Lock()
	defer mem.mu.Unlock()
	return mem.changed
}

// Wake wakes who waits for the dataset though nothing was appended: what a reader may
// see of it has changed.
func (p *Party) Wake(dataset hansa.DatasetID) {
	mem, err := p.set(dataset)
	if err != nil {
		return // nobody can wait for it
	}
	mem.mu.Lock()
	defer mem.mu.Unlock()
	close(mem.changed)
	mem.changed = make(chan struct{})
}

// Read returns up to limit records after since, in order of arrival, and the
// cursor to go on from. The records are shared: they must not be changed. A
// cursor that is none is Invalid; of a lost epoch, or from before what is kept,
// NotFound/CodeGone with the cursor to resume from in the error's Field.
func (p *Party) Read(ctx context.Context, dataset hansa.DatasetID, since hansa.Cursor, limit int) (recs []*hansa.Record, next hansa.Cursor, err error) {
	limit = max(0, min(limit, ReadMax))
	mem, err := p.set(dataset)
	if err != nil {
		return nil, "", err
	}
	if recs, next, ok := p.fromTail(mem, dataset, since, limit); ok {
		return recs, next, nil
	}
	err = p.stream.cfg.DB.Read(ctx, func(tx hansa.Tx) error {
		recs, next = nil, ""
		h, number, err := p.head(tx, mem, dataset)
		if err != nil {
			return err
		}
		seq, err := p.stream.seq(dataset, since, &h)
		if err != nil {
			return err
		}
		next = p.stream.cursor(dataset, seq)
		if number == 0 {
			return nil
		}
		recs, seq, err = p.scan(tx, dataset, number, seq, limit)
		next = p.stream.cursor(dataset, seq)
		return err
	})
	return recs, next, err
}

// fromTail answers a follower from memory.
func (p *Party) fromTail(mem *set, dataset hansa.DatasetID, since hansa.Cursor, limit int) ([]*hansa.Record, hansa.Cursor, bool) {
	if since == "" {
		return nil, "", false
	}
	mem.mu.Lock()
	tail, next := mem.tail, mem.next
	mem.mu.Unlock()
	if next == 0 {
		return nil, "", false
	}
	first := next - int64(len(tail))
	seq, err := p.stream.seq(dataset, since, &head{first: first - 1, seq: next - 1, base: 0})
	if err != nil || seq < first-1 {
		return nil, "", false // the store knows better
	}
	recs := tail[seq-first+1:]
	recs = recs[:min(limit, len(recs))]
	return recs, p.stream.cursor(dataset, seq+int64(len(recs))), true
}

// head reads where a dataset stands; one without a record stands at 0.
func (p *Party) head(tx hansa.Tx, mem *set, dataset hansa.DatasetID) (h head, number int64, err error) {
	if number, err = p.number(tx, mem, dataset); err != nil || number == 0 {
		return h, number, err
	}
	err = tx.QueryRow(headQuery, number).Scan(h.fields()...)
	return h, number, err
}

// scan reads rows after seq from disk. Erased ones are passed over.
func (p *Party) scan(tx hansa.Tx, dataset hansa.DatasetID, number, seq int64, limit int) ([]*hansa.Record, int64, error) {
	rows, err := tx.Query(`SELECT `+rowColumns+` FROM stream_record WHERE place > ? AND place < ? ORDER BY place LIMIT ?`, number<<seqBits|seq, (number+1)<<seqBits, limit)
	if err != nil {
		return nil, seq, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
	var recs []*hansa.Record
	for rows.Next() {
		x, err := scanRow(rows)
		if err != nil {
			return recs, seq, err
		}
		if !x.erased {
			r, err := p.stream.record(dataset, number, x)
			if err != nil {
				return nil, seq, err
			}
			recs = append(recs, r)
		}
		seq = x.place & seqMask
	}
	return recs, seq, rows.Err()
}

// Head returns the cursor after the newest record.
func (p *Party) Head(ctx context.Context, dataset hansa.DatasetID) (c hansa.Cursor, err error) {
	mem, err := p.set(dataset)
	if err != nil {
		return "", err
	}
	err = p.stream.cfg.DB.Read(ctx, func(tx hansa.Tx) error {
		h, _, err := p.head(tx, mem, dataset)
		c = p.stream.cursor(dataset, h.seq)
		return err
	})
	return c, err
}

// Present returns the present state of a dataset, all of one moment, in the order
// in which its records last changed, and the cursor of that moment. With ended
// set, what has ended or was withdrawn is there too.
func (p *Party) Present(ctx context.Context, dataset hansa.DatasetID, ended bool) (recs []*hansa.Record, at hansa.Cursor, err error) {
	mem, err := p.set(dataset)
	if err != nil {
		return nil, "", err
	}
	err = p.stream.cfg.DB.Read(ctx, func(tx hansa.Tx) error {
		recs = nil
		h, number, err := p.head(tx, mem, dataset)
		at = p.stream.cursor(dataset, h.seq)
		if err != nil || number == 0 {
			return err
		}
		for r, err := range p.showing(tx, dataset, number, ended) {
			if err != nil {
				return err
			}
			recs = append(recs, r)
		}
		return nil
	})
	return recs, at, err
}

func (p *Party) showing(tx hansa.Tx, dataset hansa.DatasetID, number int64, ended bool) iter.Seq2[*hansa.Record, error] {
	return func(yield func(*hansa.Record, error) bool) {
		least := 1
		if ended {
			least = 0
		}
		rows, err := tx.Query(`SELECT r.place, r.id, r.version, r.received, r.kind, r.body, r.original, r.original_type, r.defects, r.digest, r.salt, r.leaf, r.prev
			FROM stream_present p JOIN stream_record r ON r.place = p.place WHERE p.number = ? AND p.live >= ? ORDER BY r.place`, number, least)
		if err != nil {
			yield(nil, err)
			return
		}
		defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
		for rows.Next() {
			x, err := scanRow(rows)
			if err != nil {
				yield(nil, err)
				return
			}
			if x.erased {
				continue
			}
			r, err := p.stream.record(dataset, number, x)
			if !yield(r, err) || err != nil {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(nil, err)
		}
	}
}

// Get returns what the present state shows of a record, ended or not; NotFound
// when there is no such record.
func (p *Party) Get(ctx context.Context, dataset hansa.DatasetID, id string) (*hansa.Record, error) {
	list, err := p.versions(ctx, dataset, id, `place`, 1)
	if err != nil {
		return nil, err
	}
	return list[0], nil
}

// History returns the versions of a record, the newest arrival first.
func (p *Party) History(ctx context.Context, dataset hansa.DatasetID, id string) ([]*hansa.Record, error) {
	return p.versions(ctx, dataset, id, `newest`, historyMax)
}

// beforeMany is the statement for a whole chunk; a shorter run repeats its last place.
var beforeMany = `SELECT place, prev FROM stream_record WHERE prev <> 0 AND place IN (?` + strings.Repeat(",?", chunk-1) + `)`

// Before finds what showed before each of recs came, by their cursors: nil where
// that is no longer kept; what was the first of its record is not there.
func (p *Party) Before(ctx context.Context, dataset hansa.DatasetID, recs []*hansa.Record) (out map[hansa.Cursor]*hansa.Record, err error) {
	mem, err := p.set(dataset)
	if err != nil || len(recs) == 0 {
		return nil, err
	}
	err = p.stream.cfg.DB.Read(ctx, func(tx hansa.Tx) error {
		out = map[hansa.Cursor]*hansa.Record{}
		number, err := p.number(tx, mem, dataset)
		if err != nil || number == 0 {
			return err
		}
		for run := range slices.Chunk(recs, chunk) {
			later, err := p.later(tx, dataset, number, run)
			if err != nil {
				return err
			}
			for c, at := range later {
				if out[c], err = p.shown(tx, dataset, number, at); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return out, err
}

// later finds, of a chunk of records, the place of the version before each.
func (p *Party) later(tx hansa.Tx, dataset hansa.DatasetID, number int64, run []*hansa.Record) (map[hansa.Cursor]int64, error) {
	args, cursors := make([]any, 0, chunk), make(map[int64]hansa.Cursor, len(run))
	for i := range chunk {
		r := run[min(i, len(run)-1)]
		seq, _, err := p.stream.decode(dataset, r.Cursor)
		if err != nil {
			return nil, err
		}
		cursors[number<<seqBits|seq] = r.Cursor
		args = append(args, number<<seqBits|seq)
	}
	rows, err := tx.Query(beforeMany, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
	out := map[hansa.Cursor]int64{}
	for rows.Next() {
		var place, prev int64
		if err := rows.Scan(&place, &prev); err != nil {
			return nil, err
		}
		out[cursors[place]] = prev
	}
	return out, rows.Err()
}

// shown follows a chain back from a place to what did not come late; nil when it
// is trimmed or erased.
func (p *Party) shown(tx hansa.Tx, dataset hansa.DatasetID, number, at int64) (*hansa.Record, error) {
	for range historyMax {
		if at == 0 {
			break
		}
		x, err := p.rowAt(tx, at)
		if err != nil || x == nil || x.erased {
			return nil, err
		}
		r, err := p.stream.record(dataset, number, x)
		if err != nil {
			return nil, err
		}
		if !IsOlder(r) {
			return r, nil
		}
		at = x.prev
	}
	return nil, nil //nolint:nilnil // none is an answer
}

// versions follows a record's chain back from where the present state points.
func (p *Party) versions(ctx context.Context, dataset hansa.DatasetID, id, from string, most int) (recs []*hansa.Record, err error) {
	mem, err := p.set(dataset)
	if err != nil {
		return nil, err
	}
	err = p.stream.cfg.DB.Read(ctx, func(tx hansa.Tx) error {
		recs = nil
		rows, number, err := p.chain(tx, mem, dataset, id, from, most)
		if err != nil {
			return err
		}
		for _, x := range rows {
			if x.erased {
				continue
			}
			r, err := p.stream.record(dataset, number, x)
			if err != nil {
				return err
			}
			recs = append(recs, r)
		}
		return nil
	})
	if err == nil && len(recs) == 0 {
		err = hansa.Errorf(hansa.NotFound, "there is no record %q", id)
	}
	return recs, err
}

// chain reads the rows of one id.
func (p *Party) chain(tx hansa.Tx, mem *set, dataset hansa.DatasetID, id, from string, most int) (list []*row, number int64, err error) {
	if number, err = p.number(tx, mem, dataset); err != nil || number == 0 {
		return nil, number, err
	}
	places, err := tx.Query(`SELECT place, newest FROM stream_present WHERE number = ? AND id = ?`, number, id)
	if err != nil {
		return nil, number, err
	}
	var shows, at int64
	if places.Next() {
		err = places.Scan(&shows, &at)
	}
	if err := errors.Join(err, places.Err(), places.Close()); err != nil { //nolint:sqlclosecheck // closed before the next query
		return nil, number, err
	}
	if from == "place" {
		at = shows
	}
	for at != 0 && err == nil && len(list) < most {
		var x *row
		if x, err = p.rowAt(tx, at); err != nil || x == nil {
			break
		}
		list = append(list, x)
		at = x.prev
	}
	// What shows is kept beyond its time, when the rows that lead to it are gone.
	if err == nil && shows != 0 && !slices.ContainsFunc(list, func(x *row) bool { return x.place == shows }) {
		var x *row
		if x, err = p.rowAt(tx, shows); err == nil && x != nil {
			list = append(list, x)
		}
	}
	return list, number, err
}

// rowAt reads one row; nil when it is trimmed.
func (*Party) rowAt(tx hansa.Tx, place int64) (*row, error) {
	rows, err := tx.Query(`SELECT `+rowColumns+` FROM stream_record WHERE place = ?`, place)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
	if !rows.Next() {
		return nil, rows.Err()
	}
	return scanRow(rows)
}
