package room

import (
	"embed"
	"html/template"
	"io/fs"
	"path"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"text/template/parse"
	"unicode"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/words"
)

// Texts of the pages stand in the templates, in English, and are found there: what
// lies between two tags is one message, and what is filled in is {1}, {2} of it. What
// code and templates compose they say by a catalogue, in whole sentences. A language
// is a PO file in the folder po; room.pot lists what it has to translate.

//go:embed po
var catalogues embed.FS

// tongue is one language.
type tongue struct {
	pages func() *template.Template // made when they are first asked for
	words *words.Catalogue          // nil is English
}

// tongues are the languages by tag; English is under "".
type tongues map[string]tongue

// in is the templates of a language, in English where there are none.
func (t tongues) in(lang string) *template.Template {
	if p := t[lang]; p.pages != nil {
		return p.pages()
	}
	return t[""].pages()
}

// What is built in is the same for every room of a process, and made once.
var (
	builtInAssets = sync.OnceValues(openAssets)
	builtInPages  = sync.OnceValues(func() (tongues, error) {
		a, err := builtInAssets()
		if err != nil {
			return nil, err
		}
		return speak(a, nil)
	})
)

// speak makes the templates for each language of the folder po, and of more.
func speak(a *assets, more []*words.Catalogue) (tongues, error) {
	out := tongues{}
	english, err := templates(a)
	if err != nil {
		return nil, err
	}
	out[""] = tongue{pages: func() *template.Template { return english }}
	list, err := fs.Glob(catalogues, "po/*.po")
	if err != nil {
		return nil, err
	}
	for _, name := range list {
		f, err := catalogues.Open(name)
		if err != nil {
			return nil, err
		}
		c, err := words.ReadCatalogue(f, strings.TrimSuffix(path.Base(name), ".po"))
		_ = f.Close() // it was only read
		if err != nil {
			return nil, err
		}
		more = append(more, c)
	}
	for _, c := range more {
		out[c.Lang] = tongue{sync.OnceValue(func() *template.Template {
			pages, err := templates(a)
			if err != nil {
				return english // which are of the same files
			}
			translate(pages.Funcs(speaking(c)), c)
			return pages
		}), c}
	}
	return out, nil
}

// speaking are the functions by which templates say what they compose: a word, a
// text with more in it, and one about a number of things.
func speaking(c *words.Catalogue) template.FuncMap {
	return template.FuncMap{"t": c.Say, "fill": c.Fill, "count": c.Count}
}

// vocabulary are the words of the exchange that pages show as they come.
func vocabulary() []string {
	out := []string{
		"English", "some vehicles", // the name of the language itself
		"accident", "vehicle fire", "obstruction", "technical fault", "flooding", "roadworks", "event", "bridge swing", "maintenance", "construction work", "over height vehicle", "burst water main",
		"confirmed", "estimated", "unknown",
		"bearer", "basic", "header", "good", "expired", "revoked", "active", "invited",

		string(hansa.EvidenceNode), string(hansa.EvidenceSigned), string(hansa.EvidencePolled), string(hansa.EvidenceObserved), string(hansa.EvidenceStated),
		string(hansa.StepOffered), string(hansa.StepFetched), string(hansa.StepAcknowledged), string(hansa.StepHeld), string(hansa.StepMatched), string(hansa.StepLive),
		string(hansa.StepRejected), string(hansa.StepContradicted), string(hansa.StepSilent), string(hansa.StepCleared),
		"tunnel", "bridge", "street", "situation", "waiting", "delivered", "parked", "pending", "disabled",
	}
	for _, role := range hansa.UserRoles() {
		out = append(out, string(role))
	}
	return out
}

// translate puts the texts of a language into the templates, and returns the messages
// that it met, in English.
func translate(pages *template.Template, c *words.Catalogue) []words.Message {
	x := translator{c: c}
	for _, t := range pages.Templates() {
		if t.Tree == nil || t.Tree.Root == nil || t.Name() == "sprite" {
			continue
		}
		x.tag = false
		x.list(t.Tree.Root)
	}
	for _, word := range vocabulary() {
		x.met = append(x.met, words.Message{One: word})
	}
	return x.met
}

// translator walks one template.
type translator struct {
	c   *words.Catalogue
	met []words.Message
	tag bool // within a tag
}

// list translates the nodes of one list in place.
func (x *translator) list(l *parse.ListNode) {
	if l == nil {
		return
	}
	var out, run []parse.Node
	flush := func() {
		out = append(out, x.message(run)...)
		run = nil
	}
	for _, n := range l.Nodes {
		switch n := n.(type) {
		case *parse.TextNode:
			for _, part := range x.pieces(string(n.Text)) {
				if part.tag {
					flush()
					out = append(out, text(x.attributes(part.text)))
				} else {
					run = append(run, text(part.text))
				}
			}
		case *parse.ActionNode:
			x.calls(n.Pipe)
			if x.tag || len(n.Pipe.Decl) > 0 {
				flush()
				out = append(out, n)
			} else {
				run = append(run, n)
			}
		default:
			flush()
			x.branch(n)
			out = append(out, n)
		}
	}
	flush()
	l.Nodes = out
}

// calls meets the texts that an action says by a function.
func (x *translator) calls(p *parse.PipeNode) {
	for _, cmd := range p.Cmds {
		f, ok := cmd.Args[0].(*parse.IdentifierNode)
		if !ok {
			continue
		}
		var said []string
		for _, arg := range cmd.Args[1:] {
			if s, ok := arg.(*parse.StringNode); ok {
				said = append(said, s.Text)
			}
		}
		switch {
		case f.Ident == "count" && len(said) > 1:
			x.met = append(x.met, words.Message{One: said[0], Many: said[1]})
		case (f.Ident == "t" || f.Ident == "fill") && len(said) > 0:
			x.met = append(x.met, words.Message{One: said[0]})
		}
	}
}

// branch goes into what is shown under a condition; each way begins where the node
// does.
func (x *translator) branch(n parse.Node) {
	var b *parse.BranchNode
	switch n := n.(type) {
	case *parse.IfNode:
		b = &n.BranchNode
	case *parse.RangeNode:
		b = &n.BranchNode
	case *parse.WithNode:
		b = &n.BranchNode
	default:
		return
	}
	before := x.tag
	x.list(b.List)
	after := x.tag
	x.tag = before
	x.list(b.ElseList)
	x.tag = after
}

func text(s string) *parse.TextNode {
	return &parse.TextNode{NodeType: parse.NodeText, Text: []byte(s)}
}

type htmlPiece struct {
	text string
	tag  bool
}

// pieces cuts markup into tags and what lies between them.
func (x *translator) pieces(s string) (out []htmlPiece) {
	for s != "" {
		i := strings.IndexByte(s, map[bool]byte{true: '>', false: '<'}[x.tag])
		if i < 0 {
			return append(out, htmlPiece{s, x.tag})
		}
		if x.tag {
			i++
		}
		if i > 0 {
			out = append(out, htmlPiece{s[:i], x.tag})
		}
		s, x.tag = s[i:], !x.tag
	}
	return out
}

// spokenAttributes are read by people.
var spokenAttributes = regexp.MustCompile(`\b(aria-label|title|placeholder|alt|data-is|data-says|data-live|data-stale|data-offline)="([^"]*\p{L}[^"]*)"`)

func (x *translator) attributes(tag string) string {
	if x.c != nil {
		tag = strings.Replace(tag, `<html lang="en"`, `<html lang="`+x.c.Lang+`"`, 1)
	}
	return spokenAttributes.ReplaceAllStringFunc(tag, func(s string) string {
		m := spokenAttributes.FindStringSubmatch(s)
		return m[1] + `="` + x.say(m[2]) + `"`
	})
}

// say looks a message up; what comes back is safe between tags and in quotes.
func (x *translator) say(english string) string {
	x.met = append(x.met, words.Message{One: english})
	return strings.NewReplacer("<", "&lt;", `"`, "&#34;").Replace(x.c.Say(english))
}

var placeholder = regexp.MustCompile(`\{(\d+)\}`)

// message translates what lies between two tags.
func (x *translator) message(run []parse.Node) []parse.Node {
	var id strings.Builder
	var filled []parse.Node
	spoken := false
	for _, n := range run {
		if t, ok := n.(*parse.TextNode); ok {
			id.Write(t.Text)
			spoken = spoken || strings.IndexFunc(string(t.Text), unicode.IsLetter) >= 0
			continue
		}
		filled = append(filled, n)
		id.WriteString("{" + strconv.Itoa(len(filled)) + "}")
	}
	whole := id.String()
	english := strings.Join(strings.Fields(whole), " ")
	if !spoken || strings.HasPrefix(strings.TrimSpace(whole), "&") && len(english) < 8 {
		return run
	}
	lead, trail := "", ""
	if t := strings.TrimLeft(whole, " \n\t"); len(t) < len(whole) {
		lead = " "
	}
	if t := strings.TrimRight(whole, " \n\t"); len(t) < len(whole) {
		trail = " "
	}
	said := lead + x.say(english) + trail
	var out []parse.Node
	for said != "" {
		at := placeholder.FindStringSubmatchIndex(said)
		if at == nil {
			return append(out, text(said))
		}
		if at[0] > 0 {
			out = append(out, text(said[:at[0]]))
		}
		if k, err := strconv.Atoi(said[at[2]:at[3]]); err == nil && k >= 1 && k <= len(filled) {
			out = append(out, filled[k-1].Copy())
		}
		said = said[at[1]:]
	}
	return out
}
