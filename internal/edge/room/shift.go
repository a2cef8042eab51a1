package room

import (
	"context"
	"net/http"
	"time"

	"github.com/hansa-exchange/hansa"
)

// Shift keeps the note that one shift leaves for the next; each party has its own.
type Shift interface {
	// Notes lists the last ones, the newest first.
	Notes(ctx context.Context, by hansa.Actor) ([]Note, error)
	// WriteNote puts a note in the place of the newest, which is after; Conflict when
	// another is the newest by now.
	WriteNote(ctx context.Context, by hansa.Actor, text, after string) error
}

// Note is what somebody left for the next shift; an empty text is nothing.
type Note struct {
	ID     string    `json:"id"`
	At     time.Time `json:"at"`
	Author string    `json:"author"` // opaque
	Who    string    `json:"who"`    // as the party's people know it
	Text   string    `json:"text"`
}

// noteBytesMax bounds the form of a note: its characters, each as a form spells it.
const noteBytesMax = 32 << 10

// shiftPage is all that the template shift needs.
type shiftPage struct {
	shell
	May   bool
	After string
	Text  string
	Notes []noteRow
}

// noteRow is a note as pages show it.
type noteRow struct{ When, Who, Text string }

func (r *Room) shiftPage(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	return r.shiftSheet(w, req, by, &shiftPage{}, nil)
}

func (r *Room) shiftSheet(w http.ResponseWriter, req *http.Request, by hansa.Actor, p *shiftPage, failure error) error {
	typed := p.Text
	p.shell, p.May = r.shell(req, by, "Shift note", "/shift"), by.May(hansa.RightControl)
	for i := range p.Nav {
		p.Nav[i].Here = p.Nav[i].Href == "/live"
	}
	if req.URL.Query().Get("done") == "written" {
		p.Note = p.say.Say("The note is saved. The next shift sees it on the situation.")
	}
	list, err := r.cfg.Shift.Notes(req.Context(), by)
	if err != nil {
		return err
	}
	for i := range list {
		x := &list[i]
		p.Notes = append(p.Notes, noteRow{p.when(x.At), x.Who, x.Text})
	}
	if len(list) > 0 {
		p.After, p.Text = list[0].ID, list[0].Text
	}
	if failure != nil {
		p.Text = typed
	}
	return r.write(w, req, &p.shell, "shift", p, map[string]any{"notes": list}, failure)
}

func (r *Room) writeNote(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	f := req.PostForm
	if err := r.cfg.Shift.WriteNote(req.Context(), by, f.Get("text"), f.Get("after")); err != nil {
		return r.shiftSheet(w, req, by, &shiftPage{Text: f.Get("text")}, err)
	}
	return done(w, req, "/shift", "written")
}
