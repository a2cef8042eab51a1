package main_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// cuts is how many times the power is cut.
func cuts(t *testing.T) int {
	t.Helper()
	if n, err := strconv.Atoi(os.Getenv("HANSA_CUTS")); err == nil && n > 0 {
		return n
	}
	return 4
}

// drive is a file system in memory whose power can be cut; see tools/powercut.
type drive struct {
	t   *testing.T
	at  string
	in  io.WriteCloser
	out *bufio.Scanner
}

func newDrive(t *testing.T) *drive {
	t.Helper()
	if testing.Short() && os.Getenv("HANSA_CUTS") == "" {
		t.Skip("cuts the power again and again; not in a short run")
	}
	if _, err := os.Stat("/dev/fuse"); err != nil {
		t.Skip("this machine lacks FUSE: /dev/fuse is not there")
	}
	dir := t.TempDir()
	bin, at := filepath.Join(dir, "powercut"), filepath.Join(dir, "mnt")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", bin, ".")
	build.Dir = "../../tools/powercut"
	if out, err := build.CombinedOutput(); err != nil {
		t.Skipf("the modules of tools/powercut are not here: %v %s", err, out)
	}
	if err := os.Mkdir(at, 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, at)
	d := &drive{t: t, at: at}
	var err error
	if d.in, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var says strings.Builder
	cmd.Stderr = &says
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = d.in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("powercut: %v %s", err, says.String())
		}
	})
	if d.out = bufio.NewScanner(out); !d.out.Scan() {
		t.Skipf("this machine mounts no FUSE file system: %s", says.String())
	}
	return d
}

// do sends one command and returns the answer.
func (d *drive) do(command string) string {
	d.t.Helper()
	if _, err := fmt.Fprintln(d.in, command); err != nil {
		d.t.Fatal(err)
	}
	if !d.out.Scan() {
		d.t.Fatalf("powercut ended at %q", command)
	}
	return d.out.Text()
}

// TestPowerCut cuts the power at random moments under load, every fourth time in
// the middle of a write, and wants every acknowledged record there after it, once
// and in order, and its inclusion proven.
func TestPowerCut(t *testing.T) {
	d := newDrive(t)
	w := newProcess(t)
	w.data(t, d.at)
	total, torn := 0, 0
	for i := range cuts(t) {
		total += w.round(t) // ends with SIGKILL; then the power goes
		how := "cut"
		if i%4 == 3 {
			how, torn = "torn", torn+1
		}
		d.do(how)
		if bad := w.check(t); len(bad) > 0 {
			t.Fatalf("after %d cuts and %d acknowledged records: %s", i+1, total, strings.Join(bad, "; "))
		}
	}
	w.prove(t)
	t.Logf("%d cuts, %d of them torn, %d acknowledged records, 0 lost, 0 doubled", cuts(t), torn, total)
	if total < 20*cuts(t) {
		t.Errorf("%d records in %d cuts: too few for the run to count", total, cuts(t))
	}
}

// TestPowerCutControl cuts the power of a build that does not sync, and wants most
// of the cuts to be noticed.
func TestPowerCutControl(t *testing.T) {
	d := newDrive(t)
	noticed, tries := 0, 5
	w := newProcess(t, "-tags", "nosync")
	plain := w.dir
	for i := range tries {
		w.dir, w.acked, w.next, w.key = filepath.Join(plain, strconv.Itoa(i)), map[int][]string{}, map[int]int{}, nil
		if err := copyFiles(plain, w.dir, "hansa.toml", "give", "take"); err != nil {
			t.Fatal(err)
		}
		sub := filepath.Join(d.at, "data-"+strconv.Itoa(i))
		err := os.Mkdir(sub, 0o700)
		if err != nil {
			t.Fatal(err)
		}
		w.data(t, sub)
		w.round(t)
		d.do("cut")
		if w.lost(t) {
			noticed++
		}
	}
	t.Logf("noticed %d of %d cuts of a build that does not sync", noticed, tries)
	if noticed < tries-1 {
		t.Errorf("only %d of %d cuts were noticed: the test would not notice a loss", noticed, tries)
	}
}

func copyFiles(from, to string, names ...string) error {
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	for _, name := range names {
		b, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, name), b, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// data moves the node's data folder.
func (w *process) data(t *testing.T, dir string) {
	t.Helper()
	name := filepath.Join(w.dir, "hansa.toml")
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(strings.Replace(string(b), `data = "data"`, fmt.Sprintf("data = %q", filepath.Join(dir, "node")), 1)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// lost reports whether the node does not start any more, or lacks what it
// acknowledged.
func (w *process) lost(t *testing.T) bool {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Second)
	defer stop()
	cmd := exec.CommandContext(ctx, w.bin, "serve", "--config", filepath.Join(w.dir, "hansa.toml"), "--log", "error")
	cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+w.dir)
	if err := cmd.Run(); err != nil && ctx.Err() == nil {
		return true // it refused what it found
	}
	return len(w.check(t)) > 0
}
