package node

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// listedFlow is a flow as its giver or receiver sees it listed.
func (w *running) listedFlow(secret, id string) api.FlowInfo {
	w.t.Helper()
	status, body, _ := w.call(http.MethodGet, "/api/v1/flows", secret, "", "")
	var list api.FlowsBody
	if err := json.Unmarshal([]byte(body), &list); status != http.StatusOK || err != nil {
		w.t.Fatalf("flows: %d, %v", status, err)
	}
	i := slices.IndexFunc(list.Flows, func(f api.FlowInfo) bool { return string(f.ID) == id })
	if i < 0 {
		w.t.Fatalf("flow %s is not listed: %s", id, body)
	}
	return list.Flows[i]
}

// signs opens a draft of city as own does, and has everybody sign.
func (w *running) signs(id hansa.AccordID, signers ...hansa.PartyID) {
	w.t.Helper()
	act := func(own hansa.PartyID, kind accord.Kind) {
		w.t.Helper()
		by := hansa.Actor{Party: own, Rights: []hansa.Right{hansa.RightRead, hansa.RightManage}}
		if _, err := w.node.accords.ActAccord(w.t.Context(), by, id, kind, api.AccordAct{Role: "alderman", Power: "mandate 2026-114"}); err != nil {
			w.t.Fatalf("%s %s: %v", own, kind, err)
		}
	}
	act("did:web:city", accord.Open)
	for _, own := range signers {
		act(own, accord.Sign)
	}
}

func TestAccordFromAFlow(t *testing.T) {
	w := run(t)
	decimals := 4
	area := &hansa.Geometry{}
	if err := json.Unmarshal([]byte(`{"type":"Polygon","coordinates":[[[4,52],[6,52],[6,53],[4,53],[4,52]]]}`), area); err != nil {
		t.Fatal(err)
	}
	set := hansa.DatasetID(named("dataset", "did:web:city", "closures"))
	before := hansa.Flow{
		ID: hansa.FlowID(w.flow), Name: "live", Dataset: set, From: "did:web:city", To: "did:web:nav", Limit: hansa.Duration(time.Minute),
		Terms: hansa.Terms{
			Purposes: []hansa.Purpose{"navigation", "road-safety"}, Formats: []hansa.Format{"record", "geojson"}, Fields: []string{"cause", "lanes"}, Area: area, Delay: hansa.Duration(90 * time.Second), Precision: &decimals,
			Licence: "CC-BY-4.0", Attribution: "City", Windows: []hansa.Recurrence{{Zone: "Europe/Amsterdam", From: "00:00", To: "24:00"}},
		},
	}
	if err := w.node.Apply(t.Context(), &Setup{Flows: []hansa.Flow{before}}); err != nil {
		t.Fatal(err)
	}
	for name, secret := range map[string]string{"giver": w.give, "receiver": w.take} {
		if f := w.listedFlow(secret, w.flow); !f.WithoutAccord {
			t.Errorf("the %s's flow is not marked as without accord", name)
		}
	}
	path := "/api/v1/flows/" + w.flow + "/accord"
	if status, body, _ := w.call(http.MethodPost, path, w.give, "application/json", `{}`); status != http.StatusUnprocessableEntity && status != http.StatusBadRequest || !strings.Contains(body, "gets/1") {
		t.Errorf("a partnership without an answer: %d %s", status, body)
	}
	status, body, _ := w.call(http.MethodPost, path, w.give, "application/json", `{"answers":{"gets/1":"counts within the hour"}}`)
	var d api.FlowDrafted
	if err := json.Unmarshal([]byte(body), &d); status != http.StatusCreated || err != nil {
		t.Fatalf("draft: %d, %v: %s", status, err, body)
	}
	if len(d.Notes) != 1 || !strings.Contains(d.Notes[0], "1m30s") {
		t.Errorf("notes: %q", d.Notes)
	}
	for _, f := range d.Findings {
		if f.Severity == hansa.Fault {
			t.Errorf("the draft cannot be signed: %v", f)
		}
	}
	text, err := readText(d.Text)
	if err != nil {
		t.Fatal(err)
	}
	if f := text.Flows[0]; f.ID != before.ID || f.Name != "live" || f.Dataset.Name != "closures" || f.Limit != before.Limit || !slices.Equal(f.Formats, before.Terms.Formats) {
		t.Errorf("the flow of the draft: %+v", f)
	}
	got, err := text.Terms(&text.Flows[0], time.Now())
	if err != nil {
		t.Fatal(err)
	}
	want := before.Terms
	if !slices.Equal(got.Purposes, want.Purposes) || !slices.Equal(got.Fields, want.Fields) || got.Area == nil || string(got.Area.AppendJSON(nil)) != string(want.Area.AppendJSON(nil)) ||
		got.Delay != hansa.Duration(2*time.Minute) || *got.Precision != decimals || got.Licence != want.Licence || got.Attribution != want.Attribution || len(got.Windows) != 1 {
		t.Errorf("the terms of the draft: %+v", got)
	}
	if status, _, _ := w.call(http.MethodPost, "/api/v1/flows/"+named("flow", "none")+"/accord", w.take, "application/json", `{}`); status != http.StatusNotFound {
		t.Errorf("a flow that is not there: %d", status)
	}

	w.signs(d.ID, "did:web:nav", "did:web:city")
	taken := func() {
		t.Helper()
		f := w.listedFlow(w.take, w.flow)
		if f.WithoutAccord || f.Basis.Kind != hansa.BasisAccord || f.Basis.ID != string(d.ID) || f.Terms.Delay != hansa.Duration(2*time.Minute) {
			t.Errorf("the accord is in force, and the flow stands on %+v with %+v", f.Basis, f.Terms)
		}
	}
	taken()
	w.stop()
	w.start() // the operator's file names the flow still
	taken()
	if status, body, _ := w.call(http.MethodPost, path, w.give, "application/json", `{"answers":{"gets/1":"counts"}}`); status != http.StatusConflict {
		t.Errorf("a flow that stands on an accord: %d %s", status, body)
	}
	if status, body, _ := w.call(http.MethodPost, "/api/v1/flows", w.give, "application/json", `{"name":"live","to":"nav","dataset":"closures","terms":{"purposes":["advertising"],"formats":["record"]}}`); status == http.StatusOK {
		t.Errorf("its terms were changed apart from the accord: %s", body)
	}
}
