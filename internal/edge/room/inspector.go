package room

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/words"
)

// What the inspector shows of a process; what goes beyond is counted, or cut.
const (
	lettersMax    = 200      // the newest
	letterBodyMax = 32 << 10 // bytes
)

// inspectorPage is all that the template inspector needs.
type inspectorPage struct {
	shell
	following
	ID, What, Other string
	State, Tone     string
	Code            string // the state, as the protocol names it
	Turn, Since     string
	Pid, Address    string
	Waits, Parked   string
	Trying, Problem string
	Back, BackWord  string // the page of what it is about
	Act             string // where it is tried again
	May             bool
	Letters         []letterRow
	Left            int // older ones that are not listed
}

// letterRow is one message of a process.
type letterRow struct {
	N               string
	DOM             string
	When, Machine   string
	Out             bool
	Did, Kind, URL  string
	State, Tone     string
	After           string
	Status, Tries   string
	Next, Took      string
	Reason          string
	Body, Answer    string
	Refused, Parked bool
	Cut             bool // only the body's beginning is shown
}

// letter puts one message into words.
func (s *shell) letter(m *Message, again bool, other string) letterRow {
	n := strconv.FormatInt(m.N, 10)
	x := letterRow{
		N: n, DOM: "m-" + n, When: s.clockOf(m.At), Machine: m.At.In(s.zone).Format(time.RFC3339Nano), Out: m.Direction == "out", Did: deed(s.say, m, again, other), Kind: m.Kind, URL: m.URL, After: m.After,
		Reason: sentence(m.Reason), Body: indented(string(m.Body)), Answer: indented(m.Answer), Refused: m.State == "refused", Parked: m.State == "parked",
	}
	if len(x.Body) > letterBodyMax {
		x.Body, x.Cut = strings.ToValidUTF8(x.Body[:letterBodyMax], ""), true
	}
	x.State, x.Tone = became(m)
	if m.Status > 0 {
		x.Status = strconv.Itoa(m.Status)
	}
	if m.Tries > 0 {
		x.Tries = s.say.Count(m.Tries, "{1} try", "{1} tries")
	}
	if m.State == "waits" && m.Tries > 0 {
		x.Next = s.clockOf(m.Next)
	}
	if m.State == "delivered" && !m.Done.IsZero() {
		x.Took = took(s.say, max(0, m.Done.Sub(m.At)))
	}
	return x
}

func (r *Room) inspectorPage(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	return r.inspectorSheet(w, req, by, named("process", req), nil)
}

// inspectorLook gathers what the inspector shows of a process.
func (r *Room) inspectorLook(req *http.Request, by hansa.Actor, id string) (*inspectorPage, *Process, error) {
	x, err := r.cfg.Deals.Process(req.Context(), by, id)
	if err != nil {
		return nil, nil, err
	}
	p := &inspectorPage{shell: r.shell(req, by, "", "/requests"), ID: id, May: by.May(hansa.RightManage)}
	var open bool
	switch {
	case x.Request != nil:
		q := x.Request
		row := p.request(q)
		p.What, p.Other, p.State, p.Tone, p.Turn, p.Since = row.What, row.Other, row.State, row.Tone, row.Turn, row.Since
		p.Code, p.Pid, p.Address, p.Waits, p.Parked, p.Trying = q.State, q.Pid, q.Address, row.Waits, row.Parked, row.Trying
		p.Back, p.BackWord, p.Act, open = "/requests/"+url.PathEscape(q.ID), words.Mark("The request"), "/requests/"+url.PathEscape(q.ID)+"/retry", !isOver(q.State)
	case x.Transfer != nil:
		t := x.Transfer
		row := p.transfer(t, false)
		p.What, p.Other, p.State, p.Tone, p.Turn, p.Since = p.say.Fill("Transfer: {1}", p.say.Say(row.Way)), first(t.OtherTitle, string(t.Other)), row.State, row.Tone, row.Turn, row.Since
		p.Code, p.Pid, p.Waits, p.Parked, p.Trying, p.Problem = t.State, t.Pid, row.Waits, row.Parked, sentence(t.Trying), sentence(t.Problem)
		p.Back, p.BackWord, p.Act, open = "/agreements/"+url.PathEscape(t.Agreement), words.Mark("The agreement"), "/transfers/"+url.PathEscape(t.ID)+"/retry", !isOver(t.State)
	default:
		return nil, nil, hansa.Errorf(hansa.NotFound, "there is no such process").WithHint("see all at /requests")
	}
	for i := range p.Nav {
		p.Nav[i].Here = p.Nav[i].Href == "/requests" && x.Request != nil || p.Nav[i].Href == "/agreements" && x.Transfer != nil
	}
	p.Title = p.say.Fill("Messages with {1}", p.Other)
	seen := map[string]bool{}
	for i := range x.Messages {
		m := &x.Messages[i]
		p.Letters = append(p.Letters, p.letter(m, seen[m.Kind], p.Other))
		if m.State != "refused" && m.State != "void" {
			seen[m.Kind] = true
		}
		open = open || m.State == "waits" || m.State == "parked"
	}
	if p.Left = max(0, len(p.Letters)-lettersMax); p.Left > 0 {
		p.Letters = p.Letters[p.Left:]
	}
	p.Path, p.Moving = "/processes/"+url.PathEscape(id), open
	return p, &x, nil
}

func (r *Room) inspectorSheet(w http.ResponseWriter, req *http.Request, by hansa.Actor, id string, failure error) error {
	p, x, err := r.inspectorLook(req, by, id)
	if err != nil {
		return err
	}
	p.follow(req, &p.shell, p.Path, p.Moving)
	return r.write(w, req, &p.shell, "inspector", p, x, failure)
}

// inspectorStream brings the inspector up to date.
func (r *Room) inspectorStream(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	id := req.PathValue("process")
	return r.followed(w, req, func() ([]part, time.Time, error) {
		p, _, err := r.inspectorLook(req, by, id)
		if err != nil {
			return nil, time.Time{}, err
		}
		list, err := r.parts(p.Lang, p, "inspector-stand", "letters")
		if err != nil {
			return nil, time.Time{}, err
		}
		rows := make([]piece, 0, len(p.Letters))
		for i := range p.Letters {
			row, err := r.piece(p.Lang, "letter", p.Letters[i].DOM, &p.Letters[i])
			if err != nil {
				return nil, time.Time{}, err
			}
			rows = append(rows, row)
		}
		list[1] = r.rowed(list[1], rows)
		return list, p.now, nil
	})
}
