package format

import (
	"slices"
	"strconv"
	"time"

	"github.com/hansa-exchange/hansa"
)

// Occurrences returns when what comes back in s holds, window by window from start
// to its end, in order, those that touch joined. field and reason say why there is
// no such list: one without end, or of more than most.
func Occurrences(s *hansa.Situation, start time.Time, most int) (list []hansa.Window, field, reason string) {
	until := start.AddDate(100, 0, 0)
	if s.End != nil && s.End.Before(until) {
		until = *s.End
	}
	for i := range s.Recurrence {
		r := &s.Recurrence[i]
		field = "/situation/recurrence/" + strconv.Itoa(i)
		if s.End == nil && r.Last == "" {
			return nil, field, "it comes back without end"
		}
		schedule, err := r.Schedule()
		if err != nil {
			return nil, field, hansa.Public(err).Message
		}
		n := 0
		for w := range schedule.Windows(start, until) {
			if n++; n > most {
				return nil, field, "it comes back more than " + strconv.Itoa(most) + " times"
			}
			list = append(list, clip(w, start, until))
		}
	}
	if list = merged(list); len(list) == 0 {
		return nil, "/situation/recurrence", "none of its windows lies between its start and its end"
	}
	return list, "", ""
}

func clip(w hansa.Window, from, until time.Time) hansa.Window {
	if w.From.Before(from) {
		w.From = from
	}
	if w.To.After(until) {
		w.To = until
	}
	return w
}

// merged sorts windows and joins those that touch.
func merged(ws []hansa.Window) (out []hansa.Window) {
	slices.SortFunc(ws, func(a, b hansa.Window) int { return a.From.Compare(b.From) })
	for _, w := range ws {
		if last := len(out) - 1; last >= 0 && !w.From.After(out[last].To) {
			if w.To.After(out[last].To) {
				out[last].To = w.To
			}
			continue
		}
		out = append(out, w)
	}
	return out
}

// OccurrenceID is the id of one occurrence of a record: it stays the same for as
// long as the record says so.
func OccurrenceID(record string, w hansa.Window) string {
	return record + "-" + w.From.UTC().Format("20060102T1504Z")
}
