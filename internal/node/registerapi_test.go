package node

import (
	"net/http"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/api"
	"github.com/hansa-exchange/hansa/internal/edge/room"
)

// What the register withholds, programs do not read either: the consideration stays away,
// with its rule in its place.
func TestRegisterWithholds(t *testing.T) {
	city, _, _, id := publishes(t)
	whole, err := city.node.accords.Accord(t.Context(), city.actor(), id)
	if err != nil {
		t.Fatal(err)
	}
	full := &accord.Text{}
	if err := json.Unmarshal(whole.Text, full); err != nil || len(full.Consideration) == 0 {
		t.Fatalf("the control: the whole text holds %d considerations, %v", len(full.Consideration), err)
	}
	d, err := register{city.node}.RegisteredOne(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	shown := &accord.Text{}
	if err := json.Unmarshal(d.Text, shown); err != nil || len(shown.Consideration) != 0 || strings.Contains(string(asJSON(t, d)), `"consideration":[`) {
		t.Errorf("the register shows %s, %v", asJSON(t, d), err)
	}
	if len(d.Withheld) != 1 || d.Withheld[0] != full.Confidential[0] || d.Hash != whole.Force || d.State != hansa.AccordInForce {
		t.Errorf("got %+v, hash %s, %s", d.Withheld, d.Hash, d.State)
	}
	if len(d.Parties) != 2 || len(d.Flows) != len(full.Flows) || len(d.Purposes) == 0 || d.Flows[0].Gate == nil || d.Since != whole.Effect {
		t.Errorf("got %d parties, %d flows, %v, since %v", len(d.Parties), len(d.Flows), d.Purposes, d.Since)
	}
	// Where the clauses are withheld, the gates that they make are too.
	full.Confidential = []accord.Withheld{{Part: "clauses", Rule: "security"}}
	if got := registeredOf(&room.RegisterEntry{Text: full.Public(), Effect: whole.Effect}); got.Flows[0].Gate != nil || len(got.Purposes) != 0 {
		t.Errorf("without its clauses it shows the gate %+v and %v", got.Flows[0].Gate, got.Purposes)
	}
}

// The register is read page by page, by who may read; what is not in force is not there.
func TestRegisterPages(t *testing.T) {
	w := mapped(t)
	x := parleys(t, w)
	if code, says := w.ask(t, http.MethodGet, "/api/v1/register", "", "", ""); code != http.StatusUnauthorized {
		t.Errorf("nobody reads it: %d %s", code, says)
	}
	var got []hansa.AccordID
	for after := hansa.AccordID(""); ; {
		page, err := register{w.Node}.Registered(t.Context(), after, 1)
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Accords) > 1 || len(got) > 2 {
			t.Fatalf("a page of one holds %d, after %v", len(page.Accords), got)
		}
		for i := range page.Accords {
			got = append(got, page.Accords[i].ID)
		}
		if after = page.After; after == "" {
			break
		}
	}
	whole, err := register{w.Node}.Registered(t.Context(), "", api.RegisterMax)
	if err != nil || len(whole.Accords) != 2 || len(got) != 2 || got[0] != whole.Accords[0].ID || got[1] != whole.Accords[1].ID {
		t.Errorf("page by page %v, at once %+v, %v", got, whole.Accords, err)
	}
	for id, want := range map[hansa.AccordID]bool{x.force: true, x.pool: true, x.waits: false, x.draft: false, x.over: false, "none": false} {
		if _, err := (register{w.Node}).RegisteredOne(t.Context(), id); (err == nil) != want || err != nil && hansa.KindOf(err) != hansa.NotFound {
			t.Errorf("%s: %v", id, err)
		}
	}
}
