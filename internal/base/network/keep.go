package network

import (
	"bytes"
	"crypto/sha256"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
)

// Migrations returns the room's tables.
func Migrations() []hansa.Migration {
	return []hansa.Migration{{Room: "network", Number: 1, Statements: []string{
		`CREATE TABLE place (
			party TEXT NOT NULL, seq INTEGER NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL, sum BLOB NOT NULL,
			PRIMARY KEY (party, id))`,
		`CREATE INDEX place_order ON place (party, seq)`,
	}}}
}

// Save replaces a party's places, all or none. It refuses what New refuses.
func Save(tx hansa.Tx, party hansa.PartyID, places []hansa.Place) error {
	if party == "" {
		return hansa.Fielded("/party", "places belong to a party")
	}
	if _, err := New(places); err != nil {
		return err
	}
	if _, err := tx.Exec(`DELETE FROM place WHERE party = ?`, string(party)); err != nil {
		return err
	}
	for i := range places {
		body, err := json.Marshal(&places[i], json.Deterministic(true))
		if err != nil {
			return err
		}
		_, err = tx.Exec(`INSERT INTO place (party, seq, id, body, sum) VALUES (?, ?, ?, ?, ?)`, string(party), i, places[i].ID, string(body), checksum(party, body))
		if err != nil {
			return err
		}
	}
	return nil
}

// Load returns a party's places in the order in which they were saved; none is
// an empty list. A row that does not match its checksum is Internal with
// CodeCorrupt, and nothing is returned.
func Load(tx hansa.Tx, party hansa.PartyID) (list []hansa.Place, err error) {
	rows, err := tx.Query(`SELECT id, body, sum FROM place WHERE party = ? ORDER BY seq`, string(party))
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // Err is checked below
	for rows.Next() {
		var id string
		var body, sum []byte
		if err := rows.Scan(&id, &body, &sum); err != nil {
			return nil, err
		}
		var p hansa.Place
		if !bytes.Equal(sum, checksum(party, body)) || json.Unmarshal(body, &p) != nil || p.ID != id {
			return nil, hansa.Errorf(hansa.Internal, "a stored place does not match its checksum").With(hansa.CodeCorrupt)
		}
		list = append(list, p)
	}
	return list, rows.Err()
}

func checksum(party hansa.PartyID, body []byte) []byte {
	h := sha256.New()
	h.Write([]byte(party))
	h.Write([]byte{0})
	h.Write(body)
	return h.Sum(nil)
}
