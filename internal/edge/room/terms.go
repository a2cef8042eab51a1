package room

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
)

// listedMax bounds how many names a form may list.
const listedMax = 100

// termsForm is the conditions of an offer as a form holds them.
type termsForm struct {
	Purposes  string // one or several, with commas
	Formats   []tickRow
	Until     string
	To        string
	Automatic bool
	Fits      bool // what is on the table says no more than the form can hold
}

// tickFormats lists formats to tick; none named ticks none.
func tickFormats(all, on []string) (out []tickRow) {
	for _, f := range all {
		out = append(out, tickRow{Value: f, On: slices.Contains(on, f)})
	}
	return out
}

// termsOf fills the form with terms.
func termsOf(t *OfferTerms, formats []string, zone *time.Location) *termsForm {
	f := &termsForm{Purposes: strings.Join(t.Purposes, ", "), Formats: tickFormats(formats, t.Formats), To: strings.Join(t.To, ", "), Automatic: t.Automatic}
	if !t.Until.IsZero() {
		f.Until = localTime(t.Until, zone)
	}
	return f
}

// refill keeps what somebody typed, when it was refused.
func (f *termsForm) refill(typed url.Values, formats []string) {
	if f == nil || !typed.Has("purposes") {
		return
	}
	f.Purposes, f.Until, f.To, f.Automatic = typed.Get("purposes"), typed.Get("until"), typed.Get("to"), typed.Get("automatic") != ""
	f.Formats = tickFormats(formats, typed["format"])
}

// readTerms reads the form.
func readTerms(f url.Values, zone *time.Location) (t OfferTerms, err error) {
	if t.Purposes, err = listOf("/purposes", f.Get("purposes")); err != nil {
		return t, err
	}
	if len(t.Purposes) == 0 {
		return t, hansa.Fielded("/purposes", "name at least one purpose, such as navigation")
	}
	if t.To, err = listOf("/to", f.Get("to")); err != nil {
		return t, err
	}
	t.Formats, t.Automatic = f["format"], f.Get("automatic") != ""
	t.Until, err = readLocal("/until", f.Get("until"), zone)
	return t, err
}

// listOf cuts what is written with commas, spaces or on lines.
func listOf(field, s string) ([]string, error) {
	list := strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ';' || r == ' ' || r == '\n' || r == '\r' || r == '\t' })
	if len(list) > listedMax {
		return nil, hansa.Fielded(field, "at most %d may be listed", listedMax)
	}
	return list, nil
}
