package outbound

import (
	"container/heap"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
)

// Lanes are the letters that wait to be sent: in order per process, each process at
// its own pace, and one letter of a process on its way at once. It is a value free
// of clock and network; its caller guards it.
type Lanes struct {
	lanes map[string]*Lane
	due   schedule
	held  int
	to    map[hansa.PartyID]int                 // of these, to whom
	away  map[hansa.PartyID]map[*Lane]time.Time // whose first letter found nobody there, and when; see [Lanes.Back]
	gone  map[string]int64                      // up to which number a process's letters were dropped: one that is pushed late stays dropped
	order []string                              // of gone, oldest first
}

// goneMax bounds how many processes are remembered whose letters were dropped.
const goneMax = 1024

// Lane is the letters of one process that wait, in order.
type Lane struct {
	process string
	letters []*Letter
	next    time.Time
	busy    bool // a sender has its first
	index   int  // in due; -1 while busy or empty
}

// NewLanes returns lanes in which nothing waits.
func NewLanes() *Lanes {
	return &Lanes{lanes: map[string]*Lane{}, to: map[hansa.PartyID]int{}, away: map[hansa.PartyID]map[*Lane]time.Time{}, gone: map[string]int64{}}
}

// Held is how many letters wait.
func (o *Lanes) Held() int { return o.held }

// HeldFor is how many letters to one participant wait.
func (o *Lanes) HeldFor(other hansa.PartyID) int { return o.to[other] }

// count notes that a letter waits, or waits no more.
func (o *Lanes) count(x *Letter, by int) {
	o.held += by
	if o.to[x.Other] += by; o.to[x.Other] == 0 {
		delete(o.to, x.Other)
	}
}

// Push adds a letter to those of its process, in its place: what was written first
// goes first, though it is pushed second.
func (o *Lanes) Push(x *Letter) {
	if x.N <= o.gone[x.Process] {
		return
	}
	l := o.lanes[x.Process]
	if l == nil {
		l = &Lane{process: x.Process, index: -1}
		o.lanes[x.Process] = l
	}
	i := len(l.letters)
	for i > 0 && l.letters[i-1].N > x.N && (i > 1 || !l.busy) {
		i--
	}
	o.count(x, 1)
	l.letters = slices.Insert(l.letters, i, x)
	l.next = l.letters[0].Next
	switch {
	case l.index >= 0:
		heap.Fix(&o.due, l.index)
	case !l.busy:
		heap.Push(&o.due, l)
	}
	o.note(l, time.Time{})
}

// note keeps in away whether l waits because nobody was there when it was tried.
func (o *Lanes) note(l *Lane, tried time.Time) {
	if len(l.letters) == 0 {
		return
	}
	x := l.letters[0]
	if o.forget(l); l.index < 0 || !x.unanswered() {
		return
	}
	if o.away[x.Other] == nil {
		o.away[x.Other] = map[*Lane]time.Time{}
	}
	o.away[x.Other][l] = tried
}

// forget takes l out of away.
func (o *Lanes) forget(l *Lane) {
	other := l.letters[0].Other
	if delete(o.away[other], l); len(o.away[other]) == 0 {
		delete(o.away, other)
	}
}

// Back makes the letters due that found nobody at a participant, [backAfter] after they
// did: it has answered another since, or sent something itself.
func (o *Lanes) Back(other hansa.PartyID, now time.Time) {
	list := slices.SortedFunc(maps.Keys(o.away[other]), func(a, b *Lane) int { return strings.Compare(a.process, b.process) }) // the same each time
	for _, l := range list {
		at := o.away[other][l].Add(backAfter)
		if at.Before(now) {
			at = now
		}
		if l.next.After(at) {
			l.next = at
			heap.Fix(&o.due, l.index)
		}
	}
	delete(o.away, other)
}

// backAfter keeps letters apart that nobody answers, though others are answered.
const backAfter = 2 * time.Second

// Empty drops a process's letters up to a number; the one under way is let go.
func (o *Lanes) Empty(process string, n int64) {
	if _, known := o.gone[process]; !known {
		if o.order = append(o.order, process); len(o.order) > goneMax {
			delete(o.gone, o.order[0])
			o.order = o.order[1:]
		}
	}
	o.gone[process] = n
	l := o.lanes[process]
	if l == nil {
		return
	}
	for len(l.letters) > 0 && l.letters[0].N <= n {
		o.forget(l)
		o.count(l.letters[0], -1)
		l.letters = l.letters[1:]
	}
	switch {
	case len(l.letters) > 0 && l.index >= 0:
		l.next = l.letters[0].Next
		heap.Fix(&o.due, l.index)
	case len(l.letters) > 0 || l.busy: // put back when the try ends
	default:
		heap.Remove(&o.due, l.index)
		delete(o.lanes, process)
	}
}

// Hurry makes the first letter of own's process due, where it was tried in vain and
// waits for its next try; and reports whether it did.
func (o *Lanes) Hurry(own hansa.PartyID, process string, now time.Time) bool {
	l := o.lanes[process]
	if l == nil || l.index < 0 || l.letters[0].Own != own || l.letters[0].Tries == 0 {
		return false
	}
	l.next = now
	heap.Fix(&o.due, l.index)
	return true
}

// Take returns a letter that is due, whose lane is busy until [Lanes.Done]; or when
// the next one is due, zero when none waits for its time.
func (o *Lanes) Take(now time.Time) (*Lane, *Letter, time.Time) {
	if len(o.due) == 0 {
		return nil, nil, time.Time{}
	}
	if next := o.due[0].next; next.After(now) && !next.After(now.Add(waitMost)) { // no letter waits longer: else the clock has jumped back
		return nil, nil, next
	}
	l := heap.Pop(&o.due).(*Lane) //nolint:errcheck,forcetypeassert // it holds lanes alone
	l.busy = true
	o.forget(l)
	return l, l.letters[0], time.Time{}
}

// Done puts a lane back where it belongs after a try at x that left it as after. Who
// took it is there again, see [Lanes.Back].
func (o *Lanes) Done(l *Lane, x, after *Letter, now time.Time) {
	l.busy = false
	if after.State == LetterDelivered {
		o.Back(x.Other, now)
	}
	switch {
	case len(l.letters) == 0 || l.letters[0] != x: // given up meanwhile
	case after.State == LetterWaits:
		l.letters[0] = after
	case after.State == LetterParked: // what comes behind waits with it
		for _, one := range l.letters {
			o.count(one, -1)
		}
		l.letters = nil
	default:
		o.count(l.letters[0], -1)
		l.letters = l.letters[1:]
	}
	if len(l.letters) == 0 {
		delete(o.lanes, l.process)
		return
	}
	l.next = l.letters[0].Next
	heap.Push(&o.due, l)
	o.note(l, now)
}

// schedule is lanes by when they are due.
type schedule []*Lane

func (s schedule) Len() int           { return len(s) }
func (s schedule) Less(i, j int) bool { return s[i].next.Before(s[j].next) }
func (s schedule) Swap(i, j int) {
	s[i], s[j] = s[j], s[i]
	s[i].index, s[j].index = i, j
}

// Push is for container/heap.
func (s *schedule) Push(x any) {
	l := x.(*Lane) //nolint:errcheck,forcetypeassert // it holds lanes alone
	l.index = len(*s)
	*s = append(*s, l)
}

// Pop is for container/heap.
func (s *schedule) Pop() any {
	old := *s
	l := old[len(old)-1]
	l.index = -1
	*s = old[:len(old)-1]
	return l
}
