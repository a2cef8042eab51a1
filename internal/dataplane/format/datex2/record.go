package datex2

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
)

// recordReader turns one situationRecord into a record.
type recordReader struct {
	doc  *document
	tree tree
	left []leftover

	r *hansa.Record
	s *hansa.Situation
	c class

	slip bool // a part of the road beside its main carriageway is meant
}

// read makes the record of the tree. raw are its bytes, path where it stood.
func (x *recordReader) read(raw []byte, path string) (*hansa.Record, *hansa.Error) {
	t, d := &x.tree, x.doc
	id := string(t.attr(0, "id"))
	if id == "" {
		return nil, hansa.Fielded(path+"/@id", "a situation record needs an id")
	}
	kind := string(t.attr(0, "type"))
	x.s = &hansa.Situation{Incident: d.sit.id, Audience: d.sit.audience}
	x.r = &hansa.Record{
		Kind: hansa.KindSituation, ID: id, Received: d.in.Now, Situation: x.s,
		Provenance: hansa.Provenance{System: d.pub.creator, Country: d.pub.country, Format: d.format},
		Original:   bytes.Clone(raw), OriginalType: d.pub.origin,
	}
	x.left, x.slip = x.left[:0], false
	t.nodes[0].used = true
	x.head(kind)
	x.life()
	x.recurrences()
	x.place()
	x.effect()
	x.vehicles()
	x.cause()
	x.texts()
	x.detours()
	x.directions()
	x.check()
	x.remain()
	if err := x.r.Validate(); err != nil {
		return nil, hansa.Public(err).At(path)
	}
	return x.r, nil
}

// head reads what stands at a record's beginning.
func (x *recordReader) head(kind string) {
	t, r, s, d := &x.tree, x.r, x.s, x.doc
	var known bool
	if x.c, known = classes[kind]; !known {
		mark(r, ruleClass, "situationRecord/@xsi:type", kind)
	}
	x.note("@type", kind)
	v := t.attr(0, "version")
	var ok bool
	if r.Version, ok = versionOf(v); !ok {
		mark(r, ruleVersion, "situationRecord/@version", string(v))
		x.note("@version", string(v))
	}
	r.Created = x.timeOf(t.child(0, "situationRecordCreationTime"))
	r.Updated = x.timeOf(t.child(0, "situationRecordVersionTime"))
	if !r.Created.IsZero() && !r.Updated.IsZero() {
		r.Update = hansa.Modify
		if r.Created.Equal(r.Updated) {
			r.Update = hansa.Insert
		}
	}
	s.Source.Ref = t.leaf(0, "situationRecordCreationReference")
	s.Certainty = hansa.Certainty(t.leaf(0, "probabilityOfOccurrence"))
	s.Severity = hansa.Severity(t.leaf(0, "severity"))
	if s.Severity == "" {
		s.Severity = hansa.Severity(d.sit.severity)
	}
	if a := t.leaf(0, "confidentialityOverride"); a != "" {
		s.Audience = a
	}
	if src := t.child(0, "source"); src != none {
		s.Source.System = t.leaf(src, "sourceIdentification")
		s.Source.Org = x.oneText(t.child(src, "sourceName"))
		if c := t.leaf(src, "sourceCountry"); c != "" {
			r.Provenance.Country = strings.ToLower(c)
		}
	}
	switch d.sit.status {
	case "real":
		r.Mode = hansa.Real
	case "test":
		r.Mode = hansa.Test
	case "securityExercise", "technicalExercise":
		r.Mode = hansa.Exercise
	case "":
	default:
		mark(r, ruleEnum, "situation/headerInformation/informationStatus", d.sit.status)
		r.Mode = hansa.Test // never take for real what says to be something else
	}
	if d.pub.noBase {
		mark(r, ruleBase, "payload/@modelBaseVersion", "")
	}
	x.left = append(x.left, d.sit.left[:d.sit.leftBefore]...)
}

// versionOf reads a version; none is 0.
func versionOf(b []byte) (int64, bool) {
	if len(b) == 0 {
		return 0, true
	}
	n, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil || n < 0 {
		return 0, false
	}
	return n, true
}

// note keeps a text that the record has no word for.
func (x *recordReader) note(path, value string) {
	if value != "" {
		x.left = append(x.left, leftover{path: path, value: value})
	}
}

// timeOf reads a time, and marks what is wrong with it.
func (x *recordReader) timeOf(at ref) time.Time {
	if at == none {
		return time.Time{}
	}
	b := x.tree.bytes(at)
	m, naive, fine, ok := moment(b, x.doc.in.Zone)
	switch {
	case !ok:
		mark(x.r, ruleTime, x.tree.path(at), string(b))
		x.tree.nodes[at].used = false
	case naive:
		mark(x.r, ruleNaive, x.tree.path(at), string(b))
	case fine && !marked(x.r, ruleNanos):
		mark(x.r, ruleNanos, x.tree.path(at), string(b))
	}
	return m
}

func (x *recordReader) when(at ref) *time.Time {
	if m := x.timeOf(at); !m.IsZero() {
		return &m
	}
	return nil
}

// check looks at all texts for values that their list does not have, and for
// elements that DATEX II demands.
func (x *recordReader) check() {
	t := &x.tree
	for i := range t.nodes {
		n := &t.nodes[i]
		if n.word.values == nil || n.text == n.end || n.first != none || n.foreign {
			continue
		}
		v := bytes.TrimSpace(t.arena[n.text:n.end])
		if _, ok := n.word.values[string(v)]; !ok {
			at := ref(i)
			mark(x.r, ruleEnum, t.path(at), string(v))
			if n.used {
				x.note(strings.TrimPrefix(t.path(at), "situationRecord/"), string(v))
			}
		}
	}
	for _, name := range []string{"situationRecordCreationTime", "situationRecordVersionTime", "probabilityOfOccurrence", "validity"} {
		if t.child(0, name) == none {
			mark(x.r, ruleMissing, "situationRecord/"+name, "")
		}
	}
}

// remain keeps what nobody used.
func (x *recordReader) remain() {
	x.left = x.tree.leftovers(x.left, "")
	for _, l := range x.left {
		if l.path == morePath {
			mark(x.r, ruleMore, "situationRecord", "")
		}
		if l.unknown {
			mark(x.r, ruleUnknown, "situationRecord/"+l.path, l.value)
		}
	}
	keep(x.r, x.left)
}

// languages maps codes of three letters that feeds use to those of BCP 47.
var languages = map[string]string{
	"ger": "de", "deu": "de", "fre": "fr", "fra": "fr", "dut": "nl", "nld": "nl", "eng": "en",
	"ita": "it", "spa": "es", "fin": "fi", "swe": "sv", "dan": "da", "nor": "no", "por": "pt", "pol": "pl", "slv": "sl",
}

// lang returns a language as BCP 47 has it; nothing is that of the publication.
func (x *recordReader) lang(b []byte, at ref) string {
	l := string(b)
	if l == "" {
		l = x.doc.pub.lang
	}
	if l == "" {
		l = x.doc.in.Lang
	}
	if short, ok := languages[strings.ToLower(l)]; ok {
		mark(x.r, ruleLang, x.tree.path(at)+"/@lang", l)
		return short
	}
	if i := strings.IndexAny(l, "-_"); i < 0 {
		return strings.ToLower(l)
	}
	return l
}

// oneText returns the first value of a multilingual text that is in the
// publication's language, else the first. The others stay to be kept.
func (x *recordReader) oneText(at ref) string {
	t := &x.tree
	first := t.down(at, "values", "value")
	for v := first; v != none; v = t.sibling(v) {
		if string(t.attr(v, "lang")) == x.doc.pub.lang {
			first = v
			break
		}
	}
	if first == none && at != none && t.first(at) == none {
		first = at // a plain string, where another version has a text per language
	}
	return t.string(first)
}

// textCharsMax is how long a text of DATEX II may be.
const textCharsMax = 1024

// texts reads the comments.
func (x *recordReader) texts() {
	t := &x.tree
	for c := t.first(0); c != none; c = t.next(c) {
		open := t.is(c, "generalPublicComment")
		if !open && !t.is(c, "nonGeneralPublicComment") {
			continue
		}
		kind := "comment"
		switch how := t.child(c, "commentType"); {
		case !open:
			kind = "internal"
			if how != none && string(t.bytes(how)) != "internalNote" {
				t.nodes[how].used = false
			}
		case how == none:
		case string(t.bytes(how)) == "description":
			kind = "description"
		case string(t.bytes(how)) == "internalNote":
			kind = "internal"
		default:
			t.nodes[how].used = false
		}
		for v := t.down(c, "comment", "values", "value"); v != none; v = t.sibling(v) {
			text := hansa.Text{Lang: x.lang(t.attr(v, "lang"), v), Value: t.string(v), Kind: kind}
			if len(text.Value) > textCharsMax && len([]rune(text.Value)) > textCharsMax {
				mark(x.r, ruleText, t.path(v), text.Value)
			}
			if text.Value != "" {
				x.s.Texts = append(x.s.Texts, text)
			}
		}
	}
}
