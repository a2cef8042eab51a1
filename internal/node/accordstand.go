package node

import (
	"bytes"
	"context"
	"slices"
	"strings"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
)

// stands reports why an act of a person comes to nothing as the accord stands, with the
// act that does instead. What the machine refuses anyway is said here in those cases in
// which it would first ask for something else.
func (x *accords) stands(ctx context.Context, y *saying) error {
	switch y.kind { //nolint:exhaustive // the others are the machine's
	case accord.Leave:
		if m := modelOf(y); m != hansa.ModelPool {
			instead := "hansa accords end " + string(y.s.ID) + " --on DAY --role ROLE --power POWER"
			if y.s.Force == "" {
				instead = "hansa accords decline " + string(y.s.ID) + " WHY"
			}
			return hansa.Errorf(hansa.Conflict, "the accord %s is a %s, not a pool: only a pool is left by one alone", y.s.ID, m).WithHint(instead)
		}
	case accord.Join:
		if m := modelOf(y); m != hansa.ModelPool {
			return hansa.Errorf(hansa.Conflict, "the accord %s is a %s, not a pool: only a pool is joined", y.s.ID, m).WithHint("propose a version that names the new party")
		}
	case accord.Erased:
		return x.certifies(ctx, y)
	}
	return nil
}

// modelOf is the model of what is in force, or of what is proposed while nothing is.
func modelOf(y *saying) hansa.Model {
	if y.t.force != nil {
		return y.t.force.Model
	}
	return y.t.proposed.Model
}

// certifies holds a certificate to what it has to name: the flows that it is about. One
// that names none would take the place of the one that stands.
func (x *accords) certifies(ctx context.Context, y *saying) error {
	switch {
	case y.s.Force == "":
		return hansa.Errorf(hansa.Conflict, "the accord %s has not been in force: there is nothing to certify before it has ended", y.s.ID)
	case y.a.Erasure != nil && len(y.a.Erasure.Flows) > 0:
		return nil
	}
	var owed []accord.Owed
	erasing := false
	if err := x.n.db.Read(ctx, func(tx hansa.Tx) (err error) {
		owed, erasing, err = x.n.owed(tx, y.own.ID, y.s, y.t.force)
		return err
	}); err != nil {
		return err
	}
	i := slices.IndexFunc(owed, func(o accord.Owed) bool { return o.Party == y.me })
	if i < 0 {
		if y.s.At(x.n.clock()).State != hansa.AccordEnded {
			return hansa.Errorf(hansa.Conflict, "the accord %s has not ended: there is nothing to certify yet", y.s.ID)
		}
		return hansa.Fielded("/erasure/flows", "a certificate names the flows whose data it is about, and %s owes none any more", y.own.Title).WithHint("hansa accords show " + string(y.s.ID))
	}
	var ids []string
	for _, f := range owed[i].Flows {
		ids = append(ids, string(f))
	}
	e := hansa.Fielded("/erasure/flows", "a certificate names the flows whose data it is about; %s owes it for %s", y.own.Title, strings.Join(ids, ", "))
	if erasing {
		return e.WithHint("this node erases it, and certifies it by itself")
	}
	return e.WithHint("hansa accords erased " + string(y.s.ID) + " --flow " + strings.Join(ids, ","))
}

// changes is an error where a version says what the present one says: it would drop the
// signatures for nothing.
func changes(t, present *accord.Text) error {
	was := *present
	was.Version, was.Supersedes = t.Version, t.Supersedes
	a, err := t.Canonical()
	if err != nil {
		return err
	}
	b, err := was.Canonical()
	if err != nil {
		return err
	}
	if bytes.Equal(a, b) {
		return hansa.Errorf(hansa.Conflict, "nothing is changed: this is the text of version %d, which is proposed already", present.Version).WithHint("hansa accords show " + string(t.ID) + " --text > FILE, then change FILE")
	}
	return nil
}
