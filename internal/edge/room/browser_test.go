package room_test

import (
	"context"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/edge/room"
)

const chromium = "/usr/bin/chromium"

// browse opens a browser, or skips the test where there is none.
func browse(t *testing.T) context.Context {
	t.Helper()
	lacks := t.Skip
	if os.Getenv("HANSA_CI") != "" { // which installs one
		lacks = t.Fatal
	}
	if _, err := os.Stat(chromium); err != nil {
		lacks("no browser on this machine: ", chromium)
	}
	opts := append([]chromedp.ExecAllocatorOption{}, chromedp.DefaultExecAllocatorOptions[:]...)
	opts = append(opts, chromedp.ExecPath(chromium), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true), chromedp.Flag("hide-scrollbars", true))
	ctx, stop := chromedp.NewExecAllocator(t.Context(), opts...)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx)
	t.Cleanup(stop)
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		lacks("the browser does not start here: ", err)
	}
	ctx, stop = context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(stop)
	return ctx
}

// shot is one picture of the page.
type shot struct {
	name          string
	url           string
	width, height int64
	noScript      bool
	full          bool
}

// TestPictures opens the page as people see it, checks that nothing runs off the
// side, and leaves the pictures in the folder that HANSA_PICTURES names.
func TestPictures(t *testing.T) {
	ctx := browse(t)
	srv := httptest.NewServer(serve(t, &canned{live: afternoon(t), change: make(chan struct{})}))
	t.Cleanup(srv.CloseClientConnections)
	dir := os.Getenv("HANSA_PICTURES")
	for _, s := range []shot{
		{name: "live-light", url: "/live?theme=light", width: 1600, height: 1000},
		{name: "live-dark", url: "/live?theme=dark", width: 1600, height: 1000},
		{name: "live-table", url: "/live?view=table&closure=C-2026-4460", width: 1280, height: 800},
		{name: "live-no-javascript", url: "/live?theme=light", width: 1600, height: 1000, noScript: true},
		{name: "live-390", url: "/live?theme=light", width: 390, height: 844, full: true},
		{name: "live-320", url: "/live?theme=light", width: 320, height: 700},
	} {
		t.Run(s.name, func(t *testing.T) {
			take := chromedp.CaptureScreenshot()
			if s.full {
				take = chromedp.FullScreenshot(100)
			}
			if _, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: s.noScript}); err != nil {
				t.Fatal(err)
			}
			if err := chromedp.Do(ctx, chromedp.EmulateViewport(s.width, s.height), chromedp.Navigate(srv.URL+s.url), chromedp.WaitVisible(chromedp.CSS("#dock")), chromedp.Sleep(700*time.Millisecond)); err != nil {
				t.Fatal(err)
			}
			png, err := chromedp.Run(ctx, take)
			if err != nil {
				t.Fatal(err)
			}
			wide, err := chromedp.Run(ctx, chromedp.Evaluate[int64]("document.documentElement.scrollWidth"))
			if err != nil {
				t.Fatal(err)
			}
			if wide > s.width {
				t.Errorf("the page is %d wide in a window of %d", wide, s.width)
			}
			if dir != "" {
				if err := os.WriteFile(filepath.Join(dir, s.name+".png"), png, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// TestPatches follows a change in the browser: the script puts it in place, keeps
// the focus, says that the link is live, and breaks no rule of the policy.
func TestPatches(t *testing.T) {
	ctx := browse(t)
	src := &beating{live: afternoon(t), ch: make(chan struct{})}
	srv := httptest.NewServer(serve(t, src))
	t.Cleanup(srv.CloseClientConnections)
	value := func(expr string) string {
		t.Helper()
		s, err := chromedp.Run(ctx, chromedp.Evaluate[string](expr))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	until := func(expr, want string) {
		t.Helper()
		got := ""
		for range 100 {
			if got = value(expr); got == want {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
		t.Fatalf("%s is %q, want %q", expr, got, want)
	}
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(1600, 1000), chromedp.Navigate(srv.URL+"/live"), chromedp.WaitVisible(chromedp.CSS("#dock"))); err != nil {
		t.Fatal(err)
	}
	value("addEventListener('securitypolicyviolation', (e) => { document.title = 'violation: ' + e.violatedDirective }), ''")
	until("document.documentElement.dataset.link || ''", "live")
	rows := "document.querySelectorAll('#list ol')[0].children"
	value(rows + "[1].firstElementChild.focus(), ''")
	focus := value("document.activeElement.id")
	src.change(func(l *room.Live) {
		l.Closures[1].Name = "Stadstunnel, closed <b>again</b>"
		l.Closures[4].Lifecycle, l.Closures[4].ActualEnd = hansa.Ended, now
	})
	until(rows+"[1].querySelector('.t').textContent", "Stadstunnel, closed <b>again</b>")
	until("String("+rows+".length)", "5")
	until("String(document.querySelectorAll('#overlay a').length)", "5")
	if got := value("document.activeElement.id"); focus == "" || got != focus {
		t.Errorf("the focus went from %q to %q", focus, got)
	}
	if got := value("document.querySelector('#overlay').namespaceURI"); got != "http://www.w3.org/2000/svg" {
		t.Errorf("the overlay is of %q", got)
	}
	if got := value("document.title"); got != "Situation in Doggerhaven · Hansa" {
		t.Errorf("the title is %q", got)
	}
}

// TestKeptInBrowser opens each page of what is kept with words of any length and with
// markup in them: nothing runs off the side, at a desk or on a phone, and nothing runs.
func TestKeptInBrowser(t *testing.T) {
	ctx := browse(t)
	dir := os.Getenv("HANSA_PICTURES")
	for name, words := range map[string]string{"long": "Oostertunnel" + strings.Repeat("x", 120), "evil": evil} {
		srv := httptest.NewServer(keeping(t, &kept{s: words}, hansa.RightAdmin))
		t.Cleanup(srv.CloseClientConnections)
		for path := range keptPages() {
			for _, width := range []int64{1440, 390} {
				what := name + strings.NewReplacer("/", "-", "?", "-", "=", "-").Replace(path) + "-" + strconv.FormatInt(width, 10)
				var wide int64
				var title string
				err := chromedp.Do(ctx, chromedp.EmulateViewport(width, 900), chromedp.Navigate(srv.URL+path), chromedp.WaitVisible(chromedp.CSS("h1")))
				if err == nil {
					wide, err = chromedp.Run(ctx, chromedp.Evaluate[int64]("document.documentElement.scrollWidth"))
				}
				if err == nil {
					title, err = chromedp.Run(ctx, chromedp.Evaluate[string]("document.querySelector('main img, main script') ? 'made markup of words' : 'well'"))
				}
				if err != nil {
					t.Fatal(what, err)
				}
				if wide > width || title != "well" {
					t.Errorf("%s is %d wide in a window of %d; %s", what, wide, width, title)
				}
				if dir == "" {
					continue
				}
				png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
				if err == nil {
					err = os.WriteFile(filepath.Join(dir, "kept-"+what+".png"), png, 0o600)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}
