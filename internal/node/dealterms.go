package node

import (
	"slices"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/controlplane/negotiation"
	"github.com/hansa-exchange/hansa/internal/controlplane/transfer"
)

// dataFormat is what data is given as where nobody says otherwise.
func dataFormat(allowed []hansa.Format) hansa.Format {
	if slices.Contains(allowed, "record") {
		return "record"
	}
	return allowed[0]
}

// unrestricted is the purpose of a read under a policy that names none.
const unrestricted hansa.Purpose = "unrestricted"

// terms is what a standing agreement lets through now, and when its policy may
// change its mind; an error says why it lets nothing through.
//
// An agreement that carries a flow of an accord has the accord's terms, which p is
// about; p is nil where it stands on none.
func (d *deal) terms(tx hansa.Tx, a *negotiation.Agreement, scope policy.Scope) (t hansa.Terms, until time.Time, p *pledge, err error) {
	compiled, err := policy.Compile(a.Policy)
	if err != nil {
		return t, until, nil, err
	}
	if p, err = pledgeUnder(tx, a.Own, a.ID); err != nil {
		return t, until, nil, err
	}
	if p != nil {
		t, err = d.pledgeTerms(p)
	} else {
		t, err = a.Policy.Terms(a.At)
	}
	if err != nil {
		return t, until, p, err
	}
	if len(t.Formats) == 0 {
		for _, c := range d.n.line.codecs {
			if c.Writer != nil {
				t.Formats = append(t.Formats, c.Name)
			}
		}
	}
	in := d.input(a.Other, t.Purposes)
	in.Agreed, in.Format, in.Accords = a.At, string(dataFormat(t.Formats)), d.held(tx, a.Own, a.Other)
	if p != nil {
		in.Agreed = p.Since
	}
	if dec := compiled.Evaluate(scope, in); !dec.Allowed {
		return t, until, p, hansa.Errorf(hansa.Denied, "%s", strings.Join(reasons(dec), "; "))
	}
	if len(t.Purposes) == 0 {
		t.Purposes = []hansa.Purpose{unrestricted}
	}
	until = compiled.NextChange(in)
	if p != nil && !t.Until.IsZero() && (until.IsZero() || t.Until.Before(until)) {
		until = t.Until
	}
	return t, until, p, nil
}

// flowUnder is the flow that an agreement stands for: the accord's, where it carries one.
func flowUnder(a *negotiation.Agreement, p *pledge) hansa.FlowID {
	if p != nil {
		return p.ID
	}
	return hansa.FlowID(named("agreement", string(a.Own), a.ID))
}

// datasetOf finds the dataset that an agreement of own is about.
func (d *deal) datasetOf(own hansa.PartyID, target string) (*hansa.Dataset, error) {
	set, err := d.n.datasetFor(hansa.Actor{Party: own}, target)
	if err != nil {
		return nil, hansa.Errorf(hansa.NotFound, "the dataset %s is not on offer any more", target)
	}
	return set, nil
}

// flowOf is the flow that an agreement stands for: one, however often data is
// transferred under it. It is open while a transfer runs.
func (d *deal) flowOf(tx hansa.Tx, t *transfer.Transfer, paused bool) (hansa.Flow, error) {
	a, err := d.negotiations.AgreementByID(tx, t.Own, t.Agreement)
	if err != nil {
		return hansa.Flow{}, err
	}
	set, err := d.datasetOf(t.Own, a.Target)
	if err != nil {
		return hansa.Flow{}, err
	}
	terms, _, p, err := d.terms(tx, a, policy.Use)
	if err != nil && !paused {
		return hansa.Flow{}, err
	}
	if p != nil {
		return d.pledgedFlow(tx, p, set, paused)
	}
	f := hansa.Flow{
		ID: flowUnder(a, nil), Name: "agreement-" + named("agreement", string(a.Own), a.ID)[:23], Dataset: set.ID, From: a.Own, To: a.Other,
		Basis: hansa.Basis{Kind: hansa.BasisAgreement, ID: a.ID, Hash: a.Hash}, Terms: terms, Paused: paused,
	}
	if n, err := d.negotiations.Get(tx, a.Own, a.Process); err == nil && n.Asked == nil && n.Offer != nil {
		if o, err := d.n.catalog.OfferByID(tx, a.Own, n.Offer.ID); err == nil {
			f.Limit = o.Limit
		}
	}
	return f, nil
}
