package hansa

import "time"

// FlowID names a flow: a UUIDv7.
type FlowID string

// Purpose says what a read is for. It is compared exactly; flows list theirs.
type Purpose string

// Format names a codec: datex2, cifs, cifs-json, wzdx, geojson, record.
type Format string

// BasisKind says what a flow stands on.
type BasisKind string

// The kinds of basis. Values are written to disk.
const (
	BasisConfigured BasisKind = "configured" // by this node's operator; no accord
	BasisAgreement  BasisKind = "agreement"  // a DSP contract agreement
	BasisAccord     BasisKind = "accord"
)

// Basis is what entitles a flow: verdicts, labels and ranges name it.
type Basis struct {
	Kind BasisKind `json:"kind"`
	ID   string    `json:"id"`
	Hash string    `json:"hash"` // of the version, hex SHA-256
}

// Flow is one dataset on its way from one party to another under terms.
type Flow struct {
	ID      FlowID    `json:"id"`
	Name    string    `json:"name"` // [ValidName]; unique per giver
	Dataset DatasetID `json:"dataset"`
	From    PartyID   `json:"from"`
	To      PartyID   `json:"to"`
	Basis   Basis     `json:"basis"`
	Terms   Terms     `json:"terms"`
	Limit   Duration  `json:"limit"` // agreed time from offered to live; 0 is none agreed
	Paused  bool      `json:"paused,omitzero"`
	Test    bool      `json:"test,omitzero"` // carries marked test records only
}

// Terms are a flow's gates. Empty lists of purposes and formats allow nothing;
// an empty Fields, Area, Windows or a zero Delay and Precision set no bound.
type Terms struct {
	Purposes []Purpose `json:"purposes"`
	Formats  []Format  `json:"formats"`
	// Fields are the JSON names of the parts that may leave besides identity,
	// time and place; empty allows all. See [Fields].
	Fields []string `json:"fields,omitempty"`
	// Held are fields that stay here whatever Fields says: marked ones, until the
	// receiver's measures are confirmed. Each is one of [Fields].
	Held []string `json:"held,omitempty"`
	// Area bounds where: a record passes when its geometry touches it.
	Area *Geometry `json:"area,omitempty"`
	// Windows are the times at which the flow is open; empty is always.
	Windows []Recurrence `json:"windows,omitempty"`
	// Delay holds a record back after it was received.
	Delay Duration `json:"delay,omitzero"`
	// Precision is the number of decimals of a coordinate that may leave, 0 to
	// 7; nil sets no bound. Three decimals are about 110 m.
	Precision *int `json:"precision,omitzero"`
	// Retention is how long after its receipt a record may still leave, in whole
	// days; 0 sets no bound.
	Retention int `json:"retention,omitzero"`
	// From and Until bound when the terms are in force; a zero Until is open.
	From  time.Time `json:"from"`
	Until time.Time `json:"until,omitzero"`
	// Licence and Attribution ride on every answer's label.
	Licence     string `json:"licence,omitempty"`
	Attribution string `json:"attribution,omitempty"`
	// Conditions are other named conditions; one that the gate does not know
	// cannot be saved.
	Conditions map[string]string `json:"conditions,omitempty"`
}

// Fields lists the names that [Terms].Fields may hold: the parts of a situation
// that can be withheld without making it false.
func Fields() []string {
	return []string{"cause", "texts", "source", "lanes", "vehicles", "detours", "certainty", "severity", "linearRefs", "related", "recurrence", "properties"}
}

// Validate reports the first rule that f breaks, the terms' conditions excepted:
// the gate refuses those that it does not know.
func (f *Flow) Validate() error {
	switch {
	case f.ID == "":
		return Fielded("/id", "a flow needs an id")
	case !ValidName(f.Name):
		return Fielded("/name", "a flow's name is 1 to 63 of a-z, 0-9 and hyphen, not %q", f.Name)
	case f.Dataset == "":
		return Fielded("/dataset", "a flow needs a dataset")
	case f.From == "" || f.To == "":
		return Fielded("/from", "a flow needs a giver and a receiver")
	case f.Basis.Kind == "":
		return Fielded("/basis", "a flow needs a basis")
	}
	return nil
}

// Label is what every answer that carries data says of itself (accords.md
// section 5).
type Label struct {
	Flow        FlowID `json:"flow"`
	Basis       Basis  `json:"basis"`
	Licence     string `json:"licence,omitempty"`
	Attribution string `json:"attribution,omitempty"`
	Holder      string `json:"holder,omitempty"`
	Legal       string `json:"legal,omitempty"`
}
