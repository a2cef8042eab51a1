package protocol

import (
	"crypto/sha256"
	"crypto/subtle"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
)

// Limits of the processes of one party.
const (
	OpenMax = 100_000 // that have not ended
	PeerMax = 10_000  // of these, with one participant: who begins what never ends leaves room for others
	ListMax = 1000    // listed at once
)

// Row is what a process is found by.
type Row struct {
	ID    string        // own pid
	Own   hansa.PartyID // the party of this node
	Other hansa.PartyID // the party across
	Side  hansa.Side    // what own is
	Pid   string        // the other side's pid; empty until it is known
	State string
	Turn  hansa.Side // whose turn it is; empty when nobody's
	Waits bool       // for a person of this node
	Ended bool
	Began time.Time
}

// Entry is a process that can lie on a shelf.
type Entry interface{ Row() Row }

// Shelf keeps the processes of one kind, each with its own checksum. What it hands
// out is the caller's own.
type Shelf[T any, P interface {
	*T
	Entry
}] struct {
	table string

	mu   sync.Mutex            // guards both
	open map[pairOf]int        // at most as many as were begun: counted anew when the limit is reached
	read map[string]decoded[T] // rows that were decoded lately, by their checksum
}

// pairOf is a party of this node, and who is across; empty is everybody.
type pairOf struct{ own, other hansa.PartyID }

// pairsMax bounds the counts that are kept; at the limit all are forgotten.
const pairsMax = 10_000

// decoded is a row's document, read.
type decoded[T any] struct {
	sum [sha256.Size]byte
	val T
}

// decodedMax bounds the rows that are kept decoded; at the limit all are forgotten.
// Longer documents than decodedBytes are read each time.
const (
	decodedMax   = 4096
	decodedBytes = 16 << 10
)

// NewShelf returns the shelf named by a table of [Migration].
func NewShelf[T any, P interface {
	*T
	Entry
}](table string) *Shelf[T, P] {
	return &Shelf[T, P]{table: table, open: map[pairOf]int{}, read: map[string]decoded[T]{}}
}

// Migration returns the tables of one shelf.
func Migration(room, table string) hansa.Migration {
	return hansa.Migration{Room: room, Number: 1, Statements: []string{
		`CREATE TABLE ` + table + ` (id TEXT NOT NULL PRIMARY KEY, own TEXT NOT NULL, other TEXT NOT NULL, side TEXT NOT NULL, pid TEXT NOT NULL,
			state TEXT NOT NULL, turn TEXT NOT NULL, waits INTEGER NOT NULL, ended INTEGER NOT NULL, began BIGINT NOT NULL, changed BIGINT NOT NULL, doc BYTEA NOT NULL, sum BYTEA NOT NULL)`,
		`CREATE UNIQUE INDEX ` + table + `_pid ON ` + table + ` (own, other, side, pid) WHERE pid <> ''`,
		`CREATE INDEX ` + table + `_own ON ` + table + ` (own, ended, began)`,
	}}
}

// MigrationOpen returns a shelf's second migration: those that are open between two
// participants are counted by an index.
func MigrationOpen(room, table string, number int) hansa.Migration {
	return hansa.Migration{Room: room, Number: number, Statements: []string{`CREATE INDEX ` + table + `_open ON ` + table + ` (own, other) WHERE ended = 0`}}
}

// Put stores a process, new or changed.
func (s *Shelf[T, P]) Put(tx hansa.Tx, one P, now time.Time) error {
	r := one.Row()
	doc, err := json.Marshal(one)
	if err != nil {
		return fmt.Errorf("encode a process: %w", err)
	}
	sum := checksum(&r, doc)
	was := s.keep(r.ID, len(doc), decoded[T]{[sha256.Size]byte(sum), *one}) // by its checksum: a row that is not stored after all is not found by it
	if was.ID != "" {
		if done, err := s.update(tx, &was, &r, doc, sum, now); done || err != nil {
			return err
		}
	}
	_, err = tx.Exec(`INSERT INTO `+s.table+` (id, own, other, side, pid, state, turn, waits, ended, began, changed, doc, sum) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET pid = excluded.pid, state = excluded.state, turn = excluded.turn, waits = excluded.waits, ended = excluded.ended, changed = excluded.changed, doc = excluded.doc, sum = excluded.sum`,
		r.ID, string(r.Own), string(r.Other), string(r.Side), r.Pid, r.State, string(r.Turn), bit(r.Waits), bit(r.Ended), r.Began.UnixMicro(), now.UnixMicro(), doc, sum)
	if err != nil {
		return fmt.Errorf("write process %s: %w", r.ID, err)
	}
	return nil
}

// update stores a process that is known from before. It writes only the indices in which
// the process has moved, which most do not; and reports whether the row was as known.
func (s *Shelf[T, P]) update(tx hansa.Tx, was, r *Row, doc, sum []byte, now time.Time) (bool, error) {
	set, args := ``, []any{r.State, string(r.Turn), bit(r.Waits), now.UnixMicro(), doc, sum}
	if was.Pid != r.Pid {
		set, args = set+`, pid = ?`, append(args, r.Pid)
	}
	if was.Ended != r.Ended {
		set, args = set+`, ended = ?`, append(args, bit(r.Ended))
	}
	args = append(args, r.ID, was.Pid, bit(was.Ended))
	res, err := tx.Exec(`UPDATE `+s.table+` SET state = ?, turn = ?, waits = ?, changed = ?, doc = ?, sum = ?`+set+` WHERE id = ? AND pid = ? AND ended = ?`, args...)
	if err != nil {
		return false, fmt.Errorf("write process %s: %w", r.ID, err)
	}
	n, err := res.RowsAffected()
	return n > 0, err
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// checksum binds what a process is found by to what it is.
func checksum(r *Row, doc []byte) []byte {
	b := make([]byte, 0, 512)
	for _, k := range [...]string{r.ID, string(r.Own), string(r.Other), string(r.Side), r.Pid, r.State} {
		b = append(append(strconv.AppendInt(b, int64(len(k)), 10), ':'), k...)
	}
	h := sha256.New()
	h.Write(b)
	h.Write(doc)
	return h.Sum(nil)
}

// Room is an error when own has as many processes open as it may, in all or with
// other; otherwise there is room for one more.
func (s *Shelf[T, P]) Room(tx hansa.Tx, own, other hansa.PartyID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	all, with := pairOf{own, ""}, pairOf{own, other}
	if err := s.counted(tx, all, OpenMax, `own = ?`, string(own)); err != nil {
		return err
	}
	if err := s.counted(tx, with, PeerMax, `own = ? AND other = ?`, string(own), string(other)); err != nil {
		return err
	}
	s.open[all]++
	s.open[with]++
	return nil
}

// counted counts open processes where they are not counted yet, or come to be as
// many as may be, and is an error when they are.
func (s *Shelf[T, P]) counted(tx hansa.Tx, p pairOf, most int, where string, args ...any) error {
	n, known := s.open[p]
	if known && n < most {
		return nil
	}
	if err := tx.QueryRow(`SELECT COUNT(*) FROM `+s.table+` WHERE `+where+` AND ended = 0`, args...).Scan(&n); err != nil {
		return fmt.Errorf("count processes: %w", err)
	}
	if len(s.open) >= pairsMax {
		clear(s.open)
	}
	s.open[p] = n
	switch {
	case n < most:
		return nil
	case p.other != "":
		return hansa.Errorf(hansa.Busy, "%d processes are open between two participants, as many as may be", n).With(hansa.CodeOverloaded)
	}
	return hansa.Errorf(hansa.Busy, "%d processes are open, as many as a party may have", n).With(hansa.CodeOverloaded)
}

// Get returns own's process by its own pid. One of another party is NotFound.
func (s *Shelf[T, P]) Get(tx hansa.Tx, own hansa.PartyID, id string) (P, error) {
	s.mu.Lock()
	known, ok := s.read[id]
	s.mu.Unlock()
	if ok { // it was read whole and checked: the rest of the row says whether it is still that
		var n int
		r := P(&known.val).Row()
		err := tx.QueryRow(`SELECT 1 FROM `+s.table+` WHERE id = ? AND own = ? AND other = ? AND side = ? AND pid = ? AND state = ? AND sum = ?`,
			id, string(own), string(r.Other), string(r.Side), r.Pid, r.State, known.sum[:]).Scan(&n)
		if err == nil && r.Own == own {
			return &known.val, nil
		}
	}
	return s.one(tx, `WHERE id = ? AND own = ?`, id, string(own))
}

// ByPid returns own's process with other by the other side's pid.
func (s *Shelf[T, P]) ByPid(tx hansa.Tx, own, other hansa.PartyID, side hansa.Side, pid string) (P, error) {
	return s.one(tx, `WHERE own = ? AND other = ? AND side = ? AND pid = ? AND pid <> ''`, string(own), string(other), string(side), pid)
}

func (s *Shelf[T, P]) one(tx hansa.Tx, where string, args ...any) (one P, err error) {
	r := Row{}
	var doc, sum []byte
	err = tx.QueryRow(`SELECT id, own, other, side, pid, state, doc, sum FROM `+s.table+` `+where, args...).Scan(&r.ID, &r.Own, &r.Other, &r.Side, &r.Pid, &r.State, &doc, &sum)
	if errors.Is(err, sql.ErrNoRows) {
		return one, hansa.Errorf(hansa.NotFound, "there is no such process")
	}
	if err != nil {
		return one, fmt.Errorf("read a process: %w", err)
	}
	return s.unseal(&r, doc, sum)
}

func (s *Shelf[T, P]) unseal(r *Row, doc, sum []byte) (P, error) {
	own := checksum(r, doc)
	if subtle.ConstantTimeCompare(own, sum) != 1 {
		return nil, hansa.Errorf(hansa.Internal, "process %s does not match its checksum", r.ID).With(hansa.CodeCorrupt)
	}
	s.mu.Lock()
	known, ok := s.read[r.ID]
	s.mu.Unlock()
	if ok && known.sum == [sha256.Size]byte(own) {
		return &known.val, nil
	}
	one := decoded[T]{sum: [sha256.Size]byte(own)}
	if err := json.Unmarshal(doc, &one.val); err != nil {
		return nil, fmt.Errorf("decode process %s: %w", r.ID, err)
	}
	if !ok { // else what was read may be older than what is kept
		s.keep(r.ID, len(doc), one)
	}
	copied := one.val
	return &copied, nil
}

// keep keeps a row decoded, and returns what was kept in its place; nothing for a new one.
func (s *Shelf[T, P]) keep(id string, size int, one decoded[T]) (was Row) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, ok := s.read[id]; ok {
		was = P(&old.val).Row()
	}
	if size > decodedBytes {
		delete(s.read, id)
		return was
	}
	if len(s.read) >= decodedMax {
		clear(s.read)
	}
	s.read[id] = one
	return was
}

// Query says which processes are listed.
type Query struct {
	Own   hansa.PartyID // empty is all parties of the node
	Other hansa.PartyID
	State string
	Side  hansa.Side
	Open  bool // those that have not ended
	Waits bool // those that wait for a person of this node
	Limit int  // 0 and more than [ListMax] is [ListMax]
}

// List returns processes, newest first.
func (s *Shelf[T, P]) List(tx hansa.Tx, q Query) ([]P, error) {
	where, args := []string{"1 = 1"}, []any{}
	for _, c := range []struct {
		use  bool
		text string
		arg  any
	}{
		{q.Own != "", "own = ?", string(q.Own)},
		{q.Other != "", "other = ?", string(q.Other)},
		{q.State != "", "state = ?", q.State},
		{q.Side != "", "side = ?", string(q.Side)},
		{q.Open, "ended = ?", 0},
		{q.Waits, "waits = ?", 1},
	} {
		if c.use {
			where, args = append(where, c.text), append(args, c.arg)
		}
	}
	if q.Limit <= 0 || q.Limit > ListMax {
		q.Limit = ListMax
	}
	return s.list(tx, `WHERE `+strings.Join(where, " AND ")+` ORDER BY began DESC, id DESC LIMIT ?`, append(args, q.Limit)...)
}

func (s *Shelf[T, P]) list(tx hansa.Tx, where string, args ...any) ([]P, error) {
	rows, err := tx.Query(`SELECT id, own, other, side, pid, state, doc, sum FROM `+s.table+` `+where, args...)
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	defer func() { _ = rows.Close() }() // rows.Err says what went wrong
	out := []P{}
	for rows.Next() {
		r := Row{}
		var doc, sum []byte
		if err := rows.Scan(&r.ID, &r.Own, &r.Other, &r.Side, &r.Pid, &r.State, &doc, &sum); err != nil {
			return nil, fmt.Errorf("list processes: %w", err)
		}
		one, err := s.unseal(&r, doc, sum)
		if err != nil {
			return nil, err
		}
		out = append(out, one)
	}
	return out, rows.Err()
}

// Prune forgets processes that ended before a time, at most so many.
func (s *Shelf[T, P]) Prune(tx hansa.Tx, before time.Time, most int) (int64, error) {
	res, err := tx.Exec(`DELETE FROM `+s.table+` WHERE id IN (SELECT id FROM `+s.table+` WHERE ended = 1 AND changed < ? LIMIT ?)`, before.UnixMicro(), most)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// All returns every process of the node in one of the states, oldest first.
func (s *Shelf[T, P]) All(tx hansa.Tx, states ...string) ([]P, error) {
	args := make([]any, 0, len(states))
	for _, one := range states {
		args = append(args, one)
	}
	return s.list(tx, `WHERE state IN (`+strings.TrimSuffix(strings.Repeat("?, ", len(states)), ", ")+`) AND ended = 0 ORDER BY began, id`, args...)
}
