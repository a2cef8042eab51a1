package main

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

const formatSSE = "HttpData-SSE"

// abroad follows a dataset of another node: by the agreement there is, or by one
// that is asked for now; its data streams into an own dataset, which is followed.
type abroad struct {
	*subscribeCmd
	c       *client
	p       *printer
	catalog api.CatalogAnswer
	set     *api.RemoteDataset
	began   bool // the transfer is this command's: all that it brings is news
}

func (a *abroad) run(ctx context.Context) error {
	if err := a.find(ctx); err != nil {
		return err
	}
	agreement, err := a.agreement(ctx)
	if err != nil {
		return err
	}
	t, err := a.transfer(ctx, agreement)
	if err != nil {
		return err
	}
	from := since(a.Since)
	if a.Since == "" && a.began {
		from = ""
	}
	a.p.say("%s of %s comes into %s, by transfer %s.", clean(first(a.set.Title, a.set.ID)), clean(a.catalog.Title), t.Dataset, t.ID)
	f := intake{c: a.c, p: a.p, dataset: t.Dataset, as: a.As, since: from, count: a.Count, span: a.For, alive: func(ctx context.Context) error { return a.runs(ctx, t.ID) }}
	return f.follow(ctx)
}

// find looks for the dataset in the other side's catalogue, by its id, its title, or
// the id of an offer of it.
func (a *abroad) find(ctx context.Context) error {
	cmd := catalogCmd{Words: []string{a.At}, All: true}
	var err error
	if a.catalog, err = cmd.fetch(ctx, a.c); err != nil {
		return err
	}
	for i := range a.catalog.Datasets {
		d := &a.catalog.Datasets[i]
		byOffer := slices.ContainsFunc(d.Offers, func(o api.RemoteOffer) bool { return o.ID == a.Flow })
		if byOffer || d.ID == a.Flow || strings.EqualFold(d.Title, a.Flow) {
			a.set = d
			return nil
		}
	}
	return &failure{exit: exitNotFound, code: "not-found", message: fmt.Sprintf("%s shows you no dataset and no offer %q.", a.catalog.Title, a.Flow), hint: "hansa catalog " + quoted(a.At)}
}

// agreement finds the one that there is for the purpose, or asks for one.
func (a *abroad) agreement(ctx context.Context) (*api.Agreement, error) {
	if x, err := a.standing(ctx); x != nil || err != nil {
		return x, err
	}
	id, err := a.open(ctx)
	if err != nil {
		return nil, err
	}
	if id == "" {
		if id, err = a.ask(ctx); err != nil {
			return nil, err
		}
	}
	f := pursuit{c: a.c, p: &printer{out: a.p.err, err: a.p.err, json: a.p.json, quiet: a.p.quiet, zone: a.p.zone, colourOut: a.p.colourErr, colourErr: a.p.colourErr}, id: id, limit: a.For}
	x, err := f.pursue(ctx, settledDeal)
	if err != nil {
		return nil, err
	}
	if err := unsettled(x.Negotiation, a.For); err != nil {
		return nil, err
	}
	return a.c.agreement(ctx, x.Negotiation.Agreement)
}

func (a *abroad) standing(ctx context.Context) (*api.Agreement, error) {
	var list api.AgreementsBody
	if err := a.c.do(ctx, "GET", "/api/v1/agreements?limit=1000", nil, &list); err != nil {
		return nil, err
	}
	for i := range list.Agreements {
		x := &list.Agreements[i]
		if x.Side == hansa.Consumer && x.Other == a.catalog.Participant && x.Target == a.set.ID && x.Ended.IsZero() && permits(x.Purposes, a.Purpose) {
			return x, nil
		}
	}
	return nil, nil //nolint:nilnil // there is none yet
}

// permits reports whether a list of purposes, none of which is any, has one.
func permits(list []hansa.Purpose, purpose string) bool {
	return purpose == "" || len(list) == 0 || slices.Contains(list, hansa.Purpose(purpose))
}

// open finds a request for the same that has not ended: the command was run before.
func (a *abroad) open(ctx context.Context) (string, error) {
	var list api.NegotiationsBody
	if err := a.c.do(ctx, "GET", "/api/v1/negotiations?open=true&limit=1000", nil, &list); err != nil {
		return "", err
	}
	for i := range list.Negotiations {
		n := &list.Negotiations[i]
		if n.Side == hansa.Consumer && n.Other == a.catalog.Participant && n.Target == a.set.ID && (a.Purpose == "" || string(n.Purpose) == a.Purpose) {
			a.p.say("It was asked for before: %s. It is the turn of %s.", n.ID, a.p.turn(n.Turn, n.Waits, n.OtherTitle, n.Changed))
			return n.ID, nil
		}
	}
	return "", nil
}

// ask asks for the offer that was named, else for the first one that is for the
// purpose, and of those for one that a machine says yes to.
func (a *abroad) ask(ctx context.Context) (string, error) {
	best, score := "", -1
	for _, o := range a.set.Offers {
		n := 0
		if permits(o.Purposes, a.Purpose) {
			n = 2
		}
		if o.Automatic {
			n++
		}
		if o.ID == a.Flow {
			n = 4
		}
		if o.ID != "" && n > score {
			best, score = o.ID, n
		}
	}
	if best == "" {
		return "", &failure{exit: exitNotFound, code: "not-found", message: fmt.Sprintf("%s makes you no offer of %s.", a.catalog.Title, first(a.set.Title, a.set.ID)), hint: "hansa catalog " + quoted(a.At)}
	}
	var n api.Negotiation
	o := api.NegotiationOrder{Peer: a.At, Offer: best, Target: a.set.ID, Purpose: hansa.Purpose(a.Purpose)}
	if err := a.c.do(ctx, "POST", "/api/v1/negotiations", o, &n); err != nil {
		return "", err
	}
	a.p.say("Asked %s for %s: %s. Ctrl+C leaves the request standing; the same command goes on with it.", clean(n.OtherTitle), clean(first(a.set.Title, a.set.ID)), n.ID)
	return n.ID, nil
}

// transfer finds the stream that runs under an agreement, or begins one.
func (a *abroad) transfer(ctx context.Context, x *api.Agreement) (*api.Transfer, error) {
	var list api.TransfersBody
	if err := a.c.do(ctx, "GET", "/api/v1/transfers?open=true&limit=1000", nil, &list); err != nil {
		return nil, err
	}
	for i := range list.Transfers {
		t := &list.Transfers[i]
		if t.Agreement == x.ID && t.Side == hansa.Consumer && t.Format == formatSSE && (a.Dataset == "" || t.Dataset == a.Dataset) {
			return t, a.runs(ctx, t.ID)
		}
	}
	var t api.Transfer
	o := api.TransferOrder{Agreement: x.ID, Format: formatSSE, Purpose: hansa.Purpose(a.Purpose), Dataset: a.Dataset}
	if err := a.c.do(ctx, "POST", "/api/v1/transfers", o, &t); err != nil {
		return nil, err
	}
	a.began = true
	return &t, nil
}

// runs is an error when a transfer does not run and will not by itself.
func (a *abroad) runs(ctx context.Context, id string) error {
	var t api.Transfer
	if err := a.c.do(ctx, "GET", "/api/v1/transfers/"+url.PathEscape(id), nil, &t); err != nil {
		return err
	}
	switch t.State {
	case "COMPLETED", "TERMINATED":
		return ended(t.ID, t.Side, t.EndedBy, t.OtherTitle, t.Code, t.Reason)
	case "SUSPENDED":
		why := strings.Join(t.Reason, "; ")
		if why != "" {
			why = ": " + why
		}
		return &failure{exit: exitNotAllowed, code: "suspended", message: sentence(clean("the transfer is suspended" + why)), hint: "hansa transfers resume " + t.ID}
	}
	return nil
}
