package words_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/words"
)

func TestReadCatalogue(t *testing.T) {
	c, err := words.ReadCatalogue(strings.NewReader(`# Dutch
msgid ""
msgstr "Language: nl\n"

#: closures.html
msgid "Close a road"
msgstr "Een weg "
"afsluiten"

#, fuzzy
msgid "Draft"
msgstr "Kladje"
msgid "Alarms"
msgstr ""
msgid "\"{1}\" by {2}"
msgstr "door {2}: {1}"
`), "nl")
	if err != nil {
		t.Fatal(err)
	}
	for english, want := range map[string]string{"Close a road": "Een weg afsluiten", "Draft": "Draft", "Alarms": "Alarms", "unknown": "unknown", `"{1}" by {2}`: "door {2}: {1}", "": ""} {
		if got := c.Say(english); got != want {
			t.Errorf("%q is %q, want %q", english, got, want)
		}
	}
	var none *words.Catalogue
	if none.Say("Alarms") != "Alarms" {
		t.Error("no catalogue is not English")
	}
	for _, bad := range []string{"msgctxt \"x\"\nmsgid \"a\"\nmsgstr \"b\"", "msgid \"a\"\nmsgid_plural \"as\"\nmsgstr \"b\"", "msgid a", "msgstr \"a\"", "\"a\"", "msgid \"a\"\nmsgstr \"b\"\nmsgid \"a\"\nmsgstr \"c\""} {
		if _, err := words.ReadCatalogue(strings.NewReader(bad), "nl"); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	var b bytes.Buffer
	if err := words.WriteTemplate(&b, []words.Message{{One: "b"}, {One: "a \"quoted\""}, {One: "b"}, {One: "{1} hour", Many: "{1} hours"}}); err != nil {
		t.Fatal(err)
	}
	if got := b.String(); strings.Count(got, `msgid "b"`) != 1 || !strings.Contains(got, `msgid "a \"quoted\""`) {
		t.Error(got)
	}
	if _, err := words.ReadCatalogue(&b, "nl"); err != nil {
		t.Error("what is written cannot be read: ", err)
	}
}

// TestPlurals: a text about a number has the forms that the language has.
func TestPlurals(t *testing.T) {
	read := func(rule, forms string) *words.Catalogue {
		c, err := words.ReadCatalogue(strings.NewReader("msgid \"\"\nmsgstr \"Plural-Forms: "+rule+"\\n\"\n\nmsgid \"{1} hour of {2}\"\nmsgid_plural \"{1} hours of {2}\"\n"+forms), "xx")
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	two := "msgstr[0] \"{2}: {1} uur\"\nmsgstr[1] \"{2}: {1} uren\"\n"
	say := func(c *words.Catalogue, n int) string { return c.Count(n, "{1} hour of {2}", "{1} hours of {2}", "x") }
	for _, tc := range []struct {
		c             *words.Catalogue
		none, one, of string
	}{
		{nil, "0 hours of x", "1 hour of x", "2 hours of x"},
		{read("nplurals=2; plural=(n != 1);", two), "x: 0 uren", "x: 1 uur", "x: 2 uren"},
		{read("nplurals=2; plural=(n > 1);", two), "x: 0 uur", "x: 1 uur", "x: 2 uren"},
		{read("nplurals=1; plural=0;", "msgstr[0] \"{1}x{2}\""), "0xx", "1xx", "2xx"},
		{read("nplurals=2; plural=(n != 1);", "msgstr[0] \"\"\nmsgstr[1] \"\""), "0 hours of x", "1 hour of x", "2 hours of x"},
	} {
		if a, b, c := say(tc.c, 0), say(tc.c, 1), say(tc.c, 2); a != tc.none || b != tc.one || c != tc.of {
			t.Errorf("got %q, %q, %q, want %q, %q, %q", a, b, c, tc.none, tc.one, tc.of)
		}
	}
	if _, err := words.ReadCatalogue(strings.NewReader("msgid \"\"\nmsgstr \"Plural-Forms: nplurals=9; plural=n;\\n\"\n"), "xx"); err == nil {
		t.Error("a rule that is not known is taken")
	}
	m := words.Message{One: "{1} hour of {2}", Many: "{1} hours of {2}"}
	if !read("nplurals=2; plural=(n != 1);", two).Has(m) || read("nplurals=2; plural=(n != 1);", "msgstr[0] \"a\"").Has(m) {
		t.Error("whether all forms are there is told wrongly")
	}
}

// TestRefusal: an error is said by its format, and one that is not known keeps its
// words.
func TestRefusal(t *testing.T) {
	c := words.NewCatalogue("xx", map[string]string{`no place {1}, {2} at most`: "hooguit {2}, geen {1}", "The exchange refuses this: {1}": "Geweigerd: {1}"})
	known, unknown := hansa.Errorf(hansa.Invalid, "no place %q, %d at most", "a", 7).At("/x"), hansa.Errorf(hansa.Invalid, "other %s", "words")
	if got := c.Refusal(known) + "; " + c.Refusal(unknown) + "; " + (*words.Catalogue)(nil).Refusal(known); got != `hooguit 7, geen "a"; Geweigerd: other words; no place "a", 7 at most` {
		t.Error(got)
	}
	if ctx := words.With(t.Context(), c); words.Of(ctx) != c || words.Of(t.Context()) != nil {
		t.Error("a context does not keep its language")
	}
}
