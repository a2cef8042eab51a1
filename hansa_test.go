package hansa_test

import (
	"encoding/hex"
	"regexp"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hansa-exchange/hansa"
)

func TestNewID(t *testing.T) {
	now := time.UnixMilli(0x0123456789ab)
	form := regexp.MustCompile(`^01234567-89ab-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	seen := map[string]bool{}
	for range 10_000 {
		id := hansa.NewID(now)
		if !form.MatchString(id) || seen[id] {
			t.Fatalf("%s is no UUIDv7 of %v, or was given before", id, now)
		}
		seen[id] = true
	}
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.Int64Range(0, 1<<48-2).Draw(t, "a")
		b := rapid.Int64Range(a+1, 1<<48-1).Draw(t, "b")
		if x, y := hansa.NewID(time.UnixMilli(a)), hansa.NewID(time.UnixMilli(b)); x >= y {
			t.Fatalf("%s, made before %s, sorts behind it", x, y)
		}
	})
}

func TestValidName(t *testing.T) {
	for name, want := range map[string]bool{
		"a": true, "closures-2026": true, "0": true, strings.Repeat("a", 63): true, "a--b": true,
		"": false, strings.Repeat("a", 64): false, "-a": false, "a-": false, "A": false, "a_b": false, "a.b": false, "é": false, "a b": false, "a\n": false,
	} {
		if got := hansa.ValidName(name); got != want {
			t.Errorf("ValidName(%q) is %t, want %t", name, got, want)
		}
	}
}

// TestLeaf pins leaves that are in journals: they may never change.
func TestLeaf(t *testing.T) {
	salt := hansa.Salt{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
	for _, tc := range []struct {
		kind hansa.FactKind
		doc  string
		want string
	}{
		// Made with another tool, from the words of the contract.
		{hansa.FactRecord, "{}", "106673302c204ac93fc0f00378f450aac35196f3871d1d323f180e5cfcbc51ce"},
		{hansa.FactAct, "", "eb6cd36e4be13df1bb64ec6a932eb81d390ee6b59202698a2364f2dd9fa42182"},
		{hansa.FactReceipt, strings.Repeat("x", 4095), "9be9ef30d171aac2422d861c9340efa336563740768a1d8ce69b2c3efcb648a4"},
		{hansa.FactReceipt, strings.Repeat("x", 4096), "d833db19797a5813e54ea2521d0d18444e4f027c98dd0a150a58fa13942813e9"},
	} {
		got := hansa.Leaf(tc.kind, salt, []byte(tc.doc))
		if hex.EncodeToString(got[:]) != tc.want {
			t.Errorf("leaf of %s %.10q: %x, want %s", tc.kind, tc.doc, got, tc.want)
		}
	}
	a := hansa.Leaf("ab", salt, []byte("c"))
	if a == hansa.Leaf("a", salt, []byte("bc")) || a == hansa.Leaf("ab", hansa.Salt{}, []byte("c")) {
		t.Error("two facts have one leaf")
	}
	if one, two := hansa.NewSalt(), hansa.NewSalt(); one == two {
		t.Error("two salts are the same")
	}
}

// TestWrittenValues pins what is on disk and on the wire: append, never renumber,
// never rename.
func TestWrittenValues(t *testing.T) {
	for i, want := range []string{"internal", "invalid", "denied", "not-found", "conflict", "busy"} {
		if got := hansa.Kind(i).String(); got != want {
			t.Errorf("kind %d is %s, want %s", i, got, want)
		}
	}
	for i, want := range []string{"deny", "trim", "pass"} {
		if got := hansa.Outcome(i).String(); got != want {
			t.Errorf("outcome %d is %s, want %s", i, got, want)
		}
	}
	if hansa.Kind(200).String() != "internal" || hansa.Outcome(200).String() != "deny" {
		t.Error("an unknown value is not the safe one")
	}
	var steps []string
	for i, s := range hansa.Steps() {
		steps = append(steps, string(s))
		if s.Rung() != i {
			t.Errorf("%s stands on rung %d, want %d", s, s.Rung(), i)
		}
	}
	if hansa.Step("late").Rung() != -1 {
		t.Error("late is a clock, not a step")
	}
	join := func(values ...string) string { return strings.Join(values, " ") }
	for _, tc := range [][2]string{
		{join(steps...), "offered fetched acknowledged held matched live rejected contradicted cleared silent"},
		{join(string(hansa.EvidenceNode), string(hansa.EvidenceSigned), string(hansa.EvidencePolled), string(hansa.EvidenceObserved), string(hansa.EvidenceStated)), "node signed polled observed stated"},
		{join(string(hansa.Insert), string(hansa.Modify), string(hansa.End), string(hansa.Redact)), "insert modify end withdraw"},
		{join(string(hansa.Real), string(hansa.Test), string(hansa.Exercise)), "real test exercise"},
		{join(string(hansa.KindSituation), string(hansa.KindObservation), string(hansa.KindDocument)), "situation observation document"},
		{join(string(hansa.FactRecord), string(hansa.FactDelivery), string(hansa.FactReceipt), string(hansa.FactAct)), "record delivery receipt act"},
		{join(string(hansa.BasisConfigured), string(hansa.BasisAgreement), string(hansa.BasisAccord)), "configured agreement accord"},
		{join(string(hansa.Draft), string(hansa.Planned), string(hansa.Confirmed), string(hansa.Active), string(hansa.Suspended), string(hansa.Ended), string(hansa.Cancelled)), "draft planned confirmed active suspended ended cancelled"},
		{join(string(hansa.RoadClosed), string(hansa.DirectionClosed), string(hansa.LanesClosed), string(hansa.Restriction), string(hansa.NoEffect)), "road-closed direction-closed lanes-closed restriction none"},
		{join(string(hansa.WholeRoad), string(hansa.Carriageway), string(hansa.Tube), string(hansa.LanePart)), "whole-road carriageway tube lane"},
		{join(string(hansa.RoleClosure), string(hansa.RoleCounterMeasure), string(hansa.RoleDiversion), string(hansa.RoleIncident), string(hansa.RoleWorks)), "closure counter-measure diversion incident works"},
		{join(string(hansa.EndAtPlannedEnd), string(hansa.EndWithSource), string(hansa.EndConfirmed), string(hansa.EndEstimated), string(hansa.EndUnknown)), "at-planned-end when-gone-from-snapshot confirmed estimated unknown"},
		{join(string(hansa.OneDirection), string(hansa.BothDirections), string(hansa.Certain), string(hansa.Probable), string(hansa.RiskOf)), "one both certain probable riskOf"},
		{join(string(hansa.Note), string(hansa.Warning), string(hansa.Fault)), "note warning error"},
		{join(string(hansa.LossNotExpressible), string(hansa.LossInvented), string(hansa.LossSplit), string(hansa.LossWidened), string(hansa.LossRefused)), "not-expressible invented split widened refused"},
		{join(string(hansa.FeedFresh), string(hansa.FeedLate), string(hansa.FeedSilent), string(hansa.FeedFailing), string(hansa.FeedHeld)), "fresh late silent failing held"},
		{hansa.MediaTypeRecord, "application/vnd.hansa.record+json;v=1"},
	} {
		if tc[0] != tc[1] {
			t.Errorf("got %s, want %s", tc[0], tc[1])
		}
	}
}
