package sandbox

import (
	"reflect"
	"testing"
)

// TestReadSight promises that a list is read whole, and that what is no list is
// refused and never taken for a receiver that shows nothing.
func TestReadSight(t *testing.T) {
	got, err := ReadSight(at(3), []byte(`{"closures":[{"record":"a","version":2,"state":"planned","extent":"tube","direction":"north","vehicles":"some"},{"record":"b","state":"live","test":true}]}`))
	want := Sight{At: at(3), Shown: []Item{
		{Record: "a", Version: 2, Extent: Tube, Direction: "north", Vehicles: Some, Planned: true},
		{Record: "b", Test: true},
	}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	if got, err := ReadSight(at(3), []byte(`{"closures":[]}`)); err != nil || len(got.Shown) != 0 {
		t.Errorf("an empty list: got %+v, %v", got, err)
	}
	for _, bad := range []string{``, `{}`, `[]`, `{"closures":null}`, `{"closures":[{}]}`, `{"closures":[{"record":"a","extent":"half"}]}`, `{"closures":[{"record":"a","state":"gone"}]}`, `{"closures":[{"record":"a","vehicles":"none"}]}`, `<html>`} {
		if got, err := ReadSight(at(3), []byte(bad)); err == nil {
			t.Errorf("%q: got %+v, want an error", bad, got)
		}
	}
}
