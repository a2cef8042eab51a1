// Package stream keeps records in the order of their arrival, per dataset, on
// disk; many readers follow at their own pace by opaque cursors. What Append has
// answered is durable. A stored row carries its checksum, which is its leaf in
// the journal, and is never served when the two differ.
package stream

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hansa-exchange/hansa"
)

// Limits of the stream.
const (
	AppendMax   = 10_000 // records in one call
	ReadMax     = 1000   // records in one answer
	datasetsMax = 100_000
	tailMax     = 16384    // records of one dataset that are kept in memory for followers
	tailBytes   = 16 << 20 // and their bytes, about
	pendingMax  = 4096     // appends that wait for one before them to be seen
	sealMax     = 1 << 15
	historyMax  = 10_000 // versions of one record that are looked through
	chunk       = 64     // rows in one statement
	seqBits     = 40     // of a place: 2^40 records a dataset
)

// Epoch is one life of the node; cursors carry the one that they were given in.
type Epoch struct {
	Number int64
	ID     string
}

// Config is what a stream needs. All but Count are required.
type Config struct {
	DB     hansa.DB
	Epochs []Epoch // the present one last
	Sealer hansa.Sealer
	Now    func() time.Time
	// Encode and Decode are the canonical form of a record. Encode is deterministic.
	Encode func(*hansa.Record) ([]byte, error)
	Decode func([]byte) (*hansa.Record, error)
	// Count adds to what duties count, in the transaction of the change.
	Count func(tx hansa.Tx, party hansa.PartyID, subject, what string, at time.Time, n int64) error
}

// Stream is the records of every party of a node. A party's are reached through
// its own handle alone.
type Stream struct {
	sealing sync.Mutex // held while records are sealed

	cfg   Config
	epoch Epoch

	mu   sync.Mutex // guards sets
	sets map[hansa.Key]*set
}

// set is one dataset of one party: its number, its tail in memory, and the
// channel that its next append closes.
type set struct {
	number atomic.Int64 // 0: it has had no record yet

	mu       sync.Mutex // guards all below
	changed  chan struct{}
	tail     []*hansa.Record // the newest, in order; the last has seq next-1
	tailSize int             // its bytes, about
	next     int64           // 0: the tail is not established
	pending  map[int64][]*hansa.Record
	queue    []*waiting // callers whose records are not written yet
	leading  bool       // somebody writes them
}

// Migrations returns the room's tables. A place is dataset number << 40 | seq.
func Migrations() []hansa.Migration {
	return []hansa.Migration{{Room: "stream", Number: 1, Statements: []string{
		`CREATE TABLE stream_dataset (
			number INTEGER NOT NULL PRIMARY KEY, party TEXT NOT NULL, dataset TEXT NOT NULL,
			seq INTEGER NOT NULL, first INTEGER NOT NULL, sealed INTEGER NOT NULL, bytes INTEGER NOT NULL,
			epoch INTEGER NOT NULL, base INTEGER NOT NULL, UNIQUE (party, dataset))`,
		`CREATE TABLE stream_record (
			place INTEGER NOT NULL PRIMARY KEY, id TEXT NOT NULL, version INTEGER NOT NULL, received INTEGER NOT NULL, kind TEXT NOT NULL,
			body BLOB, original BLOB, original_type TEXT NOT NULL, defects BLOB, digest BLOB NOT NULL, salt BLOB, leaf BLOB NOT NULL, prev INTEGER NOT NULL)`,
		`CREATE TABLE stream_present (
			number INTEGER NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL, place INTEGER NOT NULL, newest INTEGER NOT NULL, digest BLOB NOT NULL, live INTEGER NOT NULL,
			PRIMARY KEY (number, id))`,
		`CREATE TABLE stream_batch (number INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, batch TEXT NOT NULL, PRIMARY KEY (number, first))`,
	}}, {Room: "stream", Number: 2, Statements: []string{
		// One tree in place of two.
		`CREATE TABLE stream_shown (
			number INTEGER NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL, place INTEGER NOT NULL, newest INTEGER NOT NULL, digest BLOB NOT NULL, live INTEGER NOT NULL,
			PRIMARY KEY (number, id)) WITHOUT ROWID`,
		`INSERT INTO stream_shown SELECT number, id, version, place, newest, digest, live FROM stream_present`,
		`DROP TABLE stream_present`,
		`ALTER TABLE stream_shown RENAME TO stream_present`,
	}}}
}

// Open returns the stream in cfg.DB. After a restore it notes, for each dataset,
// how far the restored records reach, so that older cursors learn where to resume.
func Open(ctx context.Context, cfg Config) (*Stream, error) {
	s := &Stream{cfg: cfg, epoch: cfg.Epochs[len(cfg.Epochs)-1], sets: map[hansa.Key]*set{}}
	err := cfg.DB.Write(ctx, func(tx hansa.Tx) error {
		_, err := tx.Exec(`UPDATE stream_dataset SET base = seq, epoch = ? WHERE epoch < ?`, s.epoch.Number, s.epoch.Number)
		return err
	})
	return s, err
}

// Party is the stream as one party has it: no call through it can name another's.
type Party struct {
	stream *Stream
	id     hansa.PartyID
}

// Of returns the handle of a party.
func (s *Stream) Of(id hansa.PartyID) *Party { return &Party{stream: s, id: id} }

// set returns what is kept in memory of a dataset.
func (p *Party) set(dataset hansa.DatasetID) (*set, error) {
	s, key := p.stream, hansa.Key{Party: p.id, Dataset: dataset}
	s.mu.Lock()
	defer s.mu.Unlock()
	have := s.sets[key]
	if have == nil {
		if len(s.sets) >= datasetsMax {
			return nil, hansa.Errorf(hansa.Busy, "a node has at most %d datasets", datasetsMax)
		}
		have = &set{changed: make(chan struct{})}
		s.sets[key] = have
	}
	return have, nil
}

// number finds the number of a dataset in tx; 0 when it has had no record.
func (p *Party) number(tx hansa.Tx, have *set, dataset hansa.DatasetID) (int64, error) {
	if n := have.number.Load(); n != 0 {
		return n, nil
	}
	var n int64
	err := tx.QueryRow(`SELECT COALESCE(MAX(number), 0) FROM stream_dataset WHERE party = ? AND dataset = ?`, string(p.id), string(dataset)).Scan(&n)
	return n, err // not kept: a writer may see a number whose group is lost yet
}
