package node

import (
	"bytes"
	"io"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/network"
	"github.com/hansa-exchange/hansa/internal/base/words"
)

// placesBytesMax bounds a file of places.
const placesBytesMax = 64 << 20

// readPlaces reads named places from a GeoJSON FeatureCollection whose features
// have the properties of [hansa.Place]: id, name, kind, tube, heading, direction,
// number, parent.
func readPlaces(r io.Reader) ([]hansa.Place, error) {
	b, err := io.ReadAll(io.LimitReader(r, placesBytesMax+1))
	if err != nil {
		return nil, err
	}
	if len(b) > placesBytesMax {
		return nil, hansa.Fielded("places", "a file of places has at most %d bytes", placesBytesMax)
	}
	var doc struct {
		Type     string `json:"type"`
		Features []struct {
			ID         string          `json:"id"`
			Properties hansa.Place     `json:"properties"`
			Geometry   *hansa.Geometry `json:"geometry"`
		} `json:"features"`
	}
	if err := json.Unmarshal(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")), &doc); err != nil {
		return nil, hansa.Errorf(hansa.Invalid, "the places are no GeoJSON: %s", words.Misread(err)).With(hansa.CodeSyntax)
	}
	if doc.Type != "FeatureCollection" {
		return nil, hansa.Fielded("/type", "places are a GeoJSON FeatureCollection, not %q", doc.Type)
	}
	var list []hansa.Place
	for _, f := range doc.Features {
		p := f.Properties
		p.ID, p.Geometry = first(p.ID, f.ID), f.Geometry
		if p.Direction == "" {
			p.Direction = hansa.OneDirection
		}
		list = append(list, p)
	}
	_, err = network.New(list)
	return list, err
}

// CheckPlaces reads a file of places and says what is probably wrong with it.
func CheckPlaces(r io.Reader) (places int, findings []hansa.Finding, err error) {
	list, err := readPlaces(r)
	if err != nil {
		return 0, nil, err
	}
	n, err := network.New(list)
	if err != nil {
		return 0, nil, err
	}
	if findings = n.Check(); findings == nil {
		findings = []hansa.Finding{}
	}
	return n.Len(), findings, nil
}
