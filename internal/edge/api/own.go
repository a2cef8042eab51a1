package api

import (
	"net/http"

	"github.com/hansa-exchange/hansa"
)

// ownEndpoint lets a party's programs read what has come into a dataset of its own:
// from its sources, its desk, or another participant's transfer.
func (a *API) ownEndpoint() Endpoint {
	r := hansa.Route{Method: "GET", Pattern: "/data/v1/datasets/{dataset}/records", Right: hansa.RightRead, Object: "dataset", Action: "read what came into an own dataset since a cursor", Slow: true}
	return Endpoint{Route: r, Serve: a.ownRecords, Out: RecordsBody{}, Query: []Param{
		{Name: "since", What: "A cursor; end is what comes from now on, nothing the beginning."},
		{Name: "limit", What: "1 to 1000.", Example: "200"},
		{Name: "wait", What: "Seconds that an empty answer may hang, 0 to 60.", Example: "30"},
		{Name: "format", What: "A format that is written; record when empty.", Example: "geojson"},
	}}
}

func (a *API) ownRecords(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	as := a.named(r.URL.Query().Get("format"))
	if as == "" {
		as = "record"
	}
	limit, err := count(r, "limit", PageDefault, PageMax)
	if err != nil {
		return err
	}
	hang, err := wait(r)
	if err != nil {
		return err
	}
	since, err := text(r, "since")
	if err != nil {
		return err
	}
	page, err := a.Own.OwnRecords(r.Context(), by, hansa.DatasetID(r.PathValue("dataset")), as, hansa.Cursor(since), limit, hang)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "private, no-store")
	writeJSON(w, http.StatusOK, recordsBody(&page))
	return nil
}

func recordsBody(page *Page) RecordsBody {
	body := RecordsBody{Records: make([]EventBody, 0, len(page.Events)), Next: page.Next, More: page.More}
	for _, e := range page.Events {
		body.Records = append(body.Records, EventBody{Event: e, Data: inline(e)})
	}
	return body
}
