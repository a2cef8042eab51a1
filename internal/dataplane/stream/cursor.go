package stream

import (
	"context"
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
	seq, present, err := s.decode(dataset, c)
	switch {
	case err != nil:
		return 0, err
	case !present:
		return 0, s.gone(dataset, min(seq, d.base), "the exchange was restored from a backup after this cursor was given")
	case seq < d.first:
		return 0, s.gone(dataset, d.first, "records after this cursor are no longer kept; read the snapshot for the present state")
	case seq > d.seq:
		return 0, notOurs(c)
	}
	return seq, nil
}

// decode reads the sequence number of a cursor, and whether it was given in the
// present epoch.
func (s *Stream) decode(dataset hansa.DatasetID, c hansa.Cursor) (seq int64, present bool, err error) {
	if len(c) > cursorBytesMax {
		return 0, false, notOurs(c)
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(string(c))
	if err != nil || len(b) < 1 || b[0] != cursorVersion {
		return 0, false, notOurs(c)
	}
	epoch, n := binary.Uvarint(b[1:])
	if n <= 0 || len(b) < 1+n+8 {
		return 0, false, notOurs(c)
	}
	b = b[1+n:]
	u, m := binary.Uvarint(b[8:])
	if m <= 0 || m != len(b)-8 || u > seqMask || !slices.Equal(b[4:8], short(string(dataset))) {
		return 0, false, notOurs(c)
	}
	return int64(u), epoch == uint64(s.epoch.Number) && slices.Equal(b[:4], short(s.epoch.ID)), nil //nolint:gosec // counts from 1
}

func notOurs(c hansa.Cursor) error {
	return hansa.Fielded("since", "%q is no cursor of this dataset", string(c[:min(len(c), cursorBytesMax)]))
}

// Resume returns from where a reader that has come to c goes on: after a restore
// from the same place in the new epoch, or from where the backup ends; from before
// what is kept from its beginning, and then lost is true.
func (p *Party) Resume(ctx context.Context, dataset hansa.DatasetID, c hansa.Cursor) (to hansa.Cursor, lost bool, err error) {
	mem, err := p.set(dataset)
	if err != nil {
		return "", false, err
	}
	err = p.stream.cfg.DB.Read(ctx, func(tx hansa.Tx) error {
		h, _, err := p.head(tx, mem, dataset)
		if err != nil {
			return err
		}
		seq, present, err := p.stream.decode(dataset, c)
		if err != nil {
			return err
		}
		if !present {
			seq = min(seq, h.base)
		}
		lost = seq < h.first
		to = p.stream.cursor(dataset, max(seq, h.first))
		return nil
	})
	return to, lost, err
}

func (s *Stream) gone(dataset hansa.DatasetID, resume int64, why string) error {
	c := s.cursor(dataset, resume)
	return hansa.Errorf(hansa.NotFound, "%s; resume with since=%s", why, c).With(hansa.CodeGone).At(string(c)).WithHint("since=" + string(c))
}
