package feed

import (
	"bytes"
	"context"
	"errors"
	"io"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
)

// spec is a feed as it is kept.
type spec struct {
	Dataset hansa.DatasetID `json:"dataset"`
	URL     string          `json:"url,omitempty"`
	Path    string          `json:"path,omitempty"`
	Format  hansa.Format    `json:"format,omitempty"`
	Kind    Kind            `json:"kind"`
	Every   hansa.Duration  `json:"every"`
	Silent  hansa.Duration  `json:"silent,omitzero"`
	Zone    string          `json:"zone,omitempty"`
	Shrink  float64         `json:"shrink,omitzero"`
	Paused  bool            `json:"paused,omitzero"`
}

// Open adds the feeds that were saved to those of the configuration. A saved one
// whose name the configuration takes is left out: the file decides.
func (fs *Feeds) Open(ctx context.Context) error {
	var saved []Feed
	err := fs.cfg.DB.Read(ctx, func(tx hansa.Tx) error {
		saved = nil
		rows, err := tx.Query(`SELECT party, feed, body FROM feed_source ORDER BY party, feed`)
		if err != nil {
			return err
		}
		defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
		for rows.Next() {
			var f Feed
			var b []byte
			if err := rows.Scan(&f.Party, &f.ID, &b); err != nil {
				return err
			}
			if err := f.decode(b); err != nil {
				return err
			}
			saved = append(saved, f)
		}
		return rows.Err()
	})
	if err != nil {
		return err
	}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, f := range saved {
		if fs.index(f.ID) < 0 {
			fs.list = append(fs.list, &source{Feed: f})
		}
	}
	return nil
}

func (f *Feed) decode(b []byte) (err error) {
	var x spec
	if err := json.Unmarshal(b, &x); err != nil {
		return errors.Join(&hansa.Error{Kind: hansa.Internal, Code: hansa.CodeCorrupt, Message: "the stored feed " + f.ID + " cannot be read"}, err)
	}
	f.Dataset, f.URL, f.Path, f.Format, f.Kind, f.Every, f.Silent, f.Shrink, f.Paused = x.Dataset, x.URL, x.Path, x.Format, x.Kind, x.Every.Std(), x.Silent.Std(), x.Shrink, x.Paused
	f.Zone, err = time.LoadLocation(x.Zone)
	return err
}

func (f *Feed) encode() ([]byte, error) {
	x := spec{Dataset: f.Dataset, URL: f.URL, Path: f.Path, Format: f.Format, Kind: f.Kind, Every: hansa.Duration(f.Every), Silent: hansa.Duration(f.Silent), Shrink: f.Shrink, Paused: f.Paused}
	if f.Zone != nil {
		x.Zone = f.Zone.String()
	}
	return json.Marshal(x, json.Deterministic(true))
}

// Save stores a feed, new or changed, and runs it. told is called in the same
// transaction. A name that another party or the configuration uses is a Conflict.
func (fs *Feeds) Save(ctx context.Context, f Feed, told func(hansa.Tx) error) error {
	if err := f.complete(); err != nil {
		return err
	}
	b, err := f.encode()
	if err != nil {
		return err
	}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	i := fs.index(f.ID)
	switch {
	case i >= 0 && (fs.list[i].Party != f.Party || fs.list[i].configured):
		return hansa.Errorf(hansa.Conflict, "there is a feed %q already", f.ID).WithHint("take another name")
	case i < 0 && len(fs.list) >= FeedsMax:
		return hansa.Errorf(hansa.Busy, "a node has at most %d feeds", FeedsMax)
	}
	err = fs.cfg.DB.Write(ctx, func(tx hansa.Tx) error {
		_, err := tx.Exec(`INSERT INTO feed_source (party, feed, body) VALUES (?, ?, ?) ON CONFLICT (party, feed) DO UPDATE SET body = excluded.body`, string(f.Party), f.ID, string(b))
		return errors.Join(err, told(tx))
	})
	if err != nil {
		return err
	}
	s := &source{Feed: f}
	if i >= 0 {
		fs.list[i].end()
		fs.list[i] = s
	} else {
		fs.list = append(fs.list, s)
	}
	fs.start(s)
	return nil
}

// Remove ends a saved feed and forgets what is known of it. What it gave stays in
// its dataset.
func (fs *Feeds) Remove(ctx context.Context, id string, told func(hansa.Tx) error) error {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	i := fs.index(id)
	switch {
	case i < 0:
		return notThere(id)
	case fs.list[i].configured:
		return hansa.Errorf(hansa.Conflict, "the feed %q stands in the configuration file", id).WithHint("take it out of the file and restart the node")
	}
	s := fs.list[i]
	err := fs.cfg.DB.Write(ctx, func(tx hansa.Tx) error {
		for _, table := range []string{"feed_source", "feed_state", "feed_seen", "feed_answer"} {
			if _, err := tx.Exec(`DELETE FROM `+table+` WHERE party = ? AND feed = ?`, string(s.Party), s.ID); err != nil {
				return err
			}
		}
		return told(tx)
	})
	if err != nil {
		return err
	}
	s.end()
	fs.list = append(fs.list[:i:i], fs.list[i+1:]...)
	return nil
}

// Get returns a feed.
func (fs *Feeds) Get(id string) (Feed, error) {
	s, err := fs.find(id)
	if err != nil {
		return Feed{}, err
	}
	return s.Feed, nil
}

// Trial is what one answer of a source would give.
type Trial struct {
	Report
	Type    string          // the answer's media type
	Records []*hansa.Record // the first of those that can be read, [TrialMax] at most
	Refused []error         // the first of those that cannot
}

// TrialMax bounds the records and refusals that a trial shows.
const TrialMax = 10

// Try asks a source once and stores nothing.
func (fs *Feeds) Try(ctx context.Context, f Feed) (Trial, error) {
	if err := f.complete(); err != nil {
		return Trial{}, err
	}
	ctx, stop := context.WithTimeout(ctx, timeout)
	defer stop()
	s := &source{Feed: f}
	body, kind, err := fs.once(ctx, s)
	if err != nil {
		return Trial{}, err
	}
	defer body.Close()
	t := Trial{Type: kind}
	for item, err := range fs.cfg.Read(&f, body, fs.cfg.Now()) {
		if err != nil {
			t.Broken = hansa.Public(err).Message
			break
		}
		if t.In++; t.In > RecordsMax {
			return t, hansa.Errorf(hansa.Busy, "an answer has at most %d records", RecordsMax)
		}
		if item.Record == nil {
			if t.Report.Refused++; len(t.Refused) < TrialMax {
				t.Refused = append(t.Refused, item.Refused)
			}
			continue
		}
		if t.Taken++; len(t.Records) < TrialMax {
			t.Records = append(t.Records, item.Record)
		}
	}
	return t, nil
}

// AnswerBytesMax bounds what is kept of an answer to look at.
const AnswerBytesMax = 256 << 10

// Answer is what a source said, kept to look at.
type Answer struct {
	At    time.Time
	Whole bool   // all of it is here
	Why   string // it could not be read; empty for a good one
	Body  []byte
}

// Answers returns the last good and the last bad answer; nil where there is none.
func (fs *Feeds) Answers(ctx context.Context, id string) (good, bad *Answer, err error) {
	s, err := fs.find(id)
	if err != nil {
		return nil, nil, err
	}
	err = fs.cfg.DB.Read(ctx, func(tx hansa.Tx) error {
		good, bad = nil, nil
		rows, err := tx.Query(`SELECT good, at, whole, why, body FROM feed_answer WHERE party = ? AND feed = ?`, string(s.Party), s.ID)
		if err != nil {
			return err
		}
		defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
		for rows.Next() {
			var a Answer
			var isGood, at, whole int64
			if err := rows.Scan(&isGood, &at, &whole, &a.Why, &a.Body); err != nil {
				return err
			}
			a.At, a.Whole = time.UnixMilli(at).UTC(), whole == 1
			if isGood == 1 {
				good = &a
			} else {
				bad = &a
			}
		}
		return rows.Err()
	})
	return good, bad, err
}

// copied keeps the head of what is read through it.
type copied struct {
	r    io.Reader
	head bytes.Buffer
	size int64
}

func (c *copied) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if left := AnswerBytesMax - c.head.Len(); left > 0 {
		c.head.Write(p[:min(n, left)])
	}
	c.size += int64(n)
	return n, err
}

// keepAnswer keeps what a source said; why is what was wrong with it.
func (s *source) keepAnswer(ctx context.Context, db hansa.DB, c *copied, now time.Time, why string) error {
	good, whole := 0, 0
	if why == "" {
		good = 1
	}
	if c.size <= AnswerBytesMax {
		whole = 1
	}
	return db.Write(ctx, func(tx hansa.Tx) error {
		_, err := tx.Exec(`INSERT INTO feed_answer (party, feed, good, at, whole, why, body) VALUES (?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (party, feed, good) DO UPDATE SET at = excluded.at, whole = excluded.whole, why = excluded.why, body = excluded.body`,
			string(s.Party), s.ID, good, now.UnixMilli(), whole, why, append([]byte{}, c.head.Bytes()...))
		return err
	})
}
