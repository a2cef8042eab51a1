package negotiation

import (
	"fmt"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/base/protocol"
)

// Book keeps the negotiations of a node's parties, and the agreements that came
// of them.
type Book struct {
	*protocol.Shelf[Negotiation, *Negotiation]
}

// NewBook returns the book of a database that has [Migrations].
func NewBook() Book { return Book{protocol.NewShelf[Negotiation]("negotiation")} }

// Migrations returns the room's tables.
func Migrations() []hansa.Migration {
	return []hansa.Migration{protocol.Migration("negotiation", "negotiation"), {Room: "negotiation", Number: 2, Statements: []string{
		`CREATE TABLE negotiation_agreement (own TEXT NOT NULL, id TEXT NOT NULL, other TEXT NOT NULL, side TEXT NOT NULL, process TEXT NOT NULL, target TEXT NOT NULL,
			hash TEXT NOT NULL, doc BYTEA NOT NULL, at BIGINT NOT NULL, ended BIGINT NOT NULL DEFAULT 0, PRIMARY KEY (own, id))`,
		`CREATE INDEX negotiation_agreement_at ON negotiation_agreement (own, at)`,
	}}, protocol.MigrationOpen("negotiation", "negotiation", 3)}
}

// Agreement is a contract agreement in force, or one that has ended.
type Agreement struct {
	ID      string         `json:"id"`
	Own     hansa.PartyID  `json:"own"`
	Other   hansa.PartyID  `json:"other"`
	Side    hansa.Side     `json:"side"`    // what own is
	Process string         `json:"process"` // the negotiation that it came of, own's pid
	Target  string         `json:"target"`  // the dataset, by its owner's name for it
	Hash    string         `json:"hash"`    // of its policy, RFC 8785, hex SHA-256
	Policy  *policy.Policy `json:"policy"`
	At      time.Time      `json:"at"` // since when it is in force
	Ended   time.Time      `json:"ended,omitzero"`
}

// SaveAgreement stores one that came into force. The same again changes nothing;
// another one under the same id is Conflict.
func (Book) SaveAgreement(tx hansa.Tx, a *Agreement, doc []byte) error {
	res, err := tx.Exec(`INSERT INTO negotiation_agreement (own, id, other, side, process, target, hash, doc, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (own, id) DO NOTHING`,
		string(a.Own), a.ID, string(a.Other), string(a.Side), a.Process, a.Target, a.Hash, doc, a.At.UnixMicro())
	if err != nil {
		return fmt.Errorf("write agreement %s: %w", a.ID, err)
	}
	if n, err := res.RowsAffected(); err != nil || n > 0 {
		return err
	}
	var hash string
	if err := tx.QueryRow(`SELECT hash FROM negotiation_agreement WHERE own = ? AND id = ?`, string(a.Own), a.ID).Scan(&hash); err != nil {
		return fmt.Errorf("look for agreement %s: %w", a.ID, err)
	}
	if hash != a.Hash {
		return hansa.Errorf(hansa.Conflict, "there is another agreement %s already", a.ID)
	}
	return nil
}

// EndAgreement ends one of own's.
func (Book) EndAgreement(tx hansa.Tx, own hansa.PartyID, id string, at time.Time) error {
	_, err := tx.Exec(`UPDATE negotiation_agreement SET ended = ? WHERE own = ? AND id = ? AND ended = 0`, at.UnixMicro(), string(own), id)
	return err
}

// AgreementByID returns own's agreement, ended or not, or NotFound.
func (b Book) AgreementByID(tx hansa.Tx, own hansa.PartyID, id string) (*Agreement, error) {
	all, err := b.agreements(tx, `WHERE own = ? AND id = ?`, string(own), id)
	if err == nil && len(all) == 0 {
		err = hansa.Errorf(hansa.NotFound, "there is no agreement %s", id)
	}
	if err != nil {
		return nil, err
	}
	return &all[0], nil
}

// Agreements lists own's, newest first; empty is every party's.
func (b Book) Agreements(tx hansa.Tx, own hansa.PartyID, limit int) ([]Agreement, error) {
	return b.agreements(tx, `WHERE ? = '' OR own = ? ORDER BY at DESC, id LIMIT ?`, string(own), string(own), min(max(limit, 1), protocol.ListMax))
}

func (Book) agreements(tx hansa.Tx, where string, args ...any) ([]Agreement, error) {
	rows, err := tx.Query(`SELECT own, id, other, side, process, target, hash, doc, at, ended FROM negotiation_agreement `+where, args...)
	if err != nil {
		return nil, fmt.Errorf("read agreements: %w", err)
	}
	defer func() { _ = rows.Close() }() // rows.Err says what went wrong
	out := []Agreement{}
	for rows.Next() {
		var a Agreement
		var doc []byte
		var at, ended int64
		if err := rows.Scan(&a.Own, &a.ID, &a.Other, &a.Side, &a.Process, &a.Target, &a.Hash, &doc, &at, &ended); err != nil {
			return nil, fmt.Errorf("read agreements: %w", err)
		}
		if a.Policy, err = policy.Parse(doc); err != nil {
			return nil, fmt.Errorf("read agreement %s: %w", a.ID, err)
		}
		if a.Policy.Hash() != a.Hash {
			return nil, hansa.Errorf(hansa.Internal, "agreement %s does not match its checksum", a.ID).With(hansa.CodeCorrupt)
		}
		a.At = time.UnixMicro(at).UTC()
		if ended != 0 {
			a.Ended = time.UnixMicro(ended).UTC()
		}
		out = append(out, a)
	}
	return out, rows.Err()
}
