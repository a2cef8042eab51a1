package hansa

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"time"
)

// Salt hides what a commitment stands for from those who could guess it. Salt
// and content are erased together; the leaf stays.
type Salt [16]byte

// NewSalt returns a fresh salt.
func NewSalt() (s Salt) {
	_, _ = rand.Read(s[:]) // never fails: crypto/rand ends the program instead
	return s
}

// Hash is a SHA-256.
type Hash [32]byte

// FactKind says what a sealed fact is about: record, verdict, delivery, receipt,
// act. It is part of the leaf.
type FactKind string

// The kinds of fact.
const (
	FactRecord   FactKind = "record"
	FactDelivery FactKind = "delivery"
	FactReceipt  FactKind = "receipt"
	FactAct      FactKind = "act"
)

// Leaf commits to one fact: SHA-256 over "hansa-fact-v1", salt, kind and doc, the
// last two each behind its length in four bytes, big endian. doc is the fact's
// JSON exactly as it will be shown to whoever checks the proof. The leaf of a
// stored row is its checksum as well (decision 1b).
func Leaf(kind FactKind, salt Salt, doc []byte) Hash {
	var head [13 + 16 + 4 + 16 + 4]byte
	b := append(head[:0], "hansa-fact-v1"...)
	b = append(b, salt[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(kind))) //nolint:gosec // kinds are short constants
	b = append(b, kind...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(doc))) //nolint:gosec // docs are bounded by BodyMax
	if len(doc) < 4096 {
		var small [13 + 16 + 4 + 16 + 4 + 4096]byte
		n := copy(small[:], b)
		n += copy(small[n:], doc)
		return sha256.Sum256(small[:n])
	}
	h := sha256.New()
	h.Write(b)
	h.Write(doc)
	return Hash(h.Sum(nil))
}

// Batch is what a sealer hands to the journal: the leaves of a run of facts, in
// order. The journal keeps the leaves and appends one entry with their root.
type Batch struct {
	Party   PartyID // whom it concerns
	Kind    FactKind
	Subject string // what the run belongs to: a dataset, flow or subscription id
	Leaves  []Hash
	At      time.Time
}

// Sealer appends a batch to the journal within the caller's transaction and
// returns the batch's id. A fact is then (batch, position).
type Sealer interface {
	Seal(tx Tx, b Batch) (batch string, err error)
}
