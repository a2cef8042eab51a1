package catalog

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
)

// Limits of one page of a catalogue.
const (
	PageMax     = 1000 // datasets
	PageDefault = PageMax
	cursorMax   = 512
	// knownMax bounds the descriptions that are kept ready; at the limit all are
	// forgotten and made anew.
	knownMax    = 4 * PageMax
	compiledMax = 1024 // policies
)

// Query asks for a part of one party's catalogue, as one caller sees it.
type Query struct {
	Party      hansa.PartyID // whose
	Caller     hansa.PartyID // who asks; empty is the public
	CallerKind hansa.PartyKind
	// Accords says whether an accord is in force; nil leaves it open ([policy.Input]).
	Accords func(hash string) bool
	// Base is the address of the party's connector (endpointURL), and ParticipantID
	// its name in the data space; empty takes the party's id.
	Base          string
	ParticipantID string
	Title         string
	After         string // a cursor of an earlier page; empty is the first page
	Limit         int    // datasets; 0 takes PageDefault
	Skip          int    // datasets that are left out before the page begins
	Now           time.Time
	// Has says whether the caller has the page of that ETag; the page is not built then.
	Has func(etag string) bool
}

// row is an offer that the caller sees, with its dataset.
type row struct {
	dataset   string
	id        string
	policy    string
	automatic bool
	limit     hansa.Duration
	made      time.Time
	body      string // of the dataset
}

// Page returns the datasets that the caller sees, in an order that stands while
// others are added, with cursors to the next and the previous page (empty where
// there is none) and a strong ETag. A dataset without an offer for the caller is
// not there. The catalogue is nil when q.Has knows the ETag.
func (c *Catalog) Page(ctx context.Context, q Query) (w *WireCatalog, next, previous, etag string, err error) {
	if q.Limit == 0 {
		q.Limit = PageDefault
	}
	if q.Limit < 1 || q.Limit > PageMax {
		return nil, "", "", "", hansa.Fielded("?limit", "a page has 1 to %d datasets, not %d", PageMax, q.Limit)
	}
	back, at, err := readCursor(q.After)
	if err != nil {
		return nil, "", "", "", err
	}
	var rows []row
	more := false
	err = c.db.Read(ctx, func(tx hansa.Tx) (err error) {
		rows, more, err = c.seen(tx, &q, back, at)
		return err
	})
	if err != nil {
		return nil, "", "", "", err
	}
	next, previous = cursors(rows, back, at, more)
	if etag = pageTag(&q, rows, next, previous); q.Has != nil && q.Has(etag) {
		return nil, next, previous, etag, nil
	}
	w, err = c.build(&q, rows)
	return w, next, previous, etag, err
}

// seen reads the offers of one page that the caller sees, by dataset. more says
// that there is another dataset beyond.
func (c *Catalog) seen(tx hansa.Tx, q *Query, back bool, at string) (list []row, more bool, err error) {
	beyond, order := `o.dataset > ?`, `o.dataset, o.id`
	if back {
		beyond, order = `o.dataset < ?`, `o.dataset DESC, o.id DESC`
	}
	datasets, last := 0, ""
	err = c.offers(tx, q, beyond, order, at, func(r row) bool {
		if r.dataset != last {
			if datasets == q.Skip+q.Limit {
				more = true
				return false
			}
			datasets, last = datasets+1, r.dataset
		}
		if datasets > q.Skip {
			list = append(list, r)
		}
		return true
	})
	if back {
		slices.Reverse(list)
	}
	return list, more, err
}

// offers calls yield for each standing offer that the caller sees, until it
// returns false.
func (c *Catalog) offers(tx hansa.Tx, q *Query, where, order, arg string, yield func(row) bool) error {
	rows, err := tx.Query(`SELECT o.dataset, o.id, o.policy, o.terms, o.automatic, o.everybody, o.live_within, o.made, o.checksum, d.body
		FROM catalog_offer o JOIN dataset d ON d.party = o.party AND d.id = o.dataset
		WHERE o.party = ? AND o.withdrawn = 0 AND `+where+` AND (o.everybody = 1 OR EXISTS (SELECT 1 FROM catalog_offer_to t WHERE t.party = o.party AND t.offer = o.id AND t.receiver = ?))
		ORDER BY `+order, string(q.Party), arg, string(q.Caller))
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
	for rows.Next() {
		var r row
		var terms, sum string
		var everybody bool
		var limit, made int64
		if err := rows.Scan(&r.dataset, &r.id, &r.policy, &terms, &r.automatic, &everybody, &limit, &made, &sum, &r.body); err != nil {
			return err
		}
		r.limit, r.made = hansa.Duration(limit), time.UnixMilli(made).UTC()
		if sum != offerSum(q.Party, r.id, hansa.DatasetID(r.dataset), r.policy, r.automatic, everybody, r.limit) {
			return corrupt("offer", r.id)
		}
		ok, err := c.ready.permits(q, terms, r.policy)
		if err != nil {
			return err
		}
		if ok && !yield(r) {
			break
		}
	}
	return rows.Err()
}

// WireDataset returns one dataset as the caller sees it. One that the caller may
// not see is as if it had never been: NotFound.
func (c *Catalog) WireDataset(ctx context.Context, q Query, id string) (*WireDataset, error) {
	var rows []row
	err := c.db.Read(ctx, func(tx hansa.Tx) error {
		rows = nil
		return c.offers(tx, &q, `o.dataset = ?`, `o.id`, id, func(r row) bool { rows = append(rows, r); return true })
	})
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, hansa.Errorf(hansa.NotFound, "there is no such dataset")
	}
	w, err := c.build(&q, rows)
	if err != nil {
		return nil, err
	}
	w.Dataset[0].Context = Contexts{Context}
	return &w.Dataset[0], nil
}

// build makes the catalogue of rows, which are sorted by dataset.
func (c *Catalog) build(q *Query, rows []row) (*WireCatalog, error) {
	participant := q.ParticipantID
	if participant == "" {
		participant = string(q.Party)
	}
	service := WireService{ID: q.Base, Type: "DataService", Description: "dspace:connector", Endpoint: q.Base}
	ways := Many[WireDistribution]{}
	for _, format := range []Term{FormatPull, FormatPush, FormatSSE} {
		ways = append(ways, WireDistribution{Type: "Distribution", Format: format, Service: service})
	}
	w := &WireCatalog{Context: Contexts{Context}, ID: q.Base + "/catalog", Type: "Catalog", ParticipantID: participant, Service: Many[WireService]{service}}
	if q.Title != "" {
		w.Title = Many[Text]{{Value: q.Title}}
	}
	for i := range rows {
		r := &rows[i]
		if n := len(w.Dataset); n == 0 || w.Dataset[n-1].ID != r.dataset {
			d, err := c.ready.description(r.body)
			if err != nil {
				return nil, err
			}
			d.Distribution = ways
			w.Dataset = append(w.Dataset, d)
		}
		d := &w.Dataset[len(w.Dataset)-1]
		d.Policy = append(d.Policy, jsontext.Value(r.policy))
		d.Quality = append(d.Quality, WireQuality{Offer: Ref(r.id), Limit: xsdDuration(r.limit), Automatic: r.automatic})
	}
	return w, nil
}

// pageTag is the ETag of a page: of all that it shows.
func pageTag(q *Query, rows []row, more ...string) string {
	h := sha256.New()
	part := func(list ...string) {
		for _, s := range list {
			h.Write([]byte(s))
			h.Write([]byte{0})
		}
	}
	part(string(q.Party), q.Base, q.ParticipantID, q.Title)
	part(more...)
	last := ""
	for i := range rows {
		r := &rows[i]
		part(r.id, r.policy, r.limit.String(), strconv.FormatBool(r.automatic))
		if r.dataset != last {
			part(r.body)
			last = r.dataset
		}
	}
	return `"` + hex.EncodeToString(h.Sum(nil)[:16]) + `"`
}

// A cursor names the dataset that a page lies after (n) or before (p). To callers
// it is opaque.
func cursor(way byte, at string) string {
	return base64.RawURLEncoding.EncodeToString(append([]byte{way}, at...))
}

func readCursor(s string) (back bool, at string, err error) {
	if s == "" {
		return false, "", nil
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(s) > cursorMax || len(b) == 0 || b[0] != 'n' && b[0] != 'p' {
		return false, "", hansa.Fielded("?after", "this is no cursor of a catalogue: take it from the Link header of a page, or begin anew without one")
	}
	return b[0] == 'p', string(b[1:]), nil
}

// cursors says where the pages beside this one lie.
func cursors(rows []row, back bool, at string, more bool) (next, previous string) {
	if len(rows) == 0 {
		switch {
		case back:
			return cursor('n', ""), ""
		case at != "":
			return "", cursor('p', at+"\x00") // up to and with the one that it was after
		}
		return "", ""
	}
	if back || more {
		next = cursor('n', rows[len(rows)-1].dataset)
	}
	if back && more || !back && at != "" {
		previous = cursor('p', rows[0].dataset)
	}
	return next, previous
}

// ready keeps what pages are made of: descriptions of datasets by their stored
// form, and policies by the hash of their terms. It holds no truth, and forgets all at its limit.
type ready struct {
	mu        sync.Mutex // guards all
	described map[string]WireDataset
	compiled  map[string]*policy.Compiled
	offered   map[string]offered
}

// offered is the policy of an offer that was asked for by its id, by the checksum of
// what is stored.
type offered struct {
	policy   *policy.Policy
	compiled *policy.Compiled
}

// offer returns the policy stored as body, the caller's own, and compiled: nil where a
// word of it is not known.
func (k *ready) offer(sum, body string) (*policy.Policy, *policy.Compiled, error) {
	k.mu.Lock()
	o, ok := k.offered[sum]
	k.mu.Unlock()
	if ok {
		return o.policy.Clone(), o.compiled, nil
	}
	p, err := policy.Parse([]byte(body))
	if err != nil {
		return nil, nil, err
	}
	o.policy = p.Clone()
	if o.compiled, err = policy.Compile(p); err != nil {
		return p, nil, nil // who asks it compiles it, and hears why not
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.offered) >= compiledMax {
		clear(k.offered)
	}
	k.offered[sum] = o
	return p, o.compiled, nil
}

// description returns what is said of the dataset stored as body.
func (k *ready) description(body string) (WireDataset, error) {
	k.mu.Lock()
	w, ok := k.described[body]
	k.mu.Unlock()
	if ok {
		return w, nil
	}
	var d hansa.Dataset
	if err := json.Unmarshal([]byte(body), &d); err != nil {
		return WireDataset{}, errors.Join(&hansa.Error{Kind: hansa.Internal, Code: hansa.CodeCorrupt, Message: "a stored dataset cannot be read"}, err)
	}
	w = describe(&d)
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.described) >= knownMax {
		clear(k.described)
	}
	k.described[strings.Clone(body)] = w
	return w, nil
}

// permits says whether the policy lets the caller see its offer. Offers of the same
// terms share one compiled policy.
func (k *ready) permits(q *Query, terms, body string) (bool, error) {
	k.mu.Lock()
	c := k.compiled[terms]
	k.mu.Unlock()
	if c == nil {
		p, err := policy.Parse([]byte(body))
		if err != nil {
			return false, err
		}
		if c, err = policy.Compile(p); err != nil {
			return false, nil //nolint:nilerr // a build that no longer knows a word of it shows it to nobody
		}
		k.mu.Lock()
		if len(k.compiled) >= compiledMax {
			clear(k.compiled)
		}
		k.compiled[terms] = c
		k.mu.Unlock()
	}
	return c.Allows(policy.Catalogue, policy.Input{Now: q.Now, Caller: q.Caller, CallerKind: q.CallerKind, Accords: q.Accords}), nil
}
