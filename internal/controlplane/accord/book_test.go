package accord_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/store"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
)

func shelf(t testing.TB) *store.Store {
	t.Helper()
	db, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "hansa.db"), store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := db.Migrate(t.Context(), accord.Migrations()); err != nil {
		t.Fatal(err)
	}
	return db
}

// TestBook: a party's copy is found again, by what is asked of it, and no other's.
func TestBook(t *testing.T) {
	db, book := shelf(t), accord.NewBook()
	w := opened(t, partnership(t, hansa.ModelPartnership, city, company), city, company)
	put := func(own hansa.PartyID) {
		t.Helper()
		c := w.copies[own]
		err := db.Write(t.Context(), func(tx hansa.Tx) error {
			for _, x := range c.log {
				n, head, err := book.Seen(tx, own, theID, x.m.ID)
				switch {
				case err != nil:
					return err
				case n != 0 && (n != x.e.N || head != x.e.Hash()):
					return fmt.Errorf("message %s is entry %d %s", x.m.ID, n, head)
				case n != 0:
					continue
				}
				if err := book.AddEntry(tx, own, theID, &x.e, x.m); err != nil {
					return err
				}
				if x.t != nil {
					if err := errors.Join(book.AddText(tx, own, x.t), book.AddText(tx, own, x.t)); err != nil {
						return err
					}
				}
			}
			return book.Put(tx, own, &c.state, w.texts[c.state.Proposed])
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	list := func(q accord.Query) (n int) {
		t.Helper()
		err := db.Read(t.Context(), func(tx hansa.Tx) error {
			rows, err := book.List(tx, q)
			n = len(rows)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	put(city)
	if n := list(accord.Query{Own: city, Turn: []hansa.PartyID{third, company}}); n != 1 {
		t.Errorf("whose turn it is: %d", n)
	}
	w.inForce()
	put(city)
	put(company)
	now := w.now.Add(time.Minute)
	for q, want := range map[string]struct {
		q accord.Query
		n int
	}{
		"all":       {accord.Query{}, 2},
		"own":       {accord.Query{Own: city}, 1},
		"stranger":  {accord.Query{Own: third}, 0},
		"state":     {accord.Query{Own: city, State: hansa.AccordInForce}, 1},
		"now":       {accord.Query{Own: city, State: hansa.AccordInForce, Now: now}, 1},
		"over":      {accord.Query{Own: city, State: hansa.AccordEnded, Now: now.AddDate(3, 0, 0)}, 1},
		"not over":  {accord.Query{Own: city, State: hansa.AccordInForce, Now: now.AddDate(3, 0, 0)}, 0},
		"waits":     {accord.Query{Own: city, State: hansa.AccordSigned, Now: now.AddDate(-1, 0, 0)}, 1},
		"model":     {accord.Query{Own: city, Model: hansa.ModelPool}, 0},
		"other":     {accord.Query{Own: city, Other: company}, 1},
		"no other":  {accord.Query{Own: city, Other: third}, 0},
		"turn":      {accord.Query{Own: city, Turn: []hansa.PartyID{company}}, 0},
		"words":     {accord.Query{Own: city, Words: "DOORSTROMING closures"}, 1},
		"no words":  {accord.Query{Own: city, Words: "doorstroming bicycles"}, 0},
		"wild":      {accord.Query{Own: city, Words: "%"}, 0},
		"last page": {accord.Query{Own: city, After: theID}, 0},
	} {
		if n := list(want.q); n != want.n {
			t.Errorf("%s: %d accords, not %d", q, n, want.n)
		}
	}
	err := db.Read(t.Context(), func(tx hansa.Tx) error {
		s, err := book.Get(tx, company, theID)
		if err != nil {
			return err
		}
		if w.encoded(s) != w.encoded(&w.copies[company].state) {
			t.Errorf("another state came back:\n%s", w.encoded(s))
		}
		b, err := book.Text(tx, company, theID, s.Force)
		if err != nil || hash(b) != s.Force {
			t.Errorf("its text: %v", err)
		}
		entries, err := book.Entries(tx, company, theID, 1, 2)
		if err != nil || len(entries) != 2 || entries[0].N != 2 || entries[1].Before != entries[0].Hash() {
			t.Errorf("entries %+v %v", entries, err)
		}
		versions, err := book.Versions(tx, company, theID)
		if err != nil || len(versions) != 1 || versions[0].Hash != s.Force {
			t.Errorf("versions %+v %v", versions, err)
		}
		if n, err := book.Count(tx, city); err != nil || n != 1 {
			t.Errorf("%d of the city: %v", n, err)
		}
		_, err = book.Get(tx, third, theID)
		if hansa.KindOf(err) != hansa.NotFound {
			t.Errorf("a stranger: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	twice := w.copies[city].log[0]
	err = db.Write(t.Context(), func(tx hansa.Tx) error { return book.AddEntry(tx, city, theID, &twice.e, twice.m) })
	if hansa.KindOf(err) != hansa.Conflict {
		t.Errorf("an entry twice: %v", err)
	}
	err = db.Write(t.Context(), func(tx hansa.Tx) error { return book.Discard(tx, city, theID) })
	if hansa.KindOf(err) != hansa.Conflict {
		t.Errorf("what was opened was discarded: %v", err)
	}
}

// TestStanding: what is in force is listed once, however many copies there are, page by
// page, and no draft is a place to go on from.
func TestStanding(t *testing.T) {
	db, book := shelf(t), accord.NewBook()
	w := opened(t, partnership(t, hansa.ModelPartnership, city, company), city, company)
	s := w.inForce()
	now := s.Effect.Add(time.Hour)
	owns := []hansa.PartyID{company, city}
	standing := func(q accord.Standing) (out []string) {
		t.Helper()
		q.Owns, q.Now, q.Binds = owns, now, func(own hansa.PartyID, s *accord.State) bool { return s.Binds(own) }
		err := db.Read(t.Context(), func(tx hansa.Tx) error {
			rows, err := book.Standing(tx, q)
			for i := range rows {
				out = append(out, string(rows[i].State.ID[len(rows[i].State.ID)-1:])+" "+string(rows[i].Own))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	id := func(i int) hansa.AccordID { return hansa.AccordID(fmt.Sprintf("0197f3a0-0000-7000-8000-%012d", i)) }
	err := db.Write(t.Context(), func(tx hansa.Tx) error {
		for i := range 6 {
			one := *s
			one.ID = id(i)
			switch i {
			case 0:
				one.State, one.Effect = hansa.AccordDraft, time.Time{}
			case 1:
				one.Ends = now.Add(-time.Minute)
			case 2:
				one.State = hansa.AccordSuspended
			case 3:
				one.Effect = now.Add(time.Minute)
			}
			for k, own := range []hansa.PartyID{city, company, third} {
				if k > 0 && i == 4 { // the city's alone
					continue
				}
				if err := book.Put(tx, own, &one, w.texts[s.Force]); err != nil {
					return err
				}
			}
		}
		put := func(own hansa.PartyID, i int, told int64, effect time.Duration, out bool) error {
			one := *s
			one.ID, one.N, one.Effect = id(i), told, s.Effect.Add(effect)
			if out {
				one.Bound.Parties = []hansa.PartyID{city, third}
			}
			return book.Put(tx, own, &one, w.texts[s.Force])
		}
		return errors.Join(
			put(city, 6, s.N+2, 20*time.Minute, false), put(company, 6, s.N, 5*time.Minute, false), // waits for its letter
			put(city, 7, s.N+2, -10*time.Minute, false), put(company, 7, s.N+1, 10*time.Minute, true), // left out
			put(company, 9, s.N, 15*time.Minute, true), // left out, and no other copy is here
			put(third, 8, s.N, 30*time.Minute, true),   // of a party that is not asked for
		)
	})
	if err != nil {
		t.Fatal(err)
	}
	all := []string{"6 " + string(city), "5 " + string(company), "4 " + string(city), "2 " + string(company), "7 " + string(city)}
	for _, tc := range []struct {
		after hansa.AccordID
		limit int
		want  []string
	}{
		{"", 0, all},
		{"", 2, all[:2]},
		{id(6), 1, all[1:2]},
		{id(5), 0, all[2:]},
		{id(4), 5, all[3:]},
		{id(2), 0, all[4:]},
		{id(7), 0, nil},
		{id(0), 1, all[:1]}, // never in force: as what is not there
		{theID, 10, all},
	} {
		if got := standing(accord.Standing{After: tc.after, Limit: tc.limit}); !slices.Equal(got, tc.want) {
			t.Errorf("after %s, %d: %v, not %v", tc.after, tc.limit, got, tc.want)
		}
	}
	err = db.Read(t.Context(), func(tx hansa.Tx) error {
		n, err := book.CountStanding(tx, now)
		if n != len(all)+2 { // that of which nothing is heard, and that of another, are not looked into
			t.Errorf("%d stand, not %d", n, len(all)+2)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestBookOld: what an earlier build stored is found by its words, and stands, once the
// tables are changed and filled in; what is corrupt holds up nothing else.
func TestBookOld(t *testing.T) {
	db, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "hansa.db"), store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	all, book := accord.Migrations(), accord.NewBook()
	if err := db.Migrate(t.Context(), all[:3]); err != nil {
		t.Fatal(err)
	}
	other := shelf(t)
	w := opened(t, partnership(t, hansa.ModelPartnership, city, company), city, company)
	s := w.inForce()
	var doc, sum []byte
	err = other.Write(t.Context(), func(tx hansa.Tx) error {
		if err := book.Put(tx, city, s, w.texts[s.Force]); err != nil {
			return err
		}
		return tx.QueryRow(`SELECT doc, sum FROM accord`).Scan(&doc, &sum)
	})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Write(t.Context(), func(tx hansa.Tx) error {
		for _, id := range []string{string(s.ID), "0197f3a0-0000-7000-8000-000000000099"} { // the other is corrupt: its seal is for another id
			_, err := tx.Exec(`INSERT INTO accord (own, id, state, model, effect, ends, changed, words, doc, sum) VALUES (?, ?, 'in-force', 'partnership', ?, 0, 1, 'closures for counts', ?, ?)`, string(city), id, s.Effect.UnixMicro(), doc, sum)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Migrate(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	err = db.Write(t.Context(), func(tx hansa.Tx) error {
		for _, want := range []int{2, 0} {
			if n, err := book.Fill(tx); err != nil || n != want {
				t.Errorf("%d filled, not %d (%v)", n, want, err)
			}
		}
		var words int
		if err := tx.QueryRow(`SELECT COUNT(*) FROM accord_words WHERE words LIKE '%counts%'`).Scan(&words); err != nil || words != 2 {
			t.Errorf("%d have words, not 2 (%v)", words, err)
		}
		if _, err := tx.Exec(`DELETE FROM accord WHERE id <> ?`, string(s.ID)); err != nil {
			return err
		}
		list, err := book.Standing(tx, accord.Standing{Owns: []hansa.PartyID{city}, Now: s.Effect.Add(time.Hour)})
		if err != nil || len(list) != 1 {
			t.Errorf("%d stand (%v)", len(list), err)
		}
		found, err := book.List(tx, accord.Query{Own: city, Words: "counts"})
		if err != nil || len(found) != 1 {
			t.Errorf("%d found by a word (%v)", len(found), err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestDraft: a draft is its party's alone, and may be thrown away.
func TestDraft(t *testing.T) {
	db, book := shelf(t), accord.NewBook()
	x := partnership(t, hansa.ModelPartnership, city, company)
	x.Request = "0192f0c4-7a10-7abc-8def-0123456789ab"
	err := db.Write(t.Context(), func(tx hansa.Tx) error {
		s := &accord.State{ID: theID, State: hansa.AccordDraft, Since: time.Unix(1, 0)}
		if err := errors.Join(book.AddText(tx, city, x), book.Put(tx, city, s, x), book.Discard(tx, city, theID)); err != nil {
			return err
		}
		for _, table := range []string{"accord", "accord_party", "accord_words", "accord_request", "accord_text"} {
			var n int
			if err := tx.QueryRow(`SELECT COUNT(*) FROM ` + table).Scan(&n); err != nil || n != 0 {
				t.Errorf("%s keeps %d rows of it: %v", table, n, err)
			}
		}
		_, err := book.Get(tx, city, theID)
		return err
	})
	if hansa.KindOf(err) != hansa.NotFound {
		t.Errorf("a draft that was thrown away: %v", err)
	}
}

// TestBookCorrupt: a row that was changed under the book is not believed.
func TestBookCorrupt(t *testing.T) {
	book := accord.NewBook()
	for name, c := range map[string]struct {
		spoil string
		read  func(tx hansa.Tx, s *accord.State) error
	}{
		"state": {`UPDATE accord SET doc = replace(CAST(doc AS TEXT), 'in-force', 'ended')`, func(tx hansa.Tx, _ *accord.State) error { _, err := book.Get(tx, city, theID); return err }},
		"list":  {`UPDATE accord SET doc = replace(CAST(doc AS TEXT), 'Closures', 'Secrets')`, func(tx hansa.Tx, _ *accord.State) error { _, err := book.List(tx, accord.Query{}); return err }},
		"own":   {`UPDATE accord SET own = 'did:web:other.example'`, func(tx hansa.Tx, _ *accord.State) error { _, err := book.List(tx, accord.Query{}); return err }},
		"text":  {`UPDATE accord_text SET doc = replace(CAST(doc AS TEXT), '30', '31')`, func(tx hansa.Tx, s *accord.State) error { _, err := book.Text(tx, city, theID, s.Force); return err }},
		"entry": {`UPDATE accord_entry SET doc = replace(CAST(doc AS TEXT), '2026', '2025')`, func(tx hansa.Tx, _ *accord.State) error {
			_, err := book.Entries(tx, city, theID, 0, 0)
			return err
		}},
	} {
		db := shelf(t)
		w := opened(t, partnership(t, hansa.ModelPartnership, city, company), city, company)
		s := w.inForce()
		err := db.Write(t.Context(), func(tx hansa.Tx) error {
			x := w.copies[city].log[0]
			if err := errors.Join(book.AddText(tx, city, w.texts[s.Force]), book.AddEntry(tx, city, theID, &x.e, x.m), book.Put(tx, city, s, w.texts[s.Force])); err != nil {
				return err
			}
			_, err := tx.Exec(c.spoil)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		err = db.Read(t.Context(), func(tx hansa.Tx) error { return c.read(tx, s) })
		if err == nil || hansa.Public(err).Code != hansa.CodeCorrupt {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// BenchmarkBook: listing and search among 10,000 accords of 20 clauses in force.
func BenchmarkBook(b *testing.B) {
	db, book := shelf(b), accord.NewBook()
	w := opened(b, partnership(b, hansa.ModelPartnership, city, company), city, company)
	s := w.inForce()
	x := *w.texts[s.Force]
	for len(x.Clauses) < 20 {
		x.Clauses = append(x.Clauses, x.Clauses[3])
	}
	for from := 0; from < 10_000; from += 500 {
		err := db.Write(context.Background(), func(tx hansa.Tx) error {
			for i := from; i < from+500; i++ {
				one := *s
				one.ID = hansa.AccordID(fmt.Sprintf("0197f3a0-0000-7000-8000-%012d", i))
				one.TurnSince = w.now.Add(time.Duration(i) * time.Second)
				x.ID, x.Title = one.ID, accord.Words{"nl": fmt.Sprintf("Akkoord %d", i), "en": fmt.Sprintf("Accord %d", i)}
				if err := book.Put(tx, city, &one, &x); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	for name, q := range map[string]accord.Query{
		"newest": {Own: city, Limit: 100},
		"words":  {Own: city, Limit: 100, Words: "accord 4321"},
		"none":   {Own: city, Limit: 100, Words: "bicycles"},
		"state":  {Own: city, Limit: 100, State: hansa.AccordSuspended, Now: w.now},
		"other":  {Own: city, Limit: 100, Other: third},
		"turn":   {Own: city, Limit: 100, Turn: []hansa.PartyID{city}},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := db.Read(context.Background(), func(tx hansa.Tx) error { _, err := book.List(tx, q); return err }); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
