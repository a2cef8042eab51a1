package transfer

import (
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/protocol"
)

// Book keeps the transfers of a node's parties, and the tokens that open them.
type Book struct {
	*protocol.Shelf[Transfer, *Transfer]
}

// NewBook returns the book of a database that has [Migrations].
func NewBook() Book { return Book{protocol.NewShelf[Transfer]("transfer")} }

// Migrations returns the room's tables.
func Migrations() []hansa.Migration {
	return []hansa.Migration{protocol.Migration("transfer", "transfer"), {Room: "transfer", Number: 2, Statements: []string{
		`CREATE TABLE transfer_token (hash BYTEA NOT NULL PRIMARY KEY, process TEXT NOT NULL, renews INTEGER NOT NULL, expires BIGINT NOT NULL)`,
		`CREATE INDEX transfer_token_process ON transfer_token (process)`,
		`CREATE TABLE transfer_secret (process TEXT NOT NULL PRIMARY KEY, sealed BYTEA NOT NULL)`,
		`CREATE TABLE transfer_cursor (process TEXT NOT NULL PRIMARY KEY, cursor TEXT NOT NULL)`,
	}}, protocol.MigrationOpen("transfer", "transfer", 3)}
}

// Token is a short-lived secret that opens one transfer's data, or, when Renews,
// gets the next such secret. Only its hash is kept.
type Token struct {
	Hash    [32]byte
	Process string
	Renews  bool
	Expires time.Time
}

// SaveToken keeps a token.
func (Book) SaveToken(tx hansa.Tx, t Token) error {
	renews := 0
	if t.Renews {
		renews = 1
	}
	_, err := tx.Exec(`INSERT INTO transfer_token (hash, process, renews, expires) VALUES (?, ?, ?, ?)`, t.Hash[:], t.Process, renews, t.Expires.UnixMicro())
	return err
}

// Revoke ends the tokens of a process, at once.
func (Book) Revoke(tx hansa.Tx, process string) error {
	_, err := tx.Exec(`DELETE FROM transfer_token WHERE process = ?`, process)
	return err
}

// RevokeBut ends the tokens of a process but one, which is good for so long at most.
func (Book) RevokeBut(tx hansa.Tx, process string, but [32]byte, until time.Time) error {
	_, err := tx.Exec(`DELETE FROM transfer_token WHERE process = ? AND hash <> ?`, process, but[:])
	if err == nil {
		_, err = tx.Exec(`UPDATE transfer_token SET expires = ? WHERE hash = ? AND expires > ?`, until.UnixMicro(), but[:], until.UnixMicro())
	}
	return err
}

// Good reports whether a token is kept and has not expired.
func (Book) Good(tx hansa.Tx, hash [32]byte, now time.Time) (bool, error) {
	var n int
	err := tx.QueryRow(`SELECT COUNT(*) FROM transfer_token WHERE hash = ? AND expires > ?`, hash[:], now.UnixMicro()).Scan(&n)
	return n > 0, err
}

// RevokeAll ends every token: after a restore.
func RevokeAll(tx hansa.Tx) error {
	_, err := tx.Exec(`DELETE FROM transfer_token`)
	return err
}

// Tokens lists those that have not expired, and forgets the others.
func (Book) Tokens(tx hansa.Tx, now time.Time) ([]Token, error) {
	rows, err := tx.Query(`SELECT hash, process, renews, expires FROM transfer_token WHERE expires > ?`, now.UnixMicro())
	if err != nil {
		return nil, fmt.Errorf("read tokens: %w", err)
	}
	defer func() { _ = rows.Close() }() // rows.Err says what went wrong
	var out []Token
	for rows.Next() {
		var t Token
		var hash []byte
		var renews int
		var expires int64
		if err := rows.Scan(&hash, &t.Process, &renews, &expires); err != nil {
			return nil, fmt.Errorf("read tokens: %w", err)
		}
		if len(hash) != len(t.Hash) {
			continue // damaged: it opens nothing
		}
		t.Hash, t.Renews, t.Expires = [32]byte(hash), renews != 0, time.UnixMicro(expires)
		out = append(out, t)
	}
	return out, rows.Err()
}

// Expire forgets tokens that have expired.
func (Book) Expire(tx hansa.Tx, now time.Time) error {
	_, err := tx.Exec(`DELETE FROM transfer_token WHERE expires <= ?`, now.UnixMicro())
	return err
}

// Hide keeps a sealed secret of a process: by what it fetches, or pushes.
func (Book) Hide(tx hansa.Tx, process string, sealed []byte) error {
	_, err := tx.Exec(`INSERT INTO transfer_secret (process, sealed) VALUES (?, ?) ON CONFLICT (process) DO UPDATE SET sealed = excluded.sealed`, process, sealed)
	return err
}

// Hidden returns the sealed secret of a process, nil when there is none.
func (Book) Hidden(tx hansa.Tx, process string) ([]byte, error) {
	var b []byte
	err := tx.QueryRow(`SELECT sealed FROM transfer_secret WHERE process = ?`, process).Scan(&b)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return b, err
}

// Forget drops the secret of a process that has ended.
func (Book) Forget(tx hansa.Tx, process string) error {
	_, err := tx.Exec(`DELETE FROM transfer_secret WHERE process = ?`, process)
	return err
}

// Prune forgets transfers that ended before a time, at most so many, and up to where
// they came.
func (b Book) Prune(tx hansa.Tx, before time.Time, most int) (int64, error) {
	n, err := b.Shelf.Prune(tx, before, most)
	for _, table := range []string{"transfer_cursor", "transfer_secret", "transfer_token"} {
		if err == nil && n > 0 {
			_, err = tx.Exec(`DELETE FROM ` + table + ` WHERE process NOT IN (SELECT id FROM transfer)`)
		}
	}
	return n, err
}

// Reached notes up to where a process has fetched or pushed.
func (Book) Reached(tx hansa.Tx, process string, at hansa.Cursor) error {
	_, err := tx.Exec(`INSERT INTO transfer_cursor (process, cursor) VALUES (?, ?) ON CONFLICT (process) DO UPDATE SET cursor = excluded.cursor`, process, string(at))
	return err
}

// Cursor is up to where a process has fetched or pushed; empty at its begin.
func (Book) Cursor(tx hansa.Tx, process string) (at hansa.Cursor, err error) {
	err = tx.QueryRow(`SELECT cursor FROM transfer_cursor WHERE process = ?`, process).Scan(&at)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return at, err
}
