package main

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets the test binary be the hansa that scripts and documents call.
func TestMain(m *testing.M) { testscript.Main(m, map[string]func(){"hansa": main}) }

// TestScript runs testdata/script. A script is a promise of the command line; it
// has a home, a runtime folder and a temporary folder of its own.
func TestScript(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{Dir: "testdata/script", Setup: ownFolders, Cmds: verbs()})
}

// TestScriptControl runs scripts that must fail: a harness that lets one of them
// pass would notice nothing.
func TestScriptControl(t *testing.T) {
	t.Parallel()
	for name, is := range map[string]struct{ script, says string }{
		"another exit code": {"exits 3 hansa nonsense\n", "got exit 2, want 3"},
		"no failure":        {"exits 2 hansa version\n", "got exit 0, want 2"},
		"no JSON":           {"exits 0 hansa version\njson stdout\n", "invalid character"},
		"two documents":     {"exec cat two\njson stdout\n-- two --\n{}\n{}\n", "holds 2 JSON documents"},
		"a colour":          {"env CLICOLOR_FORCE=1\nexits 2 hansa nonsense\nbare\n", "holds an escape"},
		"a file left":       {"empty left\n-- left/one --\n", "left behind"},
		"no match":          {"exits 0 hansa version\ntake X stdout nothing-like-it-(.*)\n", "holds nothing like"},
		"a process killed":  {"run sleeper sleep 30\nend sleeper INT 0\n", "got exit -1, want 0"},
	} {
		c := try(t, is.script)
		if !c.failed || !strings.Contains(c.log.String(), is.says) {
			t.Errorf("a script with %s: got failed %v and %q, want a failure that says %q", name, c.failed, c.log.String(), is.says)
		}
	}
}

// try runs a script as a test of its own.
func try(t *testing.T, script string) (c *control) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "control.txtar")
	if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	c = &control{}
	defer func() {
		if v := recover(); v != nil && v != any(errControl) {
			panic(v)
		}
	}()
	testscript.RunT(c, testscript.Params{Files: []string{file}, WorkdirRoot: dir, Setup: ownFolders, Cmds: verbs()})
	return c
}

var errControl = errors.New("the control failed, as it should")

// control is a test that may fail without failing its own.
type control struct {
	failed bool
	log    bytes.Buffer
}

func (*control) Skip(...any)                          { panic(errControl) }
func (c *control) Fatal(a ...any)                     { c.Log(a...); c.FailNow() }
func (*control) Parallel()                            {}
func (c *control) Log(a ...any)                       { fmt.Fprintln(&c.log, a...) }
func (c *control) FailNow()                           { c.failed = true; panic(errControl) }
func (c *control) Run(_ string, f func(testscript.T)) { f(c) }
func (*control) Verbose() bool                        { return false }

// ownFolders keeps a script from the machine's own nodes, contexts and files.
func ownFolders(e *testscript.Env) error {
	for _, name := range []string{"run", "tmp", "home"} {
		if err := os.MkdirAll(filepath.Join(e.WorkDir, name), 0o700); err != nil {
			return err
		}
	}
	e.Setenv("XDG_RUNTIME_DIR", filepath.Join(e.WorkDir, "run"))
	e.Setenv("TMPDIR", filepath.Join(e.WorkDir, "tmp"))
	e.Setenv("HOME", filepath.Join(e.WorkDir, "home"))
	e.Setenv("HANSA_CONFIG", filepath.Join(e.WorkDir, "home", "hansa"))
	e.Setenv("TZ", "UTC")
	e.Setenv("GORACE", "atexit_sleep_ms=0") // with -race every process would else wait a second at its end
	e.Values[processesKey{}] = map[string]*started{}
	return nil
}

type processesKey struct{}

// started is a process that a script runs beside its commands.
type started struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error
	out  shared
	says shared
}

// shared is a buffer that one side writes while the other looks.
type shared struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *shared) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *shared) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// verbs are what scripts say beyond testscript's own words.
func verbs() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"exits":       verbExits,
		"json":        verbJSON,
		"bare":        verbBare,
		"take":        verbTake,
		"empty":       verbEmpty,
		"run":         verbRun,
		"serve":       verbServe,
		"end":         verbEnd,
		"await":       verbAwait,
		"newest":      verbNewest,
		"certificate": verbCertificate,
		"cut":         verbCut,
		"get":         verbGet,
		"identity":    verbIdentity,
		"ports":       verbPorts,
		"fill":        verbFill,
	}
}

// verbExits: exits CODE COMMAND ARGS... runs a command and wants its exit code.
func verbExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	if got := exitCode(ts.Exec(args[1], args[2:]...)); got != want {
		ts.Fatalf("got exit %d, want %d: %s", got, want, strings.Join(args[1:], " "))
	}
}

func exitCode(err error) int {
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		return e.ExitCode()
	}
	if err != nil {
		return -1
	}
	return 0
}

// verbJSON: json stdout|stderr|FILE [lines] wants one JSON document, or one a line.
func verbJSON(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: json stdout|stderr|FILE [lines]")
	}
	d := json.NewDecoder(strings.NewReader(ts.ReadFile(args[0])))
	n := 0
	for {
		var v any
		err := d.Decode(&v)
		if errors.Is(err, io.EOF) {
			break
		}
		ts.Check(err)
		n++
	}
	if n == 0 || n > 1 && len(args) == 1 {
		ts.Fatalf("%s holds %d JSON documents", args[0], n)
	}
}

// verbBare: bare wants neither colours nor carriage returns in what was last said.
func verbBare(ts *testscript.TestScript, _ bool, _ []string) {
	for _, name := range []string{"stdout", "stderr"} {
		if strings.ContainsAny(ts.ReadFile(name), "\x1b\r\b") {
			ts.Fatalf("%s holds an escape or a carriage return", name)
		}
	}
}

// verbTake: take NAME stdout|stderr|FILE PATTERN keeps the pattern's first group.
func verbTake(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: take NAME stdout|stderr|FILE PATTERN")
	}
	m := regexp.MustCompile("(?m)" + args[2]).FindStringSubmatch(ts.ReadFile(args[1]))
	if len(m) < 2 {
		ts.Fatalf("%s holds nothing like %s", args[1], args[2])
	}
	ts.Setenv(args[0], m[1])
}

// verbEmpty: empty DIR wants no file below a folder.
func verbEmpty(ts *testscript.TestScript, _ bool, args []string) {
	for _, dir := range args {
		err := filepath.WalkDir(ts.MkAbs(dir), func(name string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				err = errors.New("left behind: " + name)
			}
			return err
		})
		ts.Check(err)
	}
}

// begin starts a process whose standard error goes line by line to says.
func begin(ts *testscript.TestScript, name string, args []string, says func(string) bool) {
	path := ""
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if _, err := os.Stat(filepath.Join(dir, args[0])); err == nil && path == "" {
			path = filepath.Join(dir, args[0])
		}
	}
	p := &started{cmd: exec.Command(path, args[1:]...), done: make(chan struct{})}
	p.cmd.Dir = ts.MkAbs(".")
	for _, v := range []string{"PATH", "HOME", "TMPDIR", "XDG_RUNTIME_DIR", "HANSA_CONFIG", "TZ", "GORACE", "GOCOVERDIR"} {
		p.cmd.Env = append(p.cmd.Env, v+"="+ts.Getenv(v))
	}
	p.cmd.Stdout = &p.out
	stderr, err := p.cmd.StderrPipe()
	ts.Check(err)
	ts.Check(p.cmd.Start())
	ts.Value(processesKey{}).(map[string]*started)[name] = p
	ts.Defer(func() { _ = p.cmd.Process.Kill(); <-p.done })
	heard := make(chan struct{})
	go func() {
		defer close(p.done)
		quiet := says == nil
		if quiet {
			close(heard)
		}
		for s := bufio.NewScanner(stderr); s.Scan(); {
			fmt.Fprintln(&p.says, s.Text())
			if !quiet && says(s.Text()) {
				quiet = true
				close(heard)
			}
		}
		p.err = p.cmd.Wait()
	}()
	select {
	case <-heard:
	case <-p.done:
		ts.Fatalf("%s ended at once: %v\n%s", name, p.err, p.says.String())
	case <-time.After(90 * time.Second):
		ts.Fatalf("%s did not come up", name)
	}
}

// verbRun: run NAME COMMAND ARGS... starts a process; with NAME ending in ! it
// waits until the process has said something.
func verbRun(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: run NAME COMMAND ARGS...")
	}
	name, wait := strings.CutSuffix(args[0], "!")
	if !wait {
		begin(ts, name, args[1:], nil)
		return
	}
	begin(ts, name, args[1:], func(line string) bool { return strings.Contains(line, "Ctrl+C") })
}

// verbServe: serve NAME CONFIG starts a node, waits until it serves, and keeps its
// address in $NAME.
func verbServe(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: serve NAME CONFIG")
	}
	address := regexp.MustCompile(` msg=serving .*listen=(\S+)`)
	found := ""
	begin(ts, args[0], []string{"hansa", "serve", "--config", args[1]}, func(line string) bool {
		if m := address.FindStringSubmatch(line); m != nil {
			found = m[1]
		}
		return found != ""
	})
	ts.Setenv(args[0], found)
}

// verbAwait: await NAME TEXT waits until a process has written a text; ” is any.
func verbAwait(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await NAME TEXT")
	}
	p := ts.Value(processesKey{}).(map[string]*started)[args[0]]
	for range 2000 {
		if text := p.out.String() + p.says.String(); text != "" && strings.Contains(text, args[1]) {
			return
		}
		select {
		case <-p.done:
			ts.Fatalf("%s ended: %v\n%s", args[0], p.err, p.says.String())
		case <-time.After(10 * time.Millisecond):
		}
	}
	ts.Fatalf("%s never wrote %q", args[0], args[1])
}

// verbNewest: newest NAME [ARGS...] keeps the first word that hansa with ARGS
// prints, once there is one; without ARGS the id of the newest closure.
func verbNewest(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: newest NAME [ARGS...]")
	}
	ask := args[1:]
	if len(ask) == 0 {
		ask = []string{"closures", "--format", "{{range .Closures}}{{.ID}} {{end}}"}
	}
	for range 200 {
		ts.Check(ts.Exec("hansa", ask...))
		if ids := strings.Fields(ts.ReadFile("stdout")); len(ids) > 0 {
			ts.Setenv(args[0], ids[0])
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	ts.Fatalf("hansa %s prints nothing", strings.Join(ask, " "))
}

// verbEnd: end NAME SIGNAL CODE ends a process, and wants its exit code. What it
// said is then in the files NAME.out and NAME.err.
func verbEnd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: end NAME INT|TERM CODE")
	}
	p := ts.Value(processesKey{}).(map[string]*started)[args[0]]
	if p == nil {
		ts.Fatalf("%s does not run", args[0])
	}
	ts.Check(p.cmd.Process.Signal(map[string]syscall.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM}[args[1]]))
	select {
	case <-p.done:
	case <-time.After(15 * time.Second):
		ts.Fatalf("%s did not end", args[0])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".out"), []byte(p.out.String()), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".err"), []byte(p.says.String()), 0o600))
	if got := strconv.Itoa(exitCode(p.err)); got != args[2] {
		ts.Fatalf("%s: got exit %s, want %s\n%s", args[0], got, args[2], p.says.String())
	}
}

// verbCertificate: certificate NAME writes a self-signed certificate for loopback
// into NAME.crt and NAME.key.
func verbCertificate(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		ts.Check(err)
		c := &x509.Certificate{
			SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
			IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		}
		der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
		ts.Check(err)
		private, err := x509.MarshalPKCS8PrivateKey(key)
		ts.Check(err)
		ts.Check(os.WriteFile(ts.MkAbs(name+".crt"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
		ts.Check(os.WriteFile(ts.MkAbs(name+".key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
	}
}

// verbCut: cut FILE TO writes the first two thirds of a file.
func verbCut(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: cut FILE TO")
	}
	b := ts.ReadFile(args[0])
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(b[:len(b)*2/3]), 0o600))
}

// verbGet: get URL CA STATUS fetches a URL, wants its status and keeps the answer
// as standard output.
func verbGet(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: get URL CA STATUS")
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(ts.ReadFile(args[1])))
	c := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true}}
	res, err := c.Get(args[0])
	ts.Check(err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	ts.Check(err)
	_, err = ts.Stdout().Write(b)
	ts.Check(err)
	if got := strconv.Itoa(res.StatusCode); got != args[2] {
		ts.Fatalf("got status %s, want %s", got, args[2])
	}
}

// verbIdentity: identity FILE NAME writes a new age identity and keeps its recipient.
func verbIdentity(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: identity FILE NAME")
	}
	k, err := age.GenerateX25519Identity()
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(k.String()+"\n"), 0o600))
	ts.Setenv(args[1], k.Recipient().String())
}

// verbPorts: ports NAMES... keeps a free port of loopback under each name.
func verbPorts(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: ports NAMES...")
	}
	free, err := unusedPorts(len(args))
	ts.Check(err)
	for i, name := range args {
		ts.Setenv(name, free[i])
	}
}

// unusedPorts finds free ports of loopback that nothing is given by itself: those
// that systems hand out begin at 32768.
func unusedPorts(n int) (free []string, err error) {
	for range 1000 {
		port := strconv.Itoa(20000 + mathrand.IntN(12000))
		l, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err != nil {
			continue
		}
		defer l.Close() // all at the end: no two are the same
		if free = append(free, port); len(free) == n {
			return free, nil
		}
	}
	return nil, errors.New("no port of loopback is free")
}

// verbFill: fill FILES... puts the script's variables where a file names them as
// ${NAME}.
func verbFill(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: fill FILES...")
	}
	for _, name := range args {
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(os.Expand(ts.ReadFile(name), ts.Getenv)), 0o600))
	}
}
