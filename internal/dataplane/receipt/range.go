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

// A run of records that is offered at once is one fact, a Range, and not as many:
// a burst costs its writer little. The ladders that it begins are settled from it
// afterwards, in order, when somebody asks for them or when there is time.

// Limits of ranges.
const (
	RangeMin = 64   // records from which on an offer is a range
	RangeMax = 1024 // records in one range
)

// Range is the fact that a run of records was offered on a flow, or handed over, at
// one time. Its JSON is the sealed fact's doc.
type Range struct {
	ID       string          `json:"id"`
	Flow     hansa.FlowID    `json:"flow"`
	Dataset  hansa.DatasetID `json:"dataset"`
	Party    hansa.PartyID   `json:"party"` // the receiver
	Step     hansa.Step      `json:"step"`  // offered or fetched
	At       time.Time       `json:"at"`
	Kept     time.Time       `json:"kept"`
	Evidence hansa.Evidence  `json:"evidence"`
	Records  []Offered       `json:"records"`
}

// Offered is one record of a [Range], as it was offered.
type Offered struct {
	Record     string     `json:"record"`
	Version    int64      `json:"version"`
	Generation Generation `json:"generation"`
}

func offeredOf(r *hansa.Record) Offered {
	if r.Live() {
		return Offered{Record: r.ID, Version: r.Version, Generation: Opening}
	}
	return Offered{Record: r.ID, Version: r.Version, Generation: Ending}
}

// unsettled reports whether ranges of flow wait to become ladders.
func unsettled(tx hansa.Tx, flow hansa.FlowID) (bool, error) {
	var n int
	err := tx.QueryRow(`SELECT COUNT(*) FROM (SELECT 1 FROM receipt_offers WHERE flow = ? AND settled = 0 LIMIT 1)`, string(flow)).Scan(&n)
	return n > 0, err
}

// offerRange keeps the fact that recs were offered.
func (b *Book) offerRange(tx hansa.Tx, flow *hansa.Flow, recs []*hansa.Record, silent time.Duration, now time.Time) error {
	g := Range{Flow: flow.ID, Dataset: recs[0].Dataset, Party: flow.To, Step: hansa.StepOffered, At: now.UTC(), Records: make([]Offered, len(recs))}
	for i, r := range recs {
		g.Records[i] = offeredOf(r)
	}
	return b.keepRange(tx, flow.From, &g, silent)
}

// fetchRange keeps the fact that what list waits for was handed over: a whole
// snapshot is a few rows, and its ladders climb afterwards.
func (b *Book) fetchRange(tx hansa.Tx, list []*ladder, at time.Time) error {
	for part := range slices.Chunk(list, RangeMax) {
		g := Range{Flow: part[0].Flow, Dataset: part[0].Dataset, Party: part[0].Party, Step: hansa.StepFetched, At: at.UTC(), Records: make([]Offered, len(part))}
		for i, l := range part {
			g.Records[i] = Offered{Record: l.Record, Version: l.Version, Generation: l.Generation}
		}
		if err := b.keepRange(tx, part[0].Giver, &g, 0); err != nil {
			return err
		}
		for some := range slices.Chunk(part, settleChunk) { // nobody is called silent meanwhile, and the next hand-over does not find them again
			args := []any{at.UnixMicro(), string(g.Flow)}
			for i := range settleChunk {
				args = append(args, some[min(i, len(some)-1)].Record)
			}
			if _, err := tx.Exec(fetchedSome, args...); err != nil {
				return fmt.Errorf("note what was fetched: %w", err)
			}
		}
	}
	return nil
}

// fetchedSome marks ladders of a chunk of records; of a record one alone is not over.
var fetchedSome = `UPDATE receipt_ladders SET fetched = ? WHERE ` + toFetchSome

func (b *Book) keepRange(tx hansa.Tx, giver hansa.PartyID, g *Range, silent time.Duration) error {
	g.Kept, g.Evidence = b.Now().UTC(), hansa.EvidenceNode
	g.ID = hansa.NewID(g.Kept)
	doc, err := json.Marshal(g, json.Deterministic(true))
	if err != nil {
		return fmt.Errorf("write a range: %w", err)
	}
	salt := hansa.NewSalt()
	leaf := hansa.Leaf(hansa.FactReceipt, salt, doc)
	_, err = tx.Exec(`INSERT INTO receipt_offers (id, flow, giver, dataset, party, silent, salt, doc, leaf) VALUES (?,?,?,?,?,?,?,?,?)`,
		g.ID, string(g.Flow), string(giver), string(g.Dataset), string(g.Party), silent.Microseconds(), salt[:], doc, leaf[:])
	if err != nil {
		return fmt.Errorf("keep a range: %w", err)
	}
	if b.Stepped == nil {
		return nil
	}
	for _, o := range g.Records {
		if err := b.Stepped(tx, g.stepOf(o)); err != nil {
			return err
		}
	}
	return nil
}

// stepOf is one record's part in g.
func (g *Range) stepOf(o Offered) Step {
	return Step{
		ID: g.ID, Flow: g.Flow, Dataset: g.Dataset, Party: g.Party, Record: o.Record, Version: o.Version, Generation: o.Generation,
		Step: g.Step, At: g.At, Kept: g.Kept, Evidence: g.Evidence,
	}
}

// keptRange is a stored range.
type keptRange struct {
	Range
	kept
	number int64
	silent time.Duration
}

// ranges reads stored ranges and holds each to its checksum (decision 1b).
func ranges(tx hansa.Tx, where string, args ...any) (list []*keptRange, err error) {
	rows, err := tx.Query(`SELECT number, id, giver, flow, silent, salt, doc, leaf, batch, position FROM receipt_offers WHERE `+where, args...)
	if err != nil {
		return nil, fmt.Errorf("read ranges: %w", err)
	}
	defer func() { _ = rows.Close() }() // rows.Err says what went wrong
	for rows.Next() {
		g := &keptRange{}
		var salt, leaf []byte
		var silent int64
		if err := rows.Scan(&g.number, &g.kept.ID, &g.giver, &g.flow, &silent, &salt, &g.Doc, &leaf, &g.Batch, &g.Position); err != nil {
			return nil, fmt.Errorf("read a range: %w", err)
		}
		if len(salt) != len(g.Salt) || len(leaf) != len(g.leaf) || hansa.Leaf(hansa.FactReceipt, hansa.Salt(salt), g.Doc) != hansa.Hash(leaf) {
			return nil, hansa.Errorf(hansa.Internal, "the range %s does not match its checksum", g.kept.ID).With(hansa.CodeCorrupt)
		}
		g.Salt, g.leaf, g.silent = hansa.Salt(salt), hansa.Hash(leaf), time.Duration(silent)*time.Microsecond
		if err := json.Unmarshal(g.Doc, &g.Range); err != nil {
			return nil, fmt.Errorf("read a range: %w", err)
		}
		list = append(list, g)
	}
	return list, rows.Err()
}

// Settle makes the ladders of what was offered in ranges, one range a transaction,
// and returns how many ranges. most bounds them; 0 settles all. An empty flow
// stands for each.
func (b *Book) Settle(ctx context.Context, flow hansa.FlowID, most int) (n int, err error) {
	for more := true; more && (most == 0 || n < most); n++ {
		waits := false
		err = b.DB.Read(ctx, func(tx hansa.Tx) (err error) {
			if flow != "" {
				waits, err = unsettled(tx, flow)
				return err
			}
			err = tx.QueryRow(`SELECT EXISTS (SELECT 1 FROM receipt_offers WHERE settled = 0)`).Scan(&waits)
			return err
		})
		if err != nil || !waits {
			return n, err
		}
		err = b.DB.Write(ctx, func(tx hansa.Tx) (err error) {
			more, err = settleNext(tx, flow)
			return err
		})
		if err != nil || !more {
			return n, err
		}
	}
	return n, nil
}

// settleNext settles the oldest range that waits.
func settleNext(tx hansa.Tx, flow hansa.FlowID) (bool, error) {
	var number int64
	where, args := ``, []any(nil)
	if flow != "" {
		where, args = ` AND flow = ?`, []any{string(flow)}
	}
	err := tx.QueryRow(`SELECT number FROM receipt_offers WHERE settled = 0`+where+` ORDER BY number LIMIT 1`, args...).Scan(&number)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("find a range: %w", err)
	}
	list, err := ranges(tx, `number = ?`, number)
	if err != nil {
		return false, err
	}
	settle := list[0].settle
	if list[0].Step == hansa.StepFetched {
		settle = list[0].settleFetched
	}
	for part := range slices.Chunk(list[0].Records, settleChunk) {
		if err := settle(tx, part); err != nil {
			return false, err
		}
	}
	_, err = tx.Exec(`UPDATE receipt_offers SET settled = 1 WHERE number = ?`, number)
	return true, err
}

// settleChunk is how many new ladders begin in one statement.
const settleChunk = 64

var (
	seenMany    = `SELECT record FROM receipt_ladders WHERE flow = ? AND record IN (?` + strings.Repeat(",?", settleChunk-1) + `)`
	ladderRow   = `(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`
	laddersMany = `INSERT INTO receipt_ladders (` + ladderColumns + `) VALUES ` + ladderRow + strings.Repeat(","+ladderRow, settleChunk-1)
)

// settle begins the ladders of part of g: at once if all are new, open and
// different, else one by one.
func (g *keptRange) settle(tx hansa.Tx, part []Offered) error {
	fresh, err := g.allNew(tx, part)
	if err != nil {
		return err
	}
	args := make([]any, 0, len(part)*19)
	for _, o := range part {
		var l *ladder
		if fresh {
			l = g.begin(o)
		} else if l, err = aimOffer(tx, g.begin(o), o, g.At); err != nil {
			return err
		}
		if l == nil {
			continue
		}
		l.await(o.Version, g.silent, g.At)
		l.climb(g.stepOf(o))
		l.offeredIn(g.ID)
		if !fresh {
			if err := l.save(tx); err != nil {
				return err
			}
			continue
		}
		row, err := l.row()
		if err != nil {
			return err
		}
		args = append(args, row...)
	}
	if !fresh {
		return nil
	}
	if _, err := tx.Exec(laddersMany, args...); err != nil {
		return fmt.Errorf("write ladders: %w", err)
	}
	return nil
}

// settleFetched climbs the ladders that waited when part of g was handed over. One
// that waits for a later version by now has its own hand-over.
func (g *keptRange) settleFetched(tx hansa.Tx, part []Offered) error {
	for _, o := range part {
		l, err := find(tx, g.Flow, o.Record, o.Generation)
		if err != nil {
			return err
		}
		if l == nil || l.Fetched != g.At.UnixMicro() || l.Version != o.Version {
			continue
		}
		l.climb(g.stepOf(o))
		l.offeredIn(g.ID)
		if err := l.save(tx); err != nil {
			return err
		}
	}
	return nil
}

// begin is a ladder on which nothing has happened yet.
func (g *keptRange) begin(o Offered) *ladder {
	return &ladder{
		Flow: g.Flow, Record: o.Record, Generation: o.Generation, Dataset: g.Dataset, Giver: g.giver, Party: g.Party,
		Offered: g.At.UnixMicro(), Times: map[hansa.Step]time.Time{},
	}
}

// allNew reports whether a whole chunk is different open records without a ladder.
func (g *keptRange) allNew(tx hansa.Tx, part []Offered) (bool, error) {
	if len(part) != settleChunk {
		return false, nil
	}
	args := make([]any, 1, settleChunk+1)
	args[0] = string(g.Flow)
	seen := make(map[string]bool, len(part))
	for _, o := range part {
		if o.Generation != Opening || seen[o.Record] {
			return false, nil
		}
		seen[o.Record] = true
		args = append(args, o.Record)
	}
	rows, err := tx.Query(seenMany, args...)
	if err != nil {
		return false, fmt.Errorf("read ladders: %w", err)
	}
	defer func() { _ = rows.Close() }() // rows.Err says what went wrong
	return !rows.Next(), rows.Err()
}
