package node

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/outbound"
)

const chromium = "/usr/bin/chromium"

// harbour is a node that runs, a receiver's webhook whose mood can be changed, and a
// browser in which somebody may sign in.
type harbour struct {
	*town
	*testing.T
	ctx   context.Context //nolint:containedctx // the browser's tab is its context
	url   string
	hook  string
	fails atomic.Bool // the webhook answers 500

	mu    sync.Mutex // guards all below
	away  bool
	lines []net.Conn // over the bridge
}

// needsBrowser skips a test that opens one where there is none. CI installs one.
func needsBrowser(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("opens a browser; not in a short run")
	}
	switch _, err := os.Stat(chromium); {
	case err == nil:
	case os.Getenv("HANSA_CI") != "":
		t.Fatal("CI installs a browser, and there is none: ", err)
	default:
		t.Skip("no browser on this machine: ", chromium)
	}
}

// needsAxe is the script axe.min.js, which HANSA_AXE names; without it a test is skipped.
func needsAxe(t *testing.T) string {
	t.Helper()
	name := os.Getenv("HANSA_AXE")
	if name == "" {
		t.Skip("no axe-core: HANSA_AXE does not name its file axe.min.js; .ci/browser fetches it, and fails when a test is skipped")
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// sail opens all that, or skips the test where there is no browser.
func sail(t *testing.T) *harbour {
	t.Helper()
	needsBrowser(t)
	h := &harbour{town: mapped(t), T: t}
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var b bytes.Buffer
		if _, err := b.ReadFrom(r.Body); err != nil {
			return
		}
		if _, rest, ok := strings.Cut(b.String(), `"challenge":"`); ok {
			challenge, _, _ := strings.Cut(rest, `"`)
			_, _ = w.Write([]byte(challenge)) // the node went away
			return
		}
		if h.fails.Load() {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	t.Cleanup(hook.Close)
	h.hook = hook.URL + "/hook"
	if err := h.client.Reconfigure(outbound.Config{Allow: []string{strings.TrimPrefix(hook.URL, "http://")}}); err != nil {
		t.Fatal(err)
	}
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h.url = "http://" + h.bridge(ln.Addr().String())
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.Node.Run(ctx, ln) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	h.tab()
	return h
}

// bridge is a way to the node that can be cut.
func (h *harbour) bridge(to string) string {
	h.Helper()
	ln, err := (&net.ListenConfig{}).Listen(h.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		h.Fatal(err)
	}
	var wg sync.WaitGroup
	h.Cleanup(func() {
		_ = ln.Close() // it may be closed already
		h.cut()
		wg.Wait()
	})
	wg.Go(func() {
		for {
			in, err := ln.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			h.mu.Lock()
			if err != nil || h.away {
				_ = in.Close() // nobody is there
				if err == nil {
					_ = out.Close() // the same
				}
				h.mu.Unlock()
				continue
			}
			h.lines = append(h.lines, in, out)
			h.mu.Unlock()
			for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
				wg.Go(func() {
					_, _ = io.Copy(pair[0], pair[1]) // it ends when either side does
					_, _ = pair[0].Close(), pair[1].Close()
				})
			}
		}
	})
	return ln.Addr().String()
}

// cut ends every connection that there is.
func (h *harbour) cut() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.lines {
		_ = c.Close() // it may have ended
	}
	h.lines = nil
}

// offline lets nobody reach the node, or everybody again.
func (h *harbour) offline(on bool) {
	h.mu.Lock()
	h.away = on
	h.mu.Unlock()
	h.cut()
}

// tab opens the browser.
func (h *harbour) tab() {
	h.Helper()
	opts := append([]chromedp.ExecAllocatorOption{}, chromedp.DefaultExecAllocatorOptions[:]...)
	opts = append(opts, chromedp.ExecPath(chromium), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.Flag("lang", "en-US"),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true), chromedp.Flag("hide-scrollbars", true))
	ctx, stop := chromedp.NewExecAllocator(h.Context(), opts...)
	h.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx)
	h.Cleanup(stop)
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank"), chromedp.EmulateViewport(1440, 900)); err != nil {
		h.Skip("the browser does not start here: ", err)
	}
	ctx, stop = context.WithTimeout(ctx, 4*time.Minute)
	h.Cleanup(stop)
	h.ctx = ctx
}

// scripts lets pages run scripts, or not.
func (h *harbour) scripts(on bool) {
	h.Helper()
	if _, err := chromedp.Call(h.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on}); err != nil {
		h.Fatal(err)
	}
}

func (h *harbour) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	h.Helper()
	ctx, stop := context.WithTimeout(h.ctx, 15*time.Second)
	defer stop()
	if err := chromedp.Do(ctx, steps...); err != nil {
		h.Fatalf("%s: %v\non %s: %.1500s", what, err, h.eval("location.href"), h.eval("document.body ? document.body.innerText : ''"))
	}
}

// open goes to a page of the node and waits for its heading.
func (h *harbour) open(path string) {
	h.Helper()
	h.do("open "+path, chromedp.Navigate(h.url+path), chromedp.WaitVisible(chromedp.CSS("h1")))
}

// press clicks, and waits until the page that follows has been read.
func (h *harbour) press(css string) {
	h.Helper()
	h.eval("document.documentElement.dataset.old = 'yes'")
	h.do("press "+css, chromedp.Click(chromedp.CSS(css)))
	for range 200 {
		if h.eval("document.readyState === 'complete' && !document.documentElement.dataset.old && document.querySelector('h1') ? 'new' : ''") == "new" {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	h.Fatalf("after pressing %s the browser stays on %s: %.1500s", css, h.eval("location.href"), h.eval("document.body.innerText"))
}

func (h *harbour) write(css, text string) {
	h.Helper()
	h.do("write into "+css, chromedp.Clear(chromedp.CSS(css)), chromedp.SendKeys(chromedp.CSS(css), text))
}

func (h *harbour) eval(expr string) string {
	h.Helper()
	var s string
	var err error
	for range 3 { // the page may be on its way to another
		if s, err = chromedp.Run(h.ctx, chromedp.Evaluate[string](expr)); err == nil {
			return s
		}
		time.Sleep(100 * time.Millisecond)
	}
	h.Fatalf("%s: %v", expr, err)
	return s
}

// sees waits until the page's text has something, without loading it again.
func (h *harbour) sees(text string) {
	h.Helper()
	h.seesIn("body", text)
}

// seesIn waits for it in one part of the page.
func (h *harbour) seesIn(css, text string) {
	h.Helper()
	got := ""
	for range 100 {
		got = h.eval("document.querySelector(" + quotedJS(css) + ") ? document.querySelector(" + quotedJS(css) + ").innerText : ''")
		if strings.Contains(strings.ToLower(got), strings.ToLower(text)) {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	h.Fatalf("%s does not say %q: %.3000s", h.eval("location.href"), text, got)
}

// at waits until the browser has gone on to an address and read its page.
func (h *harbour) at(part string) {
	h.Helper()
	for range 100 {
		if strings.Contains(h.eval("document.readyState === 'complete' ? location.href : ''"), part) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	h.Fatalf("the browser is at %s, not at %s", h.eval("location.href"), part)
}

// tabTo presses the tabulator until what has the focus is css.
func (h *harbour) tabTo(css string) {
	h.Helper()
	for range 80 {
		if h.eval("String(document.activeElement && document.activeElement.matches("+quotedJS(css)+"))") == "true" {
			return
		}
		h.do("tab", chromedp.KeyEvent(kb.Tab))
	}
	h.Fatalf("the keyboard does not reach %s on %s", css, h.eval("location.href"))
}

func quotedJS(s string) string { return "'" + strings.ReplaceAll(s, "'", `\'`) + "'" }

// type_ types into what has the focus.
func (h *harbour) keys(s string) {
	h.Helper()
	h.do("type", chromedp.KeyEvent(s))
}

// comes signs a new user of the city in, by the link.
func (h *harbour) comes(name string, roles ...hansa.UserRole) {
	h.Helper()
	_, link := h.invite(h.T, "city", name, roles...)
	h.do("open the link", chromedp.Navigate(link), chromedp.WaitVisible(chromedp.CSS("#password")))
	h.write("#password", phrase)
	h.write("#again", phrase)
	h.press("button.go")
}

// post sends a request as company one's program.
func (h *harbour) post(path, body string) string {
	h.Helper()
	code, answer := h.ask(h.T, http.MethodPost, path, "Bearer "+h.one, "application/json", body)
	if code >= 300 {
		h.Fatalf("POST %s: %d %s", path, code, answer)
	}
	return answer
}

// shot leaves a picture of the page in the folder that HANSA_PICTURES names.
func (h *harbour) shot(name string) {
	h.Helper()
	dir := os.Getenv("HANSA_PICTURES")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(h.ctx, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600)
	}
	if err != nil {
		h.Fatal(err)
	}
}
