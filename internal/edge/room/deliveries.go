package room

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/words"
)

// Deliveries is the log of what was handed over.
type Deliveries struct {
	List []Delivery `json:"deliveries"`
	More int        `json:"more"`
	// Counts is how many there are in each state, whichever are listed.
	Counts map[string]int `json:"counts"`
	// Handovers are what readers fetched themselves, the newest first.
	Handovers []Handover `json:"handovers"`
	Address   string     `json:"-"` // of the node, for the lines to copy
}

// Delivery is one hand-over to a webhook.
type Delivery struct {
	ID           string          `json:"id"`
	Party        string          `json:"party"`
	Flow         string          `json:"flow"`
	FlowID       string          `json:"flowId"`
	Subscription string          `json:"subscription"`
	Record       string          `json:"record"`
	Name         string          `json:"name,omitempty"` // of the closure, when it is known here
	Version      int64           `json:"version"`
	State        string          `json:"state"`
	URL          string          `json:"url"`
	Digest       string          `json:"sha256"`
	Made         time.Time       `json:"made"`
	Next         time.Time       `json:"next,omitzero"`
	Attempts     []hansa.Attempt `json:"attempts"`
	// Payload is what it holds, made anew for one delivery; AsSent says that it is
	// byte for byte what was sent last.
	Payload string `json:"payload,omitempty"`
	AsSent  bool   `json:"payloadAsSent,omitempty"`
}

// Handover is one range that a reader took.
type Handover struct {
	At    time.Time `json:"at"`
	Party string    `json:"party"`
	Flow  string    `json:"flow"`
	How   string    `json:"how"`
	Bytes int       `json:"bytes"`
}

// deliveriesPage is all that the templates deliveries and delivery need.
type deliveriesPage struct {
	shell
	State     string
	Filters   []filter
	Rows      []deliveryRow
	More      int
	Handovers []handoverRow
	One       *deliveryRow
	Curls     []curl
	Payload   string
	AsSent    bool
	MayReplay bool
}

type filter struct {
	Href, Word string
	Count      int
	Here       bool
}

type deliveryRow struct {
	ID, Made, Party, Flow, What, Answer, Took, Next string
	Record, URL, Digest                             string
	Version                                         int64
	Tries                                           int
	Tone, Word, Wrong                               string
	Attempts                                        []attemptRow
	Known, Parked                                   bool
}

type attemptRow struct{ When, Answer, Says, Took, Tone string }

type handoverRow struct{ When, Party, Flow, How, Bytes string }

// curl is a line to copy.
type curl struct{ Says, Line string }

func (r *Room) deliveriesPage(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	return r.deliveriesSheet(w, req, by, nil)
}

func (r *Room) deliveriesSheet(w http.ResponseWriter, req *http.Request, by hansa.Actor, failure error) error {
	state := req.URL.Query().Get("state")
	p := deliveriesPage{shell: r.shell(req, by, "Deliveries", "/deliveries"), State: state}
	if req.URL.Query().Get("done") == "replay" {
		p.Note = p.say.Say("It was sent again. The newest attempt says how it went.")
	}
	d, err := r.cfg.Keeper.Deliveries(req.Context(), by, state, "")
	if err != nil {
		return err
	}
	total := 0
	for _, n := range d.Counts {
		total += n
	}
	for _, f := range [][2]string{{"", words.Mark("All")}, {"waiting", words.Mark("Waiting")}, {"delivered", words.Mark("Delivered")}, {"parked", words.Mark("Parked")}} {
		href, count := "/deliveries", total
		if f[0] != "" {
			href, count = href+"?state="+f[0], d.Counts[f[0]]
		}
		p.Filters = append(p.Filters, filter{href, p.say.Say(f[1]), count, f[0] == state})
	}
	for i := range d.List {
		p.Rows = append(p.Rows, p.row(&d.List[i]))
	}
	p.More = d.More
	for _, h := range d.Handovers {
		if h.How == "webhook" {
			continue // stands above
		}
		p.Handovers = append(p.Handovers, handoverRow{p.when(h.At), h.Party, h.Flow, h.How, bytesOf(p.say, h.Bytes)})
	}
	return r.write(w, req, &p.shell, "deliveries", &p, d, failure)
}

// row puts one delivery into words.
func (p *deliveriesPage) row(d *Delivery) deliveryRow {
	x := deliveryRow{ID: d.ID, Made: p.clockOf(d.Made), Party: d.Party, Flow: d.Flow, Record: d.Record, Version: d.Version, URL: d.URL, Digest: d.Digest, Tries: len(d.Attempts), Next: p.clockOf(d.Next), Known: d.Name != ""}
	x.What = d.Name
	if x.What == "" {
		x.What = short(d.Record, 40)
	}
	for _, a := range d.Attempts {
		row := attemptRow{When: words.ClockSeconds(a.At, p.zone), Took: took(p.say, a.Took.Std()), Tone: "ok"}
		switch {
		case a.Status >= 200 && a.Status < 300 && a.Error == "":
			row.Answer = strconv.Itoa(a.Status)
		case a.Status > 0:
			row.Answer, row.Tone = strconv.Itoa(a.Status), "crit"
		default:
			row.Answer, row.Tone = a.Error, "crit"
		}
		if row.Says = sentence(a.Error); row.Answer == a.Error {
			row.Says = ""
		}
		x.Attempts = append(x.Attempts, row)
	}
	if n := len(x.Attempts); n > 0 {
		last := x.Attempts[n-1]
		x.Answer, x.Took = last.Answer, last.Took
		if last.Tone == "crit" {
			x.Wrong = words.Upper(first(last.Says, sentence(last.Answer)))
		}
	}
	switch d.State {
	case "delivered":
		x.Tone, x.Word = "ok", p.say.Say("Delivered")
	case "parked":
		x.Tone, x.Word, x.Parked = "crit", p.say.Say("Parked"), true
	default:
		x.Tone, x.Word = "high", p.say.Say("Waiting")
	}
	return x
}

// took writes how long an answer took.
func took(say *words.Catalogue, d time.Duration) string {
	if d < time.Second {
		return strconv.FormatInt(max(1, d.Milliseconds()), 10) + " ms"
	}
	return say.Span(d)
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func bytesOf(say *words.Catalogue, n int) string {
	if n < 1024 {
		return itoa(n) + " B"
	}
	return say.Decimal(float64(n)/1024) + " KiB"
}

func (r *Room) deliveryPage(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	return r.deliverySheet(w, req, by, strings.TrimSuffix(req.PathValue("delivery"), ".json"), nil)
}

func (r *Room) deliverySheet(w http.ResponseWriter, req *http.Request, by hansa.Actor, id string, failure error) error {
	p := deliveriesPage{shell: r.shell(req, by, "A delivery", "/deliveries")}
	d, err := r.cfg.Keeper.Deliveries(req.Context(), by, "", id)
	if err != nil {
		return err
	}
	if len(d.List) == 0 {
		return hansa.Errorf(hansa.NotFound, "there is no such delivery").WithHint("see all at /deliveries")
	}
	one := &d.List[0]
	row := p.row(one)
	p.One, p.Title = &row, p.say.Fill("{1} to {2}", row.What, row.Party)
	if req.URL.Query().Get("done") == "replay" {
		p.Note = p.say.Say("It was sent again. The newest attempt says how it went.")
	}
	p.Curls, p.MayReplay = curls(p.say, one, d.Address), by.May(hansa.RightControl) || by.May(hansa.RightManage)
	p.Payload, p.AsSent = indented(one.Payload), one.AsSent
	return r.write(w, req, &p.shell, "delivery", &p, one, failure)
}

// indented lays JSON out for people; what is none stays as it is.
func indented(s string) string {
	var b bytes.Buffer
	if json.Indent(&b, []byte(s), "", "  ") != nil {
		return s
	}
	return b.String()
}

// curls are lines that do by hand what the exchange did.
func curls(say *words.Catalogue, d *Delivery, address string) []curl {
	return []curl{
		{say.Say("What the receiver reads of this flow now, by its own credential"), "curl -H \"Authorization: Bearer $TOKEN\" " + quoted(address+"/data/v1/flows/"+url.PathEscape(d.FlowID)+"/snapshot.record")},
		{say.Say("Send this delivery again, by a credential of either side"), "curl -X POST -H \"Authorization: Bearer $TOKEN\" " + quoted(address+"/api/v1/deliveries/"+url.PathEscape(d.ID)+"/replay")},
		{say.Say("Ask whether their address answers at all"), "curl -i -X POST -H 'content-type: application/cloudevents+json' -H " + quoted("webhook-id: "+d.ID) + " --data '{}' " + quoted(d.URL)},
	}
}

// quoted makes one word of s for a POSIX shell, whatever somebody put into it.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func (r *Room) replay(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	id := req.PathValue("delivery")
	if err := r.cfg.Keeper.Replay(req.Context(), by, id); err != nil {
		if k := hansa.KindOf(err); k == hansa.NotFound || k == hansa.Internal {
			return err
		}
		return r.deliverySheet(w, req, by, id, err)
	}
	return done(w, req, "/deliveries/"+url.PathEscape(id), "replay")
}
