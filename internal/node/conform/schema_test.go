package conform_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa/internal/node/conform"
)

const shared = "../../../../shared/schemas/dsp-2025-1"

// TestSchemasAreThePublishedOnes holds our copies to the published files, byte for
// byte, and the published examples to them.
func TestSchemasAreThePublishedOnes(t *testing.T) {
	if _, err := os.Stat(shared); err != nil {
		t.Skip("the protocol's schemas do not lie beside this checkout: ../shared/schemas/dsp-2025-1")
	}
	ours, err := filepath.Glob("schemas/*/*.json")
	if err != nil || len(ours) != 26 {
		t.Fatalf("%d schemas, %v", len(ours), err)
	}
	for _, name := range ours {
		a, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(shared, strings.TrimPrefix(name, "schemas/")))
		if err != nil || string(a) != string(b) {
			t.Errorf("%s is not what was published (%v)", name, err)
		}
	}
	examples, err := filepath.Glob(shared + "/*/example/*.json")
	if err != nil || len(examples) < 24 {
		t.Fatalf("%d examples, %v", len(examples), err)
	}
	held := 0
	for _, name := range examples {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var doc struct {
			Type string `json:"@type"`
		}
		if json.Unmarshal(b, &doc) != nil || doc.Type == "" {
			continue
		}
		held++
		if err := conform.Valid(doc.Type, b); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if held < 20 {
		t.Errorf("%d examples were held to their schemas", held)
	}
}

func TestValidSaysWhere(t *testing.T) {
	for _, tc := range []struct{ kind, doc, want string }{
		{"ContractNegotiation", `{"@context":["https://w3id.org/dspace/2025/1/context.jsonld"],"@type":"ContractNegotiation","providerPid":"p","consumerPid":1,"state":"X"}`, "/consumerPid"},
		{"Catalog", `{"@context":["https://w3id.org/dspace/2025/1/context.jsonld"],"@type":"Catalog","@id":"c"}`, "participantId"},
		{"TransferError", `{"@context":[],"@type":"TransferError","providerPid":"p","consumerPid":"c"}`, "/@context"},
		{"Weather", `{}`, "Weather"},
		{"Catalog", `{`, "not JSON"},
	} {
		if err := conform.Valid(tc.kind, []byte(tc.doc)); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want it to name %s", tc.doc, err, tc.want)
		}
	}
}
