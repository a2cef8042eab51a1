package api

import (
	"context"
	"net/http"
	"strconv"

	"github.com/hansa-exchange/hansa"
)

// NetworkBytesMax bounds a file of places.
const NetworkBytesMax = 64 << 20

// NetworkChange is what an import of a network does, or would do.
type NetworkChange struct {
	Places    int             `json:"places"`
	New       int             `json:"new"`
	Different int             `json:"different"`
	Gone      int             `json:"gone"`
	Added     []string        `json:"added"` // ids, at most 1,000 of each list
	Changed   []string        `json:"changed"`
	Removed   []string        `json:"removed"`
	Unchanged int             `json:"unchanged"`
	InUse     []string        `json:"inUse"` // removed places that an open closure names
	Findings  []hansa.Finding `json:"findings"`
	Digest    string          `json:"sha256"` // of the network as it is kept
	Dry       bool            `json:"dry,omitzero"`
}

// MatchOrder asks which roads a drawn line follows.
type MatchOrder struct {
	Line []hansa.Position `json:"line"` // [longitude, latitude] in degrees, in the direction of travel
}

// Matched says which roads a drawn line follows, or why it is kept as drawn.
type Matched struct {
	Matched  bool            `json:"matched"`
	Says     string          `json:"says"`
	Mend     string          `json:"mend,omitempty"`
	Spans    []MatchedSpan   `json:"spans,omitempty"`
	Offset   float64         `json:"offsetMetres,omitzero"` // mean, of the drawn line from the roads
	Geometry *hansa.Geometry `json:"geometry,omitempty"`
}

// MatchedSpan is a part of one place: from metres to metres along it.
type MatchedSpan struct {
	Place  string  `json:"place"`
	Name   string  `json:"name"`
	From   float64 `json:"fromMetres"`
	To     float64 `json:"toMetres"`
	Length float64 `json:"lengthMetres"`
	Whole  bool    `json:"whole,omitzero"`
}

// Roads keeps a party's network of named places.
type Roads interface {
	// Network returns the caller's network as GeoJSON, and its digest.
	Network(ctx context.Context, by hansa.Actor) (geojson []byte, digest string, err error)
	// SetNetwork replaces it, or says what that would change. Places that an open
	// closure names are removed by force alone.
	SetNetwork(ctx context.Context, by hansa.Actor, geojson []byte, dry, force bool) (NetworkChange, error)
	MatchLine(ctx context.Context, by hansa.Actor, line []hansa.Position) (Matched, error)
}

func (a *API) roadEndpoints() []Endpoint {
	api := func(method, path, action string, right hansa.Right, body int64) hansa.Route {
		return hansa.Route{Method: method, Pattern: "/api/v1" + path, Right: right, Object: "node", Action: action, BodyMax: body}
	}
	return []Endpoint{
		{Route: api("GET", "/network", "read the network of named places", hansa.RightControl, 0), Serve: a.network, Media: []string{"application/geo+json"}},
		{
			Route: api("PUT", "/network", "replace the network of named places, from GeoJSON", hansa.RightManage, NetworkBytesMax), Serve: a.setNetwork, Out: NetworkChange{},
			Query: []Param{{Name: "dry", What: "true changes nothing and says what would change.", Example: "true"}, {Name: "force", What: "true removes places that open closures name.", Example: "true"}},
		},
		{Route: api("POST", "/matches", "say which roads a drawn line follows", hansa.RightControl, 1<<20), Serve: a.match, In: MatchOrder{}, Out: Matched{}},
	}
}

func (a *API) network(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	doc, digest, err := a.Roads.Network(r.Context(), by)
	if err != nil {
		return err
	}
	tag := `"` + digest + `"`
	w.Header().Set("ETag", tag)
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	w.Header().Set("Content-Type", "application/geo+json")
	w.Header().Set("Content-Length", strconv.Itoa(len(doc)))
	_, err = w.Write(doc)
	return err
}

func (a *API) setNetwork(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	b, err := readAll(r)
	if err != nil {
		return err
	}
	out, err := a.Roads.SetNetwork(r.Context(), by, b, r.URL.Query().Get("dry") == "true", r.URL.Query().Get("force") == "true")
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, out)
	return nil
}

func (a *API) match(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	var in MatchOrder
	if err := readJSON(r, &in); err != nil {
		return err
	}
	out, err := a.Roads.MatchLine(r.Context(), by, in.Line)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, out)
	return nil
}
