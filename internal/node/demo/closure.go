package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
)

// Pace is how a story waits: at once for a rehearsal, in its own time for people.
type Pace func(ctx context.Context, d time.Duration) error

// Closure is the story of July 2023 in Doggerhaven: one tube of the Stadstunnel
// has been shut since Sunday evening; on Monday at 13:00 the whole Oostertunnel
// fails; the city opens barriers as a counter-measure; the fault is mended at
// 13:45, but the tunnel opens an hour later; another outlet says at 13:30 that it
// is open; and one receiver silently drops the first closure.
type Closure struct {
	w      *World
	pace   Pace
	tube   closure
	whole  closure
	relief closure
	saved  []byte // checkpoint before the story
}

// NewClosure returns the story, to be played in w.
func NewClosure(w *World, pace Pace) *Closure { return &Closure{w: w, pace: pace} }

// Play plays the story and tells each step as it ends.
func (s *Closure) Play(ctx context.Context, tell func(Step)) []Step {
	return play(ctx, s.pace, []step{
		{"a tube of the Stadstunnel shuts, northbound only", 0, s.shutTube},
		{"the closed tube is one direction in every format", 0, s.oneDirection},
		{"four receivers have it live, each in its own way", 0, s.fourLive},
		{"a receipt is signed with the receiver's own key", 0, s.signed},
		{"a segment is rejected, with the reason", 0, s.rejected},
		{"a receiver that says nothing is noticed", 0, s.silent},
		{"the whole Oostertunnel fails", 15 * time.Hour, s.shutWhole},
		{"a counter-measure joins the same incident", 0, s.counter},
		{"a partial closure is refused to a format that cannot say it", 0, s.notWidened},
		{"a read without a purpose is denied, by name", 0, s.noPurpose},
		{"another outlet says open: the city's closure stands, contradicted", 30 * time.Minute, s.otherOutlet},
		{"repaired is not open", 15 * time.Minute, s.repaired},
		{"a receiver silently drops the tube: contradicted", 0, s.dropped},
		{"the Oostertunnel opens, and the receivers clear it", time.Hour, s.reopened},
		{"the evidence verifies offline", 0, s.verify},
		{"a forgery under another key does not", 0, s.forged},
	}, tell)
}

var errNotClosed = errors.New("the Oostertunnel was not closed")

func (s *Closure) shutTube(ctx context.Context) (string, error) {
	res, err := s.w.send(ctx, "", http.MethodGet, "/journal/checkpoint", nil)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	if s.saved, err = io.ReadAll(io.LimitReader(res.Body, 64<<10)); err != nil {
		return "", err
	}
	s.tube, err = s.w.close(ctx, order{Place: "stadstunnel", Heading: "north", Reason: "technical-fault", Text: "Northbound tube closed: ventilation out of order."})
	if err != nil {
		return "", err
	}
	sit := s.tube.Record.Situation
	if sit.Effect != hansa.DirectionClosed || sit.Extent != hansa.Tube {
		return "", fmt.Errorf("effect %s of %s, want direction-closed of tube", sit.Effect, sit.Extent)
	}
	return s.tube.Title + " is closed, end unknown", nil
}

func (s *Closure) oneDirection(ctx context.Context) (string, error) {
	for name, want := range map[string]string{"wayfare": "ONE_DIRECTION", "navika": "ONE_DIRECTION", "truckpilot": "carriagewayClosures", "autokompas": `"one"`} {
		r := s.w.Receivers[name]
		body, err := s.read(ctx, name, r.Format)
		if err != nil {
			return "", err
		}
		if !strings.Contains(body, want) {
			return "", fmt.Errorf("%s in %s has no %s: %.400s", name, r.Format, want, body)
		}
		if strings.Contains(body, "BOTH_DIRECTIONS") || strings.Contains(body, "roadClosed") {
			return "", fmt.Errorf("%s in %s says that the whole road is closed", name, r.Format)
		}
	}
	return "CIFS, CIFS JSON, DATEX II and GeoJSON agree", nil
}

// read fetches a receiver's snapshot in a format.
func (s *Closure) read(ctx context.Context, name string, format hansa.Format) (string, error) {
	r := s.w.Receivers[name]
	res, err := r.call(ctx, http.MethodGet, "/data/v1/flows/"+s.w.Flows[name]+"/snapshot?format="+string(format), "", nil)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, snapshotBytesMax))
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %.300s", res.Status, b)
	}
	return string(b), err
}

func (s *Closure) fourLive(ctx context.Context) (string, error) {
	want := []string{"Navika", "Wayfare", "Autokompas", "Truckpilot"}
	return s.w.until(ctx, s.tube.ID, time.Second, func(c closure) (string, bool) {
		at, n := c.at(), 0
		for _, t := range want {
			if at[t] == hansa.StepLive {
				n++
			}
		}
		if n == len(want) && !c.has("Autokompas", hansa.StepLive, hansa.EvidencePolled) {
			return "Autokompas live, but not by its list", false
		}
		says := []string{fmt.Sprintf("%d of 4 live: %s", n, c.stands())}
		for _, r := range s.w.Receivers {
			if errs := r.Errors(); len(errs) > 0 {
				says = append(says, r.Title+": "+errs[len(errs)-1])
			}
		}
		return strings.Join(says, "; "), n == len(want)
	})
}

func (s *Closure) signed(ctx context.Context) (string, error) {
	return s.w.until(ctx, s.tube.ID, time.Second, func(c closure) (string, bool) {
		return "Truckpilot's receipts are signed", c.has("Truckpilot", hansa.StepLive, hansa.EvidenceSigned)
	})
}

func (s *Closure) rejected(ctx context.Context) (string, error) {
	return s.w.until(ctx, s.tube.ID, time.Second, func(c closure) (string, bool) {
		for _, r := range c.Receivers {
			if r.Title == "Stadbus" && r.Step == hansa.StepRejected {
				return "Stadbus: " + r.Reason, r.Reason != ""
			}
		}
		return "Stadbus has not rejected it", false
	})
}

func (s *Closure) silent(ctx context.Context) (string, error) {
	return s.w.until(ctx, s.tube.ID, 20*time.Second, func(c closure) (string, bool) {
		return fmt.Sprintf("Taxi Unie is %s", c.at()["Taxi Unie"]), c.at()["Taxi Unie"] == hansa.StepSilent
	})
}

func (s *Closure) shutWhole(ctx context.Context) (string, error) {
	var err error
	s.whole, err = s.w.close(ctx, order{Place: "oostertunnel", Reason: "technical-fault", Text: "Closed in both directions: intercom out of order."})
	if err != nil {
		return "", err
	}
	if s.whole.Record.Situation.Effect != hansa.RoadClosed {
		return "", fmt.Errorf("effect %s, want road-closed", s.whole.Record.Situation.Effect)
	}
	return s.w.until(ctx, s.whole.ID, time.Second, func(c closure) (string, bool) {
		return fmt.Sprintf("%s: %s", c.Title, c.stands()), c.at()["Navika"] == hansa.StepLive && c.at()["Stadbus"] == hansa.StepLive
	})
}

func (s *Closure) counter(ctx context.Context) (string, error) {
	if s.whole.Record.Situation == nil {
		return "", errNotClosed
	}
	var err error
	s.relief, err = s.w.close(ctx, order{Place: "kattenweg", Reason: "technical-fault", Incident: s.whole.ID, Role: hansa.RoleCounterMeasure, Text: "Barriers are open to through traffic."})
	if err != nil {
		return "", err
	}
	a, b := s.whole.Record.Situation.Incident, s.relief.Record.Situation.Incident
	if a == "" || a != b || s.relief.Record.Situation.Role != hansa.RoleCounterMeasure {
		return "", fmt.Errorf("incidents %q and %q, role %q", a, b, s.relief.Record.Situation.Role)
	}
	return s.relief.Title + " belongs to " + s.whole.Title, nil
}

func (s *Closure) notWidened(ctx context.Context) (string, error) {
	lane, err := s.w.close(ctx, order{Place: "wallenweg", Heading: "east", Lanes: []int{2}, Reason: "roadworks", Text: "One lane closed."})
	if err != nil {
		return "", err
	}
	var why struct {
		Flows []struct {
			Formats []struct {
				Format  string       `json:"format"`
				Refused bool         `json:"refused"`
				Losses  []hansa.Loss `json:"losses"`
			} `json:"formats"`
		} `json:"flows"`
	}
	if err := s.w.call(ctx, s.w.Control, http.MethodGet, "/api/v1/explain?record="+url.QueryEscape(lane.ID), nil, &why); err != nil {
		return "", err
	}
	body, err := s.read(ctx, "wayfare", "cifs")
	if err != nil {
		return "", err
	}
	for part := range strings.SplitSeq(body, "<incident") {
		if strings.Contains(part, lane.ID) && strings.Contains(part, ">ROAD_CLOSED<") {
			return "", errors.New("CIFS calls one closed lane a closed road")
		}
	}
	for _, f := range why.Flows {
		for _, x := range f.Formats {
			if x.Refused || len(x.Losses) > 0 {
				_, err := s.w.change(ctx, lane.ID, "withdraw")
				return fmt.Sprintf("%s says what it cannot say (%d losses), and never a closed road", x.Format, len(x.Losses)), err
			}
		}
	}
	return "", errors.New("no format reports a loss for a closed lane")
}

func (s *Closure) noPurpose(ctx context.Context) (string, error) {
	r := s.w.Receivers["navika"]
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.w.Exchange+"/data/v1/flows/"+s.w.Flows["navika"]+"/snapshot", nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "Bearer "+r.stage.Token)
	req.Header.Set("Hansa-Purpose", "advertising")
	res, err := s.w.Client.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	var says struct {
		Error struct{ Code, Message string } `json:"error"`
	}
	if err := json.UnmarshalRead(io.LimitReader(res.Body, 64<<10), &says, json.MatchCaseInsensitiveNames(true)); err != nil || res.StatusCode != http.StatusForbidden || says.Error.Code == "" {
		return "", errors.Join(fmt.Errorf("a read for advertising was answered %s, and names %q", res.Status, says.Error.Code), err)
	}
	return says.Error.Code + ": " + says.Error.Message, nil
}

func (s *Closure) otherOutlet(ctx context.Context) (string, error) {
	if s.whole.Record.Situation == nil {
		return "", errNotClosed
	}
	now := s.w.Now().UTC()
	rec := hansa.Record{
		Kind: hansa.KindSituation, ID: "region-oostertunnel-open", Version: 1, Update: hansa.Insert, Created: now, Updated: now,
		Situation: &hansa.Situation{
			Lifecycle: hansa.Ended, Effect: hansa.NoEffect, Start: &now, ActualEnd: &now, Geometry: s.whole.Record.Situation.Geometry, Direction: hansa.BothDirections,
			Infra: s.whole.Record.Situation.Infra, Road: s.whole.Record.Situation.Road, Related: hansa.Related{Contradicts: []string{s.whole.ID}},
			Source: hansa.Source{Org: "Regional traffic desk"}, Texts: []hansa.Text{{Lang: "en", Value: "Oostertunnel open again."}},
		},
	}
	if err := s.w.call(ctx, s.w.Region, http.MethodPost, "/data/v1/datasets/reports/records", rec, nil); err != nil {
		return "", err
	}
	var c closure
	if err := s.w.call(ctx, s.w.Control, http.MethodGet, "/api/v1/closures/"+url.PathEscape(s.whole.ID), nil, &c); err != nil {
		return "", err
	}
	if c.Record.Situation.Lifecycle != hansa.Active {
		return "", fmt.Errorf("the closure is %s after another outlet's word", c.Record.Situation.Lifecycle)
	}
	var other struct {
		Contradictions []struct {
			Source string `json:"source"`
		} `json:"contradictions"`
	}
	if err := s.w.call(ctx, s.w.Control, http.MethodGet, "/api/v1/closures/"+url.PathEscape(s.whole.ID), nil, &other); err != nil {
		return "", err
	}
	if len(other.Contradictions) == 0 {
		return "", errors.New("the contradiction is not shown to the controller")
	}
	return other.Contradictions[0].Source + " says open; a person decides", nil
}

func (s *Closure) repaired(ctx context.Context) (string, error) {
	c, err := s.w.change(ctx, s.whole.ID, "repaired")
	if err != nil {
		return "", err
	}
	if c.Record.Situation.Repaired == nil || c.Record.Situation.Lifecycle != hansa.Active {
		return "", fmt.Errorf("repaired %v, %s", c.Record.Situation.Repaired, c.Record.Situation.Lifecycle)
	}
	body, err := s.read(ctx, "wayfare", "cifs")
	if err != nil {
		return "", err
	}
	if !strings.Contains(body, s.whole.ID) {
		return "", errors.New("CIFS dropped the closure though it is not open")
	}
	return "mended, still closed, still in every format", nil
}

func (s *Closure) dropped(ctx context.Context) (string, error) {
	s.w.Receivers["autokompas"].Drop(s.tube.ID)
	return s.w.until(ctx, s.tube.ID, 5*time.Second, func(c closure) (string, bool) {
		return fmt.Sprintf("Autokompas is %s: it was live and is not on its list any more", c.at()["Autokompas"]), c.at()["Autokompas"] == hansa.StepContradicted
	})
}

func (s *Closure) reopened(ctx context.Context) (string, error) {
	if _, err := s.w.change(ctx, s.whole.ID, "reopen"); err != nil {
		return "", err
	}
	if _, err := s.w.change(ctx, s.relief.ID, "reopen"); err != nil {
		return "", err
	}
	return s.w.until(ctx, s.whole.ID, time.Second, func(c closure) (string, bool) {
		n := 0
		for _, t := range []string{"Navika", "Wayfare", "Truckpilot", "Stadbus", "Autokompas"} {
			if c.has(t, hansa.StepCleared, "") {
				n++
			}
		}
		return fmt.Sprintf("%d of 5 have cleared it", n), n == 5
	})
}

// bundle fetches the proof of the first closure, from the checkpoint saved.
func (s *Closure) bundle(ctx context.Context) ([]byte, error) {
	res, err := s.w.send(ctx, s.w.Control, http.MethodPost, "/api/v1/proofs/closures/"+url.PathEscape(s.tube.ID), strings.NewReader(string(s.saved)))
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, 64<<20))
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %.300s", res.Status, b)
	}
	return b, err
}

func (s *Closure) verify(ctx context.Context) (string, error) {
	if err := s.settle(ctx); err != nil {
		return "", err
	}
	b, err := s.bundle(ctx)
	if err != nil {
		return "", err
	}
	if err := s.w.Verify(b); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d bytes, checked with the key saved before the story and nothing else", len(b)), nil
}

// settle waits for the sealing that follows within a second.
func (*Closure) settle(ctx context.Context) error {
	t := time.NewTimer(1500 * time.Millisecond)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

func (s *Closure) forged(ctx context.Context) (string, error) {
	b, err := s.bundle(ctx)
	if err != nil {
		return "", err
	}
	f, err := s.w.Forge(b)
	if err != nil {
		return "", err
	}
	if err := s.w.Verify(f); err == nil {
		return "", errors.New("a bundle under another key was accepted")
	} else { //nolint:revive // the error is what the step wants to see
		return err.Error(), nil
	}
}
