package room_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
)

// What the pages of accords say holds: what stands still is not counted, a text in force
// is not about to be signed, and the command that is printed checks who signed.
func TestAccordPagesSay(t *testing.T) {
	h := pacted(t, &pact{s: "Navika"}, hansa.RightRead, hansa.RightManage)
	for path, says := range map[string][]string{
		"/exchange":                      {"4 flows run", "2 flows do not run", "Does not start", "Running"},
		"/accords/7":                     {"hansa proof --key &gt; node.key", "hansa verify accord.proof --trust node.key", "Received:", "Given:", "3 records", "fetched what is new", "by stream", "5 records came this month", "Suspended by Navika", "Before it can be signed"},
		"/accords/force":                 {"To look at", "Joined, signed by the "},
		"/register":                      {`type="search"`, "Gates"},
		"/register?q=suspended":          {"Suspended", "More is found than is shown"},
		"/register?q=none":               {"No accord is like that"},
		"/accords/new?model=partnership": {"public body", "The other party", "(received from another)"},
		"/accords/new?model=pool":        {"party 1", "party 2"},
		"/asks/7":                        {"“7”: Navika"},
		"/help":                          {"Accords, the exchange and the register"},
	} {
		body := get(t, h, path, "Accept", "text/html").Body.String()
		for _, s := range says {
			if !strings.Contains(body, s) {
				t.Errorf("%s does not say %q", path, s)
			}
		}
	}
	for path, not := range map[string]string{"/accords/force": "Before it can be signed", "/accords/new?model=partnership": "party 1", "/accords/7": "suspended by 8"} {
		if w := get(t, h, path, "Accept", "text/html"); w.Code != http.StatusOK || strings.Contains(w.Body.String(), not) {
			t.Errorf("%s answers %d, or says %q", path, w.Code, not)
		}
	}
	var doc struct {
		Flows []struct {
			Flow  string `json:"flow"`
			State string `json:"state"`
		} `json:"flows"`
	}
	if err := json.Unmarshal(get(t, h, "/exchange.json").Body.Bytes(), &doc); err != nil || len(doc.Flows) != 6 {
		t.Fatal(err, doc)
	}
	for _, f := range doc.Flows {
		if want := map[string]string{"8": "refused"}[f.Flow]; f.State != want && (want != "" || f.State != "open") {
			t.Errorf("the flow %s is %s", f.Flow, f.State)
		}
	}
}
