package format

import (
	"bytes"
	"io"

	"github.com/hansa-exchange/hansa"
)

// Limits of XML, beside [DepthMax] and [AttributesMax]. One token (a tag, a run
// of text, a comment) takes at most hansa.RecordBytesMax.
const (
	XMLNameBytesMax = 256
	xmlBufferBytes  = 64 << 10
)

// XMLKind is what an [XMLScanner] stands on.
type XMLKind uint8

// The kinds of token. Comments and the XML declaration are passed over.
const (
	XMLNone XMLKind = iota
	XMLStart
	XMLEnd
	XMLText
)

// XMLName is a name with its namespace. Space is the namespace's URI, or the
// prefix itself when nothing declares it.
type XMLName struct {
	Space  string
	Prefix []byte
	Local  []byte
}

// XMLAttr is an attribute with its value, references resolved. Declarations of
// namespaces are among the attributes, with the prefix or name xmlns.
type XMLAttr struct {
	Name  XMLName
	Value []byte
}

// XMLScanner reads XML from those we do not know: it keeps no tree, resolves
// namespaces, and refuses what no feed needs and an attacker would use: DOCTYPE,
// entities beyond the five, processing instructions, XInclude, a second root,
// excess of depth, attributes and length, duplicate attributes, what is not
// UTF-8. Memory is bounded by hansa.RecordBytesMax, not by the document. Bytes
// that it hands out are valid until the next call.
type XMLScanner struct {
	Name  XMLName   // of a start or end
	Attrs []XMLAttr // of a start
	Text  []byte    // of a text, references resolved

	src      io.Reader
	buf      []byte
	pos, end int   // buf[pos:end] is unread
	tok      int   // where the current token begins; bytes from here are kept
	base     int64 // offset of buf[0] in the document
	total    int64
	err      error // why there is no more to read; io.EOF at the end
	failed   error // what Next ended with

	mark    int // where kept bytes begin, -1 when none are
	markCut bool

	open      []xmlOpen
	names     []byte // of open elements, one after the other
	bindings  []xmlBinding
	scratch   []byte // texts with references
	selfClose bool
	rooted    bool
}

// xmlOpen is an open element: its name as written is names[at:].
type xmlOpen struct {
	at, prefix int
	bindings   int
	space      string
}

// NewXMLScanner returns a scanner over r, whose bytes are turned into UTF-8 when
// they are UTF-16, ISO-8859-1 or windows-1252.
func NewXMLScanner(r io.Reader) *XMLScanner {
	s := &XMLScanner{buf: make([]byte, xmlBufferBytes), mark: -1}
	s.src, s.err = decodeXML(r)
	return s
}

// Next moves to the next token. It returns io.EOF after the end of a sound
// document, and a [hansa.Error] of kind Invalid at the first thing that is not.
// Errors of the reader below come through as they are.
func (s *XMLScanner) Next() (XMLKind, error) {
	if s.failed != nil {
		return XMLNone, s.failed
	}
	kind, err := s.next()
	if err != nil {
		s.failed = err
		return XMLNone, err
	}
	return kind, nil
}

func (s *XMLScanner) next() (XMLKind, error) {
	if s.selfClose {
		s.selfClose = false
		s.pop()
		return XMLEnd, nil
	}
	for {
		s.tok = s.pos
		if s.pos == s.end && !s.more() {
			return XMLNone, s.finish()
		}
		if s.buf[s.pos] != '<' {
			if ok, err := s.text(); ok || err != nil {
				return XMLText, err
			}
			continue
		}
		for s.end-s.pos < 2 {
			if !s.more() {
				return XMLNone, s.cut()
			}
		}
		switch s.buf[s.pos+1] {
		case '/':
			return XMLEnd, s.endTag()
		case '!':
			if ok, err := s.bang(); ok || err != nil {
				return XMLText, err
			}
		case '?':
			if err := s.instruction(); err != nil {
				return XMLNone, err
			}
		default:
			return XMLStart, s.startTag()
		}
	}
}

// Skip passes over the rest of the element whose start Next returned last, its
// end included.
func (s *XMLScanner) Skip() error {
	for depth := len(s.open); len(s.open) >= depth; {
		if _, err := s.Next(); err != nil {
			return err
		}
	}
	return nil
}

// Depth returns how many elements are open.
func (s *XMLScanner) Depth() int { return len(s.open) }

// Mark begins to keep bytes from the start of the current token.
func (s *XMLScanner) Mark() { s.mark, s.markCut = s.tok, false }

// Marked returns the bytes from the mark to the end of the current token, and
// ends the keeping. It returns nil when they are more than hansa.RecordBytesMax.
func (s *XMLScanner) Marked() []byte {
	from := s.mark
	s.mark = -1
	if s.markCut || from < 0 || s.pos-from > hansa.RecordBytesMax {
		return nil
	}
	return s.buf[from:s.pos]
}

// Path returns the open elements as an XPath, by the names as written.
func (s *XMLScanner) Path() string {
	var b []byte
	for i := range s.open {
		b = append(append(b, '/'), s.nameOf(i)...)
	}
	if len(b) == 0 {
		return "/"
	}
	return string(b)
}

func (s *XMLScanner) nameOf(i int) []byte {
	if i+1 < len(s.open) {
		return s.names[s.open[i].at:s.open[i+1].at]
	}
	return s.names[s.open[i].at:]
}

// more reads on, moving or growing the buffer as needed. It reports false when
// there is no more, for the reason in s.err.
func (s *XMLScanner) more() bool {
	if s.err != nil {
		return false
	}
	if s.end == len(s.buf) && !s.room() {
		return false
	}
	for range 100 {
		n, err := s.src.Read(s.buf[s.end:])
		s.err = err
		if n = max(n, 0); n > 0 {
			n = s.admit(n)
		}
		if n > 0 {
			return true
		}
		if s.err != nil {
			return false
		}
	}
	s.err = io.ErrNoProgress
	return false
}

// room makes space at the end of the buffer.
func (s *XMLScanner) room() bool {
	if s.end-s.tok > hansa.RecordBytesMax {
		s.err = s.fault(hansa.CodeTooLarge, "one token of XML is longer than %d bytes", hansa.RecordBytesMax)
		return false
	}
	if s.mark >= 0 && s.end-s.mark > 2*hansa.RecordBytesMax {
		s.mark, s.markCut = -1, true
	}
	keep := s.tok
	if s.mark >= 0 {
		keep = min(keep, s.mark)
	}
	if keep == 0 || keep < len(s.buf)/2 && s.end-keep > len(s.buf)/2 {
		s.buf = append(s.buf, make([]byte, len(s.buf))...)
	}
	if keep > 0 {
		copy(s.buf, s.buf[keep:s.end])
		s.pos, s.end, s.tok = s.pos-keep, s.end-keep, s.tok-keep
		s.base += int64(keep)
		if s.mark >= 0 {
			s.mark -= keep
		}
	}
	return true
}

// finish says whether the document may end here.
func (s *XMLScanner) finish() error {
	switch {
	case s.err != io.EOF: //nolint:errorlint // a reader's own io.EOF is never wrapped
		return s.err
	case len(s.open) > 0:
		return s.fault(hansa.CodeSyntax, "the document ends before <%s> is closed", s.nameOf(len(s.open)-1))
	case !s.rooted:
		return s.fault(hansa.CodeSyntax, "the document has no element")
	}
	return io.EOF
}

// cut is the error for a document that ends within a token.
func (s *XMLScanner) cut() error {
	if s.err != io.EOF { //nolint:errorlint // a reader's own io.EOF is never wrapped
		return s.err
	}
	return s.fault(hansa.CodeSyntax, "the document ends within a tag or comment")
}

// fault makes the error for what is wrong at the current token.
func (s *XMLScanner) fault(code hansa.Code, form string, args ...any) *hansa.Error {
	e := hansa.Errorf(hansa.Invalid, form+" (byte %d)", append(args, s.base+int64(s.tok))...)
	return e.With(code).At(s.Path())
}

func (s *XMLScanner) syntax(form string, args ...any) *hansa.Error {
	return s.fault(hansa.CodeSyntax, form, args...)
}

// find returns the index in buf of the first c at or after from, reading on as
// needed; -1 when the document ends first.
func (s *XMLScanner) find(from int, c byte) int {
	for {
		if i := bytes.IndexByte(s.buf[from:s.end], c); i >= 0 {
			return from + i
		}
		rel := s.end - s.tok
		if !s.more() {
			return -1
		}
		from = s.tok + rel
	}
}
