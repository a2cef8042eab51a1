package hansa

import (
	"encoding/json"
	"strconv"
)

// AppendJSON appends g as a GeoJSON geometry (RFC 7946), longitude first.
func (g *Geometry) AppendJSON(b []byte) []byte {
	b = append(b, `{"type":"`...)
	b = append(b, g.Type...)
	b = append(b, `","coordinates":`...)
	switch {
	case len(g.Lines) == 0:
		b = append(b, "[]"...)
	case g.Type == Point:
		b = appendPosition(b, g.Lines[0][0])
	case g.Type == MultiLineString || g.Type == Polygon:
		b = append(b, '[')
		for i, l := range g.Lines {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendLine(b, l)
		}
		b = append(b, ']')
	default:
		b = appendLine(b, g.Lines[0])
	}
	return append(b, '}')
}

// MarshalJSON writes g as a GeoJSON geometry.
func (g *Geometry) MarshalJSON() ([]byte, error) {
	if err := g.Validate(); err != nil {
		return nil, err // NaN has no JSON
	}
	return g.AppendJSON(nil), nil
}

func appendLine(b []byte, l []Position) []byte {
	b = append(b, '[')
	for i, p := range l {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendPosition(b, p)
	}
	return append(b, ']')
}

func appendPosition(b []byte, p Position) []byte {
	b = append(b, '[')
	b = strconv.AppendFloat(b, p[0], 'f', -1, 64)
	b = append(b, ',')
	b = strconv.AppendFloat(b, p[1], 'f', -1, 64)
	return append(b, ']')
}

// UnmarshalJSON reads a GeoJSON geometry. A third coordinate is dropped; members
// other than type and coordinates are passed over. b must be one valid JSON value.
func (g *Geometry) UnmarshalJSON(b []byte) error {
	s := scan{b: b}
	if !s.take('{') {
		return Fielded("/geometry", "a geometry is a JSON object with type and coordinates")
	}
	*g = Geometry{}
	var nested any // []Position depth is settled once type is known
	for !s.take('}') {
		name, ok := s.str()
		if !ok || !s.take(':') {
			return Fielded("/geometry", "a geometry is a JSON object with type and coordinates")
		}
		switch name {
		case "type":
			t, ok := s.str()
			if !ok {
				return Fielded("/geometry/type", "a geometry's type is a string")
			}
			g.Type = GeometryType(t)
		case "coordinates":
			var err error
			if nested, err = s.coordinates(); err != nil {
				return err
			}
		default:
			s.skip()
		}
		if !s.take(',') && !s.peek('}') {
			return Fielded("/geometry", "a geometry is a JSON object with type and coordinates")
		}
	}
	return g.shape(nested)
}

// shape files the nested coordinates under g.Lines as g.Type wants them.
func (g *Geometry) shape(nested any) error {
	switch c := nested.(type) {
	case Position:
		if g.Type == Point {
			g.Lines = [][]Position{{c}}
			return nil
		}
	case []Position:
		if g.Type == LineString || g.Type == MultiPoint {
			g.Lines = [][]Position{c}
			return nil
		}
	case [][]Position:
		if g.Type == MultiLineString || g.Type == Polygon {
			g.Lines = c
			return nil
		}
	}
	return Fielded("/geometry/coordinates", "the coordinates do not fit a %s", g.Type)
}

// scan walks one JSON value that is known to be valid.
type scan struct {
	b []byte
	i int
	n int // positions read
}

func (s *scan) space() {
	for s.i < len(s.b) && (s.b[s.i] == ' ' || s.b[s.i] == '\n' || s.b[s.i] == '\t' || s.b[s.i] == '\r') {
		s.i++
	}
}

func (s *scan) peek(c byte) bool {
	s.space()
	return s.i < len(s.b) && s.b[s.i] == c
}

func (s *scan) take(c byte) bool {
	if s.peek(c) {
		s.i++
		return true
	}
	return false
}

// str reads a string.
func (s *scan) str() (string, bool) {
	if !s.take('"') {
		return "", false
	}
	from, escaped := s.i, false
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case '\\':
			s.i += 2
			escaped = true
		case '"':
			s.i++
			if !escaped {
				return string(s.b[from : s.i-1]), true
			}
			var plain string
			err := json.Unmarshal(s.b[from-1:s.i], &plain)
			return plain, err == nil
		default:
			s.i++
		}
	}
	return "", false
}

// skip passes over one value.
func (s *scan) skip() {
	depth := 0
	for s.space(); s.i < len(s.b); s.space() {
		switch c := s.b[s.i]; c {
		case '"':
			s.str()
		case '{', '[':
			depth++
			s.i++
		case '}', ']':
			if depth == 0 {
				return
			}
			depth--
			s.i++
		case ',':
			if depth == 0 {
				return
			}
			s.i++
		default:
			s.i++
			continue
		}
		if depth == 0 && (s.peek(',') || s.peek('}')) {
			return
		}
	}
}

func (s *scan) number() (float64, bool) {
	s.space()
	from := s.i
	for s.i < len(s.b) && (s.b[s.i] >= '0' && s.b[s.i] <= '9' || s.b[s.i] == '-' || s.b[s.i] == '+' || s.b[s.i] == '.' || s.b[s.i] == 'e' || s.b[s.i] == 'E') {
		s.i++
	}
	f, err := strconv.ParseFloat(string(s.b[from:s.i]), 64)
	return f, err == nil
}

// nesting is the error for coordinates that are no such arrays.
func nesting() *Error {
	return Fielded("/geometry/coordinates", "coordinates are arrays of numbers, at most three arrays deep")
}

// coordinates reads a Position, []Position or [][]Position.
func (s *scan) coordinates() (any, error) {
	if !s.take('[') {
		return nil, nesting()
	}
	if !s.peek('[') {
		return s.position()
	}
	s.take('[')
	if !s.peek('[') {
		return s.line()
	}
	var lines [][]Position
	for {
		l, err := s.line()
		if err != nil {
			return nil, err
		}
		if lines = append(lines, l); s.take(']') {
			return lines, nil
		}
		if !s.take(',') || !s.take('[') {
			return nil, nesting()
		}
	}
}

// line reads the rest of an array of positions: its bracket is open, and if it
// holds numbers rather than arrays, so is that of its first position.
func (s *scan) line() ([]Position, error) {
	first := !s.peek('[')
	line := make([]Position, 0, 8)
	for {
		if !first && !s.take('[') {
			return nil, nesting()
		}
		first = false
		p, err := s.position()
		if err != nil {
			return nil, err
		}
		if line = append(line, p); s.take(']') {
			return line, nil
		}
		if !s.take(',') {
			return nil, nesting()
		}
	}
}

// position reads the rest of a position whose bracket is open.
func (s *scan) position() (p Position, err error) {
	if s.n++; s.n > VerticesMax {
		return p, Fielded("/geometry/coordinates", "a geometry has at most %d positions", VerticesMax)
	}
	for i := 0; ; i++ {
		f, ok := s.number()
		if !ok {
			return p, nesting()
		}
		if i < 2 {
			p[i] = f
		}
		if s.take(']') {
			if i == 0 {
				return p, nesting()
			}
			return p, nil
		}
		if !s.take(',') {
			return p, nesting()
		}
	}
}
