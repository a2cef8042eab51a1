package main

import (
	"io"
	"strings"
	"testing"
)

// TestLines: a file of lines is posted in parts that a node takes, and nothing of
// it is lost, a last line without an end least of all.
func TestLines(t *testing.T) {
	long := strings.Repeat("x", postBytes/2) + "\n"
	for name, file := range map[string]string{
		"none": "", "no end": "a\nb", "many": strings.Repeat("a\n", 2*postLines+1), "long": strings.Repeat(long, 5), "one long": strings.TrimSpace(long),
	} {
		var got strings.Builder
		parts := 0
		for part, err := range lines(strings.NewReader(file)) {
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(part)
			if err != nil || len(b) == 0 || len(b) > postBytes+len(long) || strings.Count(string(b), "\n") > postLines {
				t.Errorf("%s: a part of %d bytes (%v)", name, len(b), err)
			}
			got.Write(b)
			parts++
		}
		if got.String() != file {
			t.Errorf("%s: %d of %d bytes came", name, got.Len(), len(file))
		}
		if want := map[string]int{"none": 0, "no end": 1, "many": 3, "long": 3, "one long": 1}[name]; parts != want {
			t.Errorf("%s: %d parts, want %d", name, parts, want)
		}
	}
}
