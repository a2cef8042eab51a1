package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// hubStory is the story of a hub between two cities and two companies, on three nodes:
// one of the cities, one of the hub, one of the companies. Each has an accord with the
// hub, and none with another. People and programs steer each node by its API.
type hubStory struct {
	dir, version string
	program      func(ctx context.Context, config string) *exec.Cmd // what serves a node; nil: this process
	east, west   *member                                            // the cities, which share a border
	hub          *outpost
	nav, way     *member // the companies
	stops        []func() error

	closures map[*member][]string // of a city, still shut, as it calls them
	counted  int
}

// member is a party that has an accord with the hub.
type member struct {
	*outpost
	id   hansa.PartyID
	area string // of a city
	kind hansa.PartyKind
	// licence is of what it gives.
	licence string
	pair    *accordStory // the hub's side and its own, of their accord
}

// What the parties of the story are called, and where the cities meet.
const (
	hubEast   = `{"type":"Polygon","coordinates":[[[4.95,52.3],[5.1,52.3],[5.1,52.45],[4.95,52.45],[4.95,52.3]]]}`
	hubWest   = `{"type":"Polygon","coordinates":[[[4.8,52.3],[4.95,52.3],[4.95,52.45],[4.8,52.45],[4.8,52.3]]]}`
	hubBorder = 4.95
)

// RehearseHub plays the story and tells each step as it ends. Nothing of it is left
// afterwards. Each node is a process of program, which serves by a configuration until
// it is interrupted or its standard input ends; without program all are in this process.
func RehearseHub(ctx context.Context, version string, program func(ctx context.Context, config string) *exec.Cmd, tell func(Step)) (steps []Step, err error) {
	dir, err := os.MkdirTemp("", "hansa-hub-")
	if err != nil {
		return nil, err
	}
	s := &hubStory{dir: dir, version: version, program: program, closures: map[*member][]string{}}
	defer func() {
		for _, stop := range s.stops {
			err = errors.Join(err, stop())
		}
		err = errors.Join(err, os.RemoveAll(dir))
	}()
	return playActs(ctx, s.acts(), tell), nil
}

func (s *hubStory) acts() []act {
	return []act{
		{"two cities, a hub and two companies, on three nodes", s.begin},
		{"each city agrees with the hub alone, and lets it pass on what is shut: in force at both sides", s.citiesAgree},
		{"each company agrees with the hub alone, and lets it pass on what it counts: in force at both sides", s.companiesAgree},
		{"all flows start by themselves", s.starts},
		{"a closure of each city is at both companies, with who holds it and who answers for it", s.closes},
		{"counts of both companies are at each city by its area; what lies on the border is at both", s.counts},
		{"a city reopens: it ends at both companies", s.reopens},
		{"one city leaves: what it closed stands no more at the companies, and the hub erases and certifies", s.leaves},
		{"of the other city nothing is lost, and nothing is there twice", s.remains},
		{"both ways go on for the other city, and neither for the one that left", s.goesOn},
		{"the city comes back by a new accord: what it has closed is at both companies again", s.returns},
	}
}

func (s *hubStory) cities() []*member    { return []*member{s.east, s.west} }
func (s *hubStory) companies() []*member { return []*member{s.nav, s.way} }
func (s *hubStory) members() []*member   { return append(s.cities(), s.companies()...) }

// begin runs the three nodes.
func (s *hubStory) begin(ctx context.Context) (string, error) {
	var lns []net.Listener
	var allow []string
	for range 3 {
		ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return "", err
		}
		lns, allow = append(lns, ln), append(allow, ln.Addr().String())
	}
	s.hub = &outpost{name: "wegenknoop", title: "Wegenknoop", at: allow[1]}
	party := func(node int, name, title, area string, kind hansa.PartyKind, first bool) *member {
		m := &member{outpost: &outpost{name: name, title: title, at: allow[node]}, area: area, kind: kind, licence: "CC-BY-4.0"}
		if m.id = hansa.PartyID(m.did()); !first {
			m.id += hansa.PartyID(":parties:" + name)
		}
		return m
	}
	s.east = party(0, "eemhoven", "Eemhoven", hubEast, hansa.City, true)
	s.west = party(0, "amstelburg", "Amstelburg", hubWest, hansa.City, false)
	s.nav = party(2, "navika", "Navika", "", hansa.Company, true)
	s.way = party(2, "wayfare", "Wayfare", "", hansa.Company, false)
	hub := &member{outpost: s.hub, id: hansa.PartyID(s.hub.did()), kind: hansa.Intermediary}
	const set = "[[datasets]]\nname = %q\nparty = %q\nkind = %q\nlicence = %q\nholder = %q\n"
	var sets [3]string
	for _, m := range s.cities() {
		sets[0] += fmt.Sprintf(set, "closures", m.name, hansa.KindSituation, m.licence, "Road authority of "+m.title)
	}
	for _, m := range s.companies() {
		sets[2] += fmt.Sprintf(set, "counts", m.name, hansa.KindObservation, m.licence, m.title+" Data")
	}
	for name, kind := range map[string]hansa.RecordKind{"closures": hansa.KindSituation, "counts": hansa.KindObservation} {
		sets[1] += fmt.Sprintf(set, name, hub.name, kind, "", "") + fmt.Sprintf("relays = [%q]\n", name)
	}
	var err error
	for i, list := range [][]*member{s.cities(), {hub}, s.companies()} {
		if bad := s.serve(ctx, list, sets[i], allow, lns[i]); bad != nil {
			err = errors.Join(err, bad, lns[i].Close())
		}
	}
	where := "in this process"
	if s.program != nil {
		where = "each a process of its own"
	}
	return fmt.Sprintf("%s of %s and %s, %s of the hub, %s of %s and %s: %s", allow[0], s.east.title, s.west.title, allow[1], allow[2], s.nav.title, s.way.title, where), err
}

// serve runs the node of some parties by a configuration, as "hansa serve" does.
func (s *hubStory) serve(ctx context.Context, list []*member, sets string, allow []string, ln net.Listener) error {
	own := list[0]
	var err error
	var text strings.Builder
	fmt.Fprintf(&text, "listen = %q\npublic_url = %q\ndata = %q\norigin = %q\nparty = %q\nallow = [\"%s\"]\nbackups_kept = \"720h\"\n", own.at, own.address(), own.name, own.name+".example", own.name, strings.Join(allow, `", "`))
	for _, m := range list {
		m.token = token()
		m.client = &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{IdleConnTimeout: time.Second}}
		fmt.Fprintf(&text, "[[parties]]\nname = %q\nid = %q\ntitle = %q\nkind = %q\nzone = \"Europe/Amsterdam\"\n", m.name, m.id, m.title, m.kind)
		fmt.Fprintf(&text, "[[credentials]]\nparty = %q\nname = \"steward-of-%s\"\nsecret_file = %q\nrights = [\"read\", \"publish\", \"control\", \"manage\"]\n", m.name, m.name, m.name+".token")
		err = errors.Join(err, os.WriteFile(filepath.Join(s.dir, m.name+".token"), []byte(m.token), 0o600))
	}
	file := filepath.Join(s.dir, own.name+".toml")
	if err = errors.Join(err, os.WriteFile(file, []byte(text.String()+sets), 0o600)); err != nil {
		return err
	}
	if s.program != nil {
		return errors.Join(ln.Close(), s.spawn(ctx, own.outpost, file))
	}
	f, err := ReadFile(file)
	if err != nil {
		return err
	}
	n, err := Serve(ctx, f, s.version, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan error, 1)
	go func() { done <- n.Run(run, ln) }()
	s.stops = append(s.stops, func() error { cancel(); return <-done })
	return nil
}

func (s *hubStory) citiesAgree(ctx context.Context) (string, error) {
	return s.agrees(ctx, s.cities(), 2)
}

func (s *hubStory) companiesAgree(ctx context.Context) (string, error) {
	return s.agrees(ctx, s.companies(), 4)
}

// agrees has members draft an accord with the hub each, send it, and both sign; the hub
// has so many then.
func (s *hubStory) agrees(ctx context.Context, list []*member, many int) (string, error) {
	for _, m := range list {
		if err := s.agree(ctx, m); err != nil {
			return "", fmt.Errorf("%s: %w", m.title, err)
		}
	}
	var has api.AccordsBody
	if err := s.hub.call(ctx, http.MethodGet, "/api/v1/accords", nil, &has); err != nil {
		return "", err
	}
	if len(has.Accords) != many || slices.ContainsFunc(has.Accords, func(a api.Accord) bool { return a.State != hansa.AccordInForce }) {
		return "", fmt.Errorf("the hub has %+v", has.Accords)
	}
	for _, m := range list {
		var own api.AccordsBody
		if err := m.call(ctx, http.MethodGet, "/api/v1/accords", nil, &own); err != nil {
			return "", err
		}
		if len(own.Accords) != 1 || own.Accords[0].ID != m.pair.id {
			return "", fmt.Errorf("%s has %+v", m.title, own.Accords)
		}
	}
	return fmt.Sprintf("%s and %s have one each, the hub has %d", list[0].title, list[1].title, many), nil
}

func (s *hubStory) agree(ctx context.Context, m *member) error {
	t, err := s.text(m, time.Now())
	if err != nil {
		return err
	}
	text, err := json.Marshal(t)
	if err != nil {
		return err
	}
	var d api.AccordDetail
	if err := m.call(ctx, http.MethodPost, "/api/v1/accords", api.AccordDraft{Text: text}, &d); err != nil {
		return err
	}
	m.pair = &accordStory{connectorStory: connectorStory{city: s.hub, company: m.outpost}, id: d.ID, versions: []string{d.Proposed}}
	if _, err := m.pair.says(ctx, m.outpost, accord.Open, api.AccordAct{}); err != nil {
		return err
	}
	if err := s.welcome(ctx, m); err != nil {
		return err
	}
	if err := m.pair.sameText(ctx, s.hub, d.Proposed, true); err != nil {
		return err
	}
	_, err = m.pair.signs(ctx)
	return err
}

// welcome waits until the hub has the accord: a person of it says yes to who is new.
func (s *hubStory) welcome(ctx context.Context, m *member) error {
	for {
		var c api.AccordContactsBody
		var list api.AccordsBody
		if err := errors.Join(s.hub.call(ctx, http.MethodGet, "/api/v1/accord-contacts", nil, &c), s.hub.call(ctx, http.MethodGet, "/api/v1/accords", nil, &list)); err != nil {
			return err
		}
		if slices.ContainsFunc(list.Accords, func(a api.Accord) bool { return a.ID == m.pair.id }) {
			return nil
		}
		if slices.ContainsFunc(c.Contacts, func(x api.AccordContact) bool { return x.Accord == m.pair.id && x.From == m.id }) {
			return s.hub.call(ctx, http.MethodPost, "/api/v1/accord-contacts/"+string(m.pair.id)+"/yes", struct{}{}, &c)
		}
		if err := sleep(ctx, 10*time.Millisecond); err != nil {
			return errors.New("nothing of it waits at the hub")
		}
	}
}

// text is the accord of a member with the hub: a city gives closures for the counts in
// its area, a company gives counts for the closures of all.
func (s *hubStory) text(m *member, now time.Time) (*accord.Text, error) {
	template, err := accord.TemplateByName("partnership")
	if err != nil {
		return nil, err
	}
	gives, gets := accord.Dataset{Name: "closures", Kind: hansa.KindSituation}, accord.Dataset{Name: "counts", Kind: hansa.KindObservation}
	if m.area == "" {
		gives, gets = gets, gives
	}
	hub := hansa.PartyID(s.hub.did())
	there, back := hansa.FlowID(hansa.NewID(now)), hansa.FlowID(hansa.NewID(now))
	t, err := template.Draft(accord.Order{
		ID: hansa.AccordID(hansa.NewID(now)), Title: accord.Words{"en": m.title + " by way of Wegenknoop"}, Languages: []string{"en"},
		Answers: map[string]string{"gets/1": gets.Name + ", gathered by the hub", "gets/2": gives.Name + ", to be passed on"},
		Term:    accord.Term{From: now.UTC().AddDate(0, 0, -1).Format(time.DateOnly), Zone: "Europe/Amsterdam"},
		Parties: []accord.Party{
			{ID: m.id, Title: m.title, Kind: m.kind, Role: hansa.RoleBoth},
			{ID: hub, Title: s.hub.title, Kind: hansa.Intermediary, Role: hansa.RoleBoth},
		},
		Flows: []accord.Flow{
			{ID: there, Name: gives.Name + "-of-" + m.name, From: m.id, To: hub, Dataset: gives, Formats: []hansa.Format{"record"}},
			{ID: back, Name: gets.Name + "-for-" + m.name, From: hub, To: m.id, Dataset: gets, Formats: []hansa.Format{"record"}},
		},
	})
	if err != nil {
		return nil, err
	}
	err = errors.Join(
		mayGoOn(t, there), addClause(t, "licence", policy.Params{"licence": m.licence}, there),
		addClause(t, "original-holder", nil, back),
	)
	if m.area != "" {
		err = errors.Join(err, addClause(t, "area-limit", policy.Params{"area-name": m.title, "area": m.area}, back))
	}
	return t, err
}

// mayGoOn lets the receiver of a flow pass on what comes by it, as a hub does.
func mayGoOn(t *accord.Text, flow hansa.FlowID) error {
	t.Clauses = slices.DeleteFunc(t.Clauses, func(c accord.Clause) bool { return c.ID == "no-onward-sharing" && c.About(flow) })
	return addClause(t, "onward-hub", nil, flow)
}

// addClause adds a clause of the catalogue about one flow.
func addClause(t *accord.Text, id string, params policy.Params, flow hansa.FlowID) error {
	from, known := policy.ClauseByID(id)
	if !known {
		return fmt.Errorf("the catalogue has no clause %s", id)
	}
	c, err := accord.NewClause(from, params, []hansa.FlowID{flow}, t.Languages)
	if err == nil {
		t.Clauses = append(t.Clauses, c)
	}
	return err
}
