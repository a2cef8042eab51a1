package store

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"os"
	"path/filepath"

	"github.com/hansa-exchange/hansa"
)

// Peek reads a database that no node holds: a backup, or a data folder's after its
// node has ended, of whatever schema. It changes nothing. f may only query.
func Peek(ctx context.Context, path string, f func(hansa.Tx) error) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	if _, err := os.Stat(path); err != nil {
		return err
	}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: path, RawQuery: url.Values{"mode": {"ro"}, "_pragma": {"query_only(1)", "busy_timeout(10000)"}}.Encode()}).String())
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // only read
	db.SetMaxOpenConns(1)
	conn, err := db.Conn(ctx)
	if err != nil {
		return explain(err)
	}
	defer conn.Close() //nolint:errcheck // only read
	var tables int
	if err := conn.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_master WHERE name = 'store_migration'`).Scan(&tables); err != nil || tables == 0 {
		return errors.Join(hansa.Errorf(hansa.Invalid, "%s is no database of a node", path), err)
	}
	return explain(f(peekTx{ctx, conn}))
}

// peekTx is one connection that reads.
type peekTx struct {
	ctx  context.Context //nolint:containedctx // it lives within one call
	conn *sql.Conn
}

func (peekTx) Exec(string, ...any) (sql.Result, error) {
	return nil, errors.New("internal error: a look changes nothing")
}

func (t peekTx) Query(query string, args ...any) (*sql.Rows, error) {
	return t.conn.QueryContext(t.ctx, query, args...)
}

func (t peekTx) QueryRow(query string, args ...any) *sql.Row {
	return t.conn.QueryRowContext(t.ctx, query, args...)
}
