package catalog

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
)

// Limits of a search.
const (
	KnownMax      = 1000 // datasets in one answer
	KnownDefault  = 200
	searchMax     = 8   // words
	searchWordMax = 100 // bytes of one
)

// Search asks what a party could have: among what it has itself, what others on
// this node offer it, and the catalogues elsewhere that it keeps.
type Search struct {
	Query        // Party is who asks; Base and the rest are not used
	Words string // each must be in what a dataset says of itself; empty finds all
	Gone  bool   // also what catalogues elsewhere no longer show
}

// Known is one dataset that was found.
type Known struct {
	WireDataset
	Participant hansa.PartyID // whose
	Base        string        // the address of its connector; empty when it is on this node
	First       time.Time     // when it was first met; zero on this node
	Changed     time.Time
	Gone        time.Time // zero while it is there
}

// Visited is how the last visits to a catalogue elsewhere went.
type Visited struct {
	Elsewhere
	Tried    time.Time
	Good     time.Time // zero when none went well
	Reason   string    // why the last one failed; empty when it went well
	Datasets int       // that it shows
}

// Known searches for datasets, own ones first, then by participant and id. more
// says that there are others.
func (c *Catalog) Known(ctx context.Context, s Search) (list []Known, more bool, err error) {
	words, err := searched(s.Words)
	if err != nil {
		return nil, false, err
	}
	if s.Limit == 0 {
		s.Limit = KnownDefault
	}
	if s.Limit < 1 || s.Limit > KnownMax {
		return nil, false, hansa.Fielded("?limit", "a search finds 1 to %d datasets, not %d", KnownMax, s.Limit)
	}
	err = c.db.Read(ctx, func(tx hansa.Tx) error {
		list = nil
		for _, f := range []func(hansa.Tx, *Search, []string, func(Known) bool) error{c.ownKnown, c.hostedKnown, c.farKnown} {
			err := f(tx, &s, words, func(k Known) bool {
				list = append(list, k)
				return len(list) <= s.Limit
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if len(list) > s.Limit {
		return list[:s.Limit], true, err
	}
	return list, false, err
}

// searched splits a search into words as they stand in the index.
func searched(s string) ([]string, error) {
	words := strings.Fields(strings.ToLower(s))
	if len(words) > searchMax || slices.ContainsFunc(words, func(w string) bool { return len(w) > searchWordMax }) {
		return nil, hansa.Fielded("?q", "a search has at most %d words of %d bytes", searchMax, searchWordMax)
	}
	return words, nil
}

// searchWords is what a dataset is found by.
func searchWords(d *WireDataset) string {
	parts := []string{d.ID, string(d.Holder)}
	for _, list := range [][]Text{d.Title, d.Description, d.Keyword} {
		for _, t := range list {
			parts = append(parts, t.Value)
		}
	}
	for _, t := range d.Theme {
		parts = append(parts, string(t[strings.LastIndexByte(string(t), '/')+1:]))
	}
	for _, name := range []string{"title", "name", "edc:name", "dct:title", "description", "keyword"} { // as others write them
		var s string
		if json.Unmarshal(d.Rest[name], &s) == nil {
			parts = append(parts, s)
		}
	}
	return strings.ToLower(strings.Join(parts, "\n"))
}

func matches(text string, words []string) bool {
	return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) })
}

// ownKnown finds among the party's own datasets, offered or not.
func (c *Catalog) ownKnown(tx hansa.Tx, s *Search, words []string, yield func(Known) bool) error {
	rows, err := tx.Query(`SELECT body FROM dataset WHERE party = ? ORDER BY id`, string(s.Party))
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
	for rows.Next() {
		var body string
		if err := rows.Scan(&body); err != nil {
			return err
		}
		d, err := c.ready.description(body)
		if err != nil {
			return err
		}
		if matches(searchWords(&d), words) && !yield(Known{WireDataset: d, Participant: s.Party}) {
			break
		}
	}
	return rows.Err()
}

// hostedKnown finds among what other parties of this node offer the party.
func (c *Catalog) hostedKnown(tx hansa.Tx, s *Search, words []string, yield func(Known) bool) error {
	var parties []hansa.PartyID
	err := each(tx, func(scan func(...any) error) error {
		var p hansa.PartyID
		err := scan(&p)
		parties = append(parties, p)
		return err
	}, `SELECT DISTINCT party FROM catalog_offer WHERE withdrawn = 0 AND party <> ? ORDER BY party`, string(s.Party))
	if err != nil {
		return err
	}
	for _, party := range parties {
		q := s.Query
		q.Party, q.Caller = party, s.Party
		var rows []row
		if err := c.offers(tx, &q, `o.dataset > ?`, `o.dataset, o.id`, "", func(r row) bool { rows = append(rows, r); return true }); err != nil {
			return err
		}
		w, err := c.build(&q, rows)
		if err != nil {
			return err
		}
		for i := range w.Dataset {
			d := &w.Dataset[i]
			if matches(searchWords(d), words) && !yield(Known{WireDataset: *d, Participant: party}) {
				return nil
			}
		}
	}
	return nil
}

// farKnown finds in the catalogues elsewhere that the party keeps.
func (*Catalog) farKnown(tx hansa.Tx, s *Search, words []string, yield func(Known) bool) error {
	query, args := `SELECT base, dataset, participant, body, checksum, first, changed, gone FROM catalog_known WHERE party = ?`, []any{string(s.Party)}
	if !s.Gone {
		query += ` AND gone = 0`
	}
	for _, w := range words {
		query += ` AND words LIKE ? ESCAPE '\'`
		args = append(args, "%"+strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(w)+"%")
	}
	done := errors.New("enough")
	err := each(tx, func(scan func(...any) error) error {
		var k Known
		var id, body, sum string
		var first, changed, gone int64
		if err := scan(&k.Base, &id, &k.Participant, &body, &sum, &first, &changed, &gone); err != nil {
			return err
		}
		if sum != knownSum(Elsewhere{Party: s.Party, Base: k.Base}, id, []byte(body)) {
			return corrupt("dataset", id)
		}
		if err := json.Unmarshal([]byte(body), &k.WireDataset); err != nil {
			return errors.Join(corrupt("dataset", id), err)
		}
		k.First, k.Changed = time.UnixMilli(first).UTC(), time.UnixMilli(changed).UTC()
		if gone > 0 {
			k.Gone = time.UnixMilli(gone).UTC()
		}
		if !yield(k) {
			return done
		}
		return nil
	}, query+` ORDER BY participant, base, dataset`, args...)
	if errors.Is(err, done) {
		return nil
	}
	return err
}

// Visits lists the catalogues elsewhere that party keeps, and how they do.
func (c *Catalog) Visits(ctx context.Context, party hansa.PartyID) (list []Visited, err error) {
	err = c.db.Read(ctx, func(tx hansa.Tx) error {
		list = nil
		return each(tx, func(scan func(...any) error) error {
			v := Visited{Elsewhere: Elsewhere{Party: party}}
			var tried, good int64
			if err := scan(&v.Base, &v.Participant, &tried, &good, &v.Reason, &v.Datasets); err != nil {
				return err
			}
			v.Tried = time.UnixMilli(tried).UTC()
			if good > 0 {
				v.Good = time.UnixMilli(good).UTC()
			}
			list = append(list, v)
			return nil
		}, `SELECT e.base, e.participant, e.tried, e.good, e.reason, (SELECT count(*) FROM catalog_known k WHERE k.party = e.party AND k.base = e.base AND k.gone = 0)
			FROM catalog_elsewhere e WHERE e.party = ? ORDER BY e.participant, e.base`, string(party))
	})
	return list, err
}
