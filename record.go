package hansa

import (
	"encoding/json"
	"strings"
	"time"
)

// Key names a fact within a dataset for all its versions: (party, dataset,
// publisher's id).
type Key struct {
	Party   PartyID
	Dataset DatasetID
	ID      string
}

// Cursor is a place in a dataset's stream: opaque, durable, and of one epoch.
// The empty cursor is the beginning.
type Cursor string

// Limits of one record.
const (
	IDBytesMax     = 512     // of a publisher's id
	RecordBytesMax = 1 << 20 // of one record's original bytes
	FindingsMax    = 200     // defects kept with one record; the last says how many more there were
	TextBytesMax   = 64 << 10
)

// Record is one versioned fact in a dataset. Exactly one of Situation,
// Observation and Document is set, as Kind says. JSON names are those of the
// canonical form ([MediaTypeRecord]).
type Record struct {
	Kind      RecordKind `json:"kind"`
	Dataset   DatasetID  `json:"dataset,omitempty"` // set by the node at intake
	ID        string     `json:"id"`                // the publisher's, stable over versions
	Version   int64      `json:"version"`           // rises; 0 is unversioned
	Created   time.Time  `json:"created,omitzero"`
	Updated   time.Time  `json:"updated,omitzero"`  // publisher's time of this version; never orders anything
	Received  time.Time  `json:"received,omitzero"` // by this node
	Published time.Time  `json:"firstPublished,omitzero"`
	// Update says what this version does (2022/670 Art. 8(1)).
	Update Update `json:"update,omitempty"`
	// Mode keeps tests and exercises apart from the real thing.
	Mode Mode `json:"mode,omitempty"`

	Situation   *Situation   `json:"situation,omitempty"`
	Observation *Observation `json:"observation,omitempty"`
	Document    *Document    `json:"document,omitempty"`

	Provenance Provenance `json:"provenance,omitzero"`
	Defects    []Finding  `json:"defects,omitempty"`

	// Unknown keeps members that this version of Hansa has no word for.
	Unknown map[string]json.RawMessage `json:",embed"`

	// Original is the publisher's bytes, and OriginalType their media type. They
	// travel beside the canonical form, not in it. Nil when the accord minimises
	// at intake or the data are personal (decision 22).
	Original     []byte `json:"-"`
	OriginalType string `json:"-"`
	// Cursor is where the record stands in its stream; empty before it is stored.
	Cursor Cursor `json:"-"`
}

// Update is what a version of a record does.
type Update string

// The kinds of update.
const (
	Insert Update = "insert"
	Modify Update = "modify"
	End    Update = "end"      // it is over: the road is open again
	Redact Update = "withdraw" // it should never have been said
)

// Mode is whether a record is meant.
type Mode string

// The modes. The empty mode is real.
const (
	Real     Mode = "real"
	Test     Mode = "test"
	Exercise Mode = "exercise"
)

// IsReal reports whether m is meant for the public.
func (m Mode) IsReal() bool { return m == "" || m == Real }

// Provenance says where a record came from.
type Provenance struct {
	Holder    string `json:"holder,omitempty"` // original holder, stays responsible (2022/670 Art. 3(6))
	System    string `json:"system,omitempty"` // the publisher's system
	Feed      string `json:"feed,omitempty"`   // our feed that fetched it; empty for a push
	Format    Format `json:"format,omitempty"` // the codec that read it
	Contact   string `json:"contact,omitempty"`
	Country   string `json:"country,omitempty"` // ISO 3166-1 alpha-2, lower case
	Ref       string `json:"ref,omitempty"`     // the publisher's reference, when it is not the id
	Legal     string `json:"legal,omitempty"`   // legal basis
	EnteredBy string `json:"-"`                 // opaque id of the user or credential; stays here
	// Origin says who gave a record first that a hub has passed on; nil of one that
	// nobody has.
	Origin *Origin `json:"origin,omitempty"`
}

// The feeds by which a hub's node puts into a dataset what it passes on. What follows
// them is the flow by which the hub was given it.
const (
	FeedRelay  = "relay:"
	FeedRecall = "recall:" // a notice that it is given no more, with no content
)

// Origin travels with a record that a hub passes on: what its first giver has agreed
// of it, which binds that giver and not the hub.
type Origin struct {
	Party   PartyID `json:"party"`             // the first giver
	ID      string  `json:"id"`                // as that party calls the record
	Version int64   `json:"version,omitzero"`  // as that party counts
	Licence string  `json:"licence,omitempty"` // under which it was given
	// Accord and Hash name the agreement under which it was given, and its version in
	// force then (hex SHA-256).
	Accord AccordID `json:"accord,omitempty"`
	Hash   string   `json:"hash,omitempty"`
	// Duties are the clauses of that agreement by which the giver answers for the
	// quality of the record: number and name, such as "7 freshness".
	Duties []string `json:"duties,omitempty"`
}

// Observation is a measured or reported fact about a thing at a moment.
type Observation struct {
	What       string     `json:"what"` // vehicle, station, car-park, jam, count
	Subject    string     `json:"subject,omitempty"`
	Observed   time.Time  `json:"observed"`
	ValidFor   Duration   `json:"validFor,omitzero"`
	Geometry   *Geometry  `json:"geometry,omitempty"`
	Quantities []Quantity `json:"quantities,omitempty"`
	State      string     `json:"state,omitempty"`
	Confidence *float64   `json:"confidence,omitzero"` // 0 to 1
	Personal   bool       `json:"personal,omitzero"`
}

// Quantity is a named number with its unit (UCUM where there is one).
type Quantity struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit,omitempty"`
}

// Document is an opaque text that travels under terms like any record.
type Document struct {
	MediaType string `json:"mediaType"`
	Title     string `json:"title,omitempty"`
	Body      []byte `json:"body"`
}

// Live reports whether r still says that something is so: it is neither ended
// nor withdrawn. Ending by a stated rule is [Situation.EndedByRule].
func (r *Record) Live() bool {
	if r.Update == End || r.Update == Redact {
		return false
	}
	return r.Situation == nil || r.Situation.Lifecycle.Live()
}

// Validate reports the first thing that keeps r from being a record at all. What
// is merely wrong is a [Finding], and r is kept (decision 21).
func (r *Record) Validate() error {
	switch {
	case r.ID == "":
		return Fielded("/id", "a record needs the publisher's id")
	case strings.ContainsFunc(r.ID, func(c rune) bool {
		return c < ' ' || c == 0x7f || c >= 0x202a && c <= 0x202e || c >= 0x2066 && c <= 0x2069
	}):
		return Fielded("/id", "a record's id holds no control characters, nor those that turn the direction of writing")
	case len(r.ID) > IDBytesMax:
		return Fielded("/id", "a record's id has at most %d bytes, this one has %d", IDBytesMax, len(r.ID))
	case r.Version < 0:
		return Fielded("/version", "a version is not negative")
	}
	n := 0
	for _, set := range []bool{r.Situation != nil, r.Observation != nil, r.Document != nil} {
		if set {
			n++
		}
	}
	if n != 1 {
		return Fielded("/kind", "a record holds exactly one of situation, observation and document, not %d", n)
	}
	switch {
	case r.Kind == KindSituation && r.Situation != nil:
		return beneath("/situation", r.Situation.Validate())
	case r.Kind == KindObservation && r.Observation != nil:
		if g := r.Observation.Geometry; g != nil {
			return beneath("/observation", g.Validate())
		}
		return nil
	case r.Kind == KindDocument && r.Document != nil:
		return nil
	}
	return Fielded("/kind", "the kind %q does not say what the record holds", r.Kind)
}

// beneath puts the field of err below the pointer at.
func beneath(at string, err error) error {
	if err == nil {
		return nil
	}
	e := Public(err)
	return e.At(at + e.Field)
}
