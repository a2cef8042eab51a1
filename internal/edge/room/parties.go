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
	Deals       bool // datasets have pages, and there is a catalogue
	Invites     bool // organisations are asked in by pages
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
	KindWord   string
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
	p.May, p.Deals = by.May(hansa.RightManage), r.cfg.Deals != nil
	if req.URL.Query().Get("done") == "added" {
		p.Note = p.say.Say("The dataset is there. Give it a feed, or a flow to somebody.")
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
	p := partiesPage{shell: r.shell(req, by, "Parties", "/parties"), May: by.May(hansa.RightManage), Invites: r.cfg.Inviting != nil}
	p.Note = p.say.Say(map[string]string{"pause": "The flow is paused: nothing leaves by it.", "resume": "The flow is given again."}[req.URL.Query().Get("done")])
	list, err := r.cfg.Keeper.Parties(req.Context(), by)
	if err != nil {
		return err
	}
	for i := range list {
		row := partyRow{PartyRow: list[i], KindWord: p.kindWord(list[i].Kind)}
		if row.Share > 0 {
			row.ShareWords = p.say.Fill("{1} % of routed trips, as they declare", words.Percent(row.Share))
		}
		for _, f := range row.Flows {
			x := flowRow{FlowRow: f, Says: p.say.Fill("for {1}; as {2}", p.say.List(f.Purposes...), p.say.List(f.Formats...))}
			if f.Limit > 0 {
				x.Within = p.say.Fill("live within {1}", p.say.Span(f.Limit.Std()))
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

func topics(say *words.Catalogue) []topic {
	return []topic{
		{"alarms", say.Say("Alarms"), []string{say.Say("An alarm asks for a person. Acknowledge says that you have seen it: it stays behind the others until its cause is gone, and asks anew when it comes back."), say.Say("Shelve takes one away for a time, with a reason. All of them, and who did what, stand under Situation, Alarms.")}},
		{"closing", say.Say("Closing a road"), []string{say.Say("Closures, Close a road: find the tunnel, bridge or street, or click on the map where it begins and ends, choose the part and why, and press the red button. Receivers are told within seconds."), say.Say("For later: open Say until when, give start and end, and look first at what each receiver would get, format by format, with what a format cannot say. Keep it as a draft until you publish it."), say.Say("What is published cannot be unsaid. Correct it, move its end, reopen it, or withdraw what was wrong: each is a new word, and the history keeps all."), say.Say("Repaired is not open: it says that the cause is gone. Only reopening opens the road.")}},
		{"ladder", say.Say("The ladder: who shows it"), []string{say.Say("A receiver climbs a ladder for each closure: offered, fetched, acknowledged, held, matched, live; or rejected, contradicted, silent. The end of a closure has a ladder of its own, up to cleared."), say.Say("How a step is known stands beside it: node (the exchange did it), signed (by a key of the receiver), stated (over its credential), polled (from the list that it publishes), observed."), say.Say("Late is a clock, not a step: the step came after the agreed limit, or has not come yet.")}},
		{"feeds", say.Say("Feeds"), []string{say.Say("Fresh: it answers in time. Late: its newest answer is older than it should be. Silent: nothing new for long. Failing: no answer, or one that cannot be read. Changed its form: most of what it gives cannot be read any more."), say.Say("Held: the newest answer is empty or much smaller than the one before. Nothing is ended by it until a person has looked and released it."), say.Say("A paused feed is not asked; what it gave stays as it was, dated.")}},
		{"deliveries", say.Say("Deliveries"), []string{say.Say("Waiting: it is tried again, at growing distances. Parked: it was tried often and waits for a person; nothing is lost. Send again delivers the same event under the same id, so that the receiver can tell."), say.Say("A receiver that fetches by itself stands under hand-overs, with how much it took.")}},
		{"requests", say.Say("Requests and agreements"), []string{say.Say("A request is data that somebody elsewhere asks you for, or that you ask for. The page says on what terms, where they differ from yours, whose turn it is and what you can do. What binds asks for a second press, and a decline takes its reason to the other side."), say.Say("An agreement is what both sides have said yes to. Its data passes until either side suspends or ends it. When something hangs, Each message shows all that went to and fro: when, with which answer, and what is tried again. A message that is stuck waits for you, and nothing is lost.")}},
		{"accords", say.Say("Accords, the exchange and the register"), []string{say.Say("An accord says who gives what to whom, in both directions: each clause in words on the left, and beside it what the exchange holds to. Accords, New accord makes a draft that nobody else sees before you send it; then each side comments, proposes changes, and declines or signs."), say.Say("Read and sign shows the whole text, with who would get what and why not. It binds once all have signed; only a signatory signs, by role and power. Each signature is over the text, and the proof bundle shows it without this site."), say.Say("In force, a flow runs, stands still while a side has suspended it, or does not start; its accord says why. Is it being kept? measures each clause. The end is announced with its notice, and who received certifies what became of the data."), say.Say("Exchange draws all that runs here: who gives on the left, on what terms, who receives on the right. The public register shows the accords in force to everybody, without signing in and without what they withhold.")}},
		{"shift", say.Say("The shift note"), []string{say.Say("What the next shift must know stands on the situation, under the closures. It stays within your organisation; the last twenty are kept.")}},
		{"roles", say.Say("Roles"), []string{say.Say("A viewer looks. A controller closes and opens roads. An operator keeps datasets, feeds, flows and credentials. An administrator may all of it and says who the users are. Nobody gives a right that is not theirs.")}},
		{"time", say.Say("Times"), []string{say.Say("Times are by the city's clock; its zone stands at the top of each page. Times in JSON are RFC 3339.")}},
		{"programs", say.Say("Programs and the command line"), []string{say.Say("Each page is also JSON: the same address with .json behind it. All that programs can do stands in /openapi.json. On the command line, hansa help lists the same under the same names.")}},
		{"keys", say.Say("By keyboard"), []string{say.Say("Every page works by keyboard alone and without JavaScript. Tab moves on, Enter opens and presses, the space bar ticks, the arrows choose among cards. The first Tab on a page skips the navigation.")}},
	}
}

func (r *Room) helpPage(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	p := partiesPage{shell: r.shell(req, by, "Help", "/help"), Topics: topics(words.Of(req.Context()))}
	return r.write(w, req, &p.shell, "help", &p, map[string]any{"topics": p.Topics}, nil)
}
