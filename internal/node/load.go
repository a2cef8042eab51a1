package node

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/network"
	"github.com/hansa-exchange/hansa/internal/base/trust"
	"github.com/hansa-exchange/hansa/internal/dataplane/gate"
)

// Setup is what an operator decides for the parties of a node, until they decide
// it between themselves.
type Setup struct {
	Parties     []hansa.Party
	Keys        map[hansa.PartyID][][]byte // public JWKs for receipts
	KeysFrom    time.Time                  // since when the keys are valid; zero is now
	Credentials []trust.CredentialSpec
	Datasets    []hansa.Dataset
	Flows       []hansa.Flow
	Places      map[hansa.PartyID][]hansa.Place
	Shown       map[hansa.FlowID]string // addresses of the lists that receivers publish
}

// Apply stores a setup: what is new is made, what changed is changed, what stands
// is left. Everything in it is stored or nothing.
func (n *Node) Apply(ctx context.Context, s *Setup) error {
	known, err := n.trust.Parties(ctx)
	if err != nil {
		return err
	}
	have := map[hansa.PartyID]bool{}
	for _, p := range known {
		have[p.ID] = true
	}
	held, stale, err := n.held(ctx, s.Parties)
	if err != nil {
		return err
	}
	err = n.trust.Change(ctx, func(tx hansa.Tx) error {
		for _, p := range s.Parties {
			if have[p.ID] {
				continue
			}
			if p.Since.IsZero() {
				p.Since = n.wall().UTC()
			}
			if _, err := n.trust.AddParty(tx, p); err != nil {
				return err
			}
		}
		for _, c := range stale { // refused since the restore: the operator's files decide anew
			if err := n.trust.Revoke(tx, c.Party, c.ID); err != nil {
				return err
			}
		}
		for _, c := range s.Credentials {
			if slices.Contains(held[c.Party], c.Name) {
				continue
			}
			if _, _, err := n.trust.AddCredential(tx, c); err != nil {
				if hansa.KindOf(err) == hansa.Conflict && len(stale) > 0 {
					return hansa.Errorf(hansa.Conflict, "the secret of credential %q was issued before this node was restored, and is refused", c.Name).WithHint("write a new secret into its secret_file, and give it to who uses it")
				}
				return err
			}
		}
		from := s.KeysFrom
		if from.IsZero() {
			from = n.wall().Add(-time.Minute)
		}
		for party, keys := range s.Keys {
			for _, k := range keys {
				if _, err := n.trust.RegisterKey(tx, party, k, from, time.Time{}); err != nil && hansa.KindOf(err) != hansa.Conflict {
					return err
				}
			}
		}
		return n.applyFlows(tx, s)
	})
	if err != nil {
		return err
	}
	for id, at := range s.Shown {
		if err := n.client.CheckURL(at); err != nil {
			return err
		}
		n.mu.Lock()
		n.lists[id] = at
		n.mu.Unlock()
	}
	return n.load(ctx)
}

func (n *Node) applyFlows(tx hansa.Tx, s *Setup) error {
	for i := range s.Datasets {
		if err := n.catalog.SaveDataset(tx, &s.Datasets[i]); err != nil {
			return err
		}
	}
	for i := range s.Flows {
		f := &s.Flows[i]
		if f.Basis.Kind == "" {
			switch old, err := n.catalog.FlowGiven(tx, f.From, f.ID); {
			case err != nil && hansa.KindOf(err) != hansa.NotFound:
				return err
			case err == nil && old.Basis.Kind == hansa.BasisAccord:
				continue // an accord has taken it over
			}
			b, err := json.Marshal(f.Terms, json.Deterministic(true))
			if err != nil {
				return err
			}
			sum := sha256.Sum256(b)
			f.Basis = hansa.Basis{Kind: hansa.BasisConfigured, ID: string(f.ID), Hash: hex.EncodeToString(sum[:])}
		}
		if err := n.catalog.SaveFlow(tx, f); err != nil {
			return err
		}
	}
	for party, places := range s.Places {
		if err := network.Save(tx, party, places); err != nil {
			return err
		}
	}
	return nil
}

// held lists the names of the credentials that parties have already, and those
// that a restore has made stale.
func (n *Node) held(ctx context.Context, parties []hansa.Party) (map[hansa.PartyID][]string, []trust.Credential, error) {
	epochs, err := n.db.Epochs(ctx)
	if err != nil {
		return nil, nil, err
	}
	out := map[hansa.PartyID][]string{}
	var stale []trust.Credential
	for _, p := range parties {
		list, err := n.trust.Credentials(ctx, p.ID)
		if err != nil && hansa.KindOf(err) != hansa.NotFound {
			return nil, nil, err
		}
		for _, c := range list {
			switch {
			case !c.Revoked.IsZero():
			case len(epochs) > 1 && c.Issued.Before(epochs[len(epochs)-1].Began):
				stale = append(stale, c)
			default:
				out[p.ID] = append(out[p.ID], c.Name)
			}
		}
	}
	return out, stale, nil
}

// load reads parties, places, datasets and flows into memory, compiles the gates,
// and finds where each pump stands.
func (n *Node) load(ctx context.Context) error {
	parties, err := n.trust.Parties(ctx)
	if err != nil {
		return err
	}
	for _, p := range parties {
		var places []hansa.Place
		err := n.db.Read(ctx, func(tx hansa.Tx) (err error) {
			places, err = network.Load(tx, p.ID)
			return err
		})
		if err != nil {
			return err
		}
		var named *network.Network
		if len(places) > 0 {
			if named, err = network.New(places); err != nil {
				return err
			}
		}
		n.mu.Lock()
		n.parties[p.ID] = p
		if named != nil {
			n.places[p.ID] = named
		}
		n.mu.Unlock()
	}
	if err := n.redraw(); err != nil {
		return err
	}
	for done := false; !done; {
		if done, err = n.loadFlows(ctx); err != nil {
			return err
		}
	}
	n.loaded.now()
	return nil
}

// loadFlows reads datasets and flows. A flow that was set meanwhile is newer than what
// was read: then nothing is changed, and it is read again.
func (n *Node) loadFlows(ctx context.Context) (done bool, err error) {
	n.line.mu.RLock()
	sets := n.line.sets
	n.line.mu.RUnlock()
	datasets, err := n.catalog.AllDatasets(ctx)
	if err != nil {
		return false, err
	}
	flows, err := n.catalog.AllFlows(ctx)
	if err != nil {
		return false, err
	}
	at, err := n.pumped(ctx)
	if err != nil {
		return false, err
	}
	n.line.mu.Lock()
	defer n.line.mu.Unlock()
	if sets != n.line.sets {
		return false, nil
	}
	return true, n.line.fill(datasets, flows, at)
}

// pumped reads how far each pump has come.
func (n *Node) pumped(ctx context.Context) (map[hansa.Key]hansa.Cursor, error) {
	at := map[hansa.Key]hansa.Cursor{}
	err := n.db.Read(ctx, func(tx hansa.Tx) error {
		clear(at)
		rows, err := tx.Query(`SELECT party, dataset, at FROM node_pump`)
		if err != nil {
			return err
		}
		defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
		for rows.Next() {
			var party, dataset, c string
			if err := rows.Scan(&party, &dataset, &c); err != nil {
				return err
			}
			at[hansa.Key{Party: hansa.PartyID(party), Dataset: hansa.DatasetID(dataset)}] = hansa.Cursor(c)
		}
		return rows.Err()
	})
	return at, err
}

// fill compiles the flows. l.mu is held.
func (l *line) fill(datasets []hansa.Dataset, flows []hansa.Flow, at map[hansa.Key]hansa.Cursor) error {
	byKey := map[hansa.Key]hansa.Dataset{}
	clear(l.datasets)
	for i := range datasets {
		d := &datasets[i]
		byKey[hansa.Key{Party: d.Party, Dataset: d.ID}] = *d
		l.datasets[d.Party] = append(l.datasets[d.Party], d)
	}
	clear(l.courses)
	for _, f := range flows {
		g, err := gate.Compile(&f)
		if err != nil {
			return err
		}
		key := hansa.Key{Party: f.From, Dataset: f.Dataset}
		d, ok := byKey[key]
		if !ok {
			return errors.New("internal error: flow " + string(f.ID) + " has no dataset")
		}
		l.courses[f.ID] = newCourse(f, g, d)
		if l.pumps[key] == nil {
			l.pumps[key] = &pump{at: at[key]}
		}
	}
	return nil
}

// newCourse is a flow made ready.
func newCourse(f hansa.Flow, g *gate.Gate, d hansa.Dataset) *course {
	// The end of an accord is carried out as it comes, which wakes its readers.
	timed := f.Terms.Delay > 0 || len(f.Terms.Windows) > 0 || !f.Terms.Until.IsZero() && f.Basis.Kind != hansa.BasisAccord || f.Paused
	return &course{flow: f, gate: g, dataset: d, timed: timed}
}

// Setup makes a setup of a configuration file.
func (f *File) Setup(now time.Time) (*Setup, error) {
	s := &Setup{Keys: map[hansa.PartyID][][]byte{}, Places: map[hansa.PartyID][]hansa.Place{}, Shown: map[hansa.FlowID]string{}}
	ids := map[string]hansa.PartyID{}
	for _, p := range f.Parties {
		id := hansa.PartyID(p.ID)
		if id == "" {
			id = hansa.PartyID("did:web:" + strings.ReplaceAll(f.origin(), ":", "%3A") + ":parties:" + p.Name)
		}
		ids[p.Name] = id
		s.Parties = append(s.Parties, hansa.Party{ID: id, Name: p.Name, Title: first(p.Title, p.Name), Kind: hansa.PartyKind(first(p.Kind, string(hansa.Company))), Hosted: true, Contact: p.Contact, Zone: p.Zone, Share: p.Share, Languages: p.Languages, Since: now})
		for _, name := range p.Keys {
			b, err := os.ReadFile(name)
			if err != nil {
				return nil, err
			}
			s.Keys[id] = append(s.Keys[id], b)
		}
	}
	if err := f.credentials(s, ids); err != nil {
		return nil, err
	}
	if err := f.flows(s, ids); err != nil {
		return nil, err
	}
	if f.Places != "" {
		r, err := os.Open(f.Places)
		if err != nil {
			return nil, err
		}
		defer r.Close() //nolint:errcheck // only read
		places, err := readPlaces(r)
		if err != nil {
			return nil, err
		}
		s.Places[f.Own()] = places
	}
	return s, nil
}

// Own is the party that the administrator's socket acts for.
func (f *File) Own() hansa.PartyID {
	if f.PartyID != "" {
		return hansa.PartyID(f.PartyID)
	}
	for _, p := range f.Parties {
		if f.Party == "" || p.Name == f.Party {
			if p.ID != "" {
				return hansa.PartyID(p.ID)
			}
			return hansa.PartyID("did:web:" + strings.ReplaceAll(f.origin(), ":", "%3A") + ":parties:" + p.Name)
		}
	}
	return ""
}

func (f *File) credentials(s *Setup, ids map[string]hansa.PartyID) error {
	for i, c := range f.Credentials {
		party, ok := ids[c.Party]
		if !ok {
			return hansa.Fielded("credentials.party", "there is no party %q", c.Party)
		}
		secret, err := os.ReadFile(c.SecretFile)
		if err != nil {
			return hansa.Fielded("credentials.secret_file", "credential %d: %w", i+1, err)
		}
		spec := trust.CredentialSpec{Party: party, Name: c.Name, Kind: trust.CredentialKind(first(c.Kind, string(trust.Bearer))), HeaderName: c.Header, Secret: trust.NewSecret(strings.TrimSpace(string(secret)))}
		for _, r := range c.Rights {
			spec.Rights = append(spec.Rights, hansa.Right(r))
		}
		for _, p := range c.Purposes {
			spec.Purposes = append(spec.Purposes, hansa.Purpose(p))
		}
		s.Credentials = append(s.Credentials, spec)
	}
	return nil
}

// named gives a configured thing an id of its own that is the same at each start:
// a UUID of version 8 (RFC 9562 section 5.8) made of what it is called.
func named(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	sum[6], sum[8] = sum[6]&0x0f|0x80, sum[8]&0x3f|0x80
	h := hex.EncodeToString(sum[:16])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

func (f *File) flows(s *Setup, ids map[string]hansa.PartyID) error {
	for _, d := range f.Datasets {
		party, ok := ids[d.Party]
		if !ok {
			return hansa.Fielded("datasets.party", "there is no party %q", d.Party)
		}
		s.Datasets = append(s.Datasets, hansa.Dataset{
			ID: hansa.DatasetID(named("dataset", string(party), d.Name)), Party: party, Name: d.Name, Title: d.Title, Kind: hansa.RecordKind(first(d.Kind, string(hansa.KindSituation))),
			Update: hansa.Duration(d.Update), Licence: d.Licence, Holder: d.Holder, AgeMax: hansa.Duration(d.AgeMax), BytesMax: d.BytesMax,
			Description: d.Description, Themes: d.Themes, Coverage: d.Coverage, HighValue: d.HighValue, Contact: d.Contact, Relays: d.Relays,
		})
	}
	for _, x := range f.Flows {
		from, to := ids[x.From], ids[x.To]
		if from == "" || to == "" {
			return hansa.Fielded("flows."+x.Name, "a flow names its giver and receiver among the parties")
		}
		fl := hansa.Flow{
			ID: hansa.FlowID(named("flow", string(from), x.Name)), Name: x.Name, Dataset: hansa.DatasetID(named("dataset", string(from), x.Dataset)), From: from, To: to,
			Limit: hansa.Duration(x.Limit), Paused: x.Paused, Test: x.Test,
			Terms: hansa.Terms{Fields: x.Fields, Delay: hansa.Duration(x.Delay), Precision: x.Precision, Licence: x.Licence, Attribution: x.Attribution, Conditions: x.Conditions},
		}
		for _, p := range x.Purposes {
			fl.Terms.Purposes = append(fl.Terms.Purposes, hansa.Purpose(p))
		}
		for _, p := range x.Formats {
			fl.Terms.Formats = append(fl.Terms.Formats, hansa.Format(p))
		}
		s.Flows = append(s.Flows, fl)
		if x.Shown != "" {
			s.Shown[fl.ID] = x.Shown
		}
	}
	return nil
}

func (f *File) origin() string {
	if f.Origin != "" {
		return f.Origin
	}
	host := strings.TrimPrefix(strings.TrimPrefix(f.PublicURL, "https://"), "http://")
	host, _, _ = strings.Cut(host, "/")
	return first(host, "hansa.local")
}
