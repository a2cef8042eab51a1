package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
)

// direct runs the writer's changes on its connection itself: database/sql, made for a
// pool, takes and gives it back for each. One goroutine uses it.
type direct struct {
	conn *sql.Conn
	kept map[string]driver.StmtExecContext
	args []driver.NamedValue // of the statement that runs
}

// exec runs a change; known is false when it is to be run otherwise: no more statements
// are kept.
func (d *direct) exec(ctx context.Context, query string, args []any) (res sql.Result, known bool, err error) {
	st := d.kept[query]
	if st == nil && len(d.kept) >= statementsMax {
		return nil, false, nil
	}
	d.args = d.args[:0]
	for i, a := range args {
		v, err := driver.DefaultParameterConverter.ConvertValue(a)
		if err != nil {
			return nil, true, fmt.Errorf("argument %d of a statement: %w", i+1, err)
		}
		d.args = append(d.args, driver.NamedValue{Ordinal: i + 1, Value: v})
	}
	err = d.conn.Raw(func(c any) (err error) {
		if st == nil {
			if st, err = d.prepare(ctx, c, query); err != nil {
				return err
			}
		}
		res, err = st.ExecContext(ctx, d.args)
		return err
	})
	clear(d.args) // what it held is not kept
	return res, true, err
}

// prepare makes a statement on the connection c and keeps it.
func (d *direct) prepare(ctx context.Context, c any, query string) (driver.StmtExecContext, error) {
	conn, ok := c.(driver.ConnPrepareContext)
	if !ok {
		return nil, fmt.Errorf("internal error: %T prepares no statements", c)
	}
	made, err := conn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	st, ok := made.(driver.StmtExecContext)
	if !ok {
		return nil, fmt.Errorf("internal error: %T runs no changes", made)
	}
	d.kept[query] = st
	return st, nil
}

// close closes the statements.
func (d *direct) close() {
	_ = d.conn.Raw(func(any) error { // the connection goes with them
		for _, st := range d.kept {
			if c, ok := st.(driver.Stmt); ok {
				_ = c.Close()
			}
		}
		return nil
	})
	clear(d.kept)
}
