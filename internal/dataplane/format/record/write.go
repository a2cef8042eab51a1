package record

import (
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/dataplane/format"
)

// writer writes {"records":[...]}, or a record a line.
type writer struct{ lines bool }

var _ format.Writer = writer{}

func (x writer) Write(w io.Writer, _ format.Doc, records iter.Seq[*hansa.Record]) ([]hansa.Loss, error) {
	bw, done := format.BufferedWriter(w)
	defer done()
	var losses []hansa.Loss
	var b []byte
	sep, end := "", "\n"
	if !x.lines {
		_, _ = bw.WriteString(`{"records":[`) // a bufio.Writer keeps its error for Flush
		sep, end = "\n", ""
	}
	for r := range records {
		out, lost := outward(r)
		losses = append(losses, lost...)
		var err error
		if b, err = Encode(out, b[:0]); err != nil {
			e := hansa.Public(err)
			losses = append(losses, hansa.Loss{Record: r.ID, Field: e.Field, Kind: hansa.LossRefused, Reason: e.Message})
			continue
		}
		_, _ = bw.WriteString(sep)
		_, _ = bw.Write(b)
		_, _ = bw.WriteString(end)
		if !x.lines {
			sep = ",\n"
		}
	}
	if !x.lines {
		_, _ = bw.WriteString("\n]}\n")
	}
	if err := bw.Flush(); err != nil {
		return losses, fmt.Errorf("write records: %w", err)
	}
	return losses, nil
}

func (writer) Losses(r *hansa.Record) []hansa.Loss {
	out, losses := outward(r)
	if _, err := Encode(out, nil); err != nil {
		e := hansa.Public(err)
		losses = append(losses, hansa.Loss{Record: r.ID, Field: e.Field, Kind: hansa.LossRefused, Reason: e.Message})
	}
	return losses
}

// outward returns r without its internal texts, which never leave the node.
func outward(r *hansa.Record) (*hansa.Record, []hansa.Loss) {
	internal := func(t hansa.Text) bool { return t.Kind == "internal" }
	if r.Situation == nil || !slices.ContainsFunc(r.Situation.Texts, internal) {
		return r, nil
	}
	var losses []hansa.Loss
	out, s := *r, *r.Situation
	s.Texts = nil
	for i, t := range r.Situation.Texts {
		if !internal(t) {
			s.Texts = append(s.Texts, t)
			continue
		}
		losses = append(losses, hansa.Loss{
			Record: r.ID, Field: "/situation/texts/" + strconv.Itoa(i), Kind: hansa.LossNotExpressible,
			Reason: "internal text never leaves the node",
		})
	}
	out.Situation = &s
	return &out, format.Capped(losses)
}
