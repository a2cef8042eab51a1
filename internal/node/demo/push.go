package demo

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
)

// subscribe listens for a webhook, proves the address, and acts on what comes: from the
// start, so that a closure of before it had subscribed is not missed.
func (r *Receiver) subscribe(ctx context.Context) error {
	body, err := json.Marshal(map[string]string{"url": "http://" + r.addr + "/hook", "format": string(r.Format), "purpose": string(r.Purpose), "from": "start"})
	if err != nil {
		return err
	}
	for try := 0; ctx.Err() == nil; try++ {
		var made struct {
			ID  string `json:"id"`
			Key string `json:"key"`
		}
		res, err := r.call(ctx, http.MethodPost, "/data/v1/flows/"+r.stage.Flow+"/subscriptions", "", bytes.NewReader(body))
		if err == nil {
			err = decode(res, &made)
		}
		if err == nil {
			defer r.unsubscribe(ctx, made.ID)
			err = r.trust(made.Key)
		}
		if err == nil {
			break
		}
		if ctx.Err() == nil {
			r.failed("subscribe: %v", err)
		}
		if try == 5 || !r.pause(ctx, time.Second) {
			break
		}
	}
	<-ctx.Done()
	return nil
}

// unsubscribe takes the webhook back when the receiver ends.
func (r *Receiver) unsubscribe(ctx context.Context, id string) {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer stop()
	if res, err := r.call(ctx, http.MethodDelete, "/data/v1/flows/"+r.stage.Flow+"/subscriptions/"+url.PathEscape(id), "", nil); err == nil {
		_ = res.Body.Close() // an exchange that has ended keeps nothing either
	}
}

// trust keeps the key by which the exchange signs its webhooks.
func (r *Receiver) trust(key string) error {
	b, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(key, "whpk_"))
	if err != nil || len(b) != ed25519.PublicKeySize {
		return fmt.Errorf("the exchange's key %.60q is none of Ed25519", key)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.key = b
	return nil
}

// signed reports whether the exchange signed a call, within five minutes of now
// (Standard Webhooks, "v1a").
func (r *Receiver) signed(h http.Header, body []byte) bool {
	r.mu.Lock()
	key := r.key
	r.mu.Unlock()
	at, err := strconv.ParseInt(h.Get("webhook-timestamp"), 10, 64)
	if err != nil || key == nil || time.Since(time.Unix(at, 0)).Abs() > 5*time.Minute {
		return false
	}
	message := slices.Concat([]byte(h.Get("webhook-id")+"."+h.Get("webhook-timestamp")+"."), body)
	for one := range strings.FieldsSeq(h.Get("webhook-signature")) {
		sig, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(one, "v1a,"))
		if err == nil && len(sig) == ed25519.SignatureSize && ed25519.Verify(key, message, sig) {
			return true
		}
	}
	return false
}

// hook takes one webhook call: a challenge to echo, or a CloudEvent. What is not
// signed by the exchange is refused; a challenge proves nothing and needs no proof.
func (r *Receiver) hook(ctx context.Context, w http.ResponseWriter, req *http.Request, busy *sync.WaitGroup) {
	b, err := io.ReadAll(http.MaxBytesReader(w, req.Body, 4<<20))
	if err != nil {
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
		return
	}
	var e struct {
		Type      string `json:"type"`
		Subject   string `json:"subject"`
		Challenge string `json:"challenge"`
		Version   int64  `json:"recordversion"`
		Data      any    `json:"data"`
	}
	if err := json.Unmarshal(b, &e); err != nil {
		http.Error(w, "not an event", http.StatusBadRequest)
		return
	}
	if challenge := challengeOf(e.Challenge, e.Data); challenge != "" {
		w.Header().Set("Content-Type", "application/json")
		b, err := json.Marshal(map[string]string{"challenge": challenge})
		if err == nil {
			_, _ = w.Write(b)
		}
		return
	}
	r.mu.Lock()
	early := r.key == nil
	r.mu.Unlock()
	if early { // the exchange has not told its key yet
		w.Header().Set("Retry-After", "1")
		http.Error(w, "not ready", http.StatusServiceUnavailable)
		return
	}
	if !r.signed(req.Header, b) {
		http.Error(w, "not signed by the exchange", http.StatusUnauthorized)
		return
	}
	w.WriteHeader(http.StatusNoContent)
	if e.Subject == "" || !strings.HasPrefix(e.Type, "org.hansa-exchange.record.") {
		return
	}
	f := told(e.Type, e.Subject, e.Version, e.Data)
	busy.Go(func() { r.take(ctx, f) })
}

// challengeOf finds the challenge at the top or in the data.
func challengeOf(top string, data any) string {
	if m, ok := data.(map[string]any); ok && top == "" {
		top, _ = m["challenge"].(string)
	}
	return top
}

// Listen fixes the address, of loopback, that the receiver will listen on, and
// returns it; port 0 takes a free one. A receiver with an address is called there:
// POST /hook takes events, POST /drop?record=ID drops a record without a word, and
// GET of anything else reads the list of what it shows. Run closes it.
func (r *Receiver) Listen(ctx context.Context, at string) (string, error) {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", at)
	if err != nil {
		return "", err
	}
	r.Use(ln)
	return r.addr, nil
}

// Use lets the receiver listen on ln, as after [Receiver.Listen].
func (r *Receiver) Use(ln net.Listener) { r.ln, r.addr = ln, ln.Addr().String() }

// door is what the receiver answers at its own address.
func (r *Receiver) door(ctx context.Context, busy *sync.WaitGroup) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /hook", func(w http.ResponseWriter, req *http.Request) { r.hook(ctx, w, req, busy) })
	mux.HandleFunc("POST /drop", func(w http.ResponseWriter, req *http.Request) {
		id := req.FormValue("record")
		if !r.Shows(id) {
			http.Error(w, "no such record is shown", http.StatusNotFound)
			return
		}
		r.Drop(id)
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /", r.list)
	return mux
}

// list tells what the receiver shows to its drivers.
func (r *Receiver) list(w http.ResponseWriter, _ *http.Request) {
	list := struct {
		Closures []shownItem `json:"closures"`
	}{Closures: []shownItem{}}
	r.mu.Lock()
	for _, id := range slices.Sorted(maps.Keys(r.shown)) {
		item := r.shown[id]
		if item.State = "live"; item.start.After(r.stage.Now()) {
			item.State = "planned"
		}
		list.Closures = append(list.Closures, item)
	}
	r.mu.Unlock()
	b, err := json.Marshal(list, json.Deterministic(true))
	if err != nil {
		http.Error(w, "cannot say", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(b) // who asked has gone
}

// serve answers on ln until ctx ends.
func (r *Receiver) serve(ctx context.Context, ln net.Listener, h http.Handler) {
	s := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	if err := s.Serve(ln); err != nil && !errors.Is(err, http.ErrServerClosed) {
		r.failed("listen: %v", err)
	}
}
