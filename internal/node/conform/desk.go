package conform

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Limits of the desk.
const (
	deskBodyMax = 1 << 20
	deskMax     = 1000 // messages that are kept; more are answered 503
)

// desk is where the connector's own messages come in: it takes what is about a
// process that the driver began, and keeps it.
type desk struct {
	mu    sync.Mutex        // guards all below
	known map[string]string // the driver's pid to the connector's; empty until it is known
	state map[string]string
	came  []note
	seen  int
	bad   []string
	more  chan struct{} // closed and replaced with each message
}

// note is one message of the connector.
type note struct {
	pid, what string // the last segments of its address: agreement, events, start
	kind      string
	doc       map[string]jsontext.Value
	fits      error
}

func newDesk() *desk {
	return &desk{known: map[string]string{}, state: map[string]string{}, more: make(chan struct{})}
}

// expects says that messages about a process are taken from now on.
func (d *desk) expects(pid, theirs, state string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.known[pid], d.state[pid] = theirs, state
}

func (d *desk) held() (n int, bad []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.seen, append([]string(nil), d.bad...)
}

// states says what a message brings a process to.
var states = map[string]string{
	"ContractOfferMessage": "OFFERED", "ContractAgreementMessage": "AGREED", "ContractNegotiationEventMessage": "FINALIZED", "ContractNegotiationTerminationMessage": "TERMINATED",
	"TransferStartMessage": "STARTED", "TransferSuspensionMessage": "SUSPENDED", "TransferCompletionMessage": "COMPLETED", "TransferTerminationMessage": "TERMINATED",
}

// ServeHTTP takes /negotiations/{pid}/WHAT and /transfers/{pid}/WHAT, and says how a
// process stands.
func (d *desk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	parts := strings.SplitN(strings.Trim(r.URL.Path, "/"), "/", 3)
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, deskBodyMax))
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil || len(parts) < 2 {
		http.Error(w, "not found", http.StatusNotFound)
		return
	}
	pid := parts[1]
	theirs, known := d.known[pid]
	kind := map[string]string{"negotiations": "ContractNegotiation", "transfers": "TransferProcess"}[parts[0]]
	switch {
	case !known || kind == "":
		http.Error(w, "not found", http.StatusNotFound)
		return
	case r.Method == http.MethodPost && len(parts) == 3:
		if len(d.came) >= deskMax {
			http.Error(w, "full", http.StatusServiceUnavailable)
			return
		}
		d.take(pid, parts[2], b)
	case r.Method != http.MethodGet || len(parts) != 2:
		http.Error(w, "not found", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprintf(w, `{"@context":[%q],"@type":%q,"consumerPid":%q,"providerPid":%q,"state":%q}`, Context, kind, pid, theirs, d.state[pid])
}

// take keeps a message. d.mu is held.
func (d *desk) take(pid, what string, b []byte) {
	n := note{pid: pid, what: what}
	if err := json.Unmarshal(b, &n.doc); err == nil {
		_ = json.Unmarshal(n.doc["@type"], &n.kind)
	}
	d.seen++
	if n.fits = Valid(n.kind, b); n.fits != nil {
		d.bad = append(d.bad, "message to "+what+", "+n.kind+": "+n.fits.Error())
	}
	if to := states[n.kind]; to != "" {
		d.state[pid] = to
	}
	if theirs := n.text("providerPid"); theirs != "" && d.known[pid] == "" {
		d.known[pid] = theirs
	}
	d.came = append(d.came, n)
	close(d.more)
	d.more = make(chan struct{})
}

func (n *note) text(name string) (s string) {
	_ = json.Unmarshal(n.doc[name], &s) // empty when it is no string
	return s
}

// waits returns the first message about a process that is one of these types and
// came after the first skip ones, nil when none has come within the time.
func (d *desk) waits(ctx context.Context, most time.Duration, pid string, after int, kinds ...string) (*note, int) {
	ctx, stop := context.WithTimeout(ctx, most)
	defer stop()
	for {
		d.mu.Lock()
		more := d.more
		for i := after; i < len(d.came); i++ {
			for _, k := range kinds {
				if d.came[i].pid == pid && d.came[i].kind == k {
					n := d.came[i]
					d.mu.Unlock()
					return &n, i + 1
				}
			}
		}
		d.mu.Unlock()
		select {
		case <-more:
		case <-ctx.Done():
			return nil, after
		}
	}
}

// counted is how many messages have come.
func (d *desk) counted() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.came)
}
