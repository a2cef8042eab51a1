package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// What the commands between nodes share: ids that may be shortened, a process that
// is followed, and its end in words.

// idLength is that of a process's id in full.
const idLength = 36

// shortened finds the one id that begins with what was given.
func shortened(what, given, hint string, ids []string) (string, error) {
	var found []string
	for _, id := range ids {
		if id == given {
			return id, nil
		}
		if strings.HasPrefix(id, given) {
			found = append(found, id)
		}
	}
	slices.Sort(found)
	switch found = slices.Compact(found); len(found) {
	case 1:
		return found[0], nil
	case 0:
		return "", &failure{exit: exitNotFound, code: "not-found", message: fmt.Sprintf("There is no %s %q.", what, given), hint: hint}
	}
	return "", &failure{exit: exitNotFound, code: "ambiguous", message: fmt.Sprintf("%q begins the id of %d: %s.", given, len(found), strings.Join(found[:min(len(found), 5)], ", ")), hint: "give more of the id"}
}

// negotiationID completes the id of a negotiation.
func (c *client) negotiationID(ctx context.Context, given string) (string, error) {
	if len(given) >= idLength {
		return given, nil
	}
	var list api.NegotiationsBody
	if err := c.do(ctx, "GET", "/api/v1/negotiations?limit=1000", nil, &list); err != nil {
		return "", err
	}
	ids := make([]string, 0, len(list.Negotiations))
	for i := range list.Negotiations {
		ids = append(ids, list.Negotiations[i].ID)
	}
	return shortened("request", given, "hansa requests --all", ids)
}

// offerID completes the id of an own offer.
func (c *client) offerID(ctx context.Context, given string) (string, error) {
	if len(given) >= idLength {
		return given, nil
	}
	var list api.OffersBody
	if err := c.do(ctx, "GET", "/api/v1/offers", nil, &list); err != nil {
		return "", err
	}
	ids := make([]string, 0, len(list.Offers))
	for i := range list.Offers {
		ids = append(ids, list.Offers[i].ID)
	}
	return shortened("offer", given, "hansa offers", ids)
}

// transferID completes the id of a transfer.
func (c *client) transferID(ctx context.Context, given string) (string, error) {
	if len(given) >= idLength {
		return given, nil
	}
	var list api.TransfersBody
	if err := c.do(ctx, "GET", "/api/v1/transfers?limit=1000", nil, &list); err != nil {
		return "", err
	}
	ids := make([]string, 0, len(list.Transfers))
	for i := range list.Transfers {
		ids = append(ids, list.Transfers[i].ID)
	}
	return shortened("transfer", given, "hansa transfers", ids)
}

// processID completes the id of a negotiation or a transfer.
func (c *client) processID(ctx context.Context, given string) (string, error) {
	if len(given) >= idLength {
		return given, nil
	}
	id, err := c.negotiationID(ctx, given)
	if missing(err) == nil {
		return id, err
	}
	if id, err = c.transferID(ctx, given); missing(err) != nil {
		f := missing(err)
		f.message, f.hint = fmt.Sprintf("There is no process %q.", given), "hansa requests --all        # or: hansa transfers"
	}
	return id, err
}

// missing is an error that says that nothing has the id; nil is none.
func missing(err error) *failure {
	if f, ok := errors.AsType[*failure](err); ok && f.code == "not-found" {
		return f
	}
	return nil
}

// agreement finds an agreement by its id, or by how that begins.
func (c *client) agreement(ctx context.Context, given string) (*api.Agreement, error) {
	var list api.AgreementsBody
	if err := c.do(ctx, "GET", "/api/v1/agreements?limit=1000", nil, &list); err != nil {
		return nil, err
	}
	ids := make([]string, 0, len(list.Agreements))
	for i := range list.Agreements {
		ids = append(ids, list.Agreements[i].ID)
	}
	id, err := shortened("agreement", given, "hansa agreements", ids)
	if err != nil {
		return nil, err
	}
	return &list.Agreements[slices.Index(ids, id)], nil
}

// pursuit is a process that is followed.
type pursuit struct {
	c     *client
	p     *printer
	id    string
	limit time.Duration // 0 is none
	told  map[int64]bool
	stuck string
}

// pursue tells each state of the process with its time, until done says that it is
// where it was to come, or the limit has passed.
func (f *pursuit) pursue(ctx context.Context, done func(*api.Process) bool) (*api.Process, error) {
	wctx, stop := ctx, context.CancelFunc(func() {})
	if f.limit > 0 {
		wctx, stop = context.WithTimeout(ctx, f.limit)
	}
	defer stop()
	at := "/api/v1/processes/" + url.PathEscape(f.id)
	var now api.Process
	if err := f.c.do(ctx, "GET", at, nil, &now); err != nil {
		return nil, err
	}
	for {
		f.tell(&now)
		if done(&now) || wctx.Err() != nil {
			return &now, ctx.Err()
		}
		_, changed := standing(&now)
		q := url.Values{"since": {changed.Format(time.RFC3339Nano)}, "wait": {"5"}}
		var next api.Process
		switch err := f.c.do(wctx, "GET", at+"/wait?"+q.Encode(), nil, &next); {
		case err == nil:
			now = next
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case wctx.Err() == nil:
			return nil, err
		}
	}
}

// standing is why no message of a process arrives, and when it last changed.
func standing(x *api.Process) (parked string, changed time.Time) {
	if n := x.Negotiation; n != nil {
		return n.Parked, n.Changed
	}
	if t := x.Transfer; t != nil {
		return t.Parked, t.Changed
	}
	return "", time.Time{}
}

// tell writes the messages that are new, one a line.
func (f *pursuit) tell(x *api.Process) {
	if f.p.json || f.p.format != "" {
		return
	}
	if f.told == nil {
		f.told = map[int64]bool{}
	}
	for i := range x.Messages {
		m := &x.Messages[i]
		if f.told[m.N] || m.State == "void" {
			continue
		}
		f.told[m.N] = true
		who := "you"
		if m.Direction == "in" {
			who = otherTitle(x)
		}
		state := paint(f.p.colourOut, stateColour(m.After), m.After)
		if m.State == "refused" {
			state = paint(f.p.colourOut, pink, "refused: ") + clean(m.Reason)
		}
		fmt.Fprintf(f.p.out, "  %s  %-18s %-10s %s\n", f.p.clock(m.At), clean(who), deed(m.Kind), state)
	}
	if parked, _ := standing(x); parked != f.stuck {
		if f.stuck = parked; parked != "" {
			f.p.say("%s", paint(f.p.colourErr, yellow, "A message does not arrive: "+clean(parked)+". It is tried again."))
		}
	}
}

func otherTitle(x *api.Process) string {
	if x.Negotiation != nil {
		return first(x.Negotiation.OtherTitle, string(x.Negotiation.Other))
	}
	if x.Transfer != nil {
		return first(x.Transfer.OtherTitle, string(x.Transfer.Other))
	}
	return "the other side"
}

// deed is what a message says, without which protocol it is of.
func deed(kind string) string {
	_, said, ok := strings.Cut(kind, "/")
	if !ok {
		return kind
	}
	return said
}

// stateColour is the colour of a state of the protocol.
func stateColour(state string) string {
	switch state {
	case "FINALIZED", "STARTED", "COMPLETED":
		return teal
	case "TERMINATED":
		return pink
	case "SUSPENDED":
		return yellow
	}
	return ""
}

// ended is a process that came to an end that was not wished for.
func ended(id string, own, by hansa.Side, other, code string, reasons []string) *failure {
	who := other + " ended it"
	if by == own {
		who = "It was ended on this side"
	}
	why := strings.Join(reasons, "; ")
	if why == "" {
		why = first(code, "no reason was given")
	}
	return &failure{exit: exitRefused, code: first(code, "terminated"), message: sentence(clean(who + ": " + why)), hint: "hansa inspect " + id}
}

// turn says whose move it is and since when.
func (*printer) turn(turn, waits, other string, since time.Time) string {
	long := seconds(max(0, time.Since(since)))
	switch {
	case waits != "":
		return "you, since " + long
	case turn == "own":
		return "this node, since " + long
	case turn == "other":
		return clean(other) + ", since " + long
	}
	return "–"
}

// lines writes rows of a name and what stands there, leaving out what is empty.
func (p *printer) lines(head, id string, rows [][]string) {
	p.table([]string{head, id}, slices.DeleteFunc(rows, func(r []string) bool { return r[1] == "" || r[1] == "–" }), "")
}

// said are words, each on a row of its own.
func said(rows [][]string, name string, words []string) [][]string {
	for _, w := range words {
		rows = append(rows, []string{name, clean(w)})
	}
	return rows
}
