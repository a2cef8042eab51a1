package cifs

import (
	"slices"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/dataplane/format"
)

// LaneOrderMax is the highest number of a lane.
const LaneOrderMax = 99

// lanes tells which lanes are closed, where lanes are. CIFS counts from the left;
// the canonical form from the centre of the road.
func (p *planner) lanes() {
	s := p.s
	if s.Effect != hansa.LanesClosed || len(s.Lanes) == 0 {
		return
	}
	left := format.LeftHand(p.r.Provenance.Country) || p.r.Provenance.Country == "" && format.LeftHand(p.doc.Country)
	of := s.Lanes[0].Of
	byNumber := slices.Clone(s.Lanes)
	slices.SortFunc(byNumber, func(a, b hansa.Lane) int { return a.Number - b.Number })
	whole := of == len(byNumber) && of <= LaneOrderMax
	var closed []int
	for i, l := range byNumber {
		if l.Number < 1 || l.Of != of || i > 0 && byNumber[i-1].Number == l.Number || of > 0 && l.Number > of {
			return // the lanes do not agree with each other: they are told as lost
		}
		if l.Closed {
			closed = append(closed, l.Number)
		}
	}
	if whole {
		p.i.Lanes = &lanes{}
		for _, l := range byNumber {
			p.i.Lanes.Lane = append(p.i.Lanes.Lane, one(l, left))
		}
		slices.SortFunc(p.i.Lanes.Lane, func(a, b lane) int { return a.Order - b.Order })
		p.say("/situation/lanes")
		return
	}
	if side := sideOf(closed, of, left); side != "" && len(closed) <= LaneOrderMax {
		p.i.LaneImpact = &impact{Closed: len(closed), Side: side}
		p.say("/situation/lanes")
	}
}

func one(l hansa.Lane, left bool) lane {
	n := l.Number
	if left {
		n = l.Of + 1 - n
	}
	out := lane{Order: n, Type: "LANE", Status: "OPEN"}
	if l.Closed {
		out.Status = "CLOSED"
	}
	return out
}

// sideOf returns the side on which the closed lanes lie, or nothing when they lie
// on both or it cannot be told.
func sideOf(closed []int, of int, left bool) string {
	if len(closed) == 0 {
		return ""
	}
	inner, outer := slices.Contains(closed, 1), of > 0 && slices.Contains(closed, of)
	switch {
	case inner && outer, !inner && !outer && of == 0:
		return ""
	case !inner && !outer:
		return "MIDDLE"
	case inner == left:
		return "RIGHT"
	}
	return "LEFT"
}
