package node

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/outbound"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/base/words"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/api"
	"github.com/hansa-exchange/hansa/internal/edge/room"
)

// Limits of reading the register of another node.
const (
	registerBytesMax = 8 << 20 // of one page of its feed
	registerItemsMax = 100
	registerTimeout  = 15 * time.Second
)

// adoptions makes drafts of what others publish.
type adoptions struct{ n *Node }

var _ api.Adoptions = adoptions{}

// publishedItem is one accord of a register's feed, as far as it is read here.
type publishedItem struct {
	URL   string `json:"url"`
	Hansa *struct {
		Hash string         `json:"sha256"`
		Text jsontext.Value `json:"text"`
	} `json:"_hansa"`
}

// Published implements [api.Adoptions].
func (p adoptions) Published(ctx context.Context, _ hansa.Actor, at string) ([]api.PublishedTerms, error) {
	at = strings.TrimSpace(at)
	if uuid.MatchString(at) {
		e, err := accordpages(p).PublicAccord(ctx, hansa.AccordID(at))
		if err != nil {
			return nil, hansa.Public(err).At("/at")
		}
		b, err := json.Marshal(e.Text, json.Deterministic(true))
		return []api.PublishedTerms{{Host: hansa.PartyID(p.n.rootDID()), Accord: e.Text.ID, Hash: e.Hash, Title: e.Text.Title, Model: e.Text.Model, Text: b}}, err
	}
	u, err := url.Parse(at)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http" {
		return nil, hansa.Fielded("/at", "%.200q is neither an address such as https://doggerhaven.example nor the id of an accord in the register here", at)
	}
	u.RawQuery, u.Fragment = "", ""
	if id, ok := strings.CutPrefix(u.Path, "/register/"); ok && uuid.MatchString(strings.TrimSuffix(id, ".json")) {
		u.Path = "/register/" + strings.TrimSuffix(id, ".json") + ".json"
		var item publishedItem
		if err := p.fetch(ctx, u, &item); err != nil {
			return nil, err
		}
		one, err := p.terms(u, &item)
		return []api.PublishedTerms{one}, err
	}
	u.Path = "/register/feed.json"
	var feed struct {
		Items []publishedItem `json:"items"`
	}
	if err := p.fetch(ctx, u, &feed); err != nil {
		return nil, err
	}
	out := []api.PublishedTerms{}
	for i := range feed.Items[:min(len(feed.Items), registerItemsMax)] {
		one, err := p.terms(u, &feed.Items[i])
		if err != nil {
			return nil, err
		}
		out = append(out, one)
	}
	return out, nil
}

// fetch reads a document of another node's register.
func (p adoptions) fetch(ctx context.Context, u *url.URL, into any) error {
	a, err := p.n.client.Do(ctx, outbound.Request{Method: http.MethodGet, URL: u.String(), Header: http.Header{"Accept": {"application/json"}}, AnswerMax: registerBytesMax, Timeout: registerTimeout})
	switch {
	case err != nil:
		return hansa.Public(unanswered(u.Host, err)).At("/at")
	case a.Status != http.StatusOK:
		return hansa.Errorf(hansa.NotFound, "%s answers %d: it publishes no such terms", u, a.Status).At("/at")
	}
	if err := json.Unmarshal(a.Body, into); err != nil {
		return hansa.Fielded("/at", "what %s answers is no register of accords: %s", u, words.Misread(err))
	}
	return nil
}

// terms reads what a register says of one accord. Whoever answers at a host publishes
// for it, whatever the document says.
func (adoptions) terms(u *url.URL, item *publishedItem) (api.PublishedTerms, error) {
	out := api.PublishedTerms{Host: hansa.PartyID("did:web:" + strings.ReplaceAll(u.Host, ":", "%3A"))}
	if item.Hansa == nil || len(item.Hansa.Text) > accord.TextBytesMax {
		return out, hansa.Fielded("/at", "what %s publishes holds no text of an accord", u)
	}
	t, err := accord.Stored(item.Hansa.Text)
	if err != nil {
		return out, hansa.Public(err).At("/at")
	}
	if !uuid.MatchString(string(t.ID)) {
		return out, hansa.Fielded("/at", "what %s publishes has no id", u)
	}
	at := *u
	at.Path = "/register/" + string(t.ID)
	out.At, out.Accord, out.Hash, out.Title, out.Model, out.Text = at.String(), t.ID, item.Hansa.Hash, t.Title, t.Model, item.Hansa.Text
	return out, nil
}

// AdoptAccord implements [api.Adoptions].
func (p adoptions) AdoptAccord(ctx context.Context, by hansa.Actor, o api.AccordAdoption) (out api.AccordAdopted, err error) {
	x := p.n.accords
	own, err := p.n.partyFor(by, o.Party)
	if err != nil {
		return out, err
	}
	if err := x.mayAct(ctx, by, accord.Propose); err != nil {
		return out, err
	}
	if u, err := url.Parse(o.At); err == nil && u.Host != "" {
		if err := p.n.opens(ctx, by, hansa.PartyID("did:web:"+strings.ReplaceAll(u.Host, ":", "%3A"))); err != nil {
			return out, hansa.Public(err).At("/at")
		}
	}
	list, err := p.Published(ctx, by, o.At)
	if err != nil {
		return out, err
	}
	if len(list) != 1 {
		return out, hansa.Fielded("/at", "say which of the %d accords there you adopt, by the address of its own page", len(list)).WithHint("hansa accords adopt " + o.At + " lists them")
	}
	out.Source = list[0]
	t, err := accord.Stored(out.Source.Text)
	if err != nil {
		return out, err
	}
	a, err := p.adoption(own, t, &o, &out.Source)
	if err != nil {
		return out, err
	}
	made, err := t.Adopt(a)
	if err != nil {
		return out, err
	}
	if out.Changes, err = accord.Redline(made.From, made.Draft); err != nil {
		return out, err
	}
	out.Changes, out.Notes = nonNil(out.Changes), nonNil(made.Notes)
	kept, err := made.From.Canonical()
	if err != nil {
		return out, err
	}
	notes, err := json.Marshal(out.Notes)
	if err != nil {
		return out, err
	}
	out.AccordDetail, err = x.keepDraft(ctx, by, o.Party, made.Draft, "accord-adopted", func(tx hansa.Tx, own hansa.PartyID) error {
		if err := x.room(tx, own); err != nil {
			return err
		}
		_, err := tx.Exec(`INSERT INTO exchange_adopted (own, accord, address, hash, doc, notes, at) VALUES (?, ?, ?, ?, ?, ?, ?)`, string(own), string(made.Draft.ID), out.Source.At, out.Source.Hash, kept, string(notes), p.n.wall().UnixMilli())
		return err
	})
	return out, err
}

// adoption is what is known of an order before the text is read: who takes which place,
// and from when.
func (p adoptions) adoption(own hansa.Party, t *accord.Text, o *api.AccordAdoption, source *api.PublishedTerms) (*accord.Adoption, error) {
	zone, err := time.LoadLocation(t.Term.Zone)
	if err != nil {
		return nil, hansa.Fielded("/at", "the terms count their days in no known zone: %.60q", t.Term.Zone)
	}
	pack := policy.Packs()[0]
	a := &accord.Adoption{
		Origin: accord.Origin{Template: string(t.ID), Party: source.Host, Hash: source.Hash}, Places: map[hansa.PartyID]accord.Party{}, From: first(o.From, p.n.wall().In(zone).Format(time.DateOnly)),
		Set: o.Set, Without: o.Without, Basis: o.Basis, Pack: accord.Pack{ID: pack.Name(), Hash: pack.Hash()}, Fresh: func() string { return hansa.NewID(p.n.wall()) },
	}
	mine, err := placeOf(own, t, o.As)
	if err != nil {
		return nil, err
	}
	a.Places[mine] = accord.Party{ID: hansa.PartyID(p.n.did(own)), Title: first(own.Title, own.Name), Kind: own.Kind}
	for _, x := range o.Places {
		if _, taken := a.Places[x.Place]; taken || t.Place(x.Place) == nil {
			return nil, hansa.Fielded("/places", "the terms have no party %.100q, or somebody takes its place already", x.Place)
		}
		title := x.Title
		if here, ok := p.n.hostedAs(x.ID); ok {
			title = first(title, first(here.Title, here.Name))
		}
		if title == "" && x.ID == x.Place {
			title = t.Place(x.Place).Title
		}
		a.Places[x.Place] = accord.Party{ID: x.ID, Title: first(title, string(x.ID)), Kind: x.Kind}
	}
	free := 0
	for i := range t.Parties {
		q := &t.Parties[i]
		if _, taken := a.Places[q.ID]; taken {
			continue
		}
		id := "invited"
		if free++; free > 1 {
			id = fmt.Sprintf("invited-%d", free)
		}
		a.Places[q.ID] = accord.Party{ID: hansa.PartyID(id), Title: fmt.Sprintf("(%s)", q.Kind)}
	}
	return a, nil
}

// placeOf is the party of t whose place own takes.
func placeOf(own hansa.Party, t *accord.Text, as hansa.PartyID) (hansa.PartyID, error) {
	var like []hansa.PartyID
	for i := range t.Parties {
		if t.Parties[i].ID == as {
			return as, nil
		}
		if t.Parties[i].Kind == own.Kind {
			like = append(like, t.Parties[i].ID)
		}
	}
	switch {
	case as != "":
		return "", hansa.Fielded("/as", "the terms have no party %.100q", as)
	case len(like) == 1:
		return like[0], nil
	}
	return "", hansa.Fielded("/as", "say whose place %s takes: %d parties of the terms are of its kind, %s", own.Title, len(like), own.Kind)
}

// adoptedFrom is what a draft was adopted from, as it is kept beside it.
type adoptedFrom struct {
	address, hash string
	text          *accord.Text
	notes         []accord.Note
}

// adopted reads it; nil is none.
func (*accords) adopted(tx hansa.Tx, own hansa.PartyID, id hansa.AccordID) (*adoptedFrom, error) {
	var out adoptedFrom
	var doc, notes []byte
	err := tx.QueryRow(`SELECT address, hash, doc, notes FROM exchange_adopted WHERE own = ? AND accord = ?`, string(own), string(id)).Scan(&out.address, &out.hash, &doc, &notes)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(notes, &out.notes); err != nil {
		return nil, err
	}
	out.text, err = accord.Stored(doc)
	return &out, err
}

// Published implements [room.AccordDesk].
func (p accordpages) Published(ctx context.Context, by hansa.Actor, at string) ([]room.PublishedTerms, error) {
	list, err := adoptions(p).Published(ctx, by, at)
	out := []room.PublishedTerms{}
	for i := range list {
		t, bad := accord.Stored(list[i].Text)
		if bad != nil {
			return nil, bad
		}
		out = append(out, room.PublishedTerms{At: list[i].At, Host: list[i].Host, Hash: list[i].Hash, Entry: room.RegisterEntry{Text: t, Hash: list[i].Hash, State: hansa.AccordInForce, Effect: p.n.clock()}})
	}
	return out, err
}

// AdoptAccord implements [room.AccordDesk].
func (p accordpages) AdoptAccord(ctx context.Context, by hansa.Actor, a *room.AccordAdoption) (hansa.AccordID, error) {
	o := api.AccordAdoption{At: a.At, As: a.As, From: a.From, Basis: a.Basis}
	if a.Price != "" {
		o.Set = map[string]policy.Params{"price": {"price": a.Price}}
	}
	for place, x := range a.Places {
		o.Places = append(o.Places, api.AdoptedPlace{Place: place, ID: x.ID, Title: x.Title, Kind: x.Kind})
	}
	d, err := adoptions(p).AdoptAccord(ctx, by, o)
	return d.ID, err
}
