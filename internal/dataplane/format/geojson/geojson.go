// Package geojson reads and writes situations and observations as a GeoJSON
// FeatureCollection (RFC 7946), longitude first. A feature's properties are the
// members of the canonical form, side by side. Features that others made are read
// as far as they go: what has no id is refused, what is not known is kept.
package geojson

import (
	"slices"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/dataplane/format"
)

// MediaType is that of RFC 7946.
const MediaType = "application/geo+json"

// Codec reads and writes feature collections.
func Codec() format.Codec {
	return format.Codec{
		Name: "geojson", Title: "GeoJSON", MediaType: MediaType, Ext: "geojson",
		Kinds:  []hansa.RecordKind{hansa.KindSituation, hansa.KindObservation},
		Reader: reader{}, Writer: writer{},
	}
}

// frameMembers are the properties that belong to the record; the others belong
// to its situation or observation. The two sets have no name in common.
var frameMembers = []string{
	"kind", "dataset", "id", "version", "created", "updated", "received", "firstPublished", "update", "mode",
	"situation", "observation", "document", "provenance", "defects",
}

// featureMembers have a meaning of their own in a feature (RFC 7946 section 7.1).
var featureMembers = []string{"type", "id", "geometry", "properties", "bbox", "coordinates", "geometries", "features", "crs"}

func inFrame(name string) bool { return slices.Contains(frameMembers, name) }

func inFeature(name string) bool { return slices.Contains(featureMembers, name) }
