package main

// accordsCmd is about agreements between parties, for both directions of data. What
// reads files needs no node.
type accordsCmd struct {
	Templates   accordsTemplatesCmd   `cmd:"" help:"Read the five templates, without a node: when to choose one, what it costs, what blocks it."`
	Draft       accordsDraftCmd       `cmd:"" help:"Draft an accord from a template, without a node."`
	Check       accordsCheckCmd       `cmd:"" help:"Hold a text to the rules of its model, without a node."`
	List        accordsListCmd        `cmd:"" help:"List accords, and those of strangers that wait for a yes."`
	New         accordsNewCmd         `cmd:"" help:"Keep a text as a draft, or change one."`
	Discard     accordsDiscardCmd     `cmd:"" help:"Throw a draft away that nobody else has."`
	Adopt       accordsAdoptCmd       `cmd:"" help:"Draft an accord of the terms that another city publishes, and show what differs."`
	Show        accordsShowCmd        `cmd:"" help:"Show an accord, or the bytes that are signed."`
	Kept        accordsKeptCmd        `cmd:"" help:"Say of each clause in force whether it is kept, as far as the evidence of the node tells."`
	History     accordsHistoryCmd     `cmd:"" help:"List every entry of an accord."`
	Diff        accordsDiffCmd        `cmd:"" help:"Compare two versions, or two files without a node: words and policy together."`
	Review      accordsReviewCmd      `cmd:"" help:"Let counsel read an accord by a link, without an account."`
	Open        accordsOpenCmd        `cmd:"" help:"Send a draft to its parties."`
	Propose     accordsProposeCmd     `cmd:"" help:"Propose a new version. Signatures over the one before fall."`
	Comment     accordsCommentCmd     `cmd:"" help:"Say something of an accord, or of a clause."`
	Accept      accordsAcceptCmd      `cmd:"" help:"Accept a clause."`
	Reject      accordsRejectCmd      `cmd:"" help:"Reject a clause."`
	Sign        accordsSignCmd        `cmd:"" help:"Sign an accord; or, without a node, a text by a key that your party keeps itself."`
	Decline     accordsDeclineCmd     `cmd:"" help:"Decline what is proposed."`
	Withdraw    accordsWithdrawCmd    `cmd:"" help:"Take back what you opened, before it is in force."`
	Serve       accordsServeCmd       `cmd:"" help:"Record that a duty was served. It binds without the other's signature."`
	Acknowledge accordsAcknowledgeCmd `cmd:"" help:"Say that you know who served a duty as the authority: what you give starts."`
	Object      accordsObjectCmd      `cmd:"" help:"Record your objection to a duty that was served."`
	Suspend     accordsSuspendCmd     `cmd:"" help:"Stop your own giving, at once."`
	Resume      accordsResumeCmd      `cmd:"" help:"Let your own giving go on."`
	End         accordsEndCmd         `cmd:"" help:"End an accord."`
	Join        accordsJoinCmd        `cmd:"" help:"Join a pool."`
	Leave       accordsLeaveCmd       `cmd:"" help:"Leave a pool: your own flows end, and no other's."`
	Erased      accordsErasedCmd      `cmd:"" help:"Certify what became of the data after the end."`
	Confirm     accordsConfirmCmd     `cmd:"" help:"Say that your measures for marked fields are in place."`
	Report      accordsReportCmd      `cmd:"" help:"Report what you did that a clause asks for: on use, a review, an acknowledgement in public."`
	Tested      accordsTestedCmd      `cmd:"" name:"accept-delivery" help:"Accept what came by a flow, or say what is wrong with it."`
	HandOver    accordsHandOverCmd    `cmd:"" help:"Hand the keeping of an accord over, or take it over."`
	Hear        accordsHearCmd        `cmd:"" help:"Say yes to a stranger who opened an accord."`
	TurnAway    accordsTurnAwayCmd    `cmd:"" help:"Turn away a stranger who opened an accord."`
}

func (accordsCmd) examples() []string {
	return []string{"hansa accords list", "hansa accords templates", "hansa accords check draft.accord", "hansa accords sign --help"}
}
