package accord

import (
	"crypto/sha256"
	"crypto/subtle"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
)

// ListMax bounds what is listed at once.
const ListMax = 1000

// Book keeps the accords of a node's parties: each party has a copy of its own of the
// state, the texts and the entries. Rows carry a checksum; one that does not match its
// own is Internal, [hansa.CodeCorrupt].
type Book struct{}

// NewBook returns the book of a database that has [Migrations].
func NewBook() Book { return Book{} }

// Migrations returns the room's tables.
func Migrations() []hansa.Migration {
	return []hansa.Migration{{Room: "accord", Number: 1, Statements: []string{
		`CREATE TABLE accord (own TEXT NOT NULL, id TEXT NOT NULL, state TEXT NOT NULL, model TEXT NOT NULL, effect BIGINT NOT NULL, ends BIGINT NOT NULL, changed BIGINT NOT NULL,
			words TEXT NOT NULL, doc BYTEA NOT NULL, sum BYTEA NOT NULL, PRIMARY KEY (own, id))`,
		`CREATE INDEX accord_changed ON accord (own, changed, id)`,
		`CREATE TABLE accord_party (own TEXT NOT NULL, id TEXT NOT NULL, party TEXT NOT NULL, turn INTEGER NOT NULL, PRIMARY KEY (own, id, party))`,
		`CREATE INDEX accord_party_of ON accord_party (own, party, turn)`,
		`CREATE TABLE accord_text (own TEXT NOT NULL, id TEXT NOT NULL, hash TEXT NOT NULL, version INTEGER NOT NULL, doc BYTEA NOT NULL, PRIMARY KEY (own, id, hash))`,
		`CREATE TABLE accord_entry (own TEXT NOT NULL, id TEXT NOT NULL, n BIGINT NOT NULL, message TEXT NOT NULL, kind TEXT NOT NULL, sender TEXT NOT NULL, hash TEXT NOT NULL, doc BYTEA NOT NULL, PRIMARY KEY (own, id, n))`,
		`CREATE UNIQUE INDEX accord_entry_message ON accord_entry (own, id, message)`,
	}}, {Room: "accord", Number: 2, Statements: []string{
		`CREATE INDEX accord_standing ON accord (effect, id, state, ends, own)`,
	}}, {Room: "accord", Number: 3, Statements: []string{ // a search reads no row that it does not list
		`DROP INDEX accord_changed`,
		`CREATE INDEX accord_found ON accord (own, changed, id, model, state, effect, ends, words)`,
	}}, {Room: "accord", Number: 4, Statements: []string{ // words are longer than an entry of an index may be
		`CREATE TABLE accord_words (own TEXT NOT NULL, id TEXT NOT NULL, words TEXT NOT NULL, PRIMARY KEY (own, id))`,
		`INSERT INTO accord_words (own, id, words) SELECT own, id, words FROM accord`,
		`DROP INDEX accord_found`,
		`ALTER TABLE accord DROP COLUMN words`,
		`CREATE INDEX accord_found ON accord (own, changed, id, model, state, effect, ends)`,
		`ALTER TABLE accord ADD COLUMN told BIGINT`, // the number of the newest entry; NULL: an earlier build wrote it, see [Book.Fill]
		`DROP INDEX accord_standing`,
		`CREATE INDEX accord_standing ON accord (effect, id, told, state, ends, own)`,
		`CREATE INDEX accord_told ON accord (id, told, effect, own)`,
	}}, {Room: "accord", Number: 5, Statements: []string{ // the request that its newest text answers
		`CREATE TABLE accord_request (own TEXT NOT NULL, id TEXT NOT NULL, request TEXT NOT NULL, PRIMARY KEY (own, id))`,
		`CREATE INDEX accord_request_of ON accord_request (own, request, id)`,
	}}}
}

// Row is an accord as it is listed.
type Row struct {
	Own     hansa.PartyID
	State   *State
	Title   Words
	Summary Words
	Model   hansa.Model
	Parties []Party // of the text, without members
	Changed time.Time
}

// shelved is what a row holds.
type shelved struct {
	State   *State      `json:"state"`
	Title   Words       `json:"title"`
	Summary Words       `json:"summary,omitempty"`
	Model   hansa.Model `json:"model"`
	Parties []Party     `json:"parties"`
}

// Put stores own's copy, new or changed. t is the text that is proposed, or of a draft.
func (Book) Put(tx hansa.Tx, own hansa.PartyID, s *State, t *Text) error {
	doc, err := json.Marshal(shelved{s, t.Title, t.Summary, t.Model, t.Parties}, json.Deterministic(true))
	if err != nil {
		return fmt.Errorf("encode accord %s: %w", s.ID, err)
	}
	changed := later(s.Since, later(s.Taken, s.TurnSince))
	_, err = tx.Exec(`INSERT INTO accord (own, id, state, model, effect, ends, changed, told, doc, sum) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (own, id) DO UPDATE SET state = excluded.state, model = excluded.model, effect = excluded.effect, ends = excluded.ends, changed = excluded.changed, told = excluded.told, doc = excluded.doc, sum = excluded.sum`,
		string(own), string(s.ID), string(s.State), string(t.Model), micro(s.Effect), micro(s.Ends), micro(changed), s.N, doc, sealed(own, s.ID, doc))
	if err != nil {
		return fmt.Errorf("write accord %s: %w", s.ID, err)
	}
	_, err = tx.Exec(`INSERT INTO accord_words (own, id, words) VALUES (?, ?, ?) ON CONFLICT (own, id) DO UPDATE SET words = excluded.words`, string(own), string(s.ID), searched(s, t))
	if err != nil {
		return fmt.Errorf("write the words of accord %s: %w", s.ID, err)
	}
	return errors.Join(putParties(tx, own, s, t), putRequest(tx, own, t))
}

// putRequest makes an accord found by the request that t answers.
func putRequest(tx hansa.Tx, own hansa.PartyID, t *Text) error {
	var err error
	if t.Request == "" {
		_, err = tx.Exec(`DELETE FROM accord_request WHERE own = ? AND id = ?`, string(own), string(t.ID))
	} else {
		_, err = tx.Exec(`INSERT INTO accord_request (own, id, request) VALUES (?, ?, ?) ON CONFLICT (own, id) DO UPDATE SET request = excluded.request`, string(own), string(t.ID), string(t.Request))
	}
	if err != nil {
		return fmt.Errorf("write which request accord %s answers: %w", t.ID, err)
	}
	return nil
}

// Answering lists the accords, at most limit, whose newest text names a request: those
// that changed last first. Anybody can name one: see who is in them.
func (Book) Answering(tx hansa.Tx, own hansa.PartyID, request hansa.AccordID, limit int) (out []Row, err error) {
	rows, err := tx.Query(`SELECT a.id, a.changed, a.doc, a.sum FROM accord_request r JOIN accord a ON a.own = r.own AND a.id = r.id
		WHERE r.own = ? AND r.request = ? ORDER BY a.changed DESC, a.id DESC LIMIT ?`, string(own), string(request), limit)
	if err != nil {
		return nil, fmt.Errorf("find what answers request %s: %w", request, err)
	}
	defer func() { _ = rows.Close() }() // rows.Err says what went wrong
	for rows.Next() {
		var id hansa.AccordID
		var changed int64
		var doc, sum []byte
		if err := rows.Scan(&id, &changed, &doc, &sum); err != nil {
			return nil, fmt.Errorf("find what answers request %s: %w", request, err)
		}
		r, err := rowOf(own, id, changed, doc, sum)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, rows.Err()
}

// putParties makes an accord found by who is in it, and by whose turn it is.
func putParties(tx hansa.Tx, own hansa.PartyID, s *State, t *Text) error {
	now := map[hansa.PartyID]bool{}
	for i := range t.Parties {
		now[t.Parties[i].ID] = false
	}
	for _, id := range s.Bound.Parties {
		now[id] = false
	}
	for i := range s.Members {
		now[s.Members[i].Party.ID] = false
	}
	for _, id := range s.Turn {
		now[id] = true
	}
	was, err := partiesIn(tx, own, s.ID)
	if err != nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(was)) {
		if _, still := now[id]; !still {
			if _, err := tx.Exec(`DELETE FROM accord_party WHERE own = ? AND id = ? AND party = ?`, string(own), string(s.ID), string(id)); err != nil {
				return fmt.Errorf("write who is in accord %s: %w", s.ID, err)
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(now)) {
		if turn, known := was[id]; known && turn == now[id] {
			continue
		}
		_, err := tx.Exec(`INSERT INTO accord_party (own, id, party, turn) VALUES (?, ?, ?, ?) ON CONFLICT (own, id, party) DO UPDATE SET turn = excluded.turn`, string(own), string(s.ID), string(id), now[id])
		if err != nil {
			return fmt.Errorf("write who is in accord %s: %w", s.ID, err)
		}
	}
	return nil
}

// partiesIn reads who is in an accord, and whether it is their turn.
func partiesIn(tx hansa.Tx, own hansa.PartyID, id hansa.AccordID) (map[hansa.PartyID]bool, error) {
	rows, err := tx.Query(`SELECT party, turn FROM accord_party WHERE own = ? AND id = ?`, string(own), string(id))
	if err != nil {
		return nil, fmt.Errorf("read who is in accord %s: %w", id, err)
	}
	defer func() { _ = rows.Close() }() // rows.Err says what went wrong
	out := map[hansa.PartyID]bool{}
	for rows.Next() {
		var party hansa.PartyID
		var turn bool
		if err := rows.Scan(&party, &turn); err != nil {
			return nil, fmt.Errorf("read who is in accord %s: %w", id, err)
		}
		out[party] = turn
	}
	return out, rows.Err()
}

// searched is what an accord is found by: titles of it, its parties and its data.
func searched(s *State, t *Text) string {
	list := []string{string(s.ID)}
	for _, lang := range slices.Sorted(maps.Keys(t.Title)) {
		list = append(list, t.Title[lang])
	}
	for i := range t.Parties {
		list = append(list, t.Parties[i].Title)
	}
	for i := range s.Members {
		list = append(list, s.Members[i].Party.Title)
	}
	for i := range t.Flows {
		f := &t.Flows[i]
		list = append(list, f.Name, f.Dataset.Name, f.Dataset.Title)
	}
	text := strings.ToLower(strings.Join(list, "\n"))
	return strings.ToValidUTF8(text[:min(len(text), 8<<10)], "")
}

// sealed binds what an accord is found by to what it is.
func sealed(own hansa.PartyID, id hansa.AccordID, doc []byte) []byte {
	h := sha256.New()
	for _, k := range []string{string(own), string(id)} {
		_, _ = fmt.Fprintf(h, "%d:%s", len(k), k) // a hash takes everything
	}
	h.Write(doc)
	return h.Sum(nil)
}

func unseal(own hansa.PartyID, id hansa.AccordID, doc, sum []byte) (out shelved, err error) {
	if subtle.ConstantTimeCompare(sealed(own, id, doc), sum) != 1 {
		return out, corrupt("accord %s", id)
	}
	if err := json.Unmarshal(doc, &out); err != nil {
		return out, fmt.Errorf("decode accord %s: %w", id, err)
	}
	return out, nil
}

func corrupt(format string, args ...any) error {
	return hansa.Errorf(hansa.Internal, "%s does not match its checksum", fmt.Sprintf(format, args...)).With(hansa.CodeCorrupt)
}

func micro(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// Get returns own's copy of an accord, or NotFound.
func (b Book) Get(tx hansa.Tx, own hansa.PartyID, id hansa.AccordID) (*State, error) {
	r, err := b.row(tx, own, id)
	return r.State, err
}

// row is own's copy of an accord as it is listed, or NotFound.
func (Book) row(tx hansa.Tx, own hansa.PartyID, id hansa.AccordID) (Row, error) {
	var changed int64
	var doc, sum []byte
	err := tx.QueryRow(`SELECT changed, doc, sum FROM accord WHERE own = ? AND id = ?`, string(own), string(id)).Scan(&changed, &doc, &sum)
	if errors.Is(err, sql.ErrNoRows) {
		return Row{}, hansa.Errorf(hansa.NotFound, "there is no accord %.60q", id).WithHint("hansa accords list")
	}
	if err != nil {
		return Row{}, fmt.Errorf("read accord %s: %w", id, err)
	}
	return rowOf(own, id, changed, doc, sum)
}

// rowOf reads what is stored of a copy.
func rowOf(own hansa.PartyID, id hansa.AccordID, changed int64, doc, sum []byte) (Row, error) {
	x, err := unseal(own, id, doc, sum)
	if err != nil {
		return Row{}, err
	}
	return Row{Own: own, State: x.State, Title: x.Title, Summary: x.Summary, Model: x.Model, Parties: x.Parties, Changed: time.UnixMicro(changed).UTC()}, nil
}

// Count returns how many accords own has a copy of.
func (Book) Count(tx hansa.Tx, own hansa.PartyID) (n int, err error) {
	err = tx.QueryRow(`SELECT COUNT(*) FROM accord WHERE own = ?`, string(own)).Scan(&n)
	return n, err
}

// Query says which accords are listed. What is empty asks nothing.
type Query struct {
	Own   hansa.PartyID
	State hansa.AccordState // as it stands at Now, see [State.At]
	Now   time.Time         // zero: by entries alone
	Model hansa.Model
	Other hansa.PartyID   // that is in it too
	Turn  []hansa.PartyID // it is the turn of one of these
	Words string          // each of them is somewhere in its title, its parties or its data
	Limit int             // 0 and more than [ListMax] is [ListMax]
	After hansa.AccordID  // the last of the page before
}

// QueryBytesMax bounds the words of a query.
const QueryBytesMax = 200

// List returns accords, those that changed last first.
func (Book) List(tx hansa.Tx, q Query) ([]Row, error) {
	where, args, err := q.where(tx)
	if err != nil {
		return nil, err
	}
	if q.Limit <= 0 || q.Limit > ListMax {
		q.Limit = ListMax
	}
	rows, err := tx.Query(`SELECT own, id, changed, doc, sum FROM accord a WHERE `+where+` ORDER BY changed DESC, id DESC LIMIT ?`, append(args, q.Limit)...)
	if err != nil {
		return nil, fmt.Errorf("list accords: %w", err)
	}
	defer func() { _ = rows.Close() }() // rows.Err says what went wrong
	out := []Row{}
	for rows.Next() {
		var own hansa.PartyID
		var id hansa.AccordID
		var changed int64
		var doc, sum []byte
		if err := rows.Scan(&own, &id, &changed, &doc, &sum); err != nil {
			return nil, fmt.Errorf("list accords: %w", err)
		}
		r, err := rowOf(own, id, changed, doc, sum)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, rows.Err()
}

// where says q in SQL.
func (q *Query) where(tx hansa.Tx) (string, []any, error) {
	where, args := []string{"1 = 1"}, []any{}
	add := func(text string, list ...any) { where, args = append(where, text), append(args, list...) }
	if q.Own != "" {
		add("a.own = ?", string(q.Own))
	}
	if q.Model != "" {
		add("a.model = ?", string(q.Model))
	}
	if q.Other != "" {
		if err := q.parties(tx, add, "", q.Other); err != nil {
			return "", nil, err
		}
	}
	if len(q.Turn) > 0 {
		if err := q.parties(tx, add, "p.turn = 1 AND ", q.Turn...); err != nil {
			return "", nil, err
		}
	}
	if q.State != "" {
		q.state(add)
	}
	if len(q.Words) > QueryBytesMax {
		return "", nil, hansa.Fielded("/words", "a search has at most %d bytes", QueryBytesMax)
	}
	q.words(add)
	if q.After != "" {
		var changed int64
		err := tx.QueryRow(`SELECT changed FROM accord WHERE own = ? AND id = ?`, string(q.Own), string(q.After)).Scan(&changed)
		if errors.Is(err, sql.ErrNoRows) {
			return "", nil, hansa.Fielded("/after", "there is no accord %.60q", q.After)
		}
		if err != nil {
			return "", nil, fmt.Errorf("list accords: %w", err)
		}
		add("(a.changed < ? OR a.changed = ? AND a.id < ?)", changed, changed, string(q.After))
	}
	return strings.Join(where, " AND "), args, nil
}

// words asks for each of its words. All words that own has are read in one go: they are
// little beside the accords.
func (q *Query) words(add func(string, ...any)) {
	text, args := "EXISTS (SELECT 1 FROM accord_words w WHERE w.own = a.own AND w.id = a.id", []any(nil)
	if q.Own != "" {
		text, args = "a.id IN (SELECT w.id FROM accord_words w WHERE w.own = ?", []any{string(q.Own)}
	}
	n := len(args)
	for word := range strings.FieldsSeq(strings.ToLower(q.Words)) {
		text += ` AND w.words LIKE ? ESCAPE '\'`
		args = append(args, "%"+strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(word)+"%")
	}
	if len(args) > n {
		add(text+")", args...)
	}
}

// partiesFew is up to how many accords of somebody are gathered before the first is listed.
const partiesFew = 1000

// parties says that one of list is in an accord, and what else of it. Few are found first
// by an index, and then put in order; of many, the newest are soon met in order.
func (q *Query) parties(tx hansa.Tx, add func(string, ...any), more string, list ...hansa.PartyID) error {
	in, args := more+"p.party IN (?"+strings.Repeat(", ?", len(list)-1)+")", []any{}
	for _, id := range list {
		args = append(args, string(id))
	}
	if q.Own != "" {
		own, n := append([]any{string(q.Own)}, args...), 0
		err := tx.QueryRow(`SELECT COUNT(*) FROM (SELECT 1 FROM accord_party p WHERE p.own = ? AND `+in+` LIMIT ?) few`, append(slices.Clip(own), partiesFew)...).Scan(&n)
		if err != nil {
			return fmt.Errorf("list accords: %w", err)
		}
		if n < partiesFew {
			add("a.id IN (SELECT p.id FROM accord_party p WHERE p.own = ? AND "+in+")", own...)
			return nil
		}
	}
	add("EXISTS (SELECT 1 FROM accord_party p WHERE p.own = a.own AND p.id = a.id AND "+in+")", args...)
	return nil
}

// state is [State.At] in SQL.
func (q *Query) state(add func(string, ...any)) {
	now := micro(q.Now)
	const ended, waits = `(a.ends <> 0 AND a.ends <= ?)`, `a.effect > ?`
	switch {
	case q.Now.IsZero():
		add("a.state = ?", string(q.State))
	case q.State == hansa.AccordEnded:
		add(`(a.state = 'ended' OR a.state IN ('in-force', 'suspended') AND `+ended+`)`, now)
	case q.State == hansa.AccordSigned:
		add(`(a.state = 'signed' OR a.state IN ('in-force', 'suspended') AND NOT `+ended+` AND `+waits+`)`, now, now)
	case q.State == hansa.AccordInForce || q.State == hansa.AccordSuspended:
		add(`(a.state = ? AND NOT `+ended+` AND NOT `+waits+`)`, string(q.State), now, now)
	default:
		add("a.state = ?", string(q.State))
	}
}
