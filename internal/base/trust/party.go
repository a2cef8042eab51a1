package trust

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/hansa-exchange/hansa"
)

// partyDoc is a party as it is stored: with its opaque id.
type partyDoc struct {
	hansa.Party
	Opaque string `json:"opaque"`
}

// AddParty stores p and returns it with its opaque id, by which the journal knows
// it. A taken id or name is Conflict; an unsound party is Invalid.
func (r *Registry) AddParty(tx hansa.Tx, p hansa.Party) (hansa.Party, error) {
	if err := p.Validate(); err != nil {
		return p, err
	}
	n, err := count(tx, `SELECT COUNT(*) FROM trust_parties`)
	if err != nil {
		return p, err
	}
	if n >= PartiesMax {
		return p, hansa.Errorf(hansa.Busy, "this node has %d parties, as many as it may", PartiesMax)
	}
	if n, err = count(tx, `SELECT COUNT(*) FROM trust_parties WHERE id = ? OR name = ?`, string(p.ID), p.Name); err != nil {
		return p, err
	}
	if n > 0 {
		return p, hansa.Errorf(hansa.Conflict, "there is a party with the id %q or the name %q already", p.ID, p.Name)
	}
	now := r.cfg.Now()
	if p.Since.IsZero() {
		p.Since = now.UTC()
	}
	p.OpaqueID = hansa.NewID(now)
	doc, sum, err := seal(partyDoc{Party: p, Opaque: p.OpaqueID}, string(p.ID))
	if err != nil {
		return p, err
	}
	_, err = tx.Exec(`INSERT INTO trust_parties (id, name, opaque_id, doc, sum) VALUES (?, ?, ?, ?, ?)`,
		string(p.ID), p.Name, p.OpaqueID, doc, sum)
	if err != nil {
		return p, fmt.Errorf("write party %s: %w", p.ID, err)
	}
	return p, nil
}

// ChangeParty stores what p says now under its id; its name, opaque id and since
// when it is there stay.
func (*Registry) ChangeParty(tx hansa.Tx, p hansa.Party) (hansa.Party, error) {
	var doc, sum []byte
	err := tx.QueryRow(`SELECT doc, sum FROM trust_parties WHERE id = ?`, string(p.ID)).Scan(&doc, &sum)
	if errors.Is(err, sql.ErrNoRows) {
		return p, hansa.Errorf(hansa.NotFound, "there is no party %q on this node", p.ID)
	}
	if err != nil {
		return p, fmt.Errorf("read party %s: %w", p.ID, err)
	}
	var old partyDoc
	if err := unseal("party", doc, sum, &old, string(p.ID)); err != nil {
		return p, err
	}
	p.Name, p.Since, p.OpaqueID = old.Name, old.Since, old.Opaque
	if err := p.Validate(); err != nil {
		return p, err
	}
	if doc, sum, err = seal(partyDoc{Party: p, Opaque: old.Opaque}, string(p.ID)); err != nil {
		return p, err
	}
	if _, err := tx.Exec(`UPDATE trust_parties SET doc = ?, sum = ? WHERE id = ?`, doc, sum, string(p.ID)); err != nil {
		return p, fmt.Errorf("write party %s: %w", p.ID, err)
	}
	return p, nil
}

// Party returns the party with id, or NotFound.
func (r *Registry) Party(ctx context.Context, id hansa.PartyID) (hansa.Party, error) {
	s, err := r.load(ctx)
	if err != nil {
		return hansa.Party{}, err
	}
	p, ok := s.parties[id]
	if !ok {
		return hansa.Party{}, hansa.Errorf(hansa.NotFound, "there is no party %q on this node", id)
	}
	return p, nil
}

// PartyByName returns the party with name, or NotFound.
func (r *Registry) PartyByName(ctx context.Context, name string) (hansa.Party, error) {
	s, err := r.load(ctx)
	if err != nil {
		return hansa.Party{}, err
	}
	for _, p := range s.parties {
		if p.Name == name {
			return p, nil
		}
	}
	return hansa.Party{}, hansa.Errorf(hansa.NotFound, "there is no party named %q on this node", name)
}

// Parties returns all parties by name.
func (r *Registry) Parties(ctx context.Context) ([]hansa.Party, error) {
	s, err := r.load(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]hansa.Party, 0, len(s.parties))
	for _, p := range s.parties {
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b hansa.Party) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}

// hasParty is an error unless party is in the tables as tx sees them.
func hasParty(tx hansa.Tx, party hansa.PartyID) error {
	n, err := count(tx, `SELECT COUNT(*) FROM trust_parties WHERE id = ?`, string(party))
	if err != nil {
		return err
	}
	if n == 0 {
		return hansa.Errorf(hansa.NotFound, "there is no party %q on this node", party)
	}
	return nil
}
