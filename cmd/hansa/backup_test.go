package main_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"filippo.io/age"
)

// TestBackupDrill takes an encrypted backup while eight clients write, and restores
// it elsewhere: every record that was acknowledged before the backup began is there,
// once and in order, and proven by the key and checkpoint of before; without its
// identity the backup does not open.
func TestBackupDrill(t *testing.T) {
	w := newProcess(t)
	run := func(args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), w.bin, args...)
		cmd.Dir, cmd.Env = w.dir, append(os.Environ(), "XDG_RUNTIME_DIR="+w.dir)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	kill := w.start(t)
	w.key, w.checkpoint = w.get(t, "/journal/key"), w.get(t, "/journal/checkpoint")
	ctx, stop := context.WithCancel(t.Context())
	var mu sync.Mutex // guards acked while the clients write
	var wg sync.WaitGroup
	var total atomic.Int64
	for c := range 8 {
		wg.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for i := 0; ctx.Err() == nil; i++ {
				id := fmt.Sprintf("c%d-%d", c, i)
				if w.publish(ctx, client, id) {
					mu.Lock()
					w.acked[c] = append(w.acked[c], id)
					mu.Unlock()
					total.Add(1)
				}
			}
		})
	}
	for total.Load() < 800 {
		time.Sleep(5 * time.Millisecond)
	}
	mu.Lock()
	before := maps.Clone(w.acked)
	for c := range before {
		before[c] = slices.Clone(before[c])
	}
	mu.Unlock()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(w.dir, "key.txt"), []byte(identity.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := run("backup", "drill.age", "--encrypt-to", identity.Recipient().String(), "--node", "unix:"+filepath.Join(w.dir, "data", "hansa.sock"))
	stop()
	wg.Wait()
	kill()
	if err != nil {
		t.Fatalf("backup: %v %s", err, out)
	}
	later := total.Load()
	if out, err := run("restore", "drill.age", "elsewhere/data"); err == nil || !strings.Contains(out, "--identity") {
		t.Errorf("without its identity the backup opens: %v %s", err, out)
	}
	if out, err := run("restore", "drill.age", "elsewhere/data", "--identity", "key.txt"); err != nil {
		t.Fatalf("restore: %v %s", err, out)
	}
	n := 0
	for _, ids := range before {
		n += len(ids)
	}
	w.acked = before
	moved(t, w)
	if bad := w.check(t); len(bad) > 0 {
		t.Errorf("of %d acknowledged before the backup: %s", n, strings.Join(bad[:min(3, len(bad))], "; "))
	}
	w.prove(t)
	t.Logf("%d acknowledged before the backup of %d in all, 0 lost, a sample of each client proven", n, later)
}

// moved lets w run where its backup was restored, with secrets of its own.
func moved(t *testing.T, w *process) {
	t.Helper()
	to := filepath.Join(w.dir, "elsewhere")
	w.give, w.take = strings.Repeat("giv2", 10), strings.Repeat("tak2", 10)
	conf, err := os.ReadFile(filepath.Join(w.dir, "hansa.toml"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(filepath.Join(w.dir, "data", "node.key"))
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string]string{"hansa.toml": string(conf), "data/node.key": string(key), "give": w.give, "take": w.take} {
		if err := os.WriteFile(filepath.Join(to, name), []byte(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.dir = to
}
