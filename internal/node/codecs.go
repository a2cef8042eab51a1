package node

import (
	"bufio"
	"bytes"
	"io"
	"iter"
	"mime"
	"slices"
	"strings"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/dataplane/format"
	"github.com/hansa-exchange/hansa/internal/dataplane/format/cifs"
	"github.com/hansa-exchange/hansa/internal/dataplane/format/datex2"
	"github.com/hansa-exchange/hansa/internal/dataplane/format/geojson"
	"github.com/hansa-exchange/hansa/internal/dataplane/format/record"
	"github.com/hansa-exchange/hansa/internal/dataplane/format/wzdx"
)

// Codecs lists every format that the exchange knows, canonical first.
func Codecs() []format.Codec {
	return []format.Codec{
		record.Codec(), record.NDJSON(), datex2.Codec(), datex2.ContainerCodec(), geojson.Codec(), cifs.XML(), cifs.JSON(), wzdx.Codec(),
	}
}

// WriterOf returns the writer of a format by name, or Invalid/CodeFormat with the
// names there are.
func WriterOf(codecs []format.Codec, name hansa.Format) (format.Writer, error) {
	var names []string
	for _, c := range codecs {
		if c.Writer == nil {
			continue
		}
		if c.Name == name {
			return c.Writer, nil
		}
		names = append(names, string(c.Name))
	}
	return nil, hansa.Errorf(hansa.Invalid, "there is no format %q to write", name).With(hansa.CodeFormat).WithHint("one of " + strings.Join(names, ", "))
}

// readerNames says which reader takes a media type; what is not here is looked
// up among the codecs' own media types.
var readerNames = map[string]hansa.Format{
	"application/xml": "datex2", "text/xml": "datex2", "application/soap+xml": "datex2",
	"application/json": "record", "application/vnd.hansa.record+json": "record", "application/x-ndjson": "ndjson", "application/geo+json": "geojson",
}

// readerOf returns the reader for a media type or a format's name.
func readerOf(codecs []format.Codec, contentType string, head []byte) (format.Reader, hansa.Format, error) {
	t, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		t = contentType
	}
	name, ok := readerNames[t]
	if !ok {
		name = hansa.Format(t)
	}
	if name == "record" && bytes.Contains(head, []byte(`"FeatureCollection"`)) {
		name = "geojson"
	}
	i := slices.IndexFunc(codecs, func(c format.Codec) bool { return c.Name == name && c.Reader != nil })
	if i < 0 {
		return nil, "", hansa.Errorf(hansa.Invalid, "records come as DATEX II XML, GeoJSON or canonical JSON, not as %q", contentType).With(hansa.CodeMediaType).
			WithHint("send Content-Type application/xml, application/geo+json, application/json or application/x-ndjson")
	}
	return codecs[i].Reader, name, nil
}

// Read reads a document of a media type, or of a format by name, as its codec
// does. A type that no codec takes ends the sequence at once.
func Read(codecs []format.Codec, contentType string, body io.Reader, in format.Input) iter.Seq2[format.Item, error] {
	return func(yield func(format.Item, error) bool) {
		b := bufio.NewReaderSize(body, 4096)
		head, _ := b.Peek(512) // a short document has a short head; the reader meets any error again
		reader, name, err := readerOf(codecs, contentType, head)
		if err != nil {
			yield(format.Item{}, err)
			return
		}
		for item, err := range reader.Read(b, in) {
			if item.Record != nil && item.Record.Provenance.Format == "" {
				item.Record.Provenance.Format = name
			}
			if !yield(item, err) {
				return
			}
		}
	}
}
