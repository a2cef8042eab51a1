package node

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/controlplane/transfer"
	"github.com/hansa-exchange/hansa/internal/dataplane/gate"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

func (s *accordStory) drafts(ctx context.Context) (string, error) {
	template, err := accord.TemplateByName("partnership")
	if err != nil {
		return "", err
	}
	t, err := template.Draft(s.order(time.Now()))
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(t)
	if err != nil {
		return "", err
	}
	var d api.AccordDetail
	if err := s.company.call(ctx, http.MethodPost, "/api/v1/accords", api.AccordDraft{Text: text}, &d); err != nil {
		return "", err
	}
	s.id, s.versions = d.ID, []string{d.Proposed}
	if i := slices.IndexFunc(d.Findings, func(f hansa.Finding) bool { return f.Severity == hansa.Fault }); i >= 0 {
		return "", fmt.Errorf("it could not be signed: %s %s", d.Findings[i].Rule, d.Findings[i].Message)
	}
	var list api.AccordsBody
	if err := s.city.call(ctx, http.MethodGet, "/api/v1/accords", nil, &list); err != nil {
		return "", err
	}
	if d.State != hansa.AccordDraft || len(list.Accords) != 0 {
		return "", fmt.Errorf("it is %s at the company, and the city has %d accords", d.State, len(list.Accords))
	}
	return fmt.Sprintf("%q: %d clauses, closures one way and counts the other", d.Title["en"], len(t.Clauses)), nil
}

// opens sends the draft, and has the city answer who is not known to it.
func (s *accordStory) opens(ctx context.Context) (string, error) {
	if _, err := s.says(ctx, s.company, accord.Open, api.AccordAct{}); err != nil {
		return "", err
	}
	var c api.AccordContactsBody
	for len(c.Contacts) == 0 {
		if err := s.city.call(ctx, http.MethodGet, "/api/v1/accord-contacts", nil, &c); err != nil {
			return "", err
		}
		if err := sleep(ctx, 10*time.Millisecond); err != nil {
			return "", errors.New("nothing waits at the city")
		}
	}
	if c.Contacts[0].Accord != s.id || c.Contacts[0].From != hansa.PartyID(s.company.did()) {
		return "", fmt.Errorf("what waits is %s of %s", c.Contacts[0].Accord, c.Contacts[0].From)
	}
	if err := s.city.call(ctx, http.MethodPost, "/api/v1/accord-contacts/"+string(s.id)+"/yes", struct{}{}, &c); err != nil {
		return "", err
	}
	if len(c.Contacts) != 0 {
		return "", fmt.Errorf("it waits still: %+v", c.Contacts)
	}
	for _, p := range s.both() {
		if err := s.sameText(ctx, p, s.versions[0], p == s.city); err != nil {
			return "", err
		}
	}
	return "version 1, " + fmt.Sprintf("sha-256:%.16s… at both; it is the city's turn", s.versions[0]), nil
}

func (s *accordStory) narrows(ctx context.Context) (string, error) {
	return s.redline(ctx, s.city, "navigation and traffic information, nothing else", "purpose-limit", policy.Params{"purposes": "navigation,traffic-information"}, nil)
}

func (s *accordStory) shortens(ctx context.Context) (string, error) {
	return s.redline(ctx, s.company, "a week is enough", "exit-erase", policy.Params{"days": "7"}, func(t *accord.Text) { t.Term.ExitDays = 7 })
}

// accepts says yes to the clause that changed last.
func (s *accordStory) accepts(ctx context.Context) (string, error) {
	var d api.AccordDetail
	if err := s.city.call(ctx, http.MethodGet, s.path(""), nil, &d); err != nil {
		return "", err
	}
	t := &accord.Text{}
	if err := json.Unmarshal(d.Text, t); err != nil {
		return "", err
	}
	n := strconv.Itoa(1 + slices.IndexFunc(t.Clauses, func(c accord.Clause) bool { return c.ID == "exit-erase" }))
	if _, err := s.says(ctx, s.city, accord.AcceptClause, api.AccordAct{Base: d.Proposed, Clause: n}); err != nil {
		return "", err
	}
	for _, p := range s.both() {
		_, err := s.until(ctx, p, "with clause "+n+" accepted by the city", func(d *api.AccordDetail) bool {
			return slices.Contains(d.Verdicts, api.AccordVerdict{Party: hansa.PartyID(s.city.did()), Clause: n, Accept: true})
		})
		if err != nil {
			return "", err
		}
	}
	return "clause " + n + ", exit-erase, accepted as both see it", nil
}

func (s *accordStory) signs(ctx context.Context) (string, error) {
	last := s.versions[len(s.versions)-1]
	for i, p := range []*outpost{s.city, s.company} {
		if _, err := s.says(ctx, p, accord.Sign, api.AccordAct{Base: last}); err != nil {
			return "", err
		}
		for _, o := range s.both() {
			if _, err := s.until(ctx, o, "signed by "+p.title, func(d *api.AccordDetail) bool { return len(d.Signatures) == i+1 }); err != nil {
				return "", err
			}
		}
	}
	var heads []string
	for _, p := range s.both() {
		d, err := s.until(ctx, p, "in force", func(d *api.AccordDetail) bool { return d.State == hansa.AccordInForce })
		if err != nil {
			return "", err
		}
		if d.Force != last {
			return "", fmt.Errorf("at %s the version %s is in force, not %s", p.title, d.Force, last)
		}
		heads = append(heads, fmt.Sprintf("entry %d, %.16s…", d.N, d.Head))
	}
	if heads[0] != heads[1] {
		return "", fmt.Errorf("the city stands at %s, the company at %s", heads[0], heads[1])
	}
	return heads[0] + " at both", nil
}

// starts waits for the transfers, which nobody asks for.
func (s *accordStory) starts(ctx context.Context) (string, error) {
	if err := s.flows(ctx, pledgeOpen); err != nil {
		return "", err
	}
	for _, w := range s.ways() {
		var list api.TransfersBody
		for w.taken == "" {
			if err := w.to.call(ctx, http.MethodGet, "/api/v1/transfers", nil, &list); err != nil && ctx.Err() == nil {
				return "", err
			}
			for _, t := range list.Transfers {
				if t.Dataset == w.into && t.State == string(transfer.Started) {
					w.taken, w.given = t.ID, t.Pid
				}
			}
			if err := sleep(ctx, 10*time.Millisecond); err != nil {
				return "", fmt.Errorf("nothing runs into %s at %s: %s", w.into, w.to.title, s.problems(ctx, w.to))
			}
		}
		theirs, err := w.from.transfer(ctx, w.given, string(transfer.Started))
		if err != nil {
			return "", err
		}
		if theirs.Flow != w.flow {
			return "", fmt.Errorf("the transfer of %s is of the flow %s, not %s", w.from.title, theirs.Flow, w.flow)
		}
		// What the receiver's node was told, as its vault has it.
		var a transfer.Address
		if err := w.to.node.db.Read(ctx, func(tx hansa.Tx) error { return w.to.node.deal.reveal(tx, w.taken, &a) }); err != nil {
			return "", err
		}
		w.token, w.at = a.Properties[propAuth], a.Properties[ns+"records"]
	}
	return "into " + s.out.into + " of the company, and into " + s.back.into + " of the city", nil
}

func (s *accordStory) closes(ctx context.Context) (string, error) {
	id, err := s.shut(ctx, "oostertunnel")
	if err != nil {
		return "", err
	}
	r, err := s.company.has(ctx, s.out.into, id, func(*cameIn) bool { return true })
	if err != nil {
		return "", err
	}
	s.out.arrived = append(s.out.arrived, id)
	var c api.Closure
	if err := s.city.call(ctx, http.MethodGet, "/api/v1/closures/"+id, nil, &c); err != nil {
		return "", err
	}
	if r.Provenance.System != s.city.did() || r.Situation.Effect != "road-closed" || !slices.ContainsFunc(c.Receivers, func(x api.Receiver) bool { return x.Party == hansa.PartyID(s.company.did()) }) {
		return "", fmt.Errorf("it came as %+v, and the city names as receivers %+v", r, c.Receivers)
	}
	return id + ", held by " + r.Provenance.Holder + "; the city sees who has it", nil
}

func (s *accordStory) counts(ctx context.Context) (string, error) {
	closure, count, err := s.publish(ctx, "wallenweg")
	if err != nil {
		return "", err
	}
	if err := s.bothArrive(ctx, closure, count); err != nil {
		return "", err
	}
	var e api.AccordExplained
	if err := s.company.call(ctx, http.MethodGet, s.path("/explain"), nil, &e); err != nil {
		return "", err
	}
	i := slices.IndexFunc(e.Flows, func(f api.FlowExplained) bool { return f.Flow == s.back.flow })
	if i < 0 || !e.Flows[i].Gives || e.Flows[i].Records != 1 || e.Flows[i].Pass != 1 {
		return "", fmt.Errorf("the company explains it as %+v", e.Flows)
	}
	return count + " came by the company's own gate: 1 of 1 passes", nil
}

// denied reads at each giver as the other's node does, for what the accord allows and
// for what it does not.
func (s *accordStory) denied(ctx context.Context) (string, error) {
	var told []string
	for w, good := range map[*way]string{&s.out: "navigation", &s.back: "planning"} {
		status, b, err := w.to.reads(ctx, http.MethodGet, w.at, nil, w.token, good)
		if err != nil {
			return "", err
		}
		if status != http.StatusOK {
			return "", fmt.Errorf("for %s %s answers %d %s", good, w.from.title, status, b)
		}
		if status, b, err = w.to.reads(ctx, http.MethodGet, w.at, nil, w.token, "advertising"); err != nil {
			return "", err
		}
		var said api.ErrorDocument
		if err := json.Unmarshal(b, &said); err != nil {
			return "", err
		}
		e := &said.Error
		if status != http.StatusForbidden || e.Code != hansa.CodePurpose || !strings.Contains(e.Message, string(gate.PurposeDenied)) || !strings.Contains(e.Hint, string(s.id)) || !strings.Contains(e.Hint, good) {
			return "", fmt.Errorf("for advertising %s answers %d %s", w.from.title, status, b)
		}
		told = append(told, w.from.title+": "+e.Message)
	}
	slices.Sort(told)
	return strings.Join(told, "; "), nil
}

func (s *accordStory) stands(ctx context.Context) (string, error) {
	const why = "a drill until noon"
	if _, err := s.says(ctx, s.city, accord.Suspend, api.AccordAct{Words: why}); err != nil {
		return "", err
	}
	for _, p := range s.both() {
		_, err := s.until(ctx, p, "suspended", func(d *api.AccordDetail) bool {
			return d.State == hansa.AccordSuspended && len(d.Suspended) == 1 && d.Suspended[0].Words == why && !d.Suspended[0].Unconfirmed
		})
		if err != nil {
			return "", err
		}
	}
	if err := errors.Join(s.flows(ctx, pledgePaused), s.transfers(ctx, string(transfer.Suspended))); err != nil {
		return "", err
	}
	closure, count, err := s.publish(ctx, "wallenweg")
	if err != nil {
		return "", err
	}
	s.missed = []string{closure, count}
	return why + "; neither " + closure + " nor " + count + " arrived", s.neitherArrives(ctx, closure, count)
}

func (s *accordStory) goesOn(ctx context.Context) (string, error) {
	if _, err := s.says(ctx, s.city, accord.Resume, api.AccordAct{}); err != nil {
		return "", err
	}
	for _, p := range s.both() {
		if _, err := s.until(ctx, p, "in force again", func(d *api.AccordDetail) bool { return d.State == hansa.AccordInForce }); err != nil {
			return "", err
		}
	}
	if err := errors.Join(s.flows(ctx, pledgeOpen), s.transfers(ctx, string(transfer.Started))); err != nil {
		return "", err
	}
	return strings.Join(s.missed, " and ") + " arrived after all", s.bothArrive(ctx, s.missed[0], s.missed[1])
}

func (s *accordStory) ends(ctx context.Context) (string, error) {
	const why = "the pilot is over"
	today := time.Now().UTC().AddDate(0, 0, -1).Format(time.DateOnly) // over in every zone
	if _, err := s.says(ctx, s.company, accord.End, api.AccordAct{Notice: today, Words: why}); err != nil {
		return "", err
	}
	for _, p := range s.both() {
		_, err := s.until(ctx, p, "ended", func(d *api.AccordDetail) bool {
			return d.State == hansa.AccordEnded && d.EndedBy == hansa.PartyID(s.company.did()) && d.Reason == why
		})
		if err != nil {
			return "", err
		}
	}
	if err := s.transfers(ctx, string(transfer.Terminated)); err != nil {
		return "", err
	}
	for _, w := range s.ways() {
		status, b, err := w.to.reads(ctx, http.MethodGet, w.at, nil, w.token, "")
		if err != nil {
			return "", err
		}
		if status != http.StatusUnauthorized {
			return "", fmt.Errorf("the token of %s is answered %d %s", w.to.title, status, b)
		}
	}
	closure, count, err := s.publish(ctx, "oostertunnel")
	if err != nil {
		return "", err
	}
	return why + "; the tokens are answered 401", s.neitherArrives(ctx, closure, count)
}
