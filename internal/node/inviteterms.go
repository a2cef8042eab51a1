package node

import (
	"context"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/api"
	"github.com/hansa-exchange/hansa/internal/edge/room"
)

// terms holds an invitation to the accord that it proposes, and fills in what follows
// from it: whose place the invited take, the version, and what they get.
func (v invites) terms(ctx context.Context, by hansa.Actor, p hansa.Party, k *keptInvitation) error {
	switch {
	case k.Accord == "" && k.As != "":
		return hansa.Fielded("/as", "whose place they take is said of the accord that you propose: name it").WithHint("--accord DRAFT")
	case k.Accord == "":
		return nil
	case len(k.Gives) > 0:
		return hansa.Fielded("/gives", "what they get stands in the accord that you propose: leave it out here")
	}
	if err := v.n.accords.mayAct(ctx, by, accord.Open); err != nil {
		return err
	}
	s, err := v.n.accords.State(ctx, p.ID, k.Accord)
	if err != nil {
		return hansa.Public(err).At("/accord")
	}
	if s.N > 0 {
		return hansa.Fielded("/accord", "the accord is open: its parties have it").WithHint("an invitation proposes a draft: hansa accords new FILE")
	}
	t, err := v.proposed(ctx, p.ID, k.Accord, s.Proposed)
	if err != nil {
		return err
	}
	if err := signable(t); err != nil {
		return hansa.Public(err).At("/accord")
	}
	k.Version = s.Proposed
	if k.As, err = v.place(p, t, k.As); err != nil {
		return err
	}
	k.Kind = t.Parties[slices.IndexFunc(t.Parties, func(x accord.Party) bool { return x.ID == k.As })].Kind
	if k.Basis == "" && t.Basis != nil {
		k.Basis = t.Basis.Kind + ", " + t.Basis.Reference
	}
	if k.Basis == "" {
		return hansa.Fielded("/basis", "say on which legal basis you propose it: who reads it has no other way to know")
	}
	if err := v.reach(ctx, by, t, k.As); err != nil {
		return err
	}
	k.Gives, err = givenBy(t, s.Opener, k.As, v.n.clock())
	return err
}

// proposed reads a version of own's draft.
func (v invites) proposed(ctx context.Context, own hansa.PartyID, id hansa.AccordID, hash string) (*accord.Text, error) {
	b, err := v.n.accords.Text(ctx, own, id, hash)
	if err != nil {
		return nil, err
	}
	return accord.Stored(b)
}

// read adds to what an invitation shows the text that it proposes.
func (v invites) read(ctx context.Context, i *invitation, out *room.Invited) error {
	if i.Accord == "" {
		return nil
	}
	t, err := v.proposed(ctx, i.party, i.Accord, i.Version)
	if err != nil {
		return err
	}
	out.As, out.Terms = i.As, &room.RegisterEntry{Text: t, Hash: i.Version, State: hansa.AccordDraft, Effect: v.n.clock()}
	return nil
}

// place is the party of t whose place the invited take: the one that was named, or the
// only other.
func (v invites) place(own hansa.Party, t *accord.Text, as hansa.PartyID) (hansa.PartyID, error) {
	var free []hansa.PartyID
	for i := range t.Parties {
		id := t.Parties[i].ID
		if _, here := v.n.hostedAs(id); !here {
			free = append(free, id)
		} else if id == as {
			return "", hansa.Fielded("/as", "%s is on this exchange already, and needs no invitation", t.Parties[i].Title).WithHint("hansa accords open ID")
		}
	}
	switch {
	case as != "" && !slices.Contains(free, as):
		return "", hansa.Fielded("/as", "the accord has no party %.100q", as).WithHint("name one of its parties by the id that the text gives it")
	case as != "":
		return as, nil
	case len(free) == 1:
		return free[0], nil
	case len(free) == 0:
		return "", hansa.Fielded("/accord", "all parties of the accord are on this exchange already: it can be sent to them").WithHint("hansa accords open ID")
	}
	return "", hansa.Fielded("/as", "say whose place the invited take: the accord has %d parties besides %s that are not here", len(free), own.Title)
}

// reach is an error unless all other parties could be told at once, when the invitation
// is accepted.
func (v invites) reach(ctx context.Context, by hansa.Actor, t *accord.Text, as hansa.PartyID) error {
	for i := range t.Parties {
		id := t.Parties[i].ID
		if _, here := v.n.hostedAs(id); here || id == as {
			continue
		}
		if err := v.n.opens(ctx, by, id); err != nil {
			return err
		}
	}
	return nil
}

// givenBy lists what a party of t gives to another, as an invitation says it.
func givenBy(t *accord.Text, from, to hansa.PartyID, now time.Time) ([]api.Given, error) {
	out := []api.Given{}
	for i := range t.Flows {
		f := &t.Flows[i]
		if f.From != from || f.To != to && f.To != accord.Members {
			continue
		}
		x, err := t.Terms(f, now)
		if err != nil {
			return nil, err
		}
		formats := x.Formats
		if len(formats) == 0 {
			formats = f.Formats
		}
		out = append(out, api.Given{Dataset: f.Dataset.Name, Title: f.Dataset.Title, Purposes: x.Purposes, Formats: formats, Limit: f.Limit})
	}
	if len(out) > invitedMax {
		return nil, hansa.Fielded("/accord", "an invitation proposes at most %d flows of yours, not %d", invitedMax, len(out))
	}
	return out, nil
}

// standing is the text that an invitation proposes, with the party that accepts it in
// its place.
func (v invites) standing(t *accord.Text, i *invitation, p hansa.Party) *accord.Text {
	return t.Instead(i.As, hansa.PartyID(v.n.did(p)), first(p.Title, p.Name))
}

// fits is an error when a party cannot take the place that an invitation offers.
func (v invites) fits(ctx context.Context, i *invitation, p hansa.Party) error {
	if i.Accord == "" {
		return nil
	}
	t, err := v.proposed(ctx, i.party, i.Accord, i.Version)
	if err != nil {
		return err
	}
	return v.standing(t, i, p).Validate()
}

// propose opens the accord of an invitation with the party that has accepted it, and
// returns its id. The draft itself is sent while it says what the invitation said; else,
// as when another was invited by the same draft, a new one of that version.
func (v invites) propose(ctx context.Context, by hansa.Actor, i *invitation, p hansa.Party) (hansa.AccordID, error) {
	x := v.n.accords
	t, err := v.proposed(ctx, i.party, i.Accord, i.Version)
	if err != nil {
		return "", err
	}
	s, err := x.State(ctx, i.party, i.Accord)
	if err != nil {
		return "", err
	}
	t = v.standing(t, i, p)
	again := s.N > 0 || s.Proposed != i.Version
	if again {
		t = t.Anew(func() string { return hansa.NewID(v.n.wall()) })
	}
	b, err := json.Marshal(t)
	if err != nil {
		return "", err
	}
	var d api.AccordDetail
	if again {
		d, err = x.DraftAccord(ctx, by, api.AccordDraft{Text: b})
	} else {
		d, err = x.ChangeDraft(ctx, by, i.Accord, api.AccordDraft{Text: b})
	}
	if err != nil {
		return "", err
	}
	if _, err := x.ActAccord(ctx, by, d.ID, accord.Open, api.AccordAct{Base: d.Proposed}); err != nil {
		return "", err
	}
	return d.ID, v.n.db.Write(ctx, func(tx hansa.Tx) error {
		_, err := tx.Exec(`UPDATE node_invitation SET doc = json_set(doc, '$.opened', ?) WHERE id = ?`, string(d.ID), i.ID)
		return err
	})
}
