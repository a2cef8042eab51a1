package policy

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hansa-exchange/hansa"
)

// atom is one atomic constraint, read. Which of its values are set depends on the
// operand.
type atom struct {
	*operand
	at        string // JSON pointer
	operator  string
	forbids   bool     // it stands in a prohibition
	list      []string // purposes, formats, parties, kinds, fields, windows as written; or the one value
	moment    time.Time
	after     *period // counted from the agreement; nil is at moment
	area      *hansa.Geometry
	delay     time.Duration
	precision int
	windows   []hansa.Recurrence
}

// not reports whether a holds for what it does not list.
func (a *atom) not() bool { return a.operator == "neq" || a.operator == "isNoneOf" }

func wrong(format string, args ...any) error { return hansa.Errorf(hansa.Invalid, format, args...) }

// readTexts reads a string or a list of strings; eq and neq take one alone.
func readTexts(a *atom, v jsontext.Value) ([]string, error) {
	items := []jsontext.Value{v}
	if v.Kind() == '[' {
		items = nil
		if err := json.Unmarshal(v, &items); err != nil {
			return nil, refusal(err)
		}
	}
	if len(items) > ValuesMax {
		return nil, wrong("the right operand of %s lists at most %d values, not %d", a.name, ValuesMax, len(items))
	}
	list := make([]string, 0, len(items))
	for _, item := range items {
		s, ok := text(item)
		if !ok || !printable(s) {
			return nil, wrong("the right operand of %s is a string or a list of strings, each of 1 to %d bytes without control characters", a.name, ValueBytesMax)
		}
		list = append(list, s)
	}
	switch {
	case len(list) == 0:
		return nil, wrong("the right operand of %s is an empty list: it needs a value", a.name)
	case len(list) > 1 && a.operator != "isAnyOf" && a.operator != "isNoneOf":
		return nil, wrong("%s %s takes one value, not %d: use isAnyOf or isNoneOf for a list", a.name, a.operator, len(list))
	}
	return list, nil
}

// printable keeps out what could not be said back to a person, or not in a line.
func printable(s string) bool {
	return s != "" && len(s) <= ValueBytesMax && strings.IndexFunc(s, unicode.IsControl) < 0
}

func readText(a *atom, v jsontext.Value, want string) (string, error) {
	if s, ok := text(v); ok {
		return s, nil
	}
	return "", wrong("the right operand of %s is %s, as a string, not a JSON %s", a.name, want, kindNames[v.Kind()])
}

func readList(a *atom, v jsontext.Value) (err error) {
	a.list, err = readTexts(a, v)
	return err
}

// readAmong reads a list of known words.
func readAmong(a *atom, v jsontext.Value, known []string) (err error) {
	if a.list, err = readTexts(a, v); err != nil {
		return err
	}
	for _, s := range a.list {
		if !slices.Contains(known, s) {
			return wrong("%s is one of %s, not %q", a.name, strings.Join(known, ", "), clip(s))
		}
	}
	return nil
}

func readKinds(a *atom, v jsontext.Value) error {
	return readAmong(a, v, []string{string(hansa.City), string(hansa.PublicBody), string(hansa.Company), string(hansa.Intermediary)})
}

func readFields(a *atom, v jsontext.Value) error { return readAmong(a, v, hansa.Fields()) }

func readOnly(value string) func(*atom, jsontext.Value) error {
	return func(a *atom, v jsontext.Value) error { return readAmong(a, v, []string{value}) }
}

var accordHash = regexp.MustCompile(`^sha-256:[0-9a-f]{64}$`)

func readAccord(a *atom, v jsontext.Value) error {
	const want = "sha-256: and the 64 hex digits of the accord's version, in lower case"
	s, err := readText(a, v, want)
	if err != nil {
		return err
	}
	if !accordHash.MatchString(s) {
		return wrong("the right operand of %s is %s, not %q", a.name, want, clip(s))
	}
	a.list = []string{strings.TrimPrefix(s, "sha-256:")}
	return nil
}

func readPrecision(a *atom, v jsontext.Value) error {
	const want = "a number of decimals, 0 to 7"
	s, err := readText(a, v, want)
	if err != nil {
		return err
	}
	if len(s) != 1 || s[0] < '0' || s[0] > '7' {
		return wrong("the right operand of %s is %s, not %q", a.name, want, clip(s))
	}
	a.precision = int(s[0] - '0')
	return nil
}

// readArea reads a Polygon, as GeoJSON or as its text, or the name of an area.
func readArea(a *atom, v jsontext.Value) error {
	s, ok := text(v)
	switch {
	case ok && (s == "" || s[0] != '{'):
		if !printable(s) {
			return wrong("the name of an area has 1 to %d bytes without control characters", ValueBytesMax)
		}
		a.list = []string{s}
		return nil
	case ok:
		v = jsontext.Value(s)
	case v.Kind() != '{':
		return wrong("the right operand of spatial is an area's name or a GeoJSON Polygon, not a JSON %s", kindNames[v.Kind()])
	}
	g := new(hansa.Geometry)
	if err := json.Unmarshal(v, g); err != nil {
		return wrong("the right operand of spatial is not the GeoJSON of a Polygon")
	}
	if g.Type != hansa.Polygon {
		return wrong("an area is a Polygon, not a %s", g.Type)
	}
	if err := g.Validate(); err != nil {
		return wrong("the area is not a shape: %s", hansa.Public(err).Message)
	}
	a.area = g
	return nil
}

// readWindows reads recurring windows, each as an object or as its text.
func readWindows(a *atom, v jsontext.Value) error {
	items := []jsontext.Value{v}
	if v.Kind() == '[' {
		items = nil
		if err := json.Unmarshal(v, &items); err != nil {
			return refusal(err)
		}
	}
	if len(items) > ValuesMax {
		return wrong("%s lists at most %d windows, not %d", a.name, ValuesMax, len(items))
	}
	for i, item := range items {
		if s, ok := text(item); ok {
			item = jsontext.Value(s)
		}
		var r hansa.Recurrence
		if err := json.Unmarshal(item, &r, json.RejectUnknownMembers(true)); err != nil {
			return wrong("window %d of %s is no recurring window, such as {\"zone\":\"Europe/Amsterdam\",\"from\":\"06:00\",\"to\":\"22:00\"}", i+1, a.name)
		}
		if err := r.Validate(); err != nil {
			return wrong("window %d of %s: %s", i+1, a.name, hansa.Public(err).Message)
		}
		a.windows = append(a.windows, r)
	}
	if len(items) == 0 || a.operator == "eq" && len(items) > 1 {
		return wrong("%s %s takes %s, not %d", a.name, a.operator, map[bool]string{true: "one window", false: "at least one window"}[a.operator == "eq"], len(items))
	}
	return nil
}

func readDelay(a *atom, v jsontext.Value) error {
	p, err := readPeriod(a, v)
	if err != nil {
		return err
	}
	if p.months != 0 {
		return wrong("a delay is in days, hours, minutes and seconds: years and months differ in length")
	}
	a.delay = time.Duration(p.days)*24*time.Hour + p.rest
	return nil
}

func readElapsed(a *atom, v jsontext.Value) error {
	p, err := readPeriod(a, v)
	a.after = &p
	return err
}

func readMoment(a *atom, v jsontext.Value) error {
	const want = "a date and time with its zone, such as 2026-12-01T00:00:00Z"
	s, err := readText(a, v, want)
	if err != nil {
		return err
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04Z07:00"} {
		if t, bad := time.Parse(layout, s); bad == nil && t.UTC().Year() >= 1000 && t.UTC().Year() <= 9999 {
			a.moment = t.UTC()
			return nil
		}
	}
	return wrong("the right operand of %s is %s, not %q", a.name, want, clip(s))
}

// relativeDate is how EDC counts from the agreement.
var relativeDate = regexp.MustCompile(`^contract[aA]greement\+(-?[0-9]{1,9})([smhd])$`)

func readInForce(a *atom, v jsontext.Value) error {
	s, ok := text(v)
	if !ok || !strings.HasPrefix(s, "contract") {
		return readMoment(a, v)
	}
	m := relativeDate.FindStringSubmatch(s)
	if m == nil {
		return wrong("a date in force is counted as contractAgreement+30d, in s, m, h or d, not %q", clip(s))
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return wrong("%q is no count", m[1])
	}
	p := period{days: n}
	if unit := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour}[m[2]]; unit != 0 {
		p = period{rest: time.Duration(n) * unit}
		if most := int(hoursMax * time.Hour / unit); n > most || n < -most {
			p = period{days: daysMax + 1}
		}
	}
	if p.tooLong() {
		return wrong("a period has at most 100 years, not %s", m[1]+m[2])
	}
	a.after = &p
	return nil
}
