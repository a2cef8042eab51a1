package deliver

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
)

const (
	// slotsMax bounds the sends in flight. A send gives its slot back after
	// slotHold, so that receivers that do not answer cannot use them all up; each
	// subscription has one send in flight at most, which bounds those.
	slotsMax   = 64
	slotHold   = time.Second
	sendMax    = 15 * time.Second // for one send, answer included
	idleRetry  = 30 * time.Second // when the line says no
	reopens    = 50 * time.Millisecond
	throttling = 24 * time.Hour // the longest Retry-After that is heeded
	deniedMax  = 1000           // denied events before the cursor is moved without a send
)

// Ladder returns the waits between tries of one event; the first try is at once.
func Ladder() []time.Duration {
	return []time.Duration{
		5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
		10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
	}
}

// Run sends webhooks until ctx ends, one worker each subscription.
func (d *Deliverer) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for {
		d.mu.Lock()
		wake := d.wake
		d.mu.Unlock()
		var list []*Subscription
		err := d.DB.Read(ctx, func(tx hansa.Tx) (err error) {
			list, err = d.load(tx, `ORDER BY id`)
			return err
		})
		if err != nil && ctx.Err() == nil {
			d.Log.ErrorContext(ctx, "webhooks cannot be read", slog.Any("error", err))
		}
		for _, s := range list {
			if kicked, started := d.hook(s.ID); started {
				wg.Go(func() {
					defer d.unhook(s.ID)
					d.work(ctx, s.ID, kicked)
				})
			}
		}
		var again <-chan time.Time
		if err != nil {
			t := time.NewTimer(idleRetry)
			defer t.Stop()
			again = t.C
		}
		select {
		case <-wake:
		case <-again:
		case <-ctx.Done():
			return nil
		}
	}
}

func (d *Deliverer) hook(id string) (chan struct{}, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.hooks[id]; ok {
		return nil, false
	}
	d.hooks[id] = make(chan struct{}, 1)
	return d.hooks[id], true
}

func (d *Deliverer) unhook(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.hooks, id)
}

func (d *Deliverer) kick(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	select {
	case d.hooks[id] <- struct{}{}:
	default: // no worker, or one that is already called
	}
}

// work serves one subscription until it is gone or ctx ends.
func (d *Deliverer) work(ctx context.Context, id string, kicked <-chan struct{}) {
	for ctx.Err() == nil {
		select {
		case <-kicked: // whatever changed is read now
		default:
		}
		var s *Subscription
		err := d.DB.Read(ctx, func(tx hansa.Tx) (err error) {
			s, err = d.one(tx, id)
			return err
		})
		if err != nil && hansa.KindOf(err) == hansa.NotFound {
			return
		}
		var pause time.Duration
		var changed <-chan struct{}
		if err == nil {
			changed, pause, err = d.serve(ctx, s, kicked)
		}
		if err != nil && ctx.Err() == nil {
			d.Log.WarnContext(ctx, "webhook waits", slog.String("subscription", id), slog.Any("error", err))
			pause = idleRetry
		}
		if pause == 0 && changed == nil {
			continue
		}
		if !wait(ctx, pause, changed, kicked) {
			return
		}
	}
}

// wait returns false when ctx has ended. A pause of 0 or less sets no end.
func wait(ctx context.Context, pause time.Duration, changed, kicked <-chan struct{}) bool {
	var late <-chan time.Time
	if pause > 0 {
		t := time.NewTimer(pause)
		defer t.Stop()
		late = t.C
	}
	select {
	case <-late:
	case <-changed:
	case <-kicked:
	case <-ctx.Done():
		return false
	}
	return true
}

// serve does what s is due, and returns what to wait for: a change, a time, or
// with neither nothing.
func (d *Deliverer) serve(ctx context.Context, s *Subscription, kicked <-chan struct{}) (<-chan struct{}, time.Duration, error) {
	if s.State != Active && s.State != Pending {
		return make(chan struct{}), 0, nil // only a kick helps
	}
	if early := s.Next.Sub(d.Now()); early > 0 {
		return nil, early, nil
	}
	v, err := d.Line.Open(ctx, s.Flow, s.Purpose, s.Format)
	if err != nil {
		return nil, idleRetry, d.note(ctx, s, hansa.Public(err).Message)
	}
	if s.State == Pending {
		return nil, 0, d.challenge(ctx, s, v)
	}
	from, skipped := s.Cursor, []Event(nil)
	for at := s.Cursor; ; {
		changed := d.Line.Changed(v)
		evs, next, err := d.Line.Events(ctx, v, at, 100)
		if e := hansa.Public(err); e != nil && e.Code == hansa.CodeGone {
			return nil, 0, d.resume(ctx, s, v)
		}
		if err != nil && hansa.KindOf(err) == hansa.Conflict { // its terms have changed since it was opened
			return nil, reopens, nil
		}
		if err != nil {
			return nil, idleRetry, d.note(ctx, s, hansa.Public(err).Message)
		}
		for i := range evs {
			skipped = append(skipped, evs[i])
			if !evs[i].told() && len(skipped) < deniedMax {
				continue
			}
			ok, err := d.step(ctx, s, v, skipped, from)
			if !ok || err != nil || len(kicked) > 0 {
				return nil, 0, err
			}
			from, skipped = evs[i].Cursor, nil
		}
		if at = next; len(evs) > 0 {
			continue
		}
		select {
		case <-changed:
			if len(kicked) > 0 {
				return nil, 0, nil
			}
			if v, err = d.Line.Open(ctx, s.Flow, s.Purpose, s.Format); err != nil {
				return nil, idleRetry, d.note(ctx, s, hansa.Public(err).Message)
			}
		case <-kicked:
			return nil, 0, nil
		case <-ctx.Done():
			return nil, 0, ctx.Err()
		}
	}
}

// resume moves a cursor that is gone to where there is something again. After a
// restore the webhook goes on by itself. When records that it was not sent are no
// longer kept it is parked: its owner reads the snapshot, and sets it going.
func (d *Deliverer) resume(ctx context.Context, s *Subscription, v View) error {
	to, lost, err := d.Line.Resume(ctx, v, s.Cursor)
	if err != nil {
		return err
	}
	state, reason := s.State, s.Reason
	if lost {
		state, reason = Parked, "records that it was not sent are no longer kept: read the snapshot, then resume it"
	}
	return d.DB.Write(ctx, func(tx hansa.Tx) error {
		_, err := tx.Exec(`UPDATE deliver_subscriptions SET cursor = ?, state = ?, reason = ? WHERE id = ? AND cursor = ? AND state = ?`,
			string(to), string(state), reason, s.ID, string(s.Cursor), string(s.State))
		return err
	})
}

// note keeps why a subscription stands still though nobody stopped it.
func (d *Deliverer) note(ctx context.Context, s *Subscription, reason string) error {
	if ctx.Err() != nil || s.Reason == reason {
		return ctx.Err()
	}
	return d.DB.Write(ctx, func(tx hansa.Tx) error {
		_, err := tx.Exec(`UPDATE deliver_subscriptions SET reason = ? WHERE id = ?`, reason, s.ID)
		return err
	})
}

// send posts body and reports the try. Status 0 is no answer.
func (d *Deliverer) send(ctx context.Context, s *Subscription, id string, body []byte, label http.Header) (a hansa.Attempt, answered http.Header, answer []byte) {
	select {
	case d.slots <- struct{}{}:
	case <-ctx.Done():
		return hansa.Attempt{At: d.Now(), Error: ctx.Err().Error()}, nil, nil
	}
	release := sync.OnceFunc(func() { <-d.slots })
	defer release()
	defer time.AfterFunc(slotHold, release).Stop()
	ctx, cancel := context.WithTimeout(ctx, sendMax)
	defer cancel()
	a.At = d.Now().UTC()
	h := headers(s.secrets, id, body, a.At)
	maps.Copy(h, label)
	status, answered, answer, err := d.Send.Post(ctx, s.URL, h, body)
	a.Took = hansa.Duration(d.Now().Sub(a.At))
	a.Status = status
	switch {
	case err != nil && errors.Is(err, context.DeadlineExceeded):
		a.Status, a.Error = 0, "no answer within "+sendMax.String()
	case err != nil:
		a.Status, a.Error = 0, brief(hansa.Public(err).Message+causeOf(err))
	case status < 200 || status > 299:
		a.Error = "answered " + strconv.Itoa(status) + ", only 2xx is success"
	}
	return a, answered, answer
}

func causeOf(err error) string {
	if hansa.KindOf(err) == hansa.Internal {
		return ": " + err.Error()
	}
	return ""
}

func brief(s string) string {
	if len(s) > 300 {
		s = s[:300]
	}
	return strings.ToValidUTF8(s, "")
}

// fate is what a failed try makes of a subscription.
func (d *Deliverer) fate(s *Subscription, a *hansa.Attempt, answered http.Header) (state State, rung int, next time.Time) {
	now := d.Now()
	ladder := Ladder()
	switch {
	case a.Status == http.StatusGone:
		return Disabled, s.Rung, now
	case s.Rung >= len(ladder):
		return Parked, s.Rung + 1, now
	}
	pause := ladder[s.Rung]
	if d.Jitter != nil {
		pause += time.Duration(float64(pause) * 0.1 * d.Jitter())
	}
	switch a.Status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		pause = max(pause, retryAfter(answered.Get("Retry-After"), now))
	}
	a.Retry = now.Add(pause).UTC()
	return s.State, s.Rung + 1, a.Retry
}

func retryAfter(s string, now time.Time) time.Duration {
	if n, err := strconv.ParseInt(s, 10, 32); err == nil && n > 0 {
		return min(time.Duration(n)*time.Second, throttling)
	}
	if t, err := http.ParseTime(s); err == nil {
		return min(t.Sub(now), throttling)
	}
	return 0
}

// challenge proves that the address is the subscriber's: it has to send the
// nonce back, bare or as {"challenge": nonce}.
func (d *Deliverer) challenge(ctx context.Context, s *Subscription, v View) error {
	now := d.Now()
	id := EventID(s.ID, hansa.Cursor("challenge "+s.nonce))
	c := d.envelope(v, id, typePrefix+"subscription.challenge", now)
	data, err := json.Marshal(map[string]string{"challenge": s.nonce})
	if err != nil {
		return err
	}
	c.ContentType, c.Data, c.Subject = "application/json", data, s.ID
	body, err := json.Marshal(c)
	if err != nil {
		return err
	}
	a, answered, answer := d.send(ctx, s, id, body, nil)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var echo struct {
		Challenge string `json:"challenge"`
	}
	if a.Error == "" && strings.TrimSpace(string(answer)) != s.nonce && (json.Unmarshal(answer, &echo) != nil || echo.Challenge != s.nonce) {
		a.Error = "the answer does not hold the challenge"
	}
	return d.DB.Write(ctx, func(tx hansa.Tx) error {
		if a.Error == "" {
			_, err := tx.Exec(`UPDATE deliver_subscriptions SET state = ?, reason = '', nonce = '', rung = 0, next = ? WHERE id = ? AND state = ?`,
				string(Active), now.UnixMicro(), s.ID, string(Pending))
			return err
		}
		state, rung, next := d.fate(s, &a, answered)
		_, err := tx.Exec(`UPDATE deliver_subscriptions SET state = ?, reason = ?, rung = ?, next = ? WHERE id = ? AND state = ?`,
			string(state), "the address has not been proven: "+a.Error, rung, next.UnixMicro(), s.ID, string(Pending))
		return err
	})
}
