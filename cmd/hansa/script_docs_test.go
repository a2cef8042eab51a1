package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestDocuments runs the command lines of README.md and docs/operating.md as they
// stand, in order, in one folder. What a block is says its opening fence:
//
//	```sh demo       is run while a demo city runs
//	```sh node       is run on the machine of the node that the page configures
//	```sh            is not run; TestDocumentsParse reads it
//	```toml NAME     is the file NAME
//
// A line ends with exit 0, or with N when its comment says "exit N". One whose
// comment says "until Ctrl+C" is interrupted once it has written something, or, if
// it is "hansa serve", when the page is done. ID stands for the id of the newest
// closure, 127.0.0.1:8080 and 127.0.0.1:8081 for free ports; %3A stands for the colon
// too.
func TestDocuments(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("needs sh")
	}
	dir := t.TempDir()
	var files []string
	for _, name := range []string{"README.md", "docs/operating.md"} {
		b, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		script, lines := scriptOf(freePorts(t).Replace(string(b)))
		if lines < 6 {
			t.Errorf("%s has %d lines that run", name, lines)
		}
		file := filepath.Join(dir, strings.TrimSuffix(filepath.Base(name), ".md")+".txtar")
		if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	testscript.Run(t, testscript.Params{Files: files, Setup: ownFolders, Cmds: verbs()})
}

// TestDocumentsControl wants a page whose command line has gone stale to fail.
func TestDocumentsControl(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"hansa closures --no-such-flag", "hansa help exit-codes   # exit 4"} {
		script, lines := scriptOf("```sh node\n" + line + "\n```\n")
		if lines != 1 || !strings.Contains(script, "exits ") {
			t.Fatalf("%q became %q", line, script)
		}
		if c := try(t, script); !c.failed || !strings.Contains(c.log.String(), ", want ") {
			t.Errorf("a page with %q: got failed %v, %q", line, c.failed, c.log.String())
		}
	}
}

// freePorts puts free ports where a page has those that people take.
func freePorts(t *testing.T) *strings.Replacer {
	t.Helper()
	taken := []string{"8080", "8081"}
	free, err := unusedPorts(len(taken))
	if err != nil {
		t.Fatal(err)
	}
	var pairs []string
	for i, port := range taken {
		for _, colon := range []string{":", "%3A"} {
			pairs = append(pairs, "127.0.0.1"+colon+port, "127.0.0.1"+colon+free[i])
		}
	}
	return strings.NewReplacer(pairs...)
}

// scriptOf turns a page's blocks into a script, and counts the lines that run.
func scriptOf(page string) (script string, lines int) {
	var s, files strings.Builder
	demo, nodes := false, 0
	for _, block := range regexp.MustCompile("(?ms)^```([a-z]+) ([a-z.]+)\n(.*?)^```$").FindAllStringSubmatch(page, -1) {
		switch block[1] + " " + block[2] {
		case "sh demo":
			if !demo {
				s.WriteString("run demo! hansa demo --still\n")
			}
			demo = true
		case "sh node":
		default:
			fmt.Fprintf(&files, "-- %s --\n%s", block[2], block[3])
			continue
		}
		for line := range strings.SplitSeq(strings.TrimSpace(block[3]), "\n") {
			lines++
			step := stepOf(line, lines)
			if strings.HasPrefix(step, "serve ") {
				nodes++
				step = strings.Replace(step, "serve NODE", fmt.Sprint("serve NODE", nodes), 1)
			}
			s.WriteString(step)
		}
	}
	if demo {
		s.WriteString("end demo INT 0\n")
	}
	for i := range nodes {
		fmt.Fprintf(&s, "end NODE%d INT 0\n", i+1)
	}
	s.WriteString("empty run tmp\n")
	return feeds + s.String() + files.String() + road, lines
}

// stepOf turns a line of shell into lines of a script.
func stepOf(line string, n int) string {
	command, comment, _ := strings.Cut(line, " # ")
	command = strings.TrimSpace(command)
	words := strings.Fields(command)
	quoted := "'" + strings.ReplaceAll(command, "'", "''") + "'"
	before := ""
	if id := regexp.MustCompile(`\bID\b`); id.MatchString(command) {
		before = "newest ID\n"
		quoted = id.ReplaceAllString(quoted, "'$$ID'")
	}
	switch ends := strings.Contains(comment, "until Ctrl+C"); {
	case ends && words[1] == "serve":
		return "serve NODE " + words[len(words)-1] + "\n"
	case ends:
		name := fmt.Sprintf("line%d", n)
		quoted = "'exec " + strings.TrimPrefix(quoted, "'")
		return fmt.Sprintf("%srun %s sh -c %s\nawait %s ''\nend %s INT 130\n", before, name, quoted, name, name)
	}
	code := "0"
	if m := regexp.MustCompile(`\bexit (\d+)\b`).FindStringSubmatch(comment); m != nil {
		code = m[1]
	}
	return fmt.Sprintf("%sexits %s sh -c %s\n", before, code, quoted)
}

// feeds make the files that the pages speak of and do not show.
const feeds = "exits 0 hansa convert road.ndjson --to datex2 -o situations.xml\ncp situations.xml works.xml\nexec touch -t 202601010000 works.xml\n" // a file at rest is taken at once

// road is what these files say.
const road = `-- road.ndjson --
{"kind":"situation","id":"road-1","version":1,"situation":{"lifecycle":"active","effect":"road-closed","cause":{"type":"roadworks"},"start":"2026-11-23T10:00:00Z","endKind":"unknown","direction":"both","road":{"name":"Wallenweg"},"texts":[{"text":"Closed for works.","lang":"en"}],"geometry":{"type":"LineString","coordinates":[[4.90001,52.37001],[4.91001,52.38001]]}}}
`
