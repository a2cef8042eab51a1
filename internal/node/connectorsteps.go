package node

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/controlplane/transfer"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// storyDataset is the company's dataset that is filled.
const storyDataset = "closures-of-doggerhaven"

func (s *connectorStory) offers(ctx context.Context) (string, error) {
	var o api.Offer
	err := s.city.call(ctx, http.MethodPost, "/api/v1/offers", api.OfferOrder{Dataset: "closures", Terms: hansa.Terms{Purposes: []hansa.Purpose{"navigation"}, Formats: []hansa.Format{"record"}}}, &o)
	s.offer = o.ID
	return strings.Join(o.Words, " "), err
}

func (s *connectorStory) finds(ctx context.Context) (string, error) {
	var list api.CatalogAnswer
	if err := s.company.call(ctx, http.MethodPost, "/api/v1/catalog/request", api.CatalogOrder{Peer: s.city.address()}, &list); err != nil {
		return "", err
	}
	if list.Participant != hansa.PartyID(s.city.did()) || list.Title != s.city.title || len(list.Datasets) != 1 || len(list.Datasets[0].Offers) != 1 || list.Datasets[0].Offers[0].ID != s.offer {
		return "", fmt.Errorf("the catalogue of %s (%s) is not the city's: %+v", list.Title, list.Participant, list.Datasets)
	}
	if !slices.Contains(list.Datasets[0].Formats, transfer.Stream) || list.Datasets[0].Offers[0].Automatic {
		return "", fmt.Errorf("the dataset is had as %v, by an offer that is %+v", list.Datasets[0].Formats, list.Datasets[0].Offers[0])
	}
	return fmt.Sprintf("%s: %q, %s", list.Title, list.Datasets[0].Title, list.Datasets[0].Licence), nil
}

// ask asks the city for its closures.
func (s *connectorStory) ask(ctx context.Context, purpose hansa.Purpose) (n api.Negotiation, err error) {
	err = s.company.call(ctx, http.MethodPost, "/api/v1/negotiations", api.NegotiationOrder{Peer: s.city.address(), Offer: s.offer, Purpose: purpose}, &n)
	return n, err
}

// atCity finds the city's side of a negotiation.
func (s *connectorStory) atCity(ctx context.Context, pid string) (api.Negotiation, error) {
	var list api.NegotiationsBody
	for {
		if err := s.city.call(ctx, http.MethodGet, "/api/v1/negotiations", nil, &list); err != nil {
			return api.Negotiation{}, err
		}
		for _, n := range list.Negotiations {
			if n.Pid == pid {
				return n, nil
			}
		}
		if sleep(ctx, 10*time.Millisecond) != nil {
			return api.Negotiation{}, fmt.Errorf("the city knows nothing of negotiation %s", pid)
		}
	}
}

func (s *connectorStory) refused(ctx context.Context) (string, error) {
	n, err := s.ask(ctx, "advertising")
	if err != nil {
		return "", err
	}
	if n, err = s.company.negotiation(ctx, n.ID, func(n *api.Negotiation) bool { return n.State == "TERMINATED" }); err != nil {
		return "", err
	}
	theirs, err := s.atCity(ctx, n.ID)
	switch {
	case err != nil:
		return "", err
	case theirs.State != "TERMINATED" || n.EndedBy != hansa.Provider || len(n.Reason) == 0 || !slices.Equal(n.Reason, theirs.Reason):
		return "", fmt.Errorf("the city ended it as %s for %v, and the company heard %v from the %s", theirs.State, theirs.Reason, n.Reason, n.EndedBy)
	case !strings.Contains(n.Reason[0], "advertising"):
		return "", fmt.Errorf("the reason names no purpose: %v", n.Reason)
	}
	return strings.Join(n.Reason, "; "), nil
}

func (s *connectorStory) waits(ctx context.Context) (string, error) {
	n, err := s.ask(ctx, "navigation")
	if err != nil {
		return "", err
	}
	s.asked = n.ID
	theirs, err := s.atCity(ctx, n.ID)
	if err != nil {
		return "", err
	}
	s.heard = theirs.ID
	var waiting api.NegotiationsBody
	if err := s.city.call(ctx, http.MethodGet, "/api/v1/negotiations?waits=true", nil, &waiting); err != nil {
		return "", err
	}
	if n, err = s.company.negotiation(ctx, s.asked, func(n *api.Negotiation) bool { return n.Pid == s.heard }); err != nil {
		return "", err
	}
	if len(waiting.Negotiations) != 1 || waiting.Negotiations[0].ID != s.heard || theirs.Turn != "own" || n.State != "REQUESTED" || n.Turn != "other" {
		return "", fmt.Errorf("%d wait at the city, whose turn is %q; at the company it is %s and the turn of %q", len(waiting.Negotiations), theirs.Turn, n.State, n.Turn)
	}
	return "asked: " + theirs.Waits, nil
}

func (s *connectorStory) agrees(ctx context.Context) (string, error) {
	var n api.Negotiation
	if err := s.city.call(ctx, http.MethodPost, "/api/v1/negotiations/"+s.heard+"/agree", api.ProcessAct{}, &n); err != nil {
		return "", err
	}
	for p, id := range map[*outpost]string{s.city: s.heard, s.company: s.asked} {
		if _, err := p.negotiation(ctx, id, func(n *api.Negotiation) bool { return n.State == "FINALIZED" }); err != nil {
			return "", err
		}
	}
	var here, there api.AgreementsBody
	err := errors.Join(s.company.call(ctx, http.MethodGet, "/api/v1/agreements", nil, &here), s.city.call(ctx, http.MethodGet, "/api/v1/agreements", nil, &there))
	if err != nil {
		return "", err
	}
	if len(here.Agreements) != 1 || len(there.Agreements) != 1 || here.Agreements[0].ID != there.Agreements[0].ID || here.Agreements[0].Hash != there.Agreements[0].Hash {
		return "", fmt.Errorf("the agreements differ: %+v, %+v", here.Agreements, there.Agreements)
	}
	s.agreement = here.Agreements[0].ID
	return "the same bytes at both, sha-256:" + here.Agreements[0].Hash[:16] + "…", nil
}

func (s *connectorStory) streams(ctx context.Context) (string, error) {
	var t api.Transfer
	if err := s.company.call(ctx, http.MethodPost, "/api/v1/transfers", api.TransferOrder{Agreement: s.agreement, Format: transfer.Stream, Dataset: storyDataset}, &t); err != nil {
		return "", err
	}
	s.taken = t.ID
	t, err := s.company.transfer(ctx, s.taken, "STARTED")
	if err != nil {
		return "", err
	}
	s.given = t.Pid
	theirs, err := s.city.transfer(ctx, s.given, "STARTED")
	if err != nil {
		return "", err
	}
	// What the company's node was told, as its vault has it.
	var a transfer.Address
	if err := s.company.node.db.Read(ctx, func(tx hansa.Tx) error { return s.company.node.deal.reveal(tx, s.taken, &a) }); err != nil {
		return "", err
	}
	s.token, s.events = a.Properties[propAuth], a.Properties[ns+"records"]
	status, err := s.opens(ctx)
	if err == nil && (status != http.StatusOK || theirs.Agreement != s.agreement || theirs.Flow == "") {
		err = fmt.Errorf("the token is answered %d, under agreement %s", status, theirs.Agreement)
	}
	return t.Format + ", into " + t.Dataset, err
}

// opens asks for the data by the transfer's token, as a program would.
func (s *connectorStory) opens(ctx context.Context) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.events, nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	res, err := s.company.client.Do(req)
	if err != nil {
		return 0, err
	}
	return res.StatusCode, res.Body.Close()
}

// shut closes a place at the city.
func (s *connectorStory) shut(ctx context.Context, place string) (string, error) {
	var c api.Closure
	err := s.city.call(ctx, http.MethodPost, "/api/v1/closures", api.CloseOrder{Place: place, Reason: "fire"}, &c)
	s.closures = append(s.closures, c.ID)
	return c.ID, err
}

func (s *connectorStory) arrives(ctx context.Context) (string, error) {
	id, err := s.shut(ctx, "oostertunnel")
	if err != nil {
		return "", err
	}
	r, err := s.company.has(ctx, storyDataset, id, func(*cameIn) bool { return true })
	if err != nil {
		return "", err
	}
	from := r.Provenance
	if from.System != s.city.did() || from.Holder != "Doggerhaven road authority" || from.Feed != "transfer:"+s.taken || r.Situation.Effect != "road-closed" {
		return "", fmt.Errorf("it came as %+v", r)
	}
	var c api.Closure
	if err := s.city.call(ctx, http.MethodGet, "/api/v1/closures/"+id, nil, &c); err != nil {
		return "", err
	}
	if !slices.ContainsFunc(c.Receivers, func(x api.Receiver) bool {
		return x.Party == hansa.PartyID(s.company.did()) && x.Step != hansa.StepSilent
	}) {
		return "", fmt.Errorf("the city does not see who has it: %+v", c.Receivers)
	}
	return "held by " + from.Holder + ", from " + from.System, nil
}

func (s *connectorStory) suspended(ctx context.Context) (string, error) {
	const why = "a drill until noon"
	var t api.Transfer
	if err := s.city.call(ctx, http.MethodPost, "/api/v1/transfers/"+s.given+"/suspend", api.ProcessAct{Reason: []string{why}}, &t); err != nil {
		return "", err
	}
	status, err := s.opens(ctx) // at once, before the company has heard
	if err != nil {
		return "", err
	}
	if t, err = s.company.transfer(ctx, s.taken, "SUSPENDED"); err != nil {
		return "", err
	}
	if status != http.StatusUnauthorized && status != http.StatusForbidden || !slices.Contains(t.Reason, why) {
		return "", fmt.Errorf("the token is answered %d, and the company heard %v", status, t.Reason)
	}
	id, err := s.shut(ctx, "wallenweg")
	if err != nil {
		return "", err
	}
	return why + "; the token is answered " + fmt.Sprint(status), s.company.lacks(ctx, storyDataset, id)
}

func (s *connectorStory) resumed(ctx context.Context) (string, error) {
	var t api.Transfer
	if err := s.company.call(ctx, http.MethodPost, "/api/v1/transfers/"+s.taken+"/resume", api.ProcessAct{}, &t); err != nil {
		return "", err
	}
	for p, id := range map[*outpost]string{s.city: s.given, s.company: s.taken} {
		if _, err := p.transfer(ctx, id, "STARTED"); err != nil {
			return "", err
		}
	}
	_, err := s.company.has(ctx, storyDataset, s.closures[1], func(*cameIn) bool { return true })
	return "by the company; what it missed came first", err
}

func (s *connectorStory) reopens(ctx context.Context) (string, error) {
	var c api.Closure
	if err := s.city.call(ctx, http.MethodPost, "/api/v1/closures/"+s.closures[0]+"/reopen", struct{}{}, &c); err != nil {
		return "", err
	}
	r, err := s.company.has(ctx, storyDataset, s.closures[0], func(r *cameIn) bool { return r.Situation.Lifecycle != hansa.Active })
	return "the tunnel is " + string(r.Situation.Lifecycle) + " at both", err
}

func (s *connectorStory) ends(ctx context.Context) (string, error) {
	const why = "the pilot is over"
	var t api.Transfer
	if err := s.city.call(ctx, http.MethodPost, "/api/v1/transfers/"+s.given+"/terminate", api.ProcessAct{Reason: []string{why}}, &t); err != nil {
		return "", err
	}
	status, err := s.opens(ctx)
	if err != nil {
		return "", err
	}
	if t, err = s.company.transfer(ctx, s.taken, "TERMINATED"); err != nil {
		return "", err
	}
	if status != http.StatusUnauthorized || t.EndedBy != hansa.Provider || !slices.Contains(t.Reason, why) {
		return "", fmt.Errorf("the token is answered %d, and the company heard %v from the %s", status, t.Reason, t.EndedBy)
	}
	id, err := s.shut(ctx, "oostertunnel")
	if err != nil {
		return "", err
	}
	return why + "; the token is answered 401", s.company.lacks(ctx, storyDataset, id)
}

func (s *connectorStory) inspects(ctx context.Context) (string, error) {
	var told []string
	for _, pair := range [][2]string{{s.asked, s.heard}, {s.taken, s.given}} {
		var here, there api.Process
		err := errors.Join(s.company.call(ctx, http.MethodGet, "/api/v1/processes/"+pair[0], nil, &here), s.city.call(ctx, http.MethodGet, "/api/v1/processes/"+pair[1], nil, &there))
		if err != nil {
			return "", err
		}
		if len(here.Messages) == 0 || len(here.Messages) != len(there.Messages) {
			return "", fmt.Errorf("the company has %d messages of it, the city %d", len(here.Messages), len(there.Messages))
		}
		for i, m := range here.Messages {
			o := there.Messages[i]
			if m.Kind != o.Kind || m.Direction == o.Direction || len(m.Body) == 0 || len(o.Body) == 0 || m.After != o.After {
				return "", fmt.Errorf("message %d is %s %s here, and %s %s there", i+1, m.Direction, m.Kind, o.Direction, o.Kind)
			}
			if strings.Contains(string(m.Body)+string(o.Body), s.token) {
				return "", fmt.Errorf("message %d shows the token", i+1)
			}
			told = append(told, m.Kind[strings.IndexByte(m.Kind, '/')+1:])
		}
	}
	return strings.Join(told, ", "), nil
}
