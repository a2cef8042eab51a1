package hansa

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
	ID      DatasetID         `json:"id"`
	Party   PartyID           `json:"party"` // the giver
	Name    string            `json:"name"`  // [ValidName]; unique per party
	Title   map[string]string `json:"title"` // by language tag
	Kind    RecordKind        `json:"kind"`
	Update  Duration          `json:"update,omitzero"` // the update promise; 0 is none
	Licence string            `json:"licence,omitempty"`
	Holder  string            `json:"holder,omitempty"` // original holder, stays responsible for quality (2022/670 Art. 3(6))
	// AgeMax and BytesMax bound what the stream keeps; 0 takes the node's.
	AgeMax   Duration `json:"ageMax,omitzero"`
	BytesMax int64    `json:"bytesMax,omitzero"`
	// Personal data keep no original bytes beside the record (decision 22).
	Personal bool `json:"personal,omitzero"`
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
		return nil
	}
	return Fielded("/kind", "a dataset holds situation, observation or document, not %q", d.Kind)
}
