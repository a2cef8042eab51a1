package stream

import "github.com/hansa-exchange/hansa"

// add puts committed records behind the tail, in order, and wakes who waits.
func (m *set) add(first int64, recs []*hansa.Record) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.next == 0 {
		m.next = first
	}
	switch {
	case first == m.next:
		m.push(recs)
		for {
			more, ok := m.pending[m.next]
			if !ok {
				break
			}
			delete(m.pending, m.next)
			m.push(more)
		}
	case first > m.next && len(m.pending) < pendingMax:
		if m.pending == nil {
			m.pending = map[int64][]*hansa.Record{}
		}
		m.pending[first] = recs
	default: // lost step: followers read from disk until the tail stands again
		m.tail, m.tailSize, m.next, m.pending = nil, 0, 0, nil
	}
	close(m.changed)
	m.changed = make(chan struct{})
}

// push keeps the newest records in memory, tailMax of them and tailBytes at least,
// and twice that at most.
func (m *set) push(recs []*hansa.Record) {
	m.tail = append(m.tail, recs...)
	m.next += int64(len(recs))
	for _, r := range recs {
		m.tailSize += sizeOf(r)
	}
	if len(m.tail) <= 2*tailMax && m.tailSize <= 2*tailBytes {
		return
	}
	size, from := 0, len(m.tail)
	for from > 0 && len(m.tail)-from < tailMax && size < tailBytes {
		from--
		size += sizeOf(m.tail[from])
	}
	m.tail, m.tailSize = append([]*hansa.Record(nil), m.tail[from:]...), size
}

// sizeOf is about how many bytes a record takes in memory.
func sizeOf(r *hansa.Record) int {
	n := 1024 + len(r.Original)
	if r.Situation != nil && r.Situation.Geometry != nil {
		for _, l := range r.Situation.Geometry.Lines {
			n += 16 * len(l)
		}
	}
	return n
}
