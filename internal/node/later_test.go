package node

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/store"
)

// TestLater: after a way back to a backup, what came later is named, and can be
// published again; what was erased is said and not brought back.
func TestLater(t *testing.T) {
	w := newTown(t)
	publish := func(w *town, body string) {
		t.Helper()
		if code, answer := w.ask(t, http.MethodPost, "/data/v1/datasets/closures/records", "Bearer "+w.give, "application/x-ndjson", body); code != http.StatusOK || !strings.Contains(answer, `"refused":0`) {
			t.Fatalf("publish: %d %s", code, answer)
		}
	}
	record := func(id string) string { return strings.Replace(goodRecord, `"id":"a"`, `"id":"`+id+`"`, 1) + "\n" }
	publish(w, record("one")+record("two"))
	backup := filepath.Join(t.TempDir(), "backup.db")
	if err := w.db.Backup(t.Context(), backup); err != nil {
		t.Fatal(err)
	}
	if list, err := Later(t.Context(), backup, w.cfg.Data, nil); err != nil || len(list) != 0 {
		t.Errorf("before anything came: %v, %v", list, err)
	}
	publish(w, record("three")+record("gone")+record("four"))
	if err := w.seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := (operator{w.Node}).Erase(t.Context(), hansa.Actor{Party: "did:web:city", Rights: []hansa.Right{hansa.RightAdmin}}, "closures", "gone", "clause:9"); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var lines bytes.Buffer
	list, err := Later(t.Context(), backup, w.cfg.Data, func(_ hansa.DatasetID, line []byte) error {
		_, err := fmt.Fprintf(&lines, "%s\n", line)
		return err
	})
	if err != nil || len(list) != 1 || list[0].Records != 3 || list[0].Erased != 1 || list[0].First != "three" || list[0].Last != "four" {
		t.Fatalf("later: %+v, %v", list, err)
	}
	dir := t.TempDir()
	if err := store.Restore(t.Context(), backup, filepath.Join(dir, databaseName), w.wall()); err != nil {
		t.Fatal(err)
	}
	if err := copyKey(w.cfg.Data, dir); err != nil {
		t.Fatal(err)
	}
	n, err := Open(t.Context(), Config{Data: dir, Origin: "town.example", Version: "test", Own: "did:web:city", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	by := hansa.Actor{Party: "did:web:city", Rights: []hansa.Right{hansa.RightPublish, hansa.RightControl}}
	answers, err := serving{n}.Publish(t.Context(), by, "closures", "application/x-ndjson", &lines)
	if err != nil || len(answers) != 2 {
		t.Fatalf("publish again: %+v, %v", answers, err)
	}
	all, err := n.desk.Closures(t.Context(), by, false)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for i := range all {
		ids = append(ids, all[i].ID)
	}
	slices.Sort(ids)
	if !slices.Equal(ids, []string{"four", "one", "three", "two"}) {
		t.Errorf("after the way back and forth: %v", ids)
	}
}

func copyKey(from, to string) error {
	b, err := os.ReadFile(filepath.Join(from, "node.key"))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(to, "node.key"), b, 0o600)
}
