package node

import (
	"net/http"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa/internal/edge/api"
)

const someRoads = `{"type":"FeatureCollection","features":[
{"type":"Feature","id":"oost","properties":{"name":"Oostertunnel","kind":"tunnel","direction":"both"},"geometry":{"type":"LineString","coordinates":[[4.9,52.37],[4.91,52.38]]}},
{"type":"Feature","id":"oost-n","properties":{"name":"Oostertunnel, north","kind":"tunnel","tube":"a","heading":"north","parent":"oost"},"geometry":{"type":"LineString","coordinates":[[4.9001,52.37],[4.9101,52.38]]}},
{"type":"Feature","id":"oost-s","properties":{"name":"Oostertunnel, south","kind":"tunnel","tube":"b","heading":"south","parent":"oost"},"geometry":{"type":"LineString","coordinates":[[4.9099,52.38],[4.8999,52.37]]}},
{"type":"Feature","id":"wal","properties":{"name":"Wallenweg","kind":"road","direction":"both"},"geometry":{"type":"LineString","coordinates":[[4.88,52.36],[4.89,52.365]]}}]}`

// TestNetwork: a network is imported whole, is there at once, and keeps what open
// closures name; a line is closed as the roads beneath it, or as it was drawn.
func TestNetwork(t *testing.T) {
	w := newTown(t)
	manage := w.manager(t)
	put := func(query, body string, want int) api.NetworkChange {
		t.Helper()
		code, answer := w.ask(t, http.MethodPut, "/api/v1/network"+query, "Bearer "+manage, "application/geo+json", body)
		if code != want {
			t.Fatalf("PUT %s: %d %s, want %d", query, code, answer, want)
		}
		var out api.NetworkChange
		if code == http.StatusOK {
			if err := json.Unmarshal([]byte(answer), &out); err != nil {
				t.Fatal(err)
			}
		}
		return out
	}
	closing := func(body string, want int) (string, api.Closure) {
		t.Helper()
		code, answer := w.ask(t, http.MethodPost, "/api/v1/closures", "Bearer "+w.give, "application/json", body)
		var c api.Closure
		if code != want {
			t.Fatalf("close %s: %d %s, want %d", body, code, answer, want)
		}
		if code == http.StatusCreated {
			if err := json.Unmarshal([]byte(answer), &c); err != nil {
				t.Fatal(err)
			}
		}
		return answer, c
	}
	if dry := put("?dry=true", someRoads, http.StatusOK); len(dry.Added) != 4 || !dry.Dry {
		t.Errorf("a dry run: %+v", dry)
	}
	if answer, _ := closing(`{"place":"wallenweg"}`, http.StatusNotFound); !strings.Contains(answer, "no named places") {
		t.Errorf("a dry run changed something: %s", answer)
	}
	for body, want := range map[string]string{`{"type":"FeatureCollection","features":[]}`: "no place", `{"type":"Feature"}`: "FeatureCollection", `{`: "GeoJSON", strings.Replace(someRoads, `"parent":"oost"`, `"parent":"gone"`, 1): "not a place here", strings.Replace(someRoads, `"Wallenweg"`, `""`, 1): "name"} {
		if code, answer := w.ask(t, http.MethodPut, "/api/v1/network", "Bearer "+manage, "application/geo+json", body); code < 400 || code >= 500 || !strings.Contains(answer, want) {
			t.Errorf("%.60s: %d %s, want %q", body, code, answer, want)
		}
	}
	put("", someRoads, http.StatusOK)
	if again := put("", someRoads, http.StatusOK); again.Unchanged != 4 || len(again.Added)+len(again.Changed)+len(again.Removed) != 0 {
		t.Errorf("the same again: %+v", again)
	}
	code, doc := w.ask(t, http.MethodGet, "/api/v1/network", "Bearer "+w.give, "", "")
	if back := put("?dry=true", doc, http.StatusOK); code != http.StatusOK || back.Unchanged != 4 {
		t.Errorf("what is shown is not what is taken: %d %+v", code, back)
	}
	if code, _ := w.ask(t, http.MethodPut, "/api/v1/network", "Bearer "+w.give, "application/geo+json", someRoads); code != http.StatusForbidden {
		t.Errorf("without the right to manage: %d", code)
	}
	// A line: the whole tube, by its direction; a part of a street; and none.
	_, c := closing(`{"line":[[4.9001,52.3701],[4.91005,52.37995]],"reason":"fire"}`, http.StatusCreated)
	if s := c.Record.Situation; s.Infra.ID != "oost-n" || s.Infra.Tube != "a" || s.Direction != "one" || s.Infra.Name != "Oostertunnel" {
		t.Errorf("the tube: %+v", s)
	}
	_, c = closing(`{"line":[[4.885,52.3625],[4.882,52.361]]}`, http.StatusCreated)
	if s := c.Record.Situation; s.Infra.ID != "" || s.Road.Name != "Wallenweg" || s.Direction != "one" {
		t.Errorf("half a street: %+v", s)
	}
	_, c = closing(`{"line":[[4.885,52.3625],[4.882,52.361]],"both":true}`, http.StatusCreated)
	if s := c.Record.Situation; s.Direction != "both" {
		t.Errorf("half a street, both ways: %+v", s)
	}
	if answer, _ := closing(`{"line":[[4.9001,52.3701],[4.91005,52.37995]],"both":true}`, http.StatusUnprocessableEntity); !strings.Contains(answer, "one-way") {
		t.Errorf("a tube, both ways: %s", answer)
	}
	_, c = closing(`{"line":[[4.95,52.39],[4.96,52.39]],"name":"Quay"}`, http.StatusCreated)
	if s := c.Record.Situation; s.Road.Name != "Quay" || s.Geometry.Lines[0][0][0] != 4.95 {
		t.Errorf("as drawn: %+v", s)
	}
	for body, want := range map[string]string{`{"line":[[52.37,4.9],[52.38,4.91]]}`: "latitude first", `{"line":[[4.9,52.37]]}`: "2 to", `{"place":"wallenweg","line":[[4.9,52.37],[4.91,52.37]]}`: "not both", `{}`: "which place"} {
		if answer, _ := closing(body, http.StatusUnprocessableEntity); !strings.Contains(answer, want) {
			t.Errorf("%s: %s, want %q", body, answer, want)
		}
	}
	// What is published is held against where the city lies.
	swapped := strings.NewReplacer(`"id":"a"`, `"id":"swapped"`, `[4.9,52.37],[4.91,52.38]`, `[52.37123,4.90123],[52.38123,4.91123]`).Replace(goodRecord)
	if _, answer := w.ask(t, http.MethodPost, "/data/v1/datasets/closures/records", "Bearer "+w.give, "application/json", swapped); !strings.Contains(answer, "GEO-02") {
		t.Errorf("swapped coordinates: %s", answer)
	}
	// What an open closure names stays, unless somebody insists.
	fewer := `{"type":"FeatureCollection","features":[` + strings.Split(someRoads, "\n")[4]
	put("", fewer, http.StatusConflict)
	if gone := put("?force=true", fewer, http.StatusOK); len(gone.Removed) != 3 || len(gone.InUse) != 1 {
		t.Errorf("by force: %+v", gone)
	}
}
