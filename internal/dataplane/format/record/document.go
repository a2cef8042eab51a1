package record

import (
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
		ration := format.NewRation(r)
		br, done := format.Buffered(ration)
		defer done()
		head, _ := br.Peek(headMax) // what is wrong with r shows when it is read
		if len(bytes.TrimSpace(head)) == 0 && len(head) < headMax {
			yield(format.Item{}, hansa.Errorf(hansa.Invalid, "the document is empty").With(hansa.CodeSyntax))
			return
		}
		// Duplicate names and bad UTF-8 are let pass here and refused record by record.
		d := jsontext.NewDecoder(br, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
		v := &values{d: d, ration: ration}
		var err error
		if d.PeekKind() == '[' {
			err = v.array(in, yield)
		} else if enveloped(head) {
			err = v.envelope(in, yield)
		}
		for err == nil {
			err = v.one(in, yield)
		}
		if !errors.Is(err, io.EOF) && !errors.Is(err, errEnough) {
			yield(format.Item{}, format.JSONBroken(err))
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
	ration *format.Ration
}

// one hands out the next value as a record.
func (v *values) one(in format.Input, yield func(format.Item, error) bool) error {
	v.ration.Next(v.d.InputOffset())
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
		v.ration.Next(v.d.InputOffset())
		if v.d.PeekKind() == ']' {
			_, err := v.d.ReadToken()
			return err
		}
		if err := v.one(in, yield); err != nil { // also what is no JSON at all
			return unfinished(err)
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
		v.ration.Next(v.d.InputOffset())
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
