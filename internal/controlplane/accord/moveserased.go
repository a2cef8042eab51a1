package accord

import (
	"slices"
	"time"

	"github.com/hansa-exchange/hansa"
)

func (w *step) erased() error {
	x := w.m.Body.Erasure
	if x.Rule != w.Bound.Exit {
		return hansa.Fielded("/body/erasure/rule", "the exit rule of this accord is %s, not %s", w.Bound.Exit, x.Rule)
	}
	if err := w.dated(x); err != nil {
		return err
	}
	w.Erasures = append(w.Erasures, ErasedBy{By: w.m.From, Entry: w.e.N, Erasure: *x})
	w.certified(w.m.From)
	return nil
}

func (w *step) dated(x *Erasure) error {
	var over time.Time // the first of what is
	if now := w.At(w.e.At); now.State == hansa.AccordEnded {
		over = now.Since
	}
	for i := range w.Members {
		if l := w.Members[i].Left; !l.IsZero() && (over.IsZero() || l.Before(over)) {
			over = l
		}
	}
	switch {
	case x.On.After(w.e.At.Add(hansa.SkewMax)):
		return hansa.Fielded("/body/erasure/on", "it is certified once it is done: %s has not come yet", x.On.UTC().Format(time.RFC3339))
	case x.On.Before(over.Truncate(time.Second).Add(-hansa.SkewMax)):
		return hansa.Fielded("/body/erasure/on", "nothing was over on %s: the first was at %s", x.On.UTC().Format(time.RFC3339), over.UTC().Format(time.RFC3339))
	}
	for _, id := range x.Flows {
		other := slices.ContainsFunc(w.Bound.Flows, func(l Line) bool {
			return l.ID == id && (l.From == w.m.From || l.To != w.m.From && l.To != Members)
		})
		for i := range w.Members {
			other = other || w.Members[i].Party.ID == w.m.From && slices.ContainsFunc(w.Members[i].Gives, func(f Flow) bool { return f.ID == id })
		}
		if other {
			return hansa.Fielded("/body/erasure/flows", "%s receives no flow %s under this accord", w.m.From, id)
		}
	}
	return nil
}

func (w *step) certified(by hansa.PartyID) {
	open := map[hansa.FlowID]bool{} // not named by a later one
	for _, l := range w.Bound.Flows {
		open[l.ID] = l.From != by && (l.To == by || l.To == Members)
	}
	for i := range w.Members {
		for _, f := range w.Members[i].Gives {
			open[f.ID] = f.From != by
		}
	}
	for i := len(w.Erasures) - 1; i >= 0; i-- {
		e := &w.Erasures[i]
		if e.By != by {
			continue
		}
		adds := i == len(w.Erasures)-1
		for _, id := range e.Flows {
			adds = adds || open[id]
			delete(open, id)
		}
		if !adds {
			w.Erasures = slices.Delete(w.Erasures, i, i+1)
		}
	}
}
