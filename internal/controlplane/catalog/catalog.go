// Package catalog keeps what is on offer: datasets, the offers made for them, and
// the flows that carry them from one party to another, each standing on a basis;
// and what others offer at the nodes that we know. A reader sees what its party
// gives or receives, or may have, and nothing else; a flow whose terms the gate
// cannot hold, and an offer whose policy nobody can, is never saved.
package catalog

import (
	"context"
	"database/sql"
	"errors"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
)

// Limits of what one party may have.
const (
	DatasetsMax = 10_000
	FlowsMax    = 10_000
	FlowsToMax  = 2_000 // to one receiver: one alone leaves room for others
)

// Catalog is the datasets and flows of the parties of a node.
type Catalog struct {
	db    hansa.DB
	check func(*hansa.Flow) error
	ready *ready
}

// New returns the catalogue kept in db. check says whether the gate can hold a
// flow's terms; an error of kind Invalid keeps the flow from being saved.
func New(db hansa.DB, check func(*hansa.Flow) error) *Catalog {
	return &Catalog{db: db, check: check, ready: &ready{described: map[string]WireDataset{}, compiled: map[string]*policy.Compiled{}, offered: map[string]offered{}}}
}

// Migrations returns the room's tables.
func Migrations() []hansa.Migration {
	return []hansa.Migration{{Room: "catalog", Number: 1, Statements: []string{
		`CREATE TABLE dataset (
			party TEXT NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL,
			PRIMARY KEY (party, id), UNIQUE (party, name))`,
		`CREATE TABLE flow (
			id TEXT NOT NULL PRIMARY KEY, giver TEXT NOT NULL, receiver TEXT NOT NULL, dataset TEXT NOT NULL, name TEXT NOT NULL,
			basis_kind TEXT NOT NULL, basis_id TEXT NOT NULL, basis_hash TEXT NOT NULL, body TEXT NOT NULL,
			UNIQUE (giver, name))`,
		`CREATE INDEX flow_receiver ON flow (receiver)`,
		`CREATE INDEX flow_dataset ON flow (giver, dataset)`,
	}}, {Room: "catalog", Number: 2, Statements: []string{
		`CREATE TABLE catalog_offer (
			party TEXT NOT NULL, id TEXT NOT NULL, dataset TEXT NOT NULL, policy TEXT NOT NULL, terms TEXT NOT NULL, automatic INTEGER NOT NULL, everybody INTEGER NOT NULL,
			live_within BIGINT NOT NULL, made BIGINT NOT NULL, withdrawn BIGINT NOT NULL, checksum TEXT NOT NULL, PRIMARY KEY (party, id))`,
		`CREATE INDEX catalog_offer_page ON catalog_offer (party, withdrawn, dataset, id)`,
		`CREATE TABLE catalog_offer_to (party TEXT NOT NULL, offer TEXT NOT NULL, receiver TEXT NOT NULL, PRIMARY KEY (party, offer, receiver))`,
	}}, {Room: "catalog", Number: 3, Statements: []string{
		`CREATE TABLE catalog_elsewhere (
			party TEXT NOT NULL, base TEXT NOT NULL, participant TEXT NOT NULL, tried BIGINT NOT NULL, good BIGINT NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (party, base))`,
		`CREATE TABLE catalog_known_page (party TEXT NOT NULL, base TEXT NOT NULL, page TEXT NOT NULL, etag TEXT NOT NULL, next TEXT NOT NULL, PRIMARY KEY (party, base, page))`,
		`CREATE TABLE catalog_known (
			party TEXT NOT NULL, base TEXT NOT NULL, dataset TEXT NOT NULL, participant TEXT NOT NULL, page TEXT NOT NULL, body TEXT NOT NULL, words TEXT NOT NULL,
			checksum TEXT NOT NULL, first BIGINT NOT NULL, changed BIGINT NOT NULL, gone BIGINT NOT NULL, PRIMARY KEY (party, base, dataset))`,
	}}}
}

// SaveDataset stores d, new or changed. A name that its party already uses for
// another dataset is a Conflict.
func (*Catalog) SaveDataset(tx hansa.Tx, d *hansa.Dataset) error {
	if err := d.Validate(); err != nil {
		return err
	}
	var n int
	var other sql.NullString
	err := tx.QueryRow(`SELECT count(*), max(CASE WHEN name = ? AND id <> ? THEN id END) FROM dataset WHERE party = ?`, d.Name, string(d.ID), string(d.Party)).Scan(&n, &other)
	if err != nil {
		return err
	}
	if other.Valid {
		return hansa.Errorf(hansa.Conflict, "%s already has a dataset %q", d.Party, d.Name)
	}
	if n >= DatasetsMax {
		return hansa.Errorf(hansa.Busy, "a party has at most %d datasets", DatasetsMax)
	}
	b, err := json.Marshal(d, json.Deterministic(true))
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO dataset (party, id, name, body) VALUES (?, ?, ?, ?)
		ON CONFLICT (party, id) DO UPDATE SET name = excluded.name, body = excluded.body`, string(d.Party), string(d.ID), d.Name, string(b))
	return err
}

// SaveFlow stores f, new or changed, after the gate has said that it can hold
// its terms. The dataset must be the giver's own.
func (c *Catalog) SaveFlow(tx hansa.Tx, f *hansa.Flow) error {
	if err := f.Validate(); err != nil {
		return err
	}
	if err := c.check(f); err != nil {
		return err
	}
	var n int
	if err := tx.QueryRow(`SELECT count(*) FROM dataset WHERE party = ? AND id = ?`, string(f.From), string(f.Dataset)).Scan(&n); err != nil {
		return err
	}
	if n == 0 {
		return hansa.Fielded("/dataset", "%s has no dataset %s to give", f.From, f.Dataset)
	}
	var other sql.NullString
	var same, to int // an own flow that is there changes, and ends, whatever the limits
	err := tx.QueryRow(`SELECT count(*), max(CASE WHEN name = ? AND id <> ? THEN id END), COALESCE(SUM(CASE WHEN id = ? THEN 1 ELSE 0 END), 0), COALESCE(SUM(CASE WHEN receiver = ? THEN 1 ELSE 0 END), 0) FROM flow WHERE giver = ?`,
		f.Name, string(f.ID), string(f.ID), string(f.To), string(f.From)).Scan(&n, &other, &same, &to)
	if err != nil {
		return err
	}
	if other.Valid {
		return hansa.Errorf(hansa.Conflict, "%s already has a flow %q", f.From, f.Name)
	}
	switch {
	case same > 0:
	case n >= FlowsMax:
		return hansa.Errorf(hansa.Busy, "a party gives at most %d flows", FlowsMax)
	case to >= FlowsToMax:
		return hansa.Errorf(hansa.Busy, "a party gives at most %d flows to one receiver", FlowsToMax)
	}
	b, err := json.Marshal(f, json.Deterministic(true))
	if err != nil {
		return err
	}
	res, err := tx.Exec(`INSERT INTO flow (id, giver, receiver, dataset, name, basis_kind, basis_id, basis_hash, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET receiver = excluded.receiver, dataset = excluded.dataset, name = excluded.name, basis_kind = excluded.basis_kind,
			basis_id = excluded.basis_id, basis_hash = excluded.basis_hash, body = excluded.body WHERE flow.giver = excluded.giver`,
		string(f.ID), string(f.From), string(f.To), string(f.Dataset), f.Name, string(f.Basis.Kind), f.Basis.ID, f.Basis.Hash, string(b))
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, hansa.Fielded("/id", "there is a flow of this id already").With(hansa.CodeConflict))
	}
	return nil
}

// FlowIDTaken reports whether a flow of this id is given by another than giver.
func (*Catalog) FlowIDTaken(tx hansa.Tx, giver hansa.PartyID, id hansa.FlowID) (bool, error) {
	var n int
	err := tx.QueryRow(`SELECT COUNT(*) FROM flow WHERE id = ? AND giver <> ?`, string(id), string(giver)).Scan(&n)
	return n > 0, err
}

// Datasets lists the datasets of one party by name.
func (c *Catalog) Datasets(ctx context.Context, party hansa.PartyID) ([]hansa.Dataset, error) {
	return list[hansa.Dataset](ctx, c.db, `SELECT body FROM dataset WHERE party = ? ORDER BY name`, string(party))
}

// AllDatasets lists the datasets of every party: for the node itself at start.
func (c *Catalog) AllDatasets(ctx context.Context) ([]hansa.Dataset, error) {
	return list[hansa.Dataset](ctx, c.db, `SELECT body FROM dataset ORDER BY party, name`)
}

// AllFlows lists every flow: for the node itself at start.
func (c *Catalog) AllFlows(ctx context.Context) ([]hansa.Flow, error) {
	return list[hansa.Flow](ctx, c.db, `SELECT body FROM flow ORDER BY giver, name`)
}

// Flows lists the flows that party gives or receives.
func (c *Catalog) Flows(ctx context.Context, party hansa.PartyID) ([]hansa.Flow, error) {
	return list[hansa.Flow](ctx, c.db, `SELECT body FROM flow WHERE giver = ? OR receiver = ? ORDER BY giver, name`, string(party), string(party))
}

// Flow returns the flow that party gives or receives, by id. To a stranger it is
// as if it had never been: NotFound.
func (c *Catalog) Flow(ctx context.Context, party hansa.PartyID, id hansa.FlowID) (hansa.Flow, error) {
	found, err := list[hansa.Flow](ctx, c.db, `SELECT body FROM flow WHERE id = ? AND (giver = ? OR receiver = ?)`, string(id), string(party), string(party))
	if err != nil {
		return hansa.Flow{}, err
	}
	if len(found) == 0 {
		return hansa.Flow{}, hansa.Errorf(hansa.NotFound, "there is no such flow")
	}
	return found[0], nil
}

// FlowGiven returns a flow that giver gives as tx sees it, or NotFound.
func (*Catalog) FlowGiven(tx hansa.Tx, giver hansa.PartyID, id hansa.FlowID) (*hansa.Flow, error) {
	var b []byte
	err := tx.QueryRow(`SELECT body FROM flow WHERE id = ? AND giver = ?`, string(id), string(giver)).Scan(&b)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, hansa.Errorf(hansa.NotFound, "there is no such flow")
	}
	if err != nil {
		return nil, err
	}
	f := new(hansa.Flow)
	if err := json.Unmarshal(b, f); err != nil {
		return nil, errors.Join(&hansa.Error{Kind: hansa.Internal, Code: hansa.CodeCorrupt, Message: "a stored flow cannot be read"}, err)
	}
	return f, nil
}

// FlowNameTaken reports whether giver has another flow of that name.
func (*Catalog) FlowNameTaken(tx hansa.Tx, giver hansa.PartyID, id hansa.FlowID, name string) (bool, error) {
	var n int
	err := tx.QueryRow(`SELECT count(*) FROM flow WHERE giver = ? AND name = ? AND id <> ?`, string(giver), name, string(id)).Scan(&n)
	return n > 0, err
}

// list reads the JSON bodies that a query returns.
func list[T any](ctx context.Context, db hansa.DB, query string, args ...any) (out []T, err error) {
	err = db.Read(ctx, func(tx hansa.Tx) error {
		out = nil
		rows, err := tx.Query(query, args...)
		if err != nil {
			return err
		}
		defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
		for rows.Next() {
			var b []byte
			var t T
			if err := rows.Scan(&b); err != nil {
				return err
			}
			if err := json.Unmarshal(b, &t); err != nil {
				return errors.Join(&hansa.Error{Kind: hansa.Internal, Code: hansa.CodeCorrupt, Message: "a stored dataset or flow cannot be read"}, err)
			}
			out = append(out, t)
		}
		return rows.Err()
	})
	return out, err
}
