package policy_test

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
)

func pack(t testing.TB) *policy.Pack {
	t.Helper()
	list := policy.Packs()
	if len(list) != 1 || list[0].Name() != "eu@2026-06-18" {
		t.Fatalf("the packs are %v", list)
	}
	return list[0]
}

// easter is Easter Sunday of the Gregorian calendar (the anonymous algorithm of
// Nature, 1876).
func easter(year int) time.Time {
	a, b, c := year%19, year/100, year%100
	d, e, f := b/4, b%4, (b+8)/25
	h := (19*a + b - d - (b-f+1)/3 + 15) % 30
	l := (32 + 2*e + 2*(c/4) - h - c%4) % 7
	n := h + l - 7*((a+11*h+22*l)/451) + 114
	return time.Date(year, time.Month(n/31), n%31+1, 0, 0, 0, 0, time.UTC)
}

// TestCalendars: what moves with Easter lies where Easter puts it, and what is
// fixed is there each year.
func TestCalendars(t *testing.T) {
	if got := easter(2026).Format(time.DateOnly) + " " + easter(2027).Format(time.DateOnly); got != "2026-04-05 2027-03-28" {
		t.Fatal(got)
	}
	for country, want := range map[string]struct {
		moving map[string]int // days after Easter
		fixed  string
		many   int
	}{
		"EU": {map[string]int{"Maundy Thursday": -3, "Good Friday": -2, "Easter Monday": 1, "Ascension Day": 39, "Friday following Ascension Day": 40, "Whit Monday": 50}, "01-01 01-02 05-01 05-09 07-21 08-15 11-01 11-02 12-24 12-25 12-26 12-27 12-28 12-29 12-30 12-31", 22},
		"NL": {map[string]int{"Goede Vrijdag": -2, "Tweede Paasdag": 1, "Hemelvaartsdag": 39, "Tweede Pinksterdag": 50, "gelijkgesteld bij koninklijk besluit": 40}, "01-01 04-27 05-05 12-25 12-26", 10},
		"IT": {map[string]int{"Lunedì dell'Angelo": 1}, "01-01 01-06 04-25 05-01 06-02 08-15 10-04 11-01 12-08 12-25 12-26", 12},
	} {
		c, err := pack(t).Calendar(country)
		if err != nil {
			t.Fatal(err)
		}
		for _, year := range []int{2026, 2027} {
			days, many := map[string]string{}, 0
			for _, h := range c.Holidays {
				days[h.Day] = h.Name
				if strings.HasPrefix(h.Day, easter(year).Format("2006-")) {
					many++
				}
			}
			for name, offset := range want.moving {
				if day := easter(year).AddDate(0, 0, offset).Format(time.DateOnly); !strings.Contains(days[day], name) {
					t.Errorf("%s: %s is %q, want %s", country, day, days[day], name)
				}
			}
			for d := range strings.FieldsSeq(want.fixed) {
				if day := easter(year).Format("2006-") + d; days[day] == "" {
					t.Errorf("%s: %s is no holiday", country, day)
				}
			}
			if most := want.many + map[bool]int{true: 1}[country == "NL" && year == 2026]; many != most {
				t.Errorf("%s has %d holidays in %d, want %d", country, many, year, most)
			}
		}
	}
}

// TestWorkingDays counts over weekends, Easter, and the end of the year.
func TestWorkingDays(t *testing.T) {
	for _, tc := range []struct {
		country, from string
		n             int
		want          string
	}{
		{"NL", "2026-11-02T09:00", 5, "2026-11-09"},
		{"NL", "2026-11-06T23:59", 1, "2026-11-09"}, // a Friday
		{"NL", "2026-11-07T10:00", 1, "2026-11-09"}, // a Saturday
		{"NL", "2026-04-02T10:00", 1, "2026-04-07"}, // Maundy Thursday: Good Friday to Easter Monday are off
		{"IT", "2026-04-02T10:00", 1, "2026-04-03"}, // Good Friday is a working day in Italy
		{"IT", "2026-04-02T10:00", 2, "2026-04-07"},
		{"EU", "2026-04-01T10:00", 1, "2026-04-07"},
		{"NL", "2026-12-24T10:00", 1, "2026-12-28"},
		{"NL", "2026-12-31T10:00", 1, "2027-01-04"}, // New Year's Day is a Friday
		{"IT", "2026-12-31T10:00", 3, "2027-01-07"}, // Epiphany is a Wednesday
		{"EU", "2026-12-23T10:00", 1, "2027-01-04"},
		{"NL", "2027-05-04T10:00", 1, "2027-05-10"}, // 5 May, Ascension, the Friday after, a weekend
		{"IT", "2027-10-01T10:00", 1, "2027-10-05"}, // 4 October 2027 is a Monday
		{"NL", "2026-12-11T10:00", 30, "2027-01-26"},
	} {
		from, err := time.ParseInLocation("2006-01-02T15:04", tc.from, time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		got, err := pack(t).AddWorkingDays(tc.country, from, tc.n)
		if err != nil || got.Format("2006-01-02T15:04") != tc.want+"T00:00" {
			t.Errorf("%s: %d from %s is %v, %v, want %s", tc.country, tc.n, tc.from, got, err, tc.want)
		}
	}
	for want, f := range map[string]func() error{
		"/country":  func() error { _, err := pack(t).AddWorkingDays("DE", noon, 1); return err },
		"/n":        func() error { _, err := pack(t).AddWorkingDays("NL", noon, 0); return err },
		"/calendar": func() error { _, err := pack(t).AddWorkingDays("NL", noon.AddDate(1, 5, 0), 100); return err },
	} {
		if e := hansa.Public(f()); e == nil || e.Kind != hansa.Invalid || e.Field != want {
			t.Errorf("got %v, want an Invalid error at %s", e, want)
		}
	}
}

// TestDeadlines reckons as Regulation (EEC, Euratom) No 1182/71 does.
func TestDeadlines(t *testing.T) {
	rome, err := time.LoadLocation("Europe/Rome")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ rule, country, from, want string }{
		{"data-act-answer-emergency", "NL", "2026-12-23T18:00", "2027-01-01T00:00+01:00"}, // 24, 28, 29, 30, 31 December
		{"data-act-answer-emergency", "IT", "2026-12-30T18:00", "2027-01-09T00:00+01:00"}, // 31 December, 4, 5, 7, 8 January
		{"data-act-answer-other", "IT", "2026-03-02T09:00", "2026-04-15T00:00+02:00"},     // over the change of clocks and Easter
		{"dga-change-of-notification", "NL", "2026-04-20T09:00", "2026-05-05T00:00+02:00"},
		{"dga-change-of-notification", "NL", "2026-04-21T09:00", "2026-05-07T00:00+02:00"}, // 5 May is off: the next working day is the 6th
		{"dga-end-of-activity", "NL", "2026-12-11T09:00", "2026-12-29T00:00+01:00"},        // ends on 26 December, a Saturday
		{"dga-answer-to-findings", "IT", "2027-03-01T09:00", "2027-04-01T00:00+02:00"},
		{"data-act-recipients-keep", "NL", "2026-08-31T09:00", "2027-03-01T00:00+01:00"}, // 28 February 2027, a Sunday: a limit is not stretched
		{"dga-exclusive-right", "NL", "2026-02-28T09:00", "2027-03-01T00:00+01:00"},
		{"gdpr-breach-to-authority", "", "2026-03-27T10:15", "2026-03-30T12:00+02:00"}, // 72 hours from 11:00; an hour is lost on the 29th
		{"rtti-network-until", "", "2026-03-27T10:15", "2028-01-01T00:00+01:00"},
	} {
		from, err := time.ParseInLocation("2006-01-02T15:04", tc.from, rome)
		if err != nil {
			t.Fatal(err)
		}
		due, err := pack(t).Deadline(tc.rule, tc.country, from)
		if err != nil || due.By.Format("2006-01-02T15:04Z07:00") != tc.want {
			t.Errorf("%s in %s from %s is %v, %v, want %s", tc.rule, tc.country, tc.from, due.By, err, tc.want)
		}
	}
	for _, tc := range []struct {
		rule, country string
		from          time.Time
		field, want   string
	}{
		{"nonsense", "NL", noon, "/rule", "no rule"},
		{"rtti-correct", "NL", noon, "/rule", "the accord has to agree on one"},
		{"data-act-answer-other", "NL", noon.AddDate(-1, 0, 0), "/from", "applies from 2025-09-12, and the event is on 2025-07-04"},
		{"data-act-answer-other", "", noon, "/country", "the calendars of EU, NL and IT"},
		{"data-act-answer-other", "NL", noon.AddDate(1, 5, 10), "/calendar", "a newer rule pack is needed"},
		{"hvd-report", "NL", noon, "/calendar", "not 2028"},
	} {
		_, err := pack(t).Deadline(tc.rule, tc.country, tc.from)
		if e := hansa.Public(err); e == nil || e.Kind != hansa.Invalid || e.Field != tc.field || !strings.Contains(e.Message, tc.want) {
			t.Errorf("%s: %v, want at %s: %s", tc.rule, err, tc.field, tc.want)
		}
	}
}

// TestAShortPeriodHoldsTwoWorkingDays: two days over Christmas end with the second
// working day, not with the first (Regulation 1182/71, Article 3(5)).
func TestAShortPeriodHoldsTwoWorkingDays(t *testing.T) {
	b, err := os.ReadFile("packs/eu-2026-06-18.json")
	if err != nil {
		t.Fatal(err)
	}
	short, err := policy.ReadPack(bytes.Replace(b, []byte(`"n": 14, "unit": "days"`), []byte(`"n": 2, "unit": "days"`), 1))
	if err != nil {
		t.Fatal(err)
	}
	for from, want := range map[string]string{"2026-12-24": "2026-12-30", "2026-12-28": "2026-12-31", "2026-11-06": "2026-11-11"} {
		event, err := time.Parse(time.DateOnly, from)
		if err != nil {
			t.Fatal(err)
		}
		due, err := short.Deadline("dga-change-of-notification", "NL", event)
		if err != nil || due.By.Format(time.DateOnly) != want {
			t.Errorf("two days from %s end before %v, %v, want %s", from, due.By, err, want)
		}
	}
}

// TestPackRefuses: the rules of a pack, one broken at a time; and what it never says.
func TestPackRefuses(t *testing.T) {
	base, err := os.ReadFile("packs/eu-2026-06-18.json")
	if err != nil {
		t.Fatal(err)
	}
	same, err := policy.ReadPack(append([]byte(" "), base...))
	if err != nil || same.Hash() != pack(t).Hash() || len(same.Hash()) != 64 {
		t.Errorf("the same pack: %v, %v", same, err)
	}
	for _, tc := range [][2]string{
		{`"id": "eu"`, `"id": "EU law"`},
		{`"date": "2026-06-18"`, `"date": "June"`},
		{`"date": "2026-06-18"`, `"date": "2026-06-18", "date": "2026-06-19"`},
		{`"country": "NL"`, `"country": "NLD"`},
		{`"2026-04-03"`, `"2026-04-33"`},
		{`"2026-04-03"`, `"2028-04-03"`},
		{`"2026-04-03"`, `"2026-01-01"`},
		{`"kind": "open"`, `"kind": "deadline"`},
		{`"kind": "open"`, `"kind": "vague"`},
		{`"n": 5, `, ``},
		{`"unit": "working-days"`, `"unit": "moons"`},
		{`"day": "2027-12-31"`, `"day": "soon"`},
		{`"validFrom": "2025-09-12"`, `"validFrom": "2025"`},
		{`"id": "rtti-correct"`, `"id": "rtti-signal"`},
		{`"event": "receipt of the request"`, `"colour": "red"`},
	} {
		b := bytes.Replace(base, []byte(tc[0]), []byte(tc[1]), 1)
		if bytes.Equal(b, base) {
			t.Errorf("%s is not in the pack", tc[0])
			continue
		}
		if _, err := policy.ReadPack(b); hansa.KindOf(err) != hansa.Invalid || err == nil {
			t.Errorf("%s: %v", tc[1], err)
		}
	}
}

// TestNothingClaimsCompliance: no text of the catalogue or of a pack says that
// anybody complies.
func TestNothingClaimsCompliance(t *testing.T) {
	var all []string
	for _, c := range policy.Clauses() {
		for _, lang := range policy.Languages() {
			all = append(all, c.Title.In(lang), c.Text.In(lang), c.Uncovered.In(lang))
		}
	}
	for _, p := range policy.Packs() {
		all = append(all, p.Title, p.Note)
		for i := range p.Rules {
			all = append(all, p.Rules[i].Says)
		}
	}
	for _, s := range all {
		for _, word := range []string{"complian", "complies", "conform", "rechtsgeldig", "voldoet aan de wet", "a norma di legge", "gesetzeskonform", "conforme"} {
			if strings.Contains(strings.ToLower(s), word) {
				t.Errorf("%q says %q", s, word)
			}
		}
	}
}
