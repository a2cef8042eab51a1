package demo

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
)

// subscribe listens for a webhook, proves the address, and acts on what comes.
func (r *Receiver) subscribe(ctx context.Context) error {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", r.listAddress())
	if err != nil {
		return err
	}
	var busy sync.WaitGroup
	defer busy.Wait()
	busy.Go(func() {
		r.serve(ctx, ln, func(w http.ResponseWriter, req *http.Request) { r.hook(ctx, w, req, &busy) })
	})
	body, err := json.Marshal(map[string]string{"url": "http://" + ln.Addr().String() + "/hook", "format": string(r.Format), "purpose": string(r.Purpose)})
	if err != nil {
		return err
	}
	for try := 0; ctx.Err() == nil; try++ {
		res, err := r.call(ctx, http.MethodPost, "/data/v1/flows/"+r.stage.Flow+"/subscriptions", "", bytes.NewReader(body))
		if err == nil {
			err = decode(res, nil)
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

// hook takes one webhook call: a challenge to echo, or a CloudEvent.
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
	if err := json.Unmarshal(b, &e); err != nil || req.Header.Get("webhook-signature") == "" {
		http.Error(w, "not a signed event", http.StatusBadRequest)
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
	w.WriteHeader(http.StatusNoContent)
	if e.Subject == "" || !strings.HasPrefix(e.Type, "org.hansa-exchange.record.") || strings.HasSuffix(e.Type, ".withheld") {
		return
	}
	f := fact{id: e.Subject, version: e.Version, over: strings.HasSuffix(e.Type, ".end") || strings.HasSuffix(e.Type, ".withdraw")}
	busy.Go(func() { r.take(ctx, f) })
}

// challengeOf finds the challenge at the top or in the data.
func challengeOf(top string, data any) string {
	if m, ok := data.(map[string]any); ok && top == "" {
		top, _ = m["challenge"].(string)
	}
	return top
}

// listAddress is where the receiver listens; the port is fixed by [Receiver.Listen].
func (r *Receiver) listAddress() string {
	if r.addr == "" {
		return "127.0.0.1:0"
	}
	return r.addr
}

// Listen fixes the address that the receiver will listen on, and returns it.
func (r *Receiver) Listen(ctx context.Context) (string, error) {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	r.addr = ln.Addr().String()
	return r.addr, ln.Close()
}

// publish serves the list of what the receiver shows.
func (r *Receiver) publish(ctx context.Context, ln net.Listener) {
	r.serve(ctx, ln, func(w http.ResponseWriter, _ *http.Request) {
		r.mu.Lock()
		list := struct {
			Closures []shownItem `json:"closures"`
		}{Closures: []shownItem{}}
		for _, s := range r.shown {
			list.Closures = append(list.Closures, s)
		}
		r.mu.Unlock()
		b, err := json.Marshal(list, json.Deterministic(true))
		if err != nil {
			http.Error(w, "cannot say", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(b)
	})
}

// serve answers on ln until ctx ends.
func (r *Receiver) serve(ctx context.Context, ln net.Listener, h http.HandlerFunc) {
	s := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	if err := s.Serve(ln); err != nil && !errors.Is(err, http.ErrServerClosed) {
		r.failed("listen: %v", err)
	}
}
