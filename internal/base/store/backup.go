package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/hansa-exchange/hansa"
)

// Backup writes a whole and consistent copy of the database to path while others
// read and write. It is complete and durable under that name or not there.
func (s *Store) Backup(ctx context.Context, path string) error {
	if _, err := os.Stat(path); err == nil {
		return hansa.Errorf(hansa.Conflict, "there is a file at %s already", path).WithHint("name a new file")
	}
	tmp := path + ".part"
	_ = os.Remove(tmp) // left by a backup that was killed
	// A connection of its own: the readers' may write nothing, not even elsewhere.
	db, err := sql.Open("sqlite", dsn(s.path, 4096))
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, `VACUUM INTO ?`, tmp)
	if err := errors.Join(err, db.Close()); err != nil {
		_ = os.Remove(tmp)
		return explain(err)
	}
	if err := settle(tmp, path); err != nil {
		_ = os.Remove(tmp)
		return err
	}
	return nil
}

// settle makes a written file durable under its name.
func settle(tmp, path string) error {
	f, err := os.OpenFile(tmp, os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Chmod(0o600), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// Restore makes a database at target of a backup, after it has been found sound,
// and begins a new epoch in it. target must not exist. What the node then signs of
// the restore is the node's to do, before it serves.
func Restore(ctx context.Context, backup, target string, now time.Time) (err error) {
	if target, err = filepath.Abs(target); err != nil {
		return err
	}
	if _, err := os.Stat(target); err == nil {
		return hansa.Errorf(hansa.Conflict, "there is a database at %s already", target).WithHint("name a new data folder")
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
		return err
	}
	tmp := target + ".part"
	_ = os.Remove(tmp) // left by a restore that was killed
	defer func() {
		if err != nil {
			_ = os.Remove(tmp)
		}
	}()
	if err := copyFile(backup, tmp); err != nil {
		return err
	}
	if err := renew(ctx, tmp, now); err != nil {
		return explain(err)
	}
	return settle(tmp, target)
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return hansa.Errorf(hansa.NotFound, "there is no backup at %s: %w", from, err)
	}
	defer in.Close() //nolint:errcheck // only read
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Sync(), out.Close())
}

// renew checks the copy and begins its new epoch.
func renew(ctx context.Context, path string, now time.Time) error {
	db, err := sql.Open("sqlite", dsn(path, 4096, "journal_mode(DELETE)", "synchronous(FULL)"))
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	var says string
	err = db.QueryRowContext(ctx, `PRAGMA integrity_check(1)`).Scan(&says)
	if err == nil && says != "ok" {
		err = &hansa.Error{Kind: hansa.Invalid, Code: hansa.CodeCorrupt, Message: "the backup is damaged: " + says, Hint: "use an earlier backup"}
	}
	if err == nil {
		_, err = db.ExecContext(ctx, `INSERT INTO store_epoch (number, id, began) SELECT max(number) + 1, ?, ? FROM store_epoch`, hansa.NewID(now), unix(now))
		if err != nil {
			err = fmt.Errorf("this is no backup of a node: %w", err)
		}
	}
	return errors.Join(err, db.Close())
}
