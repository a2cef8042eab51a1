package tck

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// ask is what the kit sends to have this side begin a process as consumer.
type ask struct {
	ProviderID string `json:"providerId"`
	Address    string `json:"connectorAddress"`
	OfferID    string `json:"offerId"`
	DatasetID  string `json:"datasetId"`
	Agreement  string `json:"agreementId"`
	Format     string `json:"format"`
}

// hooks serves the two addresses at which the kit asks for a process.
func (d *director) hooks(ctx context.Context) *httptest.Server {
	mux := http.NewServeMux()
	on := func(path string, begin func(ask) error) {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
			var a ask
			err := json.UnmarshalRead(r.Body, &a)
			if err == nil {
				err = begin(a)
			}
			if err != nil {
				d.t.Errorf("the kit asked for %+v: %v", a, err)
				http.Error(w, err.Error(), http.StatusBadRequest)
			}
		})
	}
	on("/negotiations", func(a ask) error {
		var n api.Negotiation
		rules := jsontext.Value(`{"@id":"` + a.OfferID + `","@type":"Offer","permission":[{"action":"use"}]}`)
		err := d.node.Do(ctx, http.MethodPost, "/api/v1/negotiations", api.NegotiationOrder{Peer: a.ProviderID, Offer: a.OfferID, Target: a.DatasetID, Policy: rules}, &n)
		if err == nil {
			d.play(ctx, "/api/v1/negotiations/", n.ID, consumes[a.DatasetID])
		}
		return err
	})
	on("/transfers", func(a ask) error {
		var t api.Transfer
		err := d.node.Do(ctx, http.MethodPost, "/api/v1/transfers", api.TransferOrder{Agreement: a.Agreement, Format: a.Format, Dataset: strings.ToLower("from-" + a.Agreement)}, &t)
		if err == nil {
			d.play(ctx, "/api/v1/transfers/", t.ID, takes[a.Agreement])
		}
		return err
	})
	return httptest.NewServer(mux)
}
