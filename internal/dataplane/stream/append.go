package stream

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
)

// Outcome is what became of an appended record.
type Outcome string

// The outcomes of an append (decision 20).
const (
	Stored   Outcome = "stored"
	Repeat   Outcome = "repeat"   // the same version with the same bytes: nothing was stored
	Revision Outcome = "revision" // the same version with other bytes: stored, marked VER-01
	Older    Outcome = "older"    // a lower version: stored, marked VER-02, not the present
)

// Accepted says what became of one record, and where it stands.
type Accepted struct {
	Cursor  hansa.Cursor
	Outcome Outcome
	Record  *hansa.Record // with its cursor, time and defects; nil for a repeat
}

// head is where a dataset stands.
type head struct {
	seq, first, sealed, bytes, base int64
}

// present is what the present state knows of one id.
type present struct {
	version int64
	place   int64 // of the row that shows
	newest  int64 // of the row that came last; older versions hang on it
	digest  []byte
	live    bool
	dirty   bool
	fresh   bool
}

// appending is one Append on its way through the transaction.
type appending struct {
	party   *Party
	dataset hansa.DatasetID
	tx      hansa.Tx
	number  int64
	head    head
	known   map[string]*present
	touched []string // the ids in known that are to be written
	rows    []*row
	stale   []int64
	out     []Accepted
}

// Append stores records in the order given, all in one transaction, and returns
// after they are durable, with what became of each. Records without a time of
// receipt get the present one. The records belong to the stream from then on.
func (p *Party) Append(ctx context.Context, dataset hansa.DatasetID, recs []*hansa.Record) ([]Accepted, error) {
	return p.AppendWith(ctx, dataset, recs, nil)
}

// AppendWith is [Party.Append] with what must be written in the same transaction:
// an error of also undoes the records.
func (p *Party) AppendWith(ctx context.Context, dataset hansa.DatasetID, recs []*hansa.Record, also func(hansa.Tx) error) ([]Accepted, error) {
	if len(recs) > AppendMax {
		return nil, hansa.Errorf(hansa.Invalid, "at most %d records are appended at once", AppendMax)
	}
	s := p.stream
	mem, err := p.set(dataset)
	if err != nil || len(recs) == 0 {
		return nil, err
	}
	now := s.cfg.Now().UTC().Truncate(time.Millisecond)
	packed := make([]*row, len(recs))
	for i, r := range recs {
		if r.Received.IsZero() {
			r.Received = now
		}
		r.Received = r.Received.UTC().Truncate(time.Millisecond)
		r.Dataset = dataset
		if packed[i], err = s.pack(r); err != nil {
			return nil, err
		}
		packed[i].leaf = hansa.Leaf(hansa.FactRecord, packed[i].salt, packed[i].doc(dataset))
	}
	w := &waiting{recs: recs, packed: packed, also: also, done: make(chan error, 1)}
	mem.mu.Lock()
	mem.queue = append(mem.queue, w)
	if !mem.leading {
		mem.leading = true
		go p.drain(context.WithoutCancel(ctx), mem, dataset)
	}
	mem.mu.Unlock()
	if err := <-w.done; err != nil {
		return nil, err
	}
	return w.out, nil
}

// waiting is one caller's records on their way into the dataset.
type waiting struct {
	recs   []*hansa.Record
	packed []*row
	also   func(hansa.Tx) error // nil is nothing
	out    []Accepted
	done   chan error
}

// drain writes what waits for a dataset, run by run, until nothing does: callers
// that come at the same time share statements. It ends when the queue is empty.
func (p *Party) drain(ctx context.Context, mem *set, dataset hansa.DatasetID) {
	for {
		mem.mu.Lock()
		n, size := 0, 0
		for n < len(mem.queue) && (n == 0 || size+len(mem.queue[n].recs) <= runMax) {
			size += len(mem.queue[n].recs)
			n++
		}
		run := mem.queue[:n:n]
		mem.queue = mem.queue[n:]
		if n == 0 {
			mem.leading, mem.queue = false, nil
			mem.mu.Unlock()
			return
		}
		mem.mu.Unlock()
		if err := p.write(ctx, mem, dataset, run); err != nil && n > 1 && hansa.KindOf(err) != hansa.Busy {
			for i := range run { // one of them is at fault: let it fail alone
				run[i].done <- p.write(ctx, mem, dataset, run[i:i+1])
			}
		} else {
			for _, w := range run {
				w.done <- err
			}
		}
	}
}

// runMax bounds the records of several callers that are written together.
const runMax = 1000

// write stores a run in one transaction.
func (p *Party) write(ctx context.Context, mem *set, dataset hansa.DatasetID, run []*waiting) error {
	var recs []*hansa.Record
	var packed []*row
	for _, w := range run {
		recs, packed = append(recs, w.recs...), append(packed, w.packed...)
	}
	now := p.stream.cfg.Now()
	var a *appending
	err := p.stream.cfg.DB.Write(ctx, func(tx hansa.Tx) error {
		a = &appending{party: p, dataset: dataset, tx: tx, out: make([]Accepted, 0, len(recs))}
		if err := a.run(mem, recs, packed, now); err != nil {
			return err
		}
		for _, w := range run {
			if w.also != nil {
				if err := w.also(tx); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	mem.number.Store(a.number)
	stored := make([]*hansa.Record, 0, len(a.rows))
	for i := range a.out {
		if a.out[i].Record != nil {
			stored = append(stored, a.out[i].Record)
		}
	}
	if len(stored) > 0 {
		mem.add(a.head.seq-int64(len(stored))+1, stored)
	}
	at := 0
	for _, w := range run {
		w.out = a.out[at : at+len(w.recs)]
		at += len(w.recs)
	}
	return nil
}

func (a *appending) run(mem *set, recs []*hansa.Record, packed []*row, now time.Time) error {
	if err := a.open(mem); err != nil {
		return err
	}
	if err := a.recall(recs); err != nil {
		return err
	}
	for i, r := range recs {
		if err := a.place(r, packed[i]); err != nil {
			return err
		}
	}
	if len(a.rows) == 0 {
		return nil
	}
	if err := a.insert(); err != nil {
		return err
	}
	if err := a.show(); err != nil {
		return err
	}
	for _, place := range a.stale {
		if _, err := a.tx.Exec(`DELETE FROM stream_record WHERE place = ?`, place); err != nil {
			return err
		}
	}
	if _, err := a.tx.Exec(`UPDATE stream_dataset SET seq = ?, bytes = ? WHERE number = ?`, a.head.seq, a.head.bytes, a.number); err != nil {
		return err
	}
	if a.party.stream.cfg.Count != nil {
		return a.party.stream.cfg.Count(a.tx, a.party.id, string(a.dataset), "received", now, int64(len(a.rows)))
	}
	return nil
}

// open finds the dataset's head, or makes the dataset.
func (a *appending) open(mem *set) (err error) {
	if a.number, err = a.party.number(a.tx, mem, a.dataset); err != nil {
		return err
	}
	if a.number == 0 {
		if err := a.tx.QueryRow(`SELECT COALESCE(MAX(number), 0) + 1 FROM stream_dataset`).Scan(&a.number); err != nil {
			return err
		}
		_, err = a.tx.Exec(`INSERT INTO stream_dataset (number, party, dataset, seq, first, sealed, bytes, epoch, base) VALUES (?, ?, ?, 0, 0, 0, 0, ?, 0)`,
			a.number, string(a.party.id), string(a.dataset), a.party.stream.epoch.Number)
		return err
	}
	return a.tx.QueryRow(headQuery, a.number).Scan(a.head.fields()...)
}

const headQuery = `SELECT seq, first, sealed, bytes, base FROM stream_dataset WHERE number = ?`

func (h *head) fields() []any { return []any{&h.seq, &h.first, &h.sealed, &h.bytes, &h.base} }

// recall reads what the present state knows of the records' ids.
func (a *appending) recall(recs []*hansa.Record) error {
	a.known = make(map[string]*present, len(recs))
	ids := make([]string, 0, len(recs))
	for _, r := range recs {
		ids = append(ids, r.ID)
		if r.Situation != nil {
			ids = append(ids, r.Situation.Related.Replaces...)
		}
	}
	for len(ids) > 0 {
		n := 1
		if len(ids) > 1 {
			n = min(len(ids), chunk)
		}
		if err := a.recallSome(ids[:n]); err != nil {
			return err
		}
		ids = ids[n:]
	}
	return nil
}

// recallMany is the statement for a whole chunk; a shorter run repeats its last id.
var recallMany = `SELECT id, version, place, newest, digest, live FROM stream_present WHERE number = ? AND id IN (?` + strings.Repeat(",?", chunk-1) + `)`

const recallOne = `SELECT id, version, place, newest, digest, live FROM stream_present WHERE number = ? AND id = ?`

func (a *appending) recallSome(ids []string) error {
	query, args := recallOne, []any{a.number, ids[0]}
	if len(ids) > 1 {
		query, args = recallMany, make([]any, 1, chunk+1)
		args[0] = a.number
		for i := range chunk {
			args = append(args, ids[min(i, len(ids)-1)])
		}
	}
	rows, err := a.tx.Query(query, args...)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
	for rows.Next() {
		var id string
		k := &present{}
		var live int
		if err := rows.Scan(&id, &k.version, &k.place, &k.newest, &k.digest, &live); err != nil {
			return err
		}
		k.live = live == 1
		a.known[id] = k
	}
	return rows.Err()
}

// place decides what becomes of one record, by version and bytes alone.
func (a *appending) place(r *hansa.Record, x *row) error {
	k := a.known[x.id]
	outcome := Stored
	switch {
	case k == nil:
		k = &present{fresh: true, version: -1}
		a.known[x.id] = k
	case x.version == k.version && same(x.digest, k.digest):
		a.out = append(a.out, Accepted{Outcome: Repeat, Cursor: a.cursorOf(k.place)})
		return nil
	case x.version == k.version:
		outcome = Revision
		r.Defects = marked(r.Defects, hansa.Finding{Rule: "VER-01", Severity: hansa.Warning, Field: "/version", Message: "the content changed and the version did not", Mend: "raise the version with each change"})
	case x.version < k.version:
		again, err := a.earlier(k, x)
		if err != nil {
			return err
		}
		if again != 0 {
			a.out = append(a.out, Accepted{Outcome: Repeat, Cursor: a.cursorOf(again)})
			return nil
		}
		outcome = Older
		r.Defects = marked(r.Defects, hansa.Finding{Rule: RuleOlder, Severity: hansa.Warning, Field: "/version", Message: "a higher version was there already; this one is kept and does not replace it", Mend: "raise the version with each change"})
	}
	if outcome != Stored {
		x.defective(r.Defects)
		x.leaf = hansa.Leaf(hansa.FactRecord, x.salt, x.doc(a.dataset))
	}
	a.head.seq++
	x.place = a.number<<seqBits | a.head.seq
	x.prev = k.newest
	k.newest = x.place
	a.touch(x.id, k)
	if outcome != Older {
		if k.place != 0 && k.place&seqMask <= a.head.first {
			a.stale = append(a.stale, k.place) // kept beyond its time, because it showed
		}
		k.version, k.place, k.digest, k.live = x.version, x.place, x.digest[:], r.Live()
		a.replaced(r)
	}
	a.head.bytes += int64(len(x.body) + len(x.original))
	a.rows = append(a.rows, x)
	r.Cursor = a.cursorOf(x.place)
	a.out = append(a.out, Accepted{Outcome: outcome, Cursor: r.Cursor, Record: r})
	return nil
}

// IsOlder reports whether r came after a higher version of it: it is kept, and is
// no news.
func IsOlder(r *hansa.Record) bool {
	return slices.ContainsFunc(r.Defects, func(f hansa.Finding) bool { return f.Rule == RuleOlder })
}

// RuleOlder marks what [IsOlder] finds.
const RuleOlder hansa.Rule = "VER-02"

// touch notes that what is known of id is to be written.
func (a *appending) touch(id string, k *present) {
	if !k.dirty {
		k.dirty = true
		a.touched = append(a.touched, id)
	}
}

// marked adds a finding to a copy of list, once however often it is tried.
func marked(list []hansa.Finding, f hansa.Finding) []hansa.Finding {
	list = slices.DeleteFunc(slices.Clone(list), func(x hansa.Finding) bool { return x.Rule == f.Rule })
	return append(list, f)
}

// replaced takes what r was re-issued for out of the present state.
func (a *appending) replaced(r *hansa.Record) {
	if r.Situation == nil {
		return
	}
	for _, id := range r.Situation.Related.Replaces {
		if k := a.known[id]; k != nil && id != r.ID && k.live {
			k.live = false
			a.touch(id, k)
		}
	}
}

func (a *appending) cursorOf(place int64) hansa.Cursor {
	return a.party.stream.cursor(a.dataset, place&seqMask)
}

// earlierMax bounds the versions that are looked through for a repeat.
const earlierMax = 64

// earlier finds the newest row of x's version, among the last earlierMax, and
// returns its place when it has the same bytes: then x is a repeat.
func (a *appending) earlier(k *present, x *row) (again int64, err error) {
	for at, n := k.newest, 0; at != 0 && n < earlierMax; n++ {
		var version, prev int64
		var digest []byte
		if y := a.unsaved(at); y != nil {
			version, prev, digest = y.version, y.prev, y.digest[:]
		} else {
			err := a.tx.QueryRow(`SELECT version, digest, prev FROM stream_record WHERE place = ?`, at).Scan(&version, &digest, &prev)
			if errors.Is(err, sql.ErrNoRows) {
				return 0, nil // trimmed
			}
			if err != nil {
				return 0, err
			}
		}
		if version == x.version {
			if same(x.digest, digest) {
				return at, nil
			}
			return 0, nil
		}
		at = prev
	}
	return 0, nil
}

// unsaved finds a row of this very call.
func (a *appending) unsaved(place int64) *row {
	if len(a.rows) == 0 || place < a.rows[0].place {
		return nil
	}
	return a.rows[place-a.rows[0].place]
}

// byRows are the statements that write chunk rows at once, some, and one.
type byRows [3]string

// some is how many rows a few callers that come together write at once.
const some = 8

// rowsOf makes the statements of a table's rows.
func rowsOf(head, row, end string) byRows {
	return byRows{head + row + strings.Repeat(","+row, chunk-1) + end, head + row + strings.Repeat(","+row, some-1) + end, head + row + end}
}

// next returns the statement for the first of n rows, and how many it takes.
func (q *byRows) next(n int) (query string, rows int) {
	switch {
	case n >= chunk:
		return q[0], chunk
	case n >= some:
		return q[1], some
	}
	return q[2], 1
}

var inserts = rowsOf(`INSERT INTO stream_record (`+rowColumns+`) VALUES `, `(?,?,?,?,?,?,?,?,?,?,?,?,?)`, ``)

func (a *appending) insert() error {
	rows := a.rows
	args := make([]any, 0, min(len(rows), chunk)*13)
	for len(rows) > 0 {
		query, n := inserts.next(len(rows))
		args = args[:0]
		for _, x := range rows[:n] {
			args = append(args, x.place, x.id, x.version, x.received, string(x.kind), x.body, x.original, x.mime, x.defects, x.digest[:], x.salt[:], x.leaf[:], x.prev)
		}
		if _, err := a.tx.Exec(query, args...); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

var shows = rowsOf(`INSERT INTO stream_present (number, id, version, place, newest, digest, live) VALUES `, `(?,?,?,?,?,?,?)`,
	` ON CONFLICT (number, id) DO UPDATE SET version = excluded.version, place = excluded.place, newest = excluded.newest, digest = excluded.digest, live = excluded.live`)

// show writes the present state of the ids that changed.
func (a *appending) show() error {
	ids := a.touched
	slices.Sort(ids) // neighbours in the tree are written one after another
	args := make([]any, 0, min(len(ids), chunk)*7)
	for len(ids) > 0 {
		query, n := shows.next(len(ids))
		args = args[:0]
		for _, id := range ids[:n] {
			k, live := a.known[id], 0
			if k.live {
				live = 1
			}
			args = append(args, a.number, id, k.version, k.place, k.newest, k.digest, live)
		}
		if _, err := a.tx.Exec(query, args...); err != nil {
			return err
		}
		ids = ids[n:]
	}
	return nil
}
