package accord_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
)

// opened is a world in which the first party opened x, and all know.
func opened(t testing.TB, x *accord.Text, ids ...hansa.PartyID) *world {
	t.Helper()
	w := newWorld(t, 1, ids...)
	w.must(ids[0], accord.Open, accord.Body{Text: w.keep(x)})
	return w
}

// try has from say something, and the keeper answer.
func (w *world) try(from hansa.PartyID, kind accord.Kind, body accord.Body) error {
	w.Helper()
	m := w.message(from, kind, body)
	err := w.number(w.copies[m.To], m)
	w.settle()
	return err
}

func (w *world) must(from hansa.PartyID, kind accord.Kind, body accord.Body) {
	w.Helper()
	if err := w.try(from, kind, body); err != nil {
		w.Fatalf("%s by %s: %v", kind, from, err)
	}
}

func (w *world) refused(from hansa.PartyID, kind accord.Kind, body accord.Body, words string) {
	w.Helper()
	if err := w.try(from, kind, body); err == nil || !strings.Contains(err.Error()+": "+hansa.Public(err).Hint, words) {
		w.Errorf("%s by %s: %v, not %q", kind, from, err, words)
	}
}

// is compares the state on all copies.
func (w *world) is(want hansa.AccordState) {
	w.Helper()
	w.same()
	if s := w.copies[w.ids[0]].state.State; s != want {
		w.Errorf("the accord is %s, not %s", s, want)
	}
}

func (w *world) inForce() *accord.State {
	w.Helper()
	for _, id := range w.ids {
		w.must(id, accord.Sign, accord.Body{})
	}
	w.is(hansa.AccordInForce)
	return &w.copies[w.ids[0]].state
}

// changed is the next version, with a change.
func (w *world) changed(change func(x *accord.Text)) []byte {
	x := *w.version(w.copies[w.ids[0]])
	change(&x)
	return w.keep(&x)
}

// TestLife: proposed, changed, signed, in force, suspended, resumed, ended, erased; and
// what may not be on the way.
func TestLife(t *testing.T) {
	w := opened(t, partnership(t, hansa.ModelPartnership, city, company), city, company)
	w.is(hansa.AccordProposed)
	s := &w.copies[city].state
	if !slices.Equal(s.Turn, []hansa.PartyID{company}) {
		t.Errorf("the turn of %v", s.Turn)
	}
	w.refused(company, accord.Suspend, accord.Body{}, "not in force")
	w.refused(company, accord.Withdraw, accord.Body{}, "takes it back")
	w.refused(city, accord.Decline, accord.Body{}, "withdraw")
	w.refused(company, accord.EnterIntoForce, accord.Body{Effect: w.now}, "only it says")
	w.refused(city, accord.EnterIntoForce, accord.Body{Effect: w.now}, "is missing")
	w.must(company, accord.RejectClause, accord.Body{Clause: "2", Words: "too narrow"})
	w.refused(company, accord.Sign, accord.Body{}, "rejected clause 2")
	w.refused(company, accord.Comment, accord.Body{Clause: "6", Words: "?"}, "has 5 clauses")
	w.must(city, accord.Sign, accord.Body{})
	w.refused(city, accord.Sign, accord.Body{}, "has signed")
	w.must(company, accord.Propose, accord.Body{Text: w.keep(w.version(w.copies[company]))})
	if len(s.Signatures) != 0 || len(s.Verdicts) != 0 || s.Version != 2 || !slices.Equal(s.Turn, []hansa.PartyID{city}) {
		t.Errorf("after a counter-proposal: %+v", s)
	}
	first := s.Proposed
	w.inForce()
	if s.Force != first || len(s.InForce) != 2 || len(s.Turn) != 0 {
		t.Errorf("in force: %+v", s)
	}
	w.refused(city, accord.Withdraw, accord.Body{}, "no version is proposed")
	w.must(city, accord.Suspend, accord.Body{Flow: flowID(1), Words: "a fault"})
	w.refused(city, accord.Suspend, accord.Body{Flow: flowID(2)}, "each stops its own")
	w.refused(city, accord.Suspend, accord.Body{Flow: flowID(1)}, "already")
	w.refused(company, accord.Resume, accord.Body{}, "nothing that")
	w.must(company, accord.Suspend, accord.Body{})
	w.refused(company, accord.Resume, accord.Body{Flow: flowID(2)}, "not this flow alone")
	w.must(city, accord.Resume, accord.Body{})
	w.is(hansa.AccordSuspended)
	w.must(company, accord.Resume, accord.Body{})
	w.is(hansa.AccordInForce)
	w.must(company, accord.ConfirmMeasures, accord.Body{Flow: flowID(1), Words: "kept apart"})
	w.refused(city, accord.ConfirmMeasures, accord.Body{Flow: flowID(1), Words: "kept apart"}, "receives no flow")
	w.refused(company, accord.Leave, accord.Body{}, "end the accord")
	w.refused(city, accord.Erased, accord.Body{Erasure: &accord.Erasure{Rule: "erase", On: w.now}}, "begins when")
	w.must(company, accord.End, accord.Body{Notice: w.now.Format(time.DateOnly)})
	w.is(hansa.AccordEnded)
	if !s.Early || s.EndedBy != company || s.End != hansa.EndEnded {
		t.Errorf("an end before its notice: %+v", s)
	}
	w.refused(city, accord.Comment, accord.Body{Words: "pity"}, "has ended")
	w.refused(company, accord.Erased, accord.Body{Erasure: &accord.Erasure{Rule: "keep", On: w.now}}, "exit rule")
	for _, c := range []struct {
		e    accord.Erasure
		says string
	}{
		{accord.Erasure{Rule: "erase", On: w.now.AddDate(0, 0, 1)}, "has not come yet"},
		{accord.Erasure{Rule: "erase", On: w.now.AddDate(-1, 0, 0)}, "nothing was over"},
		{accord.Erasure{Rule: "erase", On: w.now, Flows: []hansa.FlowID{flowID(2)}}, "receives no flow"},
	} {
		w.refused(company, accord.Erased, accord.Body{Erasure: &c.e}, c.says)
	}
	w.must(company, accord.Erased, accord.Body{Erasure: &accord.Erasure{Rule: "erase", On: w.now, Flows: []hansa.FlowID{flowID(1)}}})
	w.is(hansa.AccordEnded)
}

// TestConfirmedAnew: what a receiver confirmed of marked fields counts as long as the
// same fields are marked, with the same measures.
func TestConfirmedAnew(t *testing.T) {
	w := opened(t, partnership(t, hansa.ModelPartnership, city, company), city, company)
	s := w.inForce()
	w.must(company, accord.ConfirmMeasures, accord.Body{Flow: flowID(1), Words: "kept apart"})
	w.must(city, accord.Propose, accord.Body{Text: w.keep(w.version(w.copies[city]))})
	if w.inForce(); len(s.Confirmed) != 1 {
		t.Fatalf("a version that marks the same: %+v", s.Confirmed)
	}
	next := w.version(w.copies[city])
	next.Flows = slices.Clone(next.Flows)
	f := &next.Flows[0]
	f.Marked = append(slices.Clone(f.Marked), accord.Mark{Field: "id", Measures: f.Marked[0].Measures})
	w.must(city, accord.Propose, accord.Body{Text: w.keep(next)})
	if len(s.Confirmed) != 1 {
		t.Error("it is proposed alone, and nothing is confirmed any more")
	}
	if w.inForce(); len(s.Confirmed) != 0 {
		t.Errorf("another field is marked, and it is confirmed already: %+v", s.Confirmed)
	}
	w.must(company, accord.ConfirmMeasures, accord.Body{Flow: flowID(1), Words: "that one too"})
	if len(s.Confirmed) != 1 {
		t.Error("it cannot be confirmed anew")
	}
}

// TestAtOnce: two parties sign at once, and one signs while the other proposes a
// change, in either order: one outcome, and the later one hears what the present
// version is.
func TestAtOnce(t *testing.T) {
	for _, signFirst := range []bool{true, false} {
		w := opened(t, partnership(t, hansa.ModelPartnership, city, company), city, company)
		sign, change := w.message(company, accord.Sign, accord.Body{}), w.message(city, accord.Propose, accord.Body{Text: w.keep(w.version(w.copies[city]))})
		both := []*accord.Message{sign, change}
		if !signFirst {
			slices.Reverse(both)
		}
		if err := w.number(w.copies[city], both[0]); err != nil {
			t.Fatal(err)
		}
		err := w.number(w.copies[city], both[1])
		if signFirst != (err == nil) || err != nil && (hansa.KindOf(err) != hansa.Conflict || hansa.Public(err).Field != "/base") {
			t.Errorf("the signature first %v: %v", signFirst, err)
		}
		w.settle()
		w.is(hansa.AccordProposed)
		if s := &w.copies[company].state; s.Version != 2 || len(s.Signatures) != 0 {
			t.Errorf("the signature over the version before did not fall: %+v", s)
		}
	}
	w := opened(t, partnership(t, hansa.ModelPartnership, city, company), city, company)
	a, b := w.message(city, accord.Sign, accord.Body{}), w.message(company, accord.Sign, accord.Body{})
	for _, m := range []*accord.Message{b, a, b, a} {
		if err := w.number(w.copies[city], m); err != nil {
			t.Fatal(err)
		}
	}
	w.settle()
	w.is(hansa.AccordInForce)
	if n := w.copies[company].state.N; n != 4 {
		t.Errorf("%d entries, not open, two signatures and enter-into-force", n)
	}
}

// TestAnotherVersion: while one is in force another is proposed, declined, proposed
// again and signed; the one in force holds until then, and nobody whom it binds is put
// out of it unasked.
func TestAnotherVersion(t *testing.T) {
	w := opened(t, partnership(t, hansa.ModelPartnership, city, company, third), city, company, third)
	s := w.inForce()
	one := s.Force
	w.must(company, accord.Propose, accord.Body{Text: w.keep(w.version(w.copies[company]))})
	w.must(third, accord.Decline, accord.Body{Words: "no"})
	w.is(hansa.AccordInForce)
	w.refused(city, accord.Sign, accord.Body{}, "declined")
	if s.Force != one || len(s.Turn) != 0 {
		t.Errorf("after a decline: %+v", s)
	}
	x := *w.texts[s.Proposed]
	x.Version, x.Supersedes = 3, s.Proposed
	x.Parties, x.Flows = slices.Clone(x.Parties[:2]), slices.Clone(x.Flows[:1])
	w.must(city, accord.Propose, accord.Body{Text: w.keep(&x)})
	w.must(city, accord.Sign, accord.Body{})
	w.must(company, accord.Sign, accord.Body{})
	if s.Force != one || !slices.Equal(s.Turn, []hansa.PartyID{third}) {
		t.Errorf("a party was put out without its signature: %+v", s)
	}
	w.must(third, accord.Sign, accord.Body{})
	if s.Force == one || s.In(third) {
		t.Errorf("with its signature it is out: %+v", s)
	}
	w.refused(third, accord.Suspend, accord.Body{}, "no party")
	w.is(hansa.AccordInForce)
	late := *w.texts[s.Proposed]
	late.Version, late.Supersedes, late.Term.From = 4, s.Proposed, "2027-06-01"
	w.refused(city, accord.Propose, accord.Body{Text: w.keep(&late)}, "not in the future")
}

// TestPoolLives: a member joins and another leaves a running pool, and neither changes
// the text nor what the others signed.
func TestPoolLives(t *testing.T) {
	hub, late := hansa.PartyID("did:web:hub.example"), fourth
	w := newWorld(t, 1, city, company, third, hub, late)
	w.must(city, accord.Open, accord.Body{Text: w.keep(partnership(t, hansa.ModelPool, city, company, third, hub))})
	for _, id := range w.ids[:4] {
		w.must(id, accord.Sign, accord.Body{})
	}
	s := &w.copies[city].state
	text, signed := s.Force, len(s.InForce)
	gift := accord.Flow{ID: flowID(40), Name: "counts", From: late, To: accord.Members, Dataset: accord.Dataset{Name: "counts", Kind: hansa.KindObservation}}
	self := &accord.Party{ID: late, Title: "Late", Kind: hansa.Company, Role: hansa.RoleBoth}
	taken := gift
	taken.ID = flowID(1)
	w.refused(late, accord.Join, accord.Body{Member: self, Gives: []accord.Flow{taken}}, "already")
	w.refused(late, accord.Join, accord.Body{Member: &accord.Party{ID: hub, Title: "x", Kind: hansa.Company, Role: hansa.RoleBoth}}, "for itself")
	w.must(late, accord.Join, accord.Body{Member: self, Gives: []accord.Flow{gift}})
	w.refused(late, accord.Join, accord.Body{Member: self}, "already")
	w.must(third, accord.Leave, accord.Body{Words: "no more data"})
	w.refused(third, accord.Suspend, accord.Body{}, "no party")
	w.refused(city, accord.Leave, accord.Body{}, "hand the keeping")
	w.is(hansa.AccordInForce)
	if s.Force != text || len(s.InForce) != signed {
		t.Error("joining or leaving changed the text, or a signature")
	}
	x := w.texts[text]
	pairs := x.Pairs(s.Members)
	if len(pairs) != 12 { // four are in, each gives one to three
		t.Errorf("%d pairs", len(pairs))
	}
	for _, p := range pairs {
		if p.From == third || p.To == third {
			t.Errorf("%s left, and has %+v", third, p)
		}
	}
	w.must(third, accord.Erased, accord.Body{Erasure: &accord.Erasure{Rule: "erase", On: w.now}})
	w.must(late, accord.Leave, accord.Body{})
	if n := len(x.Pairs(s.Members)); n != 6 {
		t.Errorf("%d pairs after both have left", n)
	}
	w.must(late, accord.Join, accord.Body{Member: self})
	w.is(hansa.AccordInForce)
}

// TestPoolEnds: who keeps a pool ends it once its opener has left, so that nobody is kept
// in it for ever.
func TestPoolEnds(t *testing.T) {
	w := opened(t, partnership(t, hansa.ModelPool, city, company, third), city, company, third)
	w.inForce()
	today := accord.Body{Notice: w.now.Format(time.DateOnly)}
	w.must(city, accord.HandOver, accord.Body{Keeper: company})
	w.must(company, accord.HandOver, accord.Body{Keeper: company})
	w.refused(company, accord.End, today, "goes on without a member")
	w.must(city, accord.Leave, accord.Body{})
	w.refused(third, accord.End, today, "goes on without a member")
	w.must(third, accord.Leave, accord.Body{})
	w.refused(company, accord.Leave, accord.Body{}, "keeps the pool")
	w.must(company, accord.End, today)
	w.is(hansa.AccordEnded)
}

// TestServed: a duty binds by its authority's service, without any other signature; an
// objection stops the objector's own giving where it has that effect.
func TestServed(t *testing.T) {
	x := partnership(t, hansa.ModelClause, city, company)
	x.Basis = &accord.LegalBasis{Kind: "permit", Reference: "2026-12", Authority: city, Served: true}
	w := opened(t, x, city, company)
	w.refused(company, accord.Serve, accord.Body{Service: &accord.Service{How: "post", On: w.now}}, "only the authority")
	w.refused(city, accord.Sign, accord.Body{}, "served")
	w.refused(company, accord.Object, accord.Body{Service: &accord.Service{How: "post", On: w.now}}, "not in force")
	w.must(city, accord.Serve, accord.Body{Service: &accord.Service{How: "post", Reference: "12", On: w.now}})
	w.is(hansa.AccordInForce)
	s := &w.copies[company].state
	if s.Service == nil || len(s.InForce) != 0 {
		t.Errorf("served: %+v", s)
	}
	w.must(company, accord.Object, accord.Body{Service: &accord.Service{How: "portal", On: w.now}})
	w.is(hansa.AccordInForce)
	w.must(company, accord.Object, accord.Body{Service: &accord.Service{How: "portal", On: w.now, Suspends: true}})
	w.is(hansa.AccordSuspended)

	// It binds the company; what it gives waits until it knows the authority as such.
	if !s.Binds(company) || s.Consents(company) || !s.Consents(city) {
		t.Errorf("served: binds %v, consents %v and %v", s.Binds(company), s.Consents(company), s.Consents(city))
	}
	if !slices.Contains(s.May(company), accord.End) { // that is bound by one whom it does not know
		t.Error("who never acknowledged a duty cannot put it aside")
	}
	w.refused(city, accord.Acknowledge, accord.Body{}, "has said yes")
	w.must(company, accord.Acknowledge, accord.Body{Words: "permit 12"})
	w.refused(company, accord.Acknowledge, accord.Body{}, "has said yes")
	if !s.Consents(company) {
		t.Error("the company acknowledged it")
	}

	// Another version is no more in force than the first: it is served itself.
	force := s.Force
	w.must(company, accord.Propose, accord.Body{Text: w.changed(func(x *accord.Text) { x.Clauses = x.Clauses[:len(x.Clauses)-1] })})
	if w.is(hansa.AccordSuspended); s.Force != force || !slices.Equal(s.Turn, []hansa.PartyID{city}) {
		t.Errorf("the bearer's own version is in force, or the turn is that of %v", s.Turn)
	}
	w.refused(company, accord.Serve, accord.Body{Service: &accord.Service{How: "post", On: w.now}}, "only the authority")
	w.refused(company, accord.End, accord.Body{Notice: w.now.Format(time.DateOnly)}, "only it ends it")
	w.must(city, accord.Serve, accord.Body{Service: &accord.Service{How: "post", Reference: "13", On: w.now}})
	if s.Force == force || s.Service.Reference != "13" || s.Objection != nil || s.Consents(company) {
		t.Errorf("served anew: %+v", s)
	}
	w.refused(company, accord.Propose, accord.Body{Text: w.changed(func(x *accord.Text) {
		x.Basis = &accord.LegalBasis{Kind: "permit", Reference: "1", Authority: company, Served: true}
	})}, "becomes no duty")
	w.must(city, accord.End, accord.Body{Notice: w.now.Format(time.DateOnly)})
}

// TestServedByAnother: what was opened as an accord of signatures is made a duty by no
// other text, before it is in force or after.
func TestServedByAnother(t *testing.T) {
	w := opened(t, partnership(t, hansa.ModelClause, city, company), city, company)
	duty := func(x *accord.Text) {
		x.Basis = &accord.LegalBasis{Kind: "permit", Reference: "1", Authority: company, Served: true}
	}
	w.refused(company, accord.Propose, accord.Body{Text: w.changed(duty)}, "becomes no duty")
	w.inForce()
	w.refused(company, accord.Propose, accord.Body{Text: w.changed(duty)}, "becomes no duty")
}

// TestHandOver: the keeping moves when both have signed it, and numbers go on.
func TestHandOver(t *testing.T) {
	w := opened(t, partnership(t, hansa.ModelPartnership, city, company), city, company)
	w.refused(company, accord.HandOver, accord.Body{Keeper: company}, "keeps this accord")
	w.must(city, accord.HandOver, accord.Body{Keeper: company})
	s := &w.copies[city].state
	if s.Keeper != city {
		t.Error("it moved with one signature")
	}
	w.must(company, accord.HandOver, accord.Body{Keeper: company})
	if s.Keeper != company || w.copies[company].state.Keeper != company {
		t.Error("it did not move")
	}
	w.inForce()
}

// TestTime: what was signed for later is signed until then, and what has a last day has
// ended after it, in the zone of the accord; the state of the entries stays as it is.
func TestTime(t *testing.T) {
	w := opened(t, partnership(t, hansa.ModelPartnership, city, company), city, company)
	s := w.inForce()
	s.Effect = w.now.Add(time.Hour)
	for at, want := range map[time.Time]hansa.AccordState{
		w.now: hansa.AccordSigned, w.now.Add(time.Hour): hansa.AccordInForce,
		time.Date(2028, 12, 31, 22, 59, 0, 0, time.UTC): hansa.AccordInForce, time.Date(2028, 12, 31, 23, 0, 0, 0, time.UTC): hansa.AccordEnded,
	} {
		if got := s.At(at).State; got != want {
			t.Errorf("at %s it is %s, not %s", at, got, want)
		}
	}
	s.Effect = w.now
	w.copies[company].state.Effect = w.now
	last := w.now.AddDate(0, 0, 40)
	w.must(company, accord.End, accord.Body{Notice: last.Format(time.DateOnly)})
	if s.Early || s.Until != last.Format(time.DateOnly) {
		t.Errorf("an end with its notice: %+v", s)
	}
	w.refused(city, accord.End, accord.Body{Notice: last.AddDate(0, 0, 1).Format(time.DateOnly)}, "ends before")
	w.must(city, accord.Suspend, accord.Body{})
	w.now = last.AddDate(0, 0, 1)
	w.refused(city, accord.Resume, accord.Body{}, "has ended")
	w.must(company, accord.Erased, accord.Body{Erasure: &accord.Erasure{Rule: "erase", On: w.now}})
	w.is(hansa.AccordEnded)
}

// TestNotAnEntry: what does not follow is refused before anything else is looked at.
func TestNotAnEntry(t *testing.T) {
	w := opened(t, partnership(t, hansa.ModelPartnership, city, company), city, company)
	s := w.copies[city].state
	good := accord.Entry{N: 2, Before: s.Head, At: w.now, Message: "m"}
	m := w.message(company, accord.Comment, accord.Body{Words: "?"})
	if _, _, err := s.Step(&good, m, nil); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(e *accord.Entry, m *accord.Message){
		"a gap":           func(e *accord.Entry, _ *accord.Message) { e.N = 3 },
		"a fork":          func(e *accord.Entry, _ *accord.Message) { e.Before = strings.Repeat("a", 64) },
		"back in time":    func(e *accord.Entry, _ *accord.Message) { e.At = e.At.Add(-time.Second) },
		"another accord":  func(_ *accord.Entry, m *accord.Message) { m.Accord = "0197f3a0-0000-7000-8000-00000000000b" },
		"a stale base":    func(_ *accord.Entry, m *accord.Message) { m.Base = strings.Repeat("a", 64) },
		"no party":        func(_ *accord.Entry, m *accord.Message) { m.From = third },
		"an entry":        func(_ *accord.Entry, m *accord.Message) { m.Kind = accord.Told },
		"open once more":  func(_ *accord.Entry, m *accord.Message) { m.Kind = accord.Open },
		"a joiner":        func(_ *accord.Entry, m *accord.Message) { m.Kind, m.From = accord.Join, third },
		"a bare sign":     func(_ *accord.Entry, m *accord.Message) { m.Kind = accord.Sign },
		"a text left out": func(_ *accord.Entry, m *accord.Message) { m.Kind = accord.Propose },
	} {
		e, x := good, *m
		spoil(&e, &x)
		if _, _, err := s.Step(&e, &x, nil); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

// TestErasedInParts: a later certificate leaves an earlier one of other flows; what names
// nothing new falls, so a party has no more of them than flows, and one.
func TestErasedInParts(t *testing.T) {
	w := opened(t, partnership(t, hansa.ModelPartnership, city, company), city, company)
	s := w.inForce()
	var mine []hansa.FlowID
	for _, l := range s.Bound.Flows {
		if l.To == company {
			mine = append(mine, l.ID)
		}
	}
	w.must(company, accord.End, accord.Body{Notice: w.now.Format(time.DateOnly)})
	says := func(flows ...hansa.FlowID) int64 {
		w.must(company, accord.Erased, accord.Body{Erasure: &accord.Erasure{Rule: "erase", On: w.now, Flows: flows}})
		return s.N
	}
	is := func(want ...int64) {
		t.Helper()
		var got []int64
		for _, e := range s.Erasures {
			got = append(got, e.Entry)
		}
		if !slices.Equal(got, want) {
			t.Errorf("the certificates of the entries %v stand, want %v", got, want)
		}
	}
	all := says(mine...)
	none := says()
	is(all, none)
	for i := range 20 {
		none = says(hansa.FlowID(fmt.Sprint("no flow ", i)))
	}
	is(all, none)
	whole := says(mine...)
	is(whole)
}
