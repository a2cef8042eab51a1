package room

import (
	"bytes"
	"cmp"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/hansa-exchange/hansa/internal/base/words"
)

// spoken collects the texts that the calls of one file say: by a catalogue, by Mark,
// and as the title of a shell; with errors, what is refused and its mend too.
func spoken(t *testing.T, path string, errors bool) (out []words.Message) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		name := ""
		switch f := call.Fun.(type) {
		case *ast.SelectorExpr:
			if name = f.Sel.Name; name == "Errorf" && len(call.Args) > 0 {
				if _, plain := call.Args[0].(*ast.BasicLit); plain {
					return true // of package fmt, for our own log
				}
			}
		case *ast.Ident:
			name = f.Name
		}
		at := map[string]int{"Say": 0, "Fill": 0, "Mark": 0, "shell": 2}
		if errors {
			at["Errorf"], at["Fielded"], at["field"], at["WithHint"] = 1, 1, 0, 0
		}
		switch k, ok := at[name]; {
		case (name == "Count" || name == "on") && len(call.Args) > 2:
			one, many := literals(call.Args[1]), literals(call.Args[2])
			if len(one) == 1 && len(many) == 1 {
				out = append(out, words.Message{One: one[0], Many: many[0]})
			}
		case ok && len(call.Args) > k:
			for _, text := range literals(call.Args[k]) {
				switch {
				case text == "%s":
					continue // worked out elsewhere
				case name == "Errorf" || name == "Fielded" || name == "field":
					text = words.FormID(text)
				case name == "WithHint" && (strings.HasPrefix(text, "hansa ") || strings.HasPrefix(text, "-")):
					continue // a command
				}
				out = append(out, words.Message{One: text})
			}
		}
		return true
	})
	return out
}

// literals are the texts that an expression may come to.
func literals(e ast.Expr) (out []string) {
	ast.Inspect(e, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			return false
		case *ast.IndexExpr:
			out = append(out, literals(n.X)...)
			return false
		case *ast.KeyValueExpr:
			out = append(out, literals(n.Value)...)
			return false
		case *ast.BinaryExpr:
			return false // a text is one literal
		case *ast.BasicLit:
			if text, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING && text != "" {
				out = append(out, text)
			}
		}
		return true
	})
	return out
}

// refusing are the files besides the room whose refusals people meet on pages.
var refusing = refusingFiles()

func refusingFiles() map[string]bool {
	out := map[string]bool{}
	for _, name := range []string{"alarms", "change", "dealpages", "dealstall", "desk", "drafts", "invite", "keeperfeeds", "pages", "people", "session", "shift", "sources", "welcome"} {
		out["../../node/"+name+".go"] = true
	}
	for _, name := range []string{"attempts", "credential", "link", "password", "signin", "user"} {
		out["../../base/trust/"+name+".go"] = true
	}
	return out
}

// messages are all texts of the pages: of templates, of code here, and of what the
// node says on them.
func messages(t *testing.T) []words.Message {
	t.Helper()
	a, err := openAssets()
	if err != nil {
		t.Fatal(err)
	}
	pages, err := templates(a)
	if err != nil {
		t.Fatal(err)
	}
	met := translate(pages, nil)
	for _, dir := range []string{".", "../../base/words", "../../base/trust", "../../node"} {
		list, err := filepath.Glob(dir + "/*.go")
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range list {
			if !strings.HasSuffix(path, "_test.go") {
				met = append(met, spoken(t, path, dir == "." || refusing[path])...)
			}
		}
	}
	return met
}

// pseudo is a language in which every text is longer, and marked.
func pseudo(t *testing.T) (*assets, *words.Catalogue) {
	t.Helper()
	a, err := openAssets()
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]string{}
	for _, m := range messages(t) {
		said[m.One] = "⟦" + m.One + " ěščř⟧"
	}
	said["kept {1} by {2}"] = "⟦door {2}, {1}⟧"
	return a, words.NewCatalogue("xx", said)
}

// TestTextsListed: what a language has to translate is listed in po/room.pot.
func TestTextsListed(t *testing.T) {
	var b bytes.Buffer
	if err := words.WriteTemplate(&b, messages(t)); err != nil {
		t.Fatal(err)
	}
	if f := flag.Lookup("update"); f != nil && f.Value.String() == "true" {
		if err := os.WriteFile("po/room.pot", b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("po/room.pot")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, b.Bytes()) {
		t.Error("po/room.pot lists other texts than the pages have (-update writes it anew)")
	}
	if n := strings.Count(b.String(), "msgid"); n < 800 {
		t.Errorf("%d texts are found, which is too few to be all", n)
	}
}

// whole are the languages that have every message; the others may lag a little behind
// the pages, in English where they do.
var whole = []string{"nl"}

// TestTongues: each language that is there has the messages, in every form, and fills
// in what the English one does.
func TestTongues(t *testing.T) {
	a, err := openAssets()
	if err != nil {
		t.Fatal(err)
	}
	all, err := speak(a, nil)
	if err != nil {
		t.Fatal(err)
	}
	holes := func(s string) string {
		list := placeholder.FindAllString(s, -1)
		slices.Sort(list)
		return strings.Join(slices.Compact(list), "")
	}
	list := messages(t)
	for _, lang := range whole {
		if all[lang].words == nil {
			t.Errorf("there is no %s", lang)
		}
	}
	for lang, x := range all {
		if lang == "" {
			continue
		}
		lacks := 0
		for _, m := range list {
			said := x.words.Say(m.One)
			if m.Many != "" {
				said = strings.Replace(x.words.Count(7, m.One, m.Many, "{2}", "{3}", "{4}", "{5}"), "7", "{1}", 1)
			}
			want := holes(cmp.Or(m.Many, m.One))
			switch {
			case !x.words.Has(m) && slices.Contains(whole, lang):
				t.Errorf("%s lacks %q %q", lang, m.One, m.Many)
			case !x.words.Has(m):
				lacks++
			case holes(said) != want:
				t.Errorf("%s: %q fills in %s, not %s", lang, m.One, holes(said), want)
			}
		}
		if lacks*20 > len(list) {
			t.Errorf("%s lacks %d of %d messages", lang, lacks, len(list))
		}
	}
}

var between2Tags = regexp.MustCompile(`(?s)>([^<>]+)<`)

// TestTextsTranslated: in another language every text of a page is that language's,
// with what is filled in where the translation puts it, and nothing of it is markup.
func TestTextsTranslated(t *testing.T) {
	a, c := pseudo(t)
	evil := map[string]string{}
	evil["Closures"] = `<script>alert(1)</script>`
	pages, err := speak(a, []*words.Catalogue{c, words.NewCatalogue("yy", evil)})
	if err != nil {
		t.Fatal(err)
	}
	s := shell{Lang: "xx", say: c, now: time.Unix(0, 0), zone: time.UTC, Nav: []place{{Href: "/closures", Word: "Closures"}}}
	for name, data := range map[string]any{
		"closures":    &closuresPage{shell: s, May: true, First: true, Drafts: []draftRow{{ID: "1", Title: "0", When: "12:00", Who: "7"}}},
		"close":       &closeForm{shell: s, NoPlaces: true},
		"alarms-page": &alarmsPage{shell: s, May: true, Rate: "0", Active: []alarmRow{{alarm: alarm{Lead: "0", Word: "0"}}}},
		"shift":       &shiftPage{shell: s, May: true},
	} {
		var b bytes.Buffer
		if err := pages.in("xx").ExecuteTemplate(&b, name, data); err != nil {
			t.Fatal(err)
		}
		page := b.String()
		if !strings.Contains(page, `<html lang="xx"`) {
			t.Errorf("%s does not say its language", name)
		}
		for _, m := range between2Tags.FindAllStringSubmatch(page[strings.Index(page, "<title>"):], -1) {
			if text := strings.TrimSpace(m[1]); strings.IndexFunc(text, unicode.IsLetter) >= 0 && !strings.Contains(text, "⟦") && !strings.Contains(text, "hansa ") && !strings.HasPrefix(text, "1 draft") {
				t.Errorf("%s has %q in English", name, text)
			}
		}
		if name == "closures" && !strings.Contains(page, "⟦door 7, 12:00⟧") {
			t.Errorf("what is filled in does not move with the words: %s", page)
		}
	}
	var b bytes.Buffer
	if err := pages.in("yy").ExecuteTemplate(&b, "closures", &closuresPage{shell: s}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "<script>alert") || !strings.Contains(b.String(), "&lt;script") {
		t.Error("a translation is markup")
	}
	b.Reset()
	if err := pages.in("zz").ExecuteTemplate(&b, "closures", &closuresPage{shell: s}); err != nil || !strings.Contains(b.String(), "In force and planned") {
		t.Error("a language without a catalogue is not shown in English: ", err)
	}
}
