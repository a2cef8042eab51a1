package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hansa-exchange/hansa"
)

var purposeParam = Param{Name: "Hansa-Purpose", In: "header", What: "What the read is for; one of the flow's purposes. A credential bound to a purpose, or a flow with only one, needs none.", Example: "navigation"}

func (a *API) dataEndpoints() []Endpoint {
	formats := make([]string, 0, len(a.Formats))
	for _, f := range a.Formats {
		if f.Writes {
			formats = append(formats, f.MediaType)
		}
	}
	route := func(method, path, action string, right hansa.Right) hansa.Route {
		return hansa.Route{Method: method, Pattern: "/data/v1/flows/{flow}" + path, Right: right, Object: "flow", Action: action}
	}
	slow := func(r hansa.Route) hansa.Route { r.Slow = true; return r }
	body := func(r hansa.Route, n int64) hansa.Route { r.BodyMax = n; return r }
	since := Param{Name: "since", What: "An opaque cursor; empty is the beginning of what is kept."}
	return []Endpoint{
		{
			Route: route("GET", "/snapshot", "read the present state of a flow, in the format that Accept names", hansa.RightRead), Serve: a.snapshot, Media: formats,
			Query: []Param{purposeParam, {Name: "format", What: "A format by name, instead of Accept.", Example: "cifs"}},
		},
		{Route: route("GET", "/{view}", "read the present state of a flow as snapshot.FORMAT", hansa.RightRead), Serve: a.snapshotAs, Media: formats, Query: []Param{purposeParam}},
		{
			Route: slow(route("GET", "/records", "read the changes of a flow since a cursor", hansa.RightRead)), Serve: a.records, Out: RecordsBody{},
			Query: []Param{purposeParam, since, {Name: "limit", What: "At most so many changes, 1 to 1000.", Example: "200"}, {Name: "wait", What: "Seconds to hang until something changes, 0 to 60.", Example: "30"}, {Name: "format", What: "A format by name; record when left out.", Example: "geojson"}},
		},
		{
			Route: slow(route("GET", "/events", "follow the changes of a flow as server-sent events", hansa.RightRead)), Serve: a.events, Media: []string{"text/event-stream"},
			Query: []Param{purposeParam, since, {Name: "Last-Event-ID", In: "header", What: "The cursor of the last event seen; the stream goes on after it."}, {Name: "format", What: "A format by name; record when left out.", Example: "datex2"}},
		},
		{Route: body(route("POST", "/subscriptions", "subscribe a webhook to a flow", hansa.RightRead), 16<<10), Serve: a.subscribe, In: Subscribe{}, Out: Subscription{}, Status: http.StatusCreated, Query: []Param{purposeParam}},
		{Route: route("GET", "/subscriptions", "list the webhooks of a flow", hansa.RightRead), Serve: a.subscriptions, Out: SubscriptionsBody{}},
		{Route: route("DELETE", "/subscriptions/{subscription}", "end a webhook", hansa.RightRead), Serve: a.unsubscribe, Status: http.StatusNoContent},
		{Route: body(route("POST", "/subscriptions/{subscription}/test", "send a test event to a webhook", hansa.RightRead), 1<<10), Serve: a.testSubscription, Out: Tested{}},
		{Route: body(route("POST", "/subscriptions/{subscription}/rotate", "give a webhook a new key; the old one signs beside it for a day", hansa.RightRead), 1<<10), Serve: a.rotateSubscription, Out: Rotated{}},
		{Route: body(route("POST", "/receipts", "say what became of records", hansa.RightReceipt), 1<<20), Serve: a.receipts, In: ReceiptsBody{}, Out: ReceiptsAnswer{}},
		{Route: hansa.Route{Method: "POST", Pattern: "/data/v1/datasets/{dataset}/records", Right: hansa.RightPublish, Object: "dataset", Action: "publish records into a dataset", BodyMax: BodyBytesMax}, Serve: a.publish, Out: PublishAnswer{}},
		a.ownEndpoint(),
	}
}

// RecordsBody is a page of changes.
type RecordsBody struct {
	Records []EventBody  `json:"records"`
	Next    hansa.Cursor `json:"next"`
	More    bool         `json:"more"`
}

// EventBody is one change. Data is JSON for JSON formats, else text.
type EventBody struct {
	Event
	Data any `json:"data,omitempty"`
}

// ReceiptsBody is one post of receipts; a single receipt may also stand alone.
type ReceiptsBody struct {
	Receipts []hansa.Receipt `json:"receipts"`
}

// ReceiptsAnswer answers each receipt in order.
type ReceiptsAnswer struct {
	Receipts []ReceiptAnswer `json:"receipts"`
}

// PublishAnswer answers each record in order.
type PublishAnswer struct {
	Accepted int        `json:"accepted"`
	Refused  int        `json:"refused"`
	Records  []Accepted `json:"records"`
}

func ask(r *http.Request, by hansa.Actor) Ask {
	p := r.Header.Get("Hansa-Purpose")
	if len(p) > PurposeBytesMax {
		p = p[:PurposeBytesMax]
	}
	return Ask{Actor: by, Flow: hansa.FlowID(r.PathValue("flow")), Purpose: hansa.Purpose(p), Format: hansa.Format(r.URL.Query().Get("format"))}
}

func (a *API) snapshot(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	q := ask(r, by)
	if q.Format == "" {
		var err error
		if q.Format, err = a.negotiate(r.Header.Get("Accept")); err != nil {
			return err
		}
	}
	return a.sendSnapshot(w, r, q)
}

func (a *API) snapshotAs(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	q := ask(r, by)
	name, ok := strings.CutPrefix(r.PathValue("view"), "snapshot.")
	if !ok {
		return hansa.Errorf(hansa.NotFound, "a flow has snapshot, snapshot.FORMAT, records, events, subscriptions and receipts, not %q", r.PathValue("view"))
	}
	q.Format = a.named(name)
	return a.sendSnapshot(w, r, q)
}

func (a *API) sendSnapshot(w http.ResponseWriter, r *http.Request, q Ask) error {
	q.Has = func(etag string) (spared, holds bool) {
		have := r.Header.Get("If-None-Match")
		return r.Method == http.MethodHead || etagMatches(have, etag), r.Method != http.MethodHead && strings.Contains(have, etag)
	}
	ans, err := a.Data.Snapshot(r.Context(), q)
	if err != nil {
		return err
	}
	h := w.Header()
	copyHeader(h, ans.Header)
	h.Set("ETag", ans.ETag)
	h.Set("Vary", "Accept, Hansa-Purpose, Authorization")
	h.Set("Cache-Control", "private, no-cache")
	if q.Actor.Party == hansa.PublicParty { // all get the same
		h.Set("Vary", "Hansa-Purpose")
		h.Set("Cache-Control", "public, no-cache")
	}
	h.Set("Hansa-Cursor", string(ans.Cursor))
	if n := len(ans.Losses); n > 0 {
		h.Set("Hansa-Losses", strconv.Itoa(n))
	}
	if etagMatches(r.Header.Get("If-None-Match"), ans.ETag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	h.Set("Content-Type", ans.MediaType)
	h.Set("Content-Length", strconv.Itoa(len(ans.Body)))
	if r.Method == http.MethodHead {
		return nil
	}
	_, _ = w.Write(ans.Body) // a reader that went away keeps its cursor
	return nil
}

func etagMatches(header, etag string) bool {
	for t := range strings.SplitSeq(header, ",") {
		if t = strings.TrimPrefix(strings.TrimSpace(t), "W/"); t == etag && etag != "" || t == "*" {
			return true
		}
	}
	return false
}

func copyHeader(to, from http.Header) {
	maps.Copy(to, from)
}

// named resolves a format by its name or file extension.
func (a *API) named(s string) hansa.Format {
	for _, f := range a.Formats {
		if string(f.Name) == s {
			return f.Name
		}
	}
	for _, f := range a.Formats {
		if f.Writes && f.Ext == s {
			return f.Name
		}
	}
	return hansa.Format(s)
}

// negotiate picks the first acceptable format (RFC 9110 section 12.5.1); nothing
// said, or anything accepted, is record.
func (a *API) negotiate(accept string) (hansa.Format, error) {
	if accept == "" {
		return "record", nil
	}
	best, bestQ := hansa.Format(""), 0.0
	for part := range strings.SplitSeq(accept, ",") {
		t, params, err := mime.ParseMediaType(strings.TrimSpace(part))
		if err != nil {
			continue
		}
		q := 1.0
		if s, ok := params["q"]; ok {
			if q, err = strconv.ParseFloat(s, 64); err != nil || q > 1 {
				continue
			}
		}
		if q <= bestQ {
			continue
		}
		if f, ok := a.media(t); ok {
			best, bestQ = f, q
		}
	}
	if best == "" {
		return "", hansa.Errorf(hansa.Invalid, "no format here is %s", accept).With(hansa.CodeFormat).WithHint("ask for one of the media types in /openapi.json, or put ?format=NAME")
	}
	return best, nil
}

func (a *API) media(t string) (hansa.Format, bool) {
	if t == "*/*" || t == "application/json" || t == "application/*" {
		return "record", true
	}
	for _, f := range a.Formats {
		if m, _, err := mime.ParseMediaType(f.MediaType); err == nil && f.Writes && m == t {
			return f.Name, true
		}
	}
	return "", false
}

func (a *API) records(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	q := ask(r, by)
	if q.Format == "" {
		q.Format = "record"
	}
	limit, err := count(r, "limit", PageDefault, PageMax)
	if err != nil {
		return err
	}
	hang, err := wait(r)
	if err != nil {
		return err
	}
	since, err := text(r, "since")
	if err != nil {
		return err
	}
	page, err := a.Data.Records(r.Context(), q, hansa.Cursor(since), limit, hang)
	if err != nil {
		return err
	}
	body := recordsBody(&page)
	copyHeader(w.Header(), page.Header)
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %s %s %s %d", q.Flow, q.Format, q.Purpose, page.Next, len(page.Events)))
	tag := `"` + hex.EncodeToString(sum[:16]) + `"`
	for i := range page.Events {
		sum = sha256.Sum256(append(sum[:], page.Events[i].Data...))
		tag = `"` + hex.EncodeToString(sum[:16]) + `"`
	}
	w.Header().Set("ETag", tag)
	w.Header().Set("Vary", "Accept, Hansa-Purpose, Authorization")
	w.Header().Set("Cache-Control", "private, no-cache")
	if etagMatches(r.Header.Get("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	writeJSON(w, http.StatusOK, body)
	return nil
}

// inline returns e's data as it stands in JSON: a value, a string, or base64.
func inline(e Event) any {
	switch {
	case len(e.Data) == 0:
		return nil
	case strings.Contains(e.MediaType, "json"):
		return jsontext.Value(bytes.TrimSpace(e.Data))
	case utf8.Valid(e.Data):
		return string(e.Data)
	}
	return base64.StdEncoding.EncodeToString(e.Data)
}

func (a *API) events(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	q := ask(r, by)
	if q.Format == "" {
		q.Format = "record"
	}
	since := r.Header.Get("Last-Event-ID")
	if since == "" {
		var err error
		if since, err = text(r, "since"); err != nil {
			return err
		}
	}
	if len(since) > QueryBytesMax {
		return hansa.Fielded("Last-Event-ID", "a cursor has at most %d bytes", QueryBytesMax)
	}
	rc := http.NewResponseController(w)
	_ = rc.SetWriteDeadline(time.Time{}) // not every writer has one; the loop bounds each write itself
	var b []byte
	begin := func(h http.Header) {
		copyHeader(w.Header(), h)
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Accel-Buffering", "no")
		w.WriteHeader(http.StatusOK)
		_, _ = w.Write([]byte(": hansa\n\n"))
		_ = rc.Flush()
	}
	begun := false
	err := a.Data.Events(r.Context(), q, hansa.Cursor(since), func(h http.Header) { begun = true; begin(h) }, func(e *Event) error {
		b = appendSSE(b[:0], e)
		_ = rc.SetWriteDeadline(time.Now().Add(30 * time.Second)) //nolint:forbidigo // a socket's deadline is wall time
		if _, err := w.Write(b); err != nil {
			return err
		}
		return rc.Flush()
	})
	if begun && err != nil {
		if r.Context().Err() == nil {
			e, _ := json.Marshal(ErrorDocument{Error: *ErrorBodyOf(err, "")})
			_, _ = w.Write(append(append([]byte("event: error\ndata: "), e...), "\n\n"...))
			_ = rc.Flush()
		}
		return nil
	}
	return err
}

// appendSSE writes e as one server-sent event: id is the cursor, event the type,
// data one JSON object as in records. A nil event is a comment.
func appendSSE(b []byte, e *Event) []byte {
	if e == nil {
		return append(b, ": alive\n\n"...)
	}
	b = append(b, "id: "...)
	b = append(b, e.Cursor...)
	b = append(b, "\nevent: "...)
	b = append(b, e.Type...)
	b = append(b, "\ndata: "...)
	d, err := json.Marshal(EventBody{Event: *e, Data: inline(*e)})
	if err != nil {
		d = []byte(`{"error":"not expressible"}`)
	}
	b = append(b, d...) // jsontext writes no raw line breaks
	return append(b, "\n\n"...)
}

// receipts takes {"receipts": [...]}, or one receipt alone. The bytes of each
// receipt are kept as they came, for signatures are checked over them.
func (a *API) receipts(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return tooLarge(err)
	}
	if err := depth(b); err != nil {
		return err
	}
	var in struct {
		Receipts []jsontext.Value          `json:"receipts"`
		Rest     map[string]jsontext.Value `json:",embed"`
	}
	if err := json.Unmarshal(b, &in); err != nil {
		return jsonError(err)
	}
	raw := [][]byte{}
	for _, v := range in.Receipts {
		raw = append(raw, v)
	}
	if in.Receipts == nil {
		raw = append(raw, bytes.TrimSpace(b))
	}
	if len(raw) == 0 || len(raw) > ReceiptsMax {
		return hansa.Fielded("/receipts", "a post holds 1 to %d receipts, not %d", ReceiptsMax, len(raw))
	}
	list, err := a.Receipts.PostReceipts(r.Context(), by, hansa.FlowID(r.PathValue("flow")), raw)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if len(list) > 0 && !slices.ContainsFunc(list, func(x ReceiptAnswer) bool { return x.Accepted }) {
		status = http.StatusUnprocessableEntity
	}
	writeJSON(w, status, ReceiptsAnswer{Receipts: list})
	return nil
}

func (a *API) publish(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	list, err := a.Intake.Publish(r.Context(), by, hansa.DatasetID(r.PathValue("dataset")), r.Header.Get("Content-Type"), r.Body)
	if err != nil {
		return tooLarge(err)
	}
	ans := PublishAnswer{Records: list}
	for _, x := range list {
		if x.Error == nil {
			ans.Accepted++
		} else {
			ans.Refused++
		}
	}
	status := http.StatusOK
	if ans.Accepted == 0 && ans.Refused > 0 {
		status = http.StatusUnprocessableEntity
	}
	writeBytes(w, status, ans.appendJSON(make([]byte, 0, ans.size())))
	return nil
}

// size is about how long the answer is.
func (p *PublishAnswer) size() int {
	n := 256
	for i := range p.Records {
		n += 128 + len(p.Records[i].ID)
		for j := range p.Records[i].Findings {
			f := &p.Records[i].Findings[j]
			n += 80 + len(f.Field) + len(f.Value) + len(f.Message) + len(f.Mend)
		}
	}
	return n
}

// appendJSON is the answer as JSON: of a batch it is as long as the batch.
func (p *PublishAnswer) appendJSON(b []byte) []byte {
	b = strconv.AppendInt(append(b, `{"accepted":`...), int64(p.Accepted), 10)
	b = strconv.AppendInt(append(b, `,"refused":`...), int64(p.Refused), 10)
	b = append(b, `,"records":[`...)
	for i := range p.Records {
		if i > 0 {
			b = append(b, ',')
		}
		b = p.Records[i].appendJSON(b)
	}
	return append(b, `]}`...)
}

func (a *Accepted) appendJSON(b []byte) []byte {
	b = strconv.AppendInt(append(b, `{"line":`...), int64(a.Line), 10)
	if a.ID != "" {
		b = hansa.AppendJSONString(append(b, `,"id":`...), a.ID)
	}
	b = hansa.AppendJSONString(append(b, `,"outcome":`...), a.Outcome)
	if a.Cursor != "" {
		b = hansa.AppendJSONString(append(b, `,"cursor":`...), string(a.Cursor))
	}
	if len(a.Findings) > 0 {
		b = hansa.AppendFindings(append(b, `,"findings":`...), a.Findings)
	}
	if a.Error != nil {
		b = append(append(b, `,"error":`...), marshal(a.Error)...)
	}
	return append(b, '}')
}
