package room

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/words"
)

// An operator is overloaded by more than one new alarm in ten minutes (EEMUA 191).
const (
	rateOver   = 10 * time.Minute
	rateTarget = 1
)

// Alarms keeps what people do about alarms; each party has its own.
type Alarms interface {
	// AlarmActs lists the last ones, the newest first.
	AlarmActs(ctx context.Context, by hansa.Actor) ([]AlarmAct, error)
	// ActOnAlarm acknowledges an alarm, or shelves it when Until is set; that needs a
	// reason.
	ActOnAlarm(ctx context.Context, by hansa.Actor, act AlarmAct) error
}

// AlarmAct is what somebody did about an alarm. It holds for the alarm as it began
// before: one that comes back asks anew.
type AlarmAct struct {
	Key    string    `json:"alarm"` // its cause
	Lead   string    `json:"says"`
	Level  string    `json:"level"`
	At     time.Time `json:"at"`
	Author string    `json:"author"` // opaque
	Who    string    `json:"who"`    // as the party's people know it
	Until  time.Time `json:"shelvedUntil,omitzero"`
	Reason string    `json:"reason,omitempty"`
}

// settle marks the alarms that somebody has acknowledged, puts them behind the others,
// and takes those out that are shelved.
func settle(say *words.Catalogue, all []alarm, l *Live) (active, shelved []alarm) {
	for _, a := range all {
		i := slices.IndexFunc(l.Acts, func(x AlarmAct) bool { return x.Key == a.Key && !x.At.Before(a.since) })
		switch {
		case i < 0:
		case l.Acts[i].Until.After(l.Now):
			x := &l.Acts[i]
			a.Done = say.Fill("Shelved until {1} by {2}: {3}", say.When(x.Until, l.Now, l.Zone), x.Who, x.Reason)
			shelved = append(shelved, a)
			continue
		case l.Acts[i].Until.IsZero():
			a.Done = say.Fill("Acknowledged by {1}, {2}", l.Acts[i].Who, say.When(l.Acts[i].At, l.Now, l.Zone))
		}
		active = append(active, a)
	}
	slices.SortStableFunc(active, func(a, b alarm) int {
		switch {
		case (a.Done == "") == (b.Done == ""):
			return 0
		case a.Done == "":
			return -1
		}
		return 1
	})
	return active, shelved
}

// recent is how many alarms began within the time that the target is for.
func recent(all []alarm, now time.Time) (n int) {
	for i := range all {
		if !all[i].since.IsZero() && now.Sub(all[i].since) < rateOver {
			n++
		}
	}
	return n
}

// alarmsPage is all that the template alarms-page needs.
type alarmsPage struct {
	shell
	May             bool
	Active, Shelved []alarmRow
	Acts            []alarmActRow
	Rate            string
	Busy            bool // more than the target
	Reason          string
}

// alarmRow is an alarm as its page shows it; level and word are shown by shape and
// colour too.
type alarmRow struct {
	alarm
	Since string
}

type alarmActRow struct{ When, Who, Did, Lead, Reason string }

// alarmDocFull is an alarm as JSON.
type alarmDocFull struct {
	Key   string    `json:"alarm"`
	Level string    `json:"level"`
	Says  string    `json:"says"`
	Since time.Time `json:"since,omitzero"`
	Done  string    `json:"done,omitempty"`
}

func (r *Room) alarmsPage(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	return r.alarmsSheet(w, req, by, nil)
}

func (r *Room) alarmsSheet(w http.ResponseWriter, req *http.Request, by hansa.Actor, failure error) error {
	l, err := r.cfg.Source.Live(req.Context(), by, "")
	if err != nil {
		return err
	}
	p := alarmsPage{shell: r.shell(req, by, "Alarms", "/alarms"), May: by.May(hansa.RightControl), Reason: req.PostFormValue("reason")}
	for i := range p.Nav {
		p.Nav[i].Here = p.Nav[i].Href == "/live"
	}
	p.Note = p.say.Say(map[string]string{"acknowledged": "Acknowledged. It stays until its cause is gone.", "shelved": "Shelved. It comes back when the time is over."}[req.URL.Query().Get("done")])
	all := r.build(req.Context(), &l, ask{})
	doc := struct {
		Active  []alarmDocFull `json:"active"`
		Shelved []alarmDocFull `json:"shelved"`
		Acts    []AlarmAct     `json:"acts"`
		Recent  int            `json:"lastTenMinutes"`
		Target  int            `json:"target"`
	}{Active: []alarmDocFull{}, Shelved: []alarmDocFull{}, Acts: l.Acts, Recent: all.recent, Target: rateTarget}
	rows := func(list []alarm, into *[]alarmRow, docs *[]alarmDocFull) {
		for _, a := range list {
			*into = append(*into, alarmRow{a, p.when(a.since)})
			*docs = append(*docs, alarmDocFull{a.Key, a.Word, a.Lead + " " + a.Text, a.since, a.Done})
		}
	}
	rows(all.active, &p.Active, &doc.Active)
	rows(all.shelved, &p.Shelved, &doc.Shelved)
	p.Rate, p.Busy = p.say.Count(all.recent, "{1} alarm began in the last 10 minutes", "{1} alarms began in the last 10 minutes"), all.recent > rateTarget
	for i := range l.Acts[:min(len(l.Acts), 100)] {
		x := &l.Acts[i]
		row := alarmActRow{When: p.when(x.At), Who: x.Who, Did: p.say.Say("acknowledged"), Lead: x.Lead, Reason: x.Reason}
		if !x.Until.IsZero() {
			row.Did = p.say.Fill("shelved until {1}", p.when(x.Until))
		}
		p.Acts = append(p.Acts, row)
	}
	return r.write(w, req, &p.shell, "alarms-page", &p, doc, failure)
}

// actOnAlarm acknowledges or shelves an alarm that is there now.
func (r *Room) actOnAlarm(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	l, err := r.cfg.Source.Live(req.Context(), by, "")
	if err != nil {
		return err
	}
	key, all := req.PostForm.Get("alarm"), r.build(req.Context(), &l, ask{})
	list := append(all.active, all.shelved...)
	i := slices.IndexFunc(list, func(a alarm) bool { return a.Key == key })
	if i < 0 {
		return r.alarmsSheet(w, req, by, hansa.Errorf(hansa.Conflict, "this alarm is over: its cause is gone"))
	}
	act, said := AlarmAct{Key: key, Lead: list[i].Lead, Level: list[i].Word}, "acknowledged"
	if req.PostForm.Get("act") == "shelve" {
		minutes, err := strconv.Atoi(req.PostForm.Get("for"))
		if err != nil || minutes < 1 || minutes > 24*60 {
			return r.alarmsSheet(w, req, by, hansa.Fielded("/for", "an alarm is shelved for at most a day"))
		}
		act.Until, act.Reason, said = l.Now.Add(time.Duration(minutes)*time.Minute), req.PostForm.Get("reason"), "shelved"
	}
	if err := r.cfg.Alarms.ActOnAlarm(req.Context(), by, act); err != nil {
		return r.alarmsSheet(w, req, by, err)
	}
	if req.PostForm.Get("at") == "live" {
		http.Redirect(w, req, "/live", http.StatusSeeOther)
		return nil
	}
	return done(w, req, "/alarms", said)
}
