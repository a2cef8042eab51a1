package main_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// faulted are the calls of the operating system that are made to fail.
var faulted = []string{"pwrite64", "fsync", "fdatasync", "ftruncate", "openat", "renameat2,renameat,rename", "unlinkat,unlink", "write", "close"}

// faults is in how many runs a call is made to fail.
func faults(t *testing.T) int {
	t.Helper()
	if n, err := strconv.Atoi(os.Getenv("HANSA_FAULTS")); err == nil && n > 0 {
		return n
	}
	return 3
}

// TestFaults makes one call of the operating system fail, or kills the process in
// it, in a node that does a scripted piece of work; then it starts the node again
// and wants every acknowledged record there, once and in order. After a failed
// sync of the database nothing may be acknowledged any more. It takes calls, places
// and faults at random; a run counts when the fault was really met.
func TestFaults(t *testing.T) {
	needStrace(t)
	w := newProcess(t)
	plain, met, acked, hits := w.dir, map[string]int{}, 0, 0
	for tries := 0; hits < faults(t) || acked == 0; tries++ { // a fault at the start leaves nothing to acknowledge
		if tries > 6*faults(t)+20 {
			t.Fatalf("%d of %d faults were met in %d runs, %d records acknowledged: the run does not count", hits, faults(t), tries, acked)
		}
		call := faulted[rand.IntN(len(faulted))]
		fault := []string{"error=EIO", "error=ENOSPC", "signal=SIGKILL"}[rand.IntN(3)]
		w.fresh(t, plain, strconv.Itoa(tries))
		if tries%2 == 1 { // every other node has its tables already: the fault meets its work
			w.start(t)()
		}
		hit := w.script(t, call, fault, 1+rand.IntN(12), 20)
		acked += len(w.acked[0])
		if bad := w.check(t); len(bad) > 0 {
			t.Fatalf("%s with %s after %d acknowledged records: %s", call, fault, len(w.acked[0]), strings.Join(bad, "; "))
		}
		if err := os.RemoveAll(w.dir); err != nil {
			t.Fatal(err)
		}
		if hit {
			met[strings.Split(call, ",")[0]+" "+fault]++
			hits++
		}
	}
	t.Logf("%d faults met, of %d kinds, %d acknowledged records, 0 lost, 0 doubled", hits, len(met), acked)
}

// TestFaultsControl kills a build that acknowledges before the commit in the very
// call by which a commit is written, and wants the loss to be noticed.
func TestFaultsControl(t *testing.T) {
	needStrace(t)
	w := newProcess(t, "-tags", "ackearly")
	plain, counted := w.dir, 0
	for i := range 40 {
		w.fresh(t, plain, strconv.Itoa(i))
		w.start(t)() // its tables are made here: the kill comes while it works
		w.script(t, "pwrite64", "signal=SIGKILL", 150+rand.IntN(400), 500)
		if len(w.acked[0]) > 0 {
			counted++
		}
		if bad := w.check(t); len(bad) > 0 {
			t.Logf("noticed after %d kills, %d acknowledged: %s", i+1, len(w.acked[0]), bad[0])
			return
		}
	}
	t.Errorf("a build that acknowledges before the commit lost nothing in %d kills after an acknowledgement: the test would not notice a loss", counted)
}

func needStrace(t *testing.T) {
	t.Helper()
	if testing.Short() && os.Getenv("HANSA_FAULTS") == "" {
		t.Skip("starts a process again and again; not in a short run")
	}
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skip("this machine lacks strace")
	}
	if out, err := exec.CommandContext(t.Context(), "strace", "-qq", "-o", os.DevNull, "-e", "inject=getppid:error=EPERM", "true").CombinedOutput(); err != nil {
		t.Skipf("strace may not trace here: %s", out)
	}
}

// fresh gives the node a folder of its own.
func (w *process) fresh(t *testing.T, plain, name string) {
	t.Helper()
	w.dir, w.acked, w.next, w.key = filepath.Join(plain, name), map[int][]string{}, map[int]int{}, nil
	if err := copyFiles(plain, w.dir, "hansa.toml", "give", "take"); err != nil {
		t.Fatal(err)
	}
}

// script starts the node under strace, publishes records one after another, and
// stops it. It reports whether the fault was met.
func (w *process) script(t *testing.T, calls, fault string, when, records int) bool {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	trace := filepath.Join(w.dir, "trace")
	cmd := exec.CommandContext(ctx, "strace", "-f", "-qq", "-y", "-o", trace, "-e", "trace="+calls, "-e", "inject="+calls+":"+fault+":when="+strconv.Itoa(when),
		"--", w.bin, "serve", "--config", filepath.Join(w.dir, "hansa.toml"), "--log", "error")
	cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+w.dir)
	var says bytes.Buffer
	cmd.Stdout, cmd.Stderr = &says, &says
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }() // how it ended is part of the fault
	up := false
	for !up {
		select {
		case <-ended:
			return hitIn(trace)
		case <-ctx.Done():
			t.Fatalf("the node neither came up nor ended: %s", says.String())
		case <-time.After(10 * time.Millisecond):
			res, err := http.Get(w.url + "/healthz")
			if up = err == nil; up {
				_ = res.Body.Close()
			}
		}
	}
	broken := ""
	for i := range records {
		id := fmt.Sprintf("f%d", i)
		status, _ := w.post(t, id)
		if status == http.StatusOK {
			w.acked[0] = append(w.acked[0], id)
			if broken != "" {
				t.Fatalf("%s was acknowledged after a sync of the database had failed: %s", id, broken)
			}
		}
		if broken == "" {
			broken = syncFailed(trace)
		}
	}
	hit := hitIn(trace)
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // strace and what it traces
	<-ended
	return hit
}

// hitIn reports whether a fault was injected.
func hitIn(trace string) bool {
	b, err := os.ReadFile(trace)
	return err == nil && (bytes.Contains(b, []byte("(INJECTED)")) || bytes.Contains(b, []byte("killed by SIGKILL")))
}

// syncFailed returns the line in which a sync of the log failed: what a commit
// stands on. A sync of the database itself that fails in a checkpoint loses
// nothing: the log is there, and the checkpoint is made again.
func syncFailed(trace string) string {
	b, err := os.ReadFile(trace)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(b)) {
		if strings.Contains(line, "(INJECTED)") && strings.Contains(line, "sync(") && strings.Contains(line, "hansa.db-wal>") && strings.Contains(line, "EIO") {
			return strings.TrimSpace(line)
		}
	}
	return ""
}
