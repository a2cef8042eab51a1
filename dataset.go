package hansa

import (
	"net/mail"
	"net/url"
	"slices"
	"strings"
)

// DatasetID names a dataset: a UUIDv7 given by the node that made it.
type DatasetID string

// RecordKind says which of the three kinds of fact a [Record] is. It is written
// to disk and wire by its name.
type RecordKind string

// The kinds of record.
const (
	KindSituation   RecordKind = "situation"
	KindObservation RecordKind = "observation"
	KindDocument    RecordKind = "document"
)

// Dataset is what a party has on offer.
type Dataset struct {
	ID    DatasetID         `json:"id"`
	Party PartyID           `json:"party"` // the giver
	Name  string            `json:"name"`  // [ValidName]; unique per party
	Title map[string]string `json:"title"` // by language tag
	// Description says in a few sentences what is in it, by language tag.
	Description map[string]string `json:"description,omitempty"`
	Kind        RecordKind        `json:"kind"`
	Update      Duration          `json:"update,omitzero"` // the update promise; 0 is none
	Licence     string            `json:"licence,omitempty"`
	Holder      string            `json:"holder,omitempty"` // original holder, stays responsible for quality (2022/670 Art. 3(6))
	// AgeMax and BytesMax bound what the stream keeps; 0 takes the node's.
	AgeMax   Duration `json:"ageMax,omitzero"`
	BytesMax int64    `json:"bytesMax,omitzero"`
	// Personal data keep no original bytes beside the record (decision 22).
	Personal bool `json:"personal,omitzero"`
	// Themes are terms of the mobility theme vocabulary of mobilityDCAT-AP, such as
	// road-events-and-conditions; empty takes the one that the kind stands for.
	Themes []string `json:"themes,omitempty"`
	// Coverage is the area that it covers: a NUTS code such as NL329, or the web
	// address of an area in GeoNames or in a table of the EU.
	Coverage string `json:"coverage,omitempty"`
	// HighValue is its category of high-value datasets ([HighValueCategories]);
	// empty says that it is none.
	HighValue string `json:"highValue,omitempty"`
	// Contact is the mail address of a desk that answers for it, not of a person.
	Contact string `json:"contact,omitempty"`
	// Relays names what a hub gathers in it: the records of each dataset of such a name
	// that its party is given under an accord that allows passing them on.
	Relays []string `json:"relays,omitempty"`
}

// Limits of what a dataset says of itself.
const (
	DatasetTextMax   = 4000 // bytes of one title or description
	DatasetThemesMax = 16
	DatasetRelaysMax = 64
)

// HighValueCategories lists the thematic categories of high-value datasets
// (Implementing Regulation (EU) 2023/138, annex).
func HighValueCategories() []string {
	return []string{"geospatial", "earth-observation", "meteorological", "statistics", "companies", "mobility"}
}

// Validate reports the first rule that d breaks.
func (d *Dataset) Validate() error {
	switch {
	case d.ID == "":
		return Fielded("/id", "a dataset needs an id")
	case d.Party == "":
		return Fielded("/party", "a dataset needs the party that gives it")
	case !ValidName(d.Name):
		return Fielded("/name", "a dataset's name is 1 to 63 of a-z, 0-9 and hyphen, not %q", d.Name)
	}
	switch d.Kind {
	case KindSituation, KindObservation, KindDocument:
		return d.validateOffer()
	}
	return Fielded("/kind", "a dataset holds situation, observation or document, not %q", d.Kind)
}

// validateOffer reports the first rule that d breaks in what a catalogue says of it.
func (d *Dataset) validateOffer() error {
	if err := validTexts("/title", d.Title); err != nil {
		return err
	}
	if err := validTexts("/description", d.Description); err != nil {
		return err
	}
	if len(d.Themes) > DatasetThemesMax {
		return Fielded("/themes", "a dataset has at most %d themes", DatasetThemesMax)
	}
	for _, t := range d.Themes {
		if len(t) > 120 || t == "" || strings.Trim(t, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return Fielded("/themes", "a theme is a term of the mobility theme vocabulary, such as road-events-and-conditions, not %q", t)
		}
	}
	if len(d.Relays) > DatasetRelaysMax {
		return Fielded("/relays", "a dataset gathers those of at most %d names", DatasetRelaysMax)
	}
	for _, name := range d.Relays {
		if !ValidName(name) {
			return Fielded("/relays", "a dataset's name is 1 to 63 of a-z, 0-9 and hyphen, not %q", name)
		}
	}
	switch {
	case d.Update < 0:
		return Fielded("/update", "an update promise is a length of time, not %s", d.Update)
	case !validArea(d.Coverage):
		return Fielded("/coverage", "an area is a NUTS code such as NL329, or the web address of one, not %q", d.Coverage)
	case d.HighValue != "" && !slices.Contains(HighValueCategories(), d.HighValue):
		return Fielded("/highValue", "a category of high-value datasets is one of %s, not %q", strings.Join(HighValueCategories(), ", "), d.HighValue)
	}
	if d.Contact == "" {
		return nil
	}
	if a, err := mail.ParseAddress(d.Contact); err != nil || a.Address != d.Contact || len(d.Contact) > 254 {
		return Fielded("/contact", "a contact is a mail address such as data@city.example, not %q", d.Contact)
	}
	return nil
}

func validTexts(field string, texts map[string]string) error {
	for lang, text := range texts {
		switch {
		case !validTag(lang):
			return Fielded(field, "a language is a tag like en, nl or pt-BR, not %q", lang)
		case len(text) > DatasetTextMax:
			return Fielded(field, "a text has at most %d bytes", DatasetTextMax)
		}
	}
	return nil
}

// validTag accepts what has the form of a language tag (BCP 47 section 2.1).
func validTag(s string) bool {
	for i, part := range strings.Split(s, "-") {
		if len(part) < 1 || len(part) > 8 {
			return false
		}
		for _, c := range []byte(part) {
			letter := c|0x20 >= 'a' && c|0x20 <= 'z'
			if !letter && (i == 0 || c < '0' || c > '9') {
				return false
			}
		}
	}
	return len(s) <= 35
}

// validArea accepts a NUTS code (two letters of a country, up to three letters or
// digits), an absolute web address, and nothing.
func validArea(s string) bool {
	if s == "" {
		return true
	}
	if strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://") {
		u, err := url.Parse(s)
		return err == nil && u.Host != "" && len(s) <= 500 && !strings.ContainsAny(s, " <>\"{}|\\^`")
	}
	return len(s) >= 2 && len(s) <= 5 && strings.Trim(s[:2], "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == "" && strings.Trim(s[2:], "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == ""
}
