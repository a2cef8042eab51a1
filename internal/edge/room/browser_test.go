package room_test

import (
	"context"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

const chromium = "/usr/bin/chromium"

// browse opens a browser, or skips the test where there is none.
func browse(t *testing.T) context.Context {
	t.Helper()
	if _, err := os.Stat(chromium); err != nil {
		t.Skip("no browser on this machine: ", chromium)
	}
	opts := append([]chromedp.ExecAllocatorOption{}, chromedp.DefaultExecAllocatorOptions[:]...)
	opts = append(opts, chromedp.ExecPath(chromium), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true), chromedp.Flag("hide-scrollbars", true))
	ctx, stop := chromedp.NewExecAllocator(t.Context(), opts...)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx)
	t.Cleanup(stop)
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Skip("the browser does not start here: ", err)
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
