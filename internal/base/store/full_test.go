//go:build linux

package store_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/store"
)

// TestDiskFull fills a small disk to different levels: writes are refused as such,
// reads go on, nothing acknowledged is lost, and writing goes on without a restart
// once there is space.
func TestDiskFull(t *testing.T) {
	refused := 0
	for level := range 8 {
		dir := filepath.Join(t.TempDir(), "disk")
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=6m"); err != nil {
			t.Skipf("a small disk cannot be mounted here: %v", err)
		}
		t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
		refused += fill(t, dir, (level+1)*500<<10)
	}
	if refused < 8 {
		t.Errorf("%d refusals at 8 levels: the disk was hardly full", refused)
	}
}

// fill writes until the disk is full, frees ballast, and writes again.
func fill(t *testing.T, dir string, ballast int) (refused int) {
	t.Helper()
	s, err := store.Open(t.Context(), filepath.Join(dir, "hansa.db"), store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Migrate(t.Context(), []hansa.Migration{{Room: "test", Number: 1, Statements: []string{`CREATE TABLE thing (id TEXT NOT NULL PRIMARY KEY, n INTEGER NOT NULL, body TEXT)`}}}); err != nil {
		t.Fatal(err)
	}
	filler := filepath.Join(dir, "ballast")
	if err := os.WriteFile(filler, make([]byte, ballast), 0o600); err != nil {
		t.Fatal(err)
	}
	body := strings.Repeat("x", 3000)
	acked := 0
	write := func(i int) error {
		err := s.Write(t.Context(), func(tx hansa.Tx) error {
			_, err := tx.Exec(`INSERT INTO thing VALUES (?, ?, ?)`, fmt.Sprint(i), i, body)
			return err
		})
		if err == nil {
			acked++
		}
		return err
	}
	for i := 0; i < 10_000 && refused < 20; i++ {
		if err := write(i); err != nil {
			if hansa.Status(err) != 507 || hansa.Public(err).Hint == "" {
				t.Fatalf("a full disk is told as %d %v, want 507 with the mend", hansa.Status(err), err)
			}
			refused++
		}
	}
	if got := things(t, s); got != acked {
		t.Errorf("ballast %d: %d things while full, want the %d acknowledged", ballast, got, acked)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if err := write(100_000); err != nil {
		t.Errorf("ballast %d: there is space again, and still: %v", ballast, err)
	}
	if got := things(t, s); got != acked {
		t.Errorf("ballast %d: %d things afterwards, want %d", ballast, got, acked)
	}
	return refused
}
