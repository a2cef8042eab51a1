package node

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/outbound"
	"github.com/hansa-exchange/hansa/internal/base/words"
	"github.com/hansa-exchange/hansa/internal/controlplane/transfer"
	"github.com/hansa-exchange/hansa/internal/dataplane/format"
)

// How data is fetched at another node.
const (
	fetchWait  = 30 * time.Second // of a long poll
	fetchPage  = 500
	fetchEvery = 15 * time.Second // where there is nothing to wait on
	fetchMost  = time.Minute      // between tries that fail
	fetchLeast = time.Second      // between two that bring nothing, though the provider answers at once
	fetchBytes = 64 << 20
	eventBytes = 8 << 20
)

// fetch is the fetching of one transfer's data, as consumer.
type fetch struct {
	d    *deal
	t    transfer.Transfer
	stop context.CancelFunc

	holder  string // of the data, as the provider's last answer said
	licence string // as it said, too
	took    int    // changes that came

	mu   sync.Mutex // guards addr
	addr transfer.Address
}

// fetchedEvent is one change as a node of this exchange hands it over.
type fetchedEvent struct {
	Cursor    hansa.Cursor   `json:"cursor"`
	Type      string         `json:"type"`
	Record    string         `json:"record"`
	Version   int64          `json:"version"`
	MediaType string         `json:"mediaType"`
	Data      jsontext.Value `json:"data"`
}

// body is what came of a record: a text stands quoted among the JSON.
func (e *fetchedEvent) body() []byte {
	var text string
	if e.Data.Kind() == '"' && json.Unmarshal(e.Data, &text) == nil {
		return []byte(text)
	}
	return e.Data
}

type fetchedPage struct {
	Records []fetchedEvent `json:"records"`
	Next    hansa.Cursor   `json:"next"`
}

// fetch begins, or begins anew, to fetch what a transfer gives.
func (d *deal) fetch(t *transfer.Transfer) {
	if t.Format == transfer.Push || t.Dataset == "" {
		return
	}
	f := &fetch{d: d, t: *t}
	err := d.n.db.Read(context.Background(), func(tx hansa.Tx) error { return d.reveal(tx, t.ID, &f.addr) })
	if err == nil && endpoint(&f.addr) == "" {
		err = hansa.Errorf(hansa.Invalid, "the provider named no address at which its data can be had")
	}
	if err != nil {
		d.n.problem(context.Background(), "transfer "+t.ID, err)
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ctx == nil || d.ctx.Err() != nil {
		return // the node does not run yet, or no more
	}
	if old := d.fetches[t.ID]; old != nil {
		old.stop()
	}
	ctx, stop := context.WithCancel(d.ctx)
	f.stop = stop
	d.fetches[t.ID] = f
	d.crew.Go(func() { f.run(ctx) })
}

// run fetches until the transfer stops. A failure is shown, and tried again.
func (f *fetch) run(ctx context.Context) {
	defer f.stop()
	wait := time.Second
	for ctx.Err() == nil {
		began, had := f.d.n.wall(), f.took
		more, err := f.once(ctx)
		f.d.n.problem(ctx, "transfer "+f.t.ID, err)
		if f.took > had || err == nil {
			wait = time.Second
		}
		switch {
		case err != nil:
			if hansa.Public(err).Code == hansa.CodeUnauthenticated && f.renew(ctx) == nil {
				pause(ctx, idle(f.took > had, f.d.n.wall().Sub(began)))
				continue
			}
			pause(ctx, wait)
			wait = min(2*wait, fetchMost)
		case !more:
			pause(ctx, fetchEvery)
		default:
			pause(ctx, idle(f.took > had, f.d.n.wall().Sub(began)))
		}
	}
}

// idle is how long a provider is left alone after an answer that took a while: one
// that answers at once, and brings nothing, is not asked again at once.
func idle(brought bool, took time.Duration) time.Duration {
	if brought {
		return 0
	}
	return min(max(fetchLeast-took, 0), fetchLeast)
}

// once fetches one answer; more says that the next may be asked for at once.
func (f *fetch) once(ctx context.Context) (more bool, err error) {
	f.mu.Lock()
	a := f.addr
	f.mu.Unlock()
	switch {
	case f.t.Format == transfer.Stream && a.Properties[ns+"events"] == "":
		return true, f.listen(ctx, endpoint(&a))
	case a.Properties[ns+"events"] == "" && a.Properties[ns+"records"] == "":
		return false, f.whole(ctx, endpoint(&a))
	}
	as := hansa.Format(first(a.Properties[ns+"format"], "record"))
	if !slices.ContainsFunc(f.d.n.line.codecs, func(c format.Codec) bool { return c.Name == as && c.Reader != nil }) {
		return false, hansa.Errorf(hansa.Invalid, "the data is given as %.40q, which this node cannot read", as).WithHint("agree on a format that it reads: hansa accords propose, or hansa negotiate")
	}
	if f.t.Format == transfer.Stream {
		return true, f.listen(ctx, a.Properties[ns+"events"]+"?format="+url.QueryEscape(string(as)))
	}
	if a.Properties[ns+"records"] != "" {
		return true, f.page(ctx, a.Properties[ns+"records"], as)
	}
	return false, f.whole(ctx, endpoint(&a))
}

func (f *fetch) header() http.Header {
	f.mu.Lock()
	defer f.mu.Unlock()
	h := http.Header{}
	auth := first(f.addr.Properties[propAuth], f.addr.Properties["https://w3id.org/edc/v0.0.1/ns/authorization"])
	kind := first(f.addr.Properties[propAuthType], f.addr.Properties["https://w3id.org/edc/v0.0.1/ns/authType"])
	if auth != "" && strings.EqualFold(first(kind, "bearer"), "bearer") && !strings.Contains(auth, " ") {
		auth = "Bearer " + auth
	}
	if auth != "" {
		h.Set("Authorization", auth)
	}
	if p := first(string(f.t.Purpose), f.addr.Properties[ns+"purpose"]); p != "" && f.addr.Properties[ns+"records"] != "" {
		h.Set("Hansa-Purpose", p)
	}
	return h
}

// get reads an answer whole.
func (f *fetch) get(ctx context.Context, at string, wait time.Duration) (*outbound.Answer, error) {
	a, err := f.d.n.client.Do(ctx, outbound.Request{Method: http.MethodGet, URL: at, Header: f.header(), AnswerMax: fetchBytes, Timeout: wait + 30*time.Second, Long: wait > 0})
	if err != nil {
		return nil, err
	}
	f.label(a.Header)
	return a, fetchStatus(a.Status)
}

// label keeps who holds the data, and its licence, where the provider says it.
func (f *fetch) label(h http.Header) {
	if said, err := url.PathUnescape(h.Get("Hansa-Licence")); err == nil {
		f.licence = said
	}
	if said, err := url.PathUnescape(h.Get("Hansa-Holder")); err == nil {
		f.holder = said
	}
}

func fetchStatus(status int) error {
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return hansa.Errorf(hansa.Denied, "the provider answered %d: the token is no longer good", status).With(hansa.CodeUnauthenticated)
	case status == http.StatusGone:
		return hansa.Errorf(hansa.NotFound, "the provider no longer has what comes next").With(hansa.CodeGone)
	case status < 200 || status > 299:
		return hansa.Errorf(hansa.Busy, "the provider answered %d %s", status, http.StatusText(status))
	}
	return nil
}

func (f *fetch) cursor(ctx context.Context) (at hansa.Cursor, err error) {
	err = f.d.n.db.Read(ctx, func(tx hansa.Tx) error {
		at, err = f.d.transfers.Cursor(tx, f.t.ID)
		return err
	})
	return at, err
}

// page fetches the changes since what was fetched last, and waits for them.
func (f *fetch) page(ctx context.Context, at string, as hansa.Format) error {
	since, err := f.cursor(ctx)
	if err != nil {
		return err
	}
	q := url.Values{"since": {string(since)}, "limit": {"500"}, "wait": {"30"}, "format": {string(as)}}
	a, err := f.get(ctx, at+"?"+q.Encode(), fetchWait)
	if hansa.Public(err) != nil && hansa.Public(err).Code == hansa.CodeGone {
		return f.d.n.db.Write(ctx, func(tx hansa.Tx) error { return f.d.transfers.Reached(tx, f.t.ID, "") }) // from the beginning of what there is
	}
	if err != nil {
		return err
	}
	var p fetchedPage
	if err := json.Unmarshal(a.Body, &p); err != nil {
		return hansa.Errorf(hansa.Invalid, "the provider's answer cannot be read: %s", words.Misread(err))
	}
	return f.take(ctx, p.Records, p.Next)
}

// listen follows the provider's event stream.
func (f *fetch) listen(ctx context.Context, at string) error {
	since, err := f.cursor(ctx)
	if err != nil {
		return err
	}
	h := f.header()
	h.Set("Accept", "text/event-stream")
	if since != "" {
		h.Set("Last-Event-ID", string(since))
	}
	s, err := f.d.n.client.Stream(ctx, outbound.Request{Method: http.MethodGet, URL: at, Header: h})
	if err != nil {
		return err
	}
	defer s.Body.Close()
	f.label(s.Header)
	if err := fetchStatus(s.Status); err != nil {
		return err
	}
	lines := bufio.NewScanner(s.Body)
	lines.Buffer(nil, eventBytes)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		var e fetchedEvent
		if err := json.Unmarshal([]byte(data), &e); err != nil || e.Cursor == "" {
			return hansa.Errorf(hansa.Busy, "the provider ended the stream: %.200s", data)
		}
		if err := f.take(ctx, []fetchedEvent{e}, e.Cursor); err != nil {
			return err
		}
	}
	return lines.Err()
}

// take puts what was fetched into the own stream: with where it came from, and
// with up to where it was fetched in the same transaction.
func (f *fetch) take(ctx context.Context, list []fetchedEvent, next hansa.Cursor) error {
	if len(list) == 0 && next == "" {
		return nil
	}
	set, err := f.d.n.datasetFor(hansa.Actor{Party: f.t.Own}, f.t.Dataset)
	if err != nil {
		return err
	}
	var recs []*hansa.Record
	for i := range list {
		e := &list[i]
		if strings.HasSuffix(e.Type, "record.withheld") {
			if r := f.withheld(ctx, set, e); r != nil {
				recs = append(recs, r)
			}
			continue
		}
		for item, err := range Read(f.d.n.line.codecs, first(e.MediaType, hansa.MediaTypeRecord), bytes.NewReader(e.body()), format.Input{Now: f.d.n.clock(), Zone: time.UTC}) {
			if err != nil || item.Record == nil {
				continue // one that cannot be read holds up no other
			}
			recs = append(recs, f.provenance(item.Record))
		}
	}
	f.took += len(list)
	reached := func(tx hansa.Tx) error { return f.reached(tx, next) }
	if len(recs) == 0 {
		return f.d.n.db.Write(ctx, reached)
	}
	if set, err = f.licensed(ctx, set); err != nil {
		return err
	}
	_, _, err = f.d.n.line.take(ctx, set, recs, foreign, func(tx hansa.Tx) error {
		if err := reached(tx); err != nil {
			return err
		}
		p, err := pledgeUnder(tx, f.t.Own, f.t.Agreement)
		if err != nil || p == nil {
			return err
		}
		return f.d.n.count(tx, f.t.Own, string(p.ID), countedReceived, f.d.n.clock(), int64(len(recs)))
	})
	return err
}

// countedReceived is how the versions of records are counted that came by a flow from
// elsewhere.
const countedReceived = "received"

// licensed is the dataset with the licence that the provider names, where nobody has
// said one: what came under a licence goes on under it.
func (f *fetch) licensed(ctx context.Context, set *hansa.Dataset) (*hansa.Dataset, error) {
	if set.Licence != "" || f.licence == "" || len(f.licence) > 100 {
		return set, nil
	}
	named := *set
	named.Licence = f.licence
	if err := f.d.n.db.Write(ctx, func(tx hansa.Tx) error { return f.d.n.catalog.SaveDataset(tx, &named) }); err != nil {
		return set, err
	}
	return &named, f.d.n.load(ctx)
}

// reached notes up to where was fetched. What comes when the transfer runs no more is
// not taken: it was stopped, and nothing of it is to be had later than that.
func (f *fetch) reached(tx hansa.Tx, at hansa.Cursor) error {
	t, err := f.d.transfers.Get(tx, f.t.Own, f.t.ID)
	if err != nil {
		return err
	}
	if t.State != transfer.Started {
		return hansa.Errorf(hansa.Conflict, "the transfer is %s: what came meanwhile is not taken", t.State)
	}
	return f.d.transfers.Reached(tx, f.t.ID, at)
}

// provenance says where a record came from. The original holder stays.
func (f *fetch) provenance(r *hansa.Record) *hansa.Record {
	if r.Provenance.Holder == "" {
		r.Provenance.Holder = first(f.holder, f.d.n.party(f.t.Other).Title)
	}
	r.Provenance.System, r.Provenance.Feed = string(f.t.Other), "transfer:"+f.t.ID
	if r.OriginalType == hansa.MediaTypeRecord { // what came is kept as it came, beside what it says here
		r.OriginalType += ";as=received"
	}
	r.Received = time.Time{} // ours to say
	return r
}

// withheld ends a record that the provider no longer gives: what it said before
// stands no more.
func (f *fetch) withheld(ctx context.Context, set *hansa.Dataset, e *fetchedEvent) *hansa.Record {
	old, err := f.d.n.stream.Of(f.t.Own).Get(ctx, set.ID, e.Record)
	if err != nil || !old.Live() {
		return nil
	}
	x := *old
	x.Version, x.Update, x.Updated, x.Received = max(e.Version, old.Version+1), hansa.Redact, f.d.n.clock().UTC(), time.Time{}
	x.Original, x.OriginalType, x.Defects, x.Cursor = nil, "", nil, ""
	if old.Situation != nil {
		s := *old.Situation
		s.Lifecycle = hansa.Cancelled
		x.Situation = &s
	}
	return &x
}

// whole fetches an endpoint that hands over one document: records where a codec
// can read it, and else the document as it is.
func (f *fetch) whole(ctx context.Context, at string) error {
	a, err := f.get(ctx, at, 0)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(a.Body)
	tag := hansa.Cursor("sha256:" + hex.EncodeToString(sum[:]))
	if since, err := f.cursor(ctx); err != nil || since == tag {
		return err
	}
	set, err := f.d.n.datasetFor(hansa.Actor{Party: f.t.Own}, f.t.Dataset)
	if err != nil {
		return err
	}
	recs, err := f.records(set, a)
	if err != nil {
		return err
	}
	_, refused, err := f.d.n.line.take(ctx, set, recs, foreign, func(tx hansa.Tx) error { return f.reached(tx, tag) })
	for _, why := range refused {
		if err == nil && why != nil && len(recs) == 1 {
			err = why
		}
	}
	return err
}

func (f *fetch) records(set *hansa.Dataset, a *outbound.Answer) (recs []*hansa.Record, err error) {
	kind := first(a.Header.Get("Content-Type"), "application/octet-stream")
	if set.Kind == hansa.KindDocument {
		return []*hansa.Record{f.provenance(&hansa.Record{
			Kind: hansa.KindDocument, ID: f.t.Agreement, Updated: f.d.n.clock().UTC(),
			Document: &hansa.Document{MediaType: kind, Body: a.Body},
		})}, nil
	}
	for item, err := range Read(f.d.n.line.codecs, kind, bytes.NewReader(a.Body), format.Input{Now: f.d.n.clock(), Zone: time.UTC}) {
		if err != nil {
			return nil, err
		}
		if item.Record != nil {
			recs = append(recs, f.provenance(item.Record))
		}
	}
	if len(recs) == 0 {
		return nil, hansa.Errorf(hansa.Invalid, "the provider's document holds no record that can be read").WithHint("take it as a document: hansa datasets add NAME --kind document, and transfer into that")
	}
	return recs, nil
}

// renew gets the next token where the provider says how (RFC 6749 section 6).
func (f *fetch) renew(ctx context.Context) error {
	f.mu.Lock()
	at, secret := f.addr.Properties[propRenewAt], f.addr.Properties[propRefresh]
	f.mu.Unlock()
	if at == "" || secret == "" {
		return hansa.Errorf(hansa.Denied, "the provider names no way to renew the token")
	}
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {secret}}
	h := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	a, err := f.d.n.client.Do(ctx, outbound.Request{Method: http.MethodPost, URL: at, Header: h, Body: []byte(form.Encode()), AnswerMax: 64 << 10})
	if err != nil {
		return err
	}
	var got struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	}
	if a.Status != http.StatusOK || json.Unmarshal(a.Body, &got) != nil || got.Access == "" {
		return hansa.Errorf(hansa.Denied, "the provider renewed no token: it answered %d", a.Status)
	}
	f.mu.Lock()
	f.addr.Properties[propAuth], f.addr.Properties[propRefresh] = got.Access, first(got.Refresh, secret)
	addr := f.addr
	f.mu.Unlock()
	return f.d.n.db.Write(ctx, func(tx hansa.Tx) error {
		var now transfer.Address
		if err := f.d.reveal(tx, f.t.ID, &now); err != nil || now.Properties[propRefresh] != secret {
			return err // it was started anew meanwhile, by other secrets
		}
		return f.d.hide(tx, f.t.ID, addr)
	})
}
