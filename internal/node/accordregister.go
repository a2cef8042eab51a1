package node

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/room"
)

// standing asks for the accords in force of all parties of this node, each once, those
// that came into force last first. own's copy goes before another's that knows as much.
func (p accordpages) standing(own hansa.PartyID, after hansa.AccordID, limit int) accord.Standing {
	owns := p.n.hostedParties()
	if i := slices.Index(owns, own); i > 0 {
		owns = append([]hansa.PartyID{own}, slices.Delete(owns, i, i+1)...)
	}
	return accord.Standing{Owns: owns, Now: p.n.clock(), After: after, Limit: limit, Binds: p.binds}
}

// binds reports whether an accord binds a party of this node still, by any of its names,
// and the party has said yes to it: what another says to have served it is not published
// in its name.
func (p accordpages) binds(own hansa.PartyID, s *accord.State) bool {
	names := p.n.accordNames(p.n.party(own))
	return s.Binds(names...) && slices.ContainsFunc(names, s.Consents)
}

// hostedParties are the parties of this node, by id.
func (n *Node) hostedParties() (out []hansa.PartyID) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	for id, x := range n.parties {
		if x.Hosted {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}

// entry is an accord as the register shows it.
func (p accordpages) entry(tx hansa.Tx, r *accord.Row) (room.RegisterEntry, error) {
	s := r.State
	t, err := p.n.accords.text(tx, r.Own, s.ID, s.Force)
	if err != nil {
		return room.RegisterEntry{}, err
	}
	out := room.RegisterEntry{Text: t.Public(), Hash: s.Force, State: s.At(p.n.clock()).State, Effect: s.Effect}
	for i := range out.Text.Flows {
		if f := &out.Text.Flows[i]; f.To == hansa.PublicParty {
			if out.Open == nil {
				out.Open = map[hansa.FlowID][]string{}
			}
			out.Open[f.ID] = p.n.openAt(f.ID)
		}
	}
	gone := map[hansa.PartyID]bool{}
	for i := range s.Members {
		m := &s.Members[i]
		gone[m.Party.ID] = !m.Left.IsZero()
		if gone[m.Party.ID] {
			continue
		}
		for n := range m.Gives {
			if !t.Withholds(m.Gives[n].Name) {
				out.Given = append(out.Given, m.Gives[n])
			}
		}
		if !slices.ContainsFunc(t.Parties, func(x accord.Party) bool { return x.ID == m.Party.ID }) {
			out.Members = append(out.Members, room.AccordParty{ID: m.Party.ID, Title: m.Party.Title, Kind: m.Party.Kind})
		}
	}
	for i := range t.Parties {
		if gone[t.Parties[i].ID] {
			out.Left = append(out.Left, t.Parties[i].ID)
		}
	}
	return out, nil
}

// PublicRegister lists the accords in force, as everybody may know them.
func (p accordpages) PublicRegister(ctx context.Context, q room.RegisterQuery) (out room.RegisterPage, err error) {
	if q.Words == "" {
		return p.registered(ctx, q.After, registerShown)
	}
	own := p.n.party(p.n.own)
	err = p.n.db.Read(ctx, func(tx hansa.Tx) error {
		out = room.RegisterPage{Host: first(own.Title, own.Name)}
		return p.found(tx, q.Words, &out)
	})
	return out, err
}

// registered is a page of at most limit accords in force, as everybody may know them.
func (p accordpages) registered(ctx context.Context, after hansa.AccordID, limit int) (out room.RegisterPage, err error) {
	own := p.n.party(p.n.own)
	err = p.n.db.Read(ctx, func(tx hansa.Tx) error {
		out = room.RegisterPage{Host: first(own.Title, own.Name)}
		list, err := p.n.accords.book.Standing(tx, p.standing("", after, limit+1))
		if err != nil {
			return err
		}
		for i := range list {
			if i == limit {
				out.After = list[i-1].State.ID
				break
			}
			one, err := p.entry(tx, &list[i])
			if err != nil {
				return err
			}
			out.Entries = append(out.Entries, one)
		}
		return nil
	})
	return out, err
}

// found are the accords in force in which each of the words is, where everybody may read
// it: what is withheld finds nothing.
func (p accordpages) found(tx hansa.Tx, words string, out *room.RegisterPage) error {
	if len(words) > accord.QueryBytesMax { // a form can hold as many letters, of more bytes
		return hansa.Fielded("?q", "a search has at most %d bytes", accord.QueryBytesMax)
	}
	var list []accord.Row
	seen := map[hansa.AccordID]bool{}
	for _, own := range p.n.hostedParties() {
		for _, state := range []hansa.AccordState{hansa.AccordInForce, hansa.AccordSuspended} {
			some, err := p.n.accords.book.List(tx, accord.Query{Own: own, State: state, Now: p.n.clock(), Words: words, Limit: registerSearched})
			if err != nil {
				return err
			}
			out.More = out.More || len(some) == registerSearched
			for i := range some {
				id := some[i].State.ID
				if seen[id] {
					continue
				}
				seen[id] = true
				r, err := p.stands(tx, id)
				if err != nil {
					return err
				}
				if r != nil {
					list = append(list, *r)
				}
			}
		}
	}
	slices.SortFunc(list, func(a, b accord.Row) int {
		return cmp.Or(b.State.Effect.Compare(a.State.Effect), cmp.Compare(b.State.ID, a.State.ID))
	})
	for i := range list {
		if i == registerSearched || len(out.Entries) == registerShown {
			out.More = true
			break
		}
		one, err := p.entry(tx, &list[i])
		if err != nil {
			return err
		}
		if publicly(&one, words) {
			out.Entries = append(out.Entries, one)
		}
	}
	return nil
}

// publicly reports whether each of the words is in what everybody may read of an accord.
func publicly(e *room.RegisterEntry, words string) bool {
	var b strings.Builder
	add := func(list ...string) {
		for _, s := range list {
			b.WriteString(strings.ToLower(s))
			b.WriteByte('\n')
		}
	}
	for _, s := range e.Text.Title {
		add(s)
	}
	for i := range e.Text.Parties {
		add(e.Text.Parties[i].Title, string(e.Text.Parties[i].ID))
	}
	for _, m := range e.Members {
		add(m.Title, string(m.ID))
	}
	given := e.Flows()
	for i := range given {
		add(given[i].Name, given[i].Dataset.Name, given[i].Dataset.Title)
	}
	all := b.String()
	for word := range strings.FieldsSeq(strings.ToLower(words)) {
		if !strings.Contains(all, word) {
			return false
		}
	}
	return true
}

// stands is an accord in force as the copy here has it that was told most; nil is none.
func (p accordpages) stands(tx hansa.Tx, id hansa.AccordID) (*accord.Row, error) {
	r, err := p.n.accords.book.Knows(tx, p.n.hostedParties(), id)
	switch {
	case err != nil && hansa.KindOf(err) == hansa.NotFound:
		return nil, nil //nolint:nilnil // none is an answer
	case err != nil:
		return nil, err
	}
	if now := r.State.At(p.n.clock()).State; now != hansa.AccordInForce && now != hansa.AccordSuspended || !p.binds(r.Own, r.State) {
		return nil, nil //nolint:nilnil // none is an answer
	}
	return &r, nil
}

// PublicAccord is one accord in force, as everybody may know it.
func (p accordpages) PublicAccord(ctx context.Context, id hansa.AccordID) (out room.RegisterEntry, err error) {
	err = p.n.db.Read(ctx, func(tx hansa.Tx) error {
		r, err := p.stands(tx, id)
		if err != nil {
			return err
		}
		if r == nil {
			return hansa.Errorf(hansa.NotFound, "no accord %.60q is in force here", id).WithHint("see all at /register")
		}
		out, err = p.entry(tx, r)
		return err
	})
	return out, err
}

// AccordExchange lists the accords in force that by's party sees, and its own that wait
// for somebody.
func (p accordpages) AccordExchange(ctx context.Context, by hansa.Actor) (out room.AccordExchange, err error) {
	err = p.n.db.Read(ctx, func(tx hansa.Tx) error {
		out = room.AccordExchange{}
		list, err := p.n.accords.book.Standing(tx, p.standing(by.Party, "", exchangeShown))
		if err != nil {
			return err
		}
		if len(list) == exchangeShown {
			n, err := p.n.accords.book.CountStanding(tx, p.n.clock())
			if err != nil {
				return err
			}
			out.More = max(n-len(list), 0)
		}
		var mine []hansa.AccordID
		for i := range list {
			if list[i].Own == by.Party {
				mine = append(mine, list[i].State.ID)
			}
		}
		held, err := pledgeStates(tx, p.n.home(by.Party), mine)
		if err != nil {
			return err
		}
		for i := range list {
			one, err := p.exchanged(tx, by, &list[i], held)
			if err != nil {
				return err
			}
			out.Accords = append(out.Accords, one)
		}
		waits, err := p.n.accords.book.List(tx, accord.Query{Own: by.Party, State: hansa.AccordProposed, Now: p.n.clock(), Limit: accordsShown})
		for i := range waits {
			out.Waiting = append(out.Waiting, p.row(&waits[i]))
		}
		return err
	})
	return out, err
}

// exchanged is an accord as the exchange shows it; held are by's party's own flows.
func (p accordpages) exchanged(tx hansa.Tx, by hansa.Actor, r *accord.Row, held map[hansa.FlowID]pledgeState) (room.ExchangeAccord, error) {
	s := r.State
	b, err := p.n.accords.book.Text(tx, r.Own, s.ID, s.Force)
	if err != nil {
		return room.ExchangeAccord{}, err
	}
	t, err := accord.Skim(b)
	if err != nil {
		return room.ExchangeAccord{}, err
	}
	out := room.ExchangeAccord{ID: s.ID, Own: r.Own == by.Party, Text: t, Names: map[hansa.PartyID]room.AccordParty{}}
	if !out.Own {
		out.Text = t.Public()
	}
	out.Pairs = out.Text.Pairs(s.Members)
	if !out.Own { // what a member gives may bear a name that is withheld
		out.Pairs = slices.DeleteFunc(out.Pairs, func(x accord.Pair) bool { return t.Withholds(x.Flow.Name) })
	}
	out.Still = map[hansa.FlowID]string{}
	now := s.At(p.n.clock())
	for i := range out.Pairs {
		if state := exchangedState(&now, &out.Pairs[i], out.Own, held); state != pledgeOpen {
			out.Still[out.Pairs[i].ID] = string(state)
		}
	}
	for i := range t.Parties {
		out.Names[t.Parties[i].ID] = room.AccordParty{ID: t.Parties[i].ID, Title: t.Parties[i].Title, Kind: t.Parties[i].Kind}
	}
	for i := range s.Members {
		m := &s.Members[i].Party
		if m.Title == "" { // a party of the text that left
			continue
		}
		out.Names[m.ID] = room.AccordParty{ID: m.ID, Title: m.Title, Kind: m.Kind}
	}
	return out, nil
}

// exchangedState is how a flow stands: own's as this node holds to it, one between others
// by what is suspended of an own accord, and by the accord's own state otherwise.
func exchangedState(s *accord.State, x *accord.Pair, own bool, held map[hansa.FlowID]pledgeState) pledgeState {
	if !own {
		if s.State == hansa.AccordSuspended {
			return pledgePaused
		}
		return pledgeOpen
	}
	if state := held[x.ID]; state != "" {
		return state
	}
	if suspendedBy(s, x) != "" {
		return pledgePaused
	}
	return pledgeOpen
}
