package node

import (
	"context"
	"log/slog"
	"net/http"
	"runtime"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/dataplane/format/record"
	"github.com/hansa-exchange/hansa/internal/edge/api"
	"github.com/hansa-exchange/hansa/internal/edge/dsp"
	"github.com/hansa-exchange/hansa/internal/edge/room"
)

// openDoors joins the routes of every door into one table.
func (n *Node) openDoors(ctx context.Context) error {
	n.doors = newDoors(n, n.log)
	formats := []api.FormatInfo{}
	for _, c := range n.line.codecs {
		formats = append(formats, api.FormatInfo{Name: c.Name, Title: c.Title, MediaType: c.MediaType, Ext: c.Ext, Reads: c.Reader != nil, Writes: c.Writer != nil})
	}
	a := api.New(api.Config{
		Data: serving{n}, Intake: serving{n}, Subscriptions: serving{n}, Open: openTerms{n}, Own: serving{n}, Receipts: serving{n}, Desk: n.desk, Roads: roads{n}, Evidence: proofs{n}, Operator: operator{n}, Admin: admins{n}, Invitations: invites{n}, People: people{n}, Offers: shelf{n}, Deals: dealing{n.deal}, Accords: n.accords, Register: register{n}, Adoptions: adoptions{n}, Asks: asks{n}, Reviews: reviews{n}, Keyring: keyring{n}, Peers: peers{n}, Trials: trials{n},
		Formats: formats, Version: n.cfg.Version, Schemas: map[string][]byte{"record-1.json": record.Schema()},
	})
	for _, e := range a.Endpoints() {
		n.doors.add(e.Route, e.Serve)
	}
	n.doors.add(renewRoute(), n.deal.renewed)
	n.doors.add(sinkRoute(), n.deal.taken)
	n.doors.add(inboxRoute(), n.accords.received)
	for _, e := range dsp.New(dsp.Config{Deals: n.deal, Now: n.wall, Base: func(p hansa.Party) string { return n.deal.base(p.ID) }, Name: n.did}).Endpoints() {
		n.doors.put(door{Route: e.Route, serve: api.Handler(e.Serve), fail: dsp.WriteError})
	}
	cfg := room.Config{Source: live{n}, Log: n.log, Now: n.wall, Authenticate: n.browser, Desk: pages{n}, Keeper: kept{n}, Deals: dealpages{n}, Shift: shift{n}, Drafts: drafts{n}, Alarms: alarms{n}, Prints: prints{n}, Accords: accordpages{n}, Asks: askpages{n}, Reviews: reviews{n}, Langs: pages{n}.langs(n.own)}
	if n.cfg.Drawing != nil {
		cfg.Drawing = *n.cfg.Drawing
	}
	if !n.cfg.OpenRoom {
		cfg.Accounts, cfg.Invitations, cfg.Inviting = accounts{n}, invites{n}, invitepages{n}
	}
	r, err := room.New(cfg)
	if err != nil {
		return err
	}
	n.room = r
	for _, route := range r.Routes() {
		h := r.Handler(route.Pattern)
		n.doors.add(route, func(w http.ResponseWriter, req *http.Request, _ hansa.Actor) error {
			h.ServeHTTP(w, req)
			return nil
		})
	}
	n.log.LogAttrs(ctx, slog.LevelDebug, "the doors are set", slog.Int("routes", len(n.doors.table)), slog.String("go", runtime.Version()))
	return nil
}

// browser says who looks at the room: who is signed in, whoever has a credential
// with the right to control, and in the demonstration, on loopback, everybody.
func (n *Node) browser(r *http.Request) (hansa.Actor, error) {
	if n.cfg.OpenRoom || r.Context().Value(adminKey{}) != nil {
		return hansa.Actor{Party: n.own, Rights: []hansa.Right{hansa.RightRead, hansa.RightControl}}, nil
	}
	return n.look(r.Context(), r)
}

// live is what the room shows.
type live struct{ n *Node }

var _ room.Source = live{}

// Changed is closed when something that the page shows has changed.
func (l live) Changed() <-chan struct{} { return l.n.changed.wait() }

// Live gathers what the live page of by's party shows.
func (l live) Live(ctx context.Context, by hansa.Actor, _ string) (room.Live, error) {
	n := l.n
	p := n.party(by.Party)
	zone, err := time.LoadLocation(first(p.Zone, "UTC"))
	if err != nil {
		zone = time.UTC
	}
	out := room.Live{City: p.Title, Zone: zone, Now: n.clock(), Factor: n.cfg.Factor()}
	list, err := n.desk.Closures(ctx, by, true)
	if err != nil {
		return out, err
	}
	if out.Acts, err = alarms(l).AlarmActs(ctx, by); err != nil {
		return out, err
	}
	notes, err := shift(l).Notes(ctx, by)
	if err != nil {
		return out, err
	}
	if out.Note = (&room.Note{}); len(notes) > 0 {
		out.Note = &notes[0]
	}
	if out.Asking, err = dealpages(l).asking(ctx, by); err != nil {
		return out, err
	}
	today := out.Now.Add(-24 * time.Hour)
	for _, c := range list {
		if over := !c.Record.Live(); over {
			if c.Record.Updated.After(out.Before) {
				out.Before = c.Record.Updated
			}
			if c.Record.Updated.Before(today) {
				continue
			}
		}
		out.Closures = append(out.Closures, shownClosure(c))
	}
	states, err := n.feeds.States(ctx)
	for _, s := range states {
		out.Feeds = append(out.Feeds, room.Feed{State: s})
	}
	return out, err
}

// shownClosure turns a closure into the room's words.
func shownClosure(c api.Closure) room.Closure {
	r, s := c.Record, c.Record.Situation
	out := room.Closure{
		ID: c.ID, Name: c.Title, Kind: s.Infra.Kind, Place: s.Infra.ID, Road: s.Road.Number, Effect: s.Effect, Extent: s.Extent, Role: s.Role, Incident: s.Incident, Test: !r.Mode.IsReal(),
		Lifecycle: s.Lifecycle, Cause: s.Cause.Type, Source: first(s.Source.Org, r.Provenance.Holder), Feed: r.Provenance.Feed, Published: r.Published,
		Start: at(s.Start), End: at(s.End), EndKind: s.EndKind, ActualStart: at(s.ActualStart), ActualEnd: at(s.ActualEnd), Repaired: at(s.Repaired), Geometry: s.Geometry,
	}
	if t, ok := s.Comment("en"); ok {
		out.Text, out.Lang = t.Value, t.Lang
	}
	for _, d := range s.Detours {
		if d.Geometry != nil {
			out.Detours = append(out.Detours, d.Geometry)
		}
		out.Detour = first(out.Detour, d.Text)
	}
	if len(s.Vehicles) > 0 {
		out.Vehicles = first(s.Vehicles[0].Class, first(s.Vehicles[0].Other, "some vehicles"))
	}
	for _, x := range c.Contradictions {
		out.Contradicts = append(out.Contradicts, x.Source+": "+x.Says)
	}
	for _, x := range c.Receivers {
		out.Receivers = append(out.Receivers, room.Receiver{Party: x.Party, Title: x.Title, Share: x.Share, Limit: secondsOf(x.Limit), Steps: steps(x.Ladder), End: steps(x.End)})
	}
	return out
}

func at(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

func steps(list []api.Rung) (out []room.Step) {
	for _, g := range list {
		out = append(out, room.Step{Step: g.Step, At: g.At, Evidence: g.Evidence, Reason: g.Reason})
	}
	return out
}
