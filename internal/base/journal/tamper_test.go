package journal_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/journal"
)

func TestRestoreIsNotTampering(t *testing.T) {
	w := newWorld(t)
	w.seal(hansa.FactRecord, 3)
	backup, _ := w.log.Checkpoint(t.Context())
	restored := &world{TB: t, db: openDB(t), now: w.now, skey: w.skey, vkey: w.vkey}
	restored.log = restored.open(restored.db)
	copyTables(t, w.db, restored.db)
	w.act("note", "lost by the restore")
	w.act("note", "lost by the restore as well")
	saved, _ := w.log.Checkpoint(t.Context())

	restored.write(func(tx hansa.Tx) error { return restored.log.BeginEpoch(tx, "e2", backup, restored.now) })
	if err := restored.log.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	refs := restored.seal(hansa.FactRecord, 2)
	restored.act("note", "after")
	b := restored.bundle(refs, 3)
	r, err := journal.Verify(b, w.trust())
	if err != nil || len(r.Restores) != 1 || r.Restores[0].Size != 1 || r.Restores[0].Epoch != "e2" {
		t.Fatalf("got %v, %+v", err, r.Restores)
	}
	kept := w.trust()
	kept.Checkpoint = saved
	if _, err := journal.Verify(b, kept); err == nil || !strings.Contains(err.Error(), "declares") || !strings.Contains(err.Error(), "restored from 1 entries") {
		t.Errorf("got %v, want the restore to be named", err)
	}
	err = restored.db.Write(t.Context(), func(tx hansa.Tx) error {
		stranger := newWorld(t)
		foreign, _ := stranger.log.Checkpoint(t.Context())
		return restored.log.BeginEpoch(tx, "e3", foreign, restored.now)
	})
	if err == nil || hansa.KindOf(err) != hansa.Invalid {
		t.Errorf("a foreign checkpoint: got %v, want Invalid", err)
	}
}

func copyTables(t *testing.T, from, to *plainDB) {
	t.Helper()
	for _, table := range []string{"journal_head", "journal_hashes", "journal_entries", "journal_batches", "journal_acts", "journal_erasures", "journal_checkpoints"} {
		for _, vals := range readAll(t, from, table) {
			if _, err := to.db.Exec(`INSERT INTO `+table+` VALUES (?`+strings.Repeat(",?", len(vals)-1)+`)`, vals...); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func readAll(t *testing.T, db *plainDB, table string) (all [][]any) {
	t.Helper()
	rows, err := db.db.Query(`SELECT * FROM ` + table)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	cols, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		vals, ptrs := make([]any, len(cols)), make([]any, len(cols))
		for i := range vals {
			ptrs[i] = &vals[i]
		}
		if err := rows.Scan(ptrs...); err != nil {
			t.Fatal(err)
		}
		all = append(all, vals)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestTamperedTables(t *testing.T) {
	build := func(t *testing.T) *world {
		w := newWorld(t)
		w.story()
		w.seal(hansa.FactDelivery, 4)
		if _, err := w.log.Checkpoint(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.seal(hansa.FactDelivery, 4) // a tail after the checkpoint
		return w
	}
	for name, tc := range map[string]struct {
		query string
		start bool // noticed at start, or else by the walk
		says  string
	}{
		"a peak changed":            {`UPDATE journal_head SET peaks = zeroblob(length(peaks))`, true, "head"},
		"the head put back":         {`UPDATE journal_head SET size = size - 1`, true, "head"},
		"last entry deleted":        {`DELETE FROM journal_entries WHERE idx = (SELECT MAX(idx) FROM journal_entries)`, true, "last is entry"},
		"tail entry changed":        {`UPDATE journal_entries SET data = CAST(REPLACE(CAST(data AS TEXT), '"size":4', '"size":5') AS BLOB)`, true, "does not match its hash"},
		"covered hash changed":      {`UPDATE journal_hashes SET hash = zeroblob(32) WHERE idx = 6`, true, "root signed"},
		"checkpoint of another key": {`UPDATE journal_checkpoints SET note = CAST(REPLACE(CAST(note AS TEXT), 'city.example ', 'city.exampla ') AS BLOB)`, true, "checkpoint"},
		"an old entry changed":      {`UPDATE journal_entries SET data = CAST(REPLACE(CAST(data AS TEXT), '"kind":"note"', '"kind":"nota"') AS BLOB)`, false, "does not match its hash"},
		"an old leaf hash changed":  {`UPDATE journal_hashes SET hash = zeroblob(32) WHERE idx = 0`, false, "entry 0"},
		"an old time changed":       {`UPDATE journal_entries SET at = at + 1 WHERE idx = 1`, false, "entry 1"},
		"leaves changed":            {`UPDATE journal_batches SET leaves = zeroblob(length(leaves)) WHERE entry = 0`, false, "leaves of batch"},
		"leaves deleted":            {`DELETE FROM journal_batches WHERE entry = 0`, false, "missing"},
		"an act's doc changed":      {`UPDATE journal_acts SET doc = CAST('{}' AS BLOB) WHERE kind = 'key-registered'`, false, "commitment"},
		"an entry in the middle":    {`DELETE FROM journal_entries WHERE idx = 2`, false, "entry 2"},
	} {
		t.Run(name, func(t *testing.T) {
			w := build(t)
			if err := w.log.Recover(t.Context()); err != nil {
				t.Fatalf("before: %v", err)
			}
			w.write(func(tx hansa.Tx) error {
				res, err := tx.Exec(tc.query)
				if err == nil {
					if n, _ := res.RowsAffected(); n == 0 {
						return errors.New("nothing was tampered with")
					}
				}
				return err
			})
			err := w.log.Recover(t.Context())
			if !tc.start {
				if err != nil {
					t.Logf("noticed at start already: %v", err)
				}
				_, _, err = w.log.Walk(t.Context(), 0, 0)
			}
			if err == nil || hansa.Public(err).Code != hansa.CodeCorrupt || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("got %v, want it noticed as %q", err, tc.says)
			}
		})
	}
	t.Run("cut back to an older state", func(t *testing.T) {
		w := newWorld(t)
		w.seal(hansa.FactRecord, 2)
		old := &world{TB: t, db: openDB(t), now: w.now, skey: w.skey, vkey: w.vkey}
		copyTables(t, w.db, old.db)
		w.seal(hansa.FactRecord, 2)
		newer, _ := w.log.Checkpoint(t.Context())
		if _, err := old.db.db.Exec(`INSERT INTO journal_checkpoints (size, at, note) VALUES (2, 0, ?)`, newer); err != nil {
			t.Fatal(err)
		}
		old.log = old.open(old.db)
		if err := old.log.Recover(t.Context()); err == nil || !strings.Contains(err.Error(), "older copy") {
			t.Errorf("got %v, want the older copy to be named", err)
		}
	})
}

func TestWalkIsPaced(t *testing.T) {
	w := newWorld(t)
	for i := range 23 {
		w.act("note", fmt.Sprint(i))
	}
	at, steps := int64(0), 0
	for {
		next, size, err := w.log.Walk(t.Context(), at, 5)
		if err != nil {
			t.Fatal(err)
		}
		if steps++; next == size {
			break
		}
		at = next
	}
	if steps != 5 {
		t.Errorf("got %d steps, want 5", steps)
	}
}
