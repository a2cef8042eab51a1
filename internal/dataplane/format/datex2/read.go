package datex2

import (
	"errors"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/dataplane/format"
)

// situationRecordsMax is how many records of one situation are held back until
// its end, where parts may follow that concern them all. More are handed out
// before.
const situationRecordsMax = 256

// reader reads situation publications of DATEX II 2 and 3 in any envelope.
type reader struct {
	name hansa.Format
}

// Read implements [format.Reader]. A record's Original is its situationRecord
// element as it came; OriginalType names the namespaces that it stands in. A
// publication of another kind is one refusal.
func (c reader) Read(r io.Reader, in format.Input) iter.Seq2[format.Item, error] {
	return func(yield func(format.Item, error) bool) {
		if in.Zone == nil {
			in.Zone = time.UTC
		}
		d := &document{
			s: format.NewXMLScanner(r), in: in, format: c.name, yield: yield,
			names: names{known: vocabulary()}, over: map[string]hansa.Lifecycle{},
		}
		d.record.doc = d
		if err := d.read(); err != nil && !errors.Is(err, errStopped) {
			yield(format.Item{}, public(err))
		}
	}
}

// errStopped says that the caller wants no more.
var errStopped = errors.New("stopped")

func public(err error) error {
	if e, ok := errors.AsType[*hansa.Error](err); ok {
		return e
	}
	return hansa.Errorf(hansa.Invalid, "the document could not be read to its end: %w", err).With(hansa.CodeSyntax).At("/")
}

// document is one reading.
type document struct {
	s      *format.XMLScanner
	in     format.Input
	format hansa.Format
	yield  func(format.Item, error) bool
	names  names

	pub    publication
	pubs   int // publications seen
	root   string
	sit    situation
	inSit  bool
	record recordReader
	part   tree
	held   []format.Item
	over   map[string]hansa.Lifecycle // records told as ended or cancelled in this document
	alive  bool
}

// publication is what a publication says for all its records.
type publication struct {
	depth         int
	lang, country string
	creator       string
	time          time.Time
	noBase        bool
	origin        string // media type of its records' bytes
}

// situation is what a situation says for all its records.
type situation struct {
	depth      int
	id         string
	severity   string
	audience   string
	status     string
	left       []leftover
	leftBefore int // how many of left stood before the first record
	records    int
}

// roots are the elements that a document may begin with.
var roots = map[string]bool{
	"payload": true, "messageContainer": true, "d2LogicalModel": true, "Envelope": true,
	"payloadPublication": true, "situation": true, "situationRecord": true,
}

// read reads to the end, or to the first fault; what came before that is sound.
func (d *document) read() error {
	for {
		err := d.step()
		switch {
		case err == nil:
			continue
		case errors.Is(err, errStopped):
			return err
		case errors.Is(err, io.EOF):
			return d.close()
		}
		if stop := d.flush(); stop != nil {
			return stop
		}
		return err
	}
}

func (d *document) step() error {
	kind, err := d.s.Next()
	switch {
	case err != nil:
		return err
	case kind == format.XMLStart:
		return d.start()
	case kind == format.XMLEnd:
		return d.end()
	}
	return nil
}

// close says what was missing when nothing was found.
func (d *document) close() error {
	if err := d.flush(); err != nil {
		return err
	}
	if d.pubs > 0 || d.alive || len(d.over) > 0 {
		return nil
	}
	return d.emit(format.Item{Refused: hansa.Fielded("/"+d.root,
		"the document holds no DATEX II publication, so no situation could be read from it")})
}

func (d *document) start() error {
	name := d.s.Name.Local
	if d.root == "" {
		d.root = string(name)
		if !roots[d.root] {
			return hansa.Errorf(hansa.Invalid, "the root is <%.60s>: this is not DATEX II in XML", d.root).
				With(hansa.CodeSyntax).At("/" + d.root)
		}
	}
	switch string(name) {
	case "situationRecord":
		return d.situationRecord()
	case "situation":
		d.beginSituation()
		return nil
	case "payload", "payloadPublication":
		return d.beginPublication()
	case "informationManagement":
		return d.management()
	case "keepAlive":
		d.alive = true
		return nil
	case "Fault":
		return d.fault()
	}
	switch depth := d.s.Depth(); {
	case d.inSit && depth == d.sit.depth+1:
		return d.situationPart()
	case !d.inSit && d.pub.depth > 0 && depth == d.pub.depth+1:
		return d.publicationPart()
	}
	return nil
}

func (d *document) end() error {
	depth := d.s.Depth() + 1
	switch {
	case d.inSit && depth == d.sit.depth:
		d.inSit = false
		if d.sit.records == 0 {
			d.held = append(d.held, format.Item{ID: d.sit.id, Refused: hansa.Fielded("/situation", "the situation has no record")})
		}
		return d.flush()
	case !d.inSit && depth == d.pub.depth:
		d.pub.depth = 0
	}
	return nil
}

// beginPublication reads the head of a publication, or refuses one that is not
// of situations.
func (d *document) beginPublication() error {
	kind := ""
	d.pub = publication{depth: d.s.Depth(), noBase: d.root != "d2LogicalModel" && d.root != "Envelope"}
	for i := range d.s.Attrs {
		a := &d.s.Attrs[i]
		switch string(a.Name.Local) {
		case "type":
			_, local := d.s.Resolve(a.Value)
			kind = string(local)
		case "lang":
			d.pub.lang = string(a.Value)
		case "modelBaseVersion":
			d.pub.noBase = false
		}
	}
	d.pubs++
	d.pub.origin = d.origin()
	if kind == "SituationPublication" || kind == "" {
		return nil
	}
	d.pub.depth = 0
	path := d.s.Path()
	if err := d.s.Skip(); err != nil {
		return err
	}
	return d.emit(format.Item{Refused: hansa.Fielded(path,
		"this is a %.80s, not a SituationPublication: no situation can be read from it", kind)})
}

// origin is the media type of a record's bytes: it names the namespaces in force
// around them, which they need to be read by themselves.
func (d *document) origin() string {
	ns := d.s.Namespaces()
	if ns == "" || len(ns) > 4096 {
		return mediaType
	}
	return mediaType + `; element=situationRecord; ns="` + strings.ReplaceAll(ns, `"`, "") + `"`
}

func (d *document) publicationPart() error {
	switch string(d.s.Name.Local) {
	case "publicationTime", "publicationCreator":
	default:
		return nil
	}
	if _, err := d.part.grow(d.s, &d.names); err != nil {
		return err
	}
	if d.part.is(0, "publicationTime") {
		d.pub.time, _, _, _ = moment(d.part.bytes(0), d.in.Zone)
		return nil
	}
	d.pub.country = strings.ToLower(d.part.leaf(0, "country"))
	d.pub.creator = d.part.leaf(0, "nationalIdentifier")
	return nil
}

func (d *document) beginSituation() {
	if d.pubs == 0 { // a situation that was cut out of its publication
		d.pubs++
		d.pub.origin = d.origin()
	}
	d.inSit = true
	d.sit = situation{depth: d.s.Depth(), left: d.sit.left[:0]}
	for i := range d.s.Attrs {
		if a := &d.s.Attrs[i]; string(a.Name.Local) == "id" {
			d.sit.id = string(a.Value)
		}
	}
}

// situationPart reads what a situation says beside its records.
func (d *document) situationPart() error {
	whole, err := d.part.grow(d.s, &d.names)
	if err != nil || !whole {
		return err
	}
	t := &d.part
	switch t.name(0) {
	case "overallSeverity":
		d.sit.severity = t.string(0)
	case "situationVersionTime":
		t.use(0)
	case "headerInformation":
		d.sit.audience = t.leaf(0, "confidentiality")
		d.sit.status = t.leaf(0, "informationStatus")
	}
	d.sit.left = t.leftovers(d.sit.left, "situation/")
	if d.sit.records == 0 {
		d.sit.leftBefore = len(d.sit.left)
	}
	return nil
}

// situationRecord reads one record.
func (d *document) situationRecord() error {
	if d.pubs == 0 {
		d.pubs++
		d.pub.origin = d.origin()
	}
	path := d.s.Path()
	d.s.Mark()
	whole, err := d.record.tree.grow(d.s, &d.names)
	if err != nil {
		return err
	}
	raw := d.s.Marked()
	item := format.Item{ID: string(d.record.tree.attr(0, "id"))}
	if !whole || raw == nil {
		item.Refused = hansa.Errorf(hansa.Invalid, "a record has at most %d bytes", hansa.RecordBytesMax).
			With(hansa.CodeTooLarge).At(path)
	} else {
		item.Record, item.Refused = d.record.read(raw, path)
	}
	if item.Record != nil && !item.Record.Situation.Lifecycle.Live() {
		d.tell(item.Record.ID, item.Record.Situation.Lifecycle)
	}
	d.sit.records++
	d.held = append(d.held, item)
	if !d.inSit || len(d.held) >= situationRecordsMax {
		return d.flush()
	}
	return nil
}

// overMax is how many ended or cancelled records are remembered, so that one told
// twice in a document is handed out once.
const overMax = 1 << 16

func (d *document) tell(id string, l hansa.Lifecycle) {
	if len(d.over) < overMax {
		d.over[id] = l
	}
}

// flush hands out what is held.
func (d *document) flush() error {
	late := d.sit.left[min(d.sit.leftBefore, len(d.sit.left)):]
	for i := range d.held {
		if r := d.held[i].Record; r != nil && len(late) > 0 {
			keep(r, late)
		}
		if err := d.emit(d.held[i]); err != nil {
			return err
		}
	}
	clear(d.held)
	d.held = d.held[:0]
	return nil
}

func (d *document) emit(i format.Item) error {
	if !d.yield(i, nil) {
		return errStopped
	}
	return nil
}

// fault reads the SOAP fault that came instead of a publication.
func (d *document) fault() error {
	path := d.s.Path()
	if _, err := d.part.grow(d.s, &d.names); err != nil {
		return err
	}
	why := ""
	for _, n := range []string{"faultstring", "Text"} {
		if at := d.part.find(n); at != none {
			why = d.part.string(at)
		}
	}
	return hansa.Errorf(hansa.Invalid, "the publisher answered with a SOAP fault: %.200s", why).At(path)
}

// management reads which records a message container names as ended or
// cancelled. Those that it did not also tell in full become records that say no
// more than that.
func (d *document) management() error {
	path := d.s.Path()
	if _, err := d.part.grow(d.s, &d.names); err != nil {
		return err
	}
	t := &d.part
	for e := t.down(0, "informationManagedResourceList", "elementReference"); e != none; e = t.sibling(e) {
		at := t.child(e, "versionedReference")
		if at == none {
			at = t.child(e, "reference")
		}
		id, life, update := string(t.attr(at, "id")), hansa.Ended, hansa.End
		switch status := t.leaf(e, "managementStatus"); status {
		case "closed":
		case "cancelled":
			life, update = hansa.Cancelled, hansa.Redact
		default:
			item := format.Item{ID: id, Refused: hansa.Fielded(path+"/managementStatus", "a record is closed or cancelled, not %.50q", status)}
			if err := d.emit(item); err != nil {
				return err
			}
			continue
		}
		if d.over[id] == life {
			continue
		}
		d.tell(id, life)
		r := &hansa.Record{
			Kind: hansa.KindSituation, ID: id, Received: d.in.Now, Update: update,
			Situation:  &hansa.Situation{Lifecycle: life},
			Provenance: hansa.Provenance{Format: d.format},
		}
		r.Version, _ = versionOf(t.attr(at, "version"))
		mark(r, ruleOnlyID, path, id)
		item := format.Item{ID: id, Record: r}
		if err := r.Validate(); err != nil {
			item = format.Item{ID: id, Refused: hansa.Public(err).At(path)}
		}
		if err := d.emit(item); err != nil {
			return err
		}
	}
	return nil
}
