package outbound

// topsMax bounds the processes whose last letter is known without a look; at the limit
// all are forgotten.
const topsMax = 8192

// top is the last letter of a process none of whose letters is parked. It holds once the
// transaction that wrote it is committed, and until then within that transaction alone.
type top struct {
	n  int64 // its number, 0 when there is none yet
	in bool  // it came in
	by *Mail // of the transaction that wrote it; nil once that is committed
}

// Begins says that no letter was written of a process yet: the caller's transaction
// begins it.
func (o *Outbox) Begins(m *Mail, process string) { o.setTop(m, process, top{}) }

// last returns the number of a process's last letter as a transaction sees it, where that
// is known.
func (o *Outbox) last(m *Mail, process string) (n int64, known bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	t, ok := o.tops[process]
	if !ok || t.by != nil && t.by != m {
		return 0, false
	}
	return t.n, true
}

// setTop notes what a transaction wrote. One that is undone leaves what nobody takes
// for true.
func (o *Outbox) setTop(m *Mail, process string, t top) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.tops) >= topsMax {
		clear(o.tops)
	}
	t.by = m
	o.tops[process] = t
	m.wrote = append(m.wrote, process)
}

// forgetTop has the next letter of a process look for what is before it: a letter of it
// is parked.
func (o *Outbox) forgetTop(process string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.tops, process)
}

// settleTops notes that a transaction is committed; the caller holds the lock. What a
// later one has written over stays that one's.
func (o *Outbox) settleTops(m *Mail) {
	for _, process := range m.wrote {
		if t, ok := o.tops[process]; ok && t.by == m {
			t.by = nil
			o.tops[process] = t
		}
	}
}

// answeredBy returns the outcome that is held of the letter right before the last one of a
// process, where a transaction took that in: it is then the last own one. nil is none,
// or not known.
func (o *Outbox) answeredBy(m *Mail, process string) *held {
	o.mu.Lock()
	defer o.mu.Unlock()
	t, h := o.tops[process], o.held[process]
	if h == nil || t.by != m || !t.in || h.after.N != t.n-1 {
		return nil
	}
	return h
}
