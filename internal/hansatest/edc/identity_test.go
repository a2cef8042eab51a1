package edc

import (
	"context"
	"net/http"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/trust"
)

// mock is EDC's mock identity: a caller says who it is, as bare JSON in place of a
// token, and is believed. It is for trying EDC, and nowhere else.
type mock struct{ knows hansa.PartyID }

var _ trust.Identity = mock{}

type claim struct {
	Region   string `json:"region"`
	Audience string `json:"audience"`
	ClientID string `json:"clientId"`
}

// Caller implements [trust.Identity].
func (m mock) Caller(_ context.Context, r *http.Request, _ hansa.PartyID) (hansa.PartyID, error) {
	var c claim
	if err := json.Unmarshal([]byte(r.Header.Get("Authorization")), &c); err != nil || hansa.PartyID(c.ClientID) != m.knows {
		return "", hansa.Errorf(hansa.Denied, "the caller is not %s", m.knows).With(hansa.CodeUnauthenticated)
	}
	return m.knows, nil
}

// Present implements [trust.Identity].
func (mock) Present(_ context.Context, own, peer hansa.PartyID, h http.Header) error {
	b, err := json.Marshal(claim{Region: "eu", Audience: string(peer), ClientID: string(own)})
	h.Set("Authorization", string(b))
	return err
}
