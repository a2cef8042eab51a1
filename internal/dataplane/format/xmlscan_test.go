package format_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/dataplane/format"
)

// tokens lists the tokens of doc as our scanner sees them, texts joined.
func tokens(r io.Reader) ([]string, error) {
	s := format.NewXMLScanner(r)
	var out []string
	for {
		kind, err := s.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		switch kind {
		case format.XMLStart:
			var t strings.Builder
			t.WriteString("<" + raw(s.Name))
			for _, a := range s.Attrs {
				fmt.Fprintf(&t, " %s=%q", raw(a.Name), a.Value)
			}
			out = append(out, t.String())
		case format.XMLEnd:
			out = append(out, "/"+raw(s.Name))
		case format.XMLText:
			out = append(out, "'"+string(s.Text))
		case format.XMLNone:
			return out, errors.New("no token and no error")
		}
	}
}

func raw(n format.XMLName) string {
	if len(n.Prefix) > 0 {
		return string(n.Prefix) + ":" + string(n.Local)
	}
	return string(n.Local)
}

// twin lists the tokens of doc as the standard library sees them.
func twin(doc []byte) ([]string, error) {
	name := func(n xml.Name) string {
		if n.Space != "" {
			return n.Space + ":" + n.Local
		}
		return n.Local
	}
	d := xml.NewDecoder(bytes.NewReader(doc))
	var out []string
	depth := 0
	for {
		tok, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		switch t := tok.(type) {
		case xml.StartElement:
			depth++
			var s strings.Builder
			s.WriteString("<" + name(t.Name))
			for _, a := range t.Attr {
				fmt.Fprintf(&s, " %s=%q", name(a.Name), a.Value)
			}
			out = append(out, s.String())
		case xml.EndElement:
			depth--
			out = append(out, "/"+name(t.Name))
		case xml.CharData:
			if depth > 0 {
				out = append(out, "'"+string(t))
			}
		}
	}
}

func agree(t interface{ Fatalf(string, ...any) }, doc []byte, r io.Reader) {
	got, err := tokens(r)
	if err != nil {
		t.Fatalf("scan: %v\n%.300s", err, doc)
	}
	want, err := twin(doc)
	if err != nil {
		t.Fatalf("twin: %v\n%.300s", err, doc)
	}
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Fatalf("got\n%.2000s\nwant\n%.2000s", g, w)
	}
}

func drawDocument(t *rapid.T) []byte {
	var b bytes.Buffer
	if rapid.Bool().Draw(t, "decl") {
		b.WriteString("<?xml version='1.0' encoding=\"UTF-8\"?>\n<!-- a - b -->")
	}
	name := rapid.SampledFrom([]string{"a", "b:c", "_x.1-y", "naïve", "d2:payload", "日本"})
	text := rapid.SampledFrom([]string{
		" ", "", "52.1 4.9", "a &amp; b&#x20AC;&#65;", "\r\none\rtwo\n", "é€😀", "<![CDATA[<not> & ]] ]>]]>", "<!-- - -->", "]]", "&lt;",
		strings.Repeat("long ", 20000),
	})
	value := rapid.SampledFrom([]string{"", "v", "a > b", "&quot;&apos;", "it's", "x\ny"})
	var element func(depth int)
	element = func(depth int) {
		n := name.Draw(t, "name")
		b.WriteString("<" + n)
		for i := range rapid.IntRange(0, 3).Draw(t, "attrs") {
			fmt.Fprintf(&b, "%s%s%d = \"%s\"", rapid.SampledFrom([]string{" ", "\n\t"}).Draw(t, "space"), "at", i, value.Draw(t, "value"))
		}
		if rapid.Bool().Draw(t, "empty") {
			b.WriteString(" />")
			return
		}
		b.WriteString(">")
		for range rapid.IntRange(0, 3).Draw(t, "children") {
			b.WriteString(text.Draw(t, "text"))
			if depth < 5 {
				element(depth + 1)
			}
		}
		b.WriteString(text.Draw(t, "last"))
		b.WriteString("</" + n + " >")
	}
	element(0)
	b.WriteString("\n<!--end-->\n")
	return b.Bytes()
}

func TestScannerAgreesWithTheStandardLibrary(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		doc := drawDocument(t)
		agree(t, doc, bytes.NewReader(doc))
		if len(doc) < 2000 {
			agree(t, doc, iotest.OneByteReader(bytes.NewReader(doc)))
		}
		agree(t, doc, iotest.DataErrReader(iotest.HalfReader(bytes.NewReader(doc))))
	})
}

func TestScannerAgreesOnRealDocuments(t *testing.T) {
	dir := shared(t)
	files, _ := filepath.Glob(filepath.Join(dir, "samples", "datex2", "*", "*.xml"))
	more, _ := filepath.Glob(filepath.Join(dir, "samples", "minimal", "*.xml"))
	for _, f := range append(files, more...) {
		doc, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		agree(t, doc, iotest.HalfReader(bytes.NewReader(doc)))
	}
}

// shared finds the folder of schemas and samples beside the checkout.
func shared(t testing.TB) string {
	t.Helper()
	if d := os.Getenv("HANSA_SHARED"); d != "" {
		return d
	}
	for d, _ := os.Getwd(); d != filepath.Dir(d); d = filepath.Dir(d) {
		if _, err := os.Stat(filepath.Join(d, "shared", "samples")); err == nil {
			return filepath.Join(d, "shared")
		}
	}
	t.Skip("no shared samples beside the checkout")
	return ""
}

func TestScannerRefuses(t *testing.T) {
	attrs := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, " a%d='1'", i)
		}
		return b.String()
	}
	for _, tc := range []struct{ name, doc, want string }{
		{"billion laughs", `<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><l>&b;</l>`, "DOCTYPE"},
		{"external entity", `<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>`, "DOCTYPE"},
		{"unknown entity", `<a>&secret;</a>`, "entity"},
		{"entity in attribute", `<a b="&secret;"/>`, "entity"},
		{"bare ampersand", `<a>AT & T</a>`, "&"},
		{"number out of range", `<a>&#x110000;</a>`, "entity"},
		{"number of a control", `<a>&#0;</a>`, "entity"},
		{"surrogate", `<a>&#xD800;</a>`, "entity"},
		{"processing instruction", `<?xml-stylesheet href="x"?><a/>`, "instruction"},
		{"late declaration", `<a/><?xml version="1.0"?>`, "instruction"},
		{"instruction inside", `<a><?php 1 ?></a>`, "instruction"},
		{"version 1.1", `<?xml version="1.1"?><a/>`, "version"},
		{"xinclude", `<a xmlns:xi="http://www.w3.org/2001/XInclude"><xi:include href="/etc/passwd"/></a>`, "XInclude"},
		{"two roots", `<a/><b/>`, "root"},
		{"no root", ` `, "no element"},
		{"nothing", ``, "no element"},
		{"text before", `x<a/>`, "outside"},
		{"text after", `<a/>x`, "outside"},
		{"CDATA outside", `<a/><![CDATA[x]]>`, "outside"},
		{"too deep", strings.Repeat("<a>", 101), "deeper"},
		{"300,000 levels", strings.Repeat("<a>", 300_000), "deeper"},
		{"65 attributes", "<a" + attrs(65) + "/>", "attributes"},
		{"100,000 attributes", "<a" + attrs(100_000) + "/>", ""},
		{"same attribute", `<a b="1" b="2"/>`, "twice"},
		{"same attribute by namespace", `<a xmlns:x="u" xmlns:y="u" x:b="1" y:b="2"/>`, "twice"},
		{"long name", "<" + strings.Repeat("n", 257) + "/>", "name"},
		{"long attribute name", "<a " + strings.Repeat("n", 257) + "='1'/>", "name"},
		{"long text", "<a>" + strings.Repeat("t", 2<<20) + "</a>", "longer"},
		{"long comment", "<!--" + strings.Repeat("t", 2<<20) + "--><a/>", "longer"},
		{"long value", "<a b='" + strings.Repeat(">", 2<<20) + "'/>", "longer"},
		{"unclosed", `<a><b>`, "closed"},
		{"unclosed tag", `<a b="1"`, "within"},
		{"unclosed quote", `<a b="1>`, "within"},
		{"unclosed comment", `<a><!-- `, "within"},
		{"unclosed CDATA", `<a><![CDATA[ ]]`, "within"},
		{"unclosed text", `<a>text`, "closed"},
		{"crossed", `<a><b></a></b>`, "closed by"},
		{"closes nothing", `</a>`, "closes nothing"},
		{"no name", `<>`, "name"},
		{"space before name", `< a/>`, "name"},
		{"digit first", `<1/>`, "name"},
		{"no value", `<a b/>`, "value"},
		{"no quotes", `<a b=c/>`, "quotes"},
		{"no space", `<a b="1"c="2"/>`, "white space"},
		{"tag in value", `<a b="<"/>`, "<"},
		{"end of CDATA in text", `<a>]]></a>`, "]]>"},
		{"dashes in comment", `<a><!-- -- --></a>`, "comment"},
		{"prefix without name", `<a:/>`, "prefix"},
		{"two colons", `<a:b:c/>`, "prefix"},
		{"latin-1 unsaid", "<a>caf\xe9</a>", "UTF-8"},
		{"overlong", "<a>\xc0\xaf</a>", "UTF-8"},
		{"control", "<a>\x01</a>", "UTF-8"},
		{"NUL", "<a>\x00</a>", "UTF-8"},
		{"non-character", "<a>\uffff</a>", "UTF-8"},
		{"EBCDIC", `<?xml version="1.0" encoding="IBM037"?><a/>`, "encoding"},
		{"UTF-7", `<?xml version="1.0" encoding="UTF-7"?><a/>`, "encoding"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, r := range []io.Reader{strings.NewReader(tc.doc), iotest.HalfReader(strings.NewReader(tc.doc))} {
				_, err := tokens(r)
				e, ok := errors.AsType[*hansa.Error](err)
				if !ok || e.Kind != hansa.Invalid || e.Field == "" || !strings.Contains(e.Message, tc.want) {
					t.Fatalf("got %v, want Invalid with %q", err, tc.want)
				}
			}
		})
	}
}

func TestScannerReadsOtherEncodings(t *testing.T) {
	for name, doc := range map[string]string{
		"UTF-8 with mark":     "\xef\xbb\xbf<a>é</a>",
		"ISO-8859-1":          "<?xml version='1.0' encoding='ISO-8859-1'?><a>\xe9</a>",
		"windows-1252":        "<?xml version='1.0' encoding='Windows-1252'?><a>\xe9</a>",
		"UTF-16 big":          "\xfe\xff\x00<\x00a\x00>\x00\xe9\x00<\x00/\x00a\x00>",
		"UTF-16 little":       "\xff\xfe<\x00a\x00>\x00\xe9\x00<\x00/\x00a\x00>\x00",
		"reference, not byte": "<a>&#233;</a>",
	} {
		t.Run(name, func(t *testing.T) {
			got, err := tokens(strings.NewReader(doc))
			if want := "<a 'é /a"; err != nil || strings.Join(got, " ") != want {
				t.Errorf("got %q, %v, want %q", got, err, want)
			}
		})
	}
}

func TestScannerResolvesNamespaces(t *testing.T) {
	doc := `<a xmlns="urn:1" xmlns:p="urn:2"><p:b c="1" p:d="2"><e xmlns="" xmlns:p="urn:3"><p:f/></e></p:b><p:g/><q:h/></a>`
	want := []string{"urn:1 a", "urn:2 b", " e", "urn:3 f", "urn:2 g", "q h"}
	s := format.NewXMLScanner(strings.NewReader(doc))
	var got []string
	for {
		kind, err := s.Next()
		if err != nil {
			break
		}
		if kind == format.XMLStart {
			got = append(got, s.Name.Space+" "+string(s.Name.Local))
			if string(s.Name.Local) == "b" && (s.Attrs[0].Name.Space != "" || s.Attrs[1].Name.Space != "urn:2") {
				t.Errorf("attributes are in %q and %q", s.Attrs[0].Name.Space, s.Attrs[1].Name.Space)
			}
			if ns := s.Namespaces(); string(s.Name.Local) == "f" && ns != "xmlns='' xmlns:p='urn:3'" {
				t.Errorf("in force are %s", ns)
			}
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestScannerKeepsMarkedBytes(t *testing.T) {
	item := "<item id='1'>" + strings.Repeat("<x>y &amp; z</x>", 9000) + "</item>"
	doc := "<all>" + strings.Repeat(item+"<other/>", 5) + "</all>"
	s := format.NewXMLScanner(iotest.HalfReader(strings.NewReader(doc)))
	n := 0
	for {
		kind, err := s.Next()
		if err != nil {
			break
		}
		if string(s.Name.Local) != "item" {
			continue
		}
		if kind == format.XMLStart {
			s.Mark()
			if err := s.Skip(); err != nil {
				t.Fatal(err)
			}
			if got := string(s.Marked()); got != item {
				t.Fatalf("got %d bytes, want %d", len(got), len(item))
			}
			n++
		}
	}
	if n != 5 {
		t.Errorf("got %d items, want 5", n)
	}
}

func FuzzScanner(f *testing.F) {
	f.Add([]byte(`<?xml version="1.0"?><a b="c&amp;">d<!-- e --><![CDATA[f]]><g/></a>`))
	f.Add([]byte("<a xmlns:x='u'><x:b/>\r\n&#x20AC;</a>"))
	f.Fuzz(func(t *testing.T, doc []byte) {
		got, err := tokens(bytes.NewReader(doc))
		slow, err2 := tokens(iotest.OneByteReader(bytes.NewReader(doc)))
		if (err == nil) != (err2 == nil) {
			t.Fatalf("in one piece %v, byte by byte %v", err, err2)
		}
		if err != nil {
			return
		}
		if strings.Join(got, "\n") != strings.Join(slow, "\n") {
			t.Fatalf("got %q, byte by byte %q", got, slow)
		}
		if want, err := twin(doc); err == nil && strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Fatalf("got %q, want %q", got, want)
		}
	})
}
