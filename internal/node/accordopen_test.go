package node

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/base/store"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// anybody reads without a credential.
func (w *running) anybody(path string, header ...string) (int, http.Header, string) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.url+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(b)
}

// opens drafts and signs open terms of the closures of city.
func (w *running) opens(formats ...hansa.Format) hansa.AccordID {
	w.t.Helper()
	if w.url != "" {
		w.anybody("/open") // the node runs, and knows its own address
	}
	template, err := accord.TemplateByName("donation")
	if err != nil {
		w.t.Fatal(err)
	}
	did := hansa.PartyID(w.node.did(w.node.party("did:web:city")))
	text, err := template.Draft(accord.Order{
		ID: hansa.AccordID(hansa.NewID(time.Now())), Parties: []accord.Party{{ID: did, Title: "City", Kind: hansa.City, Role: hansa.RoleGiver}},
		Flows:   []accord.Flow{{ID: hansa.FlowID(hansa.NewID(time.Now())), Name: "closures-open", From: did, To: hansa.PublicParty, Dataset: accord.Dataset{Name: "closures", Title: "Closures", Kind: hansa.KindSituation}, Formats: formats}},
		Answers: map[string]string{"purpose": "navigation,traffic-information"}, With: []string{"licence", "fields-limit"}, Languages: []string{"en"},
		Set:  map[string]policy.Params{"licence": {"licence": "CC-BY-4.0"}, "fields-limit": {"fields": "lanes"}},
		Term: accord.Term{From: "2026-01-01", Zone: "Europe/Amsterdam"},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	by := hansa.Actor{Party: "did:web:city", Rights: []hansa.Right{hansa.RightRead, hansa.RightManage}}
	d, err := w.node.accords.DraftAccord(w.t.Context(), by, api.AccordDraft{Text: asJSON(w.t, text)})
	if err != nil {
		w.t.Fatal(err)
	}
	w.signs(d.ID, "did:web:city")
	return d.ID
}

func TestOpenTerms(t *testing.T) {
	w := run(t)
	w.publish("a", "b")
	if status, _, body := w.anybody("/open/city/closures.geojson"); status != http.StatusNotFound {
		t.Fatalf("before anything is open: %d %s", status, body)
	}
	id := w.opens("record", "geojson", "cifs")
	status, h, body := w.anybody("/open/city/closures.geojson")
	if status != http.StatusOK || !strings.Contains(body, `"FeatureCollection"`) || !strings.Contains(h.Get("Hansa-Basis"), string(id)) || h.Get("Cache-Control") != "public, no-cache" {
		t.Fatalf("geojson: %d %v %s", status, h, body)
	}
	w.publish("c")
	if status, h, body = w.anybody("/open/city/closures.geojson"); status != http.StatusOK || !strings.Contains(body, `"c"`) {
		t.Errorf("what was published a moment ago is not in what is read: %d %s", status, body)
	}
	if status, _, body := w.anybody("/open/city/closures.record"); status != http.StatusOK || strings.Contains(body, `"cause"`) || !strings.Contains(body, `"b"`) {
		t.Errorf("the gate of the flow does not trim: %d %s", status, body)
	}
	if status, _, _ := w.anybody("/open/city/closures.geojson", "If-None-Match", h.Get("ETag")); status != http.StatusNotModified {
		t.Errorf("the same again: %d", status)
	}
	for path, want := range map[string]int{
		"/open/city/closures.cifs": http.StatusOK, "/open/city/closures.datex2": http.StatusBadRequest, "/open/city/closures.nothing": http.StatusBadRequest, "/open/city/closures": http.StatusBadRequest,
		"/open/city/jams.geojson": http.StatusNotFound, "/open/nav/closures.geojson": http.StatusNotFound, "/open/nobody/closures.geojson": http.StatusNotFound,
	} {
		if status, _, body := w.anybody(path); status != want && (want != http.StatusBadRequest || status < 400 || status >= 500) {
			t.Errorf("%s: %d, want %d: %s", path, status, want, body)
		}
	}
	if status, _, body := w.anybody("/open/city/closures.geojson", "Hansa-Purpose", "advertising"); status != http.StatusForbidden {
		t.Errorf("a purpose outside the accord: %d %s", status, body)
	}
	if status, _, _ := w.anybody("/open/city/closures.geojson", "Hansa-Purpose", "traffic-information"); status != http.StatusOK {
		t.Errorf("a purpose of the accord: %d", status)
	}

	var list api.OpenBody
	if _, _, body := w.anybody("/open"); json.Unmarshal([]byte(body), &list) != nil || len(list.Datasets) != 1 {
		t.Fatalf("what is open: %s", body)
	}
	if d := list.Datasets[0]; d.Party != "city" || d.Dataset != "closures" || d.Licence != "CC-BY-4.0" || d.Accord != id || len(d.Addresses) != 3 || d.Addresses[1].Path != "/open/city/closures.geojson" {
		t.Errorf("what is open: %+v", d)
	}
	if _, _, body := w.anybody("/register/feed.json"); !strings.Contains(body, "/open/city/closures.geojson") || !strings.Contains(body, string(id)) {
		t.Errorf("the register does not list it: %s", body)
	}
	if _, _, body := w.anybody("/register/" + string(id)); !strings.Contains(body, `href="/open/city/closures.geojson"`) {
		t.Error("its page in the register does not say where it is read")
	}
	w.counted(id)

	by := hansa.Actor{Party: "did:web:city", Rights: []hansa.Right{hansa.RightRead, hansa.RightManage}}
	for _, x := range []struct {
		kind accord.Kind
		want int
	}{{accord.Suspend, http.StatusNotFound}, {accord.Resume, http.StatusOK}, {accord.End, http.StatusNotFound}} {
		a := api.AccordAct{Words: "as it is", Role: "alderman", Power: "mandate"}
		if x.kind == accord.End {
			a.Notice = time.Now().UTC().Format(time.DateOnly)
		}
		if _, err := w.node.accords.ActAccord(t.Context(), by, id, x.kind, a); err != nil {
			t.Fatalf("%s: %v", x.kind, err)
		}
		if status, _, body := w.anybody("/open/city/closures.geojson"); status != x.want {
			t.Errorf("after %s: %d, want %d: %s", x.kind, status, x.want, body)
		}
	}
	limited := false
	for i := 0; i < 5*anonymousPerSec && !limited; i++ {
		status, h, _ := w.anybody("/open/city/closures.geojson")
		limited = status == http.StatusTooManyRequests && h.Get("Retry-After") != ""
	}
	if !limited {
		t.Error("nothing limits who reads without a credential")
	}
}

// counted looks for the reads in the evidence and the meter, and that nobody waits for
// the public to answer.
func (w *running) counted(id hansa.AccordID) {
	w.t.Helper()
	var flow hansa.FlowID
	var requests, ranges, silent int64
	err := w.node.db.Read(w.t.Context(), func(tx hansa.Tx) error {
		held, err := pledgesOf(tx, "did:web:city", id)
		if err != nil {
			return err
		}
		for flow = range held {
		}
		counts, err := store.Counts(tx, "did:web:city", string(flow))
		if err != nil {
			return err
		}
		for _, m := range metered(counts) {
			requests += m.Requests
		}
		if err := tx.QueryRow(`SELECT COUNT(*) FROM deliver_ranges WHERE flow = ?`, string(flow)).Scan(&ranges); err != nil {
			return err
		}
		return tx.QueryRow(`SELECT COUNT(*) FROM receipt_ladders WHERE flow = ? AND due > 0`, string(flow)).Scan(&silent)
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if requests < 4 || ranges != requests || silent != 0 {
		w.t.Errorf("%d requests counted, %d hand-overs in the evidence, %d ladders that wait for the public", requests, ranges, silent)
	}
	if status, body, _ := w.call(http.MethodGet, "/api/v1/flows", w.give, "", ""); status != http.StatusOK || !slices.Contains(strings.Split(body, `"`), string(flow)) {
		w.t.Errorf("its giver does not see the flow: %d", status)
	}
}
