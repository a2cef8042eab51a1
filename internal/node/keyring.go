package node

import (
	"context"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/trust"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// keyring is what the parties of the node sign with.
type keyring struct{ n *Node }

var _ api.Keyring = keyring{}

func (k keyring) Keys(ctx context.Context, by hansa.Actor, party string) (api.KeysBody, error) {
	p, err := k.n.partyFor(by, party)
	if err != nil {
		return api.KeysBody{}, err
	}
	keys, err := k.n.trust.Keys(ctx, p.ID)
	out := api.KeysBody{Party: p.ID, Keys: make([]api.PartyKey, 0, len(keys))}
	if p.Hosted {
		out.DID = k.n.did(p)
	}
	for i := range keys {
		out.Keys = append(out.Keys, k.key(ctx, p, &keys[i]))
	}
	return out, err
}

func (k keyring) key(ctx context.Context, p hansa.Party, x *trust.Key) api.PartyKey {
	jwk := x.Members()
	now := k.n.wall()
	by := accord.HeldByParty
	if held, err := k.n.trust.Holds(ctx, p.ID, x.KID); err == nil && held || x.Use == trust.UseMessage {
		by = accord.HeldByNode
	}
	out := api.PartyKey{
		KID: x.KID, Party: p.Name, Use: string(x.Use), Held: by, Alg: jwk["alg"], State: "good", ValidFrom: x.ValidFrom, ValidTo: x.ValidTo, Revoked: x.Revoked, Reason: x.Reason,
		Replaces: x.Replaces, Endorsed: x.Endorsed, JWK: jwk,
	}
	switch {
	case !x.Revoked.IsZero() && !now.Before(x.Revoked):
		out.State = "revoked"
	case now.Before(x.ValidFrom):
		out.State = "to-come"
	case !x.ValidTo.IsZero() && !now.Before(x.ValidTo):
		out.State = "expired"
	}
	return out
}

// AddKey registers the public half of a signature key that the party keeps itself.
func (k keyring) AddKey(ctx context.Context, by hansa.Actor, o api.NewKey) (api.PartyKey, error) {
	p, err := k.n.partyFor(by, o.Party)
	if err != nil {
		return api.PartyKey{}, err
	}
	if !p.Hosted {
		return api.PartyKey{}, hansa.Errorf(hansa.Invalid, "%s does not live on this node: its keys are in its own DID document", p.Title).At("/party")
	}
	jwk, err := json.Marshal(o.JWK)
	if err != nil {
		return api.PartyKey{}, err
	}
	fresh := trust.Key{Party: p.ID, JWK: string(jwk), ValidFrom: o.ValidFrom, Replaces: o.Replaces, Endorsed: o.Endorsed}
	err = k.n.trust.Change(ctx, func(tx hansa.Tx) (err error) {
		if fresh, err = k.n.trust.AddKey(tx, fresh); err != nil {
			return err
		}
		return k.n.act(tx, by, p.ID, "key-added", fresh.KID)
	})
	if err != nil {
		return api.PartyKey{}, err
	}
	return k.key(ctx, p, &fresh), nil
}

// keyFor finds a key by its id, of by's own party or for the operator of any.
func (k keyring) keyFor(ctx context.Context, by hansa.Actor, kid string) (hansa.Party, trust.Key, error) {
	parties := []hansa.Party{k.n.party(by.Party)}
	if admin(by) {
		all, err := k.n.trust.Parties(ctx)
		if err != nil {
			return hansa.Party{}, trust.Key{}, err
		}
		parties = all
	}
	for _, p := range parties {
		keys, err := k.n.trust.Keys(ctx, p.ID)
		if err != nil {
			return p, trust.Key{}, err
		}
		for i := range keys {
			if keys[i].KID == kid {
				return p, keys[i], nil
			}
		}
	}
	return hansa.Party{}, trust.Key{}, hansa.Errorf(hansa.NotFound, "there is no key %.100q", kid).WithHint("hansa keys list")
}

func (k keyring) RotateKey(ctx context.Context, by hansa.Actor, kid string, o api.KeyOrder) (api.PartyKey, error) {
	p, old, err := k.keyFor(ctx, by, kid)
	if err != nil {
		return api.PartyKey{}, err
	}
	lead, overlap := trust.KeyLead, time.Duration(o.OverlapSeconds)*time.Second
	if o.Now {
		lead = 0
	}
	if overlap == 0 {
		overlap = trust.KeyOverlap
	}
	if overlap > overlapMax {
		return api.PartyKey{}, hansa.Fielded("/overlapSeconds", "an overlap has at most %s", overlapMax)
	}
	var fresh trust.Key
	err = k.n.trust.Change(ctx, func(tx hansa.Tx) (err error) {
		if fresh, err = k.n.trust.RotateKey(tx, p.ID, kid, trust.Alg(first(o.Alg, old.Members()["alg"])), lead, overlap); err != nil {
			return err
		}
		return k.n.act(tx, by, p.ID, "key-rotated", map[string]string{"old": kid, "new": fresh.KID})
	})
	return k.key(ctx, p, &fresh), err
}

func (k keyring) RevokeKey(ctx context.Context, by hansa.Actor, kid string, o api.KeyEnd) (api.PartyKey, error) {
	p, old, err := k.keyFor(ctx, by, kid)
	if err != nil {
		return api.PartyKey{}, err
	}
	old.Revoked, old.Reason = k.n.wall().UTC(), o.Reason
	err = k.n.trust.Change(ctx, func(tx hansa.Tx) error {
		if err := k.n.trust.RevokeKey(tx, p.ID, kid, old.Revoked, o.Reason); err != nil {
			return err
		}
		return k.n.act(tx, by, p.ID, "key-ended", kid)
	})
	return k.key(ctx, p, &old), err
}
