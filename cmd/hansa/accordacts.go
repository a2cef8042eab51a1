package main

import (
	"context"
	"net/url"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// accordRef is the accord that a command is about.
type accordRef struct {
	ID    string `arg:"" help:"The accord, by its id or the beginning of it."`
	Party string `help:"The party that acts, by name; your own when empty." placeholder:"NAME"`
}

// act says something of an accord, and shows how it stands then.
func (r *accordRef) act(ctx context.Context, g *globals, p *printer, kind accord.Kind, a api.AccordAct) error {
	c, id, err := g.accordAt(ctx, p, r.ID)
	if err != nil {
		return err
	}
	a.Party = r.Party
	return c.says(ctx, p, id, kind, a)
}

func (c *client) says(ctx context.Context, p *printer, id string, kind accord.Kind, a api.AccordAct) error {
	var d api.AccordDetail
	if err := c.do(ctx, "POST", "/api/v1/accords/"+id+"/acts/"+string(kind), a, &d); err != nil {
		return err
	}
	return p.accord(&d)
}

// binds is what an act that binds asks of who signs.
type binds struct {
	Role      string `help:"In which role you sign." placeholder:"ROLE"`
	Power     string `help:"By which power: a mandate, a statute, an entry in a register." placeholder:"POWER"`
	Signature string `help:"The file of a signature by a key that your party keeps itself, in the place of role and power." placeholder:"FILE"`
}

func (b *binds) on(a api.AccordAct) (api.AccordAct, error) {
	a.Role, a.Power = b.Role, b.Power
	if b.Signature == "" {
		return a, nil
	}
	a.Signature = &accord.Signature{}
	return a, readInto(b.Signature, "signature", "hansa accords sign FILE --key KEY > "+quoted(b.Signature)+" makes one", a.Signature)
}

type accordsNewCmd struct {
	Text     string            `arg:"" optional:"" help:"The file of the text, as hansa accords draft makes one."`
	ID       string            `help:"Change this draft in the place of making one." placeholder:"ID"`
	FromFlow string            `help:"In the place of a file: draft what this flow without an accord does, by its id or name. Once in force, the accord takes the flow over." placeholder:"FLOW"`
	Request  string            `help:"The accepted request that it answers, by its id or the beginning of it: both sides see what it came to." placeholder:"ID"`
	Model    string            `help:"With --from-flow: donation, procurement, partnership, pool or clause; when left out partnership, and donation of what goes to the public." placeholder:"MODEL"`
	Answers  map[string]string `name:"answer" mapsep:"none" help:"With --from-flow: an answer to the template's question; once for each." placeholder:"NAME=ANSWER"`
	Personal map[string]string `mapsep:"none" help:"With --from-flow, of personal data: roles, basis, assessment, retention (days) or country; once for each." placeholder:"NAME=VALUE"`
	Party    string            `help:"The party whose draft it is, by name; your own when empty." placeholder:"NAME"`
}

func (accordsNewCmd) examples() []string {
	return []string{"hansa accords new closures.accord", "hansa accords new closures.accord --id ID", "hansa accords new closures.accord --request 0192f0c4", "hansa accords new --from-flow navco-closures --answer 'gets/1=jams within a minute'"}
}

func (cmd *accordsNewCmd) Run(ctx context.Context, g *globals, p *printer) error {
	if (cmd.Text == "") == (cmd.FromFlow == "") {
		return &failure{exit: exitUsage, code: "usage", message: "A draft is made of a file, or with --from-flow of a flow: name one of the two.", hint: "hansa accords new --help"}
	}
	if cmd.FromFlow != "" {
		return cmd.fromFlow(ctx, g, p)
	}
	text, err := rawText(cmd.Text)
	if err != nil {
		return err
	}
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	method, path := "POST", "/api/v1/accords"
	if cmd.ID != "" {
		id, err := c.accordID(ctx, cmd.ID)
		if err != nil {
			return err
		}
		method, path = "PUT", path+"/"+id
	}
	o := api.AccordDraft{Party: cmd.Party, Text: text}
	if cmd.Request != "" {
		id, err := c.askID(ctx, cmd.Request)
		if err != nil {
			return err
		}
		o.Request = hansa.AccordID(id)
	}
	var d api.AccordDetail
	if err := c.do(ctx, method, path, o, &d); err != nil {
		return err
	}
	if err := p.accord(&d); err != nil {
		return err
	}
	p.say("Next: hansa accords open %s", d.ID)
	return nil
}

type accordsDiscardCmd struct{ accordRef }

func (accordsDiscardCmd) examples() []string {
	return []string{"hansa accords discard ID", "hansa accords discard ID --yes"}
}

func (cmd *accordsDiscardCmd) Run(ctx context.Context, g *globals, p *printer) error {
	c, id, err := g.accordAt(ctx, p, cmd.ID)
	if err != nil {
		return err
	}
	if err := p.ask(g, "Throw the draft "+clean(id)+" away, for good? [y/N] "); err != nil {
		return err
	}
	if err := c.do(ctx, "DELETE", "/api/v1/accords/"+url.PathEscape(id)+"?"+url.Values{"party": {cmd.Party}}.Encode(), nil, nil); err != nil {
		return err
	}
	if done, err := p.show(map[string]any{"discarded": id}); done {
		return err
	}
	p.say("The draft is thrown away. Nobody else had it.")
	return nil
}

type accordsOpenCmd struct {
	accordRef
	Invitation string `help:"The token of an invitation from the other party." placeholder:"TOKEN"`
}

func (accordsOpenCmd) examples() []string { return []string{"hansa accords open ID"} }

func (cmd *accordsOpenCmd) Run(ctx context.Context, g *globals, p *printer) error {
	return cmd.act(ctx, g, p, accord.Open, api.AccordAct{Invitation: cmd.Invitation})
}

type accordsProposeCmd struct {
	accordRef
	Text  string `arg:"" help:"The file of the new text."`
	Words string `help:"Why, in a sentence."`
}

func (accordsProposeCmd) examples() []string {
	return []string{"hansa accords propose ID closures.accord --words 'a longer notice'"}
}

func (cmd *accordsProposeCmd) Run(ctx context.Context, g *globals, p *printer) error {
	text, err := rawText(cmd.Text)
	if err != nil {
		return err
	}
	return cmd.act(ctx, g, p, accord.Propose, api.AccordAct{Text: text, Words: cmd.Words})
}

type accordsCommentCmd struct {
	accordRef
	Words  string `arg:"" help:"What you say."`
	Clause string `help:"Of which clause, by its number." placeholder:"NUMBER"`
}

func (accordsCommentCmd) examples() []string {
	return []string{"hansa accords comment ID 'navigation alone?' --clause 3"}
}

func (cmd *accordsCommentCmd) Run(ctx context.Context, g *globals, p *printer) error {
	return cmd.act(ctx, g, p, accord.Comment, api.AccordAct{Words: cmd.Words, Clause: cmd.Clause})
}

type accordsAcceptCmd struct {
	accordRef
	Clause string `arg:"" help:"The clause, by its number."`
	Words  string `help:"What you say of it."`
}

func (accordsAcceptCmd) examples() []string { return []string{"hansa accords accept ID 3"} }

func (cmd *accordsAcceptCmd) Run(ctx context.Context, g *globals, p *printer) error {
	return cmd.act(ctx, g, p, accord.AcceptClause, api.AccordAct{Clause: cmd.Clause, Words: cmd.Words})
}

type accordsRejectCmd struct {
	accordRef
	Clause string `arg:"" help:"The clause, by its number."`
	Words  string `help:"Why."`
}

func (accordsRejectCmd) examples() []string {
	return []string{"hansa accords reject ID 3 --words 'not for advertising'"}
}

func (cmd *accordsRejectCmd) Run(ctx context.Context, g *globals, p *printer) error {
	return cmd.act(ctx, g, p, accord.RejectClause, api.AccordAct{Clause: cmd.Clause, Words: cmd.Words})
}

type accordsDeclineCmd struct {
	accordRef
	Words string `arg:"" help:"Why."`
}

func (accordsDeclineCmd) examples() []string {
	return []string{"hansa accords decline ID 'we have no counts'"}
}

func (cmd *accordsDeclineCmd) Run(ctx context.Context, g *globals, p *printer) error {
	return cmd.act(ctx, g, p, accord.Decline, api.AccordAct{Words: cmd.Words})
}

type accordsWithdrawCmd struct {
	accordRef
	Words string `help:"Why."`
}

func (accordsWithdrawCmd) examples() []string { return []string{"hansa accords withdraw ID"} }

func (cmd *accordsWithdrawCmd) Run(ctx context.Context, g *globals, p *printer) error {
	return cmd.act(ctx, g, p, accord.Withdraw, api.AccordAct{Words: cmd.Words})
}

type accordsSuspendCmd struct {
	accordRef
	Flow  string `help:"One flow alone, by its id." placeholder:"ID"`
	Words string `help:"Why."`
}

func (accordsSuspendCmd) examples() []string {
	return []string{"hansa accords suspend ID --words 'a leak is being looked at'"}
}

func (cmd *accordsSuspendCmd) Run(ctx context.Context, g *globals, p *printer) error {
	return cmd.act(ctx, g, p, accord.Suspend, api.AccordAct{Flow: hansa.FlowID(cmd.Flow), Words: cmd.Words})
}

type accordsResumeCmd struct {
	accordRef
	Flow  string `help:"One flow alone, by its id." placeholder:"ID"`
	Words string `help:"Why."`
}

func (accordsResumeCmd) examples() []string { return []string{"hansa accords resume ID"} }

func (cmd *accordsResumeCmd) Run(ctx context.Context, g *globals, p *printer) error {
	return cmd.act(ctx, g, p, accord.Resume, api.AccordAct{Flow: hansa.FlowID(cmd.Flow), Words: cmd.Words})
}

type accordsEndCmd struct {
	accordRef
	binds
	On    string `help:"Its last day; today ends it at once." placeholder:"2026-12-31"`
	Words string `help:"Why."`
}

func (accordsEndCmd) examples() []string {
	return []string{"hansa accords end ID --on 2026-12-31 --role alderman --power 'mandate 2026-114'"}
}

func (cmd *accordsEndCmd) Run(ctx context.Context, g *globals, p *printer) error {
	a, err := cmd.on(api.AccordAct{Notice: first(cmd.On, time.Now().Format(time.DateOnly)), Words: cmd.Words})
	if err != nil {
		return err
	}
	return cmd.act(ctx, g, p, accord.End, a)
}

type accordsLeaveCmd struct {
	accordRef
	binds
	Words string `help:"Why."`
}

func (accordsLeaveCmd) examples() []string {
	return []string{"hansa accords leave ID --role director --power statute"}
}

func (cmd *accordsLeaveCmd) Run(ctx context.Context, g *globals, p *printer) error {
	a, err := cmd.on(api.AccordAct{Words: cmd.Words})
	if err != nil {
		return err
	}
	return cmd.act(ctx, g, p, accord.Leave, a)
}

// givesForm is what the file of --gives holds.
const givesForm = `[{"id":"UUID","name":"counts","from":"YOUR DID","to":"members","dataset":{"name":"counts","title":"Counts","kind":"observation"},"formats":["record"]}]`

type accordsJoinCmd struct {
	binds
	Text   string `arg:"" help:"The file of the pool's text."`
	Keeper string `help:"The DID of the party that keeps the pool." required:"" placeholder:"DID"`
	Gives  string `help:"The file of what you contribute: a JSON list of flows, each as under flows in the pool's text, from you to members." placeholder:"FILE"`
	Party  string `help:"The party that joins, by name; your own when empty." placeholder:"NAME"`
}

// Help says what the file of --gives holds.
func (accordsJoinCmd) Help() string {
	return "The file of --gives holds the flows that you contribute, each from you to all members, as under flows in the pool's text; an id is a UUID of your own:\n\n" + givesForm
}

func (accordsJoinCmd) examples() []string {
	return []string{"hansa accords join pool.accord --keeper did:web:city.example --role director --power statute", "hansa accords join pool.accord --keeper did:web:city.example --gives gives.json --role director --power statute"}
}

func (cmd *accordsJoinCmd) Run(ctx context.Context, g *globals, p *printer) error {
	t, err := textFile(cmd.Text)
	if err != nil {
		return err
	}
	a := api.AccordAct{Keeper: hansa.PartyID(cmd.Keeper), Party: cmd.Party}
	if a.Text, err = rawText(cmd.Text); err != nil {
		return err
	}
	if cmd.Gives != "" {
		if err := readInto(cmd.Gives, "list of flows", givesForm, &a.Gives); err != nil {
			return err
		}
	}
	if a, err = cmd.on(a); err != nil {
		return err
	}
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	return c.says(ctx, p, string(t.ID), accord.Join, a)
}

type accordsHandOverCmd struct {
	accordRef
	binds
	To string `help:"The DID of the party that is to keep it. Left out, you take over the keeping that was offered to you." placeholder:"DID"`
}

func (accordsHandOverCmd) examples() []string {
	return []string{"hansa accords hand-over ID --to did:web:hub.example --role alderman --power 'mandate 2026-114'", "hansa accords hand-over ID --role director --power statute"}
}

func (cmd *accordsHandOverCmd) Run(ctx context.Context, g *globals, p *printer) error {
	a, err := cmd.on(api.AccordAct{Keeper: hansa.PartyID(cmd.To)})
	if err != nil {
		return err
	}
	return cmd.act(ctx, g, p, accord.HandOver, a)
}

type accordsErasedCmd struct {
	accordRef
	Rule    string   `help:"What became of the data, by the accord's exit rule." enum:"keep,return,erase" default:"erase"`
	Flow    []string `help:"A flow whose data it is, by its id. May be repeated." placeholder:"ID"`
	Backups string   `help:"Until which day backups hold them still." placeholder:"2027-03-31"`
	Onward  []string `help:"A receiver further on that was told. May be repeated." placeholder:"NAME"`
	Words   string   `help:"What else there is to say."`
}

func (accordsErasedCmd) examples() []string {
	return []string{"hansa accords erased ID --flow FLOW --backups 2027-03-31"}
}

func (cmd *accordsErasedCmd) Run(ctx context.Context, g *globals, p *printer) error {
	e := &accord.Erasure{Rule: cmd.Rule, Flows: []hansa.FlowID{}, On: time.Now().UTC().Truncate(time.Second), Backups: cmd.Backups, Onward: cmd.Onward}
	for _, f := range cmd.Flow {
		e.Flows = append(e.Flows, hansa.FlowID(f))
	}
	return cmd.act(ctx, g, p, accord.Erased, api.AccordAct{Erasure: e, Words: cmd.Words})
}

type accordsConfirmCmd struct {
	accordRef
	Flow  string `arg:"" help:"The flow with marked fields, by its id."`
	Words string `arg:"" help:"Which measures are in place."`
}

func (accordsConfirmCmd) examples() []string {
	return []string{"hansa accords confirm ID FLOW 'read by two people, kept encrypted'"}
}

func (cmd *accordsConfirmCmd) Run(ctx context.Context, g *globals, p *printer) error {
	return cmd.act(ctx, g, p, accord.ConfirmMeasures, api.AccordAct{Flow: hansa.FlowID(cmd.Flow), Words: cmd.Words})
}

// accordsHearCmd says yes or no to who opened an accord and is not known here.
type accordsHearCmd struct {
	ID string `arg:"" help:"The accord, as hansa accords list --waiting shows it."`
}

func (accordsHearCmd) examples() []string { return []string{"hansa accords hear ID"} }

func (cmd *accordsHearCmd) Run(ctx context.Context, g *globals, p *printer) error {
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	if err := c.do(ctx, "POST", "/api/v1/accord-contacts/"+cmd.ID+"/yes", struct{}{}, nil); err != nil {
		return err
	}
	p.say("Next: hansa accords show %s", cmd.ID)
	return nil
}

type accordsTurnAwayCmd struct {
	ID string `arg:"" help:"The accord, as hansa accords list --waiting shows it."`
}

func (accordsTurnAwayCmd) examples() []string { return []string{"hansa accords turn-away ID"} }

func (cmd *accordsTurnAwayCmd) Run(ctx context.Context, g *globals, p *printer) error {
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	return c.do(ctx, "POST", "/api/v1/accord-contacts/"+cmd.ID+"/no", struct{}{}, nil)
}
