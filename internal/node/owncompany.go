package node

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/store"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

func (o *ownCity) invite(ctx context.Context) (string, error) {
	var i api.Invitation
	err := o.order(ctx, "/api/v1/invitations", api.InvitationOrder{
		For: "Navco Routing", Purpose: "Drivers should not be led into a closed tunnel.", Wants: "A receipt for each closure.",
		Gives: []api.Given{{Dataset: "closures", Purposes: []hansa.Purpose{"navigation"}, Formats: []hansa.Format{"cifs", "wzdx", "record"}}},
	}, &i)
	if err != nil {
		return "", err
	}
	u, err := url.Parse(i.Link)
	if err != nil {
		return "", err
	}
	o.company, o.invitation = o.browser(), u.Query().Get("token")
	if status, page, err := o.get(ctx, o.company, "/invitation?token="+url.QueryEscape(o.invitation)); err != nil || status != http.StatusOK || !strings.Contains(page, "closed tunnel") {
		return "", fmt.Errorf("the link answers %d (%w)", status, err)
	}
	const password = "routes that are open now"
	page, err := o.form(ctx, o.company, "/invitation", url.Values{"token": {o.invitation}, "title": {"Navco Routing"}, "name": {"navco"}, "user": {"duty"}, "password": {password}, "again": {password}})
	if err != nil {
		return "", err
	}
	if !strings.Contains(page, "Welcome, Navco Routing") {
		return "", errors.New("no welcome came")
	}
	for _, m := range regexp.MustCompile(`<h3>([a-z0-9-]+)(?s:.*?)/data/v1/flows/([0-9a-f-]{36})/`).FindAllStringSubmatch(page, -1) {
		if m[1] == "navco-closures" {
			o.live = m[2]
		}
	}
	if o.live == "" {
		return "", errors.New("the welcome page names no live flow")
	}
	return "a party, its first user, a test flow and a live one", nil
}

func (o *ownCity) credentials(ctx context.Context) (string, error) {
	page, err := o.form(ctx, o.company, "/welcome/credential", url.Values{"name": {"poller"}, "kind": {"basic"}, "use": {"live"}})
	if err != nil {
		return "", err
	}
	m := regexp.MustCompile(`curl -u '([^:]+):([^']+)'`).FindStringSubmatch(page)
	if m == nil {
		return "", errors.New("no user and password are shown")
	}
	o.id, o.secret = m[1], m[2]
	if page, err = o.form(ctx, o.company, "/welcome/credential", url.Values{"name": {"main"}, "kind": {"bearer"}, "use": {"live"}}); err != nil {
		return "", err
	}
	if m = regexp.MustCompile(`Bearer ([^']+)'`).FindStringSubmatch(page); m == nil {
		return "", errors.New("no bearer token is shown")
	}
	o.bearer = m[1]
	return "user and password, and a bearer token; each shown once", nil
}

// fetch reads the live flow as a format.
func (o *ownCity) fetch(ctx context.Context, format, authorization, want string) (string, error) {
	status, body, h, err := o.do(ctx, &http.Client{Transport: o.company.Transport}, http.MethodGet, "/data/v1/flows/"+o.live+"/snapshot."+format, "", "", http.Header{"Authorization": {authorization}})
	if err == nil && (status != http.StatusOK || !strings.Contains(body, want)) {
		err = fmt.Errorf("%d %s", status, body)
	}
	return fmt.Sprintf("%d bytes, licence %s", len(body), h.Get("Hansa-Licence")), err
}

func (o *ownCity) cifs(ctx context.Context) (string, error) {
	return o.fetch(ctx, "cifs", "Basic "+base64.StdEncoding.EncodeToString([]byte(o.id+":"+o.secret)), "<incident ")
}

func (o *ownCity) wzdx(ctx context.Context) (string, error) {
	return o.fetch(ctx, "wzdx", "Bearer "+o.bearer, `"version":"4.2"`)
}

// program sends a request with her bearer token.
func (o *ownCity) program(ctx context.Context, method, path, body string, out any) error {
	contentType := ""
	if body != "" {
		contentType = "application/json"
	}
	status, answer, _, err := o.do(ctx, &http.Client{Transport: o.company.Transport}, method, path, contentType, body, http.Header{"Authorization": {"Bearer " + o.bearer}})
	if err == nil && status/100 != 2 {
		err = fmt.Errorf("%s answers %d %s", path, status, answer)
	}
	if err != nil || out == nil {
		return err
	}
	return json.Unmarshal([]byte(answer), out)
}

func (o *ownCity) webhook(ctx context.Context) (string, error) {
	if _, err := o.form(ctx, o.company, "/welcome/webhook", url.Values{"flow": {o.live}, "url": {"http://" + o.hook.at + "/hook"}, "format": {"record"}}); err != nil {
		return "", err
	}
	var list struct {
		Subscriptions []api.Subscription `json:"subscriptions"`
	}
	for {
		if err := o.program(ctx, http.MethodGet, "/data/v1/flows/"+o.live+"/subscriptions", "", &list); err != nil {
			return "", err
		}
		if len(list.Subscriptions) == 1 && list.Subscriptions[0].State == "active" {
			break
		}
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return "", fmt.Errorf("the webhook stands at %+v", list.Subscriptions)
		}
	}
	var t api.Tested
	if err := o.program(ctx, http.MethodPost, "/data/v1/flows/"+o.live+"/subscriptions/"+list.Subscriptions[0].ID+"/test", "{}", &t); err != nil {
		return "", err
	}
	if !t.OK {
		return "", fmt.Errorf("the test came back as %+v", t.Attempt)
	}
	return "it echoed a challenge, and took a test event", nil
}

func (o *ownCity) close1(ctx context.Context) (string, error) {
	var c api.Closure
	if err := o.order(ctx, "/api/v1/closures", api.CloseOrder{Place: "oostertunnel", Reason: "fire"}, &c); err != nil {
		return "", err
	}
	o.closure = c.ID
	for !o.hook.has(c.ID) {
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return "", errors.New("the webhook was not called for the closure")
		}
	}
	receipt := fmt.Sprintf(`{"record":%q,"version":1,"step":"live","at":%q}`, c.ID, time.Now().UTC().Format(time.RFC3339))
	var ans api.ReceiptsAnswer
	if err := o.program(ctx, http.MethodPost, "/data/v1/flows/"+o.live+"/receipts", receipt, &ans); err != nil {
		return "", err
	}
	return "the Oostertunnel, shown to drivers", nil
}

func (o *ownCity) page(ctx context.Context) (string, error) {
	status, body, err := o.get(ctx, o.admin, "/api/v1/closures/"+o.closure)
	if err != nil || status != http.StatusOK {
		return "", fmt.Errorf("%d %s (%w)", status, body, err)
	}
	var c api.Closure
	if err := json.Unmarshal([]byte(body), &c); err != nil {
		return "", err
	}
	live := false
	for _, r := range c.Receivers {
		live = live || r.Title == "Navco Routing" && r.Step == hansa.StepLive
	}
	status, page, err := o.get(ctx, o.admin, "/live")
	if err == nil && (!live || status != http.StatusOK || !strings.Contains(page, "Navco Routing") || !strings.Contains(page, "Oostertunnel")) {
		err = fmt.Errorf("live is %v and the page answers %d without her ladder", live, status)
	}
	return "Navco Routing is live at the Oostertunnel", err
}

func (o *ownCity) backUp(ctx context.Context) (string, error) {
	status, body, err := o.get(ctx, o.admin, "/api/v1/backup")
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("%d %s", status, body)
	}
	if err != nil {
		return "", err
	}
	o.backup = filepath.Join(o.dir, "backup.db")
	if err := os.WriteFile(o.backup, []byte(body), 0o600); err != nil {
		return "", err
	}
	// What comes after the backup is what the restore will not have.
	var c api.Closure
	if err := o.order(ctx, "/api/v1/closures/"+o.closure+"/repaired", struct{}{}, &c); err != nil {
		return "", err
	}
	var page struct {
		Next string `json:"next"`
	}
	err = o.program(ctx, http.MethodGet, "/data/v1/flows/"+o.live+"/records?limit=1000", "", &page)
	o.cursor = page.Next
	return fmt.Sprintf("%d bytes; one word follows that it does not hold", len(body)), err
}

func (o *ownCity) restore(ctx context.Context) (string, error) {
	if err := o.stop(); err != nil {
		return "", err
	}
	home := filepath.Join(o.dir, "city")
	data := filepath.Join(home, "restored")
	if err := store.Restore(ctx, o.backup, filepath.Join(data, DatabaseName), time.Now()); err != nil {
		return "", err
	}
	key, err := os.ReadFile(filepath.Join(o.begun.Data, "node.key"))
	if err == nil {
		err = os.WriteFile(filepath.Join(data, "node.key"), key, 0o600) //nolint:gosec // a file of the story's own folder
	}
	if err != nil {
		return "", err
	}
	config, err := os.ReadFile(o.begun.Config)
	if err == nil {
		err = os.WriteFile(filepath.Join(home, "restored.toml"), []byte(strings.Replace(string(config), `data = "data"`, `data = "restored"`, 1)), 0o600) //nolint:gosec // a file of the story's own folder
	}
	if err != nil {
		return "", err
	}
	if err := o.serve(ctx, filepath.Join(home, "restored.toml")); err != nil {
		return "", err
	}
	if err := o.program(ctx, http.MethodGet, "/data/v1/flows/"+o.live+"/snapshot.record", "", nil); err == nil {
		return "", errors.New("a credential from before the restore is taken")
	}
	return "credentials from before are refused", nil
}

func (o *ownCity) lost(ctx context.Context) (string, error) {
	// At the node's own machine the socket is the administrator.
	socket := filepath.Join(o.dir, "city", "restored", socketName)
	own := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://hansa.local/api/v1/credentials", strings.NewReader(`{"party":"navco","name":"anew"}`))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := own.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	var c api.Credential
	if err := json.UnmarshalRead(res.Body, &c); err != nil {
		return "", err
	}
	o.bearer = c.Secret
	status, body, _, err := o.do(ctx, &http.Client{Transport: o.company.Transport}, http.MethodGet, "/data/v1/flows/"+o.live+"/records?since="+url.QueryEscape(o.cursor), "", "", http.Header{"Authorization": {"Bearer " + o.bearer}})
	if err != nil {
		return "", err
	}
	m := regexp.MustCompile(`since=([A-Za-z0-9_-]+)`).FindStringSubmatch(body)
	if status != http.StatusGone || m == nil {
		return "", fmt.Errorf("the old cursor is answered %d %s", status, body)
	}
	var page struct {
		Records []struct{} `json:"records"`
	}
	err = o.program(ctx, http.MethodGet, "/data/v1/flows/"+o.live+"/records?since="+m[1], "", &page)
	return "410, and from the place that it names she reads on", err
}

// hookDesk is the company's webhook: it echoes challenges and notes what comes.
type hookDesk struct {
	at  string
	srv *http.Server

	mu   sync.Mutex // guards seen
	seen map[string]bool
}

func newHookDesk(ctx context.Context) (*hookDesk, error) {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	h := &hookDesk{at: ln.Addr().String(), seen: map[string]bool{}}
	h.srv = &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = h.srv.Serve(ln) }() // Close ends it
	return h, nil
}

func (h *hookDesk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var e struct {
		Subject string         `json:"subject"`
		Data    map[string]any `json:"data"`
		Rest    map[string]any `json:",embed"`
	}
	if err := json.UnmarshalRead(http.MaxBytesReader(w, r.Body, 1<<20), &e); err != nil {
		http.Error(w, "no event", http.StatusBadRequest)
		return
	}
	if challenge, ok := e.Data["challenge"].(string); ok {
		_, _ = fmt.Fprint(w, challenge) // the caller went away
		return
	}
	h.mu.Lock()
	h.seen[e.Subject] = true
	h.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
}

func (h *hookDesk) has(id string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.seen[id]
}
