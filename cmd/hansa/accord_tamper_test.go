package main_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/journal"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
)

// verdictOf is what hansa verify says of one file.
type verdictOf struct {
	File   string
	OK     bool
	Error  string
	Report journal.Report
}

// failed names the check that did not hold.
func (v *verdictOf) failed() string {
	i := slices.IndexFunc(v.Report.Checks, func(c journal.Check) bool { return !c.OK })
	if i < 0 {
		return ""
	}
	return v.Report.Checks[i].Name
}

// TestAccordTamper: hansa verify takes the proofs of a signed accord that two real
// nodes hand out, and exits 8 for each that was changed on the way, was made by
// somebody with the node's key, or is of a log that was cut or rewritten; it says
// which check failed.
func TestAccordTamper(t *testing.T) {
	p := newSignatories(t)
	id, _ := p.inForce(t)
	dir := t.TempDir()
	save := func(name string, b []byte) string {
		t.Helper()
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	early := save("early.checkpoint", p.city.raw(t, "GET", "/journal/checkpoint", nil))
	keys := save("city.key", []byte(p.city.key(t)+"\n"))
	token := save("token", []byte(p.city.admin))
	p.kill(p.city) // the log as it was, for who would cut it
	cut := filepath.Join(dir, "cut")
	copyFolder(t, cut, filepath.Join(p.city.dir, "data"))
	p.start(t, p.city)
	p.says(t, p.city, id, accord.Suspend)
	p.agreed(t, id)

	good, _, code := p.hansa(t, "proof", "--accord", string(id), "--since", early, "--node", p.city.url, "--token-file", token)
	if code != 0 {
		t.Fatalf("hansa proof exits %d", code)
	}
	late := save("late.checkpoint", p.city.raw(t, "GET", "/journal/checkpoint", nil))
	// What the counterparty has of the keeper's log came with the keeper's messages.
	told := p.nav.tells(t, id).h.Entries
	witnessed := save("nav.checkpoint", []byte(told[len(told)-1].Checkpoint))
	for _, saved := range []string{early, witnessed} {
		one, _, _ := p.hansa(t, "proof", "--accord", string(id), "--since", saved, "--node", p.city.url, "--token-file", token)
		name := save("good.proof", one)
		if _, says, code := p.hansa(t, "verify", name, "--trust", keys, "--checkpoint", saved); code != 0 {
			t.Fatalf("hansa verify exits %d of a good proof: %s", code, says)
		}
	}

	bad := map[string]forgery{}
	p.changed(t, good, bad)
	p.resealed(t, good, bad)
	n := p.refuses(t, bad, save, keys, "")
	for _, saved := range []string{early, late, witnessed} {
		n += p.refuses(t, p.rewritten(t, good, saved), save, keys, saved)
	}
	n += p.flips(t, good, save, keys)

	// The keeper's log is cut back to what it was: the saved checkpoint tells, and so
	// does the other node, which has the entry that is said to be another.
	p.kill(p.city)
	if err := os.RemoveAll(filepath.Join(p.city.dir, "data")); err != nil {
		t.Fatal(err)
	}
	copyFolder(t, filepath.Join(p.city.dir, "data"), cut)
	p.start(t, p.city)
	short, _, _ := p.hansa(t, "proof", "--accord", string(id), "--node", p.city.url, "--token-file", token)
	for _, saved := range []string{late, witnessed} {
		n += p.refuses(t, map[string]forgery{"a log that was cut": {short, "append-only", ""}}, save, keys, saved)
	}
	before := p.nav.tells(t, id)
	p.city.must(t, "POST", "/api/v1/accords/"+string(id)+"/acts/comment", map[string]any{"words": "as if nothing had been"}, nil)
	stuck := ""
	for deadline := time.Now().Add(30 * time.Second); stuck == "" && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		for _, x := range p.city.tells(t, id).d.Parties {
			stuck += x.Stuck
		}
	}
	if after := p.nav.tells(t, id); !strings.Contains(stuck, "another entry has number") || after.d.Head != before.d.Head {
		t.Errorf("the other node took the entry of a log that was cut: %q", stuck)
	}
	t.Logf("%d forgeries refused, each with exit 8 and the check that failed", n)
	if n < 300 {
		t.Errorf("%d forgeries: too few for the run to count", n)
	}
}

// forgery is a bundle that must not verify, the check that must say so, and a part of
// what it says.
type forgery struct {
	bundle []byte
	check  string
	says   string
}

// copyFolder copies the files of a folder of data, and no socket, for their owner alone.
func copyFolder(t *testing.T, to, from string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, d os.DirEntry, err error) error {
		at := filepath.Join(to, strings.TrimPrefix(path, from))
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return os.MkdirAll(at, 0o700)
		case !d.Type().IsRegular():
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(at, b, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// hansa runs a command.
func (p *signatories) hansa(t *testing.T, args ...string) (out []byte, says string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), p.bin, args...)
	cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+t.TempDir(), "XDG_CONFIG_HOME="+t.TempDir())
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		code = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	return stdout.Bytes(), stderr.String(), code
}

// agreed waits until both nodes have the same chain, and nothing is under way.
func (p *signatories) agreed(t *testing.T, id hansa.AccordID) {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		a, b := p.city.tells(t, id), p.nav.tells(t, id)
		if a.d.Head == b.d.Head && !a.waits() && !b.waits() {
			return
		}
	}
	t.Fatal("the nodes do not come together")
}

// refuses wants each forgery refused by the command, by the check that it names.
func (p *signatories) refuses(t *testing.T, bad map[string]forgery, save func(string, []byte) string, keys, saved string) int {
	t.Helper()
	args := []string{"verify", "--json", "--trust", keys}
	if saved != "" {
		args = append(args, "--checkpoint", saved)
	}
	is := map[string]string{} // by file
	for name, f := range bad {
		file := save(strings.ReplaceAll(name, " ", "-")+".proof", f.bundle)
		is[file] = name
		args = append(args, file)
	}
	out, says, code := p.hansa(t, args...)
	var said struct{ Bundles []verdictOf }
	if err := json.Unmarshal(out, &said); err != nil || code != 8 || len(said.Bundles) != len(bad) {
		t.Fatalf("hansa verify exits %d with %d verdicts on %d files: %v %s", code, len(said.Bundles), len(bad), err, says)
	}
	for i := range said.Bundles {
		v := &said.Bundles[i]
		f := bad[is[v.File]]
		if v.OK || f.check != "" && v.failed() != f.check || !strings.Contains(v.Error, f.says) || v.Error == "" {
			t.Errorf("%s: ok %v, the check %q says %q; want %q and %q", is[v.File], v.OK, v.failed(), v.Error, f.check, f.says)
		}
	}
	for file, name := range is { // alone, as a person would
		if len(is) > 50 {
			break
		}
		one := []string{"verify", file, "--trust", keys}
		if saved != "" {
			one = append(one, "--checkpoint", saved)
		}
		out, says, code := p.hansa(t, one...)
		if code != 8 || !strings.Contains(says, "does not verify") || bad[name].check != "" && !strings.Contains(string(out), "✗ "+bad[name].check) {
			t.Errorf("%s: exit %d, %s%s", name, code, out, says)
		}
	}
	return len(bad)
}
