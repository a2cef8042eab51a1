package network_test

import (
	"context"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/network"
	"github.com/hansa-exchange/hansa/internal/base/store"
)

func place(id, name, parent, heading, tube string) hansa.Place {
	return hansa.Place{ID: id, Name: name, Kind: "tunnel", Parent: parent, Heading: heading, Tube: tube, Direction: hansa.OneDirection, Geometry: hansa.Line(hansa.Position{2.3, 54.7}, hansa.Position{2.31, 54.71})}
}

func town() []hansa.Place {
	return []hansa.Place{
		place("oostertunnel", "Oostertunnel", "", "", ""),
		place("oostertunnel-north", "Oostertunnel, northbound", "oostertunnel", "north", "B"),
		place("oostertunnel-south", "Oostertunnel, southbound", "oostertunnel", "south", "A"),
		place("westertunnel", "Westertunnel", "", "", ""),
		place("lubeckstraat", "Lübeckstraße", "", "", ""),
		place("dam-1", "Dam", "", "", ""),
		place("dam-2", "Dam", "", "", ""),
		place("ijkade", "IJ-kade", "", "", ""),
		place("ring", "Ring", "", "", ""),
		place("ring-1", "Ring, inner", "ring", "east", ""),
		place("ring-2", "Ring, outer", "ring", "east", ""),
	}
}

func TestFind(t *testing.T) {
	n, err := network.New(town())
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		query, want string // an id, or the kind of the error
		hint        string
	}{
		{"oostertunnel", "oostertunnel", ""},
		{"OOSTERTUNNEL", "oostertunnel", ""},
		{" Ooster tunnel ", "oostertunnel", ""},
		{"oostertunnel --direction north", "oostertunnel-north", ""},
		{"oostertunnel --direction Northbound", "oostertunnel-north", ""},
		{"oostertunnel --direction=s", "oostertunnel-south", ""},
		{"oostertunnel --tube b", "oostertunnel-north", ""},
		{"oostertunnel --tube A --direction south", "oostertunnel-south", ""},
		{"--tube b oostertunnel", "oostertunnel-north", ""},
		{"oostertunnel, northbound", "oostertunnel-north", ""},
		{"oostertunnel-north", "oostertunnel-north", ""},
		{"lubeckstrasse", "lubeckstraat", ""},
		{"LÜBECKSTRAßE", "lubeckstraat", ""},
		{"ij kade", "ijkade", ""},
		{"dam-2", "dam-2", ""},

		{"dam", "invalid", "dam-1, dam-2"},
		{"ring --direction east", "invalid", "ring-1, ring-2"},
		{"ostertunel", "not-found", "did you mean Oostertunnel"},
		{"tunnel", "not-found", "Westertunnel"},
		{"oostertunnel --direction east", "not-found", "--direction north --tube B"},
		{"oostertunnel --tube A --direction north", "not-found", "--direction"},
		{"westertunnel --direction north", "not-found", "whole only"},
		{"zzzzzzzz", "not-found", ""},
		{"", "invalid", ""},
		{"  -- ", "invalid", ""},
		{"oostertunnel --lane 2", "invalid", ""},
		{"oostertunnel --direction", "invalid", ""},
		{"oostertunnel --direction bound", "invalid", ""},
		{"oostertunnel --direction towards", "invalid", ""},
		{"oostertunnel --tube tube", "invalid", ""},
		{strings.Repeat("x", 400), "invalid", ""},
	} {
		p, err := n.Find(tc.query)
		got := p.ID
		if err != nil {
			got = hansa.KindOf(err).String()
			if !strings.Contains(hansa.Public(err).Hint, tc.hint) {
				t.Errorf("Find(%q) hints %q, want %q", tc.query, hansa.Public(err).Hint, tc.hint)
			}
		}
		if got != tc.want {
			t.Errorf("Find(%q) = %s (%v), want %s", tc.query, got, err, tc.want)
		}
	}
	for _, part := range [][2]string{{" ", ""}, {"…", ""}, {"ward", ""}, {"", "?"}} { // never the whole for a part
		if p, err := n.Part("oostertunnel", part[0], part[1]); err == nil || hansa.KindOf(err) != hansa.Invalid {
			t.Errorf("Part(oostertunnel, %q, %q) = %q, %v; want Invalid", part[0], part[1], p.ID, err)
		}
	}
	if _, ok := n.Place("nothing"); ok {
		t.Error("a place that is not there is found")
	}
	if p, ok := n.Place("Ring"); !ok || p.ID != "ring" || n.Len() != len(n.Places()) {
		t.Errorf("Place(Ring) = %q, %v", p.ID, ok)
	}
}

func TestNewRefuses(t *testing.T) {
	good := town()[0]
	change := func(f func(*hansa.Place)) []hansa.Place {
		p := good
		f(&p)
		return []hansa.Place{p}
	}
	for name, list := range map[string][]hansa.Place{
		"no id":       change(func(p *hansa.Place) { p.ID = "--" }),
		"no name":     change(func(p *hansa.Place) { p.Name = " " }),
		"a long name": change(func(p *hansa.Place) { p.Name = strings.Repeat("n", 300) }),
		"no geometry": change(func(p *hansa.Place) { p.Geometry = nil }),
		"a point": change(func(p *hansa.Place) {
			p.Geometry = &hansa.Geometry{Type: hansa.Point, Lines: [][]hansa.Position{{{1, 1}}}}
		}),
		"off the globe":   change(func(p *hansa.Place) { p.Geometry = hansa.Line(hansa.Position{1, 1}, hansa.Position{200, 1}) }),
		"unknown parent":  change(func(p *hansa.Place) { p.Parent = "nothing" }),
		"its own parent":  change(func(p *hansa.Place) { p.Parent = p.ID }),
		"the same id":     {good, good},
		"ids of one fold": {good, place("Ooster-Tunnel", "Other", "", "", "")},
	} {
		if _, err := network.New(list); hansa.KindOf(err) != hansa.Invalid || err == nil || hansa.Public(err).Field == "" {
			t.Errorf("%s: %v, want Invalid with a field", name, err)
		}
	}
	if _, err := network.New(make([]hansa.Place, network.PlacesMax+1)); hansa.KindOf(err) != hansa.Busy {
		t.Errorf("too many places: %v, want Busy", err)
	}
}

func TestKept(t *testing.T) {
	db, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "hansa.db"), store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(t.Context(), network.Migrations()); err != nil {
		t.Fatal(err)
	}
	write := func(f func(hansa.Tx) error) error { return db.Write(t.Context(), f) }
	load := func(party hansa.PartyID) (list []hansa.Place, err error) {
		err = db.Read(context.Background(), func(tx hansa.Tx) (err error) {
			list, err = network.Load(tx, party)
			return err
		})
		return list, err
	}
	want := town()
	for range 2 { // the second replaces the first
		if err := write(func(tx hansa.Tx) error { return network.Save(tx, "did:web:a", want) }); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := load("did:web:a"); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("loaded %d places, %v; want the %d saved", len(got), err, len(want))
	}
	if got, err := load("did:web:b"); err != nil || len(got) != 0 {
		t.Errorf("another party has %d places, %v", len(got), err)
	}
	if err := write(func(tx hansa.Tx) error { return network.Save(tx, "did:web:a", append(town(), want[0])) }); hansa.KindOf(err) != hansa.Invalid {
		t.Errorf("a bad list: %v, want Invalid", err)
	}
	if err := write(func(tx hansa.Tx) error { return network.Save(tx, "", want) }); hansa.KindOf(err) != hansa.Invalid {
		t.Errorf("nobody's places: %v, want Invalid", err)
	}
	if got, _ := load("did:web:a"); len(got) != len(want) {
		t.Errorf("after a refusal there are %d places, want %d", len(got), len(want))
	}
	if err := write(func(tx hansa.Tx) error {
		_, err := tx.Exec(`UPDATE place SET body = replace(body, 'Westertunnel', 'Westertunnek')`)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if got, err := load("did:web:a"); hansa.Public(err) == nil || hansa.Public(err).Code != hansa.CodeCorrupt || got != nil {
		t.Errorf("a changed row gives %d places, %v; want corrupt", len(got), err)
	}
}

func FuzzFind(f *testing.F) {
	n, err := network.New(town())
	if err != nil {
		f.Fatal(err)
	}
	f.Add("oostertunnel --tube b")
	f.Add("--direction= x \xff\u202e")
	f.Fuzz(func(t *testing.T, query string) {
		if _, err := n.Find(query); err != nil && hansa.KindOf(err) == hansa.Internal {
			t.Errorf("Find(%q): %v", query, err)
		}
	})
}
