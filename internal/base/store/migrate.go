package store

import (
	"context"
	"fmt"
	"time"

	"github.com/hansa-exchange/hansa"
)

// schema is the store's own tables; rooms bring theirs as migrations.
const schema = `
CREATE TABLE IF NOT EXISTS store_migration (room TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (room, number));
CREATE TABLE IF NOT EXISTS store_epoch (number INTEGER NOT NULL PRIMARY KEY, id TEXT NOT NULL, began INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS store_lease (name TEXT NOT NULL PRIMARY KEY, holder TEXT NOT NULL, fence INTEGER NOT NULL, until INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS counts (
	party TEXT NOT NULL, subject TEXT NOT NULL, what TEXT NOT NULL, day INTEGER NOT NULL, n INTEGER NOT NULL,
	PRIMARY KEY (party, subject, what, day));
`

// Migrate brings each room's tables up to date, one migration a transaction, so
// that a kill at any point leaves a whole number of them. A number that this build
// does not know is refused by name: a later build has been here.
func (s *Store) Migrate(ctx context.Context, list []hansa.Migration) error {
	newest := map[string]int{}
	for _, m := range list {
		newest[m.Room] = max(newest[m.Room], m.Number)
	}
	done, err := s.migrated(ctx)
	if err != nil {
		return err
	}
	for room, n := range done {
		if n > newest[room] {
			return hansa.Errorf(hansa.Conflict, "the database holds migration %d of %s, and this build knows %d", n, room, newest[room]).
				WithHint("run the newer build that wrote it, or restore the backup made before the upgrade")
		}
	}
	for _, m := range list {
		if m.Number <= done[m.Room] {
			continue
		}
		if m.Number != done[m.Room]+1 {
			return fmt.Errorf("internal error: migration %d of %s follows %d", m.Number, m.Room, done[m.Room])
		}
		err := s.Write(ctx, func(tx hansa.Tx) error {
			for _, statement := range m.Statements {
				if _, err := tx.Exec(statement); err != nil {
					return fmt.Errorf("migration %d of %s: %w", m.Number, m.Room, err)
				}
			}
			_, err := tx.Exec(`INSERT INTO store_migration (room, number) VALUES (?, ?)`, m.Room, m.Number)
			return err
		})
		if err != nil {
			return err
		}
		done[m.Room] = m.Number
	}
	return nil
}

// Behind returns how many migrations of list are missing in a database that has
// some: 0 for a new one and for one that is up to date. done counts those it has.
func (s *Store) Behind(ctx context.Context, list []hansa.Migration) (missing, done int, err error) {
	have, err := s.migrated(ctx)
	if err != nil || len(have) == 0 {
		return 0, 0, err
	}
	for _, m := range list {
		if m.Number <= have[m.Room] {
			done++
		} else {
			missing++
		}
	}
	return missing, done, nil
}

// migrated returns the newest migration of each room.
func (s *Store) migrated(ctx context.Context) (map[string]int, error) {
	done := map[string]int{}
	err := s.Read(ctx, func(tx hansa.Tx) error {
		rows, err := tx.Query(`SELECT room, max(number) FROM store_migration GROUP BY room`)
		if err != nil {
			return err
		}
		defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
		for rows.Next() {
			var room string
			var n int
			if err := rows.Scan(&room, &n); err != nil {
				return err
			}
			done[room] = n
		}
		return rows.Err()
	})
	return done, err
}

// Epoch is one life of a node: from its beginning or a restore on.
type Epoch struct {
	Number int64
	ID     string
	Began  time.Time
}

// beginEpoch gives a new database its first epoch.
func (s *Store) beginEpoch(ctx context.Context) error {
	var n int
	if err := s.conn.QueryRowContext(ctx, `SELECT count(*) FROM store_epoch`).Scan(&n); err != nil || n > 0 {
		return err
	}
	now := time.Now() //nolint:forbidigo // a new database's own beginning; nothing is ordered by it
	_, err := s.conn.ExecContext(ctx, `INSERT INTO store_epoch (number, id, began) VALUES (1, ?, ?)`, hansa.NewID(now), unix(now))
	return err
}

// Epochs lists the epochs, the present one last.
func (s *Store) Epochs(ctx context.Context) (list []Epoch, err error) {
	err = s.Read(ctx, func(tx hansa.Tx) error {
		list = nil
		rows, err := tx.Query(`SELECT number, id, began FROM store_epoch ORDER BY number`)
		if err != nil {
			return err
		}
		defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
		for rows.Next() {
			var e Epoch
			var began int64
			if err := rows.Scan(&e.Number, &e.ID, &began); err != nil {
				return err
			}
			e.Began = time.UnixMilli(began).UTC()
			list = append(list, e)
		}
		return rows.Err()
	})
	return list, err
}

// Count adds n to what is counted of subject for party on the day of at (UTC), in
// the transaction of the change that is counted (decision 1d).
func Count(tx hansa.Tx, party hansa.PartyID, subject, what string, at time.Time, n int64) error {
	if n == 0 {
		return nil
	}
	_, err := tx.Exec(`INSERT INTO counts (party, subject, what, day, n) VALUES (?, ?, ?, ?, ?) ON CONFLICT (party, subject, what, day) DO UPDATE SET n = counts.n + excluded.n`,
		string(party), subject, what, at.Unix()/86400, n)
	return err
}

// Counted is what was counted of a subject on a day (UTC).
type Counted struct {
	What string
	Day  time.Time
	N    int64
}

// Counts reads what was counted of subject for party, by day.
func Counts(tx hansa.Tx, party hansa.PartyID, subject string) (out []Counted, err error) {
	rows, err := tx.Query(`SELECT what, day, n FROM counts WHERE party = ? AND subject = ? ORDER BY day, what`, string(party), subject)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
	for rows.Next() {
		var c Counted
		var day int64
		if err := rows.Scan(&c.What, &day, &c.N); err != nil {
			return nil, err
		}
		c.Day = time.Unix(day*86400, 0).UTC()
		out = append(out, c)
	}
	return out, rows.Err()
}

// Lease claims a named task for holder until ttl after now. The fence rises each
// time that the task changes hands; ok is false while another holds it.
func Lease(tx hansa.Tx, name, holder string, now time.Time, ttl time.Duration) (fence int64, ok bool, err error) {
	_, err = tx.Exec(`INSERT INTO store_lease (name, holder, fence, until) VALUES (?, ?, 1, ?)
		ON CONFLICT (name) DO UPDATE SET fence = store_lease.fence + CASE WHEN store_lease.holder = excluded.holder THEN 0 ELSE 1 END, holder = excluded.holder, until = excluded.until
		WHERE store_lease.holder = excluded.holder OR store_lease.until <= ?`, name, holder, unix(now.Add(ttl)), unix(now))
	if err != nil {
		return 0, false, err
	}
	var who string
	err = tx.QueryRow(`SELECT holder, fence FROM store_lease WHERE name = ?`, name).Scan(&who, &fence)
	return fence, who == holder, err
}
