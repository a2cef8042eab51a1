package main

import (
	"context"
	"fmt"
	"net/url"
)

// The kinds of what hansa requests list shows.
const (
	kindNegotiation = "negotiation"
	kindAsk         = "ask"
	kindTransfer    = "transfer"
)

// requestNamed finds what an id of hansa requests list names, or the beginning of one.
func (c *client) requestNamed(ctx context.Context, given string) (kind, id string, err error) {
	if len(given) >= idLength {
		for _, k := range []string{kindNegotiation, kindAsk, kindTransfer} {
			err := c.do(ctx, "GET", "/api/v1/"+k+"s/"+url.PathEscape(given), nil, nil)
			if err == nil {
				return k, given, nil
			}
			if missing(err) == nil {
				return "", "", err
			}
		}
		return "", "", &failure{exit: exitNotFound, code: "not-found", message: fmt.Sprintf("There is no request %q.", given), hint: "hansa requests --all"}
	}
	id, none := c.negotiationID(ctx, given)
	if none == nil {
		return kindNegotiation, id, nil
	}
	if missing(none) == nil {
		return "", "", none
	}
	if id, err = c.askID(ctx, given); missing(err) == nil {
		return kindAsk, id, err
	}
	if id, err = c.transferID(ctx, given); missing(err) == nil {
		return kindTransfer, id, err
	}
	return "", "", none
}

// otherKind says which command does to a request of another kind what act does to a
// negotiation.
func otherKind(kind, id, act string) error {
	f := &failure{exit: exitUsage, code: "usage"}
	if kind == kindTransfer {
		f.message, f.hint = id+" is a transfer of data under an agreement, not a request.", "hansa transfers show "+id
		return f
	}
	f.message = id + " is a request for data, before there is an accord: it has an answer of its own."
	f.hint = "hansa requests answer " + id + " accept"
	switch act {
	case "decline":
		f.hint = "hansa requests answer " + id + " decline --words WHY"
	case "offer":
		f.hint = "hansa requests answer " + id + " counter --what WORDS --purpose PURPOSE"
	}
	return f
}
