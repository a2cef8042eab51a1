package accord_test

import (
	"testing"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
)

func wish() *accord.Request {
	return &accord.Request{What: "Counts of vehicles at the ring road", Purposes: []hansa.Purpose{"planning"}, Model: hansa.ModelPartnership, Days: 5, Country: "NL"}
}

// says is a message about a request.
func says(id string, from hansa.PartyID, r *accord.Request, a *accord.Answer) *accord.Message {
	m := &accord.Message{FormatVersion: accord.MessageFormat, ID: "01a20952-8507-743c-9ffd-b26172221b" + id, From: from, To: city, Accord: "01a20952-8507-743c-9ffd-b26172221be5", Kind: accord.Asks, At: time.Now()}
	if m.Body.Request, m.Body.Answer = r, a; a != nil {
		m.Kind = accord.Answers
	}
	if from == city {
		m.To = company
	}
	return m
}

// A request passes its turn from one to the other, on working days, until somebody says
// yes or no.
func TestRequest(t *testing.T) {
	friday := time.Date(2026, 4, 3, 15, 0, 0, 0, time.UTC) // Easter comes: Monday is none
	a, err := (&accord.Asking{}).Step(says("01", city, wish(), nil), friday)
	if err != nil {
		t.Fatal(err)
	}
	amsterdam, err := time.LoadLocation("Europe/Amsterdam")
	if err != nil {
		t.Fatal(err)
	}
	if want := time.Date(2026, 4, 14, 0, 0, 0, 0, amsterdam); a.Turn != company || !a.Due.Equal(want) || a.Source != "" {
		t.Errorf("it is the turn of %s until %s by %q, want %s", a.Turn, a.Due, a.Source, want)
	}
	if again, err := a.Step(says("01", city, wish(), nil), friday.Add(time.Hour)); err != nil || len(again.Steps) != 1 || again.Since != a.Since {
		t.Errorf("a repeat comes to %+v, %v", again, err)
	}
	if _, err := a.Step(says("02", city, nil, &accord.Answer{Act: accord.Accepted}), friday); hansa.KindOf(err) != hansa.Conflict {
		t.Errorf("out of turn: %v", err)
	}
	other := wish()
	other.Days = 2
	b, err := a.Step(says("03", company, nil, &accord.Answer{Act: accord.Countered, Words: "in two days", Request: other}), friday)
	if err != nil || b.Turn != city || b.Terms().Days != 2 || !b.Due.Equal(time.Date(2026, 4, 9, 0, 0, 0, 0, amsterdam)) {
		t.Errorf("a counter-proposal comes to %+v, %v", b, err)
	}
	turned := wish()
	turned.Offers = true
	if _, err := a.Step(says("05", company, nil, &accord.Answer{Act: accord.Countered, Words: "you give", Request: turned}), friday); hansa.KindOf(err) != hansa.Invalid {
		t.Errorf("a counter-proposal by which the other gives: %v", err)
	}
	if late := b.At(b.Due); late.State != accord.RequestLapsed || late.Turn != "" {
		t.Errorf("nobody answered, and it is %s", late.State)
	}
	if _, err := b.Step(says("04", city, nil, &accord.Answer{Act: accord.Accepted}), b.Due); hansa.KindOf(err) != hansa.Conflict {
		t.Errorf("accepted after it has lapsed: %v", err)
	}
	c, err := b.Step(says("04", city, nil, &accord.Answer{Act: accord.Accepted}), b.Due.Add(-time.Second))
	if err != nil || c.State != accord.RequestAccepted || c.Turn != "" {
		t.Errorf("accepted: %+v, %v", c, err)
	}
	if d, err := b.Step(says("05", city, nil, &accord.Answer{Act: accord.Declined, Words: "no"}), friday); err != nil || d.State != accord.RequestDeclined || len(a.Steps) != 1 {
		t.Errorf("declined: %+v, %v", d, err)
	}
}

// A request of exceptional need is answered within the days of the law, which does not
// let it lapse.
func TestRequestByLaw(t *testing.T) {
	at := time.Date(2026, 6, 1, 9, 0, 0, 0, time.UTC)
	r := wish()
	r.Rule = "data-act-answer-emergency"
	a, err := (&accord.Asking{}).Step(says("01", city, r, nil), at)
	if err != nil || a.Source != "Regulation (EU) 2023/2854, Article 18(2)" || a.Due.Format(time.DateOnly) != "2026-06-08" {
		t.Fatalf("due %s by %q, %v", a.Due, a.Source, err)
	}
	if a.Late(a.Due.Add(-time.Second)) || !a.Late(a.Due) || a.At(a.Due).State != accord.RequestOpen {
		t.Error("what the law wants answered lapses")
	}
}

// What is no request is refused by its field.
func TestRequestRefused(t *testing.T) {
	for field, change := range map[string]func(*accord.Request){
		"/body/request/what":     func(r *accord.Request) { r.What = " " },
		"/body/request/purposes": func(r *accord.Request) { r.Purposes = nil },
		"/body/request/model":    func(r *accord.Request) { r.Model = "loan" },
		"/body/request/days":     func(r *accord.Request) { r.Days = 0 },
		"/body/request/rule":     func(r *accord.Request) { r.Rule = "hvd-report" },
		"/body/request/until":    func(r *accord.Request) { r.From, r.Until = "2026-02-01", "2026-01-01" },
		"/body/request/dataset":  func(r *accord.Request) { r.Dataset = "No Name" },
	} {
		r := wish()
		change(r)
		if _, err := says("01", city, r, nil).Encode(); err == nil || hansa.Public(err).Field != field {
			t.Errorf("got %v, want a refusal of %s", err, field)
		}
	}
	for field, a := range map[string]accord.Answer{"/body/answer/words": {Act: accord.Declined}, "/body/answer/act": {Act: "perhaps"}, "/body/answer/request": {Act: accord.Countered}} {
		if _, err := says("01", city, nil, &a).Encode(); err == nil || hansa.Public(err).Field != field {
			t.Errorf("got %v, want a refusal of %s", err, field)
		}
	}
}
