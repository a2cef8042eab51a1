package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// offersCmd keeps what a party would agree to.
type offersCmd struct {
	List     offersListCmd     `cmd:"" default:"1" help:"List your offers."`
	Add      offersAddCmd      `cmd:"" help:"Offer a dataset, by terms or by a policy of your own."`
	Show     offersShowCmd     `cmd:"" help:"Show one offer with its terms."`
	Withdraw offersWithdrawCmd `cmd:"" help:"Withdraw an offer. Negotiations under way go on."`
}

func (offersCmd) examples() []string {
	return []string{"hansa offers", "hansa offers add closures --purpose navigation --as datex2 --to navco --automatic"}
}

type offersListCmd struct {
	Party string `help:"The party, by name; your own when empty." placeholder:"NAME"`
}

func (offersListCmd) examples() []string {
	return []string{"hansa offers list", "hansa offers --json"}
}

func (cmd *offersListCmd) Run(ctx context.Context, g *globals, p *printer) error {
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	var list api.OffersBody
	if err := c.do(ctx, "GET", "/api/v1/offers?"+url.Values{"party": {cmd.Party}}.Encode(), nil, &list); err != nil {
		return err
	}
	if done, err := p.show(list); done {
		return err
	}
	rows := [][]string{}
	for i := range list.Offers {
		o := &list.Offers[i]
		colour := map[string]string{"standing": teal, "withdrawn": dim}[o.State]
		rows = append(rows, []string{o.Dataset, paint(p.colourOut, colour, o.State), receivers(o), decides(o), p.at(o.Made), o.ID})
	}
	p.table([]string{"DATASET", "STATE", "TO", "DECIDES", "MADE", "ID"}, rows, "")
	if len(rows) == 0 {
		p.say("None yet. Make one: hansa offers add DATASET --purpose PURPOSE")
	}
	return nil
}

func receivers(o *api.Offer) string {
	if len(o.To) == 0 {
		return "everybody"
	}
	return joined(o.To)
}

func decides(o *api.Offer) string {
	if o.Automatic {
		return "the node"
	}
	return "a person"
}

type offersAddCmd struct {
	Dataset   string        `arg:"" help:"The dataset, by id or name."`
	Party     string        `help:"The party that offers, by name; your own when empty." placeholder:"NAME"`
	Purpose   []string      `help:"What it may be used for. May be repeated."`
	As        []string      `help:"A format that may be asked for. May be repeated; all when none is named." placeholder:"FORMAT"`
	Field     []string      `help:"A field that may leave besides identity, time and place. May be repeated; all when none is named."`
	Delay     time.Duration `help:"Hold records back for this long."`
	Precision int           `help:"Decimals of a coordinate that may leave, 0 to 7; -1 sets no bound." default:"-1"`
	From      string        `help:"When it begins to hold; at once when left out."`
	Until     string        `help:"When it ends: 2027-12-31T00:00, or +720h from now; open when left out."`
	To        []string      `help:"A party that it is made to, by name or DID. May be repeated; everybody when none is named." placeholder:"PARTY"`
	Automatic bool          `help:"The node says yes by itself; else a person does."`
	Limit     time.Duration `help:"The time from offered to live that comes with it." default:"5m"`
	Policy    string        `help:"A file with a policy of your own (ODRL), in the place of terms; - is standard input." placeholder:"FILE"`
}

func (offersAddCmd) examples() []string {
	return []string{
		"hansa offers add closures --purpose navigation --as datex2 --to navco --automatic",
		"hansa offers add closures --policy offer.json",
	}
}

func (cmd *offersAddCmd) Run(ctx context.Context, g *globals, p *printer) error {
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	o := api.OfferOrder{Party: cmd.Party, Dataset: cmd.Dataset, To: cmd.To, Automatic: cmd.Automatic, Limit: hansa.Duration(cmd.Limit)}
	if cmd.Policy != "" {
		if o.Policy, err = readPolicy(p, cmd.Policy); err != nil {
			return err
		}
	} else if o.Terms, err = cmd.terms(p); err != nil {
		return err
	}
	var x api.Offer
	if err := c.do(ctx, "POST", "/api/v1/offers", o, &x); err != nil {
		return err
	}
	if done, err := p.show(x); done {
		return err
	}
	p.say("%s is offered to %s; %s says yes. Its id: %s", x.Dataset, receivers(&x), decides(&x), x.ID)
	p.say("Take it back by: hansa offers withdraw %s", x.ID)
	return nil
}

// readPolicy reads a policy's file; - is standard input.
func readPolicy(p *printer, name string) ([]byte, error) {
	body, _, err := openInput(p, name, "json")
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(body, policyBytesMax))
	if err == nil && !jsontext.Value(b).IsValid() {
		err = &failure{exit: exitUsage, code: "file", message: fmt.Sprintf("%s holds no JSON.", name)}
	}
	return b, errors.Join(err, body.Close())
}

// policyBytesMax bounds a policy; the node takes less.
const policyBytesMax = 1 << 20

// terms makes terms of the flags.
func (cmd *offersAddCmd) terms(p *printer) (t hansa.Terms, err error) {
	t = hansa.Terms{Fields: cmd.Field, Delay: hansa.Duration(cmd.Delay)}
	if cmd.Precision >= 0 {
		t.Precision = &cmd.Precision
	}
	for _, x := range cmd.Purpose {
		t.Purposes = append(t.Purposes, hansa.Purpose(x))
	}
	for _, x := range cmd.As {
		t.Formats = append(t.Formats, hansa.Format(x))
	}
	from, err := p.when(cmd.From, time.Now(), "--from")
	if err != nil {
		return t, err
	}
	until, err := p.when(cmd.Until, time.Now(), "--until")
	if from != nil {
		t.From = *from
	}
	if until != nil {
		t.Until = *until
	}
	return t, err
}

type offersShowCmd struct {
	ID string `arg:"" help:"Its id."`
}

func (offersShowCmd) examples() []string {
	return []string{"hansa offers show 0192f0c4-7a10-7abc-8def-0123456789ab"}
}

func (cmd *offersShowCmd) Run(ctx context.Context, g *globals, p *printer) error {
	return offerAct(ctx, g, p, "GET", cmd.ID, "")
}

type offersWithdrawCmd struct {
	ID string `arg:"" help:"Its id."`
}

func (offersWithdrawCmd) examples() []string {
	return []string{"hansa offers withdraw 0192f0c4-7a10-7abc-8def-0123456789ab"}
}

func (cmd *offersWithdrawCmd) Run(ctx context.Context, g *globals, p *printer) error {
	return offerAct(ctx, g, p, "POST", cmd.ID, "/withdraw")
}

// offerAct does one act on an offer, and shows what it is then.
func offerAct(ctx context.Context, g *globals, p *printer, method, id, act string) error {
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	var o api.Offer
	if err := c.do(ctx, method, "/api/v1/offers/"+url.PathEscape(id)+act, nil, &o); err != nil {
		return err
	}
	if done, err := p.show(o); done {
		return err
	}
	rows := [][]string{{"dataset", o.Dataset}, {"state", o.State}, {"to", receivers(&o)}, {"decides", decides(&o)}, {"limit", o.Limit.String()}, {"made", p.at(o.Made)}}
	if !o.Withdrawn.IsZero() {
		rows = append(rows, []string{"withdrawn", p.at(o.Withdrawn)})
	}
	for _, says := range o.Words {
		rows = append(rows, []string{"says", clean(says)})
	}
	p.table([]string{"OFFER", o.ID}, rows, "")
	return nil
}
