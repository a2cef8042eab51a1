package stream

import (
	"bytes"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
)

// row is a record as it lies on disk. A record that came in its canonical form is
// kept as it came, and not a second time as body.
type row struct {
	place    int64
	id       string
	version  int64
	received int64 // milliseconds since 1970, UTC
	kind     hansa.RecordKind
	body     []byte
	original []byte
	mime     string
	defects  []byte
	digest   hansa.Hash // of what makes a repeat: the original bytes, else the body
	salt     hansa.Salt
	leaf     hansa.Hash
	prev     int64 // place of the version before; 0 for none
	erased   bool
}

// canonicalType is the media type of which the original is the body.
const canonicalType = hansa.MediaTypeRecord

// pack makes the row of a record, all but its place.
func (s *Stream) pack(r *hansa.Record) (*row, error) {
	x := &row{id: r.ID, version: r.Version, received: r.Received.UnixMilli(), kind: r.Kind, original: r.Original, mime: r.OriginalType, salt: hansa.NewSalt()}
	if len(r.Original) > hansa.RecordBytesMax {
		return nil, hansa.Errorf(hansa.Invalid, "a record has at most %d bytes, this one has %d", hansa.RecordBytesMax, len(r.Original)).With(hansa.CodeTooLarge)
	}
	if x.mime != canonicalType || len(x.original) == 0 {
		plain := *r
		plain.Dataset, plain.Received, plain.Defects, plain.Cursor, plain.Original = "", time.Time{}, nil, "", nil
		var err error
		if x.body, err = s.cfg.Encode(&plain); err != nil {
			return nil, err
		}
		if len(x.body) > hansa.RecordBytesMax {
			return nil, hansa.Errorf(hansa.Invalid, "a record has at most %d bytes, this one has %d", hansa.RecordBytesMax, len(x.body)).With(hansa.CodeTooLarge)
		}
	}
	if len(x.original) > 0 {
		x.digest = sha256.Sum256(x.original)
	} else {
		x.digest = sha256.Sum256(x.body)
	}
	x.defective(r.Defects)
	return x, nil
}

// defective sets the defects that are kept with the row.
func (x *row) defective(list []hansa.Finding) {
	x.defects = nil
	if len(list) > 0 {
		x.defects = hansa.AppendFindings(make([]byte, 0, 192*len(list)), list)
	}
}

// doc is the fact that the row's leaf commits to: who, which version, when, and
// the digests of all that is served of it.
func (x *row) doc(dataset hansa.DatasetID) []byte {
	b := make([]byte, 0, 384)
	b = append(b, `{"record":`...)
	b = appendString(b, x.id)
	b = append(b, `,"version":`...)
	b = strconv.AppendInt(b, x.version, 10)
	b = append(b, `,"dataset":`...)
	b = appendString(b, string(dataset))
	b = append(b, `,"received":"`...)
	b = time.UnixMilli(x.received).UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z07:00")
	b = append(b, '"')
	if x.mime != "" {
		b = append(b, `,"type":`...)
		b = appendString(b, x.mime)
	}
	for _, part := range [...]struct {
		name  string
		bytes []byte
	}{{"canonical", x.body}, {"original", x.original}, {"defects", x.defects}} {
		if len(part.bytes) == 0 {
			continue
		}
		sum := sha256.Sum256(part.bytes)
		b = append(b, `,"`...)
		b = append(b, part.name...)
		b = append(b, `":"`...)
		b = hex.AppendEncode(b, sum[:])
		b = append(b, '"')
	}
	return append(b, '}')
}

// appendString appends s as a JSON string.
func appendString(b []byte, s string) []byte {
	plain := true
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c >= 0x7f || c == '"' || c == '\\' {
			plain = false
			break
		}
	}
	if plain {
		b = append(b, '"')
		b = append(b, s...)
		return append(b, '"')
	}
	q, err := json.Marshal(s)
	if err != nil { // not UTF-8: cannot be, records are decoded strictly; kept readable all the same
		return strconv.AppendQuoteToASCII(b, s)
	}
	return append(b, q...)
}

const rowColumns = `place, id, version, received, kind, body, original, original_type, defects, digest, salt, leaf, prev`

// scanRow reads one row.
func scanRow(rows *sql.Rows) (*row, error) {
	x := &row{}
	var digest, salt, leaf []byte
	err := rows.Scan(&x.place, &x.id, &x.version, &x.received, (*string)(&x.kind), &x.body, &x.original, &x.mime, &x.defects, &digest, &salt, &leaf, &x.prev)
	if err != nil {
		return nil, err
	}
	copy(x.digest[:], digest)
	copy(x.leaf[:], leaf)
	x.erased = salt == nil && x.body == nil && x.original == nil && x.defects == nil
	copy(x.salt[:], salt)
	if len(digest) != 32 || len(leaf) != 32 || !x.erased && len(salt) != 16 {
		x.leaf = hansa.Hash{} // damaged: it will not match
	}
	return x, nil
}

// record opens a row after checking it against its leaf.
func (s *Stream) record(dataset hansa.DatasetID, number int64, x *row) (*hansa.Record, error) {
	if x.place>>seqBits != number || hansa.Leaf(hansa.FactRecord, x.salt, x.doc(dataset)) != x.leaf {
		return nil, corrupt(dataset, x.place)
	}
	src := x.body
	if len(src) == 0 {
		src = x.original
	}
	r, err := s.cfg.Decode(src)
	if err != nil {
		return nil, corrupt(dataset, x.place)
	}
	r.Dataset, r.Received = dataset, time.UnixMilli(x.received).UTC()
	r.Original, r.OriginalType, r.Defects = x.original, x.mime, nil
	if len(x.defects) > 0 {
		if err := json.Unmarshal(x.defects, &r.Defects); err != nil {
			return nil, corrupt(dataset, x.place)
		}
	}
	r.Cursor = s.cursor(dataset, x.place&seqMask)
	return r, nil
}

const seqMask = 1<<seqBits - 1

// corrupt says which row does not match its checksum.
func corrupt(dataset hansa.DatasetID, place int64) error {
	return hansa.Errorf(hansa.Internal, "record %d of dataset %s does not match its checksum; it is not served", place&seqMask, dataset).With(hansa.CodeCorrupt).
		WithHint("restore the newest backup: hansa restore BACKUP NEW-FOLDER")
}

// same reports whether two digests are of the same bytes.
func same(a hansa.Hash, b []byte) bool { return bytes.Equal(a[:], b) }
