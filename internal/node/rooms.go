package node

import "sync"

// rooms bounds the requests under way, all together and those of one caller, and
// keeps some free for who closes a road: receivers that come in a crowd do not
// lock the city out of its own exchange.
type rooms struct {
	most    int // of all
	each    int // of one caller
	reserve int // of most, for the desk alone

	mu    sync.Mutex // guards taken and by
	taken int
	by    map[string]int
}

func newRooms(most, reserve int) *rooms {
	return &rooms{most: most, each: most / 2, reserve: reserve, by: map[string]int{}}
}

// enter takes a room for a caller; without an id it has no share of its own.
// leave gives the room back. ok is false when there is none, and alone tells that it
// is this caller who has too many.
func (r *rooms) enter(who string, desk bool) (leave func(), alone, ok bool) {
	most := r.most
	if !desk {
		most -= r.reserve
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if alone = who != "" && r.by[who] >= r.each; alone || r.taken >= most {
		return nil, alone, false
	}
	r.taken++
	if who != "" {
		r.by[who]++
	}
	return func() { r.leave(who) }, false, true
}

func (r *rooms) leave(who string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.taken--
	if who == "" {
		return
	}
	if r.by[who]--; r.by[who] == 0 {
		delete(r.by, who)
	}
}
