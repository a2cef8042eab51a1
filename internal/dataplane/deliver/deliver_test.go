package deliver_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/dataplane/deliver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func contains(b []byte, s string) bool { return bytes.Contains(b, []byte(s)) }

// echo answers challenges; other events get what next says.
func echo(next func(e event) (int, http.Header)) sender {
	return func(_ context.Context, _ string, h http.Header, body []byte) (int, http.Header, []byte, error) {
		var e event
		if err := json.Unmarshal(body, &e); err != nil {
			return 0, nil, nil, err
		}
		if e.Data.Challenge != "" {
			return 200, nil, []byte(e.Data.Challenge), nil
		}
		if h.Get("Webhook-Id") != e.ID {
			return 0, nil, nil, errors.New("the ids differ")
		}
		status, answered := next(e)
		return status, answered, nil, nil
	}
}

type event struct {
	ID, Type, Subject, Source string
	Data                      struct{ Challenge, ID string }
}

func TestSnapshotShared(t *testing.T) {
	w := newWorld(t, nil)
	w.line.add("c1", hansa.Insert, hansa.Pass)
	v := w.line.view("k", "", "record")
	a, err := w.d.Pull(t.Context(), v, "cred", nil)
	w.must(err)
	b, err := w.d.Pull(t.Context(), v, "cred", nil)
	w.must(err)
	if w.line.shots != 1 || a.ETag != b.ETag || len(a.ETag) != 66 {
		t.Errorf("made %d times, tags %s and %s", w.line.shots, a.ETag, b.ETag)
	}
	w.line.add("c2", hansa.Insert, hansa.Pass)
	if c, err := w.d.Pull(t.Context(), v, "cred", nil); err != nil || string(c.Body) != "2" {
		t.Errorf("got %s, %v: a change was not seen", c.Body, err)
	}
	w.db.fail = 1
	if _, err := w.d.Pull(t.Context(), v, "cred", nil); err == nil {
		t.Error("handed over without evidence")
	}
	n, err := w.d.Seal(t.Context(), time.Now())
	w.must(err)
	facts, err := w.d.Facts(t.Context(), "f1", "", 10)
	w.must(err)
	if n != 3 || len(facts) != 3 || len(w.seal.batches) != 1 || facts[1].Position != 1 || hansa.Leaf(hansa.FactDelivery, facts[1].Salt, facts[1].Doc) != w.seal.batches[0].Leaves[1] {
		t.Errorf("sealed %d of %d in %d batches", n, len(facts), len(w.seal.batches))
	}
}

func TestRecordsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		v := w.line.view("k", "", "record")
		at := time.Now()
		p, err := w.d.Records(t.Context(), v, "cred", "", 10, 5*time.Second)
		w.must(err)
		if len(p.Events) != 0 || time.Since(at) != 5*time.Second {
			t.Errorf("%d events after %s", len(p.Events), time.Since(at))
		}
		go func() {
			time.Sleep(time.Second)
			w.line.add("secret", hansa.Insert, hansa.Deny)
			time.Sleep(time.Second)
			w.line.add("c1", hansa.Insert, hansa.Pass)
		}()
		p, err = w.d.Records(t.Context(), v, "cred", "", 10, time.Minute)
		w.must(err)
		if len(p.Events) != 1 || p.Events[0].Record != "c1" || p.Next != "2" {
			t.Errorf("got %+v", p)
		}
		facts, err := w.d.Facts(t.Context(), "f1", "", 10)
		w.must(err)
		if last := facts[len(facts)-1].Doc; !contains(last, `"counts":{"TERM-01":2}`) || !contains(last, `"records":1`) {
			t.Errorf("the evidence says %s", last)
		}
	})
}

// TestStreamShared holds that a thousand readers of five views cost five reads a change.
func TestStreamShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		ctx, cancel := context.WithCancel(t.Context())
		const readers, views = 1000, 5
		var mu sync.Mutex
		got := map[int]string{}
		var wg sync.WaitGroup
		for i := range readers {
			wg.Go(func() {
				v := w.line.view(fmt.Sprint("v", i%views), "", "record")
				_ = w.d.Stream(ctx, v, fmt.Sprint("cred", i), "", func(e *deliver.Event) error {
					if e != nil {
						mu.Lock()
						got[i] += e.Record
						mu.Unlock()
					}
					return nil
				})
			})
		}
		synctest.Wait()
		for n := 1; n <= 3; n++ {
			w.line.add(fmt.Sprint(n), hansa.Insert, hansa.Pass)
			synctest.Wait()
			if w.line.reads != n*views {
				t.Errorf("%d reads after %d changes, want %d", w.line.reads, n, n*views)
			}
		}
		cancel()
		wg.Wait()
		for i := range readers {
			if got[i] != "123" {
				t.Fatalf("reader %d got %q", i, got[i])
			}
		}
	})
}

func TestStreamResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		for i := range 300 {
			w.line.add(fmt.Sprint(i), hansa.Insert, hansa.Pass)
		}
		want, beats, stop := 120, 0, errors.New("enough")
		err := w.d.Stream(t.Context(), w.line.view("k", "", "record"), "cred", "120", func(e *deliver.Event) error {
			if e == nil {
				if beats++; beats == 2 {
					return stop
				}
				return nil
			}
			if e.Record != fmt.Sprint(want) {
				t.Fatalf("got %s, want %d", e.Record, want)
			}
			want++
			return nil
		})
		if !errors.Is(err, stop) || want != 300 {
			t.Errorf("%v after %d", err, want)
		}
	})
}

func TestLadder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var at []time.Time
		ids := map[string]bool{}
		status := 500
		w := newWorld(t, echo(func(e event) (int, http.Header) {
			mu.Lock()
			defer mu.Unlock()
			at = append(at, time.Now())
			ids[e.ID] = true
			return status, nil
		}))
		w.line.add("c1", hansa.Insert, hansa.Pass)
		w.line.add("c2", hansa.Modify, hansa.Pass)
		s := w.subscribe("https://r.example/hook", "")
		w.run()
		time.Sleep(200 * time.Hour)
		synctest.Wait()
		if len(at) != 10 || len(ids) != 1 {
			t.Fatalf("%d tries with %d ids, want 10 with 1", len(at), len(ids))
		}
		for i, want := range deliver.Ladder() {
			if got := at[i+1].Sub(at[i]).Round(time.Second); got != want {
				t.Errorf("wait %d is %s, want %s", i, got, want)
			}
		}
		if got := w.sub(s.ID); got.State != deliver.Parked || got.Reason == "" {
			t.Fatalf("got %+v, want it parked", got)
		}
		list, err := w.d.Deliveries(t.Context(), w.own, s.ID, 10)
		w.must(err)
		if len(list) != 1 || list[0].State != deliver.Stuck || len(list[0].Attempts) != 10 || list[0].Attempts[3].Status != 500 {
			t.Fatalf("got %+v", list)
		}
		w.invariants()
		status = 204
		if err := w.d.Resume(t.Context(), hansa.Actor{Party: "did:web:other"}, s.ID); hansa.KindOf(err) != hansa.NotFound {
			t.Errorf("a stranger may resume: %v", err)
		}
		w.must(w.d.Resume(t.Context(), w.own, s.ID))
		time.Sleep(time.Second)
		synctest.Wait()
		if got := w.sub(s.ID); got.State != deliver.Active || got.Cursor != "2" || got.Rung != 0 {
			t.Fatalf("got %+v, want all delivered", got)
		}
		w.must(w.d.Replay(t.Context(), w.own, s.ID, ""))
		time.Sleep(time.Second)
		synctest.Wait()
		if len(at) != 14 || len(ids) != 2 {
			t.Errorf("%d sends with %d ids, want 14 with 2", len(at), len(ids))
		}
		if a, err := w.d.Redeliver(t.Context(), w.own, list[0].ID); err != nil || a.Status != 204 {
			t.Errorf("redelivered: %+v %v", a, err)
		}
		if a, err := w.d.Test(t.Context(), w.own, s.ID); err != nil || a.Status != 204 {
			t.Errorf("tested: %+v %v", a, err)
		}
		w.invariants()
		w.stop()
	})
}

func TestAnswers(t *testing.T) {
	for _, tc := range []struct {
		status int
		retry  string
		state  deliver.State
		wait   time.Duration
	}{
		{410, "", deliver.Disabled, 0},
		{301, "", deliver.Active, 5 * time.Second},
		{429, "120", deliver.Active, 2 * time.Minute},
		{503, "9999999", deliver.Active, 24 * time.Hour},
		{504, "1", deliver.Active, 5 * time.Second},
	} {
		t.Run(fmt.Sprint(tc.status), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, echo(func(event) (int, http.Header) { return tc.status, http.Header{"Retry-After": {tc.retry}} }))
				w.line.add("c1", hansa.Insert, hansa.Pass)
				s := w.subscribe("https://r.example/", "hmac")
				w.run()
				synctest.Wait()
				got := w.sub(s.ID)
				if wait := time.Until(got.Next).Round(time.Second); got.State != tc.state || wait != tc.wait || got.Cursor != "" {
					t.Errorf("%s, again in %s; want %s in %s", got.State, wait, tc.state, tc.wait)
				}
				w.stop()
			})
		})
	}
}

func TestCrashBetweenSendAndCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ids []string
		var w *world
		w = newWorld(t, echo(func(e event) (int, http.Header) {
			if ids = append(ids, e.ID); len(ids) == 1 {
				w.db.mu.Lock()
				w.db.fail = 1
				w.db.mu.Unlock()
			}
			return 200, nil
		}))
		w.line.add("c1", hansa.End, hansa.Pass)
		s := w.subscribe("https://r.example/", "")
		w.run()
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(ids) != 2 || ids[0] != ids[1] || w.sub(s.ID).Cursor != "1" {
			t.Errorf("sent %v, cursor %q", ids, w.sub(s.ID).Cursor)
		}
		w.invariants()
		w.stop()
	})
}

func TestChallengeRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events := 0
		w := newWorld(t, sender(func(_ context.Context, _ string, _ http.Header, b []byte) (int, http.Header, []byte, error) {
			if !contains(b, "subscription.challenge") {
				events++
			}
			return 200, nil, []byte("welcome"), nil
		}))
		w.line.add("c1", hansa.Insert, hansa.Pass)
		s := w.subscribe("https://victim.example/", "")
		w.run()
		time.Sleep(200 * time.Hour)
		synctest.Wait()
		if got := w.sub(s.ID); got.State != deliver.Parked || !strings.Contains(got.Reason, "proven") || events != 0 {
			t.Errorf("%s (%s) with %d events sent", got.State, got.Reason, events)
		}
		w.must(w.d.Resume(t.Context(), w.own, s.ID))
		if got := w.sub(s.ID); got.State != deliver.Pending {
			t.Errorf("resumed to %s without proof", got.State)
		}
		if _, err := w.d.Test(t.Context(), w.own, s.ID); hansa.KindOf(err) != hansa.Conflict {
			t.Errorf("tested an unproven address: %v", err)
		}
		w.stop()
	})
}

// verify is Standard Webhooks by the letter, for one key as it was shown.
func verify(key string, h http.Header, body []byte) bool {
	content := h.Get("webhook-id") + "." + h.Get("webhook-timestamp") + "." + string(body)
	for sig := range strings.FieldsSeq(h.Get("webhook-signature")) {
		version, text, _ := strings.Cut(sig, ",")
		raw, _ := base64.StdEncoding.DecodeString(text)
		if k, ok := strings.CutPrefix(key, "whpk_"); ok && version == "v1a" {
			pub, _ := base64.StdEncoding.DecodeString(k)
			if ed25519.Verify(pub, []byte(content), raw) {
				return true
			}
		}
		if k, ok := strings.CutPrefix(key, "whsec_"); ok && version == "v1" {
			secret, _ := base64.StdEncoding.DecodeString(k)
			m := hmac.New(sha256.New, secret)
			m.Write([]byte(content))
			if hmac.Equal(m.Sum(nil), raw) {
				return true
			}
		}
	}
	return false
}

type overHTTP struct{ *http.Client }

func (c overHTTP) Post(ctx context.Context, url string, h http.Header, body []byte) (int, http.Header, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return 0, nil, nil, err
	}
	req.Header = h
	res, err := c.Do(req)
	if err != nil {
		return 0, nil, nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, 4096))
	return res.StatusCode, res.Header, b, err
}

// TestDeadDelaysNoOther runs real servers: a hundred that never answer beside one that does.
func TestDeadDelaysNoOther(t *testing.T) {
	hole := make(chan struct{})
	var mu sync.Mutex
	var seen []string
	var bad int
	keys := map[string]string{}
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		var e event
		json.Unmarshal(b, &e)
		mu.Lock()
		key := keys[r.URL.Path]
		mu.Unlock()
		if key != "" && !verify(key, r.Header, b) {
			mu.Lock()
			bad++
			mu.Unlock()
		}
		if e.Data.Challenge != "" {
			fmt.Fprintf(rw, `{"challenge":%q}`, e.Data.Challenge)
			return
		}
		if r.URL.Path == "/dead" {
			<-hole
			return
		}
		mu.Lock()
		seen = append(seen, e.Subject)
		mu.Unlock()
	}))
	client := &http.Client{Transport: &http.Transport{}}
	w := newWorld(t, overHTTP{client})
	t.Cleanup(func() { close(hole); w.stop(); client.CloseIdleConnections(); srv.Close() })
	for range 100 {
		w.subscribe(srv.URL+"/dead", "")
	}
	for _, signing := range []string{"ed25519", "hmac"} {
		s := w.subscribe(srv.URL+"/"+signing, signing)
		mu.Lock()
		keys["/"+signing] = s.Key
		mu.Unlock()
	}
	w.run()
	active := func() (n int) {
		list, err := w.d.Subscriptions(t.Context(), w.own, "f1")
		w.must(err)
		for _, s := range list {
			if s.State == deliver.Active {
				n++
			}
		}
		return n
	}
	for end := time.Now().Add(10 * time.Second); active() < 102 && time.Now().Before(end); {
		time.Sleep(20 * time.Millisecond)
	}
	begin := time.Now()
	for i := range 20 {
		w.line.add(fmt.Sprintf("c%02d", i), hansa.Insert, hansa.Pass)
	}
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		mu.Lock()
		n := len(seen)
		mu.Unlock()
		if n == 40 {
			break
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(seen) != 40 || bad != 0 {
		t.Errorf("%d of 40 seen after %s, %d signatures did not hold", len(seen), time.Since(begin), bad)
	}
}

func TestRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var last http.Header
		var body []byte
		w := newWorld(t, sender(func(_ context.Context, _ string, h http.Header, b []byte) (int, http.Header, []byte, error) {
			var e event
			json.Unmarshal(b, &e)
			last, body = h, b
			return 200, nil, []byte(e.Data.Challenge), nil
		}))
		s := w.subscribe("https://r.example/", "")
		w.run()
		synctest.Wait()
		fresh, err := w.d.Rotate(t.Context(), w.own, s.ID)
		w.must(err)
		w.line.add("c1", hansa.Insert, hansa.Pass)
		synctest.Wait()
		if !verify(s.Key, last, body) || !verify(fresh, last, body) || !contains(body, `"subject":"c1"`) {
			t.Errorf("during rotation both keys sign: %v", last)
		}
		time.Sleep(25 * time.Hour)
		w.line.add("c2", hansa.Insert, hansa.Pass)
		synctest.Wait()
		if verify(s.Key, last, body) || !verify(fresh, last, body) {
			t.Error("the old key signs for ever")
		}
		w.stop()
	})
}

func TestLabelHeaders(t *testing.T) {
	h := deliver.LabelHeaders(hansa.Label{Flow: "f", Basis: hansa.Basis{Kind: hansa.BasisAccord, ID: "a", Hash: "h"}, Licence: "https://e.org/l", Attribution: "Gemeente\r\nX: é"})
	if got, want := h.Get("Hansa-Attribution"), "Gemeente%0D%0AX: %C3%A9"; got != want {
		t.Errorf("attribution %q, want %q", got, want)
	}
	if got, want := h.Get("Hansa-Basis"), `accord;id="a";hash="h"`; got != want {
		t.Errorf("basis %q, want %q", got, want)
	}
	if got, want := h.Get("Link"), `<https://e.org/l>; rel="license"`; got != want {
		t.Errorf("link %q, want %q", got, want)
	}
}

// TestCursorGone: after a restore a webhook goes on by itself; when what it was not
// sent is no longer kept it is parked with the reason, and goes on when it is told.
func TestCursorGone(t *testing.T) {
	for _, trimmed := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var sent []string
			w := newWorld(t, echo(func(e event) (int, http.Header) {
				sent = append(sent, e.Data.ID)
				return 204, nil
			}))
			for i := range 4 {
				w.line.add(fmt.Sprint("c", i+1), hansa.Insert, hansa.Pass)
			}
			w.line.kept, w.line.trimmed = 2, trimmed
			s := w.subscribe("https://nav.example/hook", "")
			w.run()
			defer w.stop()
			time.Sleep(time.Minute)
			synctest.Wait()
			if got := w.sub(s.ID); trimmed && (got.State != deliver.Parked || !strings.Contains(got.Reason, "no longer kept") || len(sent) != 0) {
				t.Fatalf("%d sent, and it is %s, %q: want it parked with the reason", len(sent), got.State, got.Reason)
			}
			if trimmed {
				w.must(w.d.Resume(t.Context(), w.own, s.ID))
				time.Sleep(time.Minute)
				synctest.Wait()
			}
			if got := w.sub(s.ID); got.State != deliver.Active || got.Cursor != "4" || len(sent) != 2 || sent[0] != "c3" {
				t.Errorf("sent %q, and it is %s at %q: %s", sent, got.State, got.Cursor, got.Reason)
			}
			w.invariants()
		})
	}
}

// A flow whose terms change while it is read is opened anew at once, and not after the
// long wait of one that is closed.
func TestTermsChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent []string
		w := newWorld(t, echo(func(e event) (int, http.Header) {
			sent = append(sent, e.Data.ID)
			return 204, nil
		}))
		s := w.subscribe("https://nav.example/hook", "")
		w.run()
		defer w.stop()
		synctest.Wait()
		w.line.mu.Lock()
		w.line.turned = 2
		w.line.mu.Unlock()
		w.line.add("c1", hansa.Insert, hansa.Pass)
		time.Sleep(time.Second)
		synctest.Wait()
		if got := w.sub(s.ID); len(sent) != 1 || got.State != deliver.Active || got.Reason != "" {
			t.Errorf("a second after the change %q is sent, and it is %s: %q", sent, got.State, got.Reason)
		}
		w.invariants()
	})
}
