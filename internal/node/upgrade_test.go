package node

import (
	"compress/gzip"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/journal"
	"github.com/hansa-exchange/hansa/internal/base/store"
)

// earlier unpacks the data folder that an earlier build left.
func earlier(t *testing.T, from string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, "node.key"), filepath.Join(dir, "data", "node.key")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "data", "node.key"), 0o600); err != nil {
		t.Fatal(err)
	}
	in, err := os.Open(filepath.Join(dir, "hansa.db.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	plain, err := gzip.NewReader(in)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(plain)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "data", databaseName), b, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestUpgrade opens the data folder of every earlier build: it is backed up and
// migrated, what was proved then is proved now in the same journal, and the copy
// that was made before still is what the earlier build wrote.
func TestUpgrade(t *testing.T) {
	folders, err := filepath.Glob("../../testdata/upgrade/*")
	if err != nil || len(folders) == 0 {
		t.Fatalf("there is no earlier data folder (%v)", err)
	}
	for _, from := range folders {
		t.Run(filepath.Base(from), func(t *testing.T) {
			dir := earlier(t, from)
			f, err := ReadFile(filepath.Join(dir, "hansa.toml"))
			if err != nil {
				t.Fatal(err)
			}
			n, err := Serve(t.Context(), f, "test", slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			defer n.Close()
			copies, err := filepath.Glob(filepath.Join(dir, "data", "before-upgrade-*.db"))
			newest := from == folders[len(folders)-1] // whose tables may be those of today
			if err != nil || len(copies) != 1 && (!newest || len(copies) != 0) {
				t.Errorf("the copies made before the upgrade are %v (%v), want one", copies, err)
			}
			if err := n.db.Check(t.Context()); err != nil {
				t.Error(err)
			}
			proven(t, n, filepath.Join(dir, "proof.json"))
		})
	}
}

// proven asks for a proof that was given before the upgrade, and checks it against
// the checkpoint of that time.
func proven(t *testing.T, n *Node, old string) {
	t.Helper()
	b, err := os.ReadFile(old)
	if err != nil {
		t.Fatal(err)
	}
	var was struct {
		Key        string `json:"key"`
		Checkpoint string `json:"checkpoint"`
		Facts      []struct {
			Doc string `json:"doc"`
		} `json:"facts"`
	}
	if err := json.Unmarshal(b, &was); err != nil {
		t.Fatal(err)
	}
	var fact struct {
		Record string `json:"record"`
	}
	if err := json.Unmarshal([]byte(was.Facts[0].Doc), &fact); err != nil {
		t.Fatal(err)
	}
	by := hansa.Actor{Party: n.own, Rights: []hansa.Right{hansa.RightAdmin}}
	now, err := proofs{n}.Proof(t.Context(), by, "closures", fact.Record, []byte(was.Checkpoint))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := journal.Verify(now, journal.Trust{Keys: []string{was.Key}}); err != nil {
		t.Errorf("the proof after the upgrade: %v", err)
	}
	for _, f := range was.Facts[:4] {
		quoted, err := json.Marshal(f.Doc)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(now), string(quoted)) {
			t.Errorf("the proof after the upgrade lacks the fact %s", f.Doc)
		}
	}
}

// TestUpgradeInSteps stops after each migration, as a kill would, and goes on.
func TestUpgradeInSteps(t *testing.T) {
	all := migrations()
	for k := range all {
		if testing.Short() && k%9 != 4 {
			continue
		}
		dir := earlier(t, "../../testdata/upgrade/1")
		name := filepath.Join(dir, "data", databaseName)
		s, err := store.Open(t.Context(), name, store.Config{})
		if err != nil {
			t.Fatal(err)
		}
		missing, done, err := s.Behind(t.Context(), all)
		if err != nil || missing == 0 || done == 0 {
			t.Fatalf("%d migrations are missing and %d done (%v), want some of both", missing, done, err)
		}
		if err := s.Migrate(t.Context(), known(all[:k+1], all)); err != nil && hansa.KindOf(err) != hansa.Conflict {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		n, err := Open(t.Context(), Config{Data: filepath.Join(dir, "data"), Origin: "city.example", Version: "test", Own: "did:web:city.example:parties:city", Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatalf("after %d migrations: %v", k+1, err)
		}
		if missing, _, err := n.db.Behind(t.Context(), all); err != nil || missing != 0 {
			t.Errorf("after %d migrations %d are missing still (%v)", k+1, missing, err)
		}
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// known is part, and of the rest those that the earlier build had.
func known(part, all []hansa.Migration) []hansa.Migration {
	out := append([]hansa.Migration(nil), part...)
	for _, m := range all[len(part):] {
		if m.Number == 1 {
			out = append(out, m)
		}
	}
	return out
}

// TestNewerIsRefused: a database that a later build wrote is refused by name.
func TestNewerIsRefused(t *testing.T) {
	dir := t.TempDir()
	cfg := Config{Data: dir, Origin: "city.example", Version: "test", Own: "did:web:city.example", Log: slog.New(slog.DiscardHandler)}
	n, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	err = n.db.Write(t.Context(), func(tx hansa.Tx) error {
		_, err := tx.Exec(`INSERT INTO store_migration (room, number) VALUES ('stream', 99)`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err = Open(t.Context(), cfg); err == nil {
		n.Close()
		t.Fatal("the database of a later build was opened")
	}
	if hansa.KindOf(err) != hansa.Conflict || !strings.Contains(err.Error(), "migration 99 of stream") {
		t.Errorf("the refusal is %v, want one that names the migration", err)
	}
}
