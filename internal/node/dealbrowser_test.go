package node

import (
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/outbound"
	"github.com/hansa-exchange/hansa/internal/controlplane/negotiation"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// bargain is a city's node in a harbour and a company's node elsewhere, between which
// something of each kind has happened.
type bargain struct {
	city, company                          *partner
	waits, stuck, over, agreement, process string // at the city
	theirOffer                             string // of the company's dataset
}

// bargains starts the other node, and lets the two deal.
func (h *harbour) bargains() *bargain {
	h.Helper()
	ln, err := (&net.ListenConfig{}).Listen(h.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		h.Fatal(err)
	}
	at, err := url.Parse(h.address())
	if err != nil {
		h.Fatal(err)
	}
	allow := []string{ln.Addr().String(), at.Host}
	b := &bargain{
		city:    &partner{t: h.T, name: "city", id: h.own, url: h.address(), node: h.Node},
		company: &partner{t: h.T, name: "nav", id: "did:web:nav.example", dir: filepath.Join(h.TempDir(), "n"), url: "http://" + ln.Addr().String(), allow: allow},
	}
	if err := h.client.Reconfigure(outbound.Config{Allow: append(allow, strings.TrimSuffix(strings.TrimPrefix(h.hook, "http://"), "/hook"))}); err != nil {
		h.Fatal(err)
	}
	b.company.start(ln)
	b.city.meet(b.company, "secret-of-the-city")
	b.company.meet(b.city, "secret-of-the-company")
	b.city.expect(b.company, "secret-of-the-company")
	b.company.expect(b.city, "secret-of-the-city")
	set, err := h.datasetFor(b.city.actor(), "closures")
	if err != nil {
		h.Fatal(err)
	}
	offer, err := shelf{h.Node}.Offer(h.Context(), b.city.actor(), api.OfferOrder{Dataset: "closures", Terms: hansa.Terms{Purposes: []hansa.Purpose{"navigation", "research"}, Formats: []hansa.Format{"record", "geojson"}}})
	if err != nil {
		h.Fatal(err)
	}
	b.fill(h, offer.ID, string(set.ID))
	return b
}

// asks lets the company ask for an offer, and returns the city's side of it.
func (b *bargain) asks(h *harbour, o api.NegotiationOrder) (theirs, mine string) {
	h.Helper()
	o.Peer = "city"
	n, err := b.company.deals().Negotiate(h.Context(), b.company.actor(), o)
	if err != nil {
		h.Fatal(err)
	}
	n = b.company.until(n.ID, func(n api.Negotiation) bool { return n.Pid != "" })
	return n.ID, n.Pid
}

func (b *bargain) fill(h *harbour, offer, target string) {
	h.Helper()
	by := b.city.actor()
	answer := func(id, act string, a api.ProcessAct) {
		h.Helper()
		if _, err := b.city.deals().ActNegotiation(h.Context(), by, id, act, a); err != nil {
			h.Fatal(err)
		}
	}
	theirs, id := b.asks(h, api.NegotiationOrder{Offer: offer, Purpose: "navigation", Dataset: "shut", Then: "HttpData-PULL"})
	answer(id, "agree", api.ProcessAct{})
	b.agreement = b.company.until(theirs, func(n api.Negotiation) bool { return n.State == "FINALIZED" }).Agreement
	b.process = id
	_, b.over = b.asks(h, api.NegotiationOrder{Offer: offer, Purpose: "research", Dataset: "shut"})
	answer(b.over, "terminate", api.ProcessAct{Reason: []string{"Not before the council has heard of it."}})
	theirs, b.stuck = b.asks(h, api.NegotiationOrder{Offer: offer, Purpose: "research", Dataset: "shut"})
	b.company.stands(theirs, negotiation.Terminated)
	answer(b.stuck, "agree", api.ProcessAct{})
	b.city.until(b.stuck, func(n api.Negotiation) bool { return n.Parked != "" })
	_, b.waits = b.asks(h, api.NegotiationOrder{Offer: offer, Target: target, Dataset: "shut", Policy: []byte(`{"@type":"Offer","@id":"x","permission":[{"action":"use","constraint":[{"leftOperand":"purpose","operator":"isAnyOf","rightOperand":["navigation","research"]},{"leftOperand":"fileFormat","operator":"eq","rightOperand":"record"}]}]}`)})
	b.company.offer("offer-2", false, "traffic-management", "planning")
	b.theirOffer = "offer-2"
	if err := (dealpages{h.Node}).Look(h.Context(), by); err != nil {
		h.Fatal(err)
	}
	n, err := b.city.deals().Negotiate(h.Context(), by, api.NegotiationOrder{Peer: "nav", Offer: "offer-2", Purpose: "planning", Dataset: "from-nav", Then: "HttpData-SSE"})
	if err != nil {
		h.Fatal(err)
	}
	b.city.until(n.ID, func(n api.Negotiation) bool { return n.Pid != "" })
	if _, err := h.trust.SigningKey(h.Context(), h.own, "message"); err != nil {
		h.Fatal(err)
	}
	list, err := b.city.deals().Transfers(h.Context(), by, api.ProcessQuery{})
	if err != nil || len(list) != 1 {
		h.Fatal(list, err)
	}
	b.city.untilTransfer(list[0].ID, "STARTED")
}

// stands puts a negotiation into a state behind its back.
func (p *partner) stands(id string, state negotiation.State) {
	p.t.Helper()
	err := p.node.db.Write(p.t.Context(), func(tx hansa.Tx) error {
		x, err := p.node.deal.negotiations.Get(tx, p.id, id)
		if err == nil {
			x.State, x.Base = state, state
			err = p.node.deal.negotiations.Put(tx, x, p.node.wall())
		}
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
}

// pages are the pages of what is agreed between nodes.
func (b *bargain) pages() []string {
	return []string{
		"/requests", "/requests/" + b.waits, "/requests/" + b.stuck, "/requests/" + b.over, "/requests/" + b.process, "/agreements", "/agreements/" + url.PathEscape(b.agreement), "/processes/" + b.stuck, "/processes/" + b.process,
		"/datasets/closures", "/catalogue", "/catalogue/request?" + url.Values{"peer": {string(b.company.id)}, "target": {named("dataset", string(b.company.id), "closures")}, "offer": {b.theirOffer}}.Encode(), "/settings/peers", "/settings/keys", "/live",
	}
}

// TestBrowserAxeDeals looks at the pages of what is agreed between nodes as
// TestBrowserAxe does at the others, with two nodes behind them.
func TestBrowserAxeDeals(t *testing.T) {
	axe := needsAxe(t)
	h := sail(t)
	b := h.bargains()
	h.comes("Boss", hansa.RoleAdministrator, hansa.RoleController)
	h.looks(axe, b.pages())
}

// TestBrowserDeal: a request is answered in the browser by the keyboard alone, and its
// page says how it went on without being loaded again; without JavaScript by forms.
func TestBrowserDeal(t *testing.T) {
	for name, scripts := range map[string]bool{"with JavaScript": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			h := sail(t)
			b := h.bargains()
			h.scripts(scripts)
			h.comes("Boss", hansa.RoleAdministrator)
			h.open("/requests")
			h.press(`a.go[href="/requests/` + b.waits + `"]`)
			h.sees("The request changes the offer")
			h.do("open the yes", chromedp.Click(chromedp.CSS("#act-agree summary")))
			h.press(`#act-agree button`)
			h.sees("Agreed. The nodes now confirm it to each other.")
			b.city.until(b.waits, func(n api.Negotiation) bool { return n.State == "FINALIZED" })
			if !scripts {
				h.open("/requests/" + b.waits)
			}
			h.sees("In force")
			h.open("/processes/" + b.stuck)
			h.sees("Stuck")
			b.company.stands(h.other(b, b.stuck), negotiation.Requested)
			h.press(`form[action$="/retry"] button`)
			b.city.until(b.stuck, func(n api.Negotiation) bool { return n.State == "FINALIZED" })
			h.open("/processes/" + b.stuck)
			h.sees("You put it in force")
		})
	}
}

// other is what the company calls a process.
func (h *harbour) other(b *bargain, id string) string {
	h.Helper()
	n, err := b.city.deals().NegotiationByID(h.Context(), b.city.actor(), id)
	if err != nil {
		h.Fatal(err)
	}
	return n.Pid
}
