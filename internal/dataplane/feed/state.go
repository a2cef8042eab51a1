package feed

import (
	"context"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
)

// Migrations returns the room's tables: what is known of each source, and the
// digest of each record that it gave last.
func Migrations() []hansa.Migration {
	return []hansa.Migration{{Room: "feed", Number: 1, Statements: []string{
		`CREATE TABLE feed_state (party TEXT NOT NULL, feed TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (party, feed))`,
		`CREATE TABLE feed_seen (party TEXT NOT NULL, feed TEXT NOT NULL, id TEXT NOT NULL, digest BLOB NOT NULL, PRIMARY KEY (party, feed, id))`,
	}}, {Room: "feed", Number: 2, Statements: []string{
		`CREATE TABLE feed_source (party TEXT NOT NULL, feed TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (party, feed))`,
		`CREATE TABLE feed_answer (party TEXT NOT NULL, feed TEXT NOT NULL, good BIGINT NOT NULL, at BIGINT NOT NULL, whole BIGINT NOT NULL, why TEXT NOT NULL, body BLOB NOT NULL,
			PRIMARY KEY (party, feed, good))`,
	}}}
}

// state is what is known of a source, as it is kept.
type state struct {
	loaded   bool
	ETag     string            `json:"etag,omitempty"`
	Modified string            `json:"modified,omitempty"`
	Tried    time.Time         `json:"tried,omitzero"`
	Good     time.Time         `json:"good,omitzero"`    // the last answer that could be read to its end
	News     time.Time         `json:"news,omitzero"`    // the last answer that was not the one before
	Bad      time.Time         `json:"bad,omitzero"`     // since when it has failed; zero when it does not
	Why      string            `json:"why,omitempty"`    // it fails
	Fails    int               `json:"fails,omitzero"`   // in a row
	Count    int               `json:"count"`            // records in the last good answer
	In       int               `json:"in,omitzero"`      // facts in it, refused ones too
	Refused  int               `json:"refused,omitzero"` // of those
	Drift    time.Time         `json:"drift,omitzero"`   // since when most of them are refused
	Held     int               `json:"held,omitzero"`    // records that the snapshot held back would end
	HeldHas  int               `json:"heldHas,omitzero"` // records that it has
	HeldAt   time.Time         `json:"heldAt,omitzero"`
	HeldLost int               `json:"heldLost,omitzero"` // of which so many cannot be read
	Lost     int               `json:"lost,omitzero"`     // records without a readable id in the last snapshot that was taken
	Released bool              `json:"released,omitzero"`
	Files    map[string]string `json:"files,omitempty"` // of a folder: name to what it was when it was read
}

// load reads the state once.
func (s *source) load(ctx context.Context, db hansa.DB) error {
	if s.state.loaded {
		return nil
	}
	err := db.Read(ctx, func(tx hansa.Tx) error {
		rows, err := tx.Query(`SELECT body FROM feed_state WHERE party = ? AND feed = ?`, string(s.Party), s.ID)
		if err != nil {
			return err
		}
		defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
		if rows.Next() {
			var b []byte
			if err := rows.Scan(&b); err != nil {
				return err
			}
			if err := json.Unmarshal(b, &s.state); err != nil {
				return err
			}
		}
		return rows.Err()
	})
	s.state.loaded = err == nil
	return err
}

func (s *source) save(ctx context.Context, db hansa.DB) error {
	b, err := json.Marshal(s.state, json.Deterministic(true))
	if err != nil {
		return err
	}
	return db.Write(ctx, func(tx hansa.Tx) error {
		_, err := tx.Exec(`INSERT INTO feed_state (party, feed, body) VALUES (?, ?, ?) ON CONFLICT (party, feed) DO UPDATE SET body = excluded.body`, string(s.Party), s.ID, string(b))
		return err
	})
}

// status says how a source does at now, since when, and why.
func (s *source) status(st *state, now time.Time) (hansa.FeedStatus, time.Time, string) {
	switch {
	case s.Paused:
		return hansa.FeedPaused, st.Tried, "it was paused by a person"
	case st.Held > 0 && !st.Released:
		if st.HeldLost > 0 {
			return hansa.FeedHeld, st.HeldAt, fmt.Sprintf("%d records of the snapshot cannot be read, and %d that were there are not in it; nothing is ended until a person accepts it or a sound one comes", st.HeldLost, st.Held)
		}
		return hansa.FeedHeld, st.HeldAt, fmt.Sprintf("a snapshot of %d records would end %d; it is held back until a person accepts it or a fuller one comes", st.HeldHas, st.Held)
	case !st.Good.IsZero() && now.Sub(st.Good) > s.Silent:
		return hansa.FeedSilent, st.Good.Add(s.Silent), why(st.Why, "nothing could be read since")
	case st.Fails > 0:
		return hansa.FeedFailing, st.Bad, st.Why
	case !st.Drift.IsZero():
		return hansa.FeedDrift, st.Drift, fmt.Sprintf("%d of %d records cannot be read: has its form changed?", st.Refused, st.In)
	case st.Good.IsZero():
		return hansa.FeedLate, now, "nothing has been read yet"
	case now.Sub(st.Good) > s.Every+s.Every/2:
		return hansa.FeedLate, st.Good.Add(s.Every), "the next answer is due"
	}
	return hansa.FeedFresh, st.Good, ""
}

func why(s, otherwise string) string {
	if s != "" {
		return s
	}
	return otherwise
}

// failed notes that an attempt gave nothing.
func (st *state) failed(now time.Time, err error) {
	if st.Fails == 0 {
		st.Bad = now
	}
	st.Fails++
	st.Why = hansa.Public(err).Message
	if hansa.KindOf(err) == hansa.Internal {
		st.Why = err.Error()
	}
	if len(st.Why) > 500 {
		st.Why = st.Why[:500]
	}
}

// well notes that an answer was read to its end.
func (st *state) well(now time.Time) {
	st.Good, st.Fails, st.Why, st.Bad = now, 0, "", time.Time{}
}

// drifts notes how much of an answer could be read: most of it must be.
func (st *state) drifts(rep *Report, now time.Time) {
	if rep.NotModified {
		return
	}
	st.In, st.Refused = rep.In, rep.Refused
	switch {
	case 2*rep.Refused <= rep.In:
		st.Drift = time.Time{}
	case st.Drift.IsZero():
		st.Drift = now
	}
}

// next is how long to wait before the next attempt: the pace when it is well, a
// growing time with jitter while it fails, and no sooner than the source asked.
func (fs *Feeds) next(s *source, after time.Duration) time.Duration {
	wait := s.Every
	for range min(s.state.Fails, 20) {
		if wait *= 2; wait >= backoffMost {
			wait = max(backoffMost, s.Every)
			break
		}
	}
	if s.state.Fails > 0 && fs.cfg.Jitter != nil {
		wait = time.Duration(float64(wait) * (0.75 + 0.5*fs.cfg.Jitter()))
	}
	return max(wait, min(after, backoffMost))
}

// digests reads what a source gave last.
func (s *source) digests(ctx context.Context, db hansa.DB) (map[string]hansa.Hash, error) {
	out := map[string]hansa.Hash{}
	err := db.Read(ctx, func(tx hansa.Tx) error {
		clear(out)
		rows, err := tx.Query(`SELECT id, digest FROM feed_seen WHERE party = ? AND feed = ?`, string(s.Party), s.ID)
		if err != nil {
			return err
		}
		defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
		for rows.Next() {
			var id string
			var d []byte
			if err := rows.Scan(&id, &d); err != nil {
				return err
			}
			if len(d) == 32 {
				out[id] = hansa.Hash(d)
			}
		}
		return rows.Err()
	})
	return out, err
}

// remember writes what a source gave of some records, and forgets others.
func (s *source) remember(ctx context.Context, db hansa.DB, got map[string]hansa.Hash, gone []string) error {
	if len(got) == 0 && len(gone) == 0 {
		return nil
	}
	return db.Write(ctx, func(tx hansa.Tx) error {
		for id, d := range got {
			if _, err := tx.Exec(`INSERT INTO feed_seen (party, feed, id, digest) VALUES (?, ?, ?, ?) ON CONFLICT (party, feed, id) DO UPDATE SET digest = excluded.digest`, string(s.Party), s.ID, id, d[:]); err != nil {
				return err
			}
		}
		for _, id := range gone {
			if _, err := tx.Exec(`DELETE FROM feed_seen WHERE party = ? AND feed = ? AND id = ?`, string(s.Party), s.ID, id); err != nil {
				return err
			}
		}
		return nil
	})
}
