package format

import (
	"bytes"
	"encoding/binary"
	"io"
	"strconv"
	"unicode/utf8"

	"github.com/hansa-exchange/hansa"
)

// text reads up to the next tag. It reports false for white space outside the
// root, which is nothing.
func (s *XMLScanner) text() (bool, error) {
	lt := s.find(s.pos, '<')
	if lt < 0 {
		if len(s.open) > 0 || s.err != io.EOF { //nolint:errorlint // a reader's own io.EOF is never wrapped
			return false, s.finish()
		}
		lt = s.end
	}
	raw := s.buf[s.tok:lt]
	s.pos = lt
	if len(s.open) == 0 {
		if len(trimSpace(raw)) > 0 {
			return false, s.syntax("there is text outside the root")
		}
		return false, nil
	}
	s.scratch = s.scratch[:0]
	t, err := s.resolve(raw, true)
	s.Text = t
	return true, err
}

// bang reads a comment or CDATA; anything else that begins with <! is refused.
// It reports true for a text.
func (s *XMLScanner) bang() (bool, error) {
	for s.end-s.pos < len("<![CDATA[") && s.more() {
	}
	t := s.buf[s.pos:s.end]
	switch {
	case bytes.HasPrefix(t, []byte("<!--")):
		end, err := s.until(4, "--")
		if err != nil {
			return false, err
		}
		if s.pos = end; s.pos == s.end && !s.more() {
			return false, s.cut()
		}
		if s.buf[s.pos] != '>' {
			return false, s.syntax("-- within a comment")
		}
		s.pos++
		return false, nil
	case bytes.HasPrefix(t, []byte("<![CDATA[")):
		if len(s.open) == 0 {
			return false, s.syntax("there is text outside the root")
		}
		end, err := s.until(9, "]]>")
		if err != nil {
			return false, err
		}
		s.pos = end
		s.scratch = s.scratch[:0]
		s.Text = s.lines(s.buf[s.tok+9 : end-3])
		return true, nil
	}
	return false, s.syntax("DOCTYPE and other declarations are refused")
}

// until returns where the first stop, skip bytes or more into the token, ends.
func (s *XMLScanner) until(skip int, stop string) (int, error) {
	for {
		if from := s.tok + skip; from < s.end {
			if i := bytes.Index(s.buf[from:s.end], []byte(stop)); i >= 0 {
				return from + i + len(stop), nil
			}
			skip = max(skip, s.end-s.tok-len(stop)+1)
		}
		if !s.more() {
			return 0, s.cut()
		}
	}
}

// instruction passes over the XML declaration; any other is refused.
func (s *XMLScanner) instruction() error {
	if s.base+int64(s.pos) != 0 {
		return s.syntax("processing instructions are refused")
	}
	end, err := s.until(2, "?>")
	if err != nil {
		return err
	}
	t := s.buf[s.tok+2 : end-2]
	if !bytes.HasPrefix(t, []byte("xml")) || len(t) < 4 || !isSpace(t[3]) {
		return s.syntax("processing instructions are refused")
	}
	if v := pseudo(t, "version"); v != "1.0" {
		return s.syntax("the version of XML is 1.0, not %.20q", v)
	}
	s.pos = end
	return nil
}

// pseudo returns the value of name in an XML declaration.
func pseudo(t []byte, name string) string {
	_, rest, ok := bytes.Cut(t, []byte(name))
	rest, eq := bytes.CutPrefix(trimSpace(rest), []byte("="))
	rest = trimSpace(rest)
	if !ok || !eq || len(rest) == 0 || rest[0] != '"' && rest[0] != '\'' {
		return ""
	}
	v, _, _ := bytes.Cut(rest[1:], rest[:1])
	return string(v)
}

// resolve returns raw with references resolved and line ends as \n: raw itself
// when there is nothing to do.
func (s *XMLScanner) resolve(raw []byte, text bool) ([]byte, error) {
	if text && bytes.IndexByte(raw, ']') >= 0 && bytes.Contains(raw, []byte("]]>")) {
		return nil, s.syntax("]]> within a text")
	}
	amp := bytes.IndexByte(raw, '&')
	if amp < 0 {
		return s.lines(raw), nil
	}
	from := len(s.scratch)
	for amp >= 0 {
		s.scratch = s.appendLines(s.scratch, raw[:amp])
		semi := bytes.IndexByte(raw[amp:min(len(raw), amp+12)], ';')
		if semi < 0 {
			return nil, s.syntax("& without a reference")
		}
		r, ok := reference(raw[amp+1 : amp+semi])
		if !ok {
			return nil, s.syntax("the entity &%s; is refused: only the five of XML and numbers are read", raw[amp+1:amp+semi])
		}
		s.scratch = utf8.AppendRune(s.scratch, r)
		raw = raw[amp+semi+1:]
		amp = bytes.IndexByte(raw, '&')
	}
	s.scratch = s.appendLines(s.scratch, raw)
	return s.scratch[from:len(s.scratch):len(s.scratch)], nil
}

// reference returns what name stands for between & and ;.
func reference(name []byte) (rune, bool) {
	switch string(name) {
	case "lt":
		return '<', true
	case "gt":
		return '>', true
	case "amp":
		return '&', true
	case "apos":
		return '\'', true
	case "quot":
		return '"', true
	}
	digits, ok := bytes.CutPrefix(name, []byte("#"))
	if !ok {
		return 0, false
	}
	base := 10
	if hex, ok := bytes.CutPrefix(digits, []byte("x")); ok {
		digits, base = hex, 16
	}
	n, err := strconv.ParseUint(string(digits), base, 32)
	r := rune(n) //nolint:gosec // an overflow is not in range below
	return r, err == nil && n <= utf8.MaxRune && inRange(r)
}

// inRange reports whether XML 1.0 allows r at all (section 2.2).
func inRange(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' ||
		r >= 0x20 && r <= 0xd7ff || r >= 0xe000 && r <= 0xfffd || r >= 0x10000 && r <= utf8.MaxRune
}

// lines returns raw with line ends as \n.
func (s *XMLScanner) lines(raw []byte) []byte {
	if bytes.IndexByte(raw, '\r') < 0 {
		return raw
	}
	from := len(s.scratch)
	s.scratch = s.appendLines(s.scratch, raw)
	return s.scratch[from:len(s.scratch):len(s.scratch)]
}

func (*XMLScanner) appendLines(b, raw []byte) []byte {
	for {
		cr := bytes.IndexByte(raw, '\r')
		if cr < 0 {
			return append(b, raw...)
		}
		b = append(append(b, raw[:cr]...), '\n')
		if raw = raw[cr+1:]; len(raw) > 0 && raw[0] == '\n' {
			raw = raw[1:]
		}
	}
}

// admit takes n bytes just read into the document, or as many as are characters
// of XML; what follows a bad one is never looked at.
func (s *XMLScanner) admit(n int) int {
	from := s.end
	for i := s.end - 1; i >= max(0, s.end-utf8.UTFMax); i-- {
		if utf8.RuneStart(s.buf[i]) {
			if !utf8.FullRune(s.buf[i:s.end]) {
				from = i // the last read cut this rune in two
			}
			break
		}
	}
	chunk := s.buf[from : s.end+n]
	good := goodChars(chunk, s.err != nil)
	s.total += int64(n)
	switch {
	case good < len(chunk):
		s.err = s.fault(hansa.CodeSyntax, "not UTF-8, or a character that XML forbids, %d bytes on", from+good-s.tok)
		n = max(0, from+good-s.end)
	case s.total > DocumentBytesMax:
		s.err = s.fault(hansa.CodeTooLarge, "the document is larger than %d bytes", int64(DocumentBytesMax))
	}
	s.end += n
	return n
}

// goodChars returns how many of b's first bytes are characters of XML. A rune cut
// off at the end counts as good unless this is the last of the document.
func goodChars(b []byte, last bool) int {
	for i := 0; i < len(b); {
		for len(b)-i >= 8 && asciiWord(b[i:]) {
			i += 8
		}
		if i == len(b) {
			break
		}
		c := b[i]
		if c >= 0x20 && c < utf8.RuneSelf || c == '\n' || c == '\t' || c == '\r' {
			i++
			continue
		}
		if c < 0x20 {
			return i
		}
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			if !last && !utf8.FullRune(b[i:]) {
				return len(b)
			}
			return i
		}
		if !inRange(r) {
			return i
		}
		i += n
	}
	return len(b)
}

// asciiWord reports whether the first eight bytes of b are ASCII and no controls.
func asciiWord(b []byte) bool {
	const high, space = 0x8080808080808080, 0x2020202020202020
	x := binary.LittleEndian.Uint64(b)
	return ((x-space)|x)&high == 0
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

func trimSpace(b []byte) []byte {
	for len(b) > 0 && isSpace(b[0]) {
		b = b[1:]
	}
	return b
}
