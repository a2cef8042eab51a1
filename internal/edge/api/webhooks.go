package api

import (
	"net/http"

	"github.com/hansa-exchange/hansa"
)

// SubscriptionsBody lists webhooks.
type SubscriptionsBody struct {
	Subscriptions []Subscription `json:"subscriptions"`
}

func (a *API) subscribe(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	var in Subscribe
	if err := readJSON(r, &in); err != nil {
		return err
	}
	q := ask(r, by)
	if in.Purpose != "" {
		q.Purpose = in.Purpose
	}
	q.Format = in.Format
	if q.Format == "" {
		q.Format = "record"
	}
	s, err := a.Subscriptions.Subscribe(r.Context(), q, in)
	if err != nil {
		return err
	}
	w.Header().Set("Location", r.URL.Path+"/"+s.ID)
	writeJSON(w, http.StatusCreated, s)
	return nil
}

func (a *API) subscriptions(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	list, err := a.Subscriptions.Subscriptions(r.Context(), by, hansa.FlowID(r.PathValue("flow")))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, SubscriptionsBody{Subscriptions: list})
	return nil
}

func (a *API) unsubscribe(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	if err := a.Subscriptions.Unsubscribe(r.Context(), by, hansa.FlowID(r.PathValue("flow")), r.PathValue("subscription")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (a *API) testSubscription(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	t, err := a.Subscriptions.TestSubscription(r.Context(), by, hansa.FlowID(r.PathValue("flow")), r.PathValue("subscription"))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, t)
	return nil
}

// Rotated is a webhook's new key: what to check with, or the shared secret, shown once.
type Rotated struct {
	Key string `json:"key"`
}

func (a *API) rotateSubscription(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	key, err := a.Subscriptions.RotateSubscription(r.Context(), by, hansa.FlowID(r.PathValue("flow")), r.PathValue("subscription"))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, Rotated{Key: key})
	return nil
}
