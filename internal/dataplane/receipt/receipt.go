// Package receipt keeps the ladder that each situation climbs at each receiver:
// offered, fetched, acknowledged, held, matched, live, rejected, contradicted,
// cleared, silent, with times and the kind of evidence. The end of a closure
// climbs a ladder of its own. Every step is a fact that can be proven, repeats
// are harmless, and silence is written down.
package receipt

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
)

// Limits.
const (
	PostMax    = 1000  // receipts of one post
	StepsMax   = 200   // steps kept of one ladder
	BoardMax   = 5000  // closures on one board
	SealMax    = 512   // steps sealed by one call: no writer waits long for it
	SweepMax   = 10000 // ladders looked at by one sweep
	SegmentMax = 200   // bytes of a segment's name
)

// Generation tells the two ladders of a record apart.
type Generation string

// The generations. Values are written to disk.
const (
	Opening Generation = "open" // that the situation holds
	Ending  Generation = "end"  // that it is over or withdrawn
)

// Verifier checks a detached JWS by a key registered with a party.
type Verifier interface {
	VerifyReceipt(ctx context.Context, party hansa.PartyID, payload []byte, jws string, at time.Time) (kid string, err error)
}

// Config is what a Book needs; Verifier may be nil, and then nothing is signed.
type Config struct {
	DB       hansa.DB
	Sealer   hansa.Sealer
	Verifier Verifier
	Now      func() time.Time
	// Stepped is called for each step, in its transaction; an error undoes it.
	Stepped func(tx hansa.Tx, s Step) error
}

// Book keeps the ladders. Its methods may be called by many at once.
type Book struct{ Config }

// New returns a Book.
func New(c Config) *Book { return &Book{c} }

// Step is one rung reached. Its JSON is the sealed fact's doc.
type Step struct {
	ID         string          `json:"id"`
	Flow       hansa.FlowID    `json:"flow"`
	Dataset    hansa.DatasetID `json:"dataset"`
	Party      hansa.PartyID   `json:"party"` // the receiver
	Record     string          `json:"record"`
	Version    int64           `json:"version"`
	Generation Generation      `json:"generation"`
	Step       hansa.Step      `json:"step"`
	At         time.Time       `json:"at"`   // when it happened, as told
	Kept       time.Time       `json:"kept"` // when this node wrote it down
	Evidence   hansa.Evidence  `json:"evidence"`
	Reason     string          `json:"reason,omitempty"`
	Segment    string          `json:"segment,omitempty"`
	Receipt    string          `json:"receipt,omitempty"` // the signed bytes, as they came
	SHA256     string          `json:"sha256,omitempty"`  // of Receipt, hex: what a proof bundle carries as the fact's content
	Signature  string          `json:"signature,omitempty"`
	Key        string          `json:"key,omitempty"` // thumbprint that signed
}

// Migrations lists the room's tables.
func Migrations() []hansa.Migration {
	return []hansa.Migration{{Room: "receipt", Number: 1, Statements: []string{
		`CREATE TABLE receipt_ladders (flow TEXT NOT NULL, record TEXT NOT NULL, generation TEXT NOT NULL, dataset TEXT NOT NULL,
			giver TEXT NOT NULL, party TEXT NOT NULL, version BIGINT NOT NULL, offered BIGINT NOT NULL, fetched BIGINT NOT NULL,
			acted BIGINT NOT NULL, silent BIGINT NOT NULL, current TEXT NOT NULL, evidence TEXT NOT NULL, reason TEXT NOT NULL,
			times BLOB NOT NULL, steps BIGINT NOT NULL, due BIGINT NOT NULL, over BIGINT NOT NULL, PRIMARY KEY (flow, record, generation))`,
		`CREATE INDEX receipt_ladders_board ON receipt_ladders (giver, dataset, offered)`,
		`CREATE INDEX receipt_ladders_party ON receipt_ladders (party, record)`,
		`CREATE INDEX receipt_ladders_due ON receipt_ladders (due) WHERE fetched = 0 AND acted = 0 AND silent = 0 AND over = 0`,
		`CREATE INDEX receipt_ladders_unfetched ON receipt_ladders (flow, record) WHERE fetched = 0 AND over = 0`,
		`CREATE TABLE receipt_steps (id TEXT PRIMARY KEY, flow TEXT NOT NULL, record TEXT NOT NULL, generation TEXT NOT NULL, number BIGINT NOT NULL,
			digest TEXT NOT NULL, giver TEXT NOT NULL, dataset TEXT NOT NULL, salt BLOB NOT NULL, doc BLOB NOT NULL, leaf BLOB NOT NULL,
			batch TEXT NOT NULL DEFAULT '', position BIGINT NOT NULL DEFAULT 0)`,
		`CREATE UNIQUE INDEX receipt_steps_once ON receipt_steps (flow, record, generation, digest)`,
		`CREATE INDEX receipt_steps_open ON receipt_steps (giver, flow, id) WHERE batch = ''`,
		`CREATE INDEX receipt_steps_record ON receipt_steps (dataset, record, id)`,
	}}, {Room: "receipt", Number: 2, Statements: []string{
		`CREATE TABLE receipt_offers (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, flow TEXT NOT NULL, giver TEXT NOT NULL, dataset TEXT NOT NULL,
			party TEXT NOT NULL, silent BIGINT NOT NULL, salt BLOB NOT NULL, doc BLOB NOT NULL, leaf BLOB NOT NULL,
			batch TEXT NOT NULL DEFAULT '', position BIGINT NOT NULL DEFAULT 0, settled BIGINT NOT NULL DEFAULT 0)`,
		`CREATE INDEX receipt_offers_waiting ON receipt_offers (flow, number) WHERE settled = 0`,
		`CREATE INDEX receipt_offers_open ON receipt_offers (giver, flow, number) WHERE batch = ''`,
		`ALTER TABLE receipt_ladders ADD COLUMN offers TEXT NOT NULL DEFAULT ''`,
	}}}
}

// ladder is the present state of one record at one receiver.
type ladder struct {
	Flow                                 hansa.FlowID
	Record                               string
	Generation                           Generation
	Dataset                              hansa.DatasetID
	Giver, Party                         hansa.PartyID
	Version                              int64
	Offered, Fetched, Acted, Silent, Due int64
	Over                                 int64 // the situation ended: its opening is no longer waited for
	Current                              hansa.Step
	Evidence                             hansa.Evidence
	Reason                               string
	Times                                map[hansa.Step]time.Time // the first of each
	Steps                                int
	Offers                               string // ids of the ranges that offered it, with spaces between
}

const ladderColumns = `flow, record, generation, dataset, giver, party, version, offered, fetched, acted, silent, current, evidence, reason, times, steps, due, over, offers`

func scanLadder(row interface{ Scan(...any) error }) (*ladder, error) {
	l := &ladder{}
	var times []byte
	if err := row.Scan(&l.Flow, &l.Record, &l.Generation, &l.Dataset, &l.Giver, &l.Party, &l.Version, &l.Offered, &l.Fetched, &l.Acted, &l.Silent,
		&l.Current, &l.Evidence, &l.Reason, &times, &l.Steps, &l.Due, &l.Over, &l.Offers); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(times, &l.Times); err != nil {
		return nil, fmt.Errorf("read a ladder: %w", err)
	}
	return l, nil
}

// find returns nil when there is no such ladder.
func find(tx hansa.Tx, flow hansa.FlowID, record string, g Generation) (*ladder, error) {
	l, err := scanLadder(tx.QueryRow(`SELECT `+ladderColumns+` FROM receipt_ladders WHERE flow = ? AND record = ? AND generation = ?`, string(flow), record, string(g)))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil //nolint:nilnil // none is an answer
	}
	if err != nil {
		return nil, fmt.Errorf("read a ladder: %w", err)
	}
	return l, nil
}

// row is l as its columns hold it.
func (l *ladder) row() ([]any, error) {
	times, err := json.Marshal(l.Times, json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("write a ladder: %w", err)
	}
	return []any{
		string(l.Flow), l.Record, string(l.Generation), string(l.Dataset), string(l.Giver), string(l.Party), l.Version, l.Offered, l.Fetched, l.Acted, l.Silent,
		string(l.Current), string(l.Evidence), l.Reason, times, l.Steps, l.Due, l.Over, l.Offers,
	}, nil
}

func (l *ladder) save(tx hansa.Tx) error {
	row, err := l.row()
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO receipt_ladders (`+ladderColumns+`) VALUES `+ladderRow+`
		ON CONFLICT (flow, record, generation) DO UPDATE SET version = excluded.version, offered = excluded.offered, fetched = excluded.fetched,
		acted = excluded.acted, silent = excluded.silent, current = excluded.current, evidence = excluded.evidence, reason = excluded.reason,
		times = excluded.times, steps = excluded.steps, due = excluded.due, over = excluded.over, offers = excluded.offers`, row...)
	if err != nil {
		return fmt.Errorf("write a ladder: %w", err)
	}
	return nil
}

// Fetched notes that the receiver of flow was handed these records' present
// versions; whole says that they are all that holds, so that it was told of each
// end by its absence. Records without a ladder, and repeats, are passed over.
func (b *Book) Fetched(tx hansa.Tx, flow hansa.FlowID, records []string, whole bool, at time.Time) error {
	open, err := unfetched(tx, flow, records, whole)
	if err != nil || len(open) == 0 {
		return err
	}
	handed := make(map[string]bool, len(records))
	for _, id := range records {
		handed[id] = true
	}
	open = slices.DeleteFunc(open, func(l *ladder) bool {
		absent := whole && l.Generation == Ending
		return handed[l.Record] == absent // in it while it should be over, or simply not in it
	})
	if len(open) >= RangeMin {
		return b.fetchRange(tx, open, at)
	}
	for _, l := range open {
		l.Fetched = at.UnixMicro()
		if err := b.add(tx, l, Step{Step: hansa.StepFetched, At: at, Evidence: hansa.EvidenceNode, Version: l.Version}); err != nil {
			return err
		}
	}
	return nil
}

const toFetch = `flow = ? AND fetched = 0 AND over = 0`

var toFetchSome = toFetch + ` AND record IN (?` + strings.Repeat(",?", settleChunk-1) + `)`

// unfetched lists the ladders of flow that wait to be fetched: all, or those of a
// few records, however many others wait.
func unfetched(tx hansa.Tx, flow hansa.FlowID, records []string, whole bool) (list []*ladder, err error) {
	if whole || len(records) > SealMax {
		return ladders(tx, toFetch, string(flow))
	}
	for len(records) > 0 {
		n := min(len(records), settleChunk)
		where, args := toFetch+` AND record = ?`, []any{string(flow), records[0]}
		if n > 1 {
			where, args = toFetchSome, args[:1]
			for i := range settleChunk {
				args = append(args, records[min(i, n-1)])
			}
		}
		some, err := ladders(tx, where, args...)
		if err != nil {
			return nil, err
		}
		list, records = append(list, some...), records[n:]
	}
	return list, nil
}

// Waits reports whether something that was offered on flow waits to be fetched.
func (b *Book) Waits(ctx context.Context, flow hansa.FlowID) (waits bool, err error) {
	err = b.DB.Read(ctx, func(tx hansa.Tx) error {
		return tx.QueryRow(`SELECT EXISTS (SELECT 1 FROM receipt_ladders WHERE `+toFetch+`)`, string(flow)).Scan(&waits)
	})
	return waits, err
}

// Given reports whether a record was offered on flow and holds there still, or was
// just said to be over.
func (b *Book) Given(ctx context.Context, flow hansa.FlowID, record string) (given bool, err error) {
	err = b.DB.Read(ctx, func(tx hansa.Tx) error {
		return tx.QueryRow(`SELECT EXISTS (SELECT 1 FROM receipt_ladders WHERE flow = ? AND record = ? AND over = 0)`, string(flow), record).Scan(&given)
	})
	return given, err
}

// add writes a step of l and moves l. A step that is there already is harmless.
func (b *Book) add(tx hansa.Tx, l *ladder, s Step) error {
	s.Flow, s.Dataset, s.Party, s.Record, s.Generation = l.Flow, l.Dataset, l.Party, l.Record, l.Generation
	s.At, s.Kept = s.At.UTC(), b.Now().UTC()
	digest := fmt.Sprintf("%s %d %d %s %s", s.Step, s.Version, s.At.UnixMicro(), s.Evidence, s.Segment)
	var n int
	if err := tx.QueryRow(`SELECT COUNT(*) FROM receipt_steps WHERE flow = ? AND record = ? AND generation = ? AND digest = ?`,
		string(l.Flow), l.Record, string(l.Generation), digest).Scan(&n); err != nil || n > 0 {
		return err
	}
	if l.Steps >= StepsMax {
		return hansa.Errorf(hansa.Busy, "the record %s has %d steps at this receiver, which is the most", l.Record, StepsMax)
	}
	s.ID = hansa.NewID(s.Kept)
	doc, err := json.Marshal(s, json.Deterministic(true))
	if err != nil {
		return fmt.Errorf("write a step: %w", err)
	}
	salt := hansa.NewSalt()
	leaf := hansa.Leaf(hansa.FactReceipt, salt, doc)
	if _, err := tx.Exec(`INSERT INTO receipt_steps (id, flow, record, generation, number, digest, giver, dataset, salt, doc, leaf) VALUES (?,?,?,?,?,?,?,?,?,?,?)`,
		s.ID, string(l.Flow), l.Record, string(l.Generation), l.Steps, digest, string(l.Giver), string(l.Dataset), salt[:], doc, leaf[:]); err != nil {
		return fmt.Errorf("keep a step: %w", err)
	}
	l.climb(s)
	if err := l.save(tx); err != nil {
		return err
	}
	if b.Stepped == nil {
		return nil
	}
	return b.Stepped(tx, s)
}

// climb moves l by a step.
func (l *ladder) climb(s Step) {
	l.Steps++
	if first, ok := l.Times[s.Step]; !ok || s.At.Before(first) {
		l.Times[s.Step] = s.At
	}
	if s.Evidence != hansa.EvidenceNode {
		l.Acted = s.Kept.UnixMicro()
	}
	if l.moves(s.Step) {
		l.Current, l.Evidence, l.Reason = s.Step, s.Evidence, s.Reason
	}
}

// moves reports whether step becomes the present one. A word that comes late
// and is of a lower rung is kept but moves nothing back; live, rejected,
// contradicted and cleared replace each other as they come, and anything ends silence.
func (l *ladder) moves(s hansa.Step) bool {
	switch s {
	case hansa.StepLive, hansa.StepRejected, hansa.StepContradicted, hansa.StepCleared:
		return true
	case hansa.StepSilent:
		return l.Current == hansa.StepOffered || l.Current == ""
	case hansa.StepOffered, hansa.StepFetched, hansa.StepAcknowledged, hansa.StepHeld, hansa.StepMatched:
	}
	return l.Current == "" || l.Current == hansa.StepSilent || s.Rung() > l.Current.Rung()
}
