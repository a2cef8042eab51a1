package node

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/hansa-exchange/hansa"
)

// tallies are what a node counts of itself, for whoever watches it. They name
// routes, states and feeds; never a record, a receiver or an address.
type tallies struct{ set *metrics.Set }

func newTallies() tallies { return tallies{metrics.NewSet()} }

// request counts one answer.
func (t tallies) request(route hansa.Route, status int, took time.Duration) {
	class := fmt.Sprintf("%dxx", status/100)
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable || status == http.StatusInsufficientStorage {
		class = fmt.Sprint(status)
	}
	labels := fmt.Sprintf(`route=%q,method=%q`, route.Pattern, route.Method)
	t.set.GetOrCreateCounter(`hansa_requests_total{` + labels + `,status="` + class + `"}`).Inc()
	if !route.Slow {
		t.set.GetOrCreateHistogram(`hansa_request_seconds{` + labels + `}`).Update(took.Seconds())
	}
}

// Metrics writes how the node does, in the text form of Prometheus.
func (o operator) Metrics(ctx context.Context, by hansa.Actor, w io.Writer) error {
	n := o.n
	s, err := o.Status(ctx, by)
	if err != nil {
		return err
	}
	n.tallies.set.WritePrometheus(w)
	gauge := func(name, labels string, v float64) {
		if labels != "" {
			labels = "{" + labels + "}"
		}
		_, _ = fmt.Fprintf(w, "%s%s %g\n", name, labels, v) // the answer goes to memory first
	}
	gauge("hansa_build_info", fmt.Sprintf("version=%q", s.Version), 1)
	gauge("hansa_records_total", "", float64(s.Records))
	gauge("hansa_journal_entries_total", "", float64(s.Entries))
	gauge("hansa_sealed_age_seconds", "", n.wall().Sub(s.Sealed).Seconds())
	gauge("hansa_database_bytes", "", float64(n.db.Size()))
	gauge("hansa_disk_free_bytes", "", float64(s.Free))
	gauge("hansa_problems", "", float64(len(s.Problems)))
	gauge("hansa_started_seconds", "", float64(s.Started.Unix()))
	for _, f := range s.Feeds {
		gauge("hansa_feed_state", fmt.Sprintf("feed=%q,state=%q", f.Feed, string(f.Status)), 1)
		if !f.LastGood.IsZero() {
			gauge("hansa_feed_age_seconds", fmt.Sprintf("feed=%q", f.Feed), n.clock().Sub(f.LastGood).Seconds())
		}
	}
	states, err := n.deliver.States(ctx)
	for state, count := range states {
		gauge("hansa_subscriptions", fmt.Sprintf("state=%q", state), float64(count))
	}
	metrics.WriteProcessMetrics(w)
	return err
}

// Ready is nil when the node takes changes and keeps up, or says what it waits for.
func (o operator) Ready(ctx context.Context) error {
	n := o.n
	var bad []string
	if err := n.db.Broken(); err != nil {
		bad = append(bad, hansa.Public(err).Message)
	}
	if err := n.db.Read(ctx, func(tx hansa.Tx) error { var one int; return tx.QueryRow(`SELECT 1`).Scan(&one) }); err != nil {
		bad = append(bad, "the database does not answer")
	}
	n.mu.RLock()
	sealed := n.sealed
	n.mu.RUnlock()
	if age := n.wall().Sub(sealed); !sealed.IsZero() && age > sealLate {
		bad = append(bad, "the journal was sealed "+age.Round(time.Second).String()+" ago")
	}
	if free, total := space(n.cfg.Data); total > 0 && free < freeLeast {
		bad = append(bad, "the disk is full")
	}
	if len(bad) > 0 {
		return hansa.Errorf(hansa.Busy, "%s", strings.Join(bad, "; ")).With(hansa.CodeOverloaded)
	}
	return nil
}

// sealLate is how old the last seal may be, and freeLeast how many bytes of disk
// must be free, while the node is ready.
const (
	sealLate  = 30 * time.Second
	freeLeast = 16 << 20
)

// tallied remembers the status of an answer.
type tallied struct {
	http.ResponseWriter
	status int
}

// WriteHeader notes the first status.
func (t *tallied) WriteHeader(status int) {
	if t.status == 0 {
		t.status = status
	}
	t.ResponseWriter.WriteHeader(status)
}

// Write answers 200 when nothing was said before.
func (t *tallied) Write(b []byte) (int, error) {
	if t.status == 0 {
		t.status = http.StatusOK
	}
	return t.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach what t wraps.
func (t *tallied) Unwrap() http.ResponseWriter { return t.ResponseWriter }
