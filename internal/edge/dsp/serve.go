package dsp

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/protocol"
	"github.com/hansa-exchange/hansa/internal/controlplane/negotiation"
	"github.com/hansa-exchange/hansa/internal/controlplane/transfer"
)

func asFailure(err error) (*failure, bool) { return errors.AsType[*failure](err) }

// hear takes a negotiation's message.
func (d *Door) hear(event negotiation.Event, by hansa.Side) Handler {
	return func(w http.ResponseWriter, r *http.Request, actor hansa.Actor) error {
		c, _, err := d.caller(r, actor)
		if err != nil {
			return err
		}
		b, err := readBody(r)
		if err != nil {
			return err
		}
		pid := r.PathValue("pid")
		m, err := Negotiation(b, event, by)
		m.Number = number(r.Header)
		if err == nil && pid == "" && m.Callback == "" {
			err = hansa.Fielded("/callbackAddress", "the first message of a negotiation says where its sender receives")
		}
		if err == nil && pid != "" && m.Callback != "" {
			err = hansa.Fielded("/callbackAddress", "callbackAddress stands in the first message alone")
		}
		var n *negotiation.Negotiation
		if err == nil {
			n, err = d.Deals.HearNegotiation(r.Context(), c, pid, m, b)
		}
		if err != nil {
			d.Deals.Refused(r.Context(), c, pid, "negotiation/"+string(m.Event), b, Status(err), err)
			return &failure{cause: err, consumer: m.ConsumerPid, provider: m.ProviderPid}
		}
		status := http.StatusOK
		if pid == "" {
			status = http.StatusCreated
		}
		write(w, status, standing(n))
		return nil
	}
}

// number reads the place of a message in its process.
func number(h http.Header) (m protocol.Number) {
	n, knows, _ := strings.Cut(h.Get(LetterHeader), " ")
	var errs [2]error
	m.N, errs[0] = strconv.ParseInt(n, 10, 64)
	m.Knows, errs[1] = strconv.ParseInt(knows, 10, 64)
	if errors.Join(errs[:]...) != nil || m.N < 1 || m.Knows < 0 {
		return protocol.Number{}
	}
	return m
}

// WriteNumber writes the place of a message that goes out.
func WriteNumber(h http.Header, m protocol.Number) {
	h.Set(LetterHeader, strconv.FormatInt(m.N, 10)+" "+strconv.FormatInt(m.Knows, 10))
}

// standing is how a negotiation stands for the other side: a state is reached when
// the message that leads there was acknowledged (2025-1, contract negotiation
// protocol section 1).
func standing(n *negotiation.Negotiation) *wire {
	out := &wire{Context: edition, Type: "ContractNegotiation", State: string(n.Shared())}
	out.ConsumerPid, out.ProviderPid = sides(n.Side, n.ID, n.Pid)
	return out
}

func sides(own hansa.Side, id, pid string) (consumer, provider string) {
	if own == hansa.Consumer {
		return id, pid
	}
	return pid, id
}

func (d *Door) negotiation(w http.ResponseWriter, r *http.Request, actor hansa.Actor) error {
	c, _, err := d.caller(r, actor)
	if err != nil {
		return err
	}
	n, err := d.Deals.Negotiation(r.Context(), c, r.PathValue("pid"))
	if err != nil {
		return err
	}
	write(w, http.StatusOK, standing(n))
	return nil
}

// move takes a transfer's message.
func (d *Door) move(event transfer.Event) Handler {
	return func(w http.ResponseWriter, r *http.Request, actor hansa.Actor) error {
		c, _, err := d.caller(r, actor)
		if err != nil {
			return err
		}
		b, err := readBody(r)
		if err != nil {
			return err
		}
		pid := r.PathValue("pid")
		m, err := Transfer(b, event)
		m.Number = number(r.Header)
		var t *transfer.Transfer
		if err == nil {
			t, err = d.Deals.HearTransfer(r.Context(), c, pid, m, b)
		}
		if err != nil {
			d.Deals.Refused(r.Context(), c, pid, "transfer/"+string(event), b, Status(err), err)
			return &failure{cause: err, consumer: m.ConsumerPid, provider: m.ProviderPid}
		}
		status := http.StatusOK
		if pid == "" {
			status = http.StatusCreated
		}
		write(w, status, course(t, t.Shared()))
		return nil
	}
}

// course is how a transfer stands: whose message is answered, is told the state
// that it led to; who asks, the state that was decided on, since a transfer may come
// back to one that it was in.
func course(t *transfer.Transfer, state transfer.State) *wire {
	out := &wire{Context: edition, Type: "TransferProcess", State: string(state)}
	out.ConsumerPid, out.ProviderPid = sides(t.Side, t.ID, t.Pid)
	return out
}

func (d *Door) transfer(w http.ResponseWriter, r *http.Request, actor hansa.Actor) error {
	c, _, err := d.caller(r, actor)
	if err != nil {
		return err
	}
	t, err := d.Deals.Transfer(r.Context(), c, r.PathValue("pid"))
	if err != nil {
		return err
	}
	write(w, http.StatusOK, course(t, t.State))
	return nil
}

// catalogue answers a page of what the caller may see, with links to the pages
// around it (2025-1, catalogue HTTPS binding section 2.2).
func (d *Door) catalogue(w http.ResponseWriter, r *http.Request, actor hansa.Actor) error {
	c, p, err := d.caller(r, actor)
	if err != nil {
		return err
	}
	asked := Part{}
	if r.Method == http.MethodPost && r.ContentLength != 0 {
		b, err := readBody(r)
		if err != nil {
			return err
		}
		in, err := open(b, "CatalogRequestMessage")
		if err != nil {
			return err
		}
		if f, ok := in["filter"]; ok {
			if asked, err = part(f); err != nil {
				return err
			}
		}
	}
	base := d.Base(p)
	asked.After = r.URL.Query().Get("page")
	doc, next, previous, etag, err := d.Deals.Catalogue(r.Context(), c, base, asked)
	if err != nil {
		return err
	}
	h := w.Header()
	for _, l := range []struct{ rel, page string }{{"next", next}, {"previous", previous}} {
		if l.page != "" {
			h.Add("Link", "<"+base+"/catalog/request?page="+url.QueryEscape(l.page)+`>; rel="`+l.rel+`"`)
		}
	}
	h.Set("ETag", etag)
	h.Set("Cache-Control", "private, no-cache")
	h.Set("Vary", "Authorization, Accept-Encoding")
	if etag != "" && r.Header.Get("If-None-Match") == etag {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	writeZipped(w, r, doc)
	return nil
}

// part reads a filter. Some connectors always send one, a query of theirs that says
// only how they page: it is followed. One that asks for certain datasets is refused.
func part(filter jsontext.Value) (p Part, err error) {
	var list []struct {
		Type       string         `json:"@type"`
		Expression jsontext.Value `json:"filterExpression"`
		Offset     int            `json:"offset"`
		Limit      int            `json:"limit"`
	}
	if err := json.Unmarshal(filter, &list); err != nil || filter.Kind() != '[' || len(list) > 1 {
		return p, hansa.Fielded("/filter", "this catalogue takes no filter; leave it out and read the pages")
	}
	for _, q := range list {
		if !strings.HasSuffix(q.Type, "QuerySpec") || len(q.Expression) > 0 && strings.ReplaceAll(string(q.Expression), " ", "") != "[]" {
			return p, hansa.Fielded("/filter", "this catalogue takes no filter; leave it out and read the pages")
		}
		if q.Offset < 0 || q.Limit < 0 {
			return p, hansa.Fielded("/filter", "offset and limit are not negative")
		}
		p.Skip, p.Limit = q.Offset, q.Limit
	}
	return p, nil
}

func (d *Door) dataset(w http.ResponseWriter, r *http.Request, actor hansa.Actor) error {
	c, p, err := d.caller(r, actor)
	if err != nil {
		return err
	}
	doc, err := d.Deals.Dataset(r.Context(), c, d.Base(p), r.PathValue("id"))
	if err != nil {
		return err
	}
	write(w, http.StatusOK, doc)
	return nil
}
