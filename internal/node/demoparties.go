package node

import (
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/trust"
	"github.com/hansa-exchange/hansa/internal/node/demo"
)

// demoMember is one that holds accords in the demonstration: all of them live on its one
// node, as parties of a hub do. Names are invented.
type demoMember struct {
	name, title string
	kind        hansa.PartyKind
	uses        string // what it reads for, with commas
}

// demoMembers are the cities, the hub and the companies: the city and the six receivers
// of the story too.
var demoMembers = []demoMember{
	{"doggerhaven", "Doggerhaven", hansa.City, "traffic-management,road-safety"},
	{"amstelburg", "Amstelburg", hansa.City, "traffic-management,traffic-information"},
	{"eemhoven", "Eemhoven", hansa.City, "traffic-management,planning"},
	{"wegenknoop", "Wegenknoop, national road data hub", hansa.PublicBody, "traffic-information,road-safety,navigation,freight-routing"},
	{"navika", "Navika", hansa.Company, "navigation"},
	{"wayfare", "Wayfare", hansa.Company, "navigation"},
	{"autokompas", "Autokompas", hansa.Company, "navigation"},
	{"truckpilot", "Truckpilot", hansa.Company, "freight-routing"},
	{"stadbus", "Stadbus", hansa.Company, "public-transport"},
	{"taxi-unie", "Taxi Unie", hansa.Company, "navigation"},
	{"parkring", "Parkring", hansa.Company, "navigation,traffic-information"},
	{"deelwiel", "Deelwiel", hansa.Company, "navigation"},
	{"kabelgoed", "Kabelgoed", hansa.Company, "traffic-information"},
}

// demoSet is what a member gives; the city's closures are made by people, and the hub's
// are those that cities give it.
type demoSet struct {
	party, name, title string
	kind               hansa.RecordKind
	made               demo.Measure // nothing where nobody measures
	relays             string       // what of others' it gathers to be passed on
}

var demoSets = []demoSet{
	{"doggerhaven", "closures", "Closures of tunnels and streets", hansa.KindSituation, "", ""},
	{"doggerhaven", "loops", "Vehicles counted by the loops in the road", hansa.KindObservation, demo.Counts, ""},
	{"amstelburg", "closures", "Closures of bridges and streets", hansa.KindSituation, demo.Works, ""},
	{"eemhoven", "closures", "Closures of streets", hansa.KindSituation, demo.Works, ""},
	{"wegenknoop", "motorways", "Closures of motorways", hansa.KindSituation, demo.Works, ""},
	{"wegenknoop", "closures", "Closures of the cities, passed on", hansa.KindSituation, "", "closures"},
	{"navika", "jams", "Jams on the roads of the city", hansa.KindObservation, demo.Jams, ""},
	{"wayfare", "counts", "Vehicles under way, by road", hansa.KindObservation, demo.Counts, ""},
	{"autokompas", "speeds", "Speeds by road", hansa.KindObservation, demo.Jams, ""},
	{"truckpilot", "lorries", "Lorries counted by road", hansa.KindObservation, demo.Counts, ""},
	{"stadbus", "vehicles", "Positions of buses", hansa.KindObservation, demo.Vehicles, ""},
	{"taxi-unie", "ranks", "How full the taxi ranks are", hansa.KindObservation, demo.Parking, ""},
	{"parkring", "occupancy", "How full the car parks are", hansa.KindObservation, demo.Parking, ""},
	{"deelwiel", "vehicles", "Positions of shared vehicles that stand still", hansa.KindObservation, demo.Vehicles, ""},
	{"kabelgoed", "works", "Works in the road", hansa.KindSituation, demo.Works, ""},
}

// How much of what is measured is kept: two days of the story's time, and so many bytes.
const (
	demoKept      = 48 * time.Hour
	demoKeptBytes = 16 << 20
)

// demoParty is the id of a member.
func demoParty(name string) hansa.PartyID { return hansa.PartyID("did:web:" + name + ".example") }

func demoMemberOf(name string) *demoMember {
	for i := range demoMembers {
		if demoMembers[i].name == name {
			return &demoMembers[i]
		}
	}
	return nil
}

func demoSetOf(party, name string) *demoSet {
	for i := range demoSets {
		if s := &demoSets[i]; s.party == party && s.name == name {
			return s
		}
	}
	return nil
}

// id is the dataset's on this node.
func (s *demoSet) id() hansa.DatasetID {
	return hansa.DatasetID(named("dataset", string(demoParty(s.party)), s.name))
}

// demoMembership adds to a setup the members that it has not, with what they give and
// the credentials of their programs; tokens gets the secrets, by "exchange-NAME".
func demoMembership(s *Setup, tokens map[string]string) {
	have := map[string]bool{}
	for i := range s.Parties {
		have[s.Parties[i].Name] = true
	}
	for i := range demoMembers {
		m := &demoMembers[i]
		if !have[m.name] {
			s.Parties = append(s.Parties, hansa.Party{ID: demoParty(m.name), Name: m.name, Title: m.title, Kind: m.kind, Hosted: true, Zone: demoZone, Contact: "data desk"})
		}
		name := "exchange-" + m.name
		tokens[name] = token()
		s.Credentials = append(s.Credentials, trust.CredentialSpec{Party: demoParty(m.name), Name: name, Kind: trust.Bearer, Rights: []hansa.Right{hansa.RightRead, hansa.RightReceipt, hansa.RightPublish}, Secret: trust.NewSecret(tokens[name])})
	}
	for i := range demoSets {
		x := &demoSets[i]
		if x.made == "" && x.relays == "" {
			continue
		}
		set := hansa.Dataset{
			ID: x.id(), Party: demoParty(x.party), Name: x.name, Title: map[string]string{"en": x.title}, Kind: x.kind, Licence: "CC-BY-4.0", Holder: demoMemberOf(x.party).title,
			AgeMax: hansa.Duration(demoKept), BytesMax: demoKeptBytes,
		}
		if x.relays != "" {
			set.Relays, set.Licence, set.Holder = []string{x.relays}, "", ""
		}
		s.Datasets = append(s.Datasets, set)
	}
}
