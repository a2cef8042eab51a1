package node

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/outbound"
	"github.com/hansa-exchange/hansa/internal/base/protocol"
	"github.com/hansa-exchange/hansa/internal/controlplane/negotiation"
	"github.com/hansa-exchange/hansa/internal/controlplane/transfer"
	"github.com/hansa-exchange/hansa/internal/edge/dsp"
)

// send makes one try at a letter, and reads what the other side's answer means.
func (d *deal) send(ctx context.Context, l *outbound.Letter) outbound.Outcome {
	if strings.HasPrefix(l.Kind, letterAccord) {
		return d.n.accords.send(ctx, l)
	}
	at, err := d.completed(ctx, l)
	if err != nil {
		return outbound.Outcome{Reason: hansa.Public(err).Message, Soon: true}
	}
	if l.Reason == outbound.AskFirst || l.Reason == outbound.Repeated {
		pid, ok, says := d.shares(ctx, l)
		if ok || !says && l.Reason == outbound.Repeated { // it took the letter once
			return outbound.Outcome{Status: 200, Delivered: true, Also: d.told(l, 0, pid, false)}
		}
	}
	body, err := d.withSecrets(ctx, l.Process, l.Body)
	if err != nil {
		return outbound.Outcome{Reason: "its secret cannot be read: " + hansa.Public(err).Message, Final: true}
	}
	answer, out := d.call(ctx, l, http.MethodPost, at, body)
	if answer == nil {
		return out
	}
	if out.Refuses() { // unless the other side took it before, and its answer was lost
		if pid, ok, _ := d.shares(ctx, l); ok {
			out.Delivered, out.Also = true, d.told(l, 0, pid, false)
			return out
		}
	}
	switch out = out.Judged(); {
	case out.Delivered:
		near := answer.Header.Get(dsp.PeerHeader) != ""
		out.Also = d.told(l, l.N, pidOf(l, dsp.ReadProcess(answer.Body)), near)
		if near && strings.HasPrefix(l.Kind, "negotiation/") && negotiation.Awaits(negotiation.State(l.After)) {
			out.Awaited, out.Then = true, func() { d.changed(l.Process) }
		}
	case out.Final:
		out.Also, out.Then = d.refused(l, out.Reason), func() { d.changed(l.Process) }
	}
	return out
}

// call makes one call in a letter's name. Without an answer the outcome says why.
func (d *deal) call(ctx context.Context, l *outbound.Letter, method, at string, body []byte) (*outbound.Answer, outbound.Outcome) {
	h := http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json"}, dsp.PeerHeader: {dsp.Version}}
	if method == http.MethodPost {
		knows, err := d.knows(ctx, l)
		if err != nil {
			return nil, outbound.Outcome{Reason: hansa.Public(err).Message, Soon: true}
		}
		dsp.WriteNumber(h, protocol.Number{N: l.N, Knows: knows})
	}
	if err := d.identity.Present(ctx, l.Own, l.Other, h); err != nil {
		return nil, outbound.Outcome{Reason: hansa.Public(err).Message, Soon: true}
	}
	ctx, span := d.n.traces.calling(ctx, at, h)
	answer, err := d.n.client.Do(ctx, outbound.Request{Method: method, URL: at, Header: h, Body: body})
	if err != nil {
		ended(span, 0, err)
		if e := hansa.Public(err); e.Code == hansa.CodeAddress {
			return nil, outbound.Outcome{Reason: e.Message + hinted(e), Final: true}
		}
		return nil, outbound.Outcome{Reason: "there was no answer: " + strings.ToValidUTF8(err.Error(), "\uFFFD")}
	}
	ended(span, answer.Status, nil)
	reason := dsp.ReadReasons(answer.Body)
	if reason == "" {
		reason = http.StatusText(answer.Status)
	}
	return answer, outbound.Outcome{Status: answer.Status, Answer: answer.Body, Reason: reason}
}

// knows is the other side's letter that this one has taken last, while a letter still
// counts. In a negotiation the sides take turns: there nothing can be late that was not
// answered.
func (d *deal) knows(ctx context.Context, l *outbound.Letter) (n int64, err error) {
	if strings.HasPrefix(l.Kind, "negotiation/") {
		return 0, nil
	}
	err = d.n.db.Read(ctx, func(tx hansa.Tx) error {
		t, err := d.transfers.Get(tx, l.Own, l.Process)
		if err != nil {
			return err
		}
		n = t.Last
		waits, err := d.outbox.Waits(tx, l)
		if err == nil && !waits {
			err = hansa.Errorf(hansa.Conflict, "it was given up: the other side has said something since")
		}
		return err
	})
	return n, err
}

func hinted(e *hansa.Error) string {
	if e.Hint == "" {
		return ""
	}
	return "; " + e.Hint
}

// pidOf is what the other side calls the process, where its answer says so and is
// about this one.
func pidOf(l *outbound.Letter, p dsp.Process) string {
	switch l.Process {
	case p.ConsumerPid:
		return p.ProviderPid
	case p.ProviderPid:
		return p.ConsumerPid
	}
	return ""
}

// completed is a letter's address. One that was written before the other side's
// pid was known waits for it.
func (d *deal) completed(ctx context.Context, l *outbound.Letter) (string, error) {
	at := l.URL
	part, _, _ := strings.Cut(l.Kind, "/")
	mark := "/" + part + "s//"
	j := strings.LastIndex(at, mark)
	if j < 0 { // the pid is there
		return at, nil
	}
	j += len(mark) - 1
	var pid string
	err := d.n.db.Read(ctx, func(tx hansa.Tx) error {
		_, other, err := d.process(tx, l)
		pid = other
		return err
	})
	if err == nil && pid == "" {
		err = hansa.Errorf(hansa.Busy, "the other side has not yet said what it calls the process")
	}
	return at[:j] + url.PathEscape(pid) + at[j:], err
}

// process is the base address of the other side, and its pid.
func (d *deal) process(tx hansa.Tx, l *outbound.Letter) (base, pid string, err error) {
	if strings.HasPrefix(l.Kind, "negotiation/") {
		n, err := d.negotiations.Get(tx, l.Own, l.Process)
		if err != nil {
			return "", "", err
		}
		return n.Address + "/negotiations/", n.Pid, nil
	}
	t, err := d.transfers.Get(tx, l.Own, l.Process)
	if err != nil {
		return "", "", err
	}
	return t.Peer + "/transfers/", t.Pid, nil
}

// shares asks the other side how the process stands, and reports whether it has
// taken what a letter says; says is whether it answered that at all.
func (d *deal) shares(ctx context.Context, l *outbound.Letter) (pid string, ok, says bool) {
	var base string
	err := d.n.db.Read(ctx, func(tx hansa.Tx) (err error) {
		base, pid, err = d.process(tx, l)
		return err
	})
	if err != nil || pid == "" {
		return "", false, false
	}
	answer, _ := d.call(ctx, l, http.MethodGet, base+url.PathEscape(pid), nil)
	if answer == nil || answer.Status != http.StatusOK {
		return "", false, false
	}
	p := dsp.ReadProcess(answer.Body)
	if strings.HasPrefix(l.Kind, "negotiation/") {
		return pid, negotiation.Shares(negotiation.State(p.State), negotiation.State(l.After)), true
	}
	return pid, transfer.Shares(transfer.State(p.State), transfer.State(l.After)), true
}

// again answers a repeat. A connector that repeats itself may write over what it was
// told since; a node of this exchange does not.
func (d *deal) again(tx hansa.Tx, w *work, process string, near bool) error {
	if near {
		return nil
	}
	return d.outbox.Again(tx, &w.mail, process, d.n.wall().Add(settledAfter))
}

// told notes that the other side took a letter, or came by itself to where it leads:
// then n, the number of what it took, is 0.
func (d *deal) told(l *outbound.Letter, n int64, pid string, near bool) func(hansa.Tx) error {
	return func(tx hansa.Tx) error {
		if strings.HasPrefix(l.Kind, "negotiation/") {
			n, err := d.negotiations.Get(tx, l.Own, l.Process)
			if err != nil {
				return unlessGone(err)
			}
			next := n.Told(negotiation.State(l.After), pid, near)
			if len(next.Way) == len(n.Way) && next.Pid == n.Pid && next.Near == n.Near {
				return nil // what came meanwhile said more
			}
			return d.negotiations.Put(tx, &next, d.n.wall())
		}
		t, err := d.transfers.Get(tx, l.Own, l.Process)
		if err != nil {
			return unlessGone(err)
		}
		next := t.Told(transfer.State(l.After), n, pid, near)
		if len(next.Way) == len(t.Way) && next.Pid == t.Pid && next.Near == t.Near && next.Took == t.Took {
			return nil
		}
		return d.transfers.Put(tx, &next, d.n.wall())
	}
}

// unlessGone is err, but that a process is not kept any more is none: of its letter
// is noted what became of it all the same.
func unlessGone(err error) error {
	if hansa.KindOf(err) == hansa.NotFound {
		return nil
	}
	return err
}

// refused notes that the other side will not take a letter.
func (d *deal) refused(l *outbound.Letter, why string) func(hansa.Tx) error {
	return func(tx hansa.Tx) error {
		now := d.n.wall().UTC()
		if strings.HasPrefix(l.Kind, "negotiation/") {
			n, err := d.negotiations.Get(tx, l.Own, l.Process)
			if err != nil {
				return unlessGone(err)
			}
			next := n.Refused(why)
			next.Changed = now
			return d.negotiations.Put(tx, &next, now)
		}
		t, err := d.transfers.Get(tx, l.Own, l.Process)
		if err != nil {
			return unlessGone(err)
		}
		next := t.Refused(why)
		next.Changed = now
		return d.transfers.Put(tx, &next, now)
	}
}
