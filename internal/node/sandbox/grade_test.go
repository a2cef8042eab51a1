package sandbox

import (
	"slices"
	"testing"
	"time"
)

func at(s int) time.Time { return time.Date(2023, 7, 10, 13, 0, s, 0, time.UTC) }

// TestGrade promises that each planted fault is found, alone and by name, and
// that a good receiver passes.
func TestGrade(t *testing.T) {
	tube := Item{Record: "tube", Version: 2, Extent: Tube, Vehicles: All, Direction: "north"}
	with := func(change func(*Item)) Item { i := tube; change(&i); return i }
	planned := with(func(i *Item) { i.Planned = true })
	test := with(func(i *Item) { i.Test = true })
	lorries := with(func(i *Item) { i.Vehicles = Some })
	good := []Push{{Signed: true, Status: 204}, {Signed: true, Repeat: true, Status: 200}, {Status: 401}}
	// looks are at 0, 5, 15, 25 (over since 20), 35 and 45 seconds.
	looks := []int{0, 5, 15, 25, 35, 45}
	none := []Item(nil)
	one := func(i Item) []Item { return []Item{i} }
	right := [][]Item{none, one(tube), one(tube), none, none, none}
	all := func(i Item) [][]Item { return [][]Item{none, one(i), one(i), none, none, none} }
	for _, c := range []struct {
		name   string
		item   Item
		shown  [][]Item
		pushes []Push
		want   []Kind
	}{
		{"good", tube, right, good, nil},
		{"good, clears within the time", tube, [][]Item{none, one(tube), one(tube), one(tube), none, none}, nil, nil},
		{"good, planned", planned, all(planned), nil, nil},
		{"good, leaves a test out", test, [][]Item{none, none, none, none, none, none}, nil, nil},
		{"good, says no extent or direction", tube, all(Item{Record: "tube"}), nil, nil},
		{"late", tube, [][]Item{none, none, one(tube), none, none, none}, nil, []Kind{Late}},
		{"never shown", tube, [][]Item{none, none, none, none, none, none}, nil, []Kind{NeverShown}},
		{"back after the end", tube, [][]Item{none, one(tube), one(tube), none, one(tube), none}, nil, []Kind{ShownWithdrawn}},
		{"never cleared", tube, [][]Item{none, one(tube), one(tube), one(tube), one(tube), one(tube)}, nil, []Kind{NeverCleared}},
		{"widened", tube, all(with(func(i *Item) { i.Extent = Whole })), nil, []Kind{Widened}},
		{"both directions for one", tube, all(with(func(i *Item) { i.Direction = "both" })), nil, []Kind{Widened}},
		{"some vehicles shown as all", lorries, all(tube), nil, []Kind{Widened}},
		{"wrong direction", tube, all(with(func(i *Item) { i.Direction = "south" })), nil, []Kind{WrongDirection}},
		{"planned as active", planned, all(tube), nil, []Kind{WrongTime}},
		{"stale", tube, all(with(func(i *Item) { i.Version = 1 })), nil, []Kind{Stale}},
		{"stale, clears within the time", tube, [][]Item{none, one(Item{Record: "tube", Version: 1}), one(Item{Record: "tube", Version: 1}), one(Item{Record: "tube", Version: 1}), none, none}, nil, []Kind{Stale}},
		{"duplicate", tube, [][]Item{none, one(tube), {tube, tube}, none, none, none}, nil, []Kind{Duplicate}},
		{"test as live", test, all(tube), nil, []Kind{TestShown}},
		{"signature not checked", tube, right, []Push{{Status: 200}}, []Kind{Unchecked}},
		{"repeat refused", tube, right, []Push{{Signed: true, Repeat: true, Status: 409}}, []Kind{RepeatRefused}},
		{"delivery refused", tube, right, []Push{{Signed: true, Status: 500}}, []Kind{DeliveryFailed}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var sights []Sight
			for n, s := range looks {
				sights = append(sights, Sight{At: at(s), Shown: c.shown[n]})
			}
			e := Expect{Step: "s", Item: c.item, From: at(0), Until: at(20), Over: !c.item.Test, Within: 10 * time.Second, Pushes: c.pushes}
			got := Grade([]Expect{e}, sights)[0]
			if !slices.Equal(got.Faults, c.want) {
				t.Errorf("got %v, want %v", got.Faults, c.want)
			}
			e.Claim = true
			claimed := slices.Contains(Grade([]Expect{e}, sights)[0].Faults, Untrue)
			if want := slices.Contains(c.want, NeverShown); claimed != want {
				t.Errorf("a receipt says live: called untrue is %v, want %v", claimed, want)
			}
			if got.Passed() != (c.want == nil) {
				t.Errorf("passed is %v with faults %v, unseen %v", got.Passed(), got.Faults, got.Unseen)
			}
		})
	}
}

// TestNotSeenIsNoPass promises that a receiver that was never looked at, or not
// after the end, has not passed.
func TestNotSeenIsNoPass(t *testing.T) {
	i := Item{Record: "tube", Version: 1}
	e := Expect{Item: i, From: at(0), Until: at(20), Over: true, Within: 10 * time.Second}
	if v := Grade([]Expect{e}, nil)[0]; v.Passed() {
		t.Error("passed without a look")
	}
	if v := Grade([]Expect{e}, []Sight{{At: at(5), Shown: []Item{i}}})[0]; v.Passed() {
		t.Error("passed without a look after the end")
	}
}
