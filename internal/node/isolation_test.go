package node

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/outbound"
	"github.com/hansa-exchange/hansa/internal/base/trust"
)

// quarter is a node with five parties, and a model of who may see what: each thing
// that is made carries a mark, and the mark may be read by those in sees alone.
type quarter struct {
	*town
	t       *testing.T
	rnd     *rand.Rand
	hook    string
	secrets []string
	sees    map[string][]int // mark -> parties that may read it
	public  map[string]bool  // marks that everybody may read
	listed  map[string][]string
	ids     map[string][]string // kind of a path's part -> every id that was ever given
	sets    [][]string          // names of each party's datasets
	flows   []madeFlow
	accords []madeAccord
	people  []*browser // one of each party
	n, read int
	pages   int      // that a person saw
	found   []string // what was told to others, or not to its own
}

type madeFlow struct {
	id, name, set string
	from, to      int
}

const quarterSize = 5

func partyName(i int) string { return "party-" + strconv.Itoa(i) }

func newQuarter(t *testing.T, seed uint64) *quarter {
	t.Helper()
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	t.Cleanup(hook.Close)
	n, err := Open(t.Context(), Config{
		Data: filepath.Join(t.TempDir(), "n"), Origin: "quarter.example", Version: "test", Own: "did:web:party-0", Log: slog.New(slog.DiscardHandler),
		Outbound: outbound.Config{Allow: []string{strings.TrimPrefix(hook.URL, "http://")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() }) // nothing is left to lose
	q := &quarter{town: &town{Node: n}, t: t, rnd: rand.New(rand.NewPCG(seed, 1)), hook: hook.URL, sees: map[string][]int{}, public: map[string]bool{}, listed: map[string][]string{}, ids: map[string][]string{}, sets: make([][]string, quarterSize)}
	s := &Setup{}
	for i := range quarterSize {
		id, secret := hansa.PartyID("did:web:"+partyName(i)), token()
		q.secrets = append(q.secrets, secret)
		s.Parties = append(s.Parties, hansa.Party{ID: id, Name: partyName(i), Title: partyName(i), Kind: hansa.Company, Hosted: true})
		s.Credentials = append(s.Credentials, trust.CredentialSpec{Party: id, Name: "main", Kind: trust.Bearer, Secret: trust.NewSecret(secret), Rights: []hansa.Right{hansa.RightRead, hansa.RightReceipt, hansa.RightPublish, hansa.RightControl, hansa.RightManage}})
	}
	if err := n.Apply(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	return q
}

func (q *quarter) wrong(format string, args ...any) {
	q.found = append(q.found, fmt.Sprintf(format, args...))
}

// mark makes a word that stands nowhere else, which these parties may read.
func (q *quarter) mark(parties ...int) string {
	q.n++
	m := fmt.Sprintf("mark%dx%08x", q.n, q.rnd.Uint32())
	q.sees[m] = parties
	return m
}

// as sends a request as one party. A status of another class than want is an error.
func (q *quarter) as(party int, method, path, body string) (int, string) {
	kind := ""
	if body != "" {
		kind = "application/json"
	}
	return q.ask(q.t, method, path, "Bearer "+q.secrets[party], kind, body)
}

// do wants an act to succeed, and returns the id that it gave.
func (q *quarter) do(party int, path string, order any) string {
	q.t.Helper()
	b, err := json.Marshal(order)
	if err != nil {
		q.t.Fatal(err)
	}
	code, body := q.as(party, http.MethodPost, path, string(b))
	if code >= 300 {
		q.t.Fatalf("POST %s: %d %s", path, code, body)
	}
	var made struct {
		ID   string         `json:"id"`
		User map[string]any `json:"user"`
		Rest map[string]any `json:",embed"`
	}
	if err := json.Unmarshal([]byte(body), &made); err != nil {
		return ""
	}
	if id, ok := made.User["id"].(string); ok && made.ID == "" {
		return id
	}
	return made.ID
}

func (q *quarter) keep(kind, id string) {
	if id != "" {
		q.ids[kind] = append(q.ids[kind], id)
	}
}

// step does one thing as somebody.
func (q *quarter) step() {
	p := q.rnd.IntN(quarterSize)
	to := (p + 1 + q.rnd.IntN(quarterSize-1)) % quarterSize
	switch q.rnd.IntN(13) {
	case 0:
		name := q.mark(p)
		q.do(p, "/api/v1/datasets", map[string]any{"name": name})
		q.sets[p] = append(q.sets[p], name)
		q.listed["/api/v1/datasets"] = append(q.listed["/api/v1/datasets"], name)
		q.keep("dataset", named("dataset", "did:web:"+partyName(p), name))
	case 1, 2:
		q.flow(p, to)
	case 3:
		name := q.mark(p)
		q.keep("credential", q.do(p, "/api/v1/credentials", map[string]any{"name": name}))
		q.listed["/api/v1/credentials"] = append(q.listed["/api/v1/credentials"], name)
	case 4:
		name := q.mark(p)
		q.keep("user", q.do(p, "/api/v1/users", map[string]any{"name": name, "roles": []string{"viewer"}}))
		q.listed["/api/v1/users"] = append(q.listed["/api/v1/users"], name)
	case 5:
		q.record(p)
	case 6:
		q.subscribe()
	case 7:
		q.receipt()
	case 8:
		if len(q.sets[p]) > 0 {
			name := q.mark(p)
			q.keep("invitation", q.do(p, "/api/v1/invitations", map[string]any{"for": name, "wants": q.mark(p), "purpose": q.mark(p), "gives": []any{map[string]any{"dataset": q.sets[p][0], "purposes": []string{"navigation"}}}}))
			q.listed["/api/v1/invitations"] = append(q.listed["/api/v1/invitations"], name)
		}
	case 10:
		q.accord(p, to)
	case 11, 12:
		q.talk()
	case 9:
		if len(q.sets[p]) > 0 { // an offer tells its receiver of its dataset and purpose
			set, purpose := q.sets[p][0], q.mark(p, to)
			q.sees[set] = append(q.sees[set], to)
			q.keep("offer", q.do(p, "/api/v1/offers", map[string]any{"dataset": set, "to": []string{partyName(to)}, "terms": map[string]any{"purposes": []string{purpose}}}))
		}
	}
}

func (q *quarter) flow(p, to int) {
	if len(q.sets[p]) == 0 {
		return
	}
	set, name := q.sets[p][q.rnd.IntN(len(q.sets[p]))], q.mark(p, to)
	q.sees[set] = append(q.sees[set], to) // a flow names its dataset
	id := q.do(p, "/api/v1/flows", map[string]any{"name": name, "to": partyName(to), "dataset": set, "limit": 60, "terms": map[string]any{"purposes": []string{"navigation"}, "formats": []string{"record"}}})
	q.flows = append(q.flows, madeFlow{id: id, name: name, set: set, from: p, to: to})
	q.listed["/api/v1/flows"] = append(q.listed["/api/v1/flows"], name)
	q.keep("flow", id)
	for m, at := range q.sees { // what the dataset holds goes to the new receiver too
		if strings.HasPrefix(m, set+"/") {
			q.sees[m] = append(at, to)
		}
	}
}

// record publishes a record whose id and street are marks.
func (q *quarter) record(p int) {
	if len(q.sets[p]) == 0 {
		return
	}
	set := q.sets[p][q.rnd.IntN(len(q.sets[p]))]
	readers := []int{p}
	for _, f := range q.flows {
		if f.set == set {
			readers = append(readers, f.to)
		}
	}
	id, street := q.mark(), q.mark()
	q.sees[set+"/"+id], q.sees[set+"/"+street] = readers, readers
	delete(q.sees, id)
	delete(q.sees, street)
	body := strings.NewReplacer(`"id":"a"`, `"id":"`+id+`"`, `"Oostertunnel"`, `"`+street+`"`).Replace(goodRecord)
	if code, says := q.as(p, http.MethodPost, "/data/v1/datasets/"+set+"/records", body); code != http.StatusOK || !strings.Contains(says, `"accepted":1`) {
		q.t.Fatalf("publish: %d %s", code, says)
	}
	q.keep("record", id)
	q.keep("closure", id)
}

func (q *quarter) subscribe() {
	if len(q.flows) == 0 {
		return
	}
	f := q.flows[q.rnd.IntN(len(q.flows))]
	q.keep("subscription", q.do(f.to, "/data/v1/flows/"+f.id+"/subscriptions", map[string]any{"url": q.hook + "/" + q.mark(f.from, f.to)}))
}

// receipt says of a record that it is rejected, for a reason that is a mark.
func (q *quarter) receipt() {
	for _, i := range q.rnd.Perm(len(q.flows)) {
		f := q.flows[i]
		for m := range q.sees {
			id, ok := strings.CutPrefix(m, f.set+"/")
			if !ok || !slices.Contains(q.ids["record"], id) {
				continue
			}
			body := fmt.Sprintf(`{"record":%q,"version":1,"step":"rejected","at":%q,"reason":%q}`, id, time.Now().UTC().Format(time.RFC3339), q.mark(f.from, f.to))
			if code, says := q.as(f.to, http.MethodPost, "/data/v1/flows/"+f.id+"/receipts", body); code >= 500 {
				q.t.Fatalf("receipt: %d %s", code, says)
			}
			return
		}
	}
}

var marks = regexp.MustCompile(`mark\d+x[0-9a-f]{8}`)

// look reads everything that can be read, as every party, and holds it against the
// model: no mark that is not its own, and in lists every one that is.
func (q *quarter) look() {
	for p := range quarterSize {
		for _, d := range q.doors.table {
			if d.Method != http.MethodGet || d.Slow && !strings.HasSuffix(d.Pattern, "/records") || d.Object == "" || strings.HasPrefix(d.Pattern, "/assets") {
				continue
			}
			for _, path := range q.paths(d.Pattern) {
				q.looks(p, path)
			}
		}
		q.proofs(p)
		for path, all := range q.listed {
			_, body := q.as(p, http.MethodGet, path, "")
			for _, m := range all {
				if slices.Contains(q.sees[m], p) && path != "/api/v1/datasets" && !strings.Contains(body, m) {
					q.wrong("%s does not show %s its own %s", path, partyName(p), m)
				}
			}
		}
	}
}

// looks reads one address as a program of a party, and where it is a page as a person
// of it.
func (q *quarter) looks(p int, path string) {
	code, body := q.as(p, http.MethodGet, path, "")
	if !strings.HasPrefix(path, "/api/") && !strings.HasPrefix(path, "/data/") {
		q.person(p)
		res := q.people[p].send(http.MethodGet, path, nil)
		if res.Code == http.StatusOK {
			q.pages++
		}
		q.hold(p, path, res.Body.String())
	}
	q.read++
	if code >= 500 {
		q.wrong("%s as %s: %d %s", path, partyName(p), code, body)
	}
	q.hold(p, path, body)
}

// person signs somebody of each party in.
func (q *quarter) person(p int) {
	for len(q.people) <= p {
		b, _ := q.come(q.t, partyName(len(q.people)), "reader", hansa.RoleAdministrator, hansa.RoleSignatory)
		q.people = append(q.people, b)
	}
}

// hold is an error for each mark in body that party p may not read.
func (q *quarter) hold(p int, path, body string) {
	for _, m := range marks.FindAllString(body, -1) {
		if strings.Contains(path, m) {
			continue // what was asked for may be said back
		}
		may := q.public[m] || slices.Contains(q.sees[m], p)
		for k, at := range q.sees {
			if _, of, ok := strings.Cut(k, "/"); ok && of == m {
				may = slices.Contains(at, p)
			}
		}
		if !may {
			q.wrong("GET %s as %s tells of %s: %.400s", path, partyName(p), m, body)
		}
	}
}

// paths fills a pattern with some of the ids that were ever given.
func (q *quarter) paths(pattern string) []string {
	m := regexp.MustCompile(`\{(\w+)[^}]*\}`).FindAllStringSubmatch(pattern, -1)
	if len(m) == 0 {
		return []string{strings.ReplaceAll(pattern, "{$}", "")}
	}
	kind := m[0][1]
	var out []string
	for i, id := range q.ids[kind] {
		if i > 0 && q.rnd.IntN(3) > 0 { // some of them, another time others
			continue
		}
		path := strings.Replace(pattern, m[0][0], id, 1)
		for _, rest := range m[1:] {
			part := "snapshot.record"
			if of := q.ids[rest[1]]; len(of) > 0 {
				part = of[q.rnd.IntN(len(of))]
			}
			path = strings.Replace(path, rest[0], part, 1)
		}
		out = append(out, path)
	}
	return out
}

// TestIsolation: whatever five parties do, in whatever order, each reads what is its
// own or given to it, and nothing else. HANSA_SEQUENCES sets how many orders.
func TestIsolation(t *testing.T) {
	sequences, steps, read, things, accords, pages := 6, 40, 0, 0, 0, 0
	if testing.Short() {
		sequences = 2
	}
	if n, err := strconv.Atoi(os.Getenv("HANSA_SEQUENCES")); err == nil && n > 0 {
		sequences = n
	}
	first := rand.Uint64()
	for i := range sequences {
		seed := first + uint64(i)
		q := newQuarter(t, seed)
		for range steps {
			q.step()
		}
		q.look()
		read, things, accords, pages = read+q.read, things+len(q.sees), accords+len(q.accords), pages+q.pages
		if len(q.found) > 0 {
			t.Fatalf("with the seed %d: %s", seed, strings.Join(q.found[:min(len(q.found), 5)], "\n"))
		}
	}
	t.Logf("%d sequences, %d things made, %d accords among them, %d reads, %d of pages, 0 told to others", sequences, things, accords, read, pages)
	if read < 100*sequences || things < 20*sequences || accords < sequences || pages < 50*sequences {
		t.Errorf("%d reads, %d of pages, of %d things and %d accords in %d sequences: too few for the run to count", read, pages, things, accords, sequences)
	}
}

// TestIsolationControl: what is told to another party is noticed. Here the model says of
// one thing of each kind that it is nobody's: the look finds each of them.
func TestIsolationControl(t *testing.T) {
	if testing.Short() {
		t.Skip("sixty acts of five parties, and a look at all; not in a short run")
	}
	q := newQuarter(t, 7)
	for i := 0; i < 60 || len(q.accords) == 0; i++ {
		q.step()
	}
	var planted []string
	for _, all := range q.listed {
		m := all[len(all)-1]
		q.sees[m], q.public[m] = nil, false
		planted = append(planted, m)
	}
	q.look()
	found := strings.Join(q.found, "\n")
	for _, m := range planted {
		if !strings.Contains(found, m) {
			t.Errorf("that %s is told to somebody was not noticed", m)
		}
	}
	t.Logf("%d planted, noticed %d times", len(planted), len(q.found))
	if len(planted) < 5 {
		t.Errorf("%d were planted: too few kinds for the run to count", len(planted))
	}
}
