package datex2_test

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/dataplane/format"
	"github.com/hansa-exchange/hansa/internal/dataplane/format/datex2"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares got with testdata/name.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; run with -update and look at the difference\n%s", name, got)
	}
}

// told lists items as JSON.
func told(t *testing.T, items []format.Item) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, i := range items {
		if i.Refused != nil {
			b.WriteString("refused " + i.ID + ": " + i.Refused.Error() + "\n")
			continue
		}
		j, err := json.Marshal(i.Record, json.Deterministic(true), jsontext.WithIndent(" "))
		if err != nil {
			t.Fatal(err)
		}
		b.Write(append(j, '\n'))
	}
	return b.Bytes()
}

func TestReadGoldens(t *testing.T) {
	for _, name := range []string{"v2", "soap", "container", "odd"} {
		t.Run(name, func(t *testing.T) {
			doc, err := os.ReadFile(filepath.Join("testdata", name+".xml"))
			if err != nil {
				t.Fatal(err)
			}
			items := read(t, doc, format.Input{Zone: amsterdam(t), Lang: "nl", Now: now})
			golden(t, name+".json", told(t, items))
		})
	}
}

// What is kept of a record is enough to read it again: its bytes, within an
// element that declares the namespaces that OriginalType names.
func TestOriginalCanBeReadAgain(t *testing.T) {
	for _, name := range []string{"v2", "soap", "container", "odd"} {
		doc, err := os.ReadFile(filepath.Join("testdata", name+".xml"))
		if err != nil {
			t.Fatal(err)
		}
		in := format.Input{Zone: amsterdam(t), Lang: "nl", Now: now}
		for _, i := range read(t, doc, in) {
			if i.Record == nil || i.Record.Original == nil {
				continue
			}
			_, ns, ok := strings.Cut(i.Record.OriginalType, `ns="`)
			if !ok || !bytes.Contains(doc, i.Record.Original) {
				t.Fatalf("%s: type %q, or bytes that are not the document's", i.Record.ID, i.Record.OriginalType)
			}
			alone := "<situation " + strings.TrimSuffix(ns, `"`) + " id='" + i.Record.Situation.Incident + "'>" + string(i.Record.Original) + "</situation>"
			again := read(t, []byte(alone), in)
			if len(again) != 1 || again[0].Record == nil || again[0].Record.ID != i.Record.ID ||
				!bytes.Equal(again[0].Record.Original, i.Record.Original) || again[0].Record.Situation.Effect != i.Record.Situation.Effect {
				t.Errorf("%s: read again as %+v", i.Record.ID, again)
			}
		}
	}
}

func TestSamples(t *testing.T) {
	dir := filepath.Join(shared(t), "samples")
	for _, tc := range []struct {
		file           string
		taken, refused int
	}{
		{"datex2/netherlands/situations.xml", 11, 0},
		{"datex2/netherlands/srti.xml", 1, 0},
		{"datex2/finland/roadworks.xml", 3, 0},
		{"datex2/france/events.xml", 1, 0},
		{"datex2/synthetic/message-container-v3_7.xml", 0, 0},
		{"datex2/synthetic/message-container-v3_7-nl-extensions.xml", 0, 0},
		{"datex2/netherlands/emission-zones.xml", 0, 1},
		{"datex2/netherlands/truckparking-status.xml", 0, 1},
		{"datex2/france/dialog-regulations.xml", 0, 1},
		{"datex2/france/speeds.xml", 0, 1},
		{"datex2/synthetic/afir-recharging/table.xml", 0, 1},
		{"minimal/datex2-v3-tunnel-closure-payload.xml", 1, 0},
		{"minimal/datex2-v3-tunnel-closure-rich-payload.xml", 1, 0},
		{"minimal/datex2-v3.7-tunnel-closure.xml", 1, 0},
	} {
		doc, err := os.ReadFile(filepath.Join(dir, tc.file))
		if err != nil {
			t.Fatal(err)
		}
		taken, refused, found := 0, 0, map[hansa.Rule]int{}
		for _, i := range read(t, doc, format.Input{Now: now}) {
			if i.Refused != nil {
				refused++
				if i.Refused.Field == "" {
					t.Errorf("%s: a refusal without a place: %v", tc.file, i.Refused)
				}
				continue
			}
			taken++
			for _, f := range i.Record.Defects {
				found[f.Rule]++
			}
		}
		t.Logf("%s: %d taken, %d refused, defects %v", tc.file, taken, refused, found)
		if taken != tc.taken || refused != tc.refused {
			t.Errorf("%s: got %d and %d, want %d and %d", tc.file, taken, refused, tc.taken, tc.refused)
		}
	}
}

// broken reads doc and returns how many items came before the error.
func broken(r io.Reader) (items int, err error) {
	for i, e := range datex2.Codec().Reader.Read(r, format.Input{}) {
		if e != nil {
			return items, e
		}
		if i.Record == nil && i.Refused == nil {
			return items, errors.New("an item of nothing")
		}
		items++
	}
	return items, nil
}

func TestReadEndsWithAReason(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("testdata", "v2.xml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, doc string
		items     int
		want      string
	}{
		{"empty", "", 0, "no element"},
		{"not XML", "closed today", 0, "outside"},
		{"HTML", "<html><body>503</body></html>", 0, "not DATEX II"},
		{"SOAP fault", "<e:Envelope xmlns:e='x'><e:Body><e:Fault><faultstring>busy</faultstring></e:Fault></e:Body></e:Envelope>", 0, "fault: busy"},
		{"cut short", string(doc[:len(doc)-300]), 2, "ends"},
		{"billion laughs", `<!DOCTYPE d2LogicalModel [<!ENTITY a "a">]><d2LogicalModel/>`, 0, "DOCTYPE"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			n, err := broken(strings.NewReader(tc.doc))
			e, ok := errors.AsType[*hansa.Error](err)
			if !ok || e.Kind != hansa.Invalid || e.Field == "" || !strings.Contains(e.Message, tc.want) || n != tc.items {
				t.Errorf("got %d items and %v, want %d and %q", n, err, tc.items, tc.want)
			}
		})
	}
	if _, err := broken(iotest.TimeoutReader(bytes.NewReader(doc))); err == nil {
		t.Error("a reader that fails gave no error")
	}
}

func TestNothingIsSilent(t *testing.T) {
	for name, doc := range map[string]string{
		"no publication": `<d2LogicalModel xmlns="http://datex2.eu/schema/2/2_0"><exchange/></d2LogicalModel>`,
		"empty envelope": `<e:Envelope xmlns:e="x"><e:Body/></e:Envelope>`,
		"no id":          `<situation><situationRecord/></situation>`,
		"no record":      `<situation id="a"/>`,
		"too large": `<situation id="a"><situationRecord id="b" version="1"><x>` + strings.Repeat("<y>zzzzzzzzzzzz</y>", 80_000) +
			`</x></situationRecord></situation>`,
	} {
		items := read(t, []byte(doc), format.Input{})
		if len(items) != 1 || items[0].Refused == nil || items[0].Refused.Field == "" {
			t.Errorf("%s: got %+v, want one refusal", name, items)
		}
	}
	keepAlive := `<d2LogicalModel xmlns="http://datex2.eu/schema/2/2_0"><exchange><keepAlive>true</keepAlive></exchange></d2LogicalModel>`
	if items := read(t, []byte(keepAlive), format.Input{}); len(items) != 0 {
		t.Errorf("a keep-alive gave %+v", items)
	}
}

func TestReadStopsWhenAsked(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("testdata", "odd.xml"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for range datex2.Codec().Reader.Read(bytes.NewReader(doc), format.Input{}) {
		if n++; n == 2 {
			break
		}
	}
	if n != 2 {
		t.Errorf("got %d items", n)
	}
}

func FuzzRead(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.xml")
	for _, name := range files {
		doc, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(doc)
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		for i, err := range datex2.Codec().Reader.Read(bytes.NewReader(doc), format.Input{Now: now}) {
			if err != nil {
				if hansa.KindOf(err) != hansa.Invalid {
					t.Fatalf("not Invalid: %v", err)
				}
				return
			}
			if (i.Record == nil) == (i.Refused == nil) {
				t.Fatalf("item %+v", i)
			}
			if i.Record == nil {
				continue
			}
			if err := i.Record.Validate(); err != nil {
				t.Fatalf("not sound: %v", err)
			}
			if _, err := json.Marshal(i.Record); err != nil {
				t.Fatalf("not JSON: %v", err)
			}
			datex2.Codec().Writer.Losses(i.Record)
		}
	})
}
