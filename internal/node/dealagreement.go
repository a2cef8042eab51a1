package node

import (
	"context"
	"errors"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/controlplane/negotiation"
	"github.com/hansa-exchange/hansa/internal/controlplane/transfer"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// Agreements lists those of by's party, newest first.
func (d dealing) Agreements(ctx context.Context, by hansa.Actor, limit int) (out []api.Agreement, err error) {
	err = d.n.db.Read(ctx, func(tx hansa.Tx) error {
		list, err := d.negotiations.Agreements(tx, by.Party, limit)
		if err != nil {
			return err
		}
		out = make([]api.Agreement, 0, len(list))
		for i := range list {
			one, err := d.shownAgreement(&list[i])
			if err != nil {
				return err
			}
			out = append(out, one)
		}
		return nil
	})
	return out, err
}

func (d dealing) shownAgreement(a *negotiation.Agreement) (api.Agreement, error) {
	doc, err := json.Marshal(a.Policy)
	return api.Agreement{
		ID: a.ID, Party: d.n.party(a.Own).Name, Side: a.Side, Other: a.Other, OtherTitle: d.n.party(a.Other).Title, Process: a.Process, Target: a.Target,
		Hash: a.Hash, Policy: doc, Words: policy.Words(a.Policy), Purposes: d.asked(a.Policy), At: a.At, Ended: a.Ended,
	}, err
}

// EndAgreement ends the own side of an agreement: what is given under it stops at
// once, and nothing more is given. The protocol has no message for that; the other
// side hears it by the end of the transfers.
func (d dealing) EndAgreement(ctx context.Context, by hansa.Actor, id string, o api.ProcessAct) (out api.Agreement, err error) {
	if err := checkReasons(&o); err != nil {
		return out, err
	}
	err = d.write(ctx, false, func(tx hansa.Tx, w *work) error {
		a, err := d.negotiations.AgreementByID(tx, by.Party, id)
		if err != nil {
			return hansa.Public(err).WithHint("hansa agreements")
		}
		if !a.Ended.IsZero() {
			return hansa.Errorf(hansa.Conflict, "the agreement ended at %s already", a.Ended.Format(time.RFC3339))
		}
		if p, err := pledgeUnder(tx, by.Party, id); err != nil || p != nil && p.stands() {
			return errors.Join(err, p.bound())
		}
		running, err := d.transfers.All(tx, string(transfer.Requested), string(transfer.Started), string(transfer.Suspended))
		if err != nil {
			return err
		}
		for _, t := range running {
			if t.Own != by.Party || t.Agreement != id {
				continue
			}
			next, effects, err := t.Act(transfer.Message{Event: transfer.Terminate, Code: first(o.Code, "agreement-ended"), Reason: o.Reason})
			if err != nil {
				return err
			}
			if _, err := d.carryTransfer(tx, w, next, effects); err != nil {
				return err
			}
		}
		a.Ended = d.n.wall().UTC()
		if err := d.negotiations.EndAgreement(tx, by.Party, id, a.Ended); err != nil {
			return err
		}
		if err := d.n.act(tx, by, by.Party, "agreement-ended", map[string]any{"agreement": id, "code": o.Code, "reason": o.Reason}); err != nil {
			return err
		}
		out, err = d.shownAgreement(a)
		return err
	})
	return out, err
}
