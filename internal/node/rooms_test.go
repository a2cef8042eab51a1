package node

import "testing"

// TestRooms: one caller gets half, a crowd leaves the reserve free, the desk gets
// in all the same, and what was given back can be taken again.
func TestRooms(t *testing.T) {
	r := newRooms(10, 2)
	var out []func()
	take := func(who string, desk bool, want int) {
		t.Helper()
		n := 0
		for {
			leave, _, ok := r.enter(who, desk)
			if !ok {
				break
			}
			out = append(out, leave)
			n++
		}
		if n != want {
			t.Errorf("%s took %d rooms, want %d", who, n, want)
		}
	}
	take("a", false, 5)
	if _, alone, ok := r.enter("a", false); ok || !alone {
		t.Error("a is not told that it is alone with its trouble")
	}
	take("b", false, 3)
	if _, alone, ok := r.enter("c", false); ok || alone {
		t.Error("c is let in, or blamed, while all rooms are taken")
	}
	take("desk", true, 2)
	for _, leave := range out {
		leave()
	}
	out = nil
	take("b", false, 5)
	take("", true, 5)
	if len(r.by) != 1 || r.taken != 10 {
		t.Errorf("%d callers hold %d rooms, want 1 that is known and 10", len(r.by), r.taken)
	}
}
