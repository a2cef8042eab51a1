package policy

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/hansa-exchange/hansa"
)

// piece is a run of text, a parameter's value, or a word that goes by a
// parameter's number.
type piece struct {
	text, param, one, many string
}

var placeholder = regexp.MustCompile(`\{([a-z][a-z0-9-]*)(?:\|([^{}|]+)\|([^{}|]+))?\}`)

// readTemplate reads a text with {name} and {name|one|many}.
func readTemplate(s string) (out []piece, err error) {
	if s == "" {
		return nil, wrong("there is no text")
	}
	at := 0
	for _, m := range placeholder.FindAllStringSubmatchIndex(s, -1) {
		p := piece{param: s[m[2]:m[3]]}
		if m[4] >= 0 {
			p.one, p.many = s[m[4]:m[5]], s[m[6]:m[7]]
		}
		out = append(out, piece{text: s[at:m[0]]}, p)
		at = m[1]
	}
	out = append(out, piece{text: s[at:]})
	for _, p := range out {
		if strings.ContainsAny(p.text, "{}|") {
			return nil, wrong("a parameter is written {name} or {name|one|many}, not as in %q", clip(p.text))
		}
	}
	return out, nil
}

// one reports whether n takes the singular in lang (Unicode CLDR, plural rules for
// cardinals): in French so do 0 and 1, in the others 1 alone.
func one(lang string, n int64) bool { return n == 1 || lang == "fr" && n == 0 }

// Render returns the text of c in lang with its parameters. A parameter that is
// not in params takes its default; one that has none, one that c does not have,
// and one that breaks its rule, is an Invalid error that names it.
func (c *Clause) Render(params Params, lang string) (string, error) {
	if c.Text.In(lang) == "" {
		return "", hansa.Fielded("/language", "the catalogue speaks %s, not %q", strings.Join(Languages(), ", "), clip(lang))
	}
	values, err := c.values(params)
	if err != nil {
		return "", err
	}
	pieces, err := readTemplate(c.Text.In(lang))
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, p := range pieces {
		switch v := values[p.param]; {
		case p.param == "":
			b.WriteString(p.text)
		case p.many == "":
			b.WriteString(c.param(p.param).say(v, lang))
		case one(lang, v.n):
			b.WriteString(p.one)
		default:
			b.WriteString(p.many)
		}
	}
	return b.String(), nil
}

// sayList joins items as lang does: a, b and c.
func sayList(items []string, lang string) string {
	word := map[string]string{"en": "and", "nl": "en", "it": "e", "de": "und", "fr": "et"}[lang]
	if len(items) < 2 {
		return strings.Join(items, "")
	}
	last := len(items) - 1
	return strings.Join(items[:last], ", ") + " " + word + " " + items[last]
}

// quoteIn puts s into the quotation marks of lang.
func quoteIn(s, lang string) string {
	switch lang {
	case "nl":
		return "‘" + s + "’"
	case "it":
		return "«" + s + "»"
	case "de":
		return "„" + s + "“"
	case "fr":
		return "«\u00a0" + s + "\u00a0»"
	}
	return "“" + s + "”"
}

// months are the names of the months, January first.
var months = map[string][12]string{
	"en": {"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"},
	"nl": {"januari", "februari", "maart", "april", "mei", "juni", "juli", "augustus", "september", "oktober", "november", "december"},
	"it": {"gennaio", "febbraio", "marzo", "aprile", "maggio", "giugno", "luglio", "agosto", "settembre", "ottobre", "novembre", "dicembre"},
	"de": {"Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November", "Dezember"},
	"fr": {"janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre", "décembre"},
}

// sayDay writes a day in words: 1 December 2026, 1. Dezember 2026, 1er décembre 2026.
func sayDay(v value, lang string) string {
	day := fmt.Sprint(v.day.Day())
	switch {
	case lang == "de":
		day += "."
	case lang == "fr" && day == "1":
		day = "1er"
	case lang == "it" && day == "1":
		day = "1º"
	}
	return fmt.Sprintf("%s %s %d", day, months[lang][v.day.Month()-1], v.day.Year())
}

// sayDecimal writes hundredths with the decimal mark of lang and no needless zeros.
func sayDecimal(hundredths int64, lang string) string {
	s := fmt.Sprintf("%d.%02d", hundredths/100, hundredths%100)
	s = strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
	if lang != "en" {
		s = strings.Replace(s, ".", ",", 1)
	}
	return s
}

// sayMoney writes an amount as the Interinstitutional Style Guide of the European
// Union does: the code first in English, last elsewhere; thousands apart.
func sayMoney(currency string, hundredths int64, lang string) string {
	group, mark := "\u00a0", ","
	if lang == "en" {
		group, mark = ",", "."
	}
	whole := fmt.Sprint(hundredths / 100)
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + group + whole[i:]
	}
	amount := fmt.Sprintf("%s%s%02d", whole, mark, hundredths%100)
	if lang == "en" {
		return currency + "\u00a0" + amount
	}
	return amount + "\u00a0" + currency
}
