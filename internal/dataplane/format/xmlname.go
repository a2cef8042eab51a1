package format

import (
	"strings"
	"unicode/utf8"
)

// What a byte may be in a name (XML 1.0 fifth edition, section 2.3).
const (
	nameNot uint8 = iota
	nameLater
	nameFirst
)

var nameBytes = func() (t [utf8.RuneSelf]uint8) {
	for c := range t {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_', c == ':':
			t[c] = nameFirst
		case c >= '0' && c <= '9', c == '-', c == '.':
			t[c] = nameLater
		}
	}
	return t
}()

// nameLength returns how many of b's first bytes are a name.
func nameLength(b []byte) int {
	for i := 0; i < len(b); {
		c := b[i]
		if c < utf8.RuneSelf {
			if k := nameBytes[c]; k == nameNot || i == 0 && k != nameFirst {
				return i
			}
			i++
			continue
		}
		r, n := utf8.DecodeRune(b[i:])
		if !nameRune(r) && (i == 0 || !laterRune(r)) {
			return i
		}
		i += n
	}
	return len(b)
}

func nameRune(r rune) bool {
	return r >= 0xc0 && r <= 0x2ff && r != 0xd7 && r != 0xf7 || r >= 0x370 && r <= 0x1fff && r != 0x37e ||
		r == 0x200c || r == 0x200d || r >= 0x2070 && r <= 0x218f || r >= 0x2c00 && r <= 0x2fef ||
		r >= 0x3001 && r <= 0xd7ff || r >= 0xf900 && r <= 0xfdcf || r >= 0xfdf0 && r <= 0xfffc ||
		r >= 0x10000 && r <= 0xeffff
}

func laterRune(r rune) bool {
	return r == 0xb7 || r >= 0x300 && r <= 0x36f || r == 0x203f || r == 0x2040
}

// EscapeXML returns s as it may stand in a text or in an attribute's quotes.
func EscapeXML(s string) string {
	if !strings.ContainsAny(s, "<>&'\"\r\n\t") {
		return s
	}
	return xmlEscapes.Replace(s)
}

var xmlEscapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "'", "&apos;", `"`, "&quot;",
	"\r", "&#13;", "\n", "&#10;", "\t", "&#9;")

// SaysXML reports whether XML can say s at all: it is UTF-8 without the
// characters that XML forbids.
func SaysXML(s string) bool { return goodChars([]byte(s), true) == len(s) }
