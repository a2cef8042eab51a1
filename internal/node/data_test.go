package node

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/outbound"
	"github.com/hansa-exchange/hansa/internal/base/trust"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// running is a node that serves on loopback and can be stopped and started again.
type running struct {
	t          *testing.T
	dir        string
	allow      []string
	give, take string
	flow       string
	node       *Node
	url        string
	stop       func()
}

// run starts a node with a city, a company and one flow. allow lists addresses on
// this machine that may be called.
func run(t *testing.T, allow ...string) *running {
	t.Helper()
	w := &running{t: t, dir: filepath.Join(t.TempDir(), "n"), allow: allow, give: token(), take: token(), flow: named("flow", "live")}
	w.start()
	return w
}

func (w *running) start() {
	w.t.Helper()
	n, err := Open(w.t.Context(), Config{Data: w.dir, Origin: "city.example", Version: "test", Own: "did:web:city", Log: slog.New(slog.DiscardHandler), Outbound: outbound.Config{Allow: w.allow}})
	if err != nil {
		w.t.Fatal(err)
	}
	set := hansa.DatasetID(named("dataset", "did:web:city", "closures"))
	err = n.Apply(w.t.Context(), &Setup{
		Parties: []hansa.Party{{ID: "did:web:city", Name: "city", Title: "City", Kind: hansa.City, Hosted: true}, {ID: "did:web:nav", Name: "nav", Title: "Nav", Kind: hansa.Company, Hosted: true}},
		Credentials: []trust.CredentialSpec{
			{Party: "did:web:city", Name: "give", Kind: trust.Bearer, Rights: []hansa.Right{hansa.RightPublish, hansa.RightRead, hansa.RightControl, hansa.RightAdmin}, Secret: trust.NewSecret(w.give)},
			{Party: "did:web:nav", Name: "take", Kind: trust.Bearer, Rights: []hansa.Right{hansa.RightRead, hansa.RightReceipt}, Secret: trust.NewSecret(w.take)},
		},
		Datasets: []hansa.Dataset{{ID: set, Party: "did:web:city", Name: "closures", Kind: hansa.KindSituation}},
		Flows:    []hansa.Flow{{ID: hansa.FlowID(w.flow), Name: "live", Dataset: set, From: "did:web:city", To: "did:web:nav", Limit: hansa.Duration(time.Minute), Terms: hansa.Terms{Purposes: []hansa.Purpose{"navigation"}, Formats: []hansa.Format{"record", "geojson", "cifs"}}}},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	ln, err := (&net.ListenConfig{}).Listen(w.t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	w.node, w.url = n, "http://"+ln.Addr().String()
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.t.Context()))
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx, ln) }()
	once := sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Error(err)
		}
	})
	w.stop = once
	w.t.Cleanup(once)
}

// call sends a request and returns status, body and headers.
func (w *running) call(method, path, secret, contentType, body string) (int, string, http.Header) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+secret)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 30 * time.Second}
	res, err := c.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return res.StatusCode, string(b), res.Header
}

func (w *running) publish(ids ...string) {
	w.t.Helper()
	var b strings.Builder
	for _, id := range ids {
		b.WriteString(strings.Replace(goodRecord, `"id":"a"`, `"id":"`+id+`"`, 1) + "\n")
	}
	if status, body, _ := w.call("POST", "/data/v1/datasets/closures/records", w.give, "application/x-ndjson", b.String()); status != http.StatusOK {
		w.t.Fatalf("publish: %d %s", status, body)
	}
}

// TestPublishCounts: each record of a post has an answer, what came in is taken or
// refused, a repeat is a repeat, and an older version does not replace a newer one.
func TestPublishCounts(t *testing.T) {
	w := run(t)
	newer := strings.Replace(goodRecord, `"version":1`, `"version":2`, 1)
	older := strings.Replace(strings.Replace(goodRecord, `"version":1`, `"version":1`, 1), "Oostertunnel", "Westertunnel", 1)
	body := goodRecord + "\n" + goodRecord + "\n" + newer + "\n" + older + "\n" + `{"kind":"situation","version":1,"situation":{}}` + "\n{half\n"
	status, answer, _ := w.call("POST", "/data/v1/datasets/closures/records", w.give, "application/x-ndjson", body)
	var ans struct {
		Accepted, Refused int
		Records           []struct {
			Line    int    `json:"line"`
			Outcome string `json:"outcome"`
			Cursor  string `json:"cursor"`
			Error   *struct{ Field, Message string }
		}
	}
	if err := json.Unmarshal([]byte(answer), &ans, json.MatchCaseInsensitiveNames(true)); err != nil || status != http.StatusOK {
		t.Fatalf("%d %s %v", status, answer, err)
	}
	var got []string
	for _, r := range ans.Records {
		got = append(got, r.Outcome)
		if (r.Outcome == "refused") != (r.Error != nil) || r.Error == nil && r.Cursor == "" {
			t.Errorf("line %d: %+v", r.Line, r)
		}
	}
	if want := []string{"stored", "repeat", "stored", "older", "refused", "refused"}; !slices.Equal(got, want) || ans.Accepted != 4 || ans.Refused != 2 {
		t.Errorf("got %v, %d accepted and %d refused, want %v", got, ans.Accepted, ans.Refused, want)
	}
	if _, body, _ := w.call("GET", "/data/v1/flows/live/snapshot.geojson", w.take, "", ""); strings.Contains(body, "Westertunnel") || strings.Count(body, `"type":"Feature"`) != 1 {
		t.Errorf("the present state is %s", body)
	}
}

// TestLongPoll: an empty page hangs until something comes, and no longer than asked.
func TestLongPoll(t *testing.T) {
	w := run(t)
	w.publish("one")
	_, body, _ := w.call("GET", "/data/v1/flows/live/records", w.take, "", "")
	var page struct {
		Next string `json:"next"`
	}
	if err := json.Unmarshal([]byte(body), &page); err != nil || page.Next == "" {
		t.Fatalf("%s %v", body, err)
	}
	got := make(chan string, 1)
	go func() {
		_, body, _ := w.call("GET", "/data/v1/flows/live/records?wait=20&since="+page.Next, w.take, "", "")
		got <- body
	}()
	select {
	case body := <-got:
		t.Fatalf("an empty page did not wait: %s", body)
	case <-time.After(200 * time.Millisecond):
	}
	w.publish("two")
	if body := <-got; !strings.Contains(body, `"two"`) || strings.Contains(body, `"one"`) {
		t.Errorf("the page that waited is %s", body)
	}
	if status, body, _ := w.call("GET", "/data/v1/flows/live/records?since=nonsense", w.take, "", ""); status != http.StatusUnprocessableEntity && status != http.StatusBadRequest {
		t.Errorf("a cursor that is none: %d %s", status, body)
	}
}

// events reads a stream until it has n records, and returns their ids and the last
// event id.
func (w *running) events(last string, n int) (ids []string, id string) {
	w.t.Helper()
	ctx, stop := context.WithTimeout(w.t.Context(), 20*time.Second)
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.url+"/data/v1/flows/live/events", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+w.take)
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/event-stream" {
		w.t.Fatalf("the stream answers %s %s", res.Status, res.Header.Get("Content-Type"))
	}
	for s := bufio.NewScanner(res.Body); len(ids) < n && s.Scan(); {
		switch line := s.Text(); {
		case strings.HasPrefix(line, "id:"):
			id = strings.TrimSpace(line[3:])
		case strings.HasPrefix(line, "data:"):
			var e struct {
				Record string `json:"record"`
			}
			if err := json.Unmarshal([]byte(line[5:]), &e); err != nil {
				w.t.Fatalf("%s: %v", line, err)
			}
			ids = append(ids, e.Record)
		}
	}
	return ids, id
}

// TestStreamResumes: a reader that comes back with Last-Event-ID, also after the
// node was restarted, misses nothing and gets nothing twice.
func TestStreamResumes(t *testing.T) {
	w := run(t)
	w.publish("e1", "e2", "e3")
	ids, last := w.events(w.beginning(), 1)
	if !slices.Equal(ids, []string{"e2"}) || last == "" {
		t.Fatalf("after the first record the stream goes on with %v", ids)
	}
	w.stop()
	w.start()
	w.publish("e4")
	if ids, _ := w.events(last, 2); !slices.Equal(ids, []string{"e3", "e4"}) {
		t.Errorf("after a restart the stream goes on with %v, want e3 and e4", ids)
	}
}

// beginning is the cursor of the first record.
func (w *running) beginning() string {
	w.t.Helper()
	_, body, _ := w.call("GET", "/data/v1/flows/live/records?limit=1", w.take, "", "")
	var page struct {
		Records []struct {
			Cursor string `json:"cursor"`
		} `json:"records"`
	}
	if err := json.Unmarshal([]byte(body), &page); err != nil || len(page.Records) == 0 {
		w.t.Fatalf("%s %v", body, err)
	}
	return page.Records[0].Cursor
}

// TestWebhookIsSigned: the address is proven, every call is signed so that an
// independent check by the published key holds, a failed call comes again under the
// same id, and a replay does too.
func TestWebhookIsSigned(t *testing.T) {
	var mu sync.Mutex
	var key ed25519.PublicKey
	var came []string // subject and id
	fails := 1
	bad := ""
	hook := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		var e struct {
			Subject string         `json:"subject"`
			Data    map[string]any `json:"data"`
			Rest    map[string]any `json:",embed"`
		}
		if err := json.Unmarshal(body, &e); err != nil {
			bad = err.Error()
		}
		id := r.Header.Get("Webhook-Id")
		if c, ok := e.Data["challenge"].(string); ok {
			fmt.Fprint(rw, c)
			return
		}
		sig, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(r.Header.Get("Webhook-Signature"), "v1a,"))
		signed := fmt.Appendf(nil, "%s.%s.%s", id, r.Header.Get("Webhook-Timestamp"), body)
		if len(key) > 0 && !ed25519.Verify(key, signed, sig) {
			bad = "the signature does not hold"
		}
		if bytes.Contains(body, []byte(`"type":"org.hansa-exchange.record`)) {
			came = append(came, e.Subject+" "+id)
		}
		if fails > 0 && e.Subject == "w1" {
			fails--
			rw.WriteHeader(http.StatusInternalServerError)
			return
		}
		rw.WriteHeader(http.StatusNoContent)
	}))
	defer hook.Close()
	w := run(t, strings.TrimPrefix(hook.URL, "http://"))
	status, body, _ := w.call("POST", "/data/v1/flows/live/subscriptions", w.take, "application/json", `{"url":"`+hook.URL+`/h","format":"record"}`)
	var sub struct{ ID, Key string }
	if err := json.Unmarshal([]byte(body), &sub, json.MatchCaseInsensitiveNames(true)); err != nil || status != http.StatusCreated {
		t.Fatalf("%d %s %v", status, body, err)
	}
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(sub.Key, "whpk_"))
	if err != nil || len(raw) != ed25519.PublicKeySize {
		t.Fatalf("the key is %q: %v", sub.Key, err)
	}
	mu.Lock()
	key = raw
	mu.Unlock()
	wait := func(what string, is func() bool) {
		t.Helper()
		for range 400 {
			mu.Lock()
			ok := is()
			mu.Unlock()
			if ok {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
		t.Fatalf("never: %s; came %v", what, came)
	}
	for range 200 {
		if _, body, _ := w.call("GET", "/data/v1/flows/live/subscriptions", w.take, "", ""); strings.Contains(body, `"active"`) {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	w.publish("w1", "w2")
	wait("w1 twice under one id, then w2", func() bool {
		return len(came) == 3 && came[0] == came[1] && strings.HasPrefix(came[0], "w1 ") && strings.HasPrefix(came[2], "w2 ")
	})
	var list struct {
		Deliveries []struct {
			ID, Record string
		} `json:"deliveries"`
	}
	wait("w2 among the deliveries", func() bool {
		_, body, _ = w.call("GET", "/api/v1/deliveries", w.take, "", "")
		return strings.Count(body, `"state":"delivered"`) == 2 && json.Unmarshal([]byte(body), &list, json.MatchCaseInsensitiveNames(true)) == nil
	})
	for _, d := range list.Deliveries {
		if d.Record == "w2" {
			if status, body, _ := w.call("POST", "/api/v1/deliveries/"+d.ID+"/replay", w.take, "application/json", "{}"); status != http.StatusOK {
				t.Errorf("replay: %d %s", status, body)
			}
		}
	}
	wait("w2 again under its id", func() bool { return len(came) == 4 && came[3] == came[2] })
	mu.Lock()
	defer mu.Unlock()
	if bad != "" {
		t.Error(bad)
	}
}

// TestEveryFormatAsks: each format of a flow answers with its media type, its label
// and a tag, and one that the flow does not allow is refused by rule.
func TestEveryFormatAsks(t *testing.T) {
	w := run(t)
	w.publish("f1")
	for format, media := range map[string]string{"record": "application/vnd.hansa", "geojson": "application/geo+json", "cifs": "application/xml"} {
		status, body, h := w.call("GET", "/data/v1/flows/live/snapshot."+format, w.take, "", "")
		if status != http.StatusOK || !strings.HasPrefix(h.Get("Content-Type"), media) || h.Get("ETag") == "" || h.Get("Hansa-Flow") != w.flow || !strings.HasPrefix(h.Get("Hansa-Basis"), "configured;") {
			t.Errorf("%s: %d %v %.200s", format, status, h, body)
		}
	}
	if status, body, _ := w.call("GET", "/data/v1/flows/live/snapshot.wzdx", w.take, "", ""); status != http.StatusNotAcceptable || !strings.Contains(body, "GATE-08") {
		t.Errorf("a format that is not agreed: %d %s", status, body)
	}
	if status, _, _ := w.call("GET", "/data/v1/flows/live/snapshot.nonsense", w.take, "", ""); status/100 != 4 {
		t.Errorf("a format that is none: %d", status)
	}
}

// TestPublishMax: of a post that is too long what came first is taken and answered,
// and the next is refused by name: what is in is what is told.
func TestPublishMax(t *testing.T) {
	w := newTown(t)
	var body strings.Builder
	for i := range api.PublishMax + 3 {
		fmt.Fprintf(&body, `{"kind":"situation","id":"m%d","version":1,"situation":{"lifecycle":"active","effect":"road-closed"}}`+"\n", i)
	}
	code, answer := w.ask(t, http.MethodPost, "/data/v1/datasets/closures/records", "Bearer "+w.give, "application/x-ndjson", body.String())
	var ans api.PublishAnswer
	if err := json.Unmarshal([]byte(answer), &ans); err != nil || code != http.StatusOK {
		t.Fatalf("%d %.300s: %v", code, answer, err)
	}
	last := ans.Records[len(ans.Records)-1]
	if ans.Accepted != api.PublishMax || ans.Refused != 1 || last.ID != fmt.Sprint("m", api.PublishMax) || last.Error == nil || last.Error.Code != hansa.CodeTooLarge {
		t.Errorf("%d taken, %d refused, the last %+v: want %d, and the next refused as too large", ans.Accepted, ans.Refused, last, api.PublishMax)
	}
	if n, err := w.stream.Records(t.Context()); err != nil || n != api.PublishMax {
		t.Errorf("%d records are kept (%v), want %d", n, err, api.PublishMax)
	}
}
