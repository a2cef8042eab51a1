package hansa

// AccordID names an accord: a UUIDv7, given by the node of the party that opens it.
// It travels unchanged between nodes.
type AccordID string

// AccordState is how far an accord has come. Values are written to disk and wire.
type AccordState string

// The states of an accord (accords.md sections 3 to 5).
const (
	AccordDraft     AccordState = "draft"     // at its opener alone
	AccordProposed  AccordState = "proposed"  // the other parties have it
	AccordSigned    AccordState = "signed"    // by all, before its time of effect
	AccordInForce   AccordState = "in-force"  // its flows run
	AccordSuspended AccordState = "suspended" // in force, and at least one party has stopped its giving
	AccordEnded     AccordState = "ended"
)

// AccordEnd is why an accord ended. Values are written to disk and wire.
type AccordEnd string

// The ends of an accord.
const (
	EndEnded      AccordEnd = "ended"      // it was in force, and is over
	EndWithdrawn  AccordEnd = "withdrawn"  // its opener took it back
	EndDeclined   AccordEnd = "declined"   // another party would not have it
	EndLapsed     AccordEnd = "lapsed"     // its time went by
	EndSuperseded AccordEnd = "superseded" // another accord took its place
)

// PartyRole is what a party is in an accord. Values stand in signed texts.
type PartyRole string

// The roles of parties in an accord (domain.md section 1.3).
const (
	RoleGiver        PartyRole = "giver"
	RoleReceiver     PartyRole = "receiver"
	RoleBoth         PartyRole = "both"
	RoleIntermediary PartyRole = "intermediary"
	RoleProcessor    PartyRole = "processor"
	RoleBeneficiary  PartyRole = "beneficiary"
	RoleSupervisor   PartyRole = "supervisor"
)
