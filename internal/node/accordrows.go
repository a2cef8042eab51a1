package node

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/journal"
	"github.com/hansa-exchange/hansa/internal/base/trust"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
)

// accordMigrations are the tables of how accords travel (docs/formats/accord-exchange.md).
func accordMigrations() []hansa.Migration {
	return []hansa.Migration{{Room: "exchange", Number: 1, Statements: []string{
		`CREATE TABLE exchange_sent (own TEXT NOT NULL, accord TEXT NOT NULL, id TEXT NOT NULL, kind TEXT NOT NULL, at BIGINT NOT NULL, state TEXT NOT NULL, code TEXT NOT NULL, reason TEXT NOT NULL, hint TEXT NOT NULL,
			done BIGINT NOT NULL, jws TEXT NOT NULL, PRIMARY KEY (own, id))`,
		`CREATE INDEX exchange_sent_accord ON exchange_sent (own, accord, at)`,
		`CREATE TABLE exchange_waiting (own TEXT NOT NULL, accord TEXT NOT NULL, n BIGINT NOT NULL, sender TEXT NOT NULL, host TEXT NOT NULL, at BIGINT NOT NULL, jws TEXT NOT NULL, PRIMARY KEY (own, accord, n))`,
		`CREATE TABLE exchange_contact (own TEXT NOT NULL, party TEXT NOT NULL, kid TEXT NOT NULL, at BIGINT NOT NULL, how TEXT NOT NULL, PRIMARY KEY (own, party))`,
		`CREATE TABLE exchange_checkpoint (sender TEXT NOT NULL, origin TEXT NOT NULL, size BIGINT NOT NULL, root TEXT NOT NULL, at BIGINT NOT NULL, note TEXT NOT NULL, PRIMARY KEY (sender, origin, size))`,
		`CREATE TABLE exchange_source (own TEXT NOT NULL, accord TEXT NOT NULL, party TEXT NOT NULL, PRIMARY KEY (own, accord))`,
		`CREATE TABLE exchange_due (own TEXT NOT NULL, accord TEXT NOT NULL, what TEXT NOT NULL, day TEXT NOT NULL, k TEXT NOT NULL, title TEXT NOT NULL, at BIGINT NOT NULL, told BIGINT NOT NULL, PRIMARY KEY (own, accord, what, day, k))`,
		`CREATE INDEX exchange_due_at ON exchange_due (own, at)`,
		`CREATE TABLE exchange_review (id TEXT NOT NULL PRIMARY KEY, token TEXT NOT NULL UNIQUE, own TEXT NOT NULL, accord TEXT NOT NULL, who TEXT NOT NULL, made BIGINT NOT NULL, until BIGINT NOT NULL,
			revoked BIGINT NOT NULL, opened BIGINT NOT NULL, last BIGINT NOT NULL)`,
		`CREATE INDEX exchange_review_accord ON exchange_review (own, accord, made)`,
		`CREATE TABLE exchange_adopted (own TEXT NOT NULL, accord TEXT NOT NULL, address TEXT NOT NULL, hash TEXT NOT NULL, doc BLOB NOT NULL, notes TEXT NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (own, accord))`,
		`CREATE TABLE exchange_request (own TEXT NOT NULL, id TEXT NOT NULL, other TEXT NOT NULL, state TEXT NOT NULL, due BIGINT NOT NULL, changed BIGINT NOT NULL, doc TEXT NOT NULL, PRIMARY KEY (own, id))`,
		`CREATE INDEX exchange_request_changed ON exchange_request (own, state, changed)`,
		`CREATE TABLE exchange_key (kid TEXT NOT NULL PRIMARY KEY, jwk TEXT NOT NULL, at BIGINT NOT NULL)`,
	}}, {Room: "exchange", Number: 2, Statements: []string{
		`CREATE INDEX exchange_sent_open ON exchange_sent (own, accord) WHERE state <> 'taken'`,
	}}}
}

// The states of an own message on its way to a keeper. Values are written to disk.
const (
	sentWaits   = "waits"
	sentTaken   = "taken"   // the keeper has numbered it, and the entry is here
	sentRefused = "refused" // the keeper will not have it
)

// sent is an own message to a keeper elsewhere.
type sent struct {
	accord hansa.AccordID
	id     string
	kind   accord.Kind
	at     time.Time
	state  string
	code   string
	reason string
	hint   string
	done   time.Time
}

// keepSent notes that a message is on its way.
func keepSent(tx hansa.Tx, own hansa.PartyID, h *heard, now time.Time) error {
	_, err := tx.Exec(`INSERT INTO exchange_sent (own, accord, id, kind, at, state, code, reason, hint, done, jws) VALUES (?, ?, ?, ?, ?, ?, '', '', '', 0, ?)`,
		string(own), string(h.m.Accord), h.m.ID, string(h.m.Kind), now.UnixMicro(), sentWaits, h.jws)
	return err
}

// settle notes that an own message was numbered.
func (x *accords) settle(tx hansa.Tx, own hansa.PartyID, m *accord.Message) error {
	_, err := tx.Exec(`UPDATE exchange_sent SET state = ?, done = ?, jws = '' WHERE own = ? AND id = ?`, sentTaken, x.n.wall().UnixMicro(), string(own), m.ID)
	return err
}

// sents lists own's messages about an accord, the newest first; empty is every state.
func sents(tx hansa.Tx, own hansa.PartyID, id hansa.AccordID, state string, limit int) ([]sent, error) {
	rows, err := tx.Query(`SELECT accord, id, kind, at, state, code, reason, hint, done FROM exchange_sent WHERE own = ? AND accord = ? AND (? = '' OR state = ?) ORDER BY at DESC, id DESC LIMIT ?`, string(own), string(id), state, state, limit)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err says what went wrong
	var out []sent
	for rows.Next() {
		var s sent
		var at, done int64
		if err := rows.Scan(&s.accord, &s.id, &s.kind, &at, &s.state, &s.code, &s.reason, &s.hint, &done); err != nil {
			return nil, err
		}
		s.at, s.done = time.UnixMicro(at).UTC(), unstampMicro(done)
		out = append(out, s)
	}
	return out, rows.Err()
}

// unsettled says of which accords of a party there is more to show than that all
// arrived: a list asks about those alone. A nil one says it of all.
type unsettled struct {
	sent  map[hansa.AccordID]bool
	stuck map[string]bool // by process
}

// unsettled reads what is so of all accords of own.
func (x *accords) unsettled(tx hansa.Tx, own hansa.PartyID) (*unsettled, error) {
	u := &unsettled{sent: map[hansa.AccordID]bool{}}
	rows, err := tx.Query(`SELECT DISTINCT accord FROM exchange_sent WHERE own = ? AND state <> 'taken'`, string(own))
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err says what went wrong
	for rows.Next() {
		var id hansa.AccordID
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		u.sent[id] = true
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	u.stuck, err = x.n.deal.outbox.StuckOf(tx, own)
	return u, err
}

// sentOne is an own message; stuck, while it was tried in vain.
func (x *accords) sentOne(tx hansa.Tx, own hansa.PartyID, m *accord.Message) (state sent, stuck string, err error) {
	err = tx.QueryRow(`SELECT state, code, reason, hint FROM exchange_sent WHERE own = ? AND id = ?`, string(own), m.ID).Scan(&state.state, &state.code, &state.reason, &state.hint)
	if errors.Is(err, sql.ErrNoRows) {
		return sent{state: sentTaken}, "", nil
	}
	if err == nil && state.state == sentWaits {
		stuck, err = x.stuck(tx, own, m.To, m.Accord)
	}
	return state, stuck, err
}

// word is what own has said of its giving, and the keeper has not numbered.
type word struct {
	m *accord.Message
	// back says of resume that it takes back a suspension which the keeper had not
	// numbered when it was said: it counts at once, as that did.
	back bool
}

// unheard are own's words that stop its giving, or let it go on, and which the keeper
// has not numbered, in their order.
func unheard(tx hansa.Tx, own hansa.PartyID, id hansa.AccordID) (out []word, err error) {
	rows, err := tx.Query(`SELECT jws, (SELECT COUNT(*) FROM exchange_sent o WHERE o.own = s.own AND o.accord = s.accord AND o.kind = ? AND o.at <= s.at AND (o.state = ? OR o.state = ? AND o.done >= s.at))
		FROM exchange_sent s WHERE own = ? AND accord = ? AND state = ? AND kind IN (?, ?, ?) ORDER BY at, id`,
		string(accord.Suspend), sentWaits, sentTaken, string(own), string(id), sentWaits, string(accord.Suspend), string(accord.Resume), string(accord.End))
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err says what went wrong
	for rows.Next() {
		var jws string
		var before int
		if err := rows.Scan(&jws, &before); err != nil {
			return nil, err
		}
		m, _, err := readAccordMessage(jws)
		if err != nil {
			return nil, err
		}
		out = append(out, word{m, m.Kind == accord.Resume && before > 0})
	}
	return out, rows.Err()
}

func unstampMicro(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// contact is who is known without being a peer.
type contact struct {
	party hansa.PartyID
	kid   string // of the key by which it signed first; empty where own spoke first
	how   string // invitation, yes, or own: own's party spoke first
}

func keepContact(tx hansa.Tx, own hansa.PartyID, c contact, now time.Time) error {
	_, err := tx.Exec(`INSERT INTO exchange_contact (own, party, kid, at, how) VALUES (?, ?, ?, ?, ?) ON CONFLICT (own, party) DO NOTHING`, string(own), string(c.party), c.kid, now.UnixMicro(), c.how)
	return err
}

// knows reports whether a party elsewhere is known to own: its peer, its contact, or a
// party of an accord with it.
func (x *accords) knows(ctx context.Context, own, other hansa.PartyID) (known bool) {
	if _, err := x.n.trust.PeerByID(ctx, own, other); err == nil {
		return true
	}
	err := x.n.db.Read(ctx, func(tx hansa.Tx) error {
		var n int
		if err := tx.QueryRow(`SELECT COUNT(*) FROM exchange_contact WHERE own = ? AND party = ?`, string(own), string(other)).Scan(&n); err != nil || n > 0 {
			known = n > 0
			return err
		}
		list, err := x.book.List(tx, accord.Query{Own: own, Other: other, Limit: 1})
		known = len(list) > 0
		return err
	})
	return err == nil && known
}

// checkpointsMax bounds the checkpoints of another node that are kept: the newest.
const checkpointsMax = 200

// keepCheckpoint keeps a checkpoint of another node that a message of sender brought,
// and journals one that says another root than it said before for the same size.
func (x *accords) keepCheckpoint(tx hansa.Tx, own, sender hansa.PartyID, note string) error {
	c, ok := readCheckpoint(note)
	if !ok || c.Origin == x.n.journal.Origin() {
		return nil
	}
	var root, was string
	err := tx.QueryRow(`SELECT root, note FROM exchange_checkpoint WHERE sender = ? AND origin = ? AND size = ?`, string(sender), c.Origin, c.Size).Scan(&root, &was)
	now := fmt.Sprintf("%x", c.Root[:])
	switch {
	case err == nil && root == now:
		return nil
	case err == nil:
		return x.n.act(tx, hansa.Actor{Party: own}, own, "checkpoint-differs", map[string]any{"origin": c.Origin, "sender": sender, "kept": was, "came": note})
	case !errors.Is(err, sql.ErrNoRows):
		return err
	}
	if _, err := tx.Exec(`INSERT INTO exchange_checkpoint (sender, origin, size, root, at, note) VALUES (?, ?, ?, ?, ?, ?)`, string(sender), c.Origin, c.Size, now, x.n.wall().UnixMicro(), note); err != nil {
		return err
	}
	_, err = tx.Exec(`DELETE FROM exchange_checkpoint WHERE sender = ? AND origin = ? AND at < (
		SELECT at FROM exchange_checkpoint WHERE sender = ? AND origin = ? ORDER BY at DESC LIMIT 1 OFFSET ?)`, string(sender), c.Origin, string(sender), c.Origin, checkpointsMax)
	return err
}

// readCheckpoint reads what a signed note says. Who signed it is found when it is used.
func readCheckpoint(note string) (c journal.Checkpoint, ok bool) {
	text, _, found := strings.Cut(note, "\n\n")
	if !found || len(note) > journal.CheckpointBytesMax {
		return c, false
	}
	c, err := journal.ParseCheckpoint(text + "\n")
	return c, err == nil
}

// keepKey remembers the key of a message that was found good, by its full name: a
// copy that comes later needs it, when its document lists it no more.
func keepKey(tx hansa.Tx, h *heard, now time.Time) error {
	_, kid, err := trust.CanonicalJWK(h.jwk)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO exchange_key (kid, jwk, at) VALUES (?, ?, ?) ON CONFLICT (kid) DO NOTHING`, string(h.m.From)+"#"+kid, string(h.jwk), now.UnixMicro())
	return err
}

// again reads a message that was found good before, with the key that it was signed by.
func heardBefore(tx hansa.Tx, e *accord.Entry) (*heard, error) {
	m, sent, err := readAccordMessage(e.Message)
	if err != nil {
		return nil, err
	}
	h := &heard{jws: e.Message, m: m}
	if len(m.Body.Text) > 0 {
		if h.text, err = accord.Read(m.Body.Text); err != nil {
			return nil, err
		}
	}
	var jwk string
	err = tx.QueryRow(`SELECT jwk FROM exchange_key WHERE kid = ?`, sent.KID).Scan(&jwk)
	h.jwk = []byte(jwk)
	return h, err
}

// keepSource remembers who brought the first entry of a copy: after a hand-over that is
// not who numbered it.
func keepSource(tx hansa.Tx, own hansa.PartyID, id hansa.AccordID, from hansa.PartyID) error {
	_, err := tx.Exec(`INSERT INTO exchange_source (own, accord, party) VALUES (?, ?, ?) ON CONFLICT (own, accord) DO UPDATE SET party = excluded.party`, string(own), string(id), string(from))
	return err
}

// brought reports whether from brought own's copy its first entry.
func brought(tx hansa.Tx, own hansa.PartyID, id hansa.AccordID, from hansa.PartyID) (bool, error) {
	var n int
	err := tx.QueryRow(`SELECT COUNT(*) FROM exchange_source WHERE own = ? AND accord = ? AND party = ?`, string(own), string(id), string(from)).Scan(&n)
	return n > 0, err
}

// didHostOf is the host in a did:web, for limits.
func didHostOf(id hansa.PartyID) string {
	rest := strings.TrimPrefix(string(id), "did:web:")
	host, _, _ := strings.Cut(rest, ":")
	if plain, err := url.PathUnescape(host); err == nil {
		return strings.ToLower(plain)
	}
	return host
}
