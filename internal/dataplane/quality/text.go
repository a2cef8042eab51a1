package quality

import (
	"strings"
	"unicode/utf8"

	"github.com/hansa-exchange/hansa"
)

// textMax is how many characters a text of DATEX II has at most.
const textMax = 1024

// texts checks what people will read.
func texts(f *found, s *hansa.Situation) {
	public := false
	for i := range s.Texts {
		t := &s.Texts[i]
		if t.Kind != "internal" {
			public = public || t.Value != ""
		}
		switch {
		case t.Lang == "":
			f.add("TEXT-04", at("texts", i, "/lang"), "")
		case !tag(t.Lang):
			f.add("TEXT-06", at("texts", i, "/lang"), t.Lang)
		}
		if strings.TrimSpace(t.Value) == "" {
			f.add("TEXT-05", at("texts", i, "/value"), t.Value)
			continue
		}
		read(f, t.Value, i, t.Kind != "internal")
	}
	if !public && s.Closed() && s.Lifecycle.Live() {
		f.add("TEXT-08", "/situation/texts", "")
	}
	if hidden(s.Road.Name) {
		f.add("TEXT-01", "/situation/road/name", s.Road.Name)
	}
	if hidden(s.Infra.Name) {
		f.add("TEXT-01", "/situation/infra/name", s.Infra.Name)
	}
}

func read(f *found, v string, i int, public bool) {
	switch {
	case !utf8.ValidString(v):
		f.add("TEXT-07", at("texts", i, "/value"), strings.ToValidUTF8(v, "\uFFFD"))
	case hidden(v):
		f.add("TEXT-01", at("texts", i, "/value"), v)
	}
	if len(v) > textMax && utf8.RuneCountInString(v) > textMax {
		f.add("TEXT-02", at("texts", i, "/value"), v)
	}
	if markup(v) {
		f.add("TEXT-03", at("texts", i, "/value"), v)
	}
	if public && address(v) {
		f.add("TEXT-09", at("texts", i, "/value"), v)
	}
}

// tag reports whether s has the form of a language tag: two or three letters,
// then parts of one to eight letters or digits (BCP 47).
func tag(s string) bool {
	n, parts := 0, 0
	for i := range len(s) + 1 {
		if i == len(s) || s[i] == '-' {
			if n == 0 || n > 8 || parts == 0 && (n < 2 || n > 3) {
				return false
			}
			n, parts = 0, parts+1
			continue
		}
		c := s[i] | 0x20
		if (c < 'a' || c > 'z') && (parts == 0 || s[i] < '0' || s[i] > '9') {
			return false
		}
		n++
	}
	return true
}

// hidden reports whether s holds characters that turn the reading direction or
// show nothing: what is read would not be what is written. The joiners of
// several scripts are not among them.
func hidden(s string) bool {
	for _, c := range s {
		switch {
		case c < ' ' && c != '\n' && c != '\r' && c != '\t', c == 0x7f,
			c == 0x200b, c == 0x200e, c == 0x200f, c >= 0x202a && c <= 0x202e,
			c >= 0x2060 && c <= 0x2069, c == 0xfeff, c >= 0xe0000 && c <= 0xe007f:
			return true
		}
	}
	return false
}

// markup reports whether s holds an HTML or XML tag, or an entity.
func markup(s string) bool {
	for i := range len(s) {
		switch s[i] {
		case '<':
			if i+1 < len(s) && (s[i+1] == '/' || s[i+1] == '!' || s[i+1]|0x20 >= 'a' && s[i+1]|0x20 <= 'z') && strings.IndexByte(s[i:], '>') > 0 {
				return true
			}
		case '&':
			end := strings.IndexByte(s[i:min(len(s), i+10)], ';')
			if end > 2 && strings.IndexByte(s[i:i+end], ' ') < 0 {
				return true
			}
		}
	}
	return false
}

// address reports whether s holds an e-mail address.
func address(s string) bool {
	at := strings.IndexByte(s, '@')
	if at < 1 || at+1 >= len(s) || s[at-1] == ' ' || s[at+1] == ' ' {
		return false
	}
	word, _, _ := strings.Cut(s[at+1:], " ")
	dot := strings.IndexByte(word, '.')
	return dot > 0 && dot+1 < len(word)
}
