package outbound

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/hansa-exchange/hansa"
)

// Limits of the outbox.
const (
	LettersMax = 100_000 // that wait to be sent
	PeerMax    = 10_000  // of these, to one participant: who does not answer leaves room for others
	ProcessMax = 1000    // letters of one process: those that are done with are forgotten, oldest first, before it is Busy
	RefusedMax = 100     // letters of one process kept that were refused: who sends what is wrong fills nobody's book
	answerKept = 2 << 10 // bytes of an answer that are kept to look at
	sendersMax = 64      // letters on their way at once
)

// behind is why a letter is not tried whose turn has not come.
const behind = "an earlier message of this process has not arrived"

// OutboxConfig is what an outbox needs.
type OutboxConfig struct {
	DB  hansa.DB
	Now func() time.Time
	Log *slog.Logger
	// Send makes one try.
	Send func(ctx context.Context, l *Letter) Outcome
	// Spread is 0 to 1, to keep retries apart; nil is none.
	Spread func() float64
}

// Outbox holds the letters of a node's processes until they have arrived: in order
// per process, each process at its own pace. What was posted in a transaction is
// sent though the node be killed; a letter may arrive twice, never out of order.
type Outbox struct {
	cfg OutboxConfig

	mu    sync.Mutex // guards lanes, held and tops
	lanes *Lanes
	held  map[string]*held // by process
	tops  map[string]top   // by process
	wake  chan struct{}
}

// NewOutbox returns an outbox over a database that has [OutboxMigrations]. Open
// loads it, Run sends.
func NewOutbox(cfg OutboxConfig) *Outbox {
	if cfg.Spread == nil {
		cfg.Spread = func() float64 { return 0 }
	}
	return &Outbox{cfg: cfg, lanes: NewLanes(), held: map[string]*held{}, tops: map[string]top{}, wake: make(chan struct{}, 1)}
}

// OutboxMigrations returns the room's tables.
func OutboxMigrations() []hansa.Migration {
	return []hansa.Migration{{Room: "outbound", Number: 1, Statements: []string{
		`CREATE TABLE outbound_letter (process TEXT NOT NULL, n BIGINT NOT NULL, own TEXT NOT NULL, other TEXT NOT NULL, outgoing INTEGER NOT NULL, kind TEXT NOT NULL, url TEXT NOT NULL,
			after TEXT NOT NULL, body BYTEA NOT NULL, at BIGINT NOT NULL, state TEXT NOT NULL, tries BIGINT NOT NULL, next BIGINT NOT NULL, status BIGINT NOT NULL, answer BYTEA, reason TEXT NOT NULL,
			done BIGINT NOT NULL, PRIMARY KEY (process, n))`,
		`CREATE INDEX outbound_letter_waits ON outbound_letter (state, process, n) WHERE state = 'waits' OR state = 'parked'`,
	}}, {Room: "outbound", Number: 2, Statements: []string{
		`ALTER TABLE outbound_letter ADD COLUMN since BIGINT NOT NULL DEFAULT 0`,
	}}}
}

// Mail is what one transaction posts and gives up: it takes effect when
// [Outbox.Sent] hears that the transaction was committed.
type Mail struct {
	posted []*Letter
	gone   []gone
	wrote  []string        // processes that it wrote letters of
	heard  []hansa.PartyID // from whom something came
}

// gone are the letters of a process, up to a number, that are not sent any more.
type gone struct {
	process string
	n       int64
}

// Post writes a letter that goes out, in the caller's transaction. Behind one that
// is tried no more it waits with it: letters of a process never overtake.
func (o *Outbox) Post(tx hansa.Tx, m *Mail, l *Letter) error {
	if !l.Stops {
		if err := o.room(); err != nil {
			return err
		}
	}
	l.Out, l.State = true, LetterWaits
	if err := o.insert(tx, m, l); err != nil || l.State == LetterParked {
		return err
	}
	m.posted = append(m.posted, l)
	return nil
}

// Room is an error when as many letters wait as may, in all or to one participant:
// then no process begins with it.
func (o *Outbox) Room(other hansa.PartyID) error {
	o.mu.Lock()
	n := o.lanes.HeldFor(other)
	o.mu.Unlock()
	if n >= PeerMax {
		return hansa.Errorf(hansa.Busy, "%d messages to %s wait to be sent, as many as may", n, other).With(hansa.CodeOverloaded)
	}
	return o.room()
}

func (o *Outbox) room() error {
	o.mu.Lock()
	n := o.lanes.Held()
	o.mu.Unlock()
	if n >= LettersMax {
		return hansa.Errorf(hansa.Busy, "%d messages wait to be sent", n).With(hansa.CodeOverloaded)
	}
	return nil
}

// Waits reports whether a letter still waits to be sent, as a transaction sees it: it
// may have been given up since it was taken out to be sent.
func (*Outbox) Waits(tx hansa.Tx, l *Letter) (bool, error) {
	var n int
	err := tx.QueryRow(`SELECT COUNT(*) FROM outbound_letter WHERE process = ? AND n = ? AND state = 'waits'`, l.Process, l.N).Scan(&n)
	return n > 0, err
}

// Keep writes down a letter that came in, in the caller's transaction.
func (o *Outbox) Keep(tx hansa.Tx, m *Mail, l *Letter) error {
	l.Done = l.At
	m.heard = append(m.heard, l.Other)
	return o.insert(tx, m, l)
}

// insert writes a letter in its place. Behind one that is tried no more, a letter that
// waits is tried no more either.
func (o *Outbox) insert(tx hansa.Tx, m *Mail, l *Letter) error {
	last, known := o.last(m, l.Process)
	if !known {
		stuck := false
		if err := tx.QueryRow(`SELECT COALESCE(MAX(n), 0), EXISTS (SELECT 1 FROM outbound_letter WHERE process = ? AND state = 'parked') FROM outbound_letter WHERE process = ?`,
			l.Process, l.Process).Scan(&last, &stuck); err != nil {
			return fmt.Errorf("look for what is before a letter: %w", err)
		}
		if known = !stuck; stuck && l.State == LetterWaits {
			l.State, l.Reason, l.Done = LetterParked, behind, l.At
		}
	}
	if l.N = last + 1; known {
		o.setTop(m, l.Process, top{n: l.N, in: !l.Out})
	}
	_, err := tx.Exec(`INSERT INTO outbound_letter (process, n, own, other, outgoing, kind, url, after, body, at, state, tries, next, since, status, answer, reason, done) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?)`,
		l.Process, l.N, string(l.Own), string(l.Other), l.Out, l.Kind, l.URL, l.After, l.Body, l.At.UnixMicro(), string(l.State), l.Tries, stamp(l.Next), l.Status, l.Answer, l.Reason, stamp(l.Done))
	if err != nil {
		return fmt.Errorf("write a letter: %w", err)
	}
	return forgetful(tx, l)
}

// forgetful makes room for a letter that was written: what was refused, and then what is done with, is
// forgotten. What still has to arrive is not.
func forgetful(tx hansa.Tx, l *Letter) error {
	if l.State == LetterRefused && l.N > RefusedMax {
		_, err := tx.Exec(`DELETE FROM outbound_letter WHERE process = ? AND state = 'refused' AND n <= (
			SELECT n FROM outbound_letter WHERE process = ? AND state = 'refused' ORDER BY n DESC LIMIT 1 OFFSET ?)`, l.Process, l.Process, RefusedMax)
		if err != nil {
			return fmt.Errorf("forget what was refused: %w", err)
		}
	}
	if l.N <= ProcessMax {
		return nil
	}
	if _, err := tx.Exec(`DELETE FROM outbound_letter WHERE process = ? AND n <= ? AND state NOT IN ('waits', 'parked')`, l.Process, l.N-ProcessMax); err != nil {
		return fmt.Errorf("forget old letters: %w", err)
	}
	var n int
	if err := tx.QueryRow(`SELECT COUNT(*) FROM outbound_letter WHERE process = ?`, l.Process).Scan(&n); err != nil {
		return fmt.Errorf("count letters: %w", err)
	}
	if n > ProcessMax {
		return hansa.Errorf(hansa.Busy, "%d messages of this process have not arrived", ProcessMax).With(hansa.CodeOverloaded)
	}
	return nil
}

func stamp(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func unstamp(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// Void gives up the letters of a process that have not arrived.
func (o *Outbox) Void(tx hansa.Tx, m *Mail, process string) error {
	n, err := drop(tx, m, process, "")
	if err != nil {
		return err
	}
	if _, err := o.noteHeld(tx, process, n); err != nil {
		return err
	}
	_, err = tx.Exec(`UPDATE outbound_letter SET state = 'void' WHERE process = ? AND outgoing = 1 AND state IN ('waits', 'parked')`, process)
	return err
}

// Settle notes that letters of a process have arrived, though no answer said so:
// the other side acts on them. They are those up to the one that led to a state;
// an empty state is all of them.
func (o *Outbox) Settle(tx hansa.Tx, m *Mail, process, until string, now time.Time) error {
	if h := o.answeredBy(m, process); h != nil && until == "" { // it answers the last one, which is known
		m.gone = append(m.gone, gone{process, h.after.N})
		_, err := note(tx, h.after)
		return err
	}
	n, err := drop(tx, m, process, until)
	if err != nil {
		return err
	}
	if k, err := o.noteHeld(tx, process, n); err != nil || k == n && n > 0 { // those before it had arrived before it was sent
		return err
	}
	_, err = tx.Exec(`UPDATE outbound_letter SET state = 'delivered', reason = '', done = ? WHERE process = ? AND outgoing = 1 AND n <= ? AND state IN ('waits', 'parked')`, now.UnixMicro(), process, n)
	return err
}

// drop notes in m up to which letter a process's are not sent any more.
func drop(tx hansa.Tx, m *Mail, process, until string) (n int64, err error) {
	err = tx.QueryRow(`SELECT COALESCE(MAX(n), 0) FROM outbound_letter WHERE process = ? AND outgoing = 1 AND (after = ? OR ? = '')`, process, until, until).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("look for the letters of a process: %w", err)
	}
	m.gone = append(m.gone, gone{process, n})
	return n, nil
}

// Sent puts what a committed transaction posted on its way.
func (o *Outbox) Sent(m *Mail) {
	if len(m.posted) == 0 && len(m.gone) == 0 && len(m.wrote) == 0 && len(m.heard) == 0 {
		return
	}
	o.mu.Lock()
	o.settleTops(m)
	for _, g := range m.gone {
		o.lanes.Empty(g.process, g.n)
		o.release(g.process)
	}
	for _, l := range m.posted {
		o.lanes.Push(l)
		o.release(l.Process)
	}
	for _, other := range m.heard {
		o.lanes.Back(other, o.cfg.Now())
	}
	o.mu.Unlock()
	o.rouse()
}

func (o *Outbox) rouse() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// Open loads the letters that wait.
func (o *Outbox) Open(ctx context.Context) error {
	return o.cfg.DB.Read(ctx, func(tx hansa.Tx) error {
		list, err := letters(tx, `WHERE state = 'waits' ORDER BY process, n`)
		if err != nil {
			return err
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		for i := range list {
			o.lanes.Push(&list[i])
		}
		return nil
	})
}

// Letters lists the letters of own's process, in their order.
func (*Outbox) Letters(tx hansa.Tx, own hansa.PartyID, process string) ([]Letter, error) {
	return letters(tx, `WHERE process = ? AND own = ? ORDER BY n`, process, string(own))
}

// Parked lists letters of own that are tried no more, oldest first; empty is every
// party's.
func (*Outbox) Parked(tx hansa.Tx, own hansa.PartyID, limit int) ([]Letter, error) {
	return letters(tx, `WHERE state = 'parked' AND (? = '' OR own = ?) ORDER BY at LIMIT ?`, string(own), string(own), limit)
}

// Retry sets the parked letters of own's process going again, and tries one that
// waits for its next try now. It counts them.
func (o *Outbox) Retry(ctx context.Context, own hansa.PartyID, process string) (int, error) {
	var list []Letter
	now := o.cfg.Now()
	err := o.cfg.DB.Write(ctx, func(tx hansa.Tx) (err error) {
		if list, err = letters(tx, `WHERE process = ? AND own = ? AND state = 'parked' ORDER BY n`, process, string(own)); err != nil {
			return err
		}
		_, err = tx.Exec(`UPDATE outbound_letter SET state = 'waits', next = ?, at = ?, tries = 0, since = 0, done = 0 WHERE process = ? AND own = ? AND state = 'parked'`, now.UnixMicro(), now.UnixMicro(), process, string(own))
		return err
	})
	if err != nil {
		return 0, err
	}
	m := &Mail{}
	for i := range list {
		l := &list[i]
		l.State, l.Next, l.At, l.Tries, l.Since, l.Done = LetterWaits, now, now, 0, time.Time{}, time.Time{}
		m.posted = append(m.posted, l)
	}
	o.Sent(m)
	return len(list) + o.hurry(own, process), nil
}

// hurry makes the first letter of a process due, where it was tried in vain; and
// counts it.
func (o *Outbox) hurry(own hansa.PartyID, process string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.lanes.Hurry(own, process, o.cfg.Now()) {
		return 0
	}
	o.rouse()
	return 1
}

// Repeated is why a letter that had arrived waits again: the other side sent again what
// it answers, and may have forgotten it. It is asked first, and the letter is sent
// when it says that it lacks it.
const Repeated = "the other side repeats itself; it is asked first"

// Again has the last own letter of a process wait again, not before next, when it has
// arrived and nothing came after it.
func (*Outbox) Again(tx hansa.Tx, m *Mail, process string, next time.Time) error {
	list, err := letters(tx, `WHERE process = ? AND state <> 'refused' AND state <> 'void' ORDER BY n DESC LIMIT 1`, process)
	if err != nil || len(list) == 0 || list[0].State != LetterDelivered {
		return err
	}
	l := &list[0]
	l.State, l.Next, l.At, l.Tries, l.Since, l.Done, l.Reason = LetterWaits, next, next, 0, time.Time{}, time.Time{}, Repeated
	_, err = tx.Exec(`UPDATE outbound_letter SET state = 'waits', next = ?, at = ?, tries = 0, since = 0, done = 0, reason = ? WHERE process = ? AND n = ?`,
		stamp(l.Next), l.At.UnixMicro(), l.Reason, process, l.N)
	m.posted = append(m.posted, l)
	return err
}

func letters(tx hansa.Tx, where string, args ...any) ([]Letter, error) {
	rows, err := tx.Query(`SELECT process, n, own, other, outgoing, kind, url, after, body, at, state, tries, next, since, status, answer, reason, done FROM outbound_letter `+where, args...)
	if err != nil {
		return nil, fmt.Errorf("read letters: %w", err)
	}
	defer func() { _ = rows.Close() }() // rows.Err says what went wrong
	out := []Letter{}
	for rows.Next() {
		var l Letter
		var at, next, since, done int64
		if err := rows.Scan(&l.Process, &l.N, &l.Own, &l.Other, &l.Out, &l.Kind, &l.URL, &l.After, &l.Body, &at, &l.State, &l.Tries, &next, &since, &l.Status, &l.Answer, &l.Reason, &done); err != nil {
			return nil, fmt.Errorf("read letters: %w", err)
		}
		l.At, l.Next, l.Since, l.Done = unstamp(at), unstamp(next), unstamp(since), unstamp(done)
		out = append(out, l)
	}
	return out, rows.Err()
}

// Run sends until ctx ends. What is under way then is tried again at the next start.
func (o *Outbox) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	free := make(chan struct{}, sendersMax)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case free <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		l, x, wait := o.take()
		if x != nil {
			wg.Go(func() { o.try(ctx, l, x, func() { <-free }) })
			continue
		}
		<-free
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return nil
		case <-o.wake:
		case <-timer.C:
		}
	}
}

// take returns the next letter that is due, or how long there is none.
func (o *Outbox) take() (*Lane, *Letter, time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	l, x, next := o.lanes.Take(o.cfg.Now())
	switch {
	case x != nil:
		return l, x, 0
	case next.IsZero():
		return nil, nil, time.Hour
	}
	return nil, nil, min(next.Sub(o.cfg.Now()), time.Minute) // a clock that jumps is noticed
}

// Said returns the hex SHA-256 of each message of a process that was sent or taken,
// in their order: what both sides can hold against their own.
func (*Outbox) Said(tx hansa.Tx, process string) ([]string, error) {
	rows, err := tx.Query(`SELECT body FROM outbound_letter WHERE process = ? AND state IN ('waits', 'delivered', 'received') ORDER BY n`, process)
	if err != nil {
		return nil, fmt.Errorf("read letters: %w", err)
	}
	defer func() { _ = rows.Close() }() // rows.Err says what went wrong
	out := []string{}
	for rows.Next() {
		var body sql.RawBytes
		if err := rows.Scan(&body); err != nil {
			return nil, fmt.Errorf("read letters: %w", err)
		}
		sum := sha256.Sum256(body)
		out = append(out, hex.EncodeToString(sum[:]))
	}
	return out, rows.Err()
}

// Refusals counts the messages of a process that were not taken.
func (*Outbox) Refusals(tx hansa.Tx, process string) (n int, err error) {
	err = tx.QueryRow(`SELECT COUNT(*) FROM outbound_letter WHERE process = ? AND state = 'refused'`, process).Scan(&n)
	return n, err
}

// AskFirst is why a letter that waits is not sent before the other side was asked
// how the process stands: this node may have sent it before it was restored.
const AskFirst = "this node was restored from a backup; the other side is asked first"

// Restored makes every letter that waits ask first.
func Restored(tx hansa.Tx) error {
	_, err := tx.Exec(`UPDATE outbound_letter SET reason = ? WHERE state = 'waits'`, AskFirst)
	return err
}

// Prune forgets the letters of processes of which nothing has moved since a time.
func (*Outbox) Prune(tx hansa.Tx, before time.Time, most int) (int64, error) {
	res, err := tx.Exec(`DELETE FROM outbound_letter WHERE process IN (SELECT process FROM outbound_letter GROUP BY process
		HAVING MAX(at) < ? AND MAX(done) < ? AND SUM(CASE WHEN state = 'waits' THEN 1 ELSE 0 END) = 0 LIMIT ?)`, before.UnixMicro(), before.UnixMicro(), most)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// StuckOf returns the processes of own of which [Outbox.Stuck] has a letter.
func (*Outbox) StuckOf(tx hansa.Tx, own hansa.PartyID) (map[string]bool, error) {
	rows, err := tx.Query(`SELECT DISTINCT process FROM outbound_letter WHERE (state = 'waits' OR state = 'parked') AND (state = 'parked' OR tries > 2) AND own = ?`, string(own))
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err says what went wrong
	out := map[string]bool{}
	for rows.Next() {
		var process string
		if err := rows.Scan(&process); err != nil {
			return nil, err
		}
		out[process] = true
	}
	return out, rows.Err()
}

// Stuck returns the first letter of a process that is tried no more, or has been
// tried in vain; nil when there is none.
func (*Outbox) Stuck(tx hansa.Tx, process string) (*Letter, error) {
	list, err := letters(tx, `WHERE process = ? AND (state = 'parked' OR state = 'waits' AND tries > 2) ORDER BY n LIMIT 1`, process)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return &list[0], nil
}
