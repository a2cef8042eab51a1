package wzdx

import (
	"slices"
	"strconv"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/dataplane/format"
)

// when fills the windows: one from start to end, or each occurrence.
func (p *planner) when() {
	start, ok := format.Begins(p.s)
	if !ok {
		p.report.Refuse("/situation/start", "", "WZDx wants a start and none is given")
		return
	}
	if p.s.ActualStart != nil {
		p.zone.StartDateVerified = len(p.s.Recurrence) == 0
		if p.s.ActualStart.Equal(start) {
			p.say("/situation/actualStart")
		}
	}
	if p.s.End != nil && !p.s.End.After(start) {
		p.report.Refuse("/situation/end", p.s.End.Format(time.RFC3339), "it ends before it begins")
		return
	}
	if len(p.s.Recurrence) > 0 {
		p.occurrences(start)
		return
	}
	w := hansa.Window{From: start}
	switch late := p.s.End != nil && !p.doc.Made.IsZero() && !p.s.End.After(p.doc.Made); {
	case p.s.End == nil:
		w.To = p.openEnd(start)
		p.report.Add(hansa.LossInvented, "/situation/end", utc(w.To), "WZDx wants an end and it is open: one 14 days ahead is put, marked as not verified")
	case late:
		w.To = p.openEnd(start)
		p.report.Add(hansa.LossInvented, "/situation/end", utc(w.To), "the planned end has passed and it still holds: one 14 days ahead is put, marked as not verified")
	default:
		w.To = *p.s.End
	}
	p.windows = []hansa.Window{w}
}

// openEnd puts an end 14 days after what is latest of the start, the update and
// the making of the document.
func (p *planner) openEnd(start time.Time) time.Time {
	from := start
	for _, t := range []time.Time{p.r.Updated, p.doc.Made} {
		if t.After(from) {
			from = t
		}
	}
	return from.Add(OpenEnd)
}

// occurrences fills the windows of what comes back, those left out that are over.
func (p *planner) occurrences(start time.Time) {
	list, field, reason := format.Occurrences(p.s, start, FeaturesMax)
	if reason != "" {
		p.report.Refuse(field, "", reason+": WZDx has a road event for each time")
		return
	}
	p.windows = list
	p.say("/situation/recurrence")
	p.report.Add(hansa.LossSplit, "/situation/recurrence", strconv.Itoa(len(p.windows)), "each time is a road event of its own")
	if p.doc.Made.IsZero() {
		return
	}
	p.windows = slices.DeleteFunc(p.windows, func(w hansa.Window) bool { return !w.To.After(p.doc.Made) })
	if len(p.windows) == 0 {
		p.report.Refuse("/situation/recurrence", "", "its last window is over: absence says it")
	}
}
