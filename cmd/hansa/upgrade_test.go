package main_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// stops is at how many points an upgrade is killed.
func stops() int {
	if n, err := strconv.Atoi(os.Getenv("HANSA_STOPS")); err == nil && n > 0 {
		return n
	}
	return 4
}

// upgradeCalls are the calls by which an upgrade writes.
const upgradeCalls = "pwrite64,fsync,fdatasync,ftruncate,rename,renameat,unlink,unlinkat"

// TestUpgradeKilled kills the process in one of the calls by which it upgrades the
// data folder of an earlier build, again and again: the next start goes on, and shows
// what an upgrade that nobody disturbs shows.
func TestUpgradeKilled(t *testing.T) {
	if testing.Short() && os.Getenv("HANSA_STOPS") == "" {
		t.Skip("starts a process again and again; not in a short run")
	}
	needStrace(t)
	w := newProcess(t)
	plain := filepath.Join(w.dir, "plain")
	address := unpackEarlier(t, plain)
	calls := busiest(traced(t, w.bin, plain, address, ""))
	want := shownBy(t, w.bin, plain, address)
	if calls < 20 || len(want) == 0 {
		t.Fatalf("the upgrade made %d calls and shows %v: the run does not count", calls, want)
	}
	killed, tries := 0, 0
	for ; killed < stops() && tries < 8*stops(); tries++ { // a call that another thread makes is not the same one
		i := tries
		dir := filepath.Join(w.dir, "stop-"+strconv.Itoa(i))
		address := unpackEarlier(t, dir)
		at := 1 + rand.IntN(calls)
		if bytes.Contains(traced(t, w.bin, dir, address, fmt.Sprintf("inject=%s:signal=SIGKILL:when=%d", upgradeCalls, at)), []byte("killed by SIGKILL")) {
			killed++
		}
		if got := shownBy(t, w.bin, dir, address); !slices.Equal(got, want) {
			t.Errorf("killed at call %d of %d, then started: it shows %v, want %v", at, calls, got, want)
		}
		copies, err := filepath.Glob(filepath.Join(dir, "data", "before-upgrade-*.db"))
		if err != nil || len(copies) == 0 {
			t.Errorf("killed at call %d: no copy was kept (%v)", at, err)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d kills in %d upgrades of %d calls, each went on, %d records shown each time, 0 lost", killed, tries, calls, len(want))
	if killed < stops() {
		t.Errorf("%d of %d upgrades were killed: the run does not count", killed, tries)
	}
}

// busiest is how many of the calls the thread with the most made: strace counts for
// each thread alone.
func busiest(trace []byte) (most int) {
	count := map[string]int{}
	for line := range strings.Lines(string(trace)) {
		thread, _, _ := strings.Cut(line, " ")
		count[thread]++
		most = max(most, count[thread])
	}
	return most
}

// unpackEarlier makes the folder of the earlier build, at an address of its own.
func unpackEarlier(t *testing.T, dir string) (address string) {
	t.Helper()
	if err := os.CopyFS(dir, os.DirFS("../../testdata/upgrade/1")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(filepath.Join(dir, "node.key"))
	if err != nil {
		t.Fatal(err)
	}
	in, err := os.Open(filepath.Join(dir, "hansa.db.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	zip, err := gzip.NewReader(in)
	if err != nil {
		t.Fatal(err)
	}
	db, err := io.ReadAll(zip)
	if err != nil {
		t.Fatal(err)
	}
	conf, err := os.ReadFile(filepath.Join(dir, "hansa.toml"))
	if err != nil {
		t.Fatal(err)
	}
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = ln.Addr().String()
	_ = ln.Close() // the node takes it
	for name, b := range map[string][]byte{"data/node.key": key, "data/hansa.db": db, "hansa.toml": bytes.Replace(conf, []byte("127.0.0.1:0"), []byte(address), 1)} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return address
}

// traced starts the node under strace with a fault, until it serves or has ended,
// and returns the trace.
func traced(t *testing.T, bin, dir, address, fault string) []byte {
	t.Helper()
	trace := filepath.Join(dir, "trace")
	args := []string{"-f", "-qq", "-o", trace, "-e", "trace=" + upgradeCalls}
	if fault != "" {
		args = append(args, "-e", fault)
	}
	up, end := served(t, dir, address, append([]string{"strace"}, append(args, "--", bin, "serve", "--config", filepath.Join(dir, "hansa.toml"), "--log", "error")...)...)
	if fault == "" && !up {
		t.Fatal("the node did not come up")
	}
	end()
	b, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// shownBy starts the node and returns the ids and versions that a receiver is given.
func shownBy(t *testing.T, bin, dir, address string) []string {
	t.Helper()
	up, end := served(t, dir, address, bin, "serve", "--config", filepath.Join(dir, "hansa.toml"), "--log", "error")
	defer end()
	if !up {
		t.Fatal("the node did not come up")
	}
	secret, err := os.ReadFile(filepath.Join(dir, "reader.token"))
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/data/v1/flows/closures-to-navigator/snapshot.record", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(secret)))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("snapshot: %s %v %s", res.Status, err, b)
	}
	return regexp.MustCompile(`"id":"[^"]*","version":\d+`).FindAllString(string(b), -1)
}

// served runs a command until the node answers or has ended; end kills it.
func served(t *testing.T, dir, address string, command ...string) (up bool, end func()) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }() // how it ended is part of the fault
	end = func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // it and what it traces; it may have ended
		<-ended
		stop()
	}
	for {
		select {
		case <-ended:
			return false, end
		case <-ctx.Done():
			t.Error("the node neither came up nor ended")
			return false, end
		case <-time.After(10 * time.Millisecond):
			if res, err := http.Get("http://" + address + "/healthz"); err == nil {
				_ = res.Body.Close()
				return true, end
			}
		}
	}
}
