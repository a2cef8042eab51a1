// Package hansa holds the words of the house: party, dataset, flow, record,
// receipt, verdict, error, and what crosses the floors. It says what a thing is
// and when it is sound; it stores nothing, reads no clock and needs nothing but
// the standard library.
package hansa

import (
	"crypto/rand"
	"encoding/hex"
	"time"
)

// MediaTypeRecord is the canonical form of a [Record] on the wire, described in
// docs/formats/record.md.
const MediaTypeRecord = "application/vnd.hansa.record+json;v=1"

// SkewMax is how far a stated time may lie from ours and still be believed
// (decision 23). Order never comes from a clock.
const SkewMax = 90 * time.Second

// NewID returns a UUIDv7 (RFC 9562 section 5.7) for a thing made at now. It is
// opaque: nobody may read the time out of it.
func NewID(now time.Time) string {
	var b [16]byte
	// crypto/rand.Read never fails since Go 1.24: the program ends instead.
	_, _ = rand.Read(b[6:])
	ms := now.UnixMilli()
	for i := range 6 {
		b[i] = byte(ms >> (40 - 8*i) & 0xff)
	}
	b[6] = b[6]&0x0f | 0x70
	b[8] = b[8]&0x3f | 0x80
	var s [36]byte
	hex.Encode(s[0:8], b[0:4])
	hex.Encode(s[9:13], b[4:6])
	hex.Encode(s[14:18], b[6:8])
	hex.Encode(s[19:23], b[8:10])
	hex.Encode(s[24:36], b[10:16])
	s[8], s[13], s[18], s[23] = '-', '-', '-', '-'
	return string(s[:])
}

// ValidName reports whether s may name a thing of a party: 1 to 63 of a-z, 0-9
// and hyphen, not at either end. Names look things up; identity is the ID.
func ValidName(s string) bool {
	if len(s) < 1 || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}
