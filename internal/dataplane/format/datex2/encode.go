package datex2

import (
	"strconv"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa/internal/dataplane/format"
)

// encoder writes elements. The caller sees to their order, which DATEX II fixes.
type encoder struct {
	b    []byte
	open []string
	lang string // of texts that have none of their own to say
}

// begin opens an element; attrs are names and values in turn.
func (e *encoder) begin(name string, attrs ...string) {
	e.start(name, attrs)
	e.b = append(e.b, '>')
	e.open = append(e.open, name)
}

func (e *encoder) start(name string, attrs []string) {
	e.line()
	e.b = append(append(e.b, '<'), name...)
	for i := 0; i+1 < len(attrs); i += 2 {
		if attrs[i+1] == "" && attrs[i] != "id" && attrs[i] != "version" {
			continue
		}
		e.b = append(append(append(e.b, ' '), attrs[i]...), `="`...)
		e.b = append(append(e.b, format.EscapeXML(attrs[i+1])...), '"')
	}
}

func (e *encoder) line() {
	e.b = append(e.b, '\n')
	for range e.open {
		e.b = append(e.b, ' ')
	}
}

// end closes the last open element.
func (e *encoder) end() {
	name := e.open[len(e.open)-1]
	e.open = e.open[:len(e.open)-1]
	if len(e.b) == 0 || e.b[len(e.b)-1] == '>' {
		e.line()
	}
	e.b = append(append(append(e.b, "</"...), name...), '>')
}

// leaf writes an element with a text; without a text it writes nothing.
func (e *encoder) leaf(name, text string, attrs ...string) {
	if text == "" {
		return
	}
	e.start(name, attrs)
	e.b = append(e.b, '>')
	e.b = append(e.b, escapeText(text)...)
	e.b = append(append(append(e.b, "</"...), name...), '>')
}

// words writes a text of one language.
func (e *encoder) words(name, text, lang string) {
	if text == "" {
		return
	}
	e.begin(name)
	e.begin("com:values")
	e.leaf("com:value", text, "lang", lang)
	e.end()
	e.end()
}

func (e *encoder) time(name string, t time.Time) {
	if !t.IsZero() {
		e.leaf(name, t.UTC().Format(time.RFC3339Nano))
	}
}

func (e *encoder) number(name string, f float64) {
	e.leaf(name, strconv.FormatFloat(f, 'f', -1, 64))
}

// escapeText escapes what a text cannot hold. Line ends stay as they are: \n is
// one in XML.
func escapeText(s string) string {
	if !strings.ContainsAny(s, "<>&\r") {
		return s
	}
	return textEscapes.Replace(s)
}

var textEscapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "\r", "&#13;")

// said returns s as DATEX II's String can hold it: characters that XML can say,
// at most 1024. What does not fit is not said at all.
func said(s string) string {
	if s = strings.TrimSpace(s); len(s) > textCharsMax && len([]rune(s)) > textCharsMax || !format.SaysXML(s) {
		return ""
	}
	return s
}

// isLang reports whether s is an xs:language.
func isLang(s string) bool {
	for i, part := range strings.Split(s, "-") {
		if len(part) < 1 || len(part) > 8 {
			return false
		}
		for _, c := range part {
			letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
			if !letter && (i == 0 || c < '0' || c > '9') {
				return false
			}
		}
	}
	return true
}
