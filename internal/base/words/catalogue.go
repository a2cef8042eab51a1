package words

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/hansa-exchange/hansa"
)

// textsMax bounds the messages of one catalogue.
const textsMax = 20_000

// Message is one text to translate. Many is its English plural; empty for a text
// without a number.
type Message struct{ One, Many string }

// Catalogue is the texts of one language, by the English ones. The nil catalogue is
// English.
type Catalogue struct {
	Lang  string // BCP 47 tag
	texts map[string]string
	forms map[Message][]string // the plural forms
	form  func(n int) int      // which of them a number takes
}

// NewCatalogue makes a catalogue of texts that there are. Its plurals are as in
// English.
func NewCatalogue(lang string, texts map[string]string) *Catalogue {
	return &Catalogue{Lang: lang, texts: texts, forms: map[Message][]string{}, form: notOne}
}

func notOne(n int) int {
	if n == 1 {
		return 0
	}
	return 1
}

// pluralRules are the rules of PO headers that are known, without spaces and brackets
// (GNU gettext manual, section 11.2.6).
var pluralRules = map[string]func(int) int{
	"nplurals=1;plural=0":    func(int) int { return 0 },
	"nplurals=2;plural=n!=1": notOne,
	"nplurals=2;plural=n>1": func(n int) int {
		if n > 1 {
			return 1
		}
		return 0
	},
}

// header takes the plural rule from the text of the empty message.
func (c *Catalogue) header(text string) error {
	for line := range strings.SplitSeq(text, "\n") {
		rule, ok := strings.CutPrefix(line, "Plural-Forms:")
		if !ok {
			continue
		}
		rule = strings.TrimSuffix(strings.NewReplacer(" ", "", "(", "", ")", "").Replace(rule), ";")
		if c.form = pluralRules[rule]; c.form == nil {
			return hansa.Errorf(hansa.Invalid, "the plural rule %.60q is not known", rule)
		}
	}
	return nil
}

// entry is one message of a PO file as it is read.
type entry struct {
	id, many *strings.Builder
	said     []*strings.Builder
	fuzzy    bool
}

// keep puts an entry into the catalogue.
func (c *Catalogue) keep(e *entry, line int) error {
	if e.id == nil || len(e.said) == 0 || e.fuzzy {
		return nil
	}
	if e.id.Len() == 0 {
		return c.header(e.said[0].String())
	}
	var said []string
	for _, b := range e.said {
		if b.Len() == 0 {
			return nil // not translated, or not whole
		}
		said = append(said, b.String())
	}
	m := Message{One: e.id.String()}
	if e.many != nil {
		m.Many = e.many.String()
	}
	_, twice := c.texts[m.One]
	if m.Many != "" {
		_, twice = c.forms[m]
		c.forms[m] = said
	} else {
		c.texts[m.One] = said[0]
	}
	switch {
	case twice:
		return hansa.Errorf(hansa.Invalid, "line %d: %q is translated twice", line, m.One)
	case len(c.texts)+len(c.forms) > textsMax:
		return hansa.Errorf(hansa.Invalid, "a catalogue has at most %d messages", textsMax)
	}
	return nil
}

// ReadCatalogue reads a PO file (GNU gettext manual, section 10): msgid, msgstr, and
// plurals by a known rule. What is marked fuzzy or not yet translated stays English.
// Contexts are refused by name.
func ReadCatalogue(r io.Reader, lang string) (*Catalogue, error) {
	c := NewCatalogue(lang, map[string]string{})
	e, line := &entry{}, 0
	var into *strings.Builder
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		line++
		t := strings.TrimSpace(s.Text())
		word, rest, _ := strings.Cut(t, " ")
		comment := strings.HasPrefix(t, "#")
		if (comment || word == "msgid") && len(e.said) > 0 {
			if err := c.keep(e, line); err != nil {
				return nil, err
			}
			e, into = &entry{}, nil
		}
		switch {
		case t == "":
			continue
		case comment:
			e.fuzzy = e.fuzzy || strings.HasPrefix(t, "#,") && strings.Contains(t, "fuzzy")
			continue
		case word == "msgid":
			e.id = &strings.Builder{}
			into = e.id
		case word == "msgid_plural" && e.id != nil && len(e.said) == 0:
			e.many = &strings.Builder{}
			into = e.many
		case (word == "msgstr" && e.many == nil || e.many != nil && word == "msgstr["+strconv.Itoa(len(e.said))+"]") && e.id != nil:
			into = &strings.Builder{}
			e.said = append(e.said, into)
		case strings.HasPrefix(t, `"`) && into != nil:
			rest = t
		default:
			return nil, hansa.Errorf(hansa.Invalid, "line %d: a message is a msgid and a msgstr, not %.40q", line, t)
		}
		part, err := strconv.Unquote(rest)
		if err != nil {
			return nil, hansa.Errorf(hansa.Invalid, "line %d: %.40q is no quoted text", line, rest)
		}
		into.WriteString(part)
	}
	if err := s.Err(); err != nil {
		return nil, err
	}
	return c, c.keep(e, line)
}

// Say is what an English text is called in this language: itself where nothing is
// known.
func (c *Catalogue) Say(english string) string {
	if c != nil {
		if t, ok := c.texts[english]; ok {
			return t
		}
	}
	return english
}

var placeholder = regexp.MustCompile(`\{(\d+)\}`)

// Fill says a text with {1}, {2} of it filled in.
func (c *Catalogue) Fill(english string, args ...any) string { return fill(c.Say(english), args) }

func fill(text string, args []any) string {
	return placeholder.ReplaceAllStringFunc(text, func(s string) string {
		if k, err := strconv.Atoi(s[1 : len(s)-1]); err == nil && k >= 1 && k <= len(args) {
			return fmt.Sprint(args[k-1])
		}
		return s
	})
}

// Count says a text about n things: one of its plural forms, with n as {1} and more
// behind it.
func (c *Catalogue) Count(n int, one, many string, args ...any) string {
	text := []string{one, many}[notOne(n)]
	if c != nil {
		if forms := c.forms[Message{one, many}]; c.form(n) < len(forms) {
			text = forms[c.form(n)]
		}
	}
	return fill(text, append([]any{n}, args...))
}

// Has reports whether a message is translated, in each form.
func (c *Catalogue) Has(m Message) bool {
	if m.Many == "" {
		_, ok := c.texts[m.One]
		return ok
	}
	forms := c.forms[m]
	for n := range 3 {
		if c.form(n) >= len(forms) {
			return false
		}
	}
	return true
}

// Mark marks a text that is said later, by Say.
func Mark(english string) string { return english }

var verb = regexp.MustCompile(`%[-+# 0]*\d*(?:\.\d+)?[a-zA-Z]`)

// FormID is the message of a format of hansa.Errorf: its verbs are {1}, {2}.
func FormID(format string) string {
	k := 0
	return verb.ReplaceAllStringFunc(format, func(string) string { k++; return "{" + strconv.Itoa(k) + "}" })
}

// Refusal says what an error says. One that this language lacks stands in English
// after a word on its kind.
func (c *Catalogue) Refusal(e *hansa.Error) string {
	form, args := e.Form()
	if c == nil || form == "" && c.Say(e.Message) == e.Message {
		return e.Message
	}
	id := e.Message
	if form != "" && form != "%s" {
		id = FormID(form)
	}
	if _, ok := c.texts[id]; !ok {
		return c.Fill("The exchange refuses this: {1}", e.Message)
	}
	var parts []any
	for i, v := range verb.FindAllString(form, -1) {
		if i < len(args) {
			parts = append(parts, fmt.Sprintf(strings.Replace(v, "w", "v", 1), args[i]))
		}
	}
	return c.Fill(id, parts...)
}

type ofContext struct{}

// With puts the language of whoever asks into a context.
func With(ctx context.Context, c *Catalogue) context.Context {
	return context.WithValue(ctx, ofContext{}, c)
}

// Of is the language of whoever asks; nil, which is English, where none is said.
func Of(ctx context.Context) *Catalogue {
	c, _ := ctx.Value(ofContext{}).(*Catalogue)
	return c
}

// WriteTemplate writes the messages that a catalogue has to translate, in order, as a
// PO file without translations.
func WriteTemplate(w io.Writer, messages []Message) error {
	list := slices.Compact(slices.SortedFunc(slices.Values(messages), func(a, b Message) int {
		return strings.Compare(a.One+"\x00"+a.Many, b.One+"\x00"+b.Many)
	}))
	b := bufio.NewWriter(w)
	_, _ = b.WriteString("# Texts of Hansa's pages. {1}, {2} stand for what is filled in.\nmsgid \"\"\nmsgstr \"\"\n\"Content-Type: text/plain; charset=UTF-8\\n\"\n\"Plural-Forms: nplurals=2; plural=(n != 1);\\n\"\n") // Flush says what went wrong
	for _, m := range list {
		said := "\nmsgstr \"\"\n"
		if m.Many != "" {
			said = "\nmsgid_plural " + strconv.Quote(m.Many) + "\nmsgstr[0] \"\"\nmsgstr[1] \"\"\n"
		}
		_, _ = b.WriteString("\nmsgid " + strconv.Quote(m.One) + said) // Flush says what went wrong
	}
	return b.Flush()
}
