package catalog

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
)

// Limits of what one party may offer.
const (
	OffersMax      = 20_000   // that stand
	OfferToMax     = 100      // parties that one offer is made to
	OfferBytesMax  = 64 << 10 // of its policy
	OfferIDMax     = 128
	offerLimitMost = hansa.Duration(24 * time.Hour)
)

// Offer is what a party would agree to for one of its datasets.
type Offer struct {
	ID      string          `json:"id"` // a UUIDv7; also the @id of its policy
	Party   hansa.PartyID   `json:"party"`
	Dataset hansa.DatasetID `json:"dataset"`
	Policy  *policy.Policy  `json:"policy"` // in the form of a catalogue's offer: no target
	// Automatic offers are finalised by machine, without a person's yes.
	Automatic bool `json:"automatic,omitzero"`
	// To are the parties that see it; empty is every authenticated participant.
	To []hansa.PartyID `json:"to,omitempty"`
	// Limit is the time from offered to live that comes with it; 0 is none.
	Limit     hansa.Duration `json:"limit,omitzero"`
	Made      time.Time      `json:"made"`
	Withdrawn time.Time      `json:"withdrawn,omitzero"` // zero while it stands

	compiled *policy.Compiled // its policy as it was read, where that is at hand
}

// Compiled returns the policy of an offer that was read, ready to be asked.
func (o *Offer) Compiled() (*policy.Compiled, error) {
	if o.compiled != nil {
		return o.compiled, nil
	}
	return policy.Compile(o.Policy)
}

// Validate reports the first rule that o breaks.
func (o *Offer) Validate() error {
	switch {
	case o.ID == "" || len(o.ID) > OfferIDMax || strings.ContainsAny(o.ID, "/ ?#"):
		return hansa.Fielded("/id", "an offer's id is 1 to %d bytes without space, slash, ? and #", OfferIDMax)
	case o.Party == "":
		return hansa.Fielded("/party", "an offer needs the party that makes it")
	case o.Dataset == "":
		return hansa.Fielded("/dataset", "an offer needs a dataset")
	case o.Policy == nil:
		return hansa.Fielded("/policy", "an offer needs a policy: who may do what")
	case o.Policy.ID != o.ID:
		return hansa.Fielded("/policy/@id", "the policy of offer %s has that @id, not %q", o.ID, o.Policy.ID)
	case o.Policy.Type != policy.Offer:
		return hansa.Fielded("/policy/@type", "the policy of an offer has the @type Offer, not %q", o.Policy.Type)
	case len(o.To) > OfferToMax:
		return hansa.Fielded("/to", "an offer is made to at most %d parties, or to all", OfferToMax)
	case o.Limit < 0 || o.Limit > offerLimitMost:
		return hansa.Fielded("/limit", "the time from offered to live is 0 to %s, not %s", offerLimitMost, o.Limit)
	case o.Made.IsZero():
		return hansa.Fielded("/made", "an offer needs the time at which it was made")
	}
	for _, p := range o.To {
		if p == "" || p == hansa.PublicParty {
			return hansa.Fielded("/to", "an offer is made to parties by their id, or to all")
		}
	}
	for _, check := range []func() error{func() error { return o.Policy.Validate(policy.FormOffer) }, func() error { return policy.Check(o.Policy) }} {
		if err := check(); err != nil {
			e := hansa.Public(err)
			return e.At("/policy" + e.Field)
		}
	}
	return nil
}

// SaveOffer stores o. Who sees it, its limit and whether a machine says yes may
// change; its dataset and policy may not, for others negotiate by its id.
func (*Catalog) SaveOffer(tx hansa.Tx, o *Offer) error {
	if err := o.Validate(); err != nil {
		return err
	}
	b, err := json.Marshal(o.Policy, json.Deterministic(true))
	if err != nil {
		return err
	}
	if len(b) > OfferBytesMax {
		return hansa.Fielded("/policy", "the policy of an offer has at most %d bytes, not %d", OfferBytesMax, len(b))
	}
	if err := placeFor(tx, o, string(b)); err != nil {
		return err
	}
	plain := o.Policy.Clone()
	plain.ID = "" // offers of the same terms are evaluated once
	_, err = tx.Exec(`INSERT INTO catalog_offer (party, id, dataset, policy, terms, automatic, everybody, live_within, made, withdrawn, checksum) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?)
		ON CONFLICT (party, id) DO UPDATE SET automatic = excluded.automatic, everybody = excluded.everybody, live_within = excluded.live_within, withdrawn = 0, checksum = excluded.checksum`,
		string(o.Party), o.ID, string(o.Dataset), string(b), plain.Hash(), flag(o.Automatic), flag(len(o.To) == 0), int64(o.Limit), o.Made.UnixMilli(),
		offerSum(o.Party, o.ID, o.Dataset, string(b), o.Automatic, len(o.To) == 0, o.Limit))
	if err != nil {
		return err
	}
	if _, err := tx.Exec(`DELETE FROM catalog_offer_to WHERE party = ? AND offer = ?`, string(o.Party), o.ID); err != nil {
		return err
	}
	for _, to := range o.To {
		if _, err := tx.Exec(`INSERT INTO catalog_offer_to (party, offer, receiver) VALUES (?, ?, ?) ON CONFLICT (party, offer, receiver) DO NOTHING`, string(o.Party), o.ID, string(to)); err != nil {
			return err
		}
	}
	return nil
}

// placeFor says whether o may be stored: its dataset is there, it is the same as
// before but for what may change, and there are not too many.
func placeFor(tx hansa.Tx, o *Offer, body string) error {
	var n int
	if err := tx.QueryRow(`SELECT count(*) FROM dataset WHERE party = ? AND id = ?`, string(o.Party), string(o.Dataset)).Scan(&n); err != nil {
		return err
	}
	if n == 0 {
		return hansa.Fielded("/dataset", "%s has no dataset %s to offer", o.Party, o.Dataset)
	}
	var dataset, before string
	err := tx.QueryRow(`SELECT dataset, policy FROM catalog_offer WHERE party = ? AND id = ?`, string(o.Party), o.ID).Scan(&dataset, &before)
	switch {
	case err == nil && (dataset != string(o.Dataset) || before != body):
		return hansa.Errorf(hansa.Conflict, "the offer %s stands with other terms, and others may negotiate by it", o.ID).WithHint("withdraw it, and make a new one")
	case err == nil:
		return nil
	case !errors.Is(err, sql.ErrNoRows):
		return err
	}
	if err := tx.QueryRow(`SELECT count(*) FROM catalog_offer WHERE party = ? AND withdrawn = 0`, string(o.Party)).Scan(&n); err != nil {
		return err
	}
	if n >= OffersMax {
		return hansa.Errorf(hansa.Busy, "a party has at most %d offers that stand", OffersMax)
	}
	return nil
}

// WithdrawOffer takes an offer out of the catalogue at the time at. Negotiations
// under way go on; one that is withdrawn already stays as it is.
func (*Catalog) WithdrawOffer(tx hansa.Tx, party hansa.PartyID, id string, at time.Time) error {
	r, err := tx.Exec(`UPDATE catalog_offer SET withdrawn = CASE WHEN withdrawn = 0 THEN ? ELSE withdrawn END WHERE party = ? AND id = ?`, at.UnixMilli(), string(party), id)
	if err != nil {
		return err
	}
	if n, err := r.RowsAffected(); err != nil || n > 0 {
		return err
	}
	return noOffer(id)
}

func noOffer(id string) error {
	return hansa.Errorf(hansa.NotFound, "there is no offer %q", id).WithHint("hansa offers list")
}

// OfferByID returns an offer of party, a withdrawn one too.
func (c *Catalog) OfferByID(tx hansa.Tx, party hansa.PartyID, id string) (*Offer, error) {
	list, err := readOffers(tx, c.ready.offer, ` AND id = ?`, string(party), id)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, noOffer(id)
	}
	return &list[0], nil
}

// Offers lists the offers of party, the newest first, withdrawn ones too.
func (c *Catalog) Offers(ctx context.Context, party hansa.PartyID) (list []Offer, err error) {
	err = c.db.Read(ctx, func(tx hansa.Tx) (err error) {
		read := func(_, body string) (*policy.Policy, *policy.Compiled, error) {
			p, err := policy.Parse([]byte(body))
			return p, nil, err
		}
		list, err = readOffers(tx, read, "", string(party))
		return err
	})
	return list, err
}

// readOffers reads a party's offers, each policy by read, that is given its offer's
// checksum and what is stored.
func readOffers(tx hansa.Tx, read func(sum, body string) (*policy.Policy, *policy.Compiled, error), and string, args ...any) ([]Offer, error) {
	to, err := receivers(tx, args...)
	if err != nil {
		return nil, err
	}
	rows, err := tx.Query(`SELECT party, id, dataset, policy, automatic, everybody, live_within, made, withdrawn, checksum FROM catalog_offer WHERE party = ?`+and+` ORDER BY made DESC, id DESC`, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
	var list []Offer
	for rows.Next() {
		var o Offer
		var body, sum string
		var everybody bool
		var limit, made, withdrawn int64
		if err := rows.Scan(&o.Party, &o.ID, &o.Dataset, &body, &o.Automatic, &everybody, &limit, &made, &withdrawn, &sum); err != nil {
			return nil, err
		}
		if sum != offerSum(o.Party, o.ID, o.Dataset, body, o.Automatic, everybody, hansa.Duration(limit)) || everybody != (len(to[o.ID]) == 0) {
			return nil, corrupt("offer", o.ID)
		}
		if o.Policy, o.compiled, err = read(sum, body); err != nil {
			return nil, errors.Join(corrupt("offer", o.ID), err)
		}
		o.Limit, o.Made, o.To = hansa.Duration(limit), time.UnixMilli(made).UTC(), to[o.ID]
		if withdrawn != 0 {
			o.Withdrawn = time.UnixMilli(withdrawn).UTC()
		}
		list = append(list, o)
	}
	return list, rows.Err()
}

// receivers reads to whom a party's offers, or one of them, are made, where not
// to all.
func receivers(tx hansa.Tx, args ...any) (map[string][]hansa.PartyID, error) {
	query := `SELECT offer, receiver FROM catalog_offer_to WHERE party = ?`
	if len(args) > 1 {
		query += ` AND offer = ?`
	}
	rows, err := tx.Query(query+` ORDER BY offer, receiver`, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
	to := map[string][]hansa.PartyID{}
	for rows.Next() {
		var offer string
		var receiver hansa.PartyID
		if err := rows.Scan(&offer, &receiver); err != nil {
			return nil, err
		}
		to[offer] = append(to[offer], receiver)
	}
	return to, rows.Err()
}

func corrupt(what, id string) error {
	return &hansa.Error{Kind: hansa.Internal, Code: hansa.CodeCorrupt, Message: "the stored " + what + " " + id + " does not match its checksum"}
}

// offerSum binds what is stored of an offer to its place.
func offerSum(party hansa.PartyID, id string, dataset hansa.DatasetID, body string, automatic, everybody bool, limit hansa.Duration) string {
	b := make([]byte, 0, len(body)+256)
	for _, s := range []string{string(party), id, string(dataset), body} {
		b = append(strconv.AppendInt(b, int64(len(s)), 10), ':')
		b = append(b, s...)
	}
	b = strconv.AppendInt(append(strconv.AppendBool(strconv.AppendBool(b, automatic), everybody), ' '), int64(limit), 10)
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}
