package node

import (
	"github.com/hansa-exchange/hansa"
)

// demoEnd is what an accord of the demonstration comes to.
type demoEnd string

// The ends.
const (
	demoForce     demoEnd = "in force"
	demoRedlined  demoEnd = "in force, after a redline"
	demoJoined    demoEnd = "in force, and another has joined"
	demoServed    demoEnd = "in force, by service"
	demoSuspended demoEnd = "suspended"
	demoEnded     demoEnd = "ended"
	demoCountered demoEnd = "a counter-proposal is on the table"
	demoOpened    demoEnd = "opened"
	demoDraft     demoEnd = "a draft"
)

// demoPact is one accord of the demonstration, as the table has it.
type demoPact struct {
	model   hansa.Model
	title   string
	between string // names of members, the opener first
	gives   string // PARTY/DATASET>RECEIVER for each flow; the receiver may be public, or members
	comes   demoEnd
	answers map[string]string // to the template's questions; what each side gets follows from what is given
}

// lasting reports whether p comes to be in force.
func (p *demoPact) lasting() bool {
	return p.comes == demoForce || p.comes == demoRedlined || p.comes == demoJoined || p.comes == demoServed
}

// duty are the answers to the template of a duty to deliver.
func duty(basis, required, disallowed string) map[string]string {
	return map[string]string{
		"basis": basis, "required": required, "disallowed": disallowed, "sanction": "a warning; a penalty for each day; suspension of the permit", "appeal": "Municipal objections committee",
	}
}

// demoPacts are the accords of the demonstration. Closures that go to one of the story's
// receivers are the flow that it has already, which runs on under its accord.
var demoPacts = []demoPact{
	{hansa.ModelPartnership, "Closures for jams", "doggerhaven navika", "doggerhaven/closures>navika navika/jams>doggerhaven", demoForce, nil},
	{hansa.ModelPartnership, "Closures for counts", "wayfare doggerhaven", "doggerhaven/closures>wayfare wayfare/counts>doggerhaven", demoForce, nil},
	{hansa.ModelPartnership, "Closures for speeds", "autokompas doggerhaven", "doggerhaven/closures>autokompas autokompas/speeds>doggerhaven", demoRedlined, nil},
	{hansa.ModelPartnership, "Closures for counts of lorries", "doggerhaven truckpilot", "doggerhaven/closures>truckpilot truckpilot/lorries>doggerhaven", demoForce, nil},
	{hansa.ModelPartnership, "Closures for parking", "doggerhaven parkring", "doggerhaven/closures>parkring parkring/occupancy>doggerhaven", demoForce, nil},
	{hansa.ModelPartnership, "Closures for positions of buses", "stadbus doggerhaven", "doggerhaven/closures>stadbus stadbus/vehicles>doggerhaven", demoCountered, nil},
	{hansa.ModelPartnership, "Closures for taxi ranks", "taxi-unie doggerhaven", "doggerhaven/closures>taxi-unie taxi-unie/ranks>doggerhaven", demoOpened, nil},
	{hansa.ModelDonation, "Positions of buses for a study of bus lanes", "stadbus doggerhaven", "stadbus/vehicles>doggerhaven", demoForce, map[string]string{"purpose": "planning,research", "acknowledgement": "With data from Stadbus"}},
	{hansa.ModelDonation, "Closures, open to all", "doggerhaven", "doggerhaven/closures>public", demoForce, map[string]string{"purpose": "navigation,traffic-information"}},
	{hansa.ModelProcurement, "Jams, bought for the control room", "doggerhaven navika", "navika/jams>doggerhaven", demoForce, map[string]string{"price": "EUR 1250.00", "availability": "99.5"}},
	{hansa.ModelDonation, "Taxi ranks during the harbour festival", "taxi-unie doggerhaven", "taxi-unie/ranks>doggerhaven", demoSuspended, map[string]string{"purpose": "traffic-management"}},
	{hansa.ModelDonation, "Counts for a trial of school streets", "wayfare doggerhaven", "wayfare/counts>doggerhaven", demoEnded, map[string]string{"purpose": "planning,research"}},
	{hansa.ModelProcurement, "Occupancy of car parks, bought", "doggerhaven parkring", "parkring/occupancy>doggerhaven", demoDraft, map[string]string{"price": "EUR 400.00"}},
	{hansa.ModelClause, "Shared vehicles in Doggerhaven", "doggerhaven deelwiel", "deelwiel/vehicles>doggerhaven", demoServed, duty("by-law: Shared mobility by-law 2026, section 4", "vehicle_id,vehicle_type,location", "rider_id,payment_id")},
	{hansa.ModelClause, "Works in the road in Doggerhaven", "doggerhaven kabelgoed", "kabelgoed/works>doggerhaven", demoServed, duty("permit: Permit for works in the road 2026/88", "start,end,location", "foreman_id")},
	{hansa.ModelPartnership, "Closures across the boundary: Doggerhaven and Amstelburg", "doggerhaven amstelburg", "doggerhaven/closures>amstelburg amstelburg/closures>doggerhaven", demoForce, nil},
	{hansa.ModelPartnership, "Closures across the boundary: Doggerhaven and Eemhoven", "eemhoven doggerhaven", "doggerhaven/closures>eemhoven eemhoven/closures>doggerhaven", demoForce, nil},
	{hansa.ModelPartnership, "Closures across the boundary: Amstelburg and Eemhoven", "amstelburg eemhoven", "amstelburg/closures>eemhoven eemhoven/closures>amstelburg", demoForce, nil},
	{hansa.ModelPartnership, "Closures of the city for those of the motorways: Doggerhaven", "wegenknoop doggerhaven", "doggerhaven/closures>wegenknoop wegenknoop/motorways>doggerhaven", demoForce, nil},
	{hansa.ModelPartnership, "Closures of the city for those of the motorways: Amstelburg", "wegenknoop amstelburg", "amstelburg/closures>wegenknoop wegenknoop/motorways>amstelburg", demoForce, nil},
	{hansa.ModelPartnership, "Closures of the city for those of the motorways: Eemhoven", "wegenknoop eemhoven", "eemhoven/closures>wegenknoop wegenknoop/motorways>eemhoven", demoForce, nil},
	{hansa.ModelPartnership, "Motorways and closures of cities for lorries", "wegenknoop truckpilot", "wegenknoop/motorways>truckpilot wegenknoop/closures>truckpilot truckpilot/lorries>wegenknoop", demoForce, nil},
	{hansa.ModelPartnership, "Motorways and closures of cities for jams", "navika wegenknoop", "wegenknoop/motorways>navika wegenknoop/closures>navika navika/jams>wegenknoop", demoForce, nil},
	{hansa.ModelDonation, "Motorways, open to all", "wegenknoop", "wegenknoop/motorways>public", demoForce, map[string]string{"purpose": "navigation,traffic-information"}},
	{hansa.ModelPool, "Safe roads: a pool of cities and companies", "wegenknoop doggerhaven wayfare", "wegenknoop/motorways>members doggerhaven/loops>members wayfare/counts>members", demoJoined, map[string]string{"purpose": "road-safety", "contribution": "500"}},
	{hansa.ModelPartnership, "Closures for parking in Amstelburg", "amstelburg parkring", "amstelburg/closures>parkring parkring/occupancy>amstelburg", demoForce, nil},
	{hansa.ModelPartnership, "Closures for positions of buses in Amstelburg", "stadbus amstelburg", "amstelburg/closures>stadbus stadbus/vehicles>amstelburg", demoForce, nil},
	{hansa.ModelDonation, "Closures of Amstelburg, open to all", "amstelburg", "amstelburg/closures>public", demoForce, map[string]string{"purpose": "traffic-information"}},
	{hansa.ModelProcurement, "Counts, bought for a bridge that is rebuilt", "amstelburg wayfare", "wayfare/counts>amstelburg", demoForce, map[string]string{"price": "EUR 800.00"}},
	{hansa.ModelClause, "Shared vehicles in Eemhoven", "eemhoven deelwiel", "deelwiel/vehicles>eemhoven", demoServed, duty("concession: Concession for shared vehicles 2025, article 7", "vehicle_id,location", "rider_id,payment_id")},
	{hansa.ModelClause, "Works in the road in Eemhoven", "eemhoven kabelgoed", "kabelgoed/works>eemhoven", demoServed, duty("permit: Frame permit for cables 2026/12", "start,end,location", "foreman_id")},
	{hansa.ModelPartnership, "Closures for taxi ranks in Eemhoven", "eemhoven taxi-unie", "eemhoven/closures>taxi-unie taxi-unie/ranks>eemhoven", demoForce, nil},
}
