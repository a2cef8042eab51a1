package node

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"sync"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/dataplane/deliver"
	"github.com/hansa-exchange/hansa/internal/dataplane/format"
	"github.com/hansa-exchange/hansa/internal/dataplane/gate"
	"github.com/hansa-exchange/hansa/internal/dataplane/quality"
	"github.com/hansa-exchange/hansa/internal/dataplane/receipt"
	"github.com/hansa-exchange/hansa/internal/dataplane/stream"
)

// line is the data way: feed -> format -> quality -> stream -> gate -> format ->
// deliver -> receipt. This file alone knows the order. Feeds and pushes call
// [line.take]; deliver reads through [line.Events] and [line.Snapshot]; a pump for
// each dataset offers what is new to each flow, before anything is handed over.
type line struct {
	node   *Node
	codecs []format.Codec

	mu       sync.RWMutex // guards all below
	courses  map[hansa.FlowID]*course
	pumps    map[hansa.Key]*pump
	datasets map[hansa.PartyID][]*hansa.Dataset
	sets     int // how many flows were set one by one
}

// course is one flow made ready: its gate compiled, its dataset at hand.
type course struct {
	flow    hansa.Flow
	gate    *gate.Gate
	dataset hansa.Dataset
	timed   bool // its terms hold records back for a while
}

var _ deliver.Line = (*line)(nil)

// origin is where records come from, and so what is asked of them.
type origin int

// The origins.
const (
	foreign origin = iota // from a feed or a program: kept, and marked
	own                   // from the desk: what it lacks is its refusal
	mended                // from the desk, of a record that came with its defects: they do not hold up its end
)

// quality, then stream: take grades records and stores them, in one transaction
// with what also writes; nil writes nothing. The answers stand in the order of recs;
// an error of one leaves the others.
func (l *line) take(ctx context.Context, d *hansa.Dataset, recs []*hansa.Record, from origin, also func(hansa.Tx) error) ([]stream.Accepted, []error, error) {
	if l.node.full.Load() && from == foreign { // the reserve is for who closes a road, and for the evidence of reads
		return nil, nil, hansa.Errorf(hansa.Busy, "the disk is full: nothing is taken until there is space, reading goes on").With(hansa.CodeStorageFull).WithHint("free some space; no restart is needed")
	}
	ctx, span := l.node.traces.taking(ctx, d, len(recs))
	defer span.End()
	now := l.node.clock()
	refused := make([]error, len(recs))
	good := make([]*hansa.Record, 0, len(recs))
	var gone []*hansa.Record
	box := l.node.around(d.Party)
	for i, r := range recs {
		if r.Kind != d.Kind {
			refused[i] = hansa.Fielded("/kind", "the dataset %s holds %s, not %s", d.Name, d.Kind, r.Kind)
			continue
		}
		if refused[i] = r.Validate(); refused[i] != nil {
			continue
		}
		if r.Provenance.Holder == "" {
			r.Provenance.Holder = d.Holder
		}
		in := quality.Context{Now: now, Own: from == own, Box: box}
		if from == own && r.Kind == hansa.KindSituation {
			if refused[i] = quality.Publication(r, in); refused[i] != nil {
				continue
			}
		}
		quality.Mark(r, in)
		if d.Personal {
			r.Original, r.OriginalType = nil, ""
		}
		good = append(good, r)
		old, err := l.replaced(ctx, d, r, now)
		if err != nil {
			return nil, nil, err
		}
		gone = append(gone, old...)
	}
	out, err := l.node.stream.Of(d.Party).AppendWith(ctx, d.ID, append(good, gone...), also) // first what is new: the road is never open between
	if err != nil {
		return nil, nil, err
	}
	all := make([]stream.Accepted, len(recs))
	for i, j := 0, 0; i < len(recs); i++ {
		if refused[i] == nil {
			all[i] = out[j]
			j++
		}
	}
	return all, refused, nil
}

// replaced withdraws what r says that it was re-issued for: a format may have no
// word for that, and who was given the old record must drop it.
func (l *line) replaced(ctx context.Context, d *hansa.Dataset, r *hansa.Record, now time.Time) ([]*hansa.Record, error) {
	if r.Situation == nil {
		return nil, nil
	}
	var out []*hansa.Record
	for _, id := range r.Situation.Related.Replaces {
		old, err := l.node.stream.Of(d.Party).Get(ctx, d.ID, id)
		if hansa.KindOf(err) == hansa.NotFound {
			continue // never here, or trimmed
		}
		if err != nil {
			return nil, err
		}
		if id == r.ID || old.Situation == nil || !old.Live() {
			continue
		}
		x, s := *old, *old.Situation
		x.Situation, x.Version, x.Update, x.Updated, x.Received = &s, old.Version+1, hansa.Redact, now.UTC(), time.Time{}
		x.Original, x.OriginalType, x.Defects, x.Cursor = nil, "", nil, ""
		s.Lifecycle, s.EndRule = hansa.Cancelled, hansa.EndReplaced
		out = append(out, &x)
	}
	return out, nil
}

// Open finds the view of a flow: the gate says whether the reader may have it now.
func (l *line) Open(_ context.Context, id hansa.FlowID, purpose hansa.Purpose, f hansa.Format) (deliver.View, error) {
	c, err := l.course(id)
	if err != nil {
		return deliver.View{}, err
	}
	if _, err := WriterOf(l.codecs, f); err != nil {
		return deliver.View{}, err
	}
	ask := l.ask(c, purpose, f)
	if err := c.gate.Refusal(c.gate.Admit(ask), ask.Now); err != nil {
		return deliver.View{}, err
	}
	return l.view(c, purpose, f), nil
}

func (*line) view(c *course, purpose hansa.Purpose, f hansa.Format) deliver.View {
	return deliver.View{
		Key: c.gate.ViewKey(f), Flow: &c.flow, Format: f, Purpose: purpose,
		Label: hansa.Label{Flow: c.flow.ID, Basis: c.flow.Basis, Licence: first(c.flow.Terms.Licence, c.dataset.Licence), Attribution: c.flow.Terms.Attribution, Holder: c.dataset.Holder},
	}
}

func (l *line) ask(c *course, purpose hansa.Purpose, f hansa.Format) gate.Ask {
	return gate.Ask{Purpose: purpose, Format: f, Now: l.node.clock(), Party: c.flow.To, Test: c.flow.Test}
}

// waits are the verdicts that time alone will change: they stop a flow's cursor.
var waits = []hansa.Rule{gate.NotYet, gate.Window, gate.Delay, gate.Paused}

// same returns the flow of v, unless its terms have changed since it was opened:
// others may share the view that had the old ones.
func (l *line) same(v deliver.View) (*course, error) {
	c, err := l.course(v.Flow.ID)
	if err == nil && c.gate.ViewKey(v.Format) != v.Key {
		err = hansa.Errorf(hansa.Conflict, "the terms of the flow have changed").WithHint("connect again")
	}
	return c, err
}

// Events: stream, then gate, then format. A record that the terms hold back for a
// while ends the run before it, so that it is seen when its time has come.
func (l *line) Events(ctx context.Context, v deliver.View, since hansa.Cursor, limit int) ([]deliver.Event, hansa.Cursor, error) {
	c, err := l.same(v)
	if err != nil {
		return nil, since, err
	}
	w, err := WriterOf(l.codecs, v.Format)
	if err != nil {
		return nil, since, err
	}
	recs, next, err := l.node.stream.Of(c.flow.From).Read(ctx, c.dataset.ID, since, limit)
	if err != nil {
		return nil, since, err
	}
	if err := l.ready(ctx, c); err != nil {
		return nil, since, err
	}
	ask, at := l.ask(c, v.Purpose, v.Format), since
	evs, denied := make([]deliver.Event, 0, len(recs)), []*hansa.Record(nil)
	for _, r := range recs {
		verdict := decide(c, r, ask)
		if verdict.Outcome == hansa.Deny && slices.Contains(waits, verdict.Rule) {
			next = at
			break
		}
		ev := deliver.Event{Cursor: r.Cursor, Record: r.ID, Version: r.Version, Update: updateOf(r), At: r.Received, Rule: verdict.Rule, Outcome: verdict.Outcome}
		if verdict.Outcome == hansa.Deny {
			denied = append(denied, r)
		} else if err := l.encode(c, v, w, r, &ev); err != nil {
			return nil, since, err
		}
		evs, at = append(evs, ev), r.Cursor
	}
	left, err := l.left(ctx, c, denied, ask)
	if err != nil {
		return nil, since, err
	}
	for i, n := 0, 0; n < len(denied); i++ {
		ev := &evs[i]
		if ev.Outcome != hansa.Deny {
			continue
		}
		if ev.Gone = left[ev.Cursor]; ev.Gone {
			ev.Losses = []hansa.Loss{gone(denied[n])}
			ev.MediaType, ev.Body = "application/json", tombstone(denied[n], ev.Losses)
		}
		n++
	}
	return evs, next, nil
}

// decide asks the gate of c about one arrival. A version that came after a higher
// one is no news: whoever took it for the present would be misled (decision 20).
func decide(c *course, r *hansa.Record, ask gate.Ask) hansa.Verdict {
	if stream.IsOlder(r) {
		return hansa.Verdict{Outcome: hansa.Deny, Rule: stream.RuleOlder}
	}
	return c.gate.Decide(r, ask)
}

// gone is why a receiver must drop what it was given of r. It says no more: the
// terms do not let this version through.
func gone(r *hansa.Record) hansa.Loss {
	return hansa.Loss{Record: r.ID, Kind: hansa.LossRefused, Reason: "a later version is not within the terms of this flow; what was given before stands no more"}
}

// encode writes one record as an event's body. A record that the format cannot
// say becomes a notice that it is withheld, an end that it says by absence a notice
// of the end.
func (l *line) encode(c *course, v deliver.View, w format.Writer, r *hansa.Record, ev *deliver.Event) error {
	if ev.Outcome == hansa.Trim {
		r = c.gate.Trim(r)
	} else {
		r = outward(r)
	}
	if ev.Losses = w.Losses(r); format.Refused(ev.Losses) {
		ev.Refused = r.Live()
		ev.MediaType = "application/json"
		ev.Body = tombstone(r, ev.Losses)
		return nil
	}
	var b bytes.Buffer
	losses, err := w.Write(&b, l.doc(c, v, r.Received), slices.Values([]*hansa.Record{r}))
	if err != nil {
		return err
	}
	ev.Losses, ev.Body, ev.MediaType = losses, b.Bytes(), l.mediaType(v.Format)
	return nil
}

// outward is r without what never leaves the node.
func outward(r *hansa.Record) *hansa.Record {
	c := *r
	c.Provenance.EnteredBy = ""
	if s := r.Situation; s != nil && slices.ContainsFunc(s.Texts, internal) {
		t := *s
		t.Texts = slices.DeleteFunc(slices.Clone(s.Texts), internal)
		c.Situation = &t
	}
	return &c
}

func internal(t hansa.Text) bool { return t.Kind == "internal" }

// Snapshot: stream, then gate, then format, over the present state.
func (l *line) Snapshot(ctx context.Context, v deliver.View) (deliver.Snapshot, error) {
	c, err := l.same(v)
	if err != nil {
		return deliver.Snapshot{}, err
	}
	w, err := WriterOf(l.codecs, v.Format)
	if err != nil {
		return deliver.Snapshot{}, err
	}
	recs, at, err := l.node.stream.Of(c.flow.From).Present(ctx, c.dataset.ID, false)
	if err != nil {
		return deliver.Snapshot{}, err
	}
	if err := l.ready(ctx, c); err != nil {
		return deliver.Snapshot{}, err
	}
	now := l.node.clock()
	out := deliver.Snapshot{At: at, Made: now, Counts: map[hansa.Rule]int{}, MediaType: l.mediaType(v.Format)}
	ask := l.ask(c, v.Purpose, v.Format)
	var pass []*hansa.Record
	var newest time.Time
	for _, r := range recs {
		if r.Situation != nil && r.Situation.EndedByRule(now) {
			continue
		}
		verdict := c.gate.Decide(r, ask)
		out.Counts[verdict.Rule]++
		switch verdict.Outcome {
		case hansa.Deny:
			continue
		case hansa.Trim:
			r = c.gate.Trim(r)
		case hansa.Pass:
			r = outward(r)
		}
		pass = append(pass, r)
		if r.Received.After(newest) {
			newest = r.Received
		}
	}
	var b bytes.Buffer
	if out.Losses, err = w.Write(&b, l.doc(c, v, newest), slices.Values(pass)); err != nil {
		return deliver.Snapshot{}, err
	}
	left := map[string]bool{}
	for _, x := range out.Losses {
		left[x.Record] = left[x.Record] || x.Kind == hansa.LossRefused
	}
	for _, r := range pass {
		if !left[r.ID] {
			out.Records = append(out.Records, deliver.Ref{ID: r.ID, Version: r.Version, Update: updateOf(r)})
		}
	}
	sum := sha256.Sum256(b.Bytes())
	out.Body, out.ETag = b.Bytes(), `"`+hex.EncodeToString(sum[:16])+`"`
	return out, nil
}

// doc says what a document of c says of itself. Its time is that of what it
// holds, so that equal content has equal bytes.
func (l *line) doc(c *course, v deliver.View, made time.Time) format.Doc {
	p := l.node.party(c.flow.From)
	if made.IsZero() {
		made = l.node.started
	}
	zone, err := time.LoadLocation(first(p.Zone, "UTC"))
	if err != nil {
		zone = time.UTC
	}
	return format.Doc{Publisher: p.Title, Country: "eu", Party: p.ID, Made: made, Zone: zone, Lang: p.Language(), Label: v.Label, Contact: p.Contact, Update: c.dataset.Update.Std()}
}

func (l *line) mediaType(f hansa.Format) string {
	for _, c := range l.codecs {
		if c.Name == f {
			return c.MediaType
		}
	}
	return "application/octet-stream"
}

// Changed is closed when the view may have changed.
func (l *line) Changed(v deliver.View) <-chan struct{} {
	c, err := l.course(v.Flow.ID)
	if err != nil {
		return nil
	}
	if c.timed || l.node.clock().Before(c.flow.Terms.From) {
		return l.node.tick.wait()
	}
	return l.node.stream.Of(c.flow.From).Changed(c.dataset.ID)
}

// Resume is where a reader goes on whose cursor is gone.
func (l *line) Resume(ctx context.Context, v deliver.View, since hansa.Cursor) (hansa.Cursor, bool, error) {
	c, err := l.course(v.Flow.ID)
	if err != nil {
		return "", false, err
	}
	return l.node.stream.Of(c.flow.From).Resume(ctx, c.dataset.ID, since)
}

// Head is the cursor after the newest record.
func (l *line) Head(ctx context.Context, v deliver.View) (hansa.Cursor, error) {
	c, err := l.course(v.Flow.ID)
	if err != nil {
		return "", err
	}
	return l.node.stream.Of(c.flow.From).Head(ctx, c.dataset.ID)
}

// course returns a flow made ready.
func (l *line) course(id hansa.FlowID) (*course, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if c := l.courses[id]; c != nil {
		return c, nil
	}
	return nil, hansa.Errorf(hansa.NotFound, "there is no such flow")
}

// updateOf is what a version does, told from its state where the publisher did
// not say.
func updateOf(r *hansa.Record) hansa.Update {
	switch {
	case r.Update != "":
		return r.Update
	case r.Situation != nil && r.Situation.Lifecycle == hansa.Ended:
		return hansa.End
	case r.Situation != nil && r.Situation.Lifecycle == hansa.Cancelled:
		return hansa.Redact
	case r.Version > 1:
		return hansa.Modify
	}
	return hansa.Insert
}

// handed is deliver, then receipt: what was handed over is on its ladder in the
// same transaction, and counted. A look by the operator is neither.
func (l *line) handed(tx hansa.Tx, h deliver.Handover) error {
	if h.Subscriber == operatorSubscriber {
		return nil
	}
	ids := idsOf(h)
	if err := l.node.book.Fetched(tx, h.Flow.ID, ids, h.Way == deliver.WaySnapshot, l.node.clock()); err != nil {
		return err
	}
	counted := map[string]int64{"records": int64(len(ids)), "bytes": h.Bytes, "requests": 1}
	for rule, n := range h.Counts {
		if rule != gate.Passed {
			counted[countedRule+string(rule)] += int64(n)
		}
	}
	for what, n := range counted {
		if err := l.node.count(tx, h.Flow.From, string(h.Flow.ID), what, h.At, n); err != nil {
			return err
		}
	}
	return nil
}

// countedRule is what counts begin with that say how often a rule of the gate held
// something back, or took something off.
const countedRule = "rule:"

func idsOf(h deliver.Handover) []string {
	ids := make([]string, 0, len(h.Records))
	for _, r := range h.Records {
		ids = append(ids, r.ID)
	}
	return ids
}

// held is receipt alone: who asks again and has the present state to the byte has
// seen what was offered since, a closure that came and went between two reads too.
func (l *line) held(ctx context.Context, h deliver.Handover) error {
	if h.Subscriber == operatorSubscriber {
		return nil
	}
	if waits, err := l.node.book.Waits(ctx, h.Flow.ID); err != nil || !waits {
		return err
	}
	return l.node.db.Write(ctx, func(tx hansa.Tx) error {
		return l.node.book.Fetched(tx, h.Flow.ID, idsOf(h), true, l.node.clock())
	})
}

// operatorSubscriber marks reads by the operator of the node, which are no
// hand-over to the receiver.
const operatorSubscriber = "operator"

// shown takes the list that a receiver publishes.
func (l *line) shown(ctx context.Context, flow hansa.FlowID, list []receipt.Shown) error {
	return l.node.book.Polled(ctx, flow, list, l.node.clock())
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
