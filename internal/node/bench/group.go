package bench

import (
	"context"
	"database/sql"
	"errors"
)

// group is a database whose callers share transactions, with a savepoint each: the
// least that a durable answer costs.
type group struct {
	db    *sql.DB
	queue chan job
}

type job struct {
	f    func(*sql.Tx) error
	done chan error
}

// openGroup makes a database with its tables.
func openGroup(ctx context.Context, path string, tables ...string) (*group, error) {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_txlock=immediate")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	for _, t := range tables {
		if _, err := db.ExecContext(ctx, t); err != nil {
			return nil, errors.Join(err, db.Close())
		}
	}
	g := &group{db: db, queue: make(chan job, 4096)}
	go g.write() //nolint:contextcheck // a group outlives each of its callers
	return g, nil
}

func (g *group) close() error {
	close(g.queue)
	return g.db.Close()
}

// do runs f in the group's transaction, and returns once that is durable.
func (g *group) do(f func(*sql.Tx) error) error {
	j := job{f, make(chan error, 1)}
	g.queue <- j
	return <-j.done
}

func (g *group) write() {
	for j := range g.queue {
		list := []job{j}
	more:
		for len(list) < 512 {
			select {
			case k, ok := <-g.queue:
				if !ok {
					break more
				}
				list = append(list, k)
			default:
				break more
			}
		}
		err := g.commit(list)
		for _, one := range list {
			one.done <- err
		}
	}
}

func (g *group) commit(list []job) error {
	tx, err := g.db.BeginTx(context.Background(), nil)
	if err != nil {
		return err
	}
	for _, one := range list {
		if _, err := tx.Exec("SAVEPOINT a"); err != nil { //nolint:noctx // the group outlives its callers
			return errors.Join(err, tx.Rollback())
		}
		if err := one.f(tx); err != nil {
			return errors.Join(err, tx.Rollback())
		}
		if _, err := tx.Exec("RELEASE a"); err != nil { //nolint:noctx // the group outlives its callers
			return errors.Join(err, tx.Rollback())
		}
	}
	return tx.Commit()
}
