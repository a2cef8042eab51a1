package api

import (
	"net/http"
	"strings"

	"github.com/hansa-exchange/hansa"
)

// Open is what parties give to everybody, by accords with the public.
type Open interface {
	// OpenFlow finds the flow by which everybody may read a dataset now; what is not
	// open is NotFound, as is what never was.
	OpenFlow(party, dataset string) (hansa.FlowID, error)
	// OpenDatasets lists what everybody may read now, at most [PageMax], by address.
	OpenDatasets() []OpenDataset
}

// OpenDataset is a dataset that everybody may read.
type OpenDataset struct {
	Party       string           `json:"party"` // by name
	PartyTitle  string           `json:"partyTitle"`
	Dataset     string           `json:"dataset"` // by name
	Title       string           `json:"title"`
	Kind        hansa.RecordKind `json:"kind"`
	Licence     string           `json:"licence"`
	Attribution string           `json:"attribution,omitempty"`
	Purposes    []hansa.Purpose  `json:"purposes"`
	Accord      hansa.AccordID   `json:"accord"`
	Hash        string           `json:"hash"` // SHA-256 of its version in force
	Register    string           `json:"register"`
	Addresses   []OpenAddress    `json:"addresses"`
}

// OpenAddress is where a dataset is read in one format.
type OpenAddress struct {
	Format hansa.Format `json:"format"`
	Path   string       `json:"path"`
}

// OpenBody lists what everybody may read.
type OpenBody struct {
	Datasets []OpenDataset `json:"datasets"`
}

func (a *API) openDataEndpoints() []Endpoint {
	formats := make([]string, 0, len(a.Formats))
	for _, f := range a.Formats {
		if f.Writes {
			formats = append(formats, f.MediaType)
		}
	}
	open := func(path, action string) hansa.Route {
		return hansa.Route{Method: "GET", Pattern: path, Object: "node", Action: action}
	}
	narrower := Param{Name: "Hansa-Purpose", In: "header", What: "What the read is for, one of the accord's purposes; without it those of the accord apply.", Example: "navigation"}
	return []Endpoint{
		{Route: open("/open", "list the datasets that everybody may read"), Serve: a.openList, Out: OpenBody{}},
		{Route: open("/open/{party}/{file}", "read a dataset that its party gives to everybody, as DATASET.FORMAT"), Serve: a.openRead, Media: formats, Query: []Param{narrower}},
	}
}

func (a *API) openList(w http.ResponseWriter, _ *http.Request, _ hansa.Actor) error {
	writeJSON(w, http.StatusOK, OpenBody{Datasets: a.Open.OpenDatasets()})
	return nil
}

// openRead answers everybody alike: who has a credential is not asked for it.
func (a *API) openRead(w http.ResponseWriter, r *http.Request, _ hansa.Actor) error {
	dataset, as, _ := strings.Cut(r.PathValue("file"), ".")
	flow, err := a.Open.OpenFlow(r.PathValue("party"), dataset)
	if err != nil {
		return err
	}
	q := ask(r, hansa.Actor{Party: hansa.PublicParty, Credential: "open"})
	q.Flow, q.Format = flow, a.named(as)
	w.Header().Set("Access-Control-Allow-Origin", "*")
	return a.sendSnapshot(w, r, q)
}
