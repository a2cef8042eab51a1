package stream

import (
	"context"

	"github.com/hansa-exchange/hansa"
)

// Erased is what one run of [Party.EraseWhere] came to.
type Erased struct {
	Versions int   // whose content and salt are gone
	Records  int   // whose present version is among them
	Next     int64 // the place to go on from; 0 is the end
}

// EraseWhere removes content and salt of the stored versions of a dataset, whatever
// their record, of which is says so. It looks at up to limit rows after a place; begin
// with 0. tell is called for each version, with where its leaf is sealed, and done once,
// in the same transaction. A version that is not sealed yet is Conflict, and nothing of
// the run is erased then.
func (p *Party) EraseWhere(ctx context.Context, dataset hansa.DatasetID, after int64, limit int, is func(*hansa.Record) bool, tell func(tx hansa.Tx, batch string, position int64) error, done func(hansa.Tx, Erased) error) (out Erased, err error) {
	mem, err := p.set(dataset)
	if err != nil {
		return out, err
	}
	err = p.stream.cfg.DB.Write(ctx, func(tx hansa.Tx) error {
		out = Erased{}
		number, err := p.number(tx, mem, dataset)
		if err != nil || number == 0 {
			return err
		}
		rows, next, err := p.kept(tx, number, after, limit)
		if err != nil {
			return err
		}
		out.Next = next
		for _, x := range rows {
			r, err := p.stream.record(dataset, number, x)
			if err != nil {
				return err
			}
			if !is(r) {
				continue
			}
			if err := eraseRow(tx, number, x, tell); err != nil {
				return err
			}
			out.Versions++
			res, err := tx.Exec(`UPDATE stream_present SET live = 0 WHERE number = ? AND id = ? AND place = ?`, number, x.id, x.place)
			if err != nil {
				return err
			}
			shown, err := res.RowsAffected()
			if err != nil {
				return err
			}
			out.Records += int(shown)
		}
		return done(tx, out)
	})
	mem.forget()
	return out, err
}

// kept reads rows whose content is there, and the place to go on from.
func (*Party) kept(tx hansa.Tx, number, after int64, limit int) (out []*row, next int64, err error) {
	rows, err := tx.Query(`SELECT `+rowColumns+` FROM stream_record WHERE place > ? AND place < ? AND salt IS NOT NULL ORDER BY place LIMIT ?`, max(after, number<<seqBits), (number+1)<<seqBits, limit)
	if err != nil {
		return nil, 0, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
	for rows.Next() {
		x, err := scanRow(rows)
		if err != nil {
			return nil, 0, err
		}
		out = append(out, x)
	}
	if len(out) == limit {
		next = out[limit-1].place
	}
	return out, next, rows.Err()
}

// eraseRow removes content and salt of a row whose leaf is sealed.
func eraseRow(tx hansa.Tx, number int64, x *row, tell func(tx hansa.Tx, batch string, position int64) error) error {
	batch, position, err := batchOf(tx, number, x.place&seqMask)
	if err != nil {
		return err
	}
	if batch == "" {
		return hansa.Errorf(hansa.Conflict, "a version of %q is not sealed yet", x.id).WithHint("try again in a second")
	}
	if err := tell(tx, batch, position); err != nil {
		return err
	}
	if _, err := tx.Exec(`UPDATE stream_record SET body = NULL, original = NULL, defects = NULL, salt = NULL WHERE place = ?`, x.place); err != nil {
		return err
	}
	_, err = tx.Exec(`UPDATE stream_dataset SET bytes = bytes - ? WHERE number = ?`, len(x.body)+len(x.original), number)
	return err
}
