package policy_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
)

func TestTerms(t *testing.T) {
	agreed := noon
	purpose := atomic("purpose", "isAnyOf", `["a","b","c"]`)
	three := 3
	for _, tc := range []struct {
		name, policy string
		want         hansa.Terms
	}{
		{"nothing said", permitting(), hansa.Terms{}},
		{"lists that meet", permitting(purpose, atomic("purpose", "isAnyOf", `["b","c","d"]`), atomic("purpose", "neq", `"c"`)), hansa.Terms{Purposes: []hansa.Purpose{"b"}}},
		{"a choice of purposes", permitting(`{"or":[` + atomic("purpose", "eq", `"a"`) + `,` + atomic("purpose", "eq", `"b"`) + `]}`), hansa.Terms{Purposes: []hansa.Purpose{"a", "b"}}},
		{"all of, within", permitting(`{"and":[{"xone":[` + purpose + `]}]}`), hansa.Terms{Purposes: []hansa.Purpose{"a", "b", "c"}}},
		{"who and under what", permitting(atomic("recipient", "eq", `"did:web:a"`), atomic(policy.PartyKind, "eq", `"city"`), atomic(policy.Accord, "eq", `"sha-256:`+hash+`"`)), hansa.Terms{}},
		{"the narrowest", permitting(
			atomic("dateTime", "gteq", `"2026-07-01T00:00:00Z"`), atomic("dateTime", "gt", `"2026-06-01T00:00:00Z"`),
			atomic("elapsedTime", "lteq", `"P1M"`), atomic(policy.InForceDate, "lt", `"contractAgreement+60d"`),
			atomic(policy.Delay, "eq", `"PT1M"`), atomic(policy.Delay, "gteq", `"P1DT0.5S"`),
			atomic(policy.Precision, "lteq", `"5"`), atomic(policy.Precision, "eq", `"3"`), atomic(policy.Fields, "isAnyOf", `["cause","texts"]`), atomic(policy.Fields, "eq", `"texts"`)), hansa.Terms{
			From: time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC), Until: time.Date(2026, 8, 4, 12, 0, 0, 1, time.UTC),
			Delay: hansa.Duration(24*time.Hour + 500*time.Millisecond), Precision: &three, Fields: []string{"texts"},
		}},
		{"conditions", permitting(atomic(policy.Audience, "eq", `"public"`), atomic(policy.Personal, "eq", `"none"`)), hansa.Terms{Conditions: map[string]string{"audience": "public", "personal": "none"}}},
		{
			"prohibitions", `{"@id":"p","permission":[{"action":"use","constraint":[` + purpose + `,` + atomic("fileFormat", "isAnyOf", `["x","y"]`) + `]}],"prohibition":[{"action":"use","constraint":[` +
				atomic("purpose", "eq", `"b"`) + `]},{"action":"use","constraint":[` + atomic("purpose", "isNoneOf", `["a","b"]`) + `]},{"action":"use","constraint":[` + atomic("fileFormat", "eq", `"x"`) + `]},{"action":"use","constraint":[` +
				atomic("dateTime", "gteq", `"2026-08-01T00:00:00Z"`) + `]},{"action":"use","constraint":[` + atomic("recipient", "eq", `"did:web:b"`) + `]}]}`,
			hansa.Terms{Purposes: []hansa.Purpose{"a"}, Formats: []hansa.Format{"y"}, Until: time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC)},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := parse(t, tc.policy).Terms(agreed)
			if err != nil || !reflect.DeepEqual(got, tc.want) {
				t.Errorf("got %+v, %v\nwant %+v", got, err, tc.want)
			}
		})
	}
}

func TestTermsRefuseWhatTheGateCannotHoldTo(t *testing.T) {
	purpose := atomic("purpose", "eq", `"a"`)
	square := func(x string) string {
		return `{"type":"Polygon","coordinates":[[[` + x + `,52],[5,52],[5,53],[` + x + `,52]]]}`
	}
	for _, tc := range []struct{ name, policy, field, words string }{
		{"an obligation", `{"@id":"p","permission":[{"action":"use"}],"obligation":[{"action":"use"}]}`, "/obligation/0", "obligation"},
		{"no permission", `{"@id":"p","prohibition":[{"action":"use"}]}`, "/permission", "nothing is permitted"},
		{"two permissions", `{"@id":"p","permission":[{"action":"use"},{"action":"use"}]}`, "/permission", "one offer of each"},
		{"a choice", permitting(`{"or":[` + purpose + `,` + atomic("dateTime", "lt", `"2026-08-01T00:00:00Z"`) + `]}`), "/permission/0/constraint/0/or", "choice between conditions: any of (the purpose is a; it is before"},
		{"a choice of what is not", permitting(`{"or":[` + purpose + `,` + atomic("purpose", "neq", `"b"`) + `]}`), "/permission/0/constraint/0/or", "choice"},
		{"a long choice", permitting(`{"or":[` + atomic("purpose", "isAnyOf", `["b"`+strings.Repeat(`,"a"`, policy.ValuesMax-1)+`]`) + `,` + purpose + `]}`), "/permission/0/constraint/0/or", "at most 256 values"},
		{"exactly one", permitting(`{"xone":[` + purpose + `,` + purpose + `]}`), "/permission/0/constraint/0/xone", "choice"},
		{"all purposes but one", permitting(atomic("purpose", "neq", `"a"`)), "/permission/0/constraint/0", "which is not"},
		{"no purpose left", permitting(purpose, atomic("purpose", "eq", `"b"`)), "/permission/0/constraint/1", "no purpose on which all agree"},
		{"no field left", permitting(atomic(policy.Fields, "eq", `"texts"`), atomic(policy.Fields, "eq", `"lanes"`)), "/permission/0/constraint/1", "no field"},
		{"a named area", permitting(atomic("spatial", "eq", `"http://example.org/EU"`)), "/permission/0/constraint/0/rightOperand", "GeoJSON"},
		{"two areas", permitting(atomic("spatial", "eq", square("4")), atomic("spatial", "eq", square("3"))), "/permission/0/constraint/1", "one area"},
		{"two lists of windows", permitting(atomic(policy.Window, "eq", `{"zone":"UTC","from":"06:00","to":"22:00"}`), atomic(policy.Window, "eq", `{"zone":"UTC","from":"06:00","to":"21:00"}`)), "/permission/0/constraint/1", "two lists"},
		{"an end before the beginning", permitting(atomic("dateTime", "lt", `"2026-07-01T00:00:00Z"`), atomic("dateTime", "gteq", `"2026-07-01T00:00:00Z"`)), "/permission/0/constraint", "never in force"},
		{"what counts from no agreement", permitting(atomic("elapsedTime", "lt", `"P1D"`)), "/permission/0/constraint/0", "counts from the agreement"},
		{"a prohibition by place", forbidding(atomic("spatial", "eq", square("4"))), "/prohibition/0", "cannot hold to this prohibition: use when the place is in"},
		{"a prohibition of all", forbidding(), "/prohibition/0", "without conditions"},
		{"a prohibition of two things at once", forbidding(purpose, atomic("fileFormat", "eq", `"x"`)), "/prohibition/0", "and the format is x"},
		{"what is not known", permitting(atomic("count", "eq", `"1"`)), "/permission/0/constraint/0/leftOperand", "count"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := parse(t, tc.policy).Terms(time.Time{})
			e := hansa.Public(err)
			if e == nil || e.Kind != hansa.Invalid || e.Field != tc.field || !strings.Contains(e.Message, tc.words) {
				t.Errorf("got %+v, %v; want an Invalid error at %s with %q", got, err, tc.field, tc.words)
			}
		})
	}
}

// drawTerms draws terms that both a policy and the gate can say.
func drawTerms(t *rapid.T) hansa.Terms {
	word := rapid.StringMatching(`[a-zé"\\ ]{1,8}`)
	terms := hansa.Terms{
		Purposes: rapid.SliceOfNDistinct(rapid.Map(word, func(s string) hansa.Purpose { return hansa.Purpose(s) }), 1, 4, rapid.ID).Draw(t, "purposes"),
		Formats:  rapid.SliceOfNDistinct(rapid.Map(word, func(s string) hansa.Format { return hansa.Format(s) }), 1, 4, rapid.ID).Draw(t, "formats"),
		Delay:    hansa.Duration(rapid.Int64Range(0, int64(90*24*time.Hour)).Draw(t, "delay")),
	}
	if fields := rapid.SliceOfNDistinct(rapid.SampledFrom(hansa.Fields()), 0, 4, rapid.ID).Draw(t, "fields"); len(fields) > 0 {
		terms.Fields = fields
	}
	from := time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "from"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")).UTC()
	if rapid.Bool().Draw(t, "has from") {
		terms.From = from
	}
	if rapid.Bool().Draw(t, "has until") {
		terms.Until = from.Add(time.Duration(rapid.Int64Range(1, 1e18).Draw(t, "length")))
	}
	if rapid.Bool().Draw(t, "has area") {
		var ring []hansa.Position
		for range rapid.IntRange(3, 6).Draw(t, "n") {
			ring = append(ring, hansa.Position{rapid.Float64Range(-180, 180).Draw(t, "lon"), rapid.Float64Range(-90, 90).Draw(t, "lat")})
		}
		terms.Area = &hansa.Geometry{Type: hansa.Polygon, Lines: [][]hansa.Position{append(ring, ring[0])}}
	}
	if rapid.Bool().Draw(t, "has precision") {
		n := rapid.IntRange(0, 7).Draw(t, "precision")
		terms.Precision = &n
	}
	for range rapid.IntRange(0, 2).Draw(t, "windows") {
		terms.Windows = append(terms.Windows, rapid.SampledFrom([]hansa.Recurrence{
			{Zone: "Europe/Amsterdam", From: "06:00", To: "22:00"},
			{Zone: "UTC", Days: []string{"sunday"}, Weeks: []int{1, -1}, Months: []int{7}, Night: true, From: "00:00", To: "05:00", First: "2026-01-01", Last: "2026-12-31", Except: []string{"2026-05-05"}},
		}).Draw(t, "window"))
	}
	if rapid.Bool().Draw(t, "has conditions") {
		terms.Conditions = map[string]string{"audience": "public", "personal": "none"}
	}
	return terms
}

func TestTermsComeBackFromThePolicyThatSaysThem(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		terms := drawTerms(t)
		b, err := policy.FromTerms("urn:uuid:1", &terms).MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		p, err := policy.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Validate(policy.FormOffer); err != nil {
			t.Fatal(err)
		}
		got, err := p.Terms(time.Time{})
		if err != nil || !reflect.DeepEqual(got, terms) {
			t.Fatalf("%s\ngot  %+v, %v\nwant %+v", b, got, err, terms)
		}
	})
}

func TestTermsThatCannotBeSaidAreRefused(t *testing.T) {
	for _, terms := range []hansa.Terms{
		{Formats: []hansa.Format{"cifs"}},
		{Purposes: []hansa.Purpose{"a"}},
		{Purposes: []hansa.Purpose{"a"}, Formats: []hansa.Format{"cifs"}, Conditions: map[string]string{"weather": "dry"}},
	} {
		if err := policy.Check(policy.FromTerms("p", &terms)); err == nil {
			t.Errorf("%+v: the policy passes, and says more than the terms", terms)
		}
	}
}

func TestWords(t *testing.T) {
	p := parse(t, `{"@id":"p","permission":[{"action":"use"},{"action":"use","constraint":[`+strings.Join([]string{
		atomic("purpose", "isAnyOf", `["navigation","traffic-information"]`), atomic("dateTime", "gteq", `"2026-07-01T00:00:00Z"`), atomic(policy.InForceDate, "lteq", `"contractAgreement+30d"`),
		atomic("elapsedTime", "lt", `"P1Y2M3DT1H"`), atomic(policy.Precision, "eq", `"1"`), atomic(policy.Fields, "isAnyOf", `["cause","texts"]`),
		atomic("spatial", "isPartOf", `{"type":"Polygon","coordinates":[[[4.5,52],[5,52],[5,53],[4.5,52]]]}`), atomic(policy.Window, "eq", `{"zone":"Europe/Amsterdam","days":["sunday"],"night":true,"from":"22:00","to":"05:00","except":["2026-05-05"]}`),
		atomic(policy.Audience, "eq", `"public"`), atomic(policy.Personal, "eq", `"none"`),
	}, ",")+`]}],"prohibition":[{"action":"use","constraint":[{"or":[`+atomic("recipient", "eq", `"did:web:b"`)+`,`+atomic(policy.PartyKind, "eq", `"intermediary"`)+`]}]}],"obligation":[{"action":"use"}]}`)
	want := `Permitted: use, without conditions.
Permitted: use when the purpose is navigation or traffic-information, it is 2026-07-01 00:00 UTC or later, it is 30 days after the agreement or earlier, less than 1 year, 2 months, 3 days and 1 h have passed since the agreement, coordinates have at most 1 decimal, besides identity, time and place only cause and texts leave, the place is in the area drawn between 4.5, 52 and 5, 53, it is 22:00 to 05:00 Europe/Amsterdam on sunday (the night after), except 2026-05-05, only what is meant for the public leaves and no personal data leave.
Prohibited: use when any of (the receiver is did:web:b; the receiver is an intermediary).
Owed: use, without conditions.`
	if got := strings.Join(policy.Words(p), "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	got := policy.Words(parse(t, permitting(atomic("count", "eq", `"1"`))))
	if len(got) != 1 || !strings.HasPrefix(got[0], "This policy cannot be held to: /permission/0/constraint/0/leftOperand") {
		t.Errorf("got %q", got)
	}
}
