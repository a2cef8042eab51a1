package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// TestHelp walks every command there is: its help shows how it is called, its
// flags and an example, and the example is a command line that parses.
func TestHelp(t *testing.T) {
	t.Parallel()
	var cli commands
	parser, err := newParser(&cli, io.Discard, io.Discard, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	walked := 0
	var walk func(n *kong.Node)
	walk = func(n *kong.Node) {
		for _, child := range n.Children {
			walked++
			checkHelp(t, child)
			walk(child)
		}
	}
	walk(parser.Model.Node)
	if walked < 25 {
		t.Errorf("only %d commands were found", walked)
	}
}

func checkHelp(t *testing.T, n *kong.Node) {
	t.Helper()
	var out, says bytes.Buffer
	args := append(strings.Fields(n.Path()), "--help")
	if got := run(context.Background(), args, strings.NewReader(""), &out, &says); got != exitDone {
		t.Errorf("hansa %s: got exit %d, want %d: %s", strings.Join(args, " "), got, exitDone, says.String())
	}
	text := out.String()
	for _, want := range []string{"Usage: hansa " + n.Path(), "Flags:", "\nExamples:\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("hansa %s --help does not show %q", n.Path(), want)
		}
	}
	if n.Help == "" || strings.ContainsAny(text, "\x1b") {
		t.Errorf("hansa %s: got help %q, want a sentence without colours", n.Path(), n.Help)
	}
	for _, f := range n.Flags {
		if f.Help == "" {
			t.Errorf("hansa %s: --%s has no help", n.Path(), f.Name)
		}
	}
	for _, p := range n.Positional {
		if p.Help == "" {
			t.Errorf("hansa %s: %s has no help", n.Path(), p.Name)
		}
	}
	_, examples, _ := strings.Cut(text, "\nExamples:\n")
	found := false
	for line := range strings.SplitSeq(examples, "\n") {
		for _, words := range hansaIn(line) {
			if err := parses(words); err != nil {
				t.Errorf("hansa %s --help: the example %q: %v", n.Path(), line, err)
			}
			found = found || strings.HasPrefix(strings.Join(words, " "), n.Path())
		}
	}
	if !found {
		t.Errorf("hansa %s --help shows no example of itself", n.Path())
	}
}

// parses says whether words are a command line that hansa understands.
func parses(words []string) (err error) {
	var cli commands
	parser, err := newParser(&cli, io.Discard, io.Discard, func(int) { panic(errExit) })
	if err != nil {
		return err
	}
	_, err = parse(parser, words)
	if errors.Is(err, errExit) {
		return nil // --help
	}
	return err
}

// hansaIn returns the calls of hansa in a line of shell, without the word hansa.
func hansaIn(line string) (calls [][]string) {
	for _, words := range commandsIn(line) {
		if len(words) > 2 && words[0] == "go" && words[1] == "run" && words[2] == "./cmd/hansa" {
			words = words[2:]
			words[0] = "hansa"
		}
		if len(words) > 0 && words[0] == "hansa" {
			calls = append(calls, words[1:])
		}
	}
	return calls
}

// commandsIn splits a line of shell into the words of its simple commands, without
// redirections and comments. It knows quotes, pipes, lists and substitutions.
func commandsIn(line string) (list [][]string) {
	var words []string
	var word strings.Builder
	begun, skip := false, false
	end := func() {
		if begun && !skip {
			words = append(words, word.String())
		}
		skip = skip && !begun
		begun = false
		word.Reset()
	}
	next := func() {
		end()
		if len(words) > 0 {
			list = append(list, words)
		}
		words, skip = nil, false
	}
	for i := 0; i < len(line); i++ {
		switch c := line[i]; c {
		case '\'', '"':
			n := strings.IndexByte(line[i+1:], c)
			if n < 0 {
				n = len(line) - i - 1
			}
			word.WriteString(line[i+1 : min(i+1+n, len(line))])
			begun, i = true, i+n+1
		case ' ', '\t':
			end()
		case '#':
			if !begun {
				next()
				return list
			}
			word.WriteByte(c)
		case '|', ';', '&', '(', ')', '`':
			next()
		case '<', '>':
			end()
			skip = true
		default:
			begun = true
			word.WriteByte(c)
		}
	}
	next()
	return list
}

// TestCommandsIn is the control of what reads examples and documents.
func TestCommandsIn(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		`hansa proof ID > closure.proof && hansa verify closure.proof --trust city.key`: "proof ID/verify closure.proof --trust city.key",
		`source <(hansa completion bash)`:                                               "completion bash",
		`hansa subscribe x --json | jq .record   # hansa nonsense`:                      "subscribe x --json",
		`hansa withdraw w --text "Entered by # mistake"`:                                "withdraw w --text Entered by # mistake",
		`go run ./cmd/hansa demo`:                                                       "demo",
		`cat hansa`:                                                                     "",
	} {
		var calls []string
		for _, words := range hansaIn(line) {
			calls = append(calls, strings.Join(words, " "))
		}
		if got := strings.Join(calls, "/"); got != want {
			t.Errorf("%s: got %q, want %q", line, got, want)
		}
	}
	for _, line := range []string{"reopen", "close oostertunnel --directon north", "demo --story nonsense", "nonsense"} {
		if parses(strings.Fields(line)) == nil {
			t.Errorf("%q parses", line)
		}
	}
}

// TestDocumentsParse reads every page and help topic: a call of hansa in a block or
// between backquotes is a command line that parses.
func TestDocumentsParse(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	inline := regexp.MustCompile("`(hansa [^`]+)`")
	found := 0
	for _, name := range append(pages, "../../README.md", "../../CONTRIBUTING.md", "topics.txt") {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		lines := []string{}
		for line := range strings.SplitSeq(string(b), "\n") {
			if bare := strings.TrimSpace(line); strings.HasPrefix(bare, "hansa ") || strings.HasPrefix(bare, "go run ./cmd/hansa") {
				lines = append(lines, bare)
			}
		}
		for _, m := range inline.FindAllStringSubmatch(string(b), -1) {
			lines = append(lines, m[1])
		}
		for _, line := range lines {
			for _, words := range hansaIn(line) {
				found++
				if len(words) == 1 {
					words = append(words, "--help") // a mention of a command, not a call
				}
				if err := parses(words); err != nil {
					t.Errorf("%s: %q: %v", filepath.Base(name), line, err)
				}
			}
		}
	}
	if found < 20 {
		t.Errorf("only %d calls were found", found)
	}
}
