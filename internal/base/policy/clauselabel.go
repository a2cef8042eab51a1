package policy

import (
	_ "embed"
	"sync"

	"github.com/go-json-experiment/json"
)

//go:embed labels.json
var labelFile []byte

// labels are what the catalogue calls its own words in each language: by list, then
// by word.
var labels = sync.OnceValue(func() map[string]map[string]Texts {
	out := map[string]map[string]Texts{}
	if err := json.Unmarshal(labelFile, &out, json.RejectUnknownMembers(true)); err != nil {
		panic("internal error: labels.json: " + err.Error())
	}
	return out
})

// formatNames are proper names, the same in each language.
var formatNames = map[string]string{
	"datex2": "DATEX II", "datex2-container": "DATEX II (container)", "cifs": "CIFS", "cifs-json": "CIFS (JSON)", "wzdx": "WZDx", "geojson": "GeoJSON", "record": "Hansa Record", "ndjson": "Hansa Record (NDJSON)",
}

// Label returns what a word of a list is called in lang. The lists are groups,
// bearers, evidence, models, purposes, fields, kinds, formats, and notes.
func Label(list, word, lang string) (string, bool) {
	if list == string(KindFormats) {
		s, ok := formatNames[word]
		return s, ok
	}
	t, ok := labels()[list][word]
	return t.In(lang), ok
}
