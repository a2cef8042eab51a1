package node

import (
	"net/http"
	"strings"
	"testing"

	"github.com/hansa-exchange/hansa"
)

// TestEndParty: a party that ends has no way in any more, and gets nothing; what was
// exchanged stays, and so does everybody else.
func TestEndParty(t *testing.T) {
	w := newTown(t)
	root := w.administrator(t)
	_, link := w.invite(t, "one", "Engineer", hansa.RoleEngineer)
	post := func(path, body string, want int) string {
		t.Helper()
		code, answer := w.ask(t, http.MethodPost, path, "Bearer "+root, "application/json", body)
		if code != want {
			t.Errorf("POST %s: %d %s, want %d", path, code, answer, want)
		}
		return answer
	}
	if got := post("/api/v1/parties/one", `{"title":"Party One","share":0.3,"hosts":["hooks.one.example"]}`, http.StatusOK); !strings.Contains(got, "Party One") || !strings.Contains(got, "0.3") {
		t.Errorf("changed: %s", got)
	}
	if got := post("/api/v1/parties/one", `{"contact":"desk@one.example"}`, http.StatusOK); !strings.Contains(got, "Party One") {
		t.Errorf("what was not named has changed: %s", got)
	}
	post("/api/v1/parties/one", `{"name":"other"}`, http.StatusUnprocessableEntity)
	post("/api/v1/parties/one", `{"share":3}`, http.StatusUnprocessableEntity)
	post("/api/v1/parties/nobody", `{"title":"x"}`, http.StatusNotFound)
	post("/api/v1/parties/city/revoke", `{}`, http.StatusConflict)
	read := "/data/v1/flows/" + named("flow", "one") + "/snapshot.record"
	if code, _ := w.ask(t, http.MethodGet, read, "Bearer "+w.one, "", ""); code != http.StatusOK {
		t.Fatalf("before the end: %d", code)
	}
	if got := post("/api/v1/parties/one/revoke", `{}`, http.StatusOK); !strings.Contains(got, `"users":1`) || !strings.Contains(got, `"flows":1`) {
		t.Errorf("ended: %s", got)
	}
	if code, _ := w.ask(t, http.MethodGet, read, "Bearer "+w.one, "", ""); code != http.StatusUnauthorized {
		t.Errorf("its credential is good still: %d", code)
	}
	_, token, _ := strings.Cut(link, "token=")
	(&browser{T: t, w: w}).want("GET", "/enter?token="+token, nil, http.StatusUnauthorized)
	if code, _ := w.ask(t, http.MethodGet, "/data/v1/flows/"+named("flow", "two")+"/snapshot.record", "Bearer "+w.two, "", ""); code != http.StatusOK {
		t.Errorf("another party is cut off too: %d", code)
	}
}
