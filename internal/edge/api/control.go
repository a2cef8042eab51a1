package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/hansa-exchange/hansa"
)

// ClosuresBody lists closures, newest first.
type ClosuresBody struct {
	Closures []Closure `json:"closures"`
}

// PlacesBody lists named places.
type PlacesBody struct {
	Places []hansa.Place `json:"places"`
}

// FlowsBody lists the flows that the caller gives or receives.
type FlowsBody struct {
	Flows []FlowInfo `json:"flows"`
}

// DatasetsBody lists the caller's datasets.
type DatasetsBody struct {
	Datasets []hansa.Dataset `json:"datasets"`
}

// ExplainBody says for each flow who would get a record.
type ExplainBody struct {
	Record string      `json:"record"`
	Flows  []Explained `json:"flows"`
}

// Counted says how many things an act touched.
type Counted struct {
	Count int `json:"count"`
}

// EraseOrder names why a record is erased.
type EraseOrder struct {
	Rule string `json:"rule"` // the clause or rule under which
}

// ReplayOrder says from where a subscription is sent again.
type ReplayOrder struct {
	Since hansa.Cursor `json:"since,omitempty"`
}

// WhoBody is the caller as the node knows it.
type WhoBody struct {
	Party    hansa.PartyID   `json:"party"`
	Rights   []hansa.Right   `json:"rights"`
	Purposes []hansa.Purpose `json:"purposes,omitempty"`
	Test     bool            `json:"test,omitzero"`
}

func (a *API) deskEndpoints() []Endpoint {
	api := func(method, path, object, action string, right hansa.Right, body int64) hansa.Route {
		return hansa.Route{Method: method, Pattern: "/api/v1" + path, Right: right, Object: object, Action: action, BodyMax: body}
	}
	watch := api("GET", "/closures/{closure}/wait", "closure", "hang until a closure's ladder changes", hansa.RightControl, 0)
	watch.Slow = true
	backup := api("GET", "/backup", "node", "take an online backup", hansa.RightAdmin, 0)
	backup.Slow = true
	change := func(what, action string) Endpoint {
		return Endpoint{Route: api("POST", "/closures/{closure}/"+what, "closure", action, hansa.RightControl, 64<<10), Serve: a.change(what), In: ChangeOrder{}, Out: Closure{}}
	}
	return []Endpoint{
		{Route: api("GET", "/whoami", "node", "say who the caller is", hansa.RightRead, 0), Serve: a.whoami, Out: WhoBody{}},
		{Route: api("GET", "/flows", "node", "list the flows that the caller gives or receives", hansa.RightRead, 0), Serve: a.flows, Out: FlowsBody{}},
		{Route: api("GET", "/datasets", "node", "list the caller's datasets", hansa.RightRead, 0), Serve: a.datasets, Out: DatasetsBody{}},
		{Route: api("GET", "/places", "node", "find named places", hansa.RightControl, 0), Serve: a.places, Out: PlacesBody{}, Query: []Param{{Name: "q", What: "A name or a part of it; empty lists all.", Example: "oostertunnel"}}},
		{Route: api("POST", "/closures", "node", "close a place", hansa.RightControl, 64<<10), Serve: a.close, In: CloseOrder{}, Out: Closure{}, Status: http.StatusCreated},
		{Route: api("GET", "/closures", "node", "list closures with their ladders", hansa.RightControl, 0), Serve: a.closures, Out: ClosuresBody{}, Query: []Param{{Name: "ended", What: "true lists ended and withdrawn ones too.", Example: "true"}}},
		{Route: api("GET", "/closures/{closure}", "closure", "show a closure with its ladders", hansa.RightControl, 0), Serve: a.closure, Out: Closure{}},
		{Route: watch, Serve: a.watch, Out: Closure{}},
		change("begin", "say that a planned closure has begun"), change("correct", "put right the part, cause, start, end or sentence of a closure"),
		change("reopen", "reopen a closed place"), change("extend", "move a closure's planned end"),
		change("repaired", "say that the cause is gone; the road stays closed"), change("withdraw", "withdraw a closure that should not have been said"),
		{
			Route: api("GET", "/deliveries", "node", "list what was handed over and what waits", hansa.RightRead, 0), Serve: a.deliveries, Out: Deliveries{},
			Query: []Param{{Name: "party", What: "A party's id."}, {Name: "flow", What: "A flow's id."}, {Name: "state", What: "waiting, delivered or parked."}, {Name: "id", What: "One delivery."}, {Name: "limit", What: "1 to 1000.", Example: "100"}},
		},
		{Route: api("POST", "/deliveries/{delivery}/replay", "delivery", "send a delivery, or a subscription's records, again", hansa.RightRead, 4<<10), Serve: a.replay, In: ReplayOrder{}, Out: Counted{}},
		{
			Route: api("GET", "/explain", "node", "say who would get a record, and why not", hansa.RightControl, 0), Serve: a.explain, Out: ExplainBody{},
			Query: []Param{{Name: "record", What: "The record's id.", Required: true}, {Name: "flow", What: "One flow, by id or name; empty is all."}, {Name: "purpose", What: "The purpose of the read."}},
		},
		{Route: api("GET", "/status", "node", "say how the node does", hansa.RightAdmin, 0), Serve: a.status, Out: Status{}},
		{Route: api("POST", "/feeds/{feed}/release", "node", "accept a held snapshot", hansa.RightAdmin, 1<<10), Serve: a.release, Status: http.StatusNoContent},
		{Route: api("POST", "/datasets/{dataset}/records/{record}/erase", "dataset", "erase a record's content; its proof stands", hansa.RightAdmin, 4<<10), Serve: a.erase, In: EraseOrder{}, Out: Counted{}},
		{Route: backup, Serve: a.backup, Media: []string{"application/vnd.sqlite3"}},
	}
}

func (*API) whoami(w http.ResponseWriter, _ *http.Request, by hansa.Actor) error {
	writeJSON(w, http.StatusOK, WhoBody{Party: by.Party, Rights: by.Rights, Purposes: by.Purposes, Test: by.Test})
	return nil
}

func (a *API) flows(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	list, err := a.Operator.Flows(r.Context(), by)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, FlowsBody{Flows: list})
	return nil
}

func (a *API) datasets(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	list, err := a.Operator.Datasets(r.Context(), by)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, DatasetsBody{Datasets: list})
	return nil
}

func (a *API) places(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	q, err := text(r, "q")
	if err != nil {
		return err
	}
	list, err := a.Desk.Places(r.Context(), by, q)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, PlacesBody{Places: list})
	return nil
}

func (a *API) close(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	var in CloseOrder
	if err := readJSON(r, &in); err != nil {
		return err
	}
	c, err := a.Desk.Close(r.Context(), by, in)
	if err != nil {
		return err
	}
	w.Header().Set("Location", "/api/v1/closures/"+c.ID)
	writeJSON(w, http.StatusCreated, c)
	return nil
}

func (a *API) closures(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	list, err := a.Desk.Closures(r.Context(), by, r.URL.Query().Get("ended") == "true")
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, ClosuresBody{Closures: list})
	return nil
}

func (a *API) closure(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	c, err := a.Desk.Closure(r.Context(), by, r.PathValue("closure"))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, c)
	return nil
}

func (a *API) watch(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	ctx, stop := context.WithTimeout(r.Context(), WaitMax)
	defer stop()
	if err := a.Desk.Wait(ctx, by, r.PathValue("closure")); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return a.closure(w, r, by)
}

func (a *API) change(what string) Handler {
	return func(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
		var in ChangeOrder
		if r.ContentLength != 0 {
			if err := readJSON(r, &in); err != nil {
				return err
			}
		}
		c, err := a.Desk.Change(r.Context(), by, r.PathValue("closure"), what, in)
		if err != nil {
			return err
		}
		writeJSON(w, http.StatusOK, c)
		return nil
	}
}

func (a *API) deliveries(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	limit, err := count(r, "limit", PageDefault, PageMax)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	list, err := a.Operator.Deliveries(r.Context(), by, DeliveryQuery{
		Party: hansa.PartyID(q.Get("party")), Flow: hansa.FlowID(q.Get("flow")), State: q.Get("state"), ID: q.Get("id"), Limit: limit,
	})
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, list)
	return nil
}

func (a *API) replay(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	var in ReplayOrder
	if r.ContentLength != 0 {
		if err := readJSON(r, &in); err != nil {
			return err
		}
	}
	n, err := a.Operator.Replay(r.Context(), by, r.PathValue("delivery"), in.Since)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, Counted{Count: n})
	return nil
}

func (a *API) explain(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	q := r.URL.Query()
	if q.Get("record") == "" {
		return hansa.Fielded("?record", "say which record, by its id")
	}
	list, err := a.Operator.Explain(r.Context(), by, q.Get("flow"), q.Get("record"), hansa.Purpose(q.Get("purpose")))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, ExplainBody{Record: q.Get("record"), Flows: list})
	return nil
}

func (a *API) status(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	s, err := a.Operator.Status(r.Context(), by)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, s)
	return nil
}

func (a *API) release(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	if err := a.Operator.Release(r.Context(), by, r.PathValue("feed")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (a *API) erase(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	var in EraseOrder
	if err := readJSON(r, &in); err != nil {
		return err
	}
	if in.Rule == "" {
		return hansa.Fielded("/rule", "say under which clause or rule the record is erased")
	}
	n, err := a.Operator.Erase(r.Context(), by, r.PathValue("dataset"), r.PathValue("record"), in.Rule)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, Counted{Count: n})
	return nil
}

func (a *API) backup(w http.ResponseWriter, r *http.Request, _ hansa.Actor) error {
	w.Header().Set("Content-Type", "application/vnd.sqlite3")
	return a.Operator.Backup(r.Context(), w)
}
