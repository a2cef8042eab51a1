package api

import (
	"io"
	"net/http"
	"strings"

	"github.com/hansa-exchange/hansa"
)

// EntriesBody lists journal entries that concern the caller.
type EntriesBody struct {
	Entries []Entry `json:"entries"`
}

// KeyBody is the node's verifier key.
type KeyBody struct {
	Key string `json:"key"` // note vkey line, for a trust file
}

func (a *API) evidenceEndpoints() []Endpoint {
	proof := hansa.Route{Method: "POST", Pattern: "/api/v1/proofs/{dataset}/{record}", Right: hansa.RightRead, Object: "record", Action: "bundle the proof of a record", BodyMax: 64 << 10}
	ofAccord := hansa.Route{Method: "POST", Pattern: "/api/v1/accords/{accord}/proof", Right: hansa.RightRead, Object: "accord", Action: "bundle the proof of an accord", BodyMax: 64 << 10}
	since := []Param{{Name: "(body)", In: "header", What: "An earlier checkpoint may be sent as text/plain; the bundle then proves that the journal has only grown since."}}
	return []Endpoint{
		{Route: proof, Serve: a.proof, Media: []string{proofMedia}, Query: since},
		{Route: ofAccord, Serve: a.accordProof, Media: []string{proofMedia}, Query: since},
		{
			Route: hansa.Route{Method: "GET", Pattern: "/api/v1/journal/entries", Right: hansa.RightRead, Object: "node", Action: "list the journal entries that concern the caller"}, Serve: a.entries, Out: EntriesBody{},
			Query: []Param{{Name: "from", What: "First index.", Example: "1"}, {Name: "limit", What: "1 to 1000.", Example: "200"}},
		},
		{Route: hansa.Route{Method: "GET", Pattern: "/journal/checkpoint", Object: "node", Action: "read the journal's signed checkpoint"}, Serve: a.checkpoint, Media: []string{"text/plain; charset=utf-8"}},
		{Route: hansa.Route{Method: "GET", Pattern: "/journal/tile/{path...}", Object: "node", Action: "read a tile of the journal's hashes"}, Serve: a.tile, Media: []string{"application/octet-stream"}},
		{Route: hansa.Route{Method: "GET", Pattern: "/journal/key", Object: "node", Action: "read the journal's verifier key"}, Serve: a.key, Out: KeyBody{}},
	}
}

func (a *API) proof(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	since, err := io.ReadAll(r.Body)
	if err != nil {
		return tooLarge(err)
	}
	b, err := a.Evidence.Proof(r.Context(), by, r.PathValue("dataset"), r.PathValue("record"), since)
	if err != nil {
		return err
	}
	writeProof(w, b)
	return nil
}

func (a *API) accordProof(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	since, err := io.ReadAll(r.Body)
	if err != nil {
		return tooLarge(err)
	}
	b, err := a.Evidence.AccordProof(r.Context(), by, r.PathValue("accord"), since)
	if err != nil {
		return err
	}
	writeProof(w, b)
	return nil
}

// proofMedia is the media type of a proof bundle.
const proofMedia = "application/vnd.hansa.proof+json"

func writeProof(w http.ResponseWriter, b []byte) {
	w.Header().Set("Content-Type", proofMedia)
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(b)
}

func (a *API) entries(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	limit, err := count(r, "limit", PageDefault, PageMax)
	if err != nil {
		return err
	}
	from := 0
	if r.URL.Query().Get("from") != "" && r.URL.Query().Get("from") != "0" {
		if from, err = count(r, "from", 0, 1<<40); err != nil {
			return err
		}
	}
	list, err := a.Evidence.Entries(r.Context(), by, int64(from), int64(limit))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, EntriesBody{Entries: list})
	return nil
}

func (a *API) checkpoint(w http.ResponseWriter, r *http.Request, _ hansa.Actor) error {
	b, err := a.Evidence.Checkpoint(r.Context())
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = w.Write(b)
	return nil
}

func (a *API) tile(w http.ResponseWriter, r *http.Request, _ hansa.Actor) error {
	path := r.PathValue("path")
	if len(path) > 200 || strings.Contains(path, "..") {
		return hansa.Errorf(hansa.NotFound, "there is no such tile")
	}
	b, err := a.Evidence.Tile(r.Context(), "tile/"+path)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	_, _ = w.Write(b)
	return nil
}

func (a *API) key(w http.ResponseWriter, _ *http.Request, _ hansa.Actor) error {
	writeJSON(w, http.StatusOK, KeyBody{Key: a.Evidence.Key()})
	return nil
}
