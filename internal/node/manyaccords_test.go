package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/trust"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/dataplane/gate"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

const (
	manyCompanies = 20 // with which a city has its many accords
	manyClauses   = 20 // of each accord
	manyFew       = 10 // accords of the node that the others are held against
	manyWorkers   = 4  // that make accords,
	manyRun       = 20 // so many in one transaction
	manyCity      = hansa.PartyID("did:web:city")
)

// manyTown is the data folder of a city that has many accords in force with companies
// of its node, and what opens it.
type manyTown struct {
	dir    string
	secret string       // of the city
	first  *accord.Text // of the oldest and of the newest accord
	last   *accord.Text
}

func (m *manyTown) open(b *testing.B) *Node {
	b.Helper()
	n, err := Open(b.Context(), Config{Data: m.dir, Origin: "many.example", Version: "test", Own: manyCity, Log: slog.New(slog.DiscardHandler), RequestsPerSecond: 1_000_000})
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// setup is what the configuration says of the node, which is applied at each start.
func (m *manyTown) setup() *Setup {
	s := &Setup{Credentials: []trust.CredentialSpec{{Party: manyCity, Name: "main", Kind: trust.Bearer, Rights: []hansa.Right{hansa.RightRead, hansa.RightManage, hansa.RightPublish, hansa.RightControl}, Secret: trust.NewSecret(m.secret)}}}
	for i := range manyCompanies + 1 {
		p := hansa.Party{ID: manyCompany(i), Name: fmt.Sprintf("company-%d", i), Title: fmt.Sprintf("Company %d", i), Kind: hansa.Company, Hosted: true}
		if i == 0 {
			p.Name, p.Title, p.Kind = "city", "City", hansa.City
		}
		s.Parties = append(s.Parties, p)
		s.Datasets = append(s.Datasets, hansa.Dataset{ID: hansa.DatasetID(named("dataset", string(p.ID), "closures")), Party: p.ID, Name: "closures", Kind: hansa.KindSituation})
	}
	return s
}

// manyCompany is the party of that number; 0 is the city.
func manyCompany(i int) hansa.PartyID {
	if i == 0 {
		return manyCity
	}
	return hansa.PartyID(fmt.Sprintf("did:web:company-%d", i))
}

// manyText is one of them: a text with ids and a title of its own.
func manyText(drafts []*accord.Text, i int) *accord.Text {
	text := drafts[i%len(drafts)].Anew(func() string { return hansa.NewID(time.Now()) })
	text.Title = accord.Words{"en": fmt.Sprintf("Closures of district %05d", i), "nl": fmt.Sprintf("Afsluitingen in wijk %05d", i)}
	for k := range text.Flows {
		text.Flows[k].Name = fmt.Sprintf("closures-%05d-%d", i, k)
	}
	return text
}

// manyDraft is the draft of those with a company: a partnership in which both give closures.
func manyDraft(company int) (*accord.Text, error) {
	two := []hansa.PartyID{manyCity, manyCompany(company)}
	o := accord.Order{
		ID: hansa.AccordID(hansa.NewID(time.Now())), Title: accord.Words{"en": "Closures", "nl": "Afsluitingen"}, Languages: []string{"en", "nl"},
		Answers: map[string]string{"gets/1": "what is closed, as it is closed", "gets/2": "what is closed, as it is closed"},
		Term:    accord.Term{From: "2026-01-01", Zone: "Europe/Amsterdam", Notice: 30, Review: []string{"2030-01-01"}, Exit: "erase", ExitDays: 30},
		Without: []string{"security", "breach-notice", "duty-desk", "availability", "change-notice"},
	}
	for k, id := range two {
		o.Parties = append(o.Parties, accord.Party{ID: id, Title: []string{"City", fmt.Sprintf("Company %d", company)}[k], Kind: hansa.City, Role: hansa.RoleBoth})
		o.Flows = append(o.Flows, accord.Flow{ID: hansa.FlowID(hansa.NewID(time.Now())), Name: fmt.Sprintf("closures-%d", k), From: id, To: two[1-k], Dataset: accord.Dataset{Name: "closures", Kind: hansa.KindSituation}, Formats: []hansa.Format{"record"}})
	}
	var from *accord.Template
	for _, x := range accord.Templates() {
		if x.Model == hansa.ModelPartnership {
			from = x
			break
		}
	}
	text, err := from.Draft(o)
	if err == nil && len(text.Clauses) != manyClauses {
		err = fmt.Errorf("the text has %d clauses", len(text.Clauses))
	}
	return text, err
}

// manyAgrees takes one accord from its draft into force, by the acts of both parties.
func manyAgrees(ctx context.Context, n *Node, text *accord.Text) error {
	doc, err := json.Marshal(text)
	if err != nil {
		return err
	}
	actor := func(i int) hansa.Actor {
		return hansa.Actor{Party: text.Parties[i].ID, Rights: []hansa.Right{hansa.RightAdmin}}
	}
	d, err := n.accords.DraftAccord(ctx, actor(0), api.AccordDraft{Text: doc})
	if err != nil {
		return err
	}
	text.ID = d.ID
	for _, x := range []struct {
		who  int
		kind accord.Kind
	}{{0, accord.Open}, {0, accord.Sign}, {1, accord.Sign}} {
		if d, err = n.accords.ActAccord(ctx, actor(x.who), text.ID, x.kind, api.AccordAct{Role: "alderman", Power: "mandate 2026-114"}); err != nil {
			return fmt.Errorf("%s: %w", x.kind, err)
		}
	}
	if d.State != hansa.AccordInForce {
		return fmt.Errorf("accord %s is %s", d.ID, d.State)
	}
	return nil
}

// manySaid is one thing that was said of an accord, as it was numbered.
type manySaid struct {
	e accord.Entry
	h *heard
}

// manyChain says what brings an accord into force: the parties' acts and the keeper's
// own, each signed and numbered as theirs are.
func manyChain(ctx context.Context, n *Node, text *accord.Text) (out []manySaid, err error) {
	canonical, err := text.Canonical()
	if err != nil {
		return nil, err
	}
	hash, err := text.Hash()
	if err != nil {
		return nil, err
	}
	city, company := text.Parties[0].ID, text.Parties[1].ID
	s := accord.State{}
	say := func(from hansa.PartyID, kind accord.Kind, base string, body accord.Body) error {
		key, err := n.accords.messageKey(ctx, from)
		if err != nil {
			return err
		}
		if kind == accord.Sign {
			signed, err := n.signAccord(ctx, from, canonical, accord.Signature{Act: kind, Role: "alderman", Power: "mandate 2026-114"})
			if err != nil {
				return err
			}
			body.Signature = &signed
		}
		at := n.wall().UTC().Truncate(time.Millisecond)
		h, err := signedMessage(key, &accord.Message{FormatVersion: accord.MessageFormat, ID: hansa.NewID(at), From: from, To: city, Accord: text.ID, Base: base, Kind: kind, At: at, Body: body})
		if err != nil {
			return err
		}
		e := accord.Entry{N: s.N + 1, Before: s.Head, At: at, Message: h.jws}
		s, _, err = s.Step(&e, h.m, h.text)
		out = append(out, manySaid{e, h})
		return err
	}
	if err := say(city, accord.Open, "", accord.Body{Text: canonical}); err != nil {
		return nil, err
	}
	for _, who := range []hansa.PartyID{city, company} {
		if err := say(who, accord.Sign, hash, accord.Body{}); err != nil {
			return nil, err
		}
	}
	effect, err := effectOf(text, n.wall())
	if err != nil {
		return nil, err
	}
	return out, say(city, accord.EnterIntoForce, hash, accord.Body{Signatures: s.Signatures, Effect: effect})
}

// manyStores stores accords in both parties' copies: entries, texts, states, journal
// acts, flows and gates, by what the node stores each entry with.
func manyStores(ctx context.Context, n *Node, texts []*accord.Text) error {
	chains := make([][]manySaid, len(texts))
	for i, text := range texts {
		var err error
		if chains[i], err = manyChain(ctx, n, text); err != nil {
			return err
		}
	}
	return n.accords.write(ctx, func(tx hansa.Tx, w *work) error {
		for i, text := range texts {
			for k := range text.Parties {
				s, t := &accord.State{}, basis{}
				for j := range chains[i] {
					x := &chains[i][j]
					next, err := n.accords.step(tx, w, text.Parties[k].ID, s, t, &x.e, x.h)
					if err != nil {
						return err
					}
					if s, t.proposed = next, text; s.Force != "" {
						t.force = text
					}
				}
			}
		}
		return nil
	})
}

// newMany makes a city with so many accords in force: the first by the acts of both, as
// people do them, the others by storing what such acts come to.
func newMany(b *testing.B, count int) *manyTown {
	b.Helper()
	m := &manyTown{dir: filepath.Join(b.TempDir(), strconv.Itoa(count)), secret: token()}
	n := m.open(b)
	if err := n.Apply(b.Context(), m.setup()); err != nil {
		b.Fatal(err)
	}
	t0 := time.Now()
	drafts := make([]*accord.Text, manyCompanies)
	for i := range drafts {
		var err error
		if drafts[i], err = manyDraft(i + 1); err != nil {
			b.Fatal(err)
		}
	}
	m.first = manyText(drafts, 0)
	if err := manyAgrees(b.Context(), n, m.first); err != nil {
		b.Fatal(err)
	}
	var wg sync.WaitGroup
	errs := make([]error, manyWorkers)
	runs := make(chan []*accord.Text)
	var run []*accord.Text
	for w := range manyWorkers {
		wg.Go(func() {
			for run := range runs {
				if errs[w] == nil {
					errs[w] = manyStores(b.Context(), n, run)
				}
			}
		})
	}
	for i := 1; i < count; i++ {
		m.last = manyText(drafts, i)
		if run = append(run, m.last); len(run) == manyRun || i == count-1 {
			runs <- run
			run = nil
		}
	}
	close(runs)
	wg.Wait()
	sealed := n.seal(b.Context())
	_, err := n.journal.Checkpoint(b.Context()) // as each act of a person has one made: a start walks what came since
	if err := errors.Join(errors.Join(errs...), sealed, err, n.Close()); err != nil {
		b.Fatal(err)
	}
	at, err := os.Stat(filepath.Join(m.dir, databaseName))
	if err != nil {
		b.Fatal(err)
	}
	b.Logf("%d accords in force made in %s, %d MB", count, time.Since(t0).Round(time.Millisecond), at.Size()>>20)
	return m
}

// starts opens the node as a service does and runs it, until it has answered who asks
// for its accords. It returns how long that took.
func (m *manyTown) starts(b *testing.B) time.Duration {
	b.Helper()
	runtime.GC()
	t0 := time.Now()
	n := m.open(b)
	if err := n.Apply(b.Context(), m.setup()); err != nil {
		b.Fatal(err)
	}
	ln, err := (&net.ListenConfig{}).Listen(b.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx, ln) }()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+ln.Addr().String()+"/api/v1/accords?limit=1", http.NoBody)
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+m.secret)
	res, err := http.DefaultClient.Do(req)
	took := time.Since(t0)
	if err != nil || res.StatusCode != http.StatusOK {
		b.Fatal(res, err)
	}
	_ = res.Body.Close() // its status was what was asked for
	stop()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	return took
}

// manyTimes are how long each thing took with few accords, by its name.
type manyTimes map[string]float64

// report says how long one took; with many accords, as a multiple of with few too.
func (t manyTimes) report(b *testing.B, name string, many bool) {
	b.Helper()
	each := float64(b.Elapsed().Nanoseconds()) / float64(b.N)
	if !many {
		t[name] = each
	} else if few := t[name]; few > 0 {
		b.ReportMetric(each/few, "x-few")
	}
}

// BenchmarkManyAccords measures a node with HANSA_MANY accords of 20 clauses in force,
// 10,000 when it is not set, against one with ten: its start, lists and searches by the
// API and by the pages, and a decision of one flow's gate.
func BenchmarkManyAccords(b *testing.B) {
	count := 10_000
	if s := os.Getenv("HANSA_MANY"); s != "" {
		var err error
		if count, err = strconv.Atoi(s); err != nil || count <= manyFew {
			b.Fatalf("HANSA_MANY is a number above %d, not %q", manyFew, s)
		}
	}
	times := manyTimes{}
	for _, n := range []int{manyFew, count} {
		m, many := newMany(b, n), n != manyFew
		b.Run("start/"+strconv.Itoa(n), func(b *testing.B) {
			var took time.Duration
			for range b.N {
				took += m.starts(b)
			}
			b.ReportMetric(float64(took.Nanoseconds())/float64(b.N), "ns/op") // without the stopping
			if each := float64(took.Nanoseconds()) / float64(b.N); many {
				b.ReportMetric(each/times["start"], "x-few")
			} else {
				times["start"] = each
			}
		})
		w := &town{Node: m.open(b)}
		for _, x := range manyReads(m) {
			b.Run(x.name+"/"+strconv.Itoa(n), func(b *testing.B) {
				for b.Loop() {
					w.look(b, x.path, m.secret)
				}
				times.report(b, x.name, many)
			})
		}
		b.Run("gate/"+strconv.Itoa(n), func(b *testing.B) { m.decides(b, w.Node, times, many) })
		if err := w.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// manyRead is what somebody looks at.
type manyRead struct{ name, path string }

// manyReads are the lists and searches of accords.
func manyReads(m *manyTown) []manyRead {
	return []manyRead{
		{"api-list", "/api/v1/accords"},
		{"api-search", "/api/v1/accords?words=district+00007"},
		{"api-id", "/api/v1/accords?words=" + string(m.last.ID)},
		{"api-none", "/api/v1/accords?words=bicycles"},
		{"api-party", "/api/v1/accords?with=" + string(manyCompany(7))},
		{"api-state", "/api/v1/accords?state=suspended"},
		{"api-model", "/api/v1/accords?model=pool"},
		{"api-turn", "/api/v1/accords?turn=true"},
		{"page-list", "/accords"},
		{"page-search", "/accords?q=district+00007"},
		{"page-state", "/accords?state=in-force"},
		{"page-accord", "/accords/" + string(m.last.ID)},
		{"page-exchange", "/exchange"},
		{"page-register", "/register"},
	}
}

// decides measures one decision of the gate of one flow among all: found by its id, and
// asked of a record.
func (m *manyTown) decides(b *testing.B, n *Node, times manyTimes, many bool) {
	f := &m.last.Flows[0]
	c, err := n.line.course(f.ID)
	if err != nil {
		b.Fatal(err)
	}
	var r hansa.Record
	if err := json.Unmarshal([]byte(goodRecord), &r); err != nil {
		b.Fatal(err)
	}
	r.Dataset = c.dataset.ID
	if v := c.gate.Decide(&r, n.line.ask(c, "navigation", "record")); v.Outcome == hansa.Deny {
		b.Fatal(v)
	}
	b.ReportAllocs()
	for b.Loop() {
		c, err := n.line.course(f.ID)
		if err != nil || c.gate.Decide(&r, gate.Ask{Purpose: "navigation", Format: "record", Now: n.started, Party: c.flow.To}).Outcome == hansa.Deny {
			b.Fatal("the gate denies")
		}
	}
	times.report(b, "gate", many)
}
