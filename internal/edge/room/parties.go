package room

import (
	"net/http"
	"strings"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/words"
)

// DatasetRow is one dataset with what feeds it and who gets it.
type DatasetRow struct {
	Name    string   `json:"name"`
	Title   string   `json:"title"`
	Kind    string   `json:"kind"`
	Licence string   `json:"licence,omitempty"`
	Holder  string   `json:"holder,omitempty"`
	Feeds   []string `json:"feeds"`
	To      []string `json:"to"`
}

// PartyRow is one party with the flows between it and one's own.
type PartyRow struct {
	ID      hansa.PartyID   `json:"id"`
	Name    string          `json:"name"`
	Title   string          `json:"title"`
	Kind    hansa.PartyKind `json:"kind"`
	Contact string          `json:"contact,omitempty"`
	Share   float64         `json:"share,omitempty"`
	Own     bool            `json:"own,omitempty"`
	Flows   []FlowRow       `json:"flows"`
}

// FlowRow is one dataset on its way.
type FlowRow struct {
	ID       hansa.FlowID   `json:"id"`
	Name     string         `json:"name"`
	Dataset  string         `json:"dataset"`
	Given    bool           `json:"given"` // by one's own party; else received
	Purposes []string       `json:"purposes"`
	Formats  []string       `json:"formats"`
	Limit    hansa.Duration `json:"limit,omitzero"`
	Paused   bool           `json:"paused,omitempty"`
	Test     bool           `json:"test,omitempty"`
}

// partiesPage is all that the templates datasets, parties, status, first and help
// need.
type partiesPage struct {
	shell
	May         bool
	Datasets    []DatasetRow
	Parties     []partyRow
	Name, Label string
	Licence     string
	Checks      []Check
	Sick        int
	Steps       []FirstStep
	Left        int
	Topics      []topic
}

type partyRow struct {
	PartyRow
	ShareWords string
	Gives      []flowRow
	Gets       []flowRow
}

type flowRow struct {
	FlowRow
	Says, Within string
}

func (r *Room) datasetsPage(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	return r.datasetsSheet(w, req, by, &partiesPage{}, nil)
}

func (r *Room) datasetsSheet(w http.ResponseWriter, req *http.Request, by hansa.Actor, p *partiesPage, failure error) error {
	p.shell = r.shell(req, by, "Datasets", "/datasets")
	p.May = by.May(hansa.RightManage)
	if req.URL.Query().Get("done") == "added" {
		p.Note = "The dataset is there. Give it a feed, or a flow to somebody."
	}
	list, err := r.cfg.Keeper.Datasets(req.Context(), by)
	if err != nil {
		return err
	}
	p.Datasets = list
	return r.write(w, req, &p.shell, "datasets", p, map[string]any{"datasets": list}, failure)
}

func (r *Room) addDataset(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	f := req.PostForm
	p := &partiesPage{Name: strings.TrimSpace(f.Get("name")), Label: strings.TrimSpace(f.Get("title")), Licence: strings.TrimSpace(f.Get("licence"))}
	list, err := r.cfg.Keeper.Datasets(req.Context(), by)
	if err != nil {
		return err
	}
	for i := range list {
		if list[i].Name == p.Name {
			return r.datasetsSheet(w, req, by, p, hansa.Fielded("/name", "there is a dataset %q already", p.Name))
		}
	}
	if err := r.cfg.Keeper.AddDataset(req.Context(), by, p.Name, p.Label, p.Licence); err != nil {
		return r.datasetsSheet(w, req, by, p, err)
	}
	return done(w, req, "/datasets", "added")
}

func (r *Room) partiesPage(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	return r.partiesSheet(w, req, by, nil)
}

func (r *Room) partiesSheet(w http.ResponseWriter, req *http.Request, by hansa.Actor, failure error) error {
	p := partiesPage{shell: r.shell(req, by, "Parties", "/parties"), May: by.May(hansa.RightManage)}
	p.Note = map[string]string{"pause": "The flow is paused: nothing leaves by it.", "resume": "The flow is given again."}[req.URL.Query().Get("done")]
	list, err := r.cfg.Keeper.Parties(req.Context(), by)
	if err != nil {
		return err
	}
	for i := range list {
		row := partyRow{PartyRow: list[i]}
		if row.Share > 0 {
			row.ShareWords = itoa(words.Percent(row.Share)) + " % of routed trips, as they declare"
		}
		for _, f := range row.Flows {
			x := flowRow{FlowRow: f, Says: "for " + words.List(f.Purposes...) + "; as " + words.List(f.Formats...)}
			if f.Limit > 0 {
				x.Within = "live within " + words.Span(f.Limit.Std())
			}
			if f.Given {
				row.Gets = append(row.Gets, x)
			} else {
				row.Gives = append(row.Gives, x)
			}
		}
		p.Parties = append(p.Parties, row)
	}
	return r.write(w, req, &p.shell, "parties", &p, map[string]any{"parties": list}, failure)
}

func (r *Room) changeFlow(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	act := req.PathValue("act")
	if act != "pause" && act != "resume" {
		return hansa.Errorf(hansa.NotFound, "there is no act %q of a flow", act)
	}
	if err := r.cfg.Keeper.PauseFlow(req.Context(), by, req.PathValue("flow"), act == "pause"); err != nil {
		if k := hansa.KindOf(err); k == hansa.NotFound || k == hansa.Internal {
			return err
		}
		return r.partiesSheet(w, req, by, err)
	}
	return done(w, req, "/parties", act)
}

func (r *Room) statusPage(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	p := partiesPage{shell: r.shell(req, by, "Status", "/status")}
	list, err := r.cfg.Keeper.Status(req.Context(), by)
	if err != nil {
		return err
	}
	p.Checks = list
	for _, c := range list {
		if !c.OK {
			p.Sick++
		}
	}
	return r.write(w, req, &p.shell, "status", &p, map[string]any{"checks": list, "found": p.Sick}, nil)
}

func (r *Room) firstPage(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	p := partiesPage{shell: r.shell(req, by, "What to do first", "/first")}
	list, err := r.cfg.Keeper.FirstSteps(req.Context(), by)
	if err != nil {
		return err
	}
	p.Steps = list
	for _, s := range list {
		if !s.Done && !s.Free {
			p.Left++
		}
	}
	return r.write(w, req, &p.shell, "first", &p, map[string]any{"steps": list}, nil)
}

// unfinished reports whether by may and should look at the first steps.
func (r *Room) unfinished(req *http.Request, by hansa.Actor) bool {
	if r.cfg.Keeper == nil || !by.May(hansa.RightManage) {
		return false
	}
	list, err := r.cfg.Keeper.FirstSteps(req.Context(), by)
	if err != nil {
		return false
	}
	for _, s := range list {
		if !s.Done && !s.Free {
			return true
		}
	}
	return false
}

// home sends a browser to the page that its user needs first.
func (r *Room) home(w http.ResponseWriter, req *http.Request) error {
	to := "/live"
	if r.cfg.Authenticate != nil {
		if by, err := r.cfg.Authenticate(req); err == nil && r.unfinished(req, by) {
			to = "/first"
		}
	}
	http.Redirect(w, req, to, http.StatusSeeOther)
	return nil
}

// topic is one page of help.
type topic struct {
	ID    string   `json:"id"`
	Title string   `json:"title"`
	Paras []string `json:"text"`
}

func topics() []topic {
	return []topic{
		{"closing", "Closing a road", []string{"Closures, Close a road: find the tunnel, bridge or street, choose the part and why, and press the red button. Receivers are told within seconds.", "For later: open Say until when, give start and end, and look first at what each receiver would get, format by format, with what a format cannot say.", "What is published cannot be unsaid. Correct it by moving the end, by reopening, or by withdrawing what was wrong: each is a new word, and the history keeps all.", "Repaired is not open: it says that the cause is gone. Only reopening opens the road."}},
		{"ladder", "The ladder: who shows it", []string{"A receiver climbs a ladder for each closure: offered, fetched, acknowledged, held, matched, live; or rejected, contradicted, silent. The end of a closure has a ladder of its own, up to cleared.", "How a step is known stands beside it: node (the exchange did it), signed (by a key of the receiver), stated (over its credential), polled (from the list that it publishes), observed.", "Late is a clock, not a step: the step came after the agreed limit, or has not come yet."}},
		{"feeds", "Feeds", []string{"Fresh: it answers in time. Late: its newest answer is older than it should be. Silent: nothing new for long. Failing: no answer, or one that cannot be read. Changed its form: most of what it gives cannot be read any more.", "Held: the newest answer is empty or much smaller than the one before. Nothing is ended by it until a person has looked and released it.", "A paused feed is not asked; what it gave stays as it was, dated."}},
		{"deliveries", "Deliveries", []string{"Waiting: it is tried again, at growing distances. Parked: it was tried often and waits for a person; nothing is lost. Send again delivers the same event under the same id, so that the receiver can tell.", "A receiver that fetches by itself stands under hand-overs, with how much it took."}},
		{"shift", "The shift note", []string{"What the next shift must know stands on the situation, under the closures. It stays within your organisation; the last twenty are kept."}},
		{"roles", "Roles", []string{"A viewer looks. A controller closes and opens roads. An operator keeps datasets, feeds, flows and credentials. An administrator may all of it and says who the users are. Nobody gives a right that is not theirs."}},
		{"time", "Times", []string{"Times are by the city's clock; its zone stands at the top of each page. Times in JSON are RFC 3339."}},
		{"programs", "Programs and the command line", []string{"Each page is also JSON: the same address with .json behind it. All that programs can do stands in /openapi.json. On the command line, hansa help lists the same under the same names."}},
		{"keys", "By keyboard", []string{"Every page works by keyboard alone and without JavaScript. Tab moves on, Enter opens and presses, the space bar ticks, the arrows choose among cards. The first Tab on a page skips the navigation."}},
	}
}

func (r *Room) helpPage(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	p := partiesPage{shell: r.shell(req, by, "Help", "/help"), Topics: topics()}
	return r.write(w, req, &p.shell, "help", &p, map[string]any{"topics": p.Topics}, nil)
}
