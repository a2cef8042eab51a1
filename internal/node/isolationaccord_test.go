package node

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// madeAccord is an accord between two parties of a quarter.
type madeAccord struct {
	id    string
	sides [2]int  // who opened it, and the other
	title string  // of the version proposed: a mark
	still [2]bool // whose giving stands still
	over  bool
}

// accord drafts an accord, which its party alone sees, and opens another one to the
// other.
func (q *quarter) accord(p, to int) {
	one, other := hansa.PartyID("did:web:"+partyName(p)), hansa.PartyID("did:web:"+partyName(to))
	text := terms(q.t, &partner{name: partyName(p), id: one}, &partner{name: partyName(to), id: other})
	alone := q.mark(p)
	text.Title["en"] = alone
	id := q.do(p, "/api/v1/accords", map[string]any{"text": text})
	q.listed["/api/v1/accords"] = append(q.listed["/api/v1/accords"], alone)
	q.keep("accord", id)
	title := q.mark(p, to)
	text.Title["en"] = title
	id = q.do(p, "/api/v1/accords", map[string]any{"text": text})
	q.listed["/api/v1/accords"] = append(q.listed["/api/v1/accords"], title)
	q.do(p, "/api/v1/accords/"+id+"/acts/open", map[string]any{})
	q.do(to, "/api/v1/accords/"+id+"/acts/comment", map[string]any{"words": q.mark(p, to)})
	q.accords = append(q.accords, madeAccord{id: id, sides: [2]int{p, to}, title: title})
	q.keep("accord", id)
}

// talk says something of an accord that both have: what is said is theirs alone, and
// so is each version, but the one that both sign: that is in the register, for all.
func (q *quarter) talk() {
	if len(q.accords) == 0 {
		return
	}
	x := &q.accords[q.rnd.IntN(len(q.accords))]
	if x.over {
		return
	}
	by := q.rnd.IntN(2)
	words := func() string { return q.mark(x.sides[0], x.sides[1]) }
	act := func(side int, kind accord.Kind, a map[string]any) {
		if a["role"] == "" {
			a["role"], a["power"] = words(), words()
		}
		q.do(x.sides[side], "/api/v1/accords/"+x.id+"/acts/"+string(kind), a)
	}
	switch q.rnd.IntN(6) {
	case 0:
		act(by, accord.Comment, map[string]any{"words": words(), "clause": "1"})
	case 1:
		q.propose(x, by) // of what is in force no clause is rejected
		act(by, accord.RejectClause, map[string]any{"words": words(), "clause": "2"})
	case 2:
		q.propose(x, by)
	case 3, 4:
		q.propose(x, by) // what was in force may be the present version
		for side := range x.sides {
			act(side, accord.Sign, map[string]any{"role": ""})
		}
		q.public[x.title] = true
		kind := accord.Suspend
		if x.still[by] {
			kind = accord.Resume
		}
		x.still[by] = !x.still[by]
		act(by, kind, map[string]any{"words": words()})
	case 5:
		if by == 1 {
			x.over = true
			d := q.accordOf(x)
			if d.State == hansa.AccordProposed && d.Force == "" {
				q.propose(x, 0) // nobody declines what is its own
				act(1, accord.Decline, map[string]any{"words": words()})
			} else {
				act(1, accord.End, map[string]any{"words": words(), "role": "", "notice": time.Now().UTC().Format(time.DateOnly)})
			}
		}
	}
}

func (q *quarter) accordOf(x *madeAccord) (d api.AccordDetail) {
	q.t.Helper()
	_, body := q.as(x.sides[0], http.MethodGet, "/api/v1/accords/"+x.id, "")
	if err := json.Unmarshal([]byte(body), &d); err != nil {
		q.t.Fatalf("%v: %s", err, body)
	}
	return d
}

// propose makes a version whose title is a mark of its two parties.
func (q *quarter) propose(x *madeAccord, by int) {
	q.t.Helper()
	text := &accord.Text{}
	if err := json.Unmarshal(q.accordOf(x).Text, text); err != nil {
		q.t.Fatal(err)
	}
	old := x.title
	x.title = q.mark(x.sides[0], x.sides[1])
	text.Title["en"] = x.title
	q.do(x.sides[by], "/api/v1/accords/"+x.id+"/acts/propose", map[string]any{"text": text, "words": q.mark(x.sides[0], x.sides[1])})
	list := q.listed["/api/v1/accords"]
	list[slices.Index(list, old)] = x.title
}

// proofs reads the proofs of accords, which are asked for by a POST.
func (q *quarter) proofs(p int) {
	for _, path := range q.paths("/api/v1/accords/{accord}/proof") {
		code, body := q.as(p, http.MethodPost, path, "")
		q.read++
		if code >= 500 {
			q.wrong("%s as %s: %d %s", path, partyName(p), code, body)
		}
		q.hold(p, path, body)
	}
}

// TestForeignAccord: on every route that names an accord, an accord of others is
// answered as one that never was, to a program and to a person, whatever its state and
// whatever is done; and nothing of it changes.
func TestForeignAccord(t *testing.T) {
	q := newQuarter(t, 11)
	for len(q.accords) < 4 {
		q.accord(0, 1)
	}
	q.propose(&q.accords[1], 1)
	signed := map[string]any{"role": "alderman", "power": "mandate"}
	for _, i := range []int{2, 3} {
		for side := range 2 {
			q.do(side, "/api/v1/accords/"+q.accords[i].id+"/acts/sign", signed)
		}
	}
	q.do(0, "/api/v1/accords/"+q.accords[3].id+"/acts/end", map[string]any{"role": "alderman", "power": "mandate", "notice": time.Now().UTC().Format(time.DateOnly), "words": "over"})
	const never = "01a20000-0000-7000-8000-000000000000"
	const stranger = 3
	q.person(stranger)
	b := q.people[stranger]
	inForce := q.accords[2].id
	before := q.heads()
	text := terms(t, &partner{name: partyName(0), id: "did:web:party-0"}, &partner{name: partyName(stranger), id: "did:web:party-3"})
	act := asJSON(t, map[string]any{"words": "me too", "clause": "1", "role": "alderman", "power": "mandate", "flow": text.Flows[0].ID, "notice": time.Now().UTC().Format(time.DateOnly)})
	bodies := map[string][]string{http.MethodGet: {""}, http.MethodPost: {"{}", string(act)}, http.MethodPut: {string(asJSON(t, map[string]any{"text": text}))}}
	routes, tries := 0, 0
	for _, d := range q.doors.table {
		if !strings.Contains(d.Pattern, "{accord}") {
			continue
		}
		routes++
		acts := []string{""}
		if strings.Contains(d.Pattern, "{act}") {
			acts = []string{"open", "propose", "comment", "accept-clause", "reject-clause", "decline", "sign", "withdraw", "serve", "object", "acknowledge", "accept-delivery", "report", "suspend", "resume", "end", "erased", "leave", "confirm-measures", "hand-over", "enter-into-force", "yes", "no", "dance"}
		}
		for _, act := range acts {
			for _, body := range bodies[d.Method] {
				answer := func(id string) (int, string, int, string) {
					path := strings.NewReplacer("{accord}", id, "{act}", act).Replace(d.Pattern)
					code, says := q.as(stranger, d.Method, path, body)
					form := url.Values{"words": {"me too"}, "clause": {"1"}, "role": {"alderman"}, "power": {"mandate"}}
					if d.Method == http.MethodGet {
						form = nil
					}
					res := b.send(d.Method, path, form)
					tries += 2
					return code, q.same(says, id), res.Code, q.same(res.Body.String()+res.Header().Get("Location"), id)
				}
				nc, nb, npc, npb := answer(never)
				for i := range q.ids["accord"] {
					id := q.ids["accord"][i]
					if id == inForce && strings.Contains(d.Pattern, "/register/") {
						continue // everybody may see it
					}
					fc, fb, fpc, fpb := answer(id)
					if fc != nc || fb != nb {
						t.Errorf("%s %s %s: a program hears %d %.300s of a foreign accord, %d %.300s of none", d.Method, d.Pattern, act, fc, fb, nc, nb)
					}
					if fpc != npc || fpb != npb {
						t.Errorf("%s %s %s: a person hears %d of a foreign accord, %d of none:\n%.300s\n%.300s", d.Method, d.Pattern, act, fpc, npc, fpb, npb)
					}
				}
				if nc < 400 {
					t.Errorf("%s %s %s is answered %d of what never was", d.Method, d.Pattern, act, nc)
				}
			}
		}
	}
	if after := q.heads(); !slices.Equal(before, after) {
		t.Errorf("accords went from %v to %v", before, after)
	}
	t.Logf("%d routes, %d tries, each answered as what never was", routes, tries)
	if routes < 15 || tries < 500 {
		t.Errorf("%d routes and %d tries: too few for the run to count", routes, tries)
	}
	// The control: who may see it is answered otherwise.
	if code, _ := q.as(0, http.MethodGet, "/api/v1/accords/"+inForce, ""); code != http.StatusOK {
		t.Errorf("its party is answered %d", code)
	}
}

// heads are how all accords of the first party stand.
func (q *quarter) heads() (out []string) {
	for _, id := range q.ids["accord"] {
		_, body := q.as(0, http.MethodGet, "/api/v1/accords/"+id, "")
		out = append(out, body)
	}
	return out
}

var uuids = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}`)

// same is an answer without the id that was asked for, and without ids that were never
// given to anything: those of requests.
func (q *quarter) same(says, id string) string {
	return uuids.ReplaceAllStringFunc(strings.ReplaceAll(says, id, "ID"), func(one string) string {
		for _, all := range q.ids {
			if slices.Contains(all, one) {
				return one
			}
		}
		return "-"
	})
}
