package node

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/trust"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// admins is what parties decide about themselves, and the operator of parties.
type admins struct{ n *Node }

var _ api.Admin = admins{}

// act journals who did what. The document can be erased; the entry names nobody.
func (n *Node) act(tx hansa.Tx, by hansa.Actor, party hansa.PartyID, kind string, what any) error {
	doc, err := json.Marshal(map[string]any{"by": map[string]any{"party": by.Party, "credential": by.Credential, "user": by.User, "operator": admin(by)}, "what": what}, json.Deterministic(true))
	if err != nil {
		return err
	}
	_, err = n.journal.Act(tx, party, kind, doc, n.wall())
	return err
}

// partyFor finds the party that by acts for: its own, or for the operator any.
func (n *Node) partyFor(by hansa.Actor, name string) (hansa.Party, error) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	for _, p := range n.parties {
		if name == "" && p.ID == by.Party || name != "" && (p.Name == name || string(p.ID) == name) && (p.ID == by.Party || admin(by)) {
			return p, nil
		}
	}
	return hansa.Party{}, hansa.Errorf(hansa.NotFound, "there is no party %q", name).WithHint("hansa parties list")
}

// Parties lists all to the operator, and to others those that they deal with.
func (a admins) Parties(ctx context.Context, by hansa.Actor) ([]hansa.Party, error) {
	all, err := a.n.trust.Parties(ctx)
	if err != nil || admin(by) {
		return all, err
	}
	flows, err := a.n.catalog.Flows(ctx, by.Party)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(p hansa.Party) bool {
		return p.ID != by.Party && !slices.ContainsFunc(flows, func(f hansa.Flow) bool { return f.From == p.ID || f.To == p.ID })
	}), nil
}

func (a admins) AddParty(ctx context.Context, by hansa.Actor, o api.PartyOrder) (hansa.Party, error) {
	p := hansa.Party{ID: o.ID, Name: o.Name, Title: first(o.Title, o.Name), Kind: o.Kind, Hosted: true, Contact: o.Contact, Zone: o.Zone, Share: o.Share, Languages: o.Languages, Since: a.n.wall().UTC()}
	if p.Kind == "" {
		p.Kind = hansa.Company
	}
	if p.ID == "" {
		p.ID = hansa.PartyID("did:web:" + strings.ReplaceAll(a.n.cfg.Origin, ":", "%3A") + ":parties:" + p.Name)
	}
	return a.keepParty(ctx, by, p, o.Hosts, "party-added", a.n.trust.AddParty)
}

func (a admins) ChangeParty(ctx context.Context, by hansa.Actor, name string, o api.PartyOrder) (hansa.Party, error) {
	p, err := a.n.partyFor(by, name)
	switch {
	case err != nil:
		return p, err
	case o.Name != "" && o.Name != p.Name:
		return p, hansa.Fielded("/name", "a party's name stands in addresses and does not change")
	case o.ID != "" && o.ID != p.ID:
		return p, hansa.Fielded("/id", "a party's id does not change")
	}
	p.Title, p.Contact, p.Zone = first(o.Title, p.Title), first(o.Contact, p.Contact), first(o.Zone, p.Zone)
	if o.Kind != "" {
		p.Kind = o.Kind
	}
	if o.Share != 0 {
		p.Share = o.Share
	}
	if len(o.Languages) > 0 {
		p.Languages = o.Languages
	}
	return a.keepParty(ctx, by, p, o.Hosts, "party-changed", a.n.trust.ChangeParty)
}

// keepParty checks a party with its hosts, and stores them.
func (a admins) keepParty(ctx context.Context, by hansa.Actor, p hansa.Party, hosts []string, act string, store func(hansa.Tx, hansa.Party) (hansa.Party, error)) (hansa.Party, error) {
	switch {
	case !strings.HasPrefix(string(p.ID), "did:"):
		return p, hansa.Fielded("/id", "a party's id is a DID, such as did:web:navco.example, not %q", p.ID)
	case p.Share < 0 || p.Share > 1:
		return p, hansa.Fielded("/share", "a share of routed trips is 0 to 1, not %v", p.Share)
	}
	if _, err := time.LoadLocation(p.Zone); err != nil {
		return p, hansa.Fielded("/zone", "there is no time zone %q", p.Zone).WithHint("write one like Europe/Amsterdam")
	}
	for _, h := range hosts {
		if err := a.n.client.Register(h); err != nil {
			return p, hansa.Public(err).At("/hosts")
		}
	}
	err := a.n.trust.Change(ctx, func(tx hansa.Tx) (err error) {
		if p, err = store(tx, p); err != nil {
			return err
		}
		for _, h := range hosts {
			if err := saveHost(tx, h, p.ID); err != nil {
				return err
			}
		}
		return a.n.act(tx, by, p.ID, act, p)
	})
	if err != nil {
		return p, err
	}
	return p, a.n.load(ctx)
}

func (a admins) EndParty(ctx context.Context, by hansa.Actor, name string) (api.Ended, error) {
	p, err := a.n.partyFor(by, name)
	if err != nil {
		return api.Ended{}, err
	}
	if p.ID == a.n.own {
		return api.Ended{}, hansa.Errorf(hansa.Conflict, "%s is the node's own party: without it nobody operates the node", p.Name)
	}
	out := api.Ended{Party: p.Name}
	users, err := a.n.trust.Users(ctx, p.ID)
	if err != nil {
		return out, err
	}
	keys, err := a.n.trust.Credentials(ctx, p.ID)
	if err != nil {
		return out, err
	}
	err = a.n.trust.Change(ctx, func(tx hansa.Tx) error {
		out.Users, out.Credentials = 0, 0
		for i := range users {
			if users[i].Revoked.IsZero() {
				if _, err := a.n.trust.RevokeUser(tx, by, users[i].ID); err != nil {
					return err
				}
				out.Users++
			}
		}
		for i := range keys {
			if keys[i].Revoked.IsZero() {
				if err := a.n.trust.Revoke(tx, p.ID, keys[i].ID); err != nil {
					return err
				}
				out.Credentials++
			}
		}
		return a.n.act(tx, by, p.ID, "party-ended", out)
	})
	if err != nil {
		return out, err
	}
	flows, err := a.n.catalog.AllFlows(ctx)
	if err != nil {
		return out, err
	}
	for _, f := range flows {
		if (f.From == p.ID || f.To == p.ID) && !f.Paused {
			f.Paused = true
			if _, err := a.saveFlow(ctx, by, f, "flow-paused"); err != nil {
				return out, err
			}
			out.Flows++
		}
	}
	a.n.changed.soon() // open pages look again, and end
	return out, nil
}

func saveHost(tx hansa.Tx, host string, party hansa.PartyID) error {
	_, err := tx.Exec(`INSERT INTO node_host (host, party) VALUES (?, ?) ON CONFLICT (host) DO NOTHING`, strings.ToLower(strings.TrimSuffix(host, ".")), string(party))
	return err
}

// openHosts registers the hosts that were registered before.
func (n *Node) openHosts(ctx context.Context) error {
	var hosts []string
	err := n.db.Read(ctx, func(tx hansa.Tx) error {
		hosts = nil
		rows, err := tx.Query(`SELECT host FROM node_host ORDER BY host`)
		if err != nil {
			return err
		}
		defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
		for rows.Next() {
			var h string
			if err := rows.Scan(&h); err != nil {
				return err
			}
			hosts = append(hosts, h)
		}
		return rows.Err()
	})
	for _, h := range hosts {
		err = errors.Join(err, n.client.Register(h))
	}
	return err
}

func (a admins) Credentials(ctx context.Context, by hansa.Actor, party string) ([]api.Credential, error) {
	p, err := a.n.partyFor(by, party)
	if err != nil {
		return nil, err
	}
	list, err := a.n.trust.Credentials(ctx, p.ID)
	out := make([]api.Credential, 0, len(list))
	for i := range list {
		out = append(out, a.credential(p, &list[i]))
	}
	return out, err
}

func (a admins) credential(p hansa.Party, c *trust.Credential) api.Credential {
	out := api.Credential{
		ID: c.ID, Party: p.Name, Name: c.Name, Kind: string(c.Kind), Header: c.HeaderName, Rights: c.Rights, Purposes: c.Purposes, Test: c.Test,
		Issued: c.Issued, Expires: c.Expires, LastUsed: c.LastUsed, ReplacedBy: c.ReplacedBy, State: "good",
	}
	switch {
	case !c.Revoked.IsZero():
		out.State = "revoked"
	case !c.Expires.IsZero() && !a.n.wall().Before(c.Expires):
		out.State = "expired"
	case c.ReplacedBy != "":
		out.State = "replaced"
	}
	return out
}

func (a admins) AddCredential(ctx context.Context, by hansa.Actor, o api.CredentialOrder) (api.Credential, error) {
	p, err := a.n.partyFor(by, o.Party)
	if err != nil {
		return api.Credential{}, err
	}
	if len(o.Rights) == 0 {
		o.Rights = []hansa.Right{hansa.RightRead, hansa.RightReceipt}
	}
	for _, r := range o.Rights {
		if !by.May(r) { // nobody hands out what he does not hold
			return api.Credential{}, hansa.Errorf(hansa.Denied, "the right %s is not yours to give", r).With(hansa.CodeForbidden).At("/rights")
		}
	}
	if o.Days < 0 || o.Days > daysMax {
		return api.Credential{}, hansa.Fielded("/days", "a credential lasts 1 to %d days, or 0 for no end", daysMax)
	}
	spec := trust.CredentialSpec{Party: p.ID, Name: o.Name, Kind: trust.CredentialKind(first(o.Kind, string(trust.Bearer))), HeaderName: o.Header, Rights: o.Rights, Purposes: o.Purposes, Test: o.Test}
	if o.Days > 0 {
		spec.Expires = a.n.wall().AddDate(0, 0, o.Days)
	}
	return a.issue(ctx, by, p, "credential-added", func(tx hansa.Tx) (trust.Credential, trust.Secret, error) { return a.n.trust.AddCredential(tx, spec) })
}

// daysMax bounds how long a credential lasts.
const daysMax = 3650

// issue runs what makes a credential, and journals who asked for it.
func (a admins) issue(ctx context.Context, by hansa.Actor, p hansa.Party, kind string, issued func(hansa.Tx) (trust.Credential, trust.Secret, error)) (api.Credential, error) {
	var c trust.Credential
	var secret trust.Secret
	err := a.n.trust.Change(ctx, func(tx hansa.Tx) (err error) {
		if c, secret, err = issued(tx); err != nil {
			return err
		}
		return a.n.act(tx, by, p.ID, kind, c.ID)
	})
	if err != nil {
		return api.Credential{}, err
	}
	out := a.credential(p, &c)
	out.Secret = secret.Reveal()
	return out, nil
}

// credentialFor finds a credential by its id, or by its name among by's own.
func (a admins) credentialFor(ctx context.Context, by hansa.Actor, id string) (hansa.Party, string, error) {
	parties := []hansa.Party{a.n.party(by.Party)}
	if admin(by) {
		all, err := a.n.trust.Parties(ctx)
		if err != nil {
			return hansa.Party{}, "", err
		}
		parties = all
	}
	for _, p := range parties {
		list, err := a.n.trust.Credentials(ctx, p.ID)
		if err != nil {
			return p, "", err
		}
		for i := range list {
			c := &list[i]
			if c.ID != id && (p.ID != by.Party || c.Name != id || !c.Revoked.IsZero() || c.ReplacedBy != "") {
				continue
			}
			for _, r := range c.Rights {
				if !by.May(r) { // its new secret would hand out what he does not hold
					return p, "", hansa.Errorf(hansa.Denied, "only somebody with the right %s may rotate or end this credential", r).With(hansa.CodeForbidden)
				}
			}
			return p, c.ID, nil
		}
	}
	return hansa.Party{}, "", hansa.Errorf(hansa.NotFound, "there is no credential %q", id).WithHint("hansa credentials list")
}

func (a admins) RotateCredential(ctx context.Context, by hansa.Actor, id string, overlap time.Duration) (api.Credential, error) {
	p, id, err := a.credentialFor(ctx, by, id)
	if err != nil {
		return api.Credential{}, err
	}
	if overlap > overlapMax {
		return api.Credential{}, hansa.Fielded("/overlapSeconds", "an overlap has at most %s", overlapMax)
	}
	return a.issue(ctx, by, p, "credential-rotated", func(tx hansa.Tx) (trust.Credential, trust.Secret, error) {
		return a.n.trust.Rotate(tx, p.ID, id, overlap)
	})
}

// overlapMax bounds how long a replaced secret stays good.
const overlapMax = 90 * 24 * time.Hour

func (a admins) RevokeCredential(ctx context.Context, by hansa.Actor, id string) error {
	p, id, err := a.credentialFor(ctx, by, id)
	if err != nil {
		return err
	}
	return a.n.trust.Change(ctx, func(tx hansa.Tx) error {
		return errors.Join(a.n.trust.Revoke(tx, p.ID, id), a.n.act(tx, by, p.ID, "credential-ended", id))
	})
}

func (a admins) SaveDataset(ctx context.Context, by hansa.Actor, o api.DatasetOrder) (hansa.Dataset, error) {
	p, err := a.n.partyFor(by, o.Party)
	if err != nil {
		return hansa.Dataset{}, err
	}
	d := hansa.Dataset{
		ID: hansa.DatasetID(named("dataset", string(p.ID), o.Name)), Party: p.ID, Name: o.Name, Title: o.Title, Kind: o.Kind,
		Update: o.Update, Licence: o.Licence, Holder: first(o.Holder, p.Title), AgeMax: o.AgeMax, BytesMax: o.BytesMax,
		Description: o.Description, Themes: o.Themes, Coverage: o.Coverage, HighValue: o.HighValue, Contact: o.Contact, Relays: o.Relays,
	}
	if d.Kind == "" {
		d.Kind = hansa.KindSituation
	}
	err = a.n.db.Write(ctx, func(tx hansa.Tx) error {
		if err := a.n.catalog.SaveDataset(tx, &d); err != nil {
			return err
		}
		return a.n.act(tx, by, p.ID, "dataset-saved", d)
	})
	if err != nil {
		return d, err
	}
	a.n.published.forget()
	return d, a.n.load(ctx)
}

func (a admins) SaveFlow(ctx context.Context, by hansa.Actor, o api.FlowOrder) (api.FlowInfo, error) {
	from, err := a.n.partyFor(by, o.From)
	if err != nil {
		return api.FlowInfo{}, err
	}
	to, err := a.n.trust.PartyByName(ctx, o.To)
	if err != nil {
		return api.FlowInfo{}, hansa.Public(err).At("/to").WithHint("hansa parties list")
	}
	d, err := a.n.datasetFor(hansa.Actor{Party: from.ID}, o.Dataset)
	if err != nil {
		return api.FlowInfo{}, hansa.Public(err).At("/dataset")
	}
	if len(o.Terms.Purposes) == 0 {
		return api.FlowInfo{}, hansa.Fielded("/terms/purposes", "a flow names at least one purpose; without one nothing may leave")
	}
	if len(o.Terms.Formats) == 0 {
		for _, c := range a.n.line.codecs {
			if c.Writer != nil {
				o.Terms.Formats = append(o.Terms.Formats, c.Name)
			}
		}
	}
	if o.Limit < 0 {
		return api.FlowInfo{}, hansa.Fielded("/limit", "the agreed time from offered to live is longer than nothing")
	}
	f := hansa.Flow{ID: hansa.FlowID(named("flow", string(from.ID), o.Name)), Name: o.Name, Dataset: d.ID, From: from.ID, To: to.ID, Limit: o.Limit, Test: o.Test, Terms: o.Terms}
	if old, err := a.n.catalog.Flow(ctx, from.ID, f.ID); err == nil {
		f.Paused = old.Paused
		if old.Basis.Kind == hansa.BasisAccord {
			return api.FlowInfo{}, (&pledge{Accord: hansa.AccordID(old.Basis.ID)}).bound()
		}
		if old.To != f.To || old.Dataset != f.Dataset {
			return api.FlowInfo{}, hansa.Errorf(hansa.Conflict, "the flow %q goes elsewhere already", o.Name).WithHint("take another name")
		}
	}
	return a.saveFlow(ctx, by, f, "flow-saved")
}

func (a admins) saveFlow(ctx context.Context, by hansa.Actor, f hansa.Flow, kind string) (api.FlowInfo, error) {
	err := a.n.db.Write(ctx, func(tx hansa.Tx) error {
		if err := a.n.applyFlows(tx, &Setup{Flows: []hansa.Flow{f}}); err != nil {
			return err
		}
		return a.n.act(tx, by, f.From, kind, f)
	})
	if err != nil {
		return api.FlowInfo{}, err
	}
	if err := a.n.load(ctx); err != nil {
		return api.FlowInfo{}, err
	}
	c, err := a.n.line.course(f.ID)
	if err != nil {
		return api.FlowInfo{}, err
	}
	if err := a.n.line.offerPresent(ctx, c); err != nil {
		return api.FlowInfo{}, err
	}
	a.n.tick.now()
	return api.FlowInfo{Flow: c.flow, FromTitle: a.n.party(f.From).Title, ToTitle: a.n.party(f.To).Title, DatasetName: c.dataset.Name, WithoutAccord: c.flow.Basis.Kind != hansa.BasisAccord}, nil
}

func (a admins) PauseFlow(ctx context.Context, by hansa.Actor, name string, paused bool) (api.FlowInfo, error) {
	flows, err := a.n.catalog.Flows(ctx, by.Party)
	if err != nil {
		return api.FlowInfo{}, err
	}
	if admin(by) {
		if flows, err = a.n.catalog.AllFlows(ctx); err != nil {
			return api.FlowInfo{}, err
		}
	}
	for _, f := range flows {
		if (f.Name == name || string(f.ID) == name) && (f.From == by.Party || admin(by)) {
			if f.Basis.Kind == hansa.BasisAccord {
				return api.FlowInfo{}, (&pledge{Accord: hansa.AccordID(f.Basis.ID)}).bound()
			}
			f.Paused = paused
			return a.saveFlow(ctx, by, f, map[bool]string{true: "flow-paused", false: "flow-resumed"}[paused])
		}
	}
	return api.FlowInfo{}, hansa.Errorf(hansa.NotFound, "there is no flow %q that you give", name).WithHint("hansa flows list")
}

// hostOf is the host of a URL.
func hostOf(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return ""
	}
	return u.Hostname()
}
