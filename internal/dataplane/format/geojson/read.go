package geojson

import (
	"bytes"
	"errors"
	"io"
	"iter"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/dataplane/format"
)

// reader reads a FeatureCollection feature by feature, or a single Feature.
type reader struct{}

func (reader) Read(r io.Reader, in format.Input) iter.Seq2[format.Item, error] {
	return func(yield func(format.Item, error) bool) {
		c := &collection{ration: format.NewRation(r), in: in, yield: yield, rest: map[string]jsontext.Value{}}
		// Duplicate names and bad UTF-8 are let pass here and refused feature by feature.
		c.d = jsontext.NewDecoder(c.ration, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
		err := c.walk()
		if err == nil {
			err = c.close()
		}
		if err != nil && !errors.Is(err, errEnough) {
			yield(format.Item{}, format.JSONBroken(err))
		}
	}
}

// errEnough says that the caller wants no more.
var errEnough = errors.New("enough")

// collection is a document on its way through.
type collection struct {
	d        *jsontext.Decoder
	ration   *format.Ration
	in       format.Input
	yield    func(format.Item, error) bool
	features bool                      // the member was there
	rest     map[string]jsontext.Value // the other members
	size     int                       // of rest
}

func (c *collection) walk() error {
	t, err := c.d.ReadToken()
	if errors.Is(err, io.EOF) {
		return hansa.Errorf(hansa.Invalid, "the document is empty").With(hansa.CodeSyntax)
	}
	if err != nil {
		return err
	}
	if t.Kind() != '{' {
		return hansa.Errorf(hansa.Invalid, "a GeoJSON document is an object with type and features").With(hansa.CodeSyntax)
	}
	for {
		c.ration.Next(c.d.InputOffset())
		name, err := c.d.ReadToken()
		if err != nil {
			return unfinished(err)
		}
		if name.Kind() == '}' {
			break
		}
		if err := c.member(name.String()); err != nil {
			return unfinished(err)
		}
	}
	c.ration.Next(c.d.InputOffset())
	switch _, err := c.d.ReadToken(); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return err
	}
	return hansa.Errorf(hansa.Invalid, "there is more text after the document").With(hansa.CodeSyntax)
}

func (c *collection) member(name string) error {
	if name == "features" {
		if c.features {
			return hansa.Errorf(hansa.Invalid, "a member is there twice").With(hansa.CodeSyntax).At("/features")
		}
		c.features = true
		if err := c.known(); err != nil {
			return err
		}
		return c.array()
	}
	v, err := c.d.ReadValue()
	if err != nil {
		return err
	}
	if _, twice := c.rest[name]; twice {
		return hansa.Errorf(hansa.Invalid, "a member is there twice").With(hansa.CodeSyntax).At("/" + name)
	}
	if c.size += len(v); c.size > hansa.RecordBytesMax {
		return hansa.Errorf(hansa.Invalid, "the members beside features have at most %d bytes", hansa.RecordBytesMax).With(hansa.CodeTooLarge)
	}
	c.rest[name] = v.Clone()
	return nil
}

func (c *collection) array() error {
	t, err := c.d.ReadToken()
	if err != nil {
		return err
	}
	if t.Kind() != '[' {
		return hansa.Fielded("/features", "features is an array")
	}
	for {
		c.ration.Next(c.d.InputOffset())
		if c.d.PeekKind() == ']' {
			_, err := c.d.ReadToken()
			return err
		}
		b, err := c.d.ReadValue()
		if err != nil {
			return err
		}
		if !c.yield(item(bytes.Clone(b), c.in), nil) {
			return errEnough
		}
	}
}

// known refuses coordinates of another reference system, where the document
// still says so (GeoJSON of 2008).
func (c *collection) known() error {
	crs, ok := c.rest["crs"]
	if !ok || crs.Kind() == 'n' {
		return nil
	}
	for _, name := range []string{"CRS84", "EPSG::4326", "EPSG:4326"} {
		if bytes.Contains(crs, []byte(name)) {
			return nil
		}
	}
	return hansa.Fielded("/crs", "coordinates are longitude and latitude of WGS 84 (RFC 7946 section 4), not of %s", short(crs))
}

// close checks what the document was, now that all of it is read.
func (c *collection) close() error {
	if err := c.known(); err != nil {
		return err
	}
	var kind string
	if err := json.Unmarshal(c.rest["type"], &kind); err != nil && len(c.rest["type"]) > 0 {
		return hansa.Fielded("/type", "type is a string")
	}
	switch {
	case kind == "FeatureCollection" && c.features:
		return nil
	case kind == "Feature" && !c.features:
		b, err := json.Marshal(c.rest, json.Deterministic(true))
		if err != nil {
			return err
		}
		if !c.yield(item(b, c.in), nil) {
			return errEnough
		}
		return nil
	}
	return hansa.Fielded("/type", "a document is a FeatureCollection with features, or a Feature, not %q", kind)
}

func unfinished(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// item makes an item of one feature, whose bytes it keeps as the original.
func item(b []byte, in format.Input) format.Item {
	if len(b) > hansa.RecordBytesMax {
		return format.Item{Refused: hansa.Errorf(hansa.Invalid, "a feature has at most %d bytes, this one has %d", hansa.RecordBytesMax, len(b)).With(hansa.CodeTooLarge)}
	}
	if !format.Shallow(b) {
		return format.Item{Refused: hansa.Errorf(hansa.Invalid, "a feature nests at most %d deep", format.JSONDepthMax).With(hansa.CodeSyntax)}
	}
	var f foreign
	if err := json.Unmarshal(b, &f); err != nil {
		id, _ := f.identity()
		return format.Item{Refused: format.JSONRefusal(err), ID: id}
	}
	id, err := f.identity()
	if err != nil {
		return format.Item{Refused: err}
	}
	r, err := f.record(id)
	if err != nil {
		return format.Item{Refused: err, ID: id}
	}
	if !in.Now.IsZero() {
		r.Received = in.Now
	}
	r.Original, r.OriginalType = b, MediaType
	return format.Item{Record: r}
}
