package hansa

// Model says how the parties of an accord share data. Values are written to disk
// and stand in signed texts: append, never rename.
type Model string

// The five sharing models.
const (
	ModelDonation    Model = "donation"    // given for a purpose of general interest, without a price
	ModelProcurement Model = "procurement" // bought: a price, a service level, an acceptance
	ModelPartnership Model = "partnership" // both sides give
	ModelPool        Model = "pool"        // at least three contribute, and others may join
	ModelClause      Model = "clause"      // a duty of a tender, a permit, a concession or a by-law
)

// Models lists the sharing models in the order in which pages offer them.
func Models() []Model {
	return []Model{ModelPartnership, ModelDonation, ModelProcurement, ModelPool, ModelClause}
}
