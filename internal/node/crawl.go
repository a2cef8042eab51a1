package node

import (
	"context"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/outbound"
	"github.com/hansa-exchange/hansa/internal/base/store"
	"github.com/hansa-exchange/hansa/internal/base/trust"
	"github.com/hansa-exchange/hansa/internal/controlplane/catalog"
)

// How the catalogues of peers are kept.
const (
	crawlEvery   = 15 * time.Minute // where the configuration says nothing
	crawlLook    = 30 * time.Second // for peers that are new or due
	crawlAgain   = time.Minute      // at the earliest, after a visit that failed
	crawlAtOnce  = 4                // visits
	crawlTimeout = 30 * time.Second // of one page
	linkBytesMax = 4096
)

// crawler visits the catalogues of the peers of the parties on this node.
type crawler struct {
	n      *Node
	holder string
	due    map[catalog.Elsewhere]time.Time
	who    trust.Identity
}

// crawl keeps the catalogues of peers until ctx ends.
func (n *Node) crawl(ctx context.Context) error {
	c := &crawler{n: n, holder: hansa.NewID(n.wall()), due: map[catalog.Elsewhere]time.Time{}, who: n.deal.identity}
	for ctx.Err() == nil {
		n.problem(ctx, "catalogues", c.round(ctx))
		wait := time.NewTimer(crawlLook)
		select {
		case <-ctx.Done():
		case <-wait.C:
		case <-n.loaded.wait(): // perhaps there is a peer more
		}
		wait.Stop()
	}
	return nil
}

// round visits every catalogue that is due, if this process holds the lease.
func (c *crawler) round(ctx context.Context) error {
	list, err := c.list(ctx)
	if err != nil || len(list) == 0 {
		return err
	}
	held := false
	err = c.n.db.Write(ctx, func(tx hansa.Tx) (err error) {
		_, held, err = store.Lease(tx, "catalogues", c.holder, c.n.wall(), 2*crawlLook)
		return err
	})
	if err != nil || !held {
		return err
	}
	maps.DeleteFunc(c.due, func(at catalog.Elsewhere, _ time.Time) bool { return !slices.Contains(list, at) })
	var wg sync.WaitGroup
	var mu sync.Mutex // guards c.due while visits run
	gate := make(chan struct{}, crawlAtOnce)
	for _, at := range list {
		mu.Lock()
		due := c.due[at]
		mu.Unlock()
		if ctx.Err() != nil || c.n.wall().Before(due) {
			continue
		}
		gate <- struct{}{}
		wg.Go(func() {
			defer func() { <-gate }()
			next := c.visit(ctx, at)
			mu.Lock()
			defer mu.Unlock()
			c.due[at] = next
		})
	}
	wg.Wait()
	return nil
}

// list is every catalogue that is kept; those of peers that are no longer there
// are dropped.
func (c *crawler) list(ctx context.Context) (out []catalog.Elsewhere, err error) {
	parties, err := c.n.trust.Parties(ctx)
	if err != nil {
		return nil, err
	}
	for i := range parties {
		if !parties[i].Hosted {
			continue
		}
		peers, err := c.n.trust.Peers(ctx, parties[i].ID)
		if err != nil {
			return nil, err
		}
		var bases []string
		for _, p := range peers {
			if p.Address != "" {
				base := strings.TrimRight(p.Address, "/")
				bases = append(bases, base)
				out = append(out, catalog.Elsewhere{Party: p.Owner, Participant: p.ID, Base: base})
			}
		}
		if err := c.n.catalog.Forget(ctx, parties[i].ID, bases); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// visit visits one catalogue, and returns when it is due again. What fails is kept
// with the catalogue, and told by the search; it is no fault of this node.
func (c *crawler) visit(ctx context.Context, at catalog.Elsewhere) time.Time {
	every := c.n.cfg.CrawlEvery
	if every == 0 {
		every = crawlEvery
	}
	out, err := c.n.catalog.Crawl(ctx, at, c.fetch, c.n.wall())
	if err != nil {
		c.n.log.LogAttrs(ctx, slog.LevelInfo, "a catalogue could not be read", slog.String("peer", string(at.Participant)), slog.Any("err", err))
		every = max(every/3, crawlAgain)
	} else if out.Added+out.Changed+out.Gone > 0 {
		c.n.changed.soon()
	}
	return c.n.wall().Add(every + time.Duration((rand.Float64()-0.5)*0.2*float64(every))) //nolint:gosec // spread, not secrecy
}

// fetch asks for one page of a catalogue: the first by the protocol's request, the
// others by the link that the page before gave.
func (c *crawler) fetch(ctx context.Context, a catalog.Asked) (catalog.Fetched, error) {
	req := outbound.Request{Method: http.MethodPost, URL: a.Base + "/catalog/request", Header: http.Header{}, AnswerMax: catalog.WireBytesMax, Timeout: crawlTimeout}
	if a.Page != "" {
		req.Method, req.URL = http.MethodGet, a.Page
	}
	if err := c.who.Present(ctx, a.Party, a.Participant, req.Header); err != nil {
		return catalog.Fetched{}, err
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Accept-Encoding", "gzip")
	if a.ETag != "" {
		req.Header.Set("If-None-Match", a.ETag)
	}
	ans, err := c.send(ctx, req)
	if err == nil && ans.Status == http.StatusMethodNotAllowed && req.Method == http.MethodGet {
		req.Method = http.MethodPost // the protocol does not say how a link is followed
		ans, err = c.send(ctx, req)
	}
	if err != nil {
		return catalog.Fetched{}, err
	}
	if ans.Status == http.StatusNotModified && a.ETag != "" {
		return catalog.Fetched{NotModified: true, ETag: a.ETag}, nil
	}
	if ans.Status != http.StatusOK {
		return catalog.Fetched{}, refusal(ans)
	}
	w, err := catalog.ParseCatalog(ans.Body)
	if err != nil {
		return catalog.Fetched{}, err
	}
	next, err := nextPage(ans.Header, req.URL, a.Base)
	return catalog.Fetched{Catalog: w, Next: next, ETag: ans.Header.Get("ETag"), Bytes: len(ans.Body)}, err
}

func (c *crawler) send(ctx context.Context, req outbound.Request) (*outbound.Answer, error) {
	if req.Method == http.MethodPost {
		req.Body = []byte(`{"@context":["` + catalog.Context + `"],"@type":"CatalogRequestMessage"}`)
		req.Header.Set("Content-Type", "application/json")
	}
	ctx, span := c.n.traces.calling(ctx, req.URL, req.Header)
	ans, err := c.n.client.Do(ctx, req)
	status := 0
	if ans != nil {
		status = ans.Status
	}
	ended(span, status, err)
	return ans, err
}

// refusal says what the other side said when it gave no catalogue.
func refusal(ans *outbound.Answer) error {
	var says struct {
		Code   string `json:"code"`
		Reason []any  `json:"reason"`
	}
	reason := ""
	if json.Unmarshal(ans.Body, &says) == nil && len(says.Reason) > 0 {
		if s, ok := says.Reason[0].(string); ok {
			reason = ": " + strings.ToValidUTF8(s[:min(len(s), 200)], "")
		}
	}
	kind := hansa.Invalid
	switch {
	case ans.Status == http.StatusUnauthorized || ans.Status == http.StatusForbidden || ans.Status == http.StatusNotFound:
		kind = hansa.Denied
	case ans.Status >= http.StatusInternalServerError || ans.Status == http.StatusTooManyRequests:
		kind = hansa.Busy
	}
	return hansa.Errorf(kind, "the other side answered %d%s", ans.Status, reason)
}

// nextPage reads the address of the next page from the Link headers (RFC 8288). It
// must lie where the catalogue does: a proof of identity goes nowhere else.
func nextPage(h http.Header, from, base string) (string, error) {
	for _, line := range h.Values("Link") {
		for rest := line; len(rest) <= linkBytesMax; {
			_, after, ok := strings.Cut(rest, "<")
			if !ok {
				break
			}
			target, params, ok := strings.Cut(after, ">")
			if !ok {
				break
			}
			own, more := parameters(params)
			rest = more
			if !isNext(own) {
				continue
			}
			at, err := url.Parse(from)
			if err != nil {
				return "", err
			}
			if at, err = at.Parse(target); err != nil {
				return "", hansa.Errorf(hansa.Invalid, "the link to the next page is no address")
			}
			if home, err := url.Parse(base); err != nil || at.Scheme != home.Scheme || at.Host != home.Host {
				return "", hansa.Errorf(hansa.Denied, "the link to the next page leads to another host, %s", at.Host)
			}
			return at.String(), nil
		}
	}
	return "", nil
}

// parameters cuts the parameters of one link from the links that follow, at the
// first comma that is not quoted.
func parameters(s string) (own, rest string) {
	quoted := false
	for i := range len(s) {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case s[i] == ',' && !quoted:
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

// isNext reports whether the parameters of a link name the relation next.
func isNext(params string) bool {
	for p := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		if strings.EqualFold(strings.TrimSpace(name), "rel") {
			for rel := range strings.FieldsSeq(strings.Trim(strings.TrimSpace(value), `"`)) {
				if strings.EqualFold(rel, "next") {
					return true
				}
			}
		}
	}
	return false
}
