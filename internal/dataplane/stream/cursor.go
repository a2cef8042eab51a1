package stream

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"slices"

	"github.com/hansa-exchange/hansa"
)

// A cursor is base64url (RFC 4648 section 5, no padding) of: version byte 1,
// epoch number as uvarint, four bytes of the SHA-256 of the epoch's id, four of
// the dataset's, and the sequence number as uvarint: the last record seen.
const cursorVersion = 1

// cursorBytesMax bounds a cursor that is read.
const cursorBytesMax = 64

func (s *Stream) cursor(dataset hansa.DatasetID, seq int64) hansa.Cursor {
	b := make([]byte, 0, 24)
	b = append(b, cursorVersion)
	b = binary.AppendUvarint(b, uint64(s.epoch.Number)) //nolint:gosec // counts from 1
	b = append(b, short(s.epoch.ID)...)
	b = append(b, short(string(dataset))...)
	b = binary.AppendUvarint(b, uint64(seq)) //nolint:gosec // counts from 0
	return hansa.Cursor(base64.RawURLEncoding.EncodeToString(b))
}

func short(s string) []byte {
	h := sha256.Sum256([]byte(s))
	return h[:4]
}

// seq reads a cursor. One of a lost epoch, or from before what is kept, is
// NotFound/CodeGone, with the cursor to resume from in the error's Field.
func (s *Stream) seq(dataset hansa.DatasetID, c hansa.Cursor, d *head) (int64, error) {
	if c == "" {
		return d.first, nil
	}
	bad := hansa.Fielded("since", "%q is no cursor of this dataset", string(c[:min(len(c), cursorBytesMax)]))
	if len(c) > cursorBytesMax {
		return 0, bad
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(string(c))
	if err != nil || len(b) < 1 || b[0] != cursorVersion {
		return 0, bad
	}
	epoch, n := binary.Uvarint(b[1:])
	if n <= 0 || len(b) < 1+n+8 {
		return 0, bad
	}
	b = b[1+n:]
	u, m := binary.Uvarint(b[8:])
	if m <= 0 || m != len(b)-8 || u > seqMask || !slices.Equal(b[4:8], short(string(dataset))) {
		return 0, bad
	}
	seq := int64(u)
	if epoch != uint64(s.epoch.Number) || //nolint:gosec // counts from 1
		!slices.Equal(b[:4], short(s.epoch.ID)) {
		return 0, s.gone(dataset, min(seq, d.base), "the exchange was restored from a backup after this cursor was given")
	}
	if seq < d.first {
		return 0, s.gone(dataset, d.first, "records after this cursor are no longer kept; read the snapshot for the present state")
	}
	if seq > d.seq {
		return 0, bad
	}
	return seq, nil
}

func (s *Stream) gone(dataset hansa.DatasetID, resume int64, why string) error {
	c := s.cursor(dataset, resume)
	return hansa.Errorf(hansa.NotFound, "%s; resume with since=%s", why, c).With(hansa.CodeGone).At(string(c)).WithHint("since=" + string(c))
}
