package record

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"iter"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/dataplane/format"
)

// headMax is how many bytes may stand before the member records of a document
// that is made like ours.
const headMax = 512

// document reads one JSON document, or several one after another.
type document struct{}

func (document) Read(r io.Reader, in format.Input) iter.Seq2[format.Item, error] {
	return func(yield func(format.Item, error) bool) {
		ration := &ration{r: r, left: format.DocumentBytesMax}
		br := bufio.NewReaderSize(ration, 64<<10)
		head, _ := br.Peek(headMax) // what is wrong with r shows when it is read
		if len(bytes.TrimSpace(head)) == 0 && len(head) < headMax {
			yield(format.Item{}, hansa.Errorf(hansa.Invalid, "the document is empty").With(hansa.CodeSyntax))
			return
		}
		// Duplicate names and bad UTF-8 are let pass here and refused record by record.
		d := jsontext.NewDecoder(br, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
		v := &values{d: d, ration: ration}
		var err error
		switch d.PeekKind() {
		case '[':
			err = v.array(in, yield)
		case '{':
			if enveloped(head) {
				err = v.envelope(in, yield)
			}
		}
		for err == nil {
			err = v.one(in, yield)
		}
		if !errors.Is(err, io.EOF) && !errors.Is(err, errEnough) {
			yield(format.Item{}, broken(err))
		}
	}
}

// errEnough says that the caller wants no more.
var errEnough = errors.New("enough")

// enveloped reports whether head begins with an object whose first member is records.
func enveloped(head []byte) bool {
	rest, ok := bytes.CutPrefix(bytes.TrimSpace(head), []byte("{"))
	return ok && bytes.HasPrefix(bytes.TrimSpace(rest), []byte(`"records"`))
}

// values walks the records of a document.
type values struct {
	d      *jsontext.Decoder
	ration *ration
}

// one hands out the next value as a record.
func (v *values) one(in format.Input, yield func(format.Item, error) bool) error {
	v.ration.next(v.d.InputOffset())
	b, err := v.d.ReadValue()
	if err != nil {
		return err
	}
	it := item(bytes.Clone(b), in)
	if !yield(it, nil) {
		return errEnough
	}
	return nil
}

// array hands out the elements of an array.
func (v *values) array(in format.Input, yield func(format.Item, error) bool) error {
	if _, err := v.d.ReadToken(); err != nil {
		return err
	}
	for {
		v.ration.next(v.d.InputOffset())
		switch v.d.PeekKind() {
		case ']':
			_, err := v.d.ReadToken()
			return err
		default: // also what is no JSON at all: one says so
			if err := v.one(in, yield); err != nil {
				return unfinished(err)
			}
		}
	}
}

// envelope hands out the records of an object as Write makes it; other members
// are passed over.
func (v *values) envelope(in format.Input, yield func(format.Item, error) bool) error {
	if _, err := v.d.ReadToken(); err != nil {
		return err
	}
	for n := 0; ; n++ {
		v.ration.next(v.d.InputOffset())
		name, err := v.d.ReadToken()
		if err != nil {
			return unfinished(err)
		}
		if name.Kind() == '}' {
			return nil
		}
		switch {
		case n > 0:
			err = v.d.SkipValue()
		case v.d.PeekKind() == '[':
			err = v.array(in, yield)
		default:
			return hansa.Fielded("/records", "records is an array")
		}
		if err != nil {
			return unfinished(err)
		}
	}
}

// unfinished keeps the end of the input within a value from passing for a good end.
func unfinished(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// ration bounds how many bytes are read for one record and for all.
type ration struct {
	r     io.Reader
	read  int64 // so far
	until int64 // how far the record at hand may reach
	left  int64 // of the document
}

// slack is what the readers between may hold beyond the record at hand.
const slack = 256 << 10

// next begins a record at the offset from.
func (l *ration) next(from int64) { l.until = from + hansa.RecordBytesMax + slack }

func (l *ration) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, documentTooLarge()
	}
	if l.until == 0 {
		l.until = hansa.RecordBytesMax + slack
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
