package room

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"time"

	"github.com/hansa-exchange/hansa"
)

// The JSON of the live page: the same facts, in the same order.
type (
	liveDoc struct {
		City     string            `json:"city"`
		Zone     string            `json:"zone"`
		Now      time.Time         `json:"now"`
		Factor   float64           `json:"clockFactor"`
		Closures []closureDoc      `json:"closures"`
		LeftOut  int               `json:"leftOut,omitempty"`
		Alarms   []alarmDoc        `json:"alarms"`
		Feeds    []hansa.FeedState `json:"feeds"`
		Figures  []figureDoc       `json:"figures"`
		Note     *Note             `json:"shiftNote,omitempty"`
	}
	closureDoc struct {
		Number      int             `json:"number"`
		ID          string          `json:"id"`
		Name        string          `json:"name"`
		Line        string          `json:"line"`
		Effect      hansa.Effect    `json:"effect"`
		Extent      hansa.Extent    `json:"extent,omitempty"`
		Role        hansa.Role      `json:"role,omitempty"`
		Incident    string          `json:"incident,omitempty"`
		Lifecycle   hansa.Lifecycle `json:"lifecycle"`
		Cause       string          `json:"cause,omitempty"`
		Text        string          `json:"text,omitempty"`
		Source      string          `json:"source,omitempty"`
		Published   *time.Time      `json:"published,omitempty"`
		Start       *time.Time      `json:"start,omitempty"`
		End         *time.Time      `json:"end,omitempty"`
		EndKind     hansa.EndKind   `json:"endKind,omitempty"`
		ActualStart *time.Time      `json:"actualStart,omitempty"`
		ActualEnd   *time.Time      `json:"actualEnd,omitempty"`
		Repaired    *time.Time      `json:"repaired,omitempty"`
		Contradicts []string        `json:"contradicts,omitempty"`
		Summary     string          `json:"summary"`
		Selected    bool            `json:"selected,omitempty"`
		Test        bool            `json:"test,omitempty"`
		Receivers   []receiverDoc   `json:"receivers"`
	}
	receiverDoc struct {
		Party  hansa.PartyID  `json:"party"`
		Title  string         `json:"title"`
		Share  float64        `json:"share,omitempty"`
		Limit  hansa.Duration `json:"limit,omitzero"`
		Stands string         `json:"stands"`
		Text   string         `json:"text"`
		Steps  []stepDoc      `json:"steps"`
		End    []stepDoc      `json:"end,omitempty"`
	}
	stepDoc struct {
		Step     hansa.Step     `json:"step"`
		At       time.Time      `json:"at"`
		Evidence hansa.Evidence `json:"evidence,omitempty"`
		Reason   string         `json:"reason,omitempty"`
	}
	alarmDoc struct {
		Level string `json:"level"`
		Text  string `json:"text"`
	}
	figureDoc struct {
		Value string `json:"value"`
		What  string `json:"what"`
	}
)

func (r *Room) liveJSON(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	a, err := asked(req)
	if err != nil {
		return err
	}
	l, err := r.cfg.Source.Live(req.Context(), by, a.closure)
	if err != nil {
		return err
	}
	p := r.build(req.Context(), &l, a)
	d := liveDoc{City: l.City, Zone: zoneOf(&l).String(), Now: l.Now, Factor: p.Factor, LeftOut: p.LeftOut, Closures: []closureDoc{}, Alarms: []alarmDoc{}, Feeds: []hansa.FeedState{}, Figures: []figureDoc{}}
	if l.Note != nil && l.Note.ID != "" {
		d.Note = l.Note
	}
	for _, list := range [][]item{p.Items, p.Ended} {
		for i := range list {
			d.Closures = append(d.Closures, closureJSON(&list[i]))
		}
	}
	for _, x := range p.Alarms {
		d.Alarms = append(d.Alarms, alarmDoc{x.Word, x.Lead + " " + x.Text})
	}
	for i := range l.Feeds {
		d.Feeds = append(d.Feeds, l.Feeds[i].State)
	}
	for _, t := range p.Tiles {
		d.Figures = append(d.Figures, figureDoc{t.Big + t.Small, t.Label})
	}
	var b bytes.Buffer
	if err := writeJSON(&b, d); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	return send(w, req, b.Bytes())
}

func closureJSON(it *item) closureDoc {
	c := it.c
	d := closureDoc{
		Number: it.Number, ID: c.ID, Name: c.Name, Line: it.Line, Effect: c.Effect, Extent: c.Extent, Role: c.Role, Incident: c.Incident, Lifecycle: c.Lifecycle,
		Cause: c.Cause, Text: c.Text, Source: c.Source, Published: stated(c.Published), Start: stated(c.Start), End: stated(c.End), EndKind: c.EndKind,
		ActualStart: stated(c.ActualStart), ActualEnd: stated(c.ActualEnd), Repaired: stated(c.Repaired), Contradicts: c.Contradicts, Summary: it.Sum.Text,
		Selected: it.Current, Test: c.Test, Receivers: []receiverDoc{},
	}
	for i := range it.stands {
		r := &c.Receivers[i]
		d.Receivers = append(d.Receivers, receiverDoc{Party: r.Party, Title: r.Title, Share: r.Share, Limit: hansa.Duration(r.Limit), Stands: it.stands[i].Mark, Text: it.stands[i].Text, Steps: stepsJSON(r.Steps), End: stepsJSON(r.End)})
	}
	return d
}

func stepsJSON(steps []Step) []stepDoc {
	out := []stepDoc{}
	for _, s := range steps[:min(len(steps), StepsMax)] {
		out = append(out, stepDoc(s))
	}
	return out
}

func stated(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
