package api

import (
	"net/http"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
)

// FlowDraft says how an accord is drafted from a flow that has none.
type FlowDraft struct {
	Party    string            `json:"party,omitempty"`   // own, by name; the caller's when empty
	Model    hansa.Model       `json:"model,omitempty"`   // when empty partnership, and donation of what goes to the public
	Answers  map[string]string `json:"answers,omitempty"` // to the template's questions; the flow answers its purposes and what its receiver gets
	Personal *accord.Personal  `json:"personal,omitzero"` // of personal data, which its dataset does not say
}

// FlowDrafted is the draft, and what of the flow no clause can say.
type FlowDrafted struct {
	AccordDetail
	Flow  hansa.FlowID `json:"flow"` // which the accord takes over as it comes into force
	Notes []string     `json:"notes"`
}

func (a *API) flowDraftEndpoint() Endpoint {
	return Endpoint{
		Route: hansa.Route{Method: "POST", Pattern: "/api/v1/flows/{flow}/accord", Right: hansa.RightRead, Object: "accord", Action: "draft an accord from a flow without one, by the flow's id", BodyMax: 64 << 10},
		Serve: a.draftFromFlow, In: FlowDraft{}, Out: FlowDrafted{}, Status: http.StatusCreated,
	}
}

func (a *API) draftFromFlow(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	var o FlowDraft
	if err := readJSON(r, &o); err != nil {
		return err
	}
	out, err := a.Accords.DraftFromFlow(r.Context(), by, hansa.FlowID(r.PathValue("flow")), o)
	return answerWith(w, http.StatusCreated, out, err)
}
