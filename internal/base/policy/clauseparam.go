package policy

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
)

// Params are the values of a clause's parameters by name, as they are written: a
// count in digits, a day as 2026-12-01, a list with commas.
type Params map[string]string

// Kind says what a parameter holds.
type Kind string

// The kinds of parameter. Values stand in signed texts.
const (
	KindCount    Kind = "count"    // a whole number from min to max, of the unit
	KindPercent  Kind = "percent"  // 0 to 100, at most two decimals
	KindMoney    Kind = "money"    // an ISO 4217 code and an amount: EUR 1250.00
	KindText     Kind = "text"     // one line of free text
	KindDate     Kind = "date"     // a day: 2026-12-01
	KindClock    Kind = "clock"    // a time of day: 06:00
	KindZone     Kind = "zone"     // an IANA time zone
	KindArea     Kind = "area"     // the GeoJSON of a Polygon
	KindChoice   Kind = "choice"   // one of the options
	KindPurposes Kind = "purposes" // a list of purposes
	KindFields   Kind = "fields"   // a list of [hansa.Fields]
	KindFormats  Kind = "formats"  // a list of formats
	KindKinds    Kind = "kinds"    // a list of kinds of party
	KindNames    Kind = "names"    // a list of other names: DIDs, columns of a foreign feed
)

// Param is one parameter of a clause.
type Param struct {
	Name    string   `json:"name"`
	Kind    Kind     `json:"kind"`
	Unit    string   `json:"unit,omitempty"` // of a count: seconds to months, working-days, or a thing counted
	Min     int64    `json:"min,omitzero"`
	Max     int64    `json:"max,omitzero"`
	Options []Option `json:"options,omitempty"` // of a choice
	// Default is what holds when nothing is said; "" is none, so that the parties
	// have to agree on a value.
	Default string `json:"default,omitempty"`
	Example string `json:"example,omitempty"` // where there is no default
}

// Option is one answer to a choice.
type Option struct {
	Value string `json:"value"`
	Text  Texts  `json:"text"`
}

// Limits of parameters.
const (
	ParamCountMax = 999_999 // below a million French and Italian have two forms of plural
	ParamItemsMax = 100     // of a list
	moneyMax      = 1e12
)

// value is a parameter's value, read.
type value struct {
	text string
	n    int64 // a count; hundredths of a percentage or an amount
	list []string
	day  time.Time
	area *hansa.Geometry
}

// units lists what a count may be of, when it is a length of time.
func units() []string {
	return []string{"seconds", "minutes", "hours", "days", "working-days", "months"}
}

func (p *Param) list() bool {
	return slices.Contains([]Kind{KindPurposes, KindFields, KindFormats, KindKinds, KindNames}, p.Kind)
}

func (p *Param) validate(before []Param) error {
	at := "/parameters/" + p.Name
	switch {
	case !hansa.ValidName(p.Name) || slices.ContainsFunc(before, func(o Param) bool { return o.Name == p.Name }):
		return hansa.Fielded(at, "a parameter has a name of a-z, 0-9 and hyphen that no other has")
	case p.Kind == KindCount && (p.Unit == "" || p.Min < 0 || p.Max < p.Min || p.Max == 0 || p.Max > ParamCountMax):
		return hansa.Fielded(at, "a count has a unit, and limits from 0 to %d", ParamCountMax)
	case p.Kind != KindCount && (p.Unit != "" || p.Min != 0 || p.Max != 0):
		return hansa.Fielded(at, "only a count has a unit and limits")
	case (p.Kind == KindChoice) != (len(p.Options) > 1):
		return hansa.Fielded(at, "a choice, and nothing else, has two options or more")
	case (p.Default == "") == (p.Example == ""):
		return hansa.Fielded(at, "a parameter has a default, or else an example")
	}
	for _, o := range p.Options {
		for _, lang := range Languages() {
			if o.Text.In(lang) == "" {
				return hansa.Fielded(at, "the option %s has no text in %s", o.Value, lang)
			}
		}
	}
	_, err := p.read(p.Default + p.Example)
	return err
}

// Examples returns a value for each parameter: its default, or else its example.
// An example shows how the clause reads; it is never a default.
func (c *Clause) Examples() Params {
	out := Params{}
	for i := range c.Params {
		out[c.Params[i].Name] = c.Params[i].Default + c.Params[i].Example
	}
	return out
}

// values reads params against c.
func (c *Clause) values(params Params) (map[string]value, error) {
	for _, name := range slices.Sorted(maps.Keys(params)) {
		if c.param(name) == nil {
			return nil, hansa.Fielded("/parameters/"+clip(name), "the clause %s has no parameter %q; it has %s", c.ID, clip(name), c.paramNames())
		}
	}
	out := make(map[string]value, len(c.Params))
	for i := range c.Params {
		p := &c.Params[i]
		s, given := params[p.Name]
		if !given {
			s = p.Default
		}
		if s == "" {
			return nil, hansa.Fielded("/parameters/"+p.Name, "the clause %s needs %s, which has no default: give %s", c.ID, p.Name, p.want())
		}
		v, err := p.read(s)
		if err != nil {
			return nil, err
		}
		out[p.Name] = v
	}
	return out, nil
}

func (c *Clause) paramNames() string {
	names := make([]string, len(c.Params))
	for i := range c.Params {
		names[i] = c.Params[i].Name
	}
	if len(names) == 0 {
		return "none"
	}
	return join(names, "and")
}

// want says what a value of p looks like.
func (p *Param) want() string {
	switch p.Kind {
	case KindCount:
		return fmt.Sprintf("a whole number of %s from %d to %d", p.Unit, p.Min, p.Max)
	case KindPercent:
		return "a percentage from 0 to 100 with at most two decimals"
	case KindMoney:
		return "a currency and an amount, such as EUR 1250.00"
	case KindDate:
		return "a day, such as 2026-12-01"
	case KindClock:
		return "a time of day from 00:00 to 24:00"
	case KindZone:
		return "an IANA time zone, such as Europe/Amsterdam"
	case KindArea:
		return "the GeoJSON of a Polygon"
	case KindChoice:
		options := make([]string, len(p.Options))
		for i, o := range p.Options {
			options[i] = o.Value
		}
		return join(options, "or")
	case KindFields:
		return "a list of " + strings.Join(hansa.Fields(), ", ")
	case KindKinds:
		return "a list of city, public-body, company, intermediary"
	case KindPurposes, KindFormats, KindNames:
		return fmt.Sprintf("a list of 1 to %d %s, with commas between them", ParamItemsMax, p.Kind)
	case KindText:
	}
	return fmt.Sprintf("one line of 1 to %d bytes", ValueBytesMax)
}

var (
	digits   = regexp.MustCompile(`^(0|[1-9][0-9]{0,5})$`)
	decimals = regexp.MustCompile(`^(0|[1-9][0-9]{0,11})(?:\.([0-9]{1,2}))?$`)
	clocks   = regexp.MustCompile(`^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$`)
	currency = regexp.MustCompile(`^[A-Z]{3} `)
)

// read reads s as a value of p. Its error names the parameter and the rule.
func (p *Param) read(s string) (v value, err error) {
	v.text = s
	ok := false
	switch p.Kind {
	case KindCount:
		v.n, _ = strconv.ParseInt(s, 10, 64)
		ok = digits.MatchString(s) && v.n >= p.Min && v.n <= p.Max
	case KindPercent:
		v.n, ok = hundredths(s)
		ok = ok && v.n <= 100_00
	case KindMoney:
		if currency.MatchString(s) {
			v.n, ok = hundredths(s[4:])
			ok = ok && v.n <= moneyMax*100
		}
	case KindDate:
		v.day, err = time.Parse(time.DateOnly, s)
		ok = err == nil && v.day.Year() >= 2000
	case KindClock:
		ok = clocks.MatchString(s)
	case KindZone:
		_, err = time.LoadLocation(s)
		ok = err == nil && s != "Local" && printable(s)
	case KindArea:
		v.area = new(hansa.Geometry)
		ok = json.Unmarshal([]byte(s), v.area) == nil && v.area.Type == hansa.Polygon && v.area.Validate() == nil
	case KindChoice:
		ok = slices.ContainsFunc(p.Options, func(o Option) bool { return o.Value == s })
	case KindText:
		ok = printable(s) && strings.TrimSpace(s) == s
	case KindPurposes, KindFields, KindFormats, KindKinds, KindNames:
		v.list = strings.Split(s, ",")
		ok = p.readsList(v.list)
	}
	if !ok {
		return value{}, hansa.Fielded("/parameters/"+p.Name, "%s is %s, not %q", p.Name, p.want(), clip(s))
	}
	return v, nil
}

func (p *Param) readsList(list []string) bool {
	known := map[Kind][]string{
		KindFields: hansa.Fields(),
		KindKinds:  {string(hansa.City), string(hansa.PublicBody), string(hansa.Company), string(hansa.Intermediary)},
	}[p.Kind]
	for i, s := range list {
		if !printable(s) || strings.TrimSpace(s) != s || slices.Contains(list[:i], s) || known != nil && !slices.Contains(known, s) {
			return false
		}
	}
	return len(list) <= ParamItemsMax
}

func hundredths(s string) (int64, bool) {
	m := decimals.FindStringSubmatch(s)
	if m == nil {
		return 0, false
	}
	n, err := strconv.ParseInt(m[1]+(m[2] + "00")[:2], 10, 64)
	return n, err == nil
}

// say writes v as people read it in lang.
func (p *Param) say(v value, lang string) string {
	switch p.Kind {
	case KindPercent:
		return sayDecimal(v.n, lang)
	case KindMoney:
		return sayMoney(v.text[:3], v.n, lang)
	case KindDate:
		return sayDay(v, lang)
	case KindArea:
		return sayBounds(v.area)
	case KindChoice:
		i := slices.IndexFunc(p.Options, func(o Option) bool { return o.Value == v.text })
		return p.Options[i].Text.In(lang)
	case KindPurposes, KindFields, KindFormats, KindKinds, KindNames:
		out := make([]string, len(v.list))
		for i, s := range v.list {
			if label, ok := Label(string(p.Kind), s, lang); ok {
				out[i] = label
			} else {
				out[i] = quoteIn(s, lang)
			}
		}
		return sayList(out, lang)
	case KindCount, KindText, KindClock, KindZone:
	}
	return v.text
}

// sayBounds writes the box around an area, longitude first.
func sayBounds(g *hansa.Geometry) string {
	west, south, east, north := g.Bounds()
	f := func(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }
	return f(west) + " " + f(south) + " – " + f(east) + " " + f(north)
}
