package trust

import (
	"context"
	"net/http"
	"strings"

	"github.com/hansa-exchange/hansa"
)

// Identity is how participants of a data space prove to each other who they are,
// message by message. Its methods may be called from many goroutines.
type Identity interface {
	// Caller returns who sent r to own, a party of this node. Otherwise the error is
	// Denied with [hansa.CodeUnauthenticated] and says no more than the sender knows
	// already, or Busy when the same message may be good later.
	Caller(ctx context.Context, r *http.Request, own hansa.PartyID) (hansa.PartyID, error)
	// Present puts own's proof for peer into h.
	Present(ctx context.Context, own, peer hansa.PartyID, h http.Header) error
}

// Tokens is an [Identity] by secrets that both sides know: what comes in is a
// bearer credential with the right connect, what goes out is the peer's secret.
type Tokens struct{ Registry *Registry }

var _ Identity = Tokens{}

// Caller implements [Identity].
func (t Tokens) Caller(ctx context.Context, r *http.Request, own hansa.PartyID) (hansa.PartyID, error) {
	s, err := t.Registry.load(ctx)
	if err != nil {
		return "", err
	}
	secret, ok := bearer(r.Header)
	if !ok {
		return "", unauthenticated("the request carries no bearer token, or more than one")
	}
	h, err := t.Registry.good(s, Bearer, "", secret)
	if err != nil {
		return "", err
	}
	if !h.actor.May(hansa.RightConnect) || h.Test || h.Party == own || h.Before != "" && h.Before != own {
		return "", unauthenticated("the credential is unknown")
	}
	return h.Party, nil
}

// Present implements [Identity].
func (t Tokens) Present(ctx context.Context, own, peer hansa.PartyID, h http.Header) error {
	p, err := t.Registry.PeerByID(ctx, own, peer)
	if err != nil {
		return err
	}
	if p.Secret.IsZero() {
		return hansa.Errorf(hansa.Conflict, "there is no token to show to %s, or it was kept under another node key", p.Name).
			WithHint("hansa peers change " + p.Name + " --secret-file FILE")
	}
	h.Set("Authorization", "Bearer "+p.Secret.v)
	return nil
}

// bearer returns the one bearer token in h. Some connectors leave the scheme out
// and send the token alone; that is taken too.
func bearer(h http.Header) (token string, ok bool) {
	values := h["Authorization"]
	if len(values) != 1 {
		return "", false
	}
	token = values[0]
	if scheme, rest, has := strings.Cut(token, " "); has {
		if !strings.EqualFold(scheme, "Bearer") {
			return "", false
		}
		token = rest
	}
	return token, token != ""
}
