package stream

import (
	"github.com/hansa-exchange/hansa"
)

// Reach says how far each dataset of a database goes.
func Reach(tx hansa.Tx) (map[hansa.Key]int64, error) {
	rows, err := tx.Query(`SELECT party, dataset, seq FROM stream_dataset`)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
	out := map[hansa.Key]int64{}
	for rows.Next() {
		var k hansa.Key
		var seq int64
		if err := rows.Scan(&k.Party, &k.Dataset, &seq); err != nil {
			return nil, err
		}
		out[k] = seq
	}
	return out, rows.Err()
}

// Late is one record beyond a reach, as it is stored. Body is nil when the record
// was erased; it is JSON, as its publisher may have laid it out.
type Late struct {
	Key     hansa.Key
	Record  string
	Version int64
	Body    []byte
}

// Beyond hands each what a database has beyond a reach, dataset by dataset, in
// order of arrival. What was trimmed meanwhile is not there any more.
func Beyond(tx hansa.Tx, reach map[hansa.Key]int64, each func(Late) error) error {
	now, err := Reach(tx)
	if err != nil {
		return err
	}
	for k := range now {
		if now[k] <= reach[k] {
			continue
		}
		if err := beyond(tx, k, reach[k], each); err != nil {
			return err
		}
	}
	return nil
}

func beyond(tx hansa.Tx, k hansa.Key, after int64, each func(Late) error) error {
	var number int64
	if err := tx.QueryRow(`SELECT number FROM stream_dataset WHERE party = ? AND dataset = ?`, k.Party, k.Dataset).Scan(&number); err != nil {
		return err
	}
	rows, err := tx.Query(`SELECT `+rowColumns+` FROM stream_record WHERE place > ? AND place <= ? ORDER BY place`, number<<seqBits|after, number<<seqBits|seqMask)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
	for rows.Next() {
		x, err := scanRow(rows)
		if err != nil {
			return err
		}
		late := Late{Key: k, Record: x.id, Version: x.version}
		if !x.erased {
			if hansa.Leaf(hansa.FactRecord, x.salt, x.doc(k.Dataset)) != x.leaf {
				return corrupt(k.Dataset, x.place)
			}
			if late.Body = x.body; len(x.body) == 0 {
				late.Body = x.original
			}
		}
		if err := each(late); err != nil {
			return err
		}
	}
	return rows.Err()
}
