package room

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/hansa-exchange/hansa"
)

// correctable fills the form that corrects a closure with what is said now, or with
// what was typed.
func (r *Room) correctable(req *http.Request, by hansa.Actor, p *closurePage, c *Closure) {
	part, reason := c.Place, c.Cause
	if p.Text = c.Text; !c.began().IsZero() {
		p.From = localTime(c.began(), p.zone)
	}
	if !c.End.IsZero() {
		p.Till = localTime(c.End, p.zone)
	}
	p.Estimated = c.EndKind == hansa.EndEstimated
	if req.Method == http.MethodPost && req.PathValue("act") == "correct" {
		f := req.PostForm
		part, reason, p.From, p.Till, p.Estimated = f.Get("part"), f.Get("reason"), f.Get("from"), f.Get("until"), f.Get("estimated") != ""
	}
	p.Reasons = reasonRows(p.say, reason)
	if c.Place == "" {
		return
	}
	if choice, err := r.cfg.Desk.Choice(req.Context(), by, c.Place); err == nil && len(choice.Parts) > 0 {
		p.Parts = partRows(p.say, &choice, part)
	}
}

// changeClosure does one act on a closure, which its form has asked to confirm.
func (r *Room) changeClosure(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	id, act := req.PathValue("closure"), req.PathValue("act")
	var o Amendment
	var err error
	switch act {
	case "extend":
		if o.Until, err = readLocal("/until", req.PostForm.Get("until"), r.zone(by)); err == nil && o.Until.IsZero() {
			err = hansa.Fielded("/until", "say until when")
		}
		o.Estimated, o.Text = req.PostForm.Get("estimated") != "", strings.TrimSpace(req.PostForm.Get("text"))
	case "correct":
		o, err = r.corrected(req, by, id)
	case "begin", "repaired", "reopen", "withdraw":
		o.Text = strings.TrimSpace(req.PostForm.Get("text"))
	default:
		return hansa.Errorf(hansa.NotFound, "there is no act %q of a closure", act)
	}
	if err == nil {
		err = r.cfg.Desk.Change(req.Context(), by, id, act, o)
	}
	if err != nil {
		if k := hansa.KindOf(err); k == hansa.Internal || k == hansa.NotFound {
			return err
		}
		return r.closureSheet(w, req, by, id, err)
	}
	return done(w, req, "/closures/"+url.PathEscape(id), act)
}

// corrected is what the form says otherwise than the closure does.
func (r *Room) corrected(req *http.Request, by hansa.Actor, id string) (o Amendment, err error) {
	l, _, err := r.cfg.Desk.Closure(req.Context(), by, id)
	if err != nil {
		return o, err
	}
	if len(l.Closures) == 0 {
		return o, hansa.Errorf(hansa.NotFound, "there is no such closure")
	}
	c, f, zone := &l.Closures[0], req.PostForm, r.zone(by)
	if part := f.Get("part"); part != c.Place {
		o.Place = part
	}
	if reason := f.Get("reason"); reason != c.Cause {
		o.Reason = reason
	}
	if text := strings.TrimSpace(f.Get("text")); text != c.Text {
		o.Text = text
	}
	if typed := f.Get("from"); typed != localTime(c.began(), zone) {
		if o.From, err = readLocal("/from", typed, zone); err != nil {
			return o, err
		}
	}
	o.Estimated = f.Get("estimated") != ""
	if typed := f.Get("until"); typed != "" && (c.End.IsZero() || typed != localTime(c.End, zone) || o.Estimated != (c.EndKind == hansa.EndEstimated)) {
		o.Until, err = readLocal("/until", typed, zone)
	}
	return o, err
}
