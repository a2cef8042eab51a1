package node

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/outbound"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/base/protocol"
	"github.com/hansa-exchange/hansa/internal/base/words"
	"github.com/hansa-exchange/hansa/internal/controlplane/negotiation"
	"github.com/hansa-exchange/hansa/internal/controlplane/transfer"
	"github.com/hansa-exchange/hansa/internal/dataplane/gate"
	"github.com/hansa-exchange/hansa/internal/edge/dsp"
)

// HearTransfer takes a message of another participant.
func (d *deal) HearTransfer(ctx context.Context, by dsp.Caller, pid string, m transfer.Message, body []byte) (*transfer.Transfer, error) {
	var out *transfer.Transfer
	err := d.write(ctx, true, func(tx hansa.Tx, w *work) error {
		t, known, err := d.transferFor(ctx, tx, by, pid, &m)
		if err != nil {
			return err
		}
		if known {
			out = t
			return d.again(tx, w, t.ID, t.Near)
		}
		if m.By == "" {
			m.By = t.Side.Other()
		}
		if by.Near {
			m.Hash = protocol.Named(m.Hash)
		}
		was := t.Heard
		next, effects, err := t.Hear(m)
		if err != nil {
			return err
		}
		if out = &next; len(effects) == 0 && next.Heard == was {
			return d.again(tx, w, t.ID, t.Near)
		}
		next.Near = next.Near || by.Near
		l := outbound.Letter{Process: next.ID, Own: by.Own, Other: by.Party, Kind: "transfer/" + string(m.Event), URL: d.base(by.Own), After: string(next.State), Body: withoutSecrets(body), At: d.n.wall(), State: outbound.LetterReceived, Status: 200}
		if err := d.outbox.Keep(tx, &w.mail, &l); err != nil {
			return err
		}
		if m.Address != nil { // where it pushes to, or fetches from
			if err := d.hide(tx, next.ID, m.Address); err != nil {
				return err
			}
		}
		crossed := slices.Contains(effects, transfer.Effect(transfer.Drop{})) // what it was sent may have been given up
		out, err = d.carryTransfer(tx, w, next, effects)
		if k := hansa.KindOf(err); err != nil && m.Event == transfer.Start && (k == hansa.Denied || k == hansa.NotFound) {
			return hansa.Errorf(hansa.Invalid, "it cannot be started: %s", hansa.Public(err).Message) // the process there is
		}
		if err == nil && m.Event == transfer.Start && out.Side == hansa.Provider && (!out.Near || crossed) && out.Format != transfer.Push {
			err = d.startAgain(tx, w, out)
		}
		return err
	})
	return out, err
}

// startAgain tells a connector that resumed where the data is from now on: its own
// start brings no address, and it waits for one. A node of this exchange keeps
// what it has, unless both started at once.
func (d *deal) startAgain(tx hansa.Tx, w *work, t *transfer.Transfer) error {
	if err := d.mint(tx, w, t, nil); err != nil {
		return err
	}
	m := transfer.Message{Event: transfer.Start, By: t.Side, ConsumerPid: t.Pid, ProviderPid: t.ID, Address: d.address(t)}
	_, err := d.postTransfer(tx, w, t, &m)
	return err
}

// transferFor finds the process that a message is about, or begins one under an
// agreement that stands. known says that a first message was heard before.
func (d *deal) transferFor(ctx context.Context, tx hansa.Tx, by dsp.Caller, pid string, m *transfer.Message) (t *transfer.Transfer, known bool, err error) {
	if pid != "" {
		if t, err = d.transfers.Get(tx, by.Own, pid); err == nil && t.Other != by.Party {
			err = hansa.Errorf(hansa.NotFound, "there is no such process")
		}
		return t, false, err
	}
	t, err = d.transfers.ByPid(tx, by.Own, by.Party, hansa.Provider, m.ConsumerPid)
	if err == nil || hansa.KindOf(err) != hansa.NotFound {
		return t, true, err
	}
	a, err := d.negotiations.AgreementByID(tx, by.Own, m.Agreement)
	if err != nil || a.Other != by.Party || a.Side != hansa.Provider {
		return nil, false, hansa.Fielded("/agreementId", "there is no agreement %s that gives you data", m.Agreement)
	}
	if !slices.Contains(transfer.Formats(), m.Format) {
		return nil, false, hansa.Fielded("/format", "the data is given as %s, not as %.100q", strings.Join(transfer.Formats(), ", "), m.Format)
	}
	if m.Format == transfer.Push && (m.Address == nil || endpoint(m.Address) == "") {
		return nil, false, hansa.Fielded("/dataAddress", "%s needs the endpoint to which the data is sent", transfer.Push)
	}
	if err := d.begins(tx, d.transfers.Room, by.Own, by.Party); err != nil {
		return nil, false, err
	}
	if err := d.reachable(ctx, by.Own, by.Party, m.Callback); err != nil {
		return nil, false, hansa.Fielded("/callbackAddress", "%s", hansa.Public(err).Message)
	}
	if at := endpoint(m.Address); at != "" {
		if err := d.n.client.CheckURL(at); err != nil {
			return nil, false, hansa.Fielded("/dataAddress/endpoint", "%s", hansa.Public(err).Message)
		}
	}
	now := d.n.wall()
	return &transfer.Transfer{
		ID: hansa.NewID(now), Pid: m.ConsumerPid, Side: hansa.Provider, Own: by.Own, Other: by.Party, Peer: m.Callback, Near: by.Near,
		Agreement: m.Agreement, Format: m.Format, Began: now.UTC(),
	}, false, nil
}

// carryTransfer does what a step asks for, decides what it leaves open, and stores
// the process.
func (d *deal) carryTransfer(tx hansa.Tx, w *work, t transfer.Transfer, effects []transfer.Effect) (*transfer.Transfer, error) {
	from, err := d.stateOf(tx, &t)
	if err != nil {
		return nil, err
	}
	t, err = t.Carry(effects, transferHands{d, tx, w})
	if err != nil {
		return nil, err
	}
	if was := from; was != t.State {
		if err := d.commit(tx, t.Own, "transfer-"+strings.ToLower(string(t.State)), map[string]any{"process": t.ID, "agreement": t.Agreement, "side": t.Side, "by": t.EndedBy, "code": t.Code, "reason": t.Reason}); err != nil {
			return nil, err
		}
	}
	t.Changed = d.n.wall().UTC()
	w.moved = append(w.moved, t.ID)
	return &t, d.transfers.Put(tx, &t, t.Changed)
}

// stateOf is the state in which a transfer was stored last; empty before it was.
func (d *deal) stateOf(tx hansa.Tx, t *transfer.Transfer) (transfer.State, error) {
	old, err := d.transfers.Get(tx, t.Own, t.ID)
	if err != nil && hansa.KindOf(err) == hansa.NotFound {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return old.State, nil
}

// transferHands do what a transfer asks for in one transaction.
type transferHands struct {
	*deal
	tx hansa.Tx
	w  *work
}

func (h transferHands) Drop(t *transfer.Transfer) error {
	return h.outbox.Void(h.tx, &h.w.mail, t.ID)
}

func (h transferHands) Settle(t *transfer.Transfer, until transfer.State) error {
	return h.outbox.Settle(h.tx, &h.w.mail, t.ID, string(until), h.n.wall())
}

func (h transferHands) Send(t *transfer.Transfer, m *transfer.Message) error {
	n, err := h.postTransfer(h.tx, h.w, t, m)
	t.Sent = n
	return err
}

func (h transferHands) Open(t *transfer.Transfer) error { return h.openData(h.tx, h.w, t) }

func (h transferHands) Close(t *transfer.Transfer, final bool) error {
	return h.closeData(h.tx, h.w, t, final)
}

func (h transferHands) Decide(t *transfer.Transfer) (transfer.Message, string, error) {
	return h.decideTransfer(h.tx, h.w, t)
}

// decideTransfer says what the provider does with a request.
func (d *deal) decideTransfer(tx hansa.Tx, w *work, t *transfer.Transfer) (transfer.Message, string, error) {
	if d.byHand {
		return transfer.Message{}, words.Mark("each step is taken by hand on this node"), nil
	}
	a, err := d.negotiations.AgreementByID(tx, t.Own, t.Agreement)
	if err != nil {
		return transfer.Message{}, "", err
	}
	m, err := d.startMessage(tx, w, t, a)
	if err != nil && hansa.KindOf(err) != hansa.Internal && hansa.KindOf(err) != hansa.Busy {
		return transfer.Message{Event: transfer.Terminate, Code: "policy", Reason: []string{hansa.Public(err).Error()}}, "", nil
	}
	return m, "", err
}

// startMessage is the start of a transfer that its agreement permits now: an
// address with a short-lived token, unless the data is pushed.
func (d *deal) startMessage(tx hansa.Tx, w *work, t *transfer.Transfer, a *negotiation.Agreement) (transfer.Message, error) {
	m := transfer.Message{Event: transfer.Start}
	if !a.Ended.IsZero() {
		return m, hansa.Errorf(hansa.Denied, "the agreement ended at %s", a.Ended.Format(time.RFC3339))
	}
	if _, err := d.datasetOf(t.Own, a.Target); err != nil {
		return m, err
	}
	terms, until, p, err := d.terms(tx, a, policy.Transfer)
	if err != nil {
		return m, err
	}
	t.Until, t.Flow = until, flowUnder(a, p)
	t.Purpose, t.Reads = terms.Purposes[0], dataFormat(terms.Formats)
	if t.Format == transfer.Push {
		return m, nil
	}
	if err := d.mint(tx, w, t, nil); err != nil {
		return m, err
	}
	m.Address = d.address(t)
	return m, nil
}

// openData lets data pass: the provider's gate opens for exactly the agreement, the
// consumer begins to fetch.
func (d *deal) openData(tx hansa.Tx, w *work, t *transfer.Transfer) error {
	if t.Side == hansa.Consumer {
		one := *t
		w.then(func() { d.fetch(&one) })
		return nil
	}
	if d.byHand && t.Flow == "" {
		return nil
	}
	f, err := d.flowOf(tx, t, false)
	if err != nil {
		return err
	}
	if err := d.n.catalog.SaveFlow(tx, &f); err != nil {
		return err
	}
	one := *t
	d.starts(w, t.ID, f.ID)
	w.then(func() {
		d.mu.Lock()
		d.open[one.ID] = opened{one.Own, f.ID, one.Until}
		d.mu.Unlock()
		d.n.setFlow(&f)
		if one.Format == transfer.Push {
			d.push(&one)
		}
	})
	return nil
}

// closeData stops data at once: a token opens nothing while its transfer does not
// run, and is void when that has ended. The flow is closed unless another transfer
// under the agreement runs.
func (d *deal) closeData(tx hansa.Tx, w *work, t *transfer.Transfer, final bool) error {
	id := t.ID
	if final {
		if err := errors.Join(d.transfers.Revoke(tx, id), d.transfers.Forget(tx, id)); err != nil {
			return err
		}
	}
	w.then(func() { d.stop(id, final) })
	if t.Side == hansa.Consumer || t.Flow == "" {
		return nil
	}
	if runs, err := d.runsBeside(tx, t); err != nil || runs {
		return err
	}
	f, err := d.flowOf(tx, t, true)
	switch {
	case hansa.KindOf(err) == hansa.NotFound: // the dataset is gone, and its flows with it
		return nil
	case err != nil:
		return err
	}
	if len(f.Terms.Purposes) == 0 || len(f.Terms.Formats) == 0 { // the policy comes to no terms any more: those that it came to stay, closed
		c, err := d.n.line.course(t.Flow)
		if err != nil {
			return nil //nolint:nilerr // it was never opened
		}
		f.Terms = c.flow.Terms
	}
	if err := d.n.catalog.SaveFlow(tx, &f); err != nil {
		return err
	}
	w.then(func() { d.n.setFlow(&f) })
	return nil
}

// stop ends what runs for a transfer: its fetching, its pushing, and at its end
// its tokens.
func (d *deal) stop(id string, final bool) {
	defer d.n.settled("transfer " + id)
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.open, id)
	for hash, g := range d.tokens {
		if final && g.transfer == id {
			delete(d.tokens, hash)
		}
	}
	if f := d.fetches[id]; f != nil {
		f.stop()
		delete(d.fetches, id)
	}
	if p := d.pushes[id]; p != nil {
		p.stop()
		delete(d.pushes, id)
	}
}

// postTransfer puts a message into the outbox. Secrets do not lie there: they are
// put in when it is sent.
func (d *deal) postTransfer(tx hansa.Tx, w *work, t *transfer.Transfer, m *transfer.Message) (int64, error) {
	m.ID = "urn:uuid:" + hansa.NewID(d.n.wall())
	path, body, err := dsp.EncodeTransfer(m, t.Pid)
	if err != nil {
		return 0, err
	}
	l := &outbound.Letter{
		Process: t.ID, Own: t.Own, Other: t.Other, Kind: "transfer/" + string(m.Event), URL: t.Peer + path, After: string(t.State), Body: body, At: d.n.wall(), Next: d.due(w, t.Near),
		Stops: t.State != transfer.Requested && t.State != transfer.Started,
	}
	err = d.outbox.Post(tx, &w.mail, l)
	return l.N, err
}

// Transfer returns how a process stands, for a participant that is a side of it.
func (d *deal) Transfer(ctx context.Context, by dsp.Caller, pid string) (t *transfer.Transfer, err error) {
	err = d.n.db.Read(ctx, func(tx hansa.Tx) error {
		t, _, err = d.transferFor(ctx, tx, by, orNone(pid), nil)
		return err
	})
	return t, err
}

// requestTransfer asks for data under an agreement; as consumer.
func (d *deal) requestTransfer(tx hansa.Tx, w *work, a *negotiation.Agreement, n *negotiation.Negotiation, as string) (*transfer.Transfer, error) {
	if a.Side != hansa.Consumer {
		return nil, hansa.Errorf(hansa.Invalid, "under agreement %s this side gives the data; the other side asks for it", a.ID)
	}
	if !slices.Contains(transfer.Formats(), as) {
		return nil, hansa.Fielded("/format", "data is had as %s, not as %.100q", strings.Join(transfer.Formats(), ", "), as)
	}
	if err := d.begins(tx, d.transfers.Room, a.Own, a.Other); err != nil {
		return nil, err
	}
	now := d.n.wall().UTC()
	t := transfer.Transfer{
		ID: hansa.NewID(now), Side: hansa.Consumer, Own: a.Own, Other: a.Other, Peer: n.Address, Near: n.Near, Agreement: a.ID, Format: as, Purpose: n.Purpose, Dataset: n.Dataset, Began: now,
	}
	m := transfer.Message{Event: transfer.Request, Callback: d.base(a.Own), Agreement: a.ID, Format: as}
	if as == transfer.Push {
		var err error
		if m.Address, err = d.sink(tx, w, &t); err != nil {
			return nil, err
		}
	}
	next, effects, err := t.Act(m)
	if err != nil {
		return nil, err
	}
	return d.carryTransfer(tx, w, next, effects)
}

// endpoint is where an address leads: some connectors write it among its properties.
func endpoint(a *transfer.Address) string {
	if a == nil {
		return ""
	}
	return first(a.Endpoint, first(a.Properties["endpoint"], a.Properties["https://w3id.org/edc/v0.0.1/ns/endpoint"]))
}

// hide seals what an address holds: by it data is fetched, or pushed.
func (d *deal) hide(tx hansa.Tx, process string, what any) error {
	plain, err := json.Marshal(what)
	if err != nil {
		return err
	}
	sealed, err := d.n.vault.Seal(plain, "transfer "+process)
	if err != nil {
		return err
	}
	return d.transfers.Hide(tx, process, sealed)
}

// reveal opens what [deal.hide] sealed; nothing leaves v as it is.
func (d *deal) reveal(tx hansa.Tx, process string, v any) error {
	sealed, err := d.transfers.Hidden(tx, process)
	if err != nil || sealed == nil {
		return err
	}
	plain, err := d.n.vault.Open(sealed, "transfer "+process)
	if err != nil {
		return err
	}
	return json.Unmarshal(plain, v)
}

// setFlow makes a flow that was stored known to the data way at once, without
// reading all the others again.
func (n *Node) setFlow(f *hansa.Flow) {
	g, err := gate.Compile(f)
	if err != nil {
		return // it was compiled when it was stored
	}
	l := n.line
	key := hansa.Key{Party: f.From, Dataset: f.Dataset}
	l.mu.Lock()
	l.sets++
	for _, set := range l.datasets[f.From] {
		if set.ID == f.Dataset {
			l.courses[f.ID] = newCourse(*f, g, *set)
		}
	}
	if l.pumps[key] == nil {
		l.pumps[key] = &pump{}
	}
	l.mu.Unlock()
	n.tick.now() // who reads it finds that its terms have changed
	n.stream.Of(f.From).Wake(f.Dataset)
	n.loaded.now()
}

func digest(secret string) [32]byte { return sha256.Sum256([]byte(secret)) }
