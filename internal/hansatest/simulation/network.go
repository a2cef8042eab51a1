package simulation

import "time"

// callMax is how long a caller waits for an answer.
const callMax = 10 * time.Second

// answer is what a call comes to; a status of 0 is none.
type answer struct {
	status int
	pid    string // what the other side calls the process
	state  string
	reason string
}

// call carries one request and its answer. serve runs at the other side, more than
// once when the network doubles it; done hears the answer that comes first, unless
// the caller has crashed meanwhile.
func (w *world) call(from, to *node, serve func(*Op) answer, done func(answer), op *Op) {
	epoch, settled := from.epoch, false
	settle := func(a answer) {
		if !settled && from.epoch == epoch {
			settled = true
			done(a)
		}
	}
	w.work.Messages++
	w.after(callMax, func() { settle(answer{}) })
	deliver := func(first bool) {
		mine := op
		if !first {
			mine = op.again(w)
		}
		w.after(w.delay(), func() {
			if !to.up {
				w.close(mine, answer{}, false)
				w.after(time.Millisecond, func() { settle(answer{}) })
				return
			}
			a := serve(mine)
			if a.status == 0 || !first || w.lost(to, from) {
				w.close(mine, answer{}, true)
				return
			}
			w.after(w.delay(), func() {
				w.close(mine, a, true)
				settle(a)
			})
		})
	}
	if w.lost(from, to) {
		w.close(op, answer{}, false)
	} else {
		deliver(true)
	}
	if w.unlucky(w.faults.twice) {
		w.work.Doubled++
		deliver(false)
	}
}

func (w *world) delay() time.Duration {
	if w.unlucky(w.faults.slow) {
		return w.between(time.Second, 30*time.Second)
	}
	return w.between(time.Millisecond, 30*time.Millisecond)
}

func (w *world) lost(from, to *node) bool {
	for _, c := range w.faults.cuts {
		if c.from == from.index && c.to == to.index && !w.now.Before(c.begin) && w.now.Before(c.ends) && !w.healed() {
			w.work.Lost++
			return true
		}
	}
	if w.unlucky(w.faults.loss) {
		w.work.Lost++
		return true
	}
	return false
}
