package datex2_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/dataplane/format"
	"github.com/hansa-exchange/hansa/internal/dataplane/format/datex2"
)

var now = time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)

func amsterdam(t interface{ Fatal(...any) }) *time.Location {
	zone, err := time.LoadLocation("Europe/Amsterdam")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

func document(zone *time.Location) format.Doc {
	return format.Doc{
		Publisher: "Gemeente Hoogdam", Country: "nl", Party: "did:web:hoogdam.example",
		Made: now, Zone: zone, Lang: "nl",
	}
}

// read returns the items of doc; a document that breaks off fails t.
func read(t interface{ Fatalf(string, ...any) }, doc []byte, in format.Input) []format.Item {
	var items []format.Item
	for i, err := range datex2.Codec().Reader.Read(bytes.NewReader(doc), in) {
		if err != nil {
			t.Fatalf("read: %v\n%.3000s", err, doc)
		}
		items = append(items, i)
	}
	return items
}

func write(t interface{ Fatalf(string, ...any) }, c format.Codec, doc format.Doc, rs ...*hansa.Record) ([]byte, []hansa.Loss) {
	var b bytes.Buffer
	losses, err := c.Writer.Write(&b, doc, slices.Values(rs))
	if err != nil {
		t.Fatalf("write: %v", err)
	}
	return b.Bytes(), losses
}

// shared finds the folder of schemas and samples beside the checkout.
func shared(t testing.TB) string {
	t.Helper()
	if d := os.Getenv("HANSA_SHARED"); d != "" {
		return d
	}
	for d, _ := os.Getwd(); d != filepath.Dir(d); d = filepath.Dir(d) {
		if _, err := os.Stat(filepath.Join(d, "shared", "schemas")); err == nil {
			return filepath.Join(d, "shared")
		}
	}
	t.Skip("no shared schemas and samples beside the checkout")
	return ""
}

// validate holds documents to the official schemas: 3.7, and 3.3 for a payload.
func validate(t *testing.T, container bool, docs ...[]byte) {
	t.Helper()
	dir := filepath.Join(shared(t), "schemas", "datex2")
	lint, err := exec.LookPath("xmllint")
	if err != nil {
		t.Skip("no xmllint here")
	}
	schemas := []string{filepath.Join(dir, "v3.7", "_all.xsd")}
	if !container {
		schemas = append(schemas, filepath.Join(dir, "v3.3", "DATEXII_3_D2Payload.xsd"))
	}
	var files []string
	for i, doc := range docs {
		f := filepath.Join(t.TempDir(), string(rune('a'+i%26))+".xml")
		if err := os.WriteFile(f, doc, 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	for _, s := range schemas {
		out, err := exec.CommandContext(t.Context(), lint, append([]string{"--nonet", "--noout", "--schema", s}, files...)...).CombinedOutput()
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			if len(out) > 3000 {
				out = out[:3000]
			}
			t.Errorf("%s: %v\n%s", s, exit, out)
			for line := range bytes.SplitSeq(out, []byte("\n")) {
				if f, rest, ok := bytes.Cut(line, []byte(".xml:")); ok {
					_ = rest
					b, _ := os.ReadFile(string(f) + ".xml")
					t.Logf("%.6000s", b)
					break
				}
			}
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}
