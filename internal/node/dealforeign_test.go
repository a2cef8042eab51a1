package node

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
)

// forgetful is a connector of another make, as consumer: it sends a message again
// under another @id, and may lose what it was told in between.
type forgetful struct {
	t    *testing.T
	city *partner

	mu    sync.Mutex     // guards all below
	state string         // as it says when it is asked
	heard map[string]int // how often the city sent to a path, by its last part
	asked int            // how often the city asked for the state
	pid   string         // what the city calls the process
}

// ServeHTTP answers the city.
func (f *forgetful) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.Method == http.MethodPost {
		last := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
		f.heard[last]++
		f.state = map[string]string{"agreement": "AGREED", "events": "FINALIZED"}[last]
		return
	}
	f.asked++
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprintf(w, `{"@context":["https://w3id.org/dspace/2025/1/context.jsonld"],"@type":"ContractNegotiation","consumerPid":"theirs","providerPid":%q,"state":%q}`, f.pid, f.state)
}

// says sends a message, under an @id of its own, and wants it taken.
func (f *forgetful) says(path, body, id string, after string) {
	f.t.Helper()
	f.mu.Lock()
	pid := f.pid
	f.mu.Unlock()
	body = `{"@context":["https://w3id.org/dspace/2025/1/context.jsonld"],"@id":"` + id + `",` + strings.ReplaceAll(body, "PID", pid) + `}`
	req, err := http.NewRequestWithContext(f.t.Context(), http.MethodPost, f.city.url+"/dsp/2025-1/negotiations/"+strings.ReplaceAll(path, "PID", pid), strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer secret-of-the-company")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		f.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode > 201 {
		f.t.Fatalf("%s under @id %s: %d %s %v", path, id, res.StatusCode, b, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, rest, ok := strings.Cut(string(b), `"providerPid":"`); ok && f.pid == "" {
		f.pid, _, _ = strings.Cut(rest, `"`)
	}
	f.state = after
}

// hears waits until the city has sent so many agreements and ends in all, has asked so
// often, and has noted what became of it: what is repeated before that asks nothing anew.
func (f *forgetful) hears(agreements, ends, asked int) {
	f.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		f.mu.Lock()
		got := [3]int{f.heard["agreement"], f.heard["events"], f.asked}
		f.mu.Unlock()
		var waiting int
		if err := f.city.node.db.Read(f.t.Context(), func(tx hansa.Tx) error {
			return tx.QueryRow(`SELECT COUNT(*) FROM outbound_letter WHERE state = 'waits'`).Scan(&waiting)
		}); err != nil {
			f.t.Fatal(err)
		}
		if got == [3]int{agreements, ends, asked} && waiting == 0 {
			return
		}
		if time.Now().After(deadline) {
			f.t.Fatalf("the city sent %d agreements and %d ends, and asked %d times; want %d, %d and %d", got[0], got[1], got[2], agreements, ends, asked)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// A connector that sends again what it sent is not refused, whatever @id it gives it
// now; and what it has lost meanwhile is sent again, but only that.
func TestForgetfulConnector(t *testing.T) {
	city, company := two(t)
	city.offer("offer-1", true, "navigation")
	company.stop()
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", company.addr)
	if err != nil {
		t.Fatal(err)
	}
	f := &forgetful{t: t, city: city, heard: map[string]int{}}
	server := &httptest.Server{Listener: ln, Config: &http.Server{Handler: f, ReadHeaderTimeout: time.Minute}}
	server.Start()
	defer server.Close()

	ask := policy.FromTerms("offer-1", &hansa.Terms{Purposes: []hansa.Purpose{"navigation"}, Formats: []hansa.Format{"record", "geojson"}})
	ask.Target = named("dataset", string(city.id), "closures")
	offer, err := json.Marshal(ask)
	if err != nil {
		t.Fatal(err)
	}
	request := `"@type":"ContractRequestMessage","consumerPid":"theirs","callbackAddress":"` + company.url + `/dsp/2025-1","offer":` + string(offer)
	f.says("request", request, "a", "REQUESTED")
	f.hears(1, 0, 0)
	f.says("request", request, "b", "REQUESTED") // and writes over the agreement
	f.hears(2, 0, 1)
	verification := `"@type":"ContractAgreementVerificationMessage","consumerPid":"theirs","providerPid":"PID"`
	f.says("PID/agreement/verification", verification, "c", "VERIFIED")
	f.hears(2, 1, 1)
	f.says("PID/agreement/verification", verification, "d", "FINALIZED") // and has lost nothing
	f.hears(2, 1, 2)
	f.says("PID/agreement/verification", verification, "e", "VERIFIED") // and has lost the end
	f.hears(2, 2, 3)
}
