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

// Codec is the canonical form as one JSON document. Reading takes one record, an
// array of records, records one after another, and what Write makes: an object
// whose first member is records. A record that is refused does not stop the rest;
// text that is not JSON, or a record over [hansa.RecordBytesMax], does.
func Codec() format.Codec {
	return format.Codec{
		Name: "record", Title: "Hansa record", MediaType: hansa.MediaTypeRecord, Ext: "json",
		Kinds:  []hansa.RecordKind{hansa.KindSituation, hansa.KindObservation, hansa.KindDocument},
		Reader: document{}, Writer: writer{},
	}
}

// NDJSON is the canonical form, a record a line. A line that is refused, for
// whatever reason, does not stop the rest.
func NDJSON() format.Codec {
	return format.Codec{
		Name: "ndjson", Title: "Hansa records, one a line", MediaType: "application/x-ndjson", Ext: "ndjson",
		Kinds:  []hansa.RecordKind{hansa.KindSituation, hansa.KindObservation, hansa.KindDocument},
		Reader: lines{}, Writer: writer{lines: true},
	}
}

// item makes an item of the bytes of one record, which it keeps as the original.
func item(b []byte, in format.Input) format.Item {
	r, err := Decode(b)
	if err != nil {
		return format.Item{Refused: hansa.Public(err), ID: idOf(b)}
	}
	if !in.Now.IsZero() {
		r.Received = in.Now
	}
	r.Original, r.OriginalType = b, hansa.MediaTypeRecord
	return format.Item{Record: r}
}

// idOf looks for the id of what was refused; it is empty when there is none to see.
func idOf(b []byte) string {
	if len(b) > hansa.RecordBytesMax {
		b = b[:hansa.RecordBytesMax]
	}
	d := jsontext.NewDecoder(bytes.NewReader(b), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if t, err := d.ReadToken(); err != nil || t.Kind() != '{' {
		return ""
	}
	for {
		name, err := d.ReadToken()
		if err != nil || name.Kind() != '"' {
			return ""
		}
		if name.String() != "id" {
			if d.SkipValue() != nil {
				return ""
			}
			continue
		}
		id, err := d.ReadToken()
		if err != nil || id.Kind() != '"' || len(id.String()) > hansa.IDBytesMax {
			return ""
		}
		return id.String()
	}
}

// lines reads NDJSON.
type lines struct{}

func (lines) Read(r io.Reader, in format.Input) iter.Seq2[format.Item, error] {
	return func(yield func(format.Item, error) bool) {
		// DocumentBytesMax bounds the whole; one byte more tells that it was passed.
		limited := &io.LimitedReader{R: r, N: format.DocumentBytesMax + 1}
		br, done := format.Buffered(limited)
		defer done()
		for {
			line, long, err := readLine(br)
			if limited.N == 0 {
				yield(format.Item{}, format.DocumentTooLarge())
				return
			}
			switch trimmed := bytes.TrimSpace(line); {
			case long > 0:
				if !yield(format.Item{Refused: tooLarge(long), ID: idOf(line)}, nil) {
					return
				}
			case len(trimmed) > 0 && !yield(item(bytes.Clone(trimmed), in), nil):
				return
			}
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(format.Item{}, format.JSONBroken(err))
				return
			}
		}
	}
}

// readLine returns the next line, which is good until the next call. Of a line
// over RecordBytesMax it returns the beginning, with the length in long.
func readLine(br *bufio.Reader) (line []byte, long int, err error) {
	line, err = br.ReadSlice('\n')
	if !errors.Is(err, bufio.ErrBufferFull) {
		return line, 0, err
	}
	all := bytes.Clone(line)
	n := len(line)
	for errors.Is(err, bufio.ErrBufferFull) {
		line, err = br.ReadSlice('\n')
		if n += len(line); n <= hansa.RecordBytesMax+2 {
			all = append(all, line...)
		}
	}
	if n > hansa.RecordBytesMax+2 { // the line's end may be two bytes
		return all, n, err
	}
	return all, 0, err
}
