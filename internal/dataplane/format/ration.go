package format

import (
	"io"

	"github.com/hansa-exchange/hansa"
)

// Ration is a reader that bounds how many bytes are read for one record, and
// [DocumentBytesMax] for all: beyond, Read is Invalid with CodeTooLarge.
type Ration struct {
	r     io.Reader
	read  int64 // so far
	until int64 // how far the record at hand may reach
	left  int64 // of the document
}

// NewRation bounds what is read of r.
func NewRation(r io.Reader) *Ration {
	return &Ration{r: r, until: hansa.RecordBytesMax + slack, left: DocumentBytesMax}
}

// slack is what the readers between may hold beyond the record at hand.
const slack = 256 << 10

// Next begins a record at the offset from.
func (l *Ration) Next(from int64) { l.until = from + hansa.RecordBytesMax + slack }

func (l *Ration) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, DocumentTooLarge()
	}
	if l.read >= l.until {
		return 0, hansa.Errorf(hansa.Invalid, "a record has at most %d bytes", hansa.RecordBytesMax).With(hansa.CodeTooLarge)
	}
	if int64(len(p)) > l.left {
		p = p[:l.left]
	}
	n, err := l.r.Read(p)
	l.read += int64(n)
	l.left -= int64(n)
	return n, err
}

// DocumentTooLarge is the refusal of a document over [DocumentBytesMax].
func DocumentTooLarge() *hansa.Error {
	return hansa.Errorf(hansa.Invalid, "a document has at most %d bytes", DocumentBytesMax).With(hansa.CodeTooLarge)
}
