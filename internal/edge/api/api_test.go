package api_test

import (
	"encoding/json"
	"testing"

	"github.com/hansa-exchange/hansa/internal/edge/api"
)

func TestOpenAPI(t *testing.T) {
	a := api.New(api.Config{Version: "1"})
	b, err := a.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		OpenAPI string                               `json:"openapi"`
		Paths   map[string]map[string]map[string]any `json:"paths"`
		Hooks   map[string]any                       `json:"webhooks"`
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	if doc.OpenAPI != "3.1.0" {
		t.Errorf("openapi %q, want 3.1.0", doc.OpenAPI)
	}
	seen := map[string]bool{}
	n := 0
	for _, ops := range doc.Paths {
		for _, op := range ops {
			n++
			id, _ := op["operationId"].(string)
			if id == "" || seen[id] {
				t.Errorf("operation id %q is empty or stands twice", id)
			}
			seen[id] = true
		}
	}
	if want := len(a.Endpoints()); n != want {
		t.Errorf("%d operations described, want %d", n, want)
	}
	if got, want := len(doc.Hooks), len(api.EventTypes()); got != want {
		t.Errorf("%d event types described, want %d", got, want)
	}
}
