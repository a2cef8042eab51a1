package words_test

import (
	"math"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa/internal/base/words"
)

func TestWhen(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Amsterdam")
	if err != nil {
		t.Skip("no time zones on this machine: ", err)
	}
	now := time.Date(2026, 11, 23, 13, 33, 53, 0, time.UTC)
	for _, tc := range []struct {
		t    time.Time
		want string
	}{
		{now, "14:33"},
		{now.Add(9 * time.Hour), "23:33"},
		{now.Add(10 * time.Hour), "tomorrow 00:33"},
		{now.Add(-24 * time.Hour), "yesterday 14:33"},
		{now.AddDate(0, 0, 25), "18 Dec 14:33"},
		{now.AddDate(0, 2, 0), "23 Jan 14:33"},
		{now.AddDate(1, 0, 0), "23 Nov 2027 14:33"},
		{now.AddDate(0, -4, 0), "23 Jul 15:33"},
	} {
		if got := words.When(tc.t, now, zone); got != tc.want {
			t.Errorf("When(%v) = %q, want %q", tc.t, got, tc.want)
		}
	}
	var none *words.Catalogue
	if got := words.Zone(now, zone) + " " + none.Day(now, zone) + " " + words.ClockSeconds(now, zone) + " " + words.Clock(now, nil); got != "CET Mon 23 Nov 14:33:53 13:33" {
		t.Errorf("got %q", got)
	}
	if got := words.Zone(now, time.FixedZone("+03", 3*3600)); got != "UTC+03" {
		t.Errorf("a zone without a name is %q", got)
	}
}

func TestLengths(t *testing.T) {
	for _, tc := range []struct {
		d             time.Duration
		elapsed, span string
	}{
		{0, "00:00", "0 s"},
		{-time.Second, "00:00", "1 s"},
		{40 * time.Millisecond, "00:00", "0.1 s"},
		{450 * time.Millisecond, "00:00", "0.4 s"},
		{41 * time.Second, "00:41", "41 s"},
		{119 * time.Second, "01:59", "119 s"},
		{12*time.Minute + 46*time.Second, "12:46", "12 min"},
		{3*time.Hour + 12*time.Minute, "3:12 h", "3 h 12 min"},
		{5 * time.Hour, "5:00 h", "5 h"},
		{50 * time.Hour, "2 d", "2 d"},
		{math.MinInt64, "00:00", "0 s"},
	} {
		if e, s := (*words.Catalogue)(nil).Elapsed(tc.d), words.Span(tc.d); e != tc.elapsed || s != tc.span {
			t.Errorf("%v: Elapsed %q, Span %q; want %q, %q", tc.d, e, s, tc.elapsed, tc.span)
		}
	}
}

func TestCounts(t *testing.T) {
	for got, want := range map[string]string{
		words.List():                              "",
		words.List("a"):                           "a",
		words.List("a", "b"):                      "a and b",
		words.List("a", "b", "c"):                 "a, b and c",
		words.Upper("über"):                       "Über",
		words.Upper("") + words.Upper("a tunnel"): "A tunnel",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	for share, want := range map[float64]int{0: 0, .001: 1, .5: 50, .996: 99, 1: 100, 1.2: 100, -1: 0} {
		if got := words.Percent(share); got != want {
			t.Errorf("Percent(%v) = %d, want %d", share, got, want)
		}
	}
}
