package accord_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
)

// taken is an entry, and what is in it.
type taken struct {
	e accord.Entry
	m *accord.Message
	t *accord.Text
}

// copied is a party's copy of the accord in the tests.
type copied struct {
	id    hansa.PartyID
	state accord.State
	log   []taken
	early map[int64]taken            // that came before their turn
	seen  map[string]int64           // numbers by message
	mine  map[string]*accord.Message // on their way to the keeper
}

// parcel is on its way from one node to another.
type parcel struct {
	to    hansa.PartyID
	m     *accord.Message // to the keeper
	entry *taken          // to a copy
	late  int             // deliveries that it waits for: its receiver is away
}

// world is n nodes, each with a party, and what is on its way between them. Whatever
// happens in it comes of its seed.
type world struct {
	testing.TB
	rng    *rand.Rand
	now    time.Time
	count  int
	copies map[hansa.PartyID]*copied
	ids    []hansa.PartyID
	net    []parcel
	texts  map[string]*accord.Text
	signed map[[2]string]string // by party and parent: the version
	kinds  map[accord.Kind]int  // that were numbered
	dies   bool                 // the keeper's node does, at times
}

func newWorld(t testing.TB, seed uint64, ids ...hansa.PartyID) *world {
	w := &world{TB: t, rng: rand.New(rand.NewPCG(seed, 1)), now: time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC), copies: map[hansa.PartyID]*copied{}, ids: ids, texts: map[string]*accord.Text{}, signed: map[[2]string]string{}, kinds: map[accord.Kind]int{}}
	for _, id := range ids {
		w.copies[id] = &copied{id: id, early: map[int64]taken{}, seen: map[string]int64{}, mine: map[string]*accord.Message{}}
	}
	return w
}

func (w *world) uuid() string {
	w.count++
	return fmt.Sprintf("0197f3a0-0000-7000-9000-%012d", w.count)
}

// message makes what from says, on the version that it knows.
func (w *world) message(from hansa.PartyID, kind accord.Kind, body accord.Body) *accord.Message {
	s := &w.copies[from].state
	m := &accord.Message{FormatVersion: 1, ID: w.uuid(), From: from, To: s.Keeper, Accord: theID, Base: s.Proposed, Kind: kind, At: w.now, Body: body}
	switch {
	case kind == accord.Open:
		m.Base, m.To = "", from
	case s.Force != "" && slices.Contains([]accord.Kind{accord.Suspend, accord.Resume, accord.End, accord.Erased, accord.Join, accord.Leave, accord.ConfirmMeasures, accord.HandOver, accord.Acknowledge, accord.AcceptDelivery, accord.Report}, kind):
		m.Base = s.Force
	}
	if slices.Contains([]accord.Kind{accord.Sign, accord.Serve, accord.End, accord.Join, accord.Leave, accord.HandOver}, kind) {
		m.Body.Signature = &accord.Signature{Act: kind, Party: from, Hash: m.Base, JWS: m.ID, Role: "desk", Power: "mandate", Held: "node", Host: "h", At: w.now, Key: []byte(`{}`)}
	}
	return m
}

// encoded is how the state of a copy compares.
func (w *world) encoded(s *accord.State) string {
	b, err := json.Marshal(s, json.Deterministic(true))
	if err != nil {
		w.Fatal(err)
	}
	return string(b)
}

// step takes an entry into a copy, and holds the copy to what is always so.
func (w *world) step(c *copied, x taken) error {
	before := w.encoded(&c.state)
	next, effects, err := c.state.Step(&x.e, x.m, x.t)
	if w.encoded(&c.state) != before {
		w.Fatalf("%s by %s changed the state that it came from", x.m.Kind, x.m.From)
	}
	if err != nil {
		if w.encoded(&next) != before {
			w.Fatalf("%s by %s was refused (%v) and changed the state", x.m.Kind, x.m.From, err)
		}
		if k := hansa.KindOf(err); k != hansa.Invalid && k != hansa.Conflict && k != hansa.Denied {
			w.Fatalf("%s by %s: %v", x.m.Kind, x.m.From, err)
		}
		return err
	}
	if now := c.state.At(x.e.At); !slices.Contains(now.May(x.m.From), x.m.Kind) {
		w.Fatalf("%s by %s was taken, and was not among what it may say", x.m.Kind, x.m.From)
	}
	w.sound(&c.state, &next, x, effects)
	c.state = next
	c.log = append(c.log, x)
	c.seen[x.m.ID] = x.e.N
	delete(c.mine, x.m.ID)
	return nil
}

// sound is what holds after each step.
func (w *world) sound(was, s *accord.State, x taken, effects []accord.Effect) {
	fail := func(format string, args ...any) {
		w.Fatalf("entry %d, %s by %s: %s\n%s", s.N, x.m.Kind, x.m.From, fmt.Sprintf(format, args...), w.encoded(s))
	}
	if s.N != was.N+1 || s.Head != x.e.Hash() || s.Version < was.Version {
		fail("it does not follow")
	}
	for i, g := range s.Signatures {
		if g.Hash != s.Proposed || slices.ContainsFunc(s.Signatures[:i], func(o accord.Signature) bool { return o.Party == g.Party }) {
			fail("the signature of %s is over another version, or there twice", g.Party)
		}
		parent := [2]string{string(g.Party), w.texts[g.Hash].Supersedes}
		if v := w.signed[parent]; v != "" && v != g.Hash {
			fail("%s signed two versions with one parent", g.Party)
		}
		w.signed[parent] = g.Hash
	}
	served := s.Bound.Served != ""
	if s.Force != was.Force {
		if served && was.Notice == nil {
			fail("it is in force, and this version was not served")
		}
		if was.Force != "" && served != (was.Bound.Served != "") && served || was.Force != "" && served && s.Bound.Served != was.Bound.Served {
			fail("it has become a duty to %s", s.Bound.Served)
		}
		for _, id := range slices.Concat(was.Bound.Parties, s.Bound.Parties) {
			out := slices.ContainsFunc(s.Members, func(m accord.Member) bool { return m.Party.ID == id && !m.Left.IsZero() })
			if !served && !out && !slices.ContainsFunc(s.InForce, func(g accord.Signature) bool { return g.Party == id && g.Hash == s.Force }) {
				fail("it is in force without the signature of %s", id)
			}
		}
		if !slices.ContainsFunc(effects, func(e accord.Effect) bool { f, ok := e.(accord.Force); return ok && f.Hash == s.Force }) {
			fail("a version is in force, and no node is asked to hold to it")
		}
	}
	ends := s.State == hansa.AccordEnded
	switch {
	case was.State == hansa.AccordEnded && (!ends || x.m.Kind != accord.Erased):
		fail("an accord that has ended moves")
	case (s.State == hansa.AccordSuspended) != (!ends && s.Force != "" && len(s.Suspended) > 0):
		fail("it is %s with %d suspensions", s.State, len(s.Suspended))
	case was.State == hansa.AccordSigned && (s.Proposed != was.Proposed || len(s.Missing()) > 0 || ends):
		fail("what all have signed was changed before it was in force")
	case s.State == hansa.AccordSigned && (s.Force != "" || len(s.Missing()) > 0):
		fail("it is signed, and %v have not", s.Missing())
	case s.Force != "" && !ends && s.State != hansa.AccordInForce && s.State != hansa.AccordSuspended:
		fail("it has a version in force, and is %s", s.State)
	case ends && len(s.Turn) > 0:
		fail("it has ended, and it is the turn of %v", s.Turn)
	}
	for _, id := range s.Turn {
		if may := s.May(id); !slices.Contains(may, accord.Sign) && !slices.Contains(may, accord.Serve) {
			fail("it is the turn of %s, which may not sign: %v", id, may)
		}
	}
}

// number is the keeper's part: it gives a message the next number, and tells all.
func (w *world) number(c *copied, m *accord.Message) error {
	if c.seen[m.ID] > 0 {
		return nil
	}
	if c.state.N > 0 && c.state.Keeper != c.id {
		return hansa.Errorf(hansa.Conflict, "the keeper is %s", c.state.Keeper)
	}
	x := taken{e: accord.Entry{N: c.state.N + 1, Before: c.state.Head, At: w.now, Message: m.ID}, m: m}
	if m.Kind == accord.Open || m.Kind == accord.Propose {
		x.t = w.texts[hash(m.Body.Text)]
	}
	if err := w.step(c, x); err != nil {
		return err
	}
	w.kinds[m.Kind]++
	for _, id := range w.ids {
		if id != c.id {
			w.net = append(w.net, parcel{to: id, entry: &x})
		}
	}
	if w.dies && w.rng.IntN(4) == 0 {
		return nil // its node dies before it says so: it does when it is back
	}
	if s := &c.state; len(s.Turn) == 0 && slices.Contains(s.May(s.Keeper), accord.EnterIntoForce) && s.Keeper == c.id {
		return w.number(c, w.message(c.id, accord.EnterIntoForce, accord.Body{Effect: w.now, Signatures: s.Signatures}))
	}
	return nil
}

// deliver hands over the i-th parcel.
func (w *world) deliver(i int) {
	p := w.net[i]
	w.net = slices.Delete(w.net, i, i+1)
	c := w.copies[p.to]
	if p.m != nil {
		from := w.copies[p.m.From]
		if err := w.number(c, p.m); err != nil { // the answer says so, and it is not sent again
			delete(from.mine, p.m.ID)
		}
		return
	}
	switch n := p.entry.e.N; {
	case n <= c.state.N:
		if c.log[n-1].e.Hash() != p.entry.e.Hash() {
			w.Fatalf("%s was told two entries %d", c.id, n)
		}
	default:
		c.early[n] = *p.entry
	}
	for {
		x, ok := c.early[c.state.N+1]
		if !ok {
			return
		}
		delete(c.early, x.e.N)
		if err := w.step(c, x); err != nil {
			w.Fatalf("%s refuses entry %d of the keeper, %s by %s: %v", c.id, x.e.N, x.m.Kind, x.m.From, err)
		}
	}
}

// settle delivers all that is on its way.
func (w *world) settle() {
	for len(w.net) > 0 {
		w.deliver(w.rng.IntN(len(w.net)))
	}
}

// same reports whether all copies came to the same.
func (w *world) same() {
	first := w.copies[w.ids[0]]
	for _, id := range w.ids[1:] {
		c := w.copies[id]
		if a, b := w.encoded(&first.state), w.encoded(&c.state); a != b {
			w.Fatalf("two outcomes:\n%s: %s\n%s: %s", first.id, a, id, b)
		}
	}
	replayed := accord.State{}
	for _, x := range first.log {
		var err error
		if replayed, _, err = replayed.Step(&x.e, x.m, x.t); err != nil {
			w.Fatalf("entry %d again: %v", x.e.N, err)
		}
	}
	if w.encoded(&replayed) != w.encoded(&first.state) {
		w.Fatal("the same entries come to another state")
	}
}

// say has from say something; it may come to the keeper late, and more than once.
func (w *world) say(m *accord.Message) {
	c := w.copies[m.From]
	if m.To == m.From && (m.Kind == accord.Open || c.state.Keeper == c.id) {
		_ = w.number(c, m) // refused: nothing happens
		return
	}
	c.mine[m.ID] = m
	w.net = append(w.net, parcel{to: m.To, m: m})
	if w.rng.IntN(8) == 0 {
		w.net = append(w.net, parcel{to: m.To, m: m})
	}
}

// version makes another version of what c knows to be proposed.
func (w *world) version(c *copied) *accord.Text {
	x := *w.texts[c.state.Proposed]
	x.Version, x.Supersedes = x.Version+1, c.state.Proposed
	x.Title = accord.Words{"nl": "Versie " + w.uuid(), "en": "Version"}
	if len(x.Parties) > 2 && w.rng.IntN(6) == 0 { // one is out
		out := x.Parties[w.rng.IntN(len(x.Parties))].ID
		x.Parties = slices.DeleteFunc(slices.Clone(x.Parties), func(p accord.Party) bool { return p.ID == out })
		x.Flows = slices.DeleteFunc(slices.Clone(x.Flows), func(f accord.Flow) bool { return f.From == out || f.To == out })
		x.Clauses = slices.Clone(x.Clauses)
		for i := range x.Clauses {
			x.Clauses[i].Flows = nil
		}
	}
	return &x
}

func (w *world) keep(x *accord.Text) []byte {
	b := bytesOf(w, x)
	w.texts[hash(b)] = x
	return b
}

// body makes something that from might say of a kind; not all of it is right.
func (w *world) body(from hansa.PartyID, kind accord.Kind) (b accord.Body) {
	c := w.copies[from]
	s := &c.state
	b.Words = "because"
	flows := []hansa.FlowID{""}
	for _, l := range append(slices.Clone(s.Bound.Flows), s.Asked.Flows...) {
		flows = append(flows, l.ID)
	}
	anyone := w.ids[w.rng.IntN(len(w.ids))]
	switch kind { //nolint:exhaustive // the others have words alone
	case accord.Propose:
		b.Text = w.keep(w.version(c))
	case accord.AcceptClause, accord.RejectClause, accord.Comment, accord.Report:
		b.Clause = strconv.Itoa(1 + w.rng.IntN(6))
	case accord.Suspend, accord.Resume:
		b.Flow = flows[w.rng.IntN(len(flows))]
	case accord.AcceptDelivery:
		b.Flow, b.Refused = flows[w.rng.IntN(len(flows))], w.rng.IntN(2) == 0
	case accord.ConfirmMeasures:
		b.Flow = flows[len(flows)-1-w.rng.IntN(min(len(flows), 2))]
		if len(s.Bound.Flows) > 0 {
			b.Flow = s.Bound.Flows[0].ID
		}
	case accord.End:
		b.Notice = w.now.AddDate(0, 0, w.rng.IntN(60)).Format(time.DateOnly)
	case accord.Serve, accord.Object:
		b.Service = &accord.Service{How: "post", On: w.now, Suspends: w.rng.IntN(2) == 0}
	case accord.Erased:
		b.Erasure = &accord.Erasure{Rule: "erase", On: w.now}
	case accord.HandOver:
		if b.Keeper = anyone; s.Handing == from {
			b.Keeper = from
		}
	case accord.Join:
		b.Member = &accord.Party{ID: from, Title: "Joined", Kind: hansa.Company, Role: hansa.RoleBoth}
		id := hansa.FlowID(fmt.Sprintf("0197f3a0-0000-7000-a000-%012d", slices.Index(w.ids, from)))
		b.Gives = []accord.Flow{{ID: id, Name: "gift", From: from, To: accord.Members, Dataset: accord.Dataset{Name: "counts", Kind: hansa.KindObservation}}}
	case accord.EnterIntoForce:
		b.Effect, b.Signatures = w.now, s.Signatures
	}
	return b
}

// act has somebody say something that it believes it may.
func (w *world) act() {
	from := w.ids[w.rng.IntN(len(w.ids))]
	s := &w.copies[from].state
	may := s.May(from)
	if s.N == 0 || len(may) == 0 {
		return
	}
	kind := may[w.rng.IntN(len(may))]
	switch rare := slices.Contains([]accord.Kind{accord.Decline, accord.Withdraw, accord.End, accord.RejectClause, accord.Propose, accord.Leave}, kind); {
	case rare && w.rng.IntN(4) > 0:
		return
	case slices.Contains(may, accord.Sign) && w.rng.IntN(3) == 0:
		kind = accord.Sign
	}
	w.say(w.message(from, kind, w.body(from, kind)))
}

// run plays a story of so many acts.
func (w *world) run(x *accord.Text, acts int) {
	w.dies = true
	w.say(w.message(w.ids[0], accord.Open, accord.Body{Text: w.keep(x)}))
	for range acts {
		w.now = w.now.Add(time.Duration(w.rng.IntN(6)) * time.Hour)
		if w.rng.IntN(2) == 0 {
			w.act()
		}
		if len(w.net) == 0 {
			continue
		}
		i := w.rng.IntN(len(w.net))
		switch p := &w.net[i]; {
		case p.late > 0:
			p.late--
		case w.rng.IntN(20) == 0:
			p.late = 20 // its receiver is away for a while
		case w.rng.IntN(10) == 0:
			w.net = append(w.net, *p) // the answer was lost: it is sent again
			w.deliver(i)
		default:
			w.deliver(i)
		}
	}
	w.settle()
	w.same()
}

// TestOneOutcome: whatever is said, in whatever order it comes, late, twice, on a
// version that is no more, from one who has not heard yet: all copies come to the same,
// and what is always so holds after each step.
func TestOneOutcome(t *testing.T) {
	states, kinds := map[hansa.AccordState]int{}, map[accord.Kind]int{}
	seeds := uint64(240)
	if testing.Short() {
		seeds = 80
	}
	for seed := range seeds {
		ids := []hansa.PartyID{city, company, third, fourth, "did:web:hub.example"}[:2+seed%4]
		x := partnership(t, hansa.ModelPartnership, ids...)
		switch seed % 3 {
		case 1:
			if len(ids) > 3 { // the last one only joins
				x = partnership(t, hansa.ModelPool, ids[:len(ids)-1]...)
			}
		case 2:
			x = partnership(t, hansa.ModelClause, ids...)
			x.Basis = &accord.LegalBasis{Kind: "permit", Reference: "12", Authority: city, Served: true}
		}
		w := newWorld(t, seed, ids...)
		w.run(x, 400)
		states[w.copies[city].state.State]++
		for k, n := range w.kinds {
			kinds[k] += n
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	for _, k := range accord.Kinds() {
		if k != accord.Told && kinds[k] == 0 {
			t.Errorf("no story has %s", k)
		}
	}
	t.Logf("%v, %v", states, kinds)
}
