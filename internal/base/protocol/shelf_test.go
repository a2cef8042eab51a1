package protocol_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/protocol"
	"github.com/hansa-exchange/hansa/internal/base/store"
	"github.com/hansa-exchange/hansa/internal/controlplane/negotiation"
	"github.com/hansa-exchange/hansa/internal/controlplane/transfer"
)

// opened is a database with the tables of a room.
func opened(t *testing.T, tables []hansa.Migration) *store.Store {
	t.Helper()
	db, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "hansa.db"), store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := db.Migrate(t.Context(), tables); err != nil {
		t.Fatal(err)
	}
	return db
}

// TestRoom: who begins what never ends has its share of a party's processes, and
// leaves room for others; what has ended counts no more.
func TestRoom(t *testing.T) {
	db := opened(t, negotiation.Migrations())
	book := negotiation.NewBook()
	write := func(f func(tx hansa.Tx) error) error { return db.Write(t.Context(), f) }
	room := func(other hansa.PartyID) error {
		return write(func(tx hansa.Tx) error { return book.Room(tx, "own", other) })
	}
	err := write(func(tx hansa.Tx) error {
		_, err := tx.Exec(`WITH RECURSIVE k(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < ?)
			INSERT INTO negotiation (id, own, other, side, pid, state, turn, waits, ended, began, changed, doc, sum) SELECT 'n' || i, 'own', 'hog', 'provider', 'p' || i, 'REQUESTED', '', 0, 0, 0, 0, '', '' FROM k`, protocol.PeerMax-1)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := room("hog"); err != nil {
		t.Errorf("the last one: %v", err)
	}
	err = write(func(tx hansa.Tx) error {
		_, err := tx.Exec(`INSERT INTO negotiation (id, own, other, side, pid, state, turn, waits, ended, began, changed, doc, sum) VALUES ('last', 'own', 'hog', 'provider', 'last', 'REQUESTED', '', 0, 0, 0, 0, '', '')`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := room("hog"); hansa.KindOf(err) != hansa.Busy {
		t.Errorf("one more than may be: %v", err)
	}
	if err := room("other"); err != nil {
		t.Errorf("another participant: %v", err)
	}
	err = write(func(tx hansa.Tx) error {
		_, err := tx.Exec(`UPDATE negotiation SET ended = 1 WHERE id = 'last'`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := room("hog"); err != nil {
		t.Errorf("after one has ended: %v", err)
	}
}

// TestPruneLeavesNothing: with a transfer that is forgotten goes all that was kept of it.
func TestPruneLeavesNothing(t *testing.T) {
	db := opened(t, transfer.Migrations())
	book, long := transfer.NewBook(), time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	var left int
	err := db.Write(t.Context(), func(tx hansa.Tx) error {
		for _, id := range []string{"gone", "stays"} {
			one := &transfer.Transfer{ID: id, Side: hansa.Consumer, Own: "own", Other: "other", Began: long}
			if one.State = transfer.Started; id == "gone" {
				one.State = transfer.Terminated
			}
			err := errors.Join(book.Put(tx, one, long), book.Reached(tx, id, "c"), book.Hide(tx, id, []byte("s")), book.SaveToken(tx, transfer.Token{Hash: [32]byte{byte(len(id))}, Process: id, Expires: long.AddDate(100, 0, 0)}))
			if err != nil {
				return err
			}
		}
		if n, err := book.Prune(tx, long.AddDate(1, 0, 0), 10); err != nil || n != 1 {
			t.Errorf("%d were forgotten: %v", n, err)
		}
		return tx.QueryRow(`SELECT (SELECT COUNT(*) FROM transfer_cursor) + (SELECT COUNT(*) FROM transfer_secret) + (SELECT COUNT(*) FROM transfer_token)`).Scan(&left)
	})
	if err != nil || left != 3 {
		t.Errorf("%d rows are left, want those of the one that stays: %v", left, err)
	}
}

// TestPut: a process is found as it was put last by all that it is found by, though a
// change of it was undone between; and one whose row was changed by hand is refused.
func TestPut(t *testing.T) {
	db := opened(t, negotiation.Migrations())
	book, now := negotiation.NewBook(), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	n := &negotiation.Negotiation{ID: "n", Side: hansa.Consumer, Own: "own", Other: "other", Began: now}
	steps := []struct {
		state  negotiation.State
		pid    string
		undone bool
	}{
		{negotiation.Requested, "", false},
		{negotiation.Requested, "p", true},
		{negotiation.Agreed, "p", false},
		{negotiation.Finalized, "p", true},
		{negotiation.Terminated, "p", true},
		{negotiation.Verified, "p", false},
		{negotiation.Finalized, "p", false},
		{negotiation.Finalized, "q", false},
	}
	var kept negotiation.Negotiation
	for i, s := range steps {
		n.State, n.Pid = s.state, s.pid
		err := db.Write(t.Context(), func(tx hansa.Tx) error {
			if err := book.Put(tx, n, now); err != nil || !s.undone {
				return err
			}
			return errors.New("undone")
		})
		if (err != nil) != s.undone {
			t.Fatal(err)
		}
		if !s.undone {
			kept = *n
		}
		for _, b := range []negotiation.Book{book, negotiation.NewBook()} { // one that remembers, and one that does not
			if err := db.Read(t.Context(), func(tx hansa.Tx) error { return found(tx, b, &kept) }); err != nil {
				t.Errorf("step %d: %v", i, err)
			}
		}
	}
	err := db.Write(t.Context(), func(tx hansa.Tx) error {
		_, err := tx.Exec(`UPDATE negotiation SET state = 'REQUESTED'`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range []negotiation.Book{book, negotiation.NewBook()} {
		err := db.Read(t.Context(), func(tx hansa.Tx) error {
			_, err := b.Get(tx, "own", "n")
			return err
		})
		if err == nil || hansa.KindOf(err) != hansa.Internal {
			t.Errorf("a row that was changed by hand: %v", err)
		}
	}
}

// found is an error when a process is not found as it is.
func found(tx hansa.Tx, b negotiation.Book, n *negotiation.Negotiation) error {
	got, err := b.Get(tx, n.Own, n.ID)
	if err != nil {
		return err
	}
	_, err = b.ByPid(tx, n.Own, n.Other, n.Side, n.Pid)
	open, err2 := b.List(tx, protocol.Query{Own: n.Own, Open: true})
	_, stranger := b.Get(tx, "stranger", n.ID)
	if got.State != n.State || got.Pid != n.Pid || (err != nil) != (n.Pid == "") || err2 != nil || (len(open) == 0) != n.Ended() || hansa.KindOf(stranger) != hansa.NotFound {
		return fmt.Errorf("it is %s %q, by pid %w, open %d, a stranger's %w", got.State, got.Pid, err, len(open), stranger)
	}
	return nil
}
