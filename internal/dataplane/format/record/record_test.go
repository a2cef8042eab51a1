package record_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/go-json-experiment/json"
	"pgregory.net/rapid"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/dataplane/format"
	"github.com/hansa-exchange/hansa/internal/dataplane/format/formattest"
	"github.com/hansa-exchange/hansa/internal/dataplane/format/record"
)

const closure = `{"kind":"situation","id":"AMS-2023-0712-OOST-1","version":3,"created":"2023-07-12T05:10:00+02:00","updated":"2023-07-12T05:20:00+02:00","update":"modify","situation":{"lifecycle":"active","effect":"direction-closed","start":"2023-07-12T05:00:00+02:00","endKind":"unknown","geometry":{"type":"LineString","coordinates":[[4.9119,52.3745],[4.9131,52.379],[4.9142,52.3832]]},"direction":"one","road":{"name":"Oostertunnel"}}}`

func TestDecode(t *testing.T) {
	r, err := record.Decode([]byte(closure))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := r.Created.Format(time.RFC3339), "2023-07-12T05:10:00+02:00"; got != want {
		t.Errorf("created is %s, want %s: the zone is kept", got, want)
	}
	b, err := record.Encode(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(b); got != closure {
		t.Errorf("encodes as\n%s, want\n%s", got, closure)
	}
	got, err := record.Encode(r, []byte("before "))
	if err != nil || string(got) != "before "+closure {
		t.Errorf("Encode appends %q, %v", got, err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	nest := strings.Repeat("[", format.JSONDepthMax) + strings.Repeat("]", format.JSONDepthMax)
	for _, tc := range []struct{ name, in, field, says string }{
		{"no JSON", `kind: situation`, "", "at byte 0"},
		{"nothing", ``, "", ""},
		{"null", `null`, "/id", "needs the publisher's id"},
		{"half of it", closure[:100], "", "ends before"},
		{"more after it", closure + `{}`, "", ""},
		{"a name twice", strings.Replace(closure, `"version":3`, `"version":3,"version":4`, 1), "/version", "twice"},
		{"a name twice, once escaped", strings.Replace(closure, `"version":3`, `"version":3,"v\u0065rsion":4`, 1), "/version", "twice"},
		{"an unknown name twice", strings.Replace(closure, `"version":3`, `"x":3,"x":4`, 1), "/x", "twice"},
		{"a name twice in the geometry", strings.Replace(closure, `"type":"LineString"`, `"type":"Point","type":"LineString"`, 1), "/situation/geometry/type", "twice"},
		{"invalid UTF-8", strings.Replace(closure, "Oostertunnel", "Oost\xfftunnel", 1), "/situation/road/name", "UTF-8"},
		{"half a surrogate", strings.Replace(closure, "Oostertunnel", `\ud800`, 1), "/situation/road/name", ""},
		{"a version in words", strings.Replace(closure, `"version":3`, `"version":"3"`, 1), "/version", "string does not fit"},
		{"a version in parts", strings.Replace(closure, `"version":3`, `"version":3.5`, 1), "/version", ""},
		{"a negative version", strings.Replace(closure, `"version":3`, `"version":-3`, 1), "/version", "not negative"},
		{"a time without zone", strings.Replace(closure, `05:10:00+02:00`, `05:10:00`, 1), "/created", ""},
		{"another letter case is another member", strings.Replace(closure, `"id"`, `"ID"`, 1), "/id", "needs"},
		{"no kind", strings.Replace(closure, `"kind":"situation"`, `"kind":"observation"`, 1), "/kind", "does not say"},
		{"two contents", strings.Replace(closure, `"version":3`, `"version":3,"document":{"mediaType":"a/b","body":""}`, 1), "/kind", "exactly one"},
		{"off the globe", strings.Replace(closure, `4.9119,52.3745`, `52.3745,452.3745`, 1), "/situation/geometry/coordinates", "longitude"},
		{"a number in a word's place", strings.Replace(closure, `"LineString"`, `5`, 1), "/situation/geometry/type", "string"},
		{"an infinite number", strings.Replace(closure, `4.9119`, `1e999`, 1), "/situation/geometry/coordinates", ""},
		{"a broken window", strings.Replace(closure, `"direction"`, `"recurrence":[{"zone":"UTC","from":"00:00","to":"01:00"},{"zone":"Mars/Base","from":"00:00","to":"01:00"}],"direction"`, 1), "/situation/recurrence/1/zone", "no time zone"},
		{"a detour off the globe", strings.Replace(closure, `"direction"`, `"detours":[{"geometry":{"type":"Point","coordinates":[0,91]}}],"direction"`, 1), "/situation/detours/0/geometry/coordinates", "latitude"},
		{"too deep", strings.Replace(closure, `"version":3`, `"version":3,"x":`+nest, 1), "", "nests at most 64 deep"},
		{"a long id", strings.Replace(closure, "AMS-2023", strings.Repeat("A", 600), 1), "/id", "at most 512"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, err := record.Decode([]byte(tc.in))
			if err == nil {
				t.Fatalf("Decode took it: %+v", r)
			}
			e := hansa.Public(err)
			if e.Kind != hansa.Invalid || e.Field != tc.field || !strings.Contains(e.Message, tc.says) {
				t.Errorf("got %v %q at %q, want invalid at %q saying %q", e.Kind, e.Message, e.Field, tc.field, tc.says)
			}
			if s := hansa.Status(err); s != 400 && s != 422 {
				t.Errorf("status %d, want 400 or 422", s)
			}
		})
	}
	t.Run("too large", func(t *testing.T) {
		_, err := record.Decode(make([]byte, hansa.RecordBytesMax+1))
		if got := hansa.Status(err); got != 413 {
			t.Errorf("status %d, want 413", got)
		}
	})
	t.Run("64 deep is not too deep, nor are brackets in strings", func(t *testing.T) {
		in := strings.Replace(closure, `"version":3`, `"version":3,"x":`+nest[1:len(nest)-1]+`,"y":"`+strings.Repeat(`[\"{`, 100)+`"`, 1)
		if _, err := record.Decode([]byte(in)); err != nil {
			t.Error(err)
		}
	})
}

func TestUnknownMembersAreKept(t *testing.T) {
	in := strings.Replace(closure, `"road":`, `"tide":"high","road":`, 1)
	in = strings.Replace(in, `"version":3`, `"version":3,"colour":{"r":1}`, 1)
	r, err := record.Decode([]byte(in))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(r.Unknown["colour"]); got != `{"r":1}` {
		t.Errorf("colour is %s", got)
	}
	if got := string(r.Situation.Unknown["tide"]); got != `"high"` {
		t.Errorf("tide is %s", got)
	}
	b, _ := record.Encode(r, nil)
	again, err := record.Decode(b)
	if err != nil || string(again.Situation.Unknown["tide"]) != `"high"` {
		t.Errorf("after a round trip: %v, %v", again, err)
	}
}

func TestEncodeRefusesWhatJSONCannotSay(t *testing.T) {
	zero := 0.0
	r := &hansa.Record{Kind: hansa.KindObservation, ID: "x", Observation: &hansa.Observation{Quantities: []hansa.Quantity{{Name: "a", Value: 1 / zero}}}}
	b, err := record.Encode(r, []byte("kept"))
	if hansa.KindOf(err) != hansa.Invalid || string(b) != "kept" {
		t.Errorf("got %q, %v, want what was there and an invalid error", b, err)
	}
	losses := record.Codec().Writer.Losses(r)
	if !format.Refused(losses) {
		t.Errorf("Losses says %v, want refused", losses)
	}
}

// TestRoundTrip: what is encoded is decoded as it was, to the same bytes, and
// fits the published schema.
func TestRoundTrip(t *testing.T) {
	fits := schema(t)
	rapid.Check(t, func(t *rapid.T) {
		r := formattest.Record().Draw(t, "record")
		if err := r.Validate(); err != nil {
			t.Fatalf("the drawn record is not sound: %v", err)
		}
		a, err := record.Encode(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		back, err := record.Decode(a)
		if err != nil {
			t.Fatalf("%v in %s", err, a)
		}
		b, err := record.Encode(back, nil)
		if err != nil || !bytes.Equal(a, b) {
			t.Fatalf("%v\n%s\n%s", err, a, b)
		}
		if err := fits(a); err != nil {
			t.Fatalf("%v\n%s", err, a)
		}
	})
}

func read(t testing.TB, c format.Codec, in string) (items []format.Item, err error) {
	t.Helper()
	for it, e := range c.Reader.Read(iotest.HalfReader(strings.NewReader(in)), format.Input{Now: time.Unix(1e9, 0)}) {
		if e != nil {
			return items, e
		}
		items = append(items, it)
	}
	return items, nil
}

// outline writes items as ids, refusals marked.
func outline(items []format.Item) string {
	var s []string
	for _, it := range items {
		if it.Record != nil {
			s = append(s, it.Record.ID)
		} else {
			s = append(s, "!"+it.ID+" "+it.Refused.Field)
		}
	}
	return strings.Join(s, ", ")
}

const (
	a   = `{"kind":"document","id":"a","version":1,"document":{"mediaType":"text/plain","body":"YQ=="}}`
	b   = `{"kind":"document","id":"b","version":1,"document":{"mediaType":"text/plain","body":"Yg=="}}`
	bad = `{"kind":"document","id":"c","version":-1,"document":{"mediaType":"text/plain","body":"Yg=="}}`
	dup = `{"kind":"document","id":"d","id":"e"}`
)

func TestReadDocument(t *testing.T) {
	for _, tc := range []struct{ name, in, want, err string }{
		{"one", a, "a", ""},
		{"one, spread over lines", strings.ReplaceAll(a, ",", ",\n  "), "a", ""},
		{"several", a + "\n" + b, "a, b", ""},
		{"an array", "[" + a + "," + bad + "," + b + "]", "a, !c /version, b", ""},
		{"an empty array", " [ ] ", "", ""},
		{"our own", `{"records":[` + a + "," + dup + "," + b + `],"made":"today"}`, "a, !d /id, b", ""},
		{"our own, empty", `{"records":[]}`, "", ""},
		{"records that are none", `{"records":7}`, "", "records is an array"},
		{"not an object", `[1,"x",` + a + `]`, "! , ! , a", ""},
		{"an array cut short", "[" + a, "a", "ends before"},
		{"our own cut short", `{"records":[` + a + `]`, "a", "ends before"},
		{"garbage in the midst", "[" + a + ", } ," + b + "]", "a", "at byte"},
		{"nothing", "", "", "empty"},
		{"blanks", " \n ", "", "empty"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			items, err := read(t, record.Codec(), tc.in)
			if got := outline(items); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
			if (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
				t.Errorf("error is %v, want %q", err, tc.err)
			}
			if err != nil && hansa.KindOf(err) != hansa.Invalid {
				t.Errorf("kind %v, want invalid", hansa.KindOf(err))
			}
		})
	}
}

func TestReadLines(t *testing.T) {
	long := `{"id":"long","x":"` + strings.Repeat("x", hansa.RecordBytesMax) + `"}`
	in := strings.Join([]string{a, "", "  ", "{", bad, dup, long, b + "\r", "\xff"}, "\n") + "\n" + a
	items, err := read(t, record.NDJSON(), in)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := outline(items), "a, ! , !c /version, !d /id, !long , b, ! , a"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := items[4].Refused.Code; got != hansa.CodeTooLarge {
		t.Errorf("the long line is refused as %s", got)
	}
	r := items[0].Record
	if string(r.Original) != a || r.OriginalType != hansa.MediaTypeRecord || !r.Received.Equal(time.Unix(1e9, 0)) {
		t.Errorf("original %q of type %s, received %v", r.Original, r.OriginalType, r.Received)
	}
}

func TestReadBoundsMemory(t *testing.T) {
	endless := io.MultiReader(strings.NewReader(`[{"id":"`), repeat('x'))
	for it, err := range record.Codec().Reader.Read(endless, format.Input{}) {
		if got := hansa.Status(err); got != 413 {
			t.Errorf("item %v, error %v, want 413", it, err)
		}
	}
	down := errors.New("the line went down")
	for _, c := range []format.Codec{record.Codec(), record.NDJSON()} {
		var last error
		for _, err := range c.Reader.Read(io.MultiReader(strings.NewReader(a), iotest.ErrReader(down)), format.Input{}) {
			last = err
		}
		if !errors.Is(last, down) {
			t.Errorf("%s: error is %v, want %v within", c.Name, last, down)
		}
	}
}

type repeat byte

func (r repeat) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(r)
	}
	return len(p), nil
}

func TestReadStopsWhenTold(t *testing.T) {
	for _, c := range []format.Codec{record.Codec(), record.NDJSON()} {
		n := 0
		for range c.Reader.Read(strings.NewReader(a+"\n"+b+"\n"), format.Input{}) {
			n++
			break
		}
		if n != 1 {
			t.Errorf("%s: %d items, want 1", c.Name, n)
		}
	}
}

func TestWriteReadsBack(t *testing.T) {
	for _, c := range []format.Codec{record.Codec(), record.NDJSON()} {
		t.Run(string(c.Name), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				rs := rapid.SliceOfN(formattest.Record(), 0, 4).Draw(t, "records")
				var w bytes.Buffer
				losses, err := c.Writer.Write(&w, format.Doc{}, slices.Values(rs))
				if err != nil {
					t.Fatal(err)
				}
				internal, n := 0, 0
				for it, err := range c.Reader.Read(&w, format.Input{}) {
					if err != nil || it.Record == nil {
						t.Fatalf("%v %v", err, it.Refused)
					}
					if s := it.Record.Situation; s != nil {
						if slices.ContainsFunc(s.Texts, func(t hansa.Text) bool { return t.Kind == "internal" }) {
							t.Fatal("internal text was written")
						}
						s.Texts, rs[n].Situation.Texts = nil, slices.DeleteFunc(rs[n].Situation.Texts, func(t hansa.Text) bool {
							if t.Kind == "internal" {
								internal++
							}
							return true
						})
					}
					got, _ := record.Encode(it.Record, nil)
					want, _ := record.Encode(rs[n], nil)
					if !bytes.Equal(got, want) {
						t.Fatalf("got %s, want %s", got, want)
					}
					n++
				}
				if n != len(rs) || internal != len(losses) {
					t.Fatalf("%d of %d records; %d internal texts, %d losses", n, len(rs), internal, len(losses))
				}
			})
		})
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{closure, a, bad, dup, `[]`, `{"kind":"observation","id":"x","observation":{"what":"jam","observed":"2026-01-01T00:00:00Z","validFor":1.5}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		r, err := record.Decode(in)
		if err != nil {
			if hansa.KindOf(err) != hansa.Invalid {
				t.Fatalf("kind of %v is %v", err, hansa.KindOf(err))
			}
			return
		}
		one, err := record.Encode(r, nil)
		if err != nil {
			t.Fatalf("what was decoded cannot be encoded: %v", err)
		}
		back, err := record.Decode(one)
		if err != nil {
			if len(one) > hansa.RecordBytesMax {
				return
			}
			t.Fatalf("%v in %s", err, one)
		}
		two, _ := record.Encode(back, nil)
		if !bytes.Equal(one, two) {
			t.Fatalf("%s\n%s", one, two)
		}
	})
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("[" + a + "," + bad + "]"))
	f.Add([]byte(`{"records":[` + a + `]}`))
	f.Add([]byte(a + "\n{\n" + b))
	f.Fuzz(func(t *testing.T, in []byte) {
		for _, c := range []format.Codec{record.Codec(), record.NDJSON()} {
			for it, err := range c.Reader.Read(bytes.NewReader(in), format.Input{}) {
				if err != nil && hansa.KindOf(err) != hansa.Invalid {
					t.Fatalf("kind of %v is %v", err, hansa.KindOf(err))
				}
				if err == nil && (it.Record == nil) == (it.Refused == nil) {
					t.Fatalf("an item is a record or a refusal, not %+v", it)
				}
			}
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	in := []byte(closure)
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := record.Decode(in); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	r, err := record.Decode([]byte(closure))
	if err != nil {
		b.Fatal(err)
	}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		if buf, err = record.Encode(r, buf[:0]); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadLines(b *testing.B) {
	in := strings.Repeat(closure+"\n", 1000)
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		for it, err := range record.NDJSON().Reader.Read(strings.NewReader(in), format.Input{}) {
			if err != nil || it.Record == nil {
				b.Fatal(err, it.Refused)
			}
		}
	}
}

func TestSchemaIsOurOwn(t *testing.T) {
	var m map[string]any
	if err := json.Unmarshal(record.Schema(), &m); err != nil {
		t.Fatal(err)
	}
	record.Schema()[0] = 'x'
	if record.Schema()[0] != '{' {
		t.Error("the caller does not own the schema's bytes")
	}
}
