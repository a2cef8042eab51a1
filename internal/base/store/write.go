package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/hansa-exchange/hansa"
)

// writeTx is the writer's transaction as rooms see it.
type writeTx struct {
	ctx   context.Context //nolint:containedctx // a transaction lives within one call
	conn  *sql.Conn
	cache *statements // of what is asked
	does  *direct     // what is changed
	bytes int         // handed to statements since the log was last copied, about
}

func (t *writeTx) Exec(query string, args ...any) (sql.Result, error) {
	for _, a := range args {
		switch a := a.(type) {
		case []byte:
			t.bytes += len(a)
		case string:
			t.bytes += len(a)
		}
	}
	if res, known, err := t.does.exec(t.ctx, query, args); known {
		return res, err
	}
	return t.conn.ExecContext(t.ctx, query, args...)
}

func (t *writeTx) Query(query string, args ...any) (*sql.Rows, error) {
	st, err := t.cache.get(t.ctx, query)
	if err != nil {
		return nil, err
	}
	if st == nil {
		return t.conn.QueryContext(t.ctx, query, args...)
	}
	return st.QueryContext(t.ctx, args...)
}

func (t *writeTx) QueryRow(query string, args ...any) *sql.Row {
	st, err := t.cache.get(t.ctx, query)
	if err != nil || st == nil {
		return t.conn.QueryRowContext(t.ctx, query, args...)
	}
	return st.QueryRowContext(t.ctx, args...)
}

// write is the one writer: it takes what has queued, as one transaction.
func (s *Store) write() {
	defer close(s.done)
	ctx := context.Background() // a group outlives each of its callers
	cache := &statements{prepare: s.conn.PrepareContext}
	defer cache.close()
	does := &direct{conn: s.conn, kept: map[string]driver.StmtExecContext{}}
	defer does.close()
	tx := &writeTx{ctx: ctx, conn: s.conn, cache: cache, does: does}
	group := make([]*job, 0, groupMax)
	errs := make([]error, groupMax)
	for j := range s.queue {
		s.gather()
		group = append(group[:0], j)
	more:
		for len(group) < groupMax {
			select {
			case k, ok := <-s.queue:
				if !ok {
					break more
				}
				group = append(group, k)
			default:
				break more
			}
		}
		s.commit(tx, group, errs[:len(group)])
		if tx.bytes > fillBytes {
			tx.bytes = 0
			select {
			case s.filled <- struct{}{}:
			default:
			}
		}
	}
}

// gather lets those run who are about to queue, as long as more come: they share a
// commit. With nobody about to run it takes no time.
func (s *Store) gather() {
	for n, i := -1, 0; n < len(s.queue) && i < gatherMax; i++ {
		n = len(s.queue)
		runtime.Gosched()
	}
}

// backfill copies the log into the database file beside the writer, which need not
// stop for it: under load that is a quarter of its time. The writer does it itself
// when the log has grown to walPages all the same. A failure is one of the disk.
func (s *Store) backfill() {
	defer close(s.emptied)
	ctx := context.Background() // it outlives each caller
	for {
		select {
		case <-s.done:
			return
		case <-s.filled:
			if _, err := s.copies.ExecContext(ctx, "PRAGMA wal_checkpoint(PASSIVE)"); err != nil {
				_ = s.failed(err)
			}
		}
	}
}

// commit runs a group as one transaction and tells each caller how it went.
func (s *Store) commit(tx *writeTx, group []*job, errs []error) {
	if e := s.broken.Load(); e != nil {
		tell(group, nil, e)
		return
	}
	if _, err := tx.Exec("BEGIN IMMEDIATE"); err != nil {
		tell(group, nil, s.failed(err))
		return
	}
	for i, j := range group {
		if errs[i] = j.ctx.Err(); errs[i] != nil {
			continue
		}
		var fatal error
		if errs[i], fatal = s.run(tx, j); fatal != nil {
			_, _ = tx.Exec("ROLLBACK") // gone already, as a rule
			tell(group, nil, s.failed(fatal))
			return
		}
	}
	early := ackEarly && s.groups.Add(1) > startGroups
	if early {
		tell(group, errs, nil)
		lag()
	}
	if _, err := tx.Exec("COMMIT"); err != nil {
		_, _ = tx.Exec("ROLLBACK") // gone already, as a rule
		e := s.failed(err)
		if !early {
			tell(group, nil, e)
		}
		return
	}
	if !early {
		tell(group, errs, nil)
	}
}

// run runs one caller in a savepoint. fatal says that the whole transaction is
// lost: the disk is full or failing.
func (*Store) run(tx *writeTx, j *job) (err, fatal error) {
	if _, err := tx.Exec("SAVEPOINT caller"); err != nil {
		return nil, err
	}
	err = guarded(j.f, tx)
	if err == nil {
		_, fatal = tx.Exec("RELEASE caller")
		return nil, fatal
	}
	if storage(err) {
		return nil, err
	}
	if _, fatal := tx.Exec("ROLLBACK TO caller"); fatal != nil {
		return nil, fatal
	}
	_, fatal = tx.Exec("RELEASE caller")
	return err, fatal
}

// guarded turns a panic of f into its error.
func guarded(f func(hansa.Tx) error, tx hansa.Tx) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("internal error: a change panicked: %v\n%s", v, debug.Stack())
		}
	}()
	return f(tx)
}

// tell answers each caller: its own error, or for all the same.
func tell(group []*job, errs []error, all error) {
	for i, j := range group {
		if errs == nil {
			j.done <- all
			continue
		}
		j.done <- explain(errs[i])
	}
}

// failed explains why a transaction was lost. What is not a full disk breaks the
// store: after a failed fsync nobody knows what is on disk, so it never
// acknowledges again until it is opened anew.
func (s *Store) failed(err error) error {
	e := explain(err)
	if hansa.Public(e).Code == hansa.CodeStorageFull {
		if s.full != nil {
			s.full()
		}
		return e
	}
	if storage(err) {
		s.broken.CompareAndSwap(nil, &hansa.Error{Kind: hansa.Internal, Code: hansa.CodeCorrupt, Message: "the disk failed; the node serves reads and takes no changes until it is restarted", Hint: "look at the disk, then restart the node", Err: err})
	}
	return e
}
