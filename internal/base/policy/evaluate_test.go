package policy_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
)

var noon = time.Date(2026, 7, 4, 12, 0, 0, 0, time.UTC)

const hash = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// known returns all that can be known of a reader at noon.
func known() policy.Input {
	return policy.Input{
		Now: noon, Agreed: noon.AddDate(0, 0, -10), Caller: "did:web:nav", CallerKind: hansa.Company,
		Purposes: []hansa.Purpose{"navigation"}, Format: "cifs", Accords: func(h string) bool { return h == hash },
	}
}

func compile(t testing.TB, p *policy.Policy) *policy.Compiled {
	t.Helper()
	c, err := policy.Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// atomic writes a constraint; right is JSON.
func atomic(left, operator, right string) string {
	return `{"leftOperand":"` + left + `","operator":"` + operator + `","rightOperand":` + right + `}`
}

func permitting(constraints ...string) string {
	return `{"@id":"p","permission":[{"action":"use","constraint":[` + strings.Join(constraints, ",") + `]}]}`
}

func forbidding(constraints ...string) string {
	return `{"@id":"p","permission":[{"action":"use"}],"prohibition":[{"action":"use","constraint":[` + strings.Join(constraints, ",") + `]}]}`
}

func TestEvaluate(t *testing.T) {
	purpose, expired := atomic("purpose", "eq", `"navigation"`), atomic("dateTime", "lt", `"2026-07-04T12:00:00Z"`)
	nothing := func(in *policy.Input) { *in = policy.Input{Now: noon} }
	with := func(purposes ...hansa.Purpose) func(*policy.Input) {
		return func(in *policy.Input) { in.Purposes = purposes }
	}
	for _, tc := range []struct {
		name, policy string
		scope        policy.Scope
		change       func(*policy.Input)
		want         string
	}{
		{"no constraints", permitting(), policy.Use, nil, "allowed: use is permitted without conditions"},
		{"nothing permits by default", `{"@id":"p","prohibition":[{"action":"use","constraint":[` + expired + `]}]}`, policy.Use, nil, "denied: nothing permits it: the policy has no permission, and what is not permitted is denied"},
		{"the purpose", permitting(purpose), policy.Use, nil, "allowed: purpose is navigation: agreed"},
		{"another purpose", permitting(purpose), policy.Negotiation, with("advertising"), "denied: purpose is advertising: not agreed; agreed is navigation"},
		{"two purposes, one agreed", permitting(purpose), policy.Use, with("navigation", "advertising"), "denied: purpose is advertising: not agreed; agreed is navigation"},
		{"two purposes", permitting(atomic("purpose", "isAnyOf", `["a","b","c"]`)), policy.Use, with("a", "b"), "allowed: purpose is a: agreed; purpose is b: agreed"},
		{"no purpose in the catalogue", permitting(purpose), policy.Catalogue, nothing, "allowed: purpose is navigation: left open here, it is not known yet"},
		{"no purpose in the negotiation", permitting(purpose), policy.Negotiation, nothing, "denied: purpose is navigation: none is named"},
		{"none of", permitting(atomic("purpose", "isNoneOf", `["a","b"]`)), policy.Use, with("b"), "denied: purpose is b: not agreed; agreed is not a or b"},
		{"over", permitting(expired), policy.Use, nil, "denied: in force until 2026-07-04 12:00 UTC: has passed"},
		{"not yet over", permitting(expired), policy.Use, func(in *policy.Input) { in.Now = noon.Add(-1) }, "allowed: in force until 2026-07-04 12:00 UTC: has not passed"},
		{"the last moment of lteq", permitting(atomic("dateTime", "lteq", `"2026-07-04T14:00+02:00"`)), policy.Use, nil, "allowed: in force until 2026-07-04 12:00 UTC: has not passed"},
		{"the first moment of gt", permitting(atomic("dateTime", "gt", `"2026-07-04T12:00:00Z"`)), policy.Use, nil, "denied: in force after 2026-07-04 12:00 UTC: has not begun"},
		{"exactly now", permitting(atomic("dateTime", "eq", `"2026-07-04T12:00:00Z"`)), policy.Use, nil, "allowed: in force only at 2026-07-04 12:00 UTC: has not passed"},
		{"elapsed", permitting(atomic("elapsedTime", "lteq", `"P10D"`)), policy.Use, nil, "allowed: in force until 2026-07-04 12:00 UTC (10 days after the agreement): has not passed"},
		{"elapsed to the end", permitting(atomic("elapsedTime", "lt", `"P10D"`)), policy.Use, nil, "denied: in force until 2026-07-04 12:00 UTC (10 days after the agreement): has passed"},
		{"elapsed before an agreement", permitting(atomic("elapsedTime", "lteq", `"P1M"`)), policy.Negotiation, nothing, "allowed: in force until 1 month after the agreement: left open until there is one"},
		{"elapsed without an agreement", permitting(atomic("elapsedTime", "lteq", `"P1M"`)), policy.Transfer, nothing, "denied: in force until 1 month after the agreement: it is not known when that was made"},
		{"relative", permitting(atomic(policy.InForceDate, "lteq", `"contractAgreement+9d"`)), policy.Use, nil, "denied: in force until 2026-07-03 12:00 UTC (9 days after the agreement): has passed"},
		{"absolute", permitting(atomic("edc:inForceDate", "gteq", `"2026-07-04T12:00:01Z"`)), policy.Use, nil, "denied: in force from 2026-07-04 12:00:01 UTC: has not begun"},
		{"the receiver", permitting(atomic("recipient", "isAnyOf", `["did:web:nav","did:web:b"]`)), policy.Catalogue, nil, "allowed: receiver is did:web:nav: agreed"},
		{"another receiver", permitting(atomic("assignee", "eq", `"did:web:b"`)), policy.Catalogue, nil, "denied: receiver is did:web:nav: not agreed; agreed is did:web:b"},
		{"nobody", permitting(atomic("recipient", "eq", `"did:web:b"`)), policy.Catalogue, nothing, "denied: receiver is did:web:b: none is named"},
		{"a kind of party", permitting(atomic(policy.PartyKind, "isAnyOf", `["city","public-body"]`)), policy.Negotiation, nil, "denied: receiver is a company: not agreed; agreed is a city or a public body"},
		{"the format", permitting(atomic("odrl:fileFormat", "isAnyOf", `["cifs","datex2"]`)), policy.Use, nil, "allowed: format is cifs: agreed"},
		{"the format before a transfer", permitting(atomic("fileFormat", "eq", `"cifs"`)), policy.Negotiation, func(in *policy.Input) { in.Format = "" }, "allowed: format is cifs: left open here, it is not known yet"},
		{"the accord", permitting(atomic(policy.Accord, "eq", `"sha-256:`+hash+`"`)), policy.Negotiation, nil, "allowed: accord sha-256:" + hash + ": in force here"},
		{"another accord", permitting(atomic(policy.Accord, "eq", `"sha-256:`+hash[1:]+`0"`)), policy.Use, nil, "denied: accord sha-256:" + hash[1:] + "0: this exchange holds no such accord in force"},
		{"no accords", permitting(atomic(policy.Accord, "eq", `"sha-256:`+hash+`"`)), policy.Use, nothing, "denied: accord sha-256:" + hash + ": this exchange cannot look for accords"},
		{"what the gate holds to", permitting(atomic(policy.Delay, "gteq", `"PT90S"`)), policy.Use, nil, "allowed: each record is held back for 1 min 30 s: held to by the gate, on each record"},
		{"any of", permitting(`{"or":[` + purpose + `,` + expired + `]}`), policy.Use, nil, "allowed: any of (purpose is navigation: agreed; in force until 2026-07-04 12:00 UTC: has passed)"},
		{"exactly one of two that hold", permitting(`{"xone":[` + purpose + `,` + purpose + `]}`), policy.Use, nil, "denied: exactly one of (purpose is navigation: agreed; purpose is navigation: agreed)"},
		{"all of", permitting(`{"andSequence":[` + purpose + `,` + expired + `]}`), policy.Use, nil, "denied: all of (purpose is navigation: agreed; in force until 2026-07-04 12:00 UTC: has passed)"},
		{"the second permission", `{"@id":"p","permission":[{"action":"use","constraint":[` + expired + `]},{"action":"use","constraint":[` + purpose + `]}]}`, policy.Use, nil, "allowed: purpose is navigation: agreed"},
		{"no permission of two", `{"@id":"p","permission":[{"action":"use","constraint":[` + purpose + `,` + expired + `]},{"action":"use","constraint":[` + atomic("purpose", "eq", `"b"`) + `]}]}`, policy.Use, nil, "denied: in force until 2026-07-04 12:00 UTC: has passed; purpose is navigation: not agreed; agreed is b"},
		{"a prohibition", forbidding(purpose), policy.Use, nil, "denied: prohibited when the purpose is navigation: applies"},
		{"a prohibition for one of two purposes", forbidding(purpose), policy.Use, with("b", "navigation"), "denied: prohibited when the purpose is navigation: applies"},
		{"a prohibition of something else", forbidding(purpose), policy.Use, with("b"), "allowed: use is permitted without conditions; prohibited when the purpose is navigation: does not apply"},
		{"a prohibition left open", forbidding(purpose), policy.Catalogue, nothing, "allowed: use is permitted without conditions; prohibited when the purpose is navigation: left open here"},
		{"a prohibition that cannot be ruled out", forbidding(purpose), policy.Transfer, nothing, "denied: prohibited when the purpose is navigation: cannot be ruled out"},
		{"a prohibition that no gate holds to", forbidding(atomic("spatial", "eq", `"http://example.org/EU"`)), policy.Negotiation, nil, "denied: prohibited when the place is in http://example.org/EU: cannot be ruled out"},
		{"all is prohibited", forbidding(), policy.Use, nil, "denied: use is prohibited without conditions"},
		{"an obligation", `{"@id":"p","permission":[{"action":"use"}],"obligation":[{"action":"use"}]}`, policy.Use, nil, "allowed: use is permitted without conditions; Owed: use, without conditions. This exchange does not measure it."},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in := known()
			if tc.change != nil {
				tc.change(&in)
			}
			c := compile(t, parse(t, tc.policy))
			got := c.Evaluate(tc.scope, in)
			if got.String() != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
			if c.Allows(tc.scope, in) != got.Allowed {
				t.Errorf("Allows says %v", !got.Allowed)
			}
		})
	}
}

func TestTheZeroCompiledPermitsNothing(t *testing.T) {
	if d := new(policy.Compiled).Evaluate(policy.Use, known()); d.Allowed {
		t.Error(d)
	}
}

func TestCheckNamesWhatItDoesNotKnow(t *testing.T) {
	ring := `"{\"type\":\"Polygon\",\"coordinates\":[[[4,52],[5,52],[5,53],[4,53]]]}"`
	for _, tc := range []struct{ name, policy, field, words string }{
		{"an action", `{"@id":"p","permission":[{"action":"distribute"}]}`, "/permission/0/action", `action "distribute"`},
		{"a left operand", permitting(atomic("count", "lteq", `"5"`)), "/permission/0/constraint/0/leftOperand", `"count" and cannot hold to it; it knows purpose, dateTime`},
		{"one within", forbidding(`{"or":[` + atomic("count", "lteq", `"5"`) + `]}`), "/prohibition/0/constraint/0/or/0/leftOperand", `"count"`},
		{"an operator that does not fit", permitting(atomic("purpose", "lt", `"a"`)), "/permission/0/constraint/0/operator", "lt does not fit purpose, which takes eq, isAnyOf, neq, isNoneOf"},
		{"an operator that there is not", permitting(atomic("purpose", "like", `"a"`)), "/permission/0/constraint/0/operator", `no operator "like"`},
		{"a list for eq", permitting(atomic("purpose", "eq", `["a","b"]`)), "/permission/0/constraint/0/rightOperand", "takes one value, not 2"},
		{"an empty list", permitting(atomic("purpose", "isAnyOf", `[]`)), "/permission/0/constraint/0/rightOperand", "empty list"},
		{"a number in a list", permitting(atomic("purpose", "isAnyOf", `["a",1]`)), "/permission/0/constraint/0/rightOperand", "a string or a list of strings"},
		{"a control character", permitting(atomic("purpose", "eq", `"a\u001b[1m"`)), "/permission/0/constraint/0/rightOperand", "without control characters"},
		{"a long value", permitting(atomic("purpose", "eq", `"`+strings.Repeat("a", policy.ValueBytesMax+1)+`"`)), "/permission/0/constraint/0/rightOperand", "1 to 512 bytes"},
		{"a long list", permitting(atomic("purpose", "isAnyOf", `[`+strings.Repeat(`"a",`, policy.ValuesMax)+`"a"]`)), "/permission/0/constraint/0/rightOperand", "at most 256 values, not 257"},
		{"many windows", permitting(atomic(policy.Window, "isAnyOf", `[`+strings.Repeat(`"a",`, policy.ValuesMax)+`"a"]`)), "/permission/0/constraint/0/rightOperand", "at most 256 windows"},
		{"a time without a zone", permitting(atomic("dateTime", "lt", `"2026-07-04T12:00:00"`)), "/permission/0/constraint/0/rightOperand", "with its zone"},
		{"the year 1", permitting(atomic("dateTime", "lt", `"0001-01-01T00:00:00Z"`)), "/permission/0/constraint/0/rightOperand", "with its zone"},
		{"a time that is an object", permitting(atomic("dateTime", "lt", `{}`)), "/permission/0/constraint/0/rightOperand", "not a JSON object"},
		{"no duration", permitting(atomic("elapsedTime", "lt", `"30 days"`)), "/permission/0/constraint/0/rightOperand", "ISO 8601"},
		{"an empty duration", permitting(atomic("elapsedTime", "lt", `"PT"`)), "/permission/0/constraint/0/rightOperand", "ISO 8601"},
		{"a duration of ages", permitting(atomic("elapsedTime", "lt", `"PT999999999999S"`)), "/permission/0/constraint/0/rightOperand", "at most 100 years"},
		{"a delay in months", permitting(atomic(policy.Delay, "eq", `"P1M"`)), "/permission/0/constraint/0/rightOperand", "differ in length"},
		{"no relative date", permitting(atomic(policy.InForceDate, "lteq", `"contractAgreement+3w"`)), "/permission/0/constraint/0/rightOperand", "contractAgreement+30d"},
		{"a far relative date", permitting(atomic(policy.InForceDate, "lteq", `"contractAgreement+999999999h"`)), "/permission/0/constraint/0/rightOperand", "at most 100 years"},
		{"an open ring", permitting(atomic("spatial", "eq", ring)), "/permission/0/constraint/0/rightOperand", "ends where it began"},
		{"a point", permitting(atomic("spatial", "eq", `{"type":"Point","coordinates":[4,52]}`)), "/permission/0/constraint/0/rightOperand", "Polygon, not a Point"},
		{"an object that is no shape", permitting(atomic("spatial", "eq", `{"a":1}`)), "/permission/0/constraint/0/rightOperand", "GeoJSON"},
		{"a list of areas", permitting(atomic("spatial", "eq", `["a"]`)), "/permission/0/constraint/0/rightOperand", "not a JSON array"},
		{"no name of an area", permitting(atomic("spatial", "eq", `""`)), "/permission/0/constraint/0/rightOperand", "1 to 512 bytes"},
		{"a kind of party", permitting(atomic(policy.PartyKind, "eq", `"club"`)), "/permission/0/constraint/0/rightOperand", `intermediary, not "club"`},
		{"a field", permitting(atomic(policy.Fields, "isAnyOf", `["cause","colour"]`)), "/permission/0/constraint/0/rightOperand", `not "colour"`},
		{"a short accord", permitting(atomic(policy.Accord, "eq", `"sha-256:12"`)), "/permission/0/constraint/0/rightOperand", "64 hex digits"},
		{"eight decimals", permitting(atomic(policy.Precision, "eq", `"8"`)), "/permission/0/constraint/0/rightOperand", "0 to 7"},
		{"no window", permitting(atomic(policy.Window, "eq", `"06:00-22:00"`)), "/permission/0/constraint/0/rightOperand", "no recurring window"},
		{"a window without a zone", permitting(atomic(policy.Window, "eq", `{"from":"06:00","to":"22:00"}`)), "/permission/0/constraint/0/rightOperand", "time zone"},
		{"no windows", permitting(atomic(policy.Window, "isAnyOf", `[]`)), "/permission/0/constraint/0/rightOperand", "at least one window"},
		{"an audience", permitting(atomic(policy.Audience, "eq", `"friends"`)), "/permission/0/constraint/0/rightOperand", `public, not "friends"`},
		{"an empty choice", permitting(`{"or":[]}`), "/permission/0/constraint/0/or", "at least one constraint"},
		{"a duty", `{"@id":"p","permission":[{"action":"use","odrl:duty":[{"action":"pay"}]}]}`, "/permission/0/odrl:duty", "cannot hold to"},
		{"a unit", permitting(strings.Replace(atomic("purpose", "eq", `"a"`), "{", `{"unit":"x",`, 1)), "/permission/0/constraint/0/unit", "cannot hold to"},
		{"an inherited policy", `{"@id":"p","inheritFrom":"q","permission":[{"action":"use"}]}`, "/inheritFrom", "cannot hold to"},
		{"no rules", `{"@id":"p"}`, "/permission", "a permission or a prohibition"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := hansa.Public(policy.Check(parse(t, tc.policy)))
			if got == nil || got.Kind != hansa.Invalid || got.Field != tc.field || !strings.Contains(got.Message, tc.words) {
				t.Errorf("got %v, want an Invalid error at %s with %q", got, tc.field, tc.words)
			}
		})
	}
	for _, ok := range []string{
		permitting(atomic("http://www.w3.org/ns/odrl/2/purpose", "eq", `{"@id":"a"}`)),
		`{"@id":"p","permission":[{"action":"http://www.w3.org/ns/odrl/2/use","duty":[ ],"edc:note":"x"}]}`,
		permitting(atomic("spatial", "eq", `"_:EU"`)),
		permitting(atomic("dateTime", "lteq", `{"@value":"2023-12-31T06:00Z","@type":"http://www.w3.org/2001/XMLSchema#dateTime"}`)),
	} {
		if err := policy.Check(parse(t, ok)); err != nil {
			t.Errorf("%s: %v", ok, err)
		}
	}
}

func TestCompileKeepsNothingOfThePolicy(t *testing.T) {
	p := parse(t, permitting(atomic("purpose", "eq", `"navigation"`)))
	c := compile(t, p)
	for i := range p.Permission[0].Constraint[0].RightOperand {
		p.Permission[0].Constraint[0].RightOperand[i] = ' '
	}
	p.Permission[0].Constraint[0].Operator = "neq"
	if !c.Allows(policy.Use, known()) {
		t.Error("the change moved what was compiled")
	}
}

func TestNextChange(t *testing.T) {
	p := parse(t, permitting(
		atomic("dateTime", "gteq", `"2026-07-04T13:00:00Z"`), atomic("dateTime", "lteq", `"2026-07-04T15:00:00Z"`),
		atomic("elapsedTime", "lt", `"P10DT2H"`), atomic(policy.InForceDate, "lt", `"contractAgreement+10d"`)))
	c, in := compile(t, p), known()
	var got []string
	for range 5 {
		in.Now = c.NextChange(in)
		got = append(got, in.Now.Format("15:04:05.999999999"))
		if in.Now.IsZero() {
			break
		}
	}
	if want := []string{"13:00:00", "14:00:00", "15:00:00.000000001", "00:00:00"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	in = policy.Input{Now: noon.Add(4 * time.Hour)}
	if at := c.NextChange(in); !at.IsZero() {
		t.Errorf("without an agreement: got %v", at)
	}
}
