package node

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// demoTables is how many accords are negotiated at once.
const demoTables = 4

// demoTable is one accord while it is negotiated: every word goes through the same
// functions as those of people and programs do.
type demoTable struct {
	d  *Demo
	p  *demoPact
	at *accord.Text // what was drafted
	id hansa.AccordID
	in []string // names of its parties, the opener first

	now api.AccordDetail // as it stood after the last word
}

// demoActor is a member's program that may manage.
func demoActor(name string) hansa.Actor {
	return hansa.Actor{Party: demoParty(name), Rights: []hansa.Right{hansa.RightRead, hansa.RightManage}}
}

// negotiate makes all accords of the table and tells how far it is. An error is of the
// first that did not come to its end.
func (d *Demo) negotiate(ctx context.Context, tell func(done int)) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var wg sync.WaitGroup
	var mu sync.Mutex // guards done, and the order in which it is told
	done := 0
	tables := demoTables
	if d.quiet {
		tables = 1
	}
	free := make(chan struct{}, tables)
	for i := range demoPacts {
		p := &demoPacts[i]
		select {
		case free <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		wg.Go(func() {
			defer func() { <-free }()
			id, err := d.settle(ctx, p)
			if err != nil {
				stop(fmt.Errorf("%s: %w", p.title, err))
				return
			}
			mu.Lock()
			defer mu.Unlock()
			d.pacts[p] = id
			done++
			tell(done)
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// settle brings one accord to its end.
func (d *Demo) settle(ctx context.Context, p *demoPact) (hansa.AccordID, error) {
	t := &demoTable{d: d, p: p, in: strings.Fields(p.between)}
	if err := t.draft(ctx); err != nil || p.comes == demoDraft {
		return t.id, err
	}
	if err := t.says(ctx, t.in[0], accord.Open, api.AccordAct{}); err != nil {
		return t.id, err
	}
	return t.id, t.goes(ctx)
}

// goes plays what comes after the opening.
func (t *demoTable) goes(ctx context.Context) error {
	switch t.p.comes {
	case demoOpened, demoDraft:
		return nil
	case demoCountered:
		return t.counters(ctx)
	case demoServed:
		return t.serves(ctx)
	case demoRedlined:
		if err := t.redlines(ctx); err != nil {
			return err
		}
	case demoForce, demoJoined, demoSuspended, demoEnded:
	}
	if err := t.sign(ctx); err != nil {
		return err
	}
	var err error
	switch t.p.comes { //nolint:exhaustive // of the others there is no more to say
	case demoJoined:
		err = t.joins(ctx, "autokompas", "autokompas/speeds>members")
	case demoSuspended:
		err = t.says(ctx, t.in[0], accord.Suspend, api.AccordAct{Words: "the ranks at the harbour are being rebuilt"})
	case demoEnded:
		zone, bad := time.LoadLocation(demoZone)
		if bad != nil {
			return bad
		}
		today := t.d.node.wall().In(zone).Format(time.DateOnly)
		err = t.says(ctx, t.in[1], accord.End, api.AccordAct{Notice: today, Words: "the trial is over"})
	}
	return err
}

func (t *demoTable) draft(ctx context.Context) (err error) {
	if t.at, err = t.d.text(t.p, t.d.node.wall()); err != nil {
		return err
	}
	b, err := json.Marshal(t.at)
	if err != nil {
		return err
	}
	made, err := t.d.node.accords.DraftAccord(ctx, demoActor(t.in[0]), api.AccordDraft{Text: b})
	t.id = made.ID
	return err
}

// says does an act as a person of a member with a mandate.
func (t *demoTable) says(ctx context.Context, name string, kind accord.Kind, a api.AccordAct) error {
	a.Role, a.Power = "director", "articles of association"
	if demoMemberOf(name).kind != hansa.Company {
		a.Role, a.Power = "alderman for mobility", "mandate 2026-114"
	}
	out, err := t.d.node.accords.ActAccord(ctx, demoActor(name), t.id, kind, a)
	if err != nil {
		return fmt.Errorf("%s says %s: %w", name, kind, err)
	}
	t.now = out
	return nil
}

// sign has all sign what is proposed.
func (t *demoTable) sign(ctx context.Context) error {
	version := t.now.Proposed
	for i := range t.in { // who opened signs last
		if err := t.says(ctx, t.in[len(t.in)-1-i], accord.Sign, api.AccordAct{Base: version}); err != nil {
			return err
		}
	}
	return nil
}

// serves has the authority serve its act: who bears the duty signs nothing, and lets its data go.
func (t *demoTable) serves(ctx context.Context) error {
	err := t.says(ctx, t.in[0], accord.Serve, api.AccordAct{Service: &accord.Service{How: "portal", Reference: t.at.Basis.Reference, On: t.d.node.wall().UTC().Truncate(time.Second)}})
	for _, name := range t.in[1:] { // they know who it is
		if err == nil {
			err = t.says(ctx, name, accord.Acknowledge, api.AccordAct{Words: "the permit is ours"})
		}
	}
	return err
}

// propose proposes the present text with other values in clauses.
func (t *demoTable) propose(ctx context.Context, by, words string, values map[string]policy.Params, change func(*accord.Text)) error {
	text, err := reworded(t.now.Text, values, change)
	if err != nil {
		return err
	}
	return t.says(ctx, by, accord.Propose, api.AccordAct{Base: t.now.Proposed, Text: text, Words: words})
}

// number is the place of a clause, from 1: no proposal of the table moves one.
func (t *demoTable) number(clause string) string { return strconv.Itoa(1 + clauseIn(t.at, clause)) }

// redlines has the other side ask for a shorter time for erasure, and the opener accept
// the clause.
func (t *demoTable) redlines(ctx context.Context) error {
	opener, other := t.in[0], t.in[1]
	erase := t.number("exit-erase")
	if err := t.says(ctx, other, accord.Comment, api.AccordAct{Clause: erase, Words: "Thirty days is long for speeds by road: is a week enough?"}); err != nil {
		return err
	}
	if err := t.propose(ctx, other, "a week is enough", map[string]policy.Params{"exit-erase": {"days": "7"}}, func(x *accord.Text) { x.Term.ExitDays = 7 }); err != nil {
		return err
	}
	return t.says(ctx, opener, accord.AcceptClause, api.AccordAct{Clause: erase, Words: "Agreed."})
}

// counters leaves a counter-proposal of the opener on the table: the other side has
// commented on it and rejected one clause, and it is its turn.
func (t *demoTable) counters(ctx context.Context) error {
	opener, other := t.in[0], t.in[1]
	if err := t.propose(ctx, other, "a desk that answers sooner", map[string]policy.Params{"duty-desk": {"minutes": "5", "percent": "95"}}, nil); err != nil {
		return err
	}
	desk := map[string]policy.Params{"duty-desk": {"minutes": "10", "percent": "90"}, "notice": {"days": "60"}}
	if err := t.propose(ctx, opener, "ten minutes is what our desk can do, and a notice of two months", desk, func(x *accord.Text) { x.Term.Notice = 60 }); err != nil {
		return err
	}
	for _, w := range []struct {
		by   string
		kind accord.Kind
		a    api.AccordAct
	}{
		{other, accord.Comment, api.AccordAct{Clause: t.number("duty-desk"), Words: "Ten minutes is fine at night; by day the control room needs five."}},
		{opener, accord.Comment, api.AccordAct{Clause: t.number("duty-desk"), Words: "By day we can do seven."}},
		{other, accord.RejectClause, api.AccordAct{Clause: t.number("notice"), Words: "Two months are too short to find another source."}},
	} {
		if err := t.says(ctx, w.by, w.kind, w.a); err != nil {
			return err
		}
	}
	return nil
}

// joins has another come into a pool, with what it contributes.
func (t *demoTable) joins(ctx context.Context, name, gift string) error {
	f, _, err := t.d.flow(gift, t.d.node.wall())
	if err != nil {
		return err
	}
	return t.says(ctx, name, accord.Join, api.AccordAct{Text: t.now.Text, Keeper: t.now.Keeper, Gives: []accord.Flow{f}})
}
