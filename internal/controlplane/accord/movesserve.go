package accord

import (
	"slices"
	"time"

	"github.com/hansa-exchange/hansa"
)

func (w *step) serve() error {
	if _, err := w.signature(); err != nil {
		return err
	}
	if err := w.noticed(); err != nil {
		return err
	}
	served := *w.m.Body.Service
	if w.Notice = &served; w.Force == "" {
		w.Service, w.Objection = w.Notice, nil
	}
	w.signed()
	return nil
}

func (w *step) acknowledge() error {
	w.Acknowledged = append(w.Acknowledged, w.m.From)
	if !slices.Contains(w.Known, w.m.From) {
		w.Known = append(w.Known, w.m.From)
	}
	w.effects = append(w.effects, Go{Party: w.m.From})
	return nil
}

func (w *step) noticed() error {
	if on := w.m.Body.Service.On; on.After(w.e.At.AddDate(0, 0, 1)) {
		return hansa.Fielded("/body/service/on", "a notice is recorded once it was given: %s has not come yet", on.UTC().Format(time.DateOnly))
	}
	return nil
}

func (w *step) object() error {
	if err := w.noticed(); err != nil {
		return err
	}
	made := *w.m.Body.Service
	w.Objection = &made
	if made.Suspends && w.Force != "" && w.gives(w.m.From, "") {
		w.still("")
	}
	return nil
}
