// Package format turns bytes into records and records into bytes. A codec is one
// package below this one; node names them all in one list. What is read is kept
// with a list of its defects and never silently repaired; what is written
// validates against the official schema, and says what it could not say.
package format

import (
	"io"
	"iter"
	"time"

	"github.com/hansa-exchange/hansa"
)

// Limits of one document. A feed may be large, for it is streamed record by
// record; what one record may take is hansa.RecordBytesMax.
const (
	DocumentBytesMax = 512 << 20
	DepthMax         = 100
	AttributesMax    = 64
	LossesMax        = 100 // kept for one record; the last says how many more there were
)

// Codec is one format by name, with what it can do. A nil Reader or Writer cannot.
type Codec struct {
	Name      hansa.Format
	Title     string // as people call it
	MediaType string // of what Writer writes
	Ext       string // file extension without the dot
	Kinds     []hansa.RecordKind
	Reader    Reader
	Writer    Writer
}

// Item is one fact found in a document: a record with its defects in
// Record.Defects and its bytes in Record.Original, or the reason why there is
// none. Items in equals records plus refusals out.
type Item struct {
	Record  *hansa.Record
	Refused *hansa.Error // Field names the place; set when Record is nil
	ID      string       // the publisher's id as far as it could be read, for a refusal
}

// Input is what a reader is told about a document that the document may not say.
type Input struct {
	Zone *time.Location // for times without a zone, which are marked; nil is UTC
	Lang string         // for texts without a language
	Now  time.Time      // when it was received
}

// Reader reads a document as a stream of items, one record in memory at a time.
// A non-nil error ends the sequence: from there on nothing could be read. It is a
// [hansa.Error] of kind Invalid that names the place and the rule.
type Reader interface {
	Read(r io.Reader, in Input) iter.Seq2[Item, error]
}

// Doc is what a document says of itself.
type Doc struct {
	Publisher string // title of the giving party
	Country   string // ISO 3166-1 alpha-2, lower case; "eu" when unknown
	Party     hansa.PartyID
	Made      time.Time
	Zone      *time.Location // for formats with local times; nil is UTC
	Lang      string
	Label     hansa.Label
	Contact   string
	Update    time.Duration // the dataset's update promise

	// Lost, when set, takes the losses of a record as it is written, and Write
	// need not hold and return them.
	Lost func([]hansa.Loss)
}

// Tell hands lost to Lost, or adds it to losses.
func (d Doc) Tell(losses, lost []hansa.Loss) []hansa.Loss {
	if d.Lost == nil {
		return append(losses, lost...)
	}
	d.Lost(lost)
	return losses
}

// Writer writes documents. A record that the format cannot say without making it
// false is left out, with a [hansa.LossRefused] in the report. The document's
// bytes are the same for the same Doc and records.
type Writer interface {
	Write(w io.Writer, doc Doc, records iter.Seq[*hansa.Record]) ([]hansa.Loss, error)
	// Losses reports what Write would lose of r, without writing.
	Losses(r *hansa.Record) []hansa.Loss
}

// Refused reports whether losses say that the record was left out.
func Refused(losses []hansa.Loss) bool {
	for _, l := range losses {
		if l.Kind == hansa.LossRefused {
			return true
		}
	}
	return false
}
