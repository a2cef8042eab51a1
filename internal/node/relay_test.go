package node

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// The areas of two cities; they share the meridian 5.
const (
	areaEast = `{"type":"Polygon","coordinates":[[[5,52],[6,52],[6,53],[5,53],[5,52]]]}`
	areaWest = `{"type":"Polygon","coordinates":[[[4,52],[5,52],[5,53],[4,53],[4,52]]]}`
)

// hubs starts a hub that gathers closures and counts, with others beside it, all of
// which know each other.
func hubs(t *testing.T, names ...string) (hub *partner, others []*partner) {
	t.Helper()
	all := signatories(t, append([]string{"hub"}, names...)...)
	for i, p := range all {
		if p.sets = []hansa.Dataset{{Name: "closures", Kind: hansa.KindSituation, Holder: "Roads of " + p.name, Licence: "CC0-1.0"}, {Name: "counts", Kind: hansa.KindObservation, Holder: "Roads of " + p.name}}; i == 0 {
			p.sets = []hansa.Dataset{{Name: "gathered", Kind: hansa.KindSituation, Relays: []string{"closures"}}, {Name: "counted", Kind: hansa.KindObservation, Relays: []string{"counts"}}}
		}
		p.again()
	}
	knowsAll(all...)
	return all[0], all[1:]
}

// hubText is a partnership of one with a hub, by which what one gives may go on as a
// clause says. area bounds what the hub gives.
func hubText(t *testing.T, one, hub *partner, kind hansa.RecordKind, clause string, params policy.Params, area string) *accord.Text {
	t.Helper()
	gives := map[hansa.RecordKind][2]string{hansa.KindSituation: {"closures", "counted"}, hansa.KindObservation: {"counts", "gathered"}}[kind]
	other := hansa.KindObservation
	if kind == other {
		other = hansa.KindSituation
	}
	o := accord.Order{
		ID: hansa.AccordID(hansa.NewID(time.Now())), Title: accord.Words{"en": "By way of the hub"}, Languages: []string{"en"},
		Answers: map[string]string{"gets/1": "what the hub gathers", "gets/2": "what one has"},
		Term:    accord.Term{From: "2026-01-01", Zone: "Europe/Amsterdam", Notice: 30, Review: []string{"2030-01-01"}, Exit: "erase", ExitDays: 30},
		Parties: []accord.Party{{ID: one.id, Title: strings.ToUpper(one.name), Kind: hansa.City, Role: hansa.RoleBoth}, {ID: hub.id, Title: "HUB", Kind: hansa.City, Role: hansa.RoleBoth}},
		Flows: []accord.Flow{
			{ID: hansa.FlowID(hansa.NewID(time.Now())), Name: "to-the-hub", From: one.id, To: hub.id, Dataset: accord.Dataset{Name: gives[0], Kind: kind}, Formats: []hansa.Format{"record"}},
			{ID: hansa.FlowID(hansa.NewID(time.Now())), Name: "from-the-hub-to-" + one.name, From: hub.id, To: one.id, Dataset: accord.Dataset{Name: gives[1], Kind: other}, Formats: []hansa.Format{"record"}},
		},
	}
	template, err := accord.TemplateByName("partnership")
	if err != nil {
		t.Fatal(err)
	}
	text, err := template.Draft(o)
	if err != nil {
		t.Fatal(err)
	}
	x := &pact{t: t, text: *text}
	x.text.Clauses = slices.DeleteFunc(x.text.Clauses, func(c accord.Clause) bool { return c.ID == "no-onward-sharing" })
	if clause != "" {
		x.clause(clause, params, o.Flows[0].ID)
	}
	if area != "" {
		x.clause("area-limit", policy.Params{"area-name": one.name, "area": area}, o.Flows[1].ID)
	}
	return &x.text
}

// counts publishes one count on the parallel 52.5.
func (p *partner) counts(id string, lon float64) {
	p.t.Helper()
	set, err := p.node.datasetFor(p.actor(), "counts")
	if err != nil {
		p.t.Fatal(err)
	}
	r := &hansa.Record{Kind: hansa.KindObservation, ID: id, Version: 1, Observation: &hansa.Observation{What: "count", Observed: time.Now().UTC(), Geometry: &hansa.Geometry{Type: hansa.Point, Lines: [][]hansa.Position{{{lon, 52.5}}}}}}
	if _, refused, err := p.node.line.take(p.t.Context(), set, []*hansa.Record{r}, foreign, nil); err != nil || refused[0] != nil {
		p.t.Fatal(err, refused)
	}
}

// changes publishes a later version of a closure.
func (p *partner) changes(id string, change func(*hansa.Record)) {
	p.t.Helper()
	set, err := p.node.datasetFor(p.actor(), "closures")
	if err != nil {
		p.t.Fatal(err)
	}
	old, err := p.node.stream.Of(p.id).Get(p.t.Context(), set.ID, id)
	if err != nil {
		p.t.Fatal(err)
	}
	r, s := *old, *old.Situation
	r.Situation, r.Version, r.Original, r.OriginalType, r.Cursor, r.Received = &s, old.Version+1, nil, "", "", time.Time{}
	change(&r)
	if _, refused, err := p.node.line.take(p.t.Context(), set, []*hansa.Record{&r}, foreign, nil); err != nil || refused[0] != nil {
		p.t.Fatal(err, refused)
	}
}

// becomes waits for a record to be as it should.
func (p *partner) becomes(dataset, id string, ok func(*hansa.Record) bool) *hansa.Record {
	p.t.Helper()
	var r *hansa.Record
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if r = p.has(dataset, id); ok(r) {
			return r
		}
	}
	p.t.Fatalf("%s has %s in %s as %s; problems: %v", p.name, id, dataset, asJSON(p.t, r), p.node.problems)
	return nil
}

// live lists the ids that hold in a dataset.
func (p *partner) live(dataset string) (ids []string) {
	p.t.Helper()
	set, err := p.node.datasetFor(p.actor(), dataset)
	if err != nil {
		p.t.Fatal(err)
	}
	list, _, err := p.node.stream.Of(p.id).Present(p.t.Context(), set.ID, false)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, r := range list {
		ids = append(ids, r.ID)
	}
	slices.Sort(ids)
	return ids
}

// via is the id under which the hub passes on what p calls id.
func (p *partner) via(id string) string { return relayID(p.id, id) }

func isOver(r *hansa.Record) bool { return !r.Live() }

// ends has p end an accord as of yesterday.
func (p *partner) ends(id hansa.AccordID) api.AccordDetail {
	p.t.Helper()
	return p.acts(id, accord.End, api.AccordAct{Notice: time.Now().UTC().AddDate(0, 0, -1).Format(time.DateOnly), Words: "it is over"})
}

// Closures of two cities reach a company under its one accord with the hub, with who
// holds them, under what, and who answers for their quality; an end travels, a hub that
// stops goes on where it was, and a city that leaves takes nothing of the other with it.
func TestHubPassesOn(t *testing.T) {
	hub, others := hubs(t, "east", "west", "nav")
	east, west, nav := others[0], others[1], others[2]
	agree(t, hubText(t, nav, hub, hansa.KindObservation, "onward-hub", nil, ""), nav, hub)
	leaving := agree(t, hubText(t, east, hub, hansa.KindSituation, "onward-hub", nil, areaEast), east, hub)
	agree(t, hubText(t, west, hub, hansa.KindSituation, "onward-named", policy.Params{"parties": string(nav.id)}, areaWest), west, hub)
	for _, p := range []*partner{east, west} {
		p.publish("one") // both call theirs alike
		p.publish("two-of-" + p.name)
	}
	const into = "gathered-from-hub"
	for _, p := range []*partner{east, west} {
		r := nav.has(into, p.via("one"))
		o := r.Provenance.Origin
		if r.Provenance.Holder != "Roads of "+p.name || r.Provenance.System != string(hub.id) || o == nil || o.Party != p.id || o.ID != "one" || o.Version != 1 || o.Licence != "CC0-1.0" || o.Accord == "" || len(o.Hash) != 64 || len(o.Duties) < 3 || !strings.HasSuffix(o.Duties[0], " update-within") {
			t.Errorf("of %s it came as %+v of %+v", p.name, r.Provenance, o)
		}
		kept := hub.has("gathered", p.via("one"))
		var as hansa.Record
		if json.Unmarshal(kept.Original, &as) != nil || as.ID != "one" || kept.Provenance.Feed == "" {
			t.Errorf("the hub keeps %q of %s as %s", kept.Original, p.name, kept.OriginalType)
		}
	}
	west.changes("one", func(r *hansa.Record) { r.Update, r.Situation.Lifecycle = hansa.End, hansa.Ended })
	if r := nav.becomes(into, west.via("one"), isOver); r.Situation.Lifecycle != hansa.Ended {
		t.Errorf("an end came as %s", r.Situation.Lifecycle)
	}

	hub.stop()
	west.changes("two-of-west", func(r *hansa.Record) { r.Situation.Certainty = hansa.RiskOf })
	west.publish("three")
	hub.again()
	nav.has(into, west.via("three"))
	nav.becomes(into, west.via("two-of-west"), func(r *hansa.Record) bool {
		return r.Situation.Certainty == hansa.RiskOf && r.Provenance.Origin.Version == 2
	})
	want := []string{east.via("one"), east.via("two-of-east"), west.via("three"), west.via("two-of-west")}
	slices.Sort(want)
	if got := nav.live(into); !slices.Equal(got, want) {
		t.Errorf("after a restart there is %v, want %v", got, want)
	}

	nav.stop() // who is away when a city leaves hears of it later
	east.ends(leaving)
	hub.becomes("gathered", east.via("one"), isOver)
	hub.comes(leaving, "the certificate of the hub", func(d api.AccordDetail) bool {
		return slices.ContainsFunc(d.Erasures, func(e api.AccordErasure) bool {
			return e.By == hub.id && e.Records >= 2 && slices.Contains(e.Onward, "nav")
		})
	})
	nav.again()
	for _, id := range []string{"one", "two-of-east"} {
		if r := nav.becomes(into, east.via(id), isOver); r.Update != hansa.Redact {
			t.Errorf("%s ended as %s", id, r.Update)
		}
		kept := hub.has("gathered", east.via(id))
		if kept.Live() || len(kept.Original) > 0 || kept.Situation.Geometry != nil {
			t.Errorf("the hub keeps %+v", kept)
		}
	}
	west.publish("four")
	nav.has(into, west.via("four"))
	want = []string{west.via("four"), west.via("three"), west.via("two-of-west")}
	slices.Sort(want)
	if got := nav.live(into); !slices.Equal(got, want) {
		t.Errorf("after one left there is %v, want %v", got, want)
	}

	agree(t, hubText(t, east, hub, hansa.KindSituation, "onward-hub", nil, areaEast), east, hub) // and comes back
	east.publish("five")
	nav.has(into, east.via("five"))
	nav.becomes(into, east.via("one"), func(r *hansa.Record) bool { return r.Live() && r.Provenance.Holder == "Roads of east" })
	if got := len(nav.live(into)); got != 6 {
		t.Errorf("after it came back %d closures hold, want 6: %v", got, nav.live(into))
	}
}

// What a company gives the hub goes to each city by its area; what lies on the border
// goes to both, and what lies outside to neither.
func TestHubSplitsByArea(t *testing.T) {
	hub, others := hubs(t, "east", "west", "nav")
	east, west, nav := others[0], others[1], others[2]
	agree(t, hubText(t, nav, hub, hansa.KindObservation, "onward-hub", nil, ""), nav, hub)
	for p, area := range map[*partner]string{east: areaEast, west: areaWest} {
		agree(t, hubText(t, p, hub, hansa.KindSituation, "onward-hub", nil, area), p, hub)
	}
	nav.counts("outside", 7)
	nav.counts("in-east", 5.5)
	nav.counts("in-west", 4.5)
	nav.counts("border", 5)
	for _, p := range []*partner{east, west} {
		r := p.has("counted-from-hub", nav.via("border"))
		if o := r.Provenance.Origin; r.Provenance.Holder != "Roads of nav" || o == nil || o.Party != nav.id || o.ID != "border" {
			t.Errorf("it came as %+v of %+v", r.Provenance, o)
		}
		want := []string{nav.via("border"), nav.via("in-" + p.name)}
		if got := p.live("counted-from-hub"); !slices.Equal(got, want) {
			t.Errorf("%s has %v, want %v", p.name, got, want)
		}
	}
}

// What an accord does not allow to pass on stays: without a clause, for another than it
// names, and for another purpose.
func TestHubKeepsWhatMayNotGoOn(t *testing.T) {
	hub, others := hubs(t, "east", "west", "nav")
	east, west, nav := others[0], others[1], others[2]
	agree(t, hubText(t, nav, hub, hansa.KindObservation, "onward-hub", nil, ""), nav, hub)
	agree(t, hubText(t, east, hub, hansa.KindSituation, "", nil, ""), east, hub)
	agree(t, hubText(t, west, hub, hansa.KindSituation, "onward-named", policy.Params{"parties": "did:web:another.example"}, ""), west, hub)
	east.publish("one")
	west.publish("one")
	hub.has("closures-from-east", "one")
	hub.has("gathered", west.via("one")) // for another, who may come
	if hub.holds("gathered", east.via("one")) {
		t.Error("what may not go on was gathered")
	}
	hub.mine("gathered", "own")
	nav.has("gathered-from-hub", "own")
	if got := nav.live("gathered-from-hub"); !slices.Equal(got, []string{"own"}) {
		t.Errorf("the company has %v, want what is the hub's own", got)
	}
	past := hubText(t, nav, hub, hansa.KindObservation, "onward-hub", nil, "") // by the dataset that the flow fills
	past.Flows[1].Dataset.Name = "closures-from-west"
	id := agree(t, past, nav, hub)
	for _, x := range hub.pledges(id, "a refusal", func(x *pledge) bool { return !x.gives() || x.State == pledgeRefused }) {
		if x.gives() && !strings.Contains(x.Why, "go on to this receiver") {
			t.Errorf("it is refused as %q", x.Why)
		}
	}
}
