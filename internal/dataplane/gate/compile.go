package gate

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
)

// Limits of one flow's terms.
const (
	PurposesMax  = 64
	FormatsMax   = 32
	WindowsMax   = 64
	RetentionMax = 36_525 // days: a hundred years
	DecimalsMax  = 7
	AreaVertices = hansa.VerticesMax
	RelayedMax   = 10_000 // flows that one passes on
)

// The conditions that the gate knows besides the terms' own fields, with the values
// that each can have.
const (
	// ConditionAudience with "public" denies situations that state an audience
	// narrower than the public.
	ConditionAudience = "audience"
	// ConditionPersonal with "none" denies observations that hold personal data.
	ConditionPersonal = "personal"
	// ConditionRelayed lists, with a space between two, the flows by which the giver
	// was given what it may pass on by this one. What it was given by another stays.
	ConditionRelayed = "relayed"
	// ConditionRecalled lists in the same way those that it could pass on before: who was
	// given something of them is told when it stands no more.
	ConditionRecalled = "recalled"
)

// Compile makes a gate of f's terms, or reports the first of them that it cannot
// hold to: a condition that it does not know cannot be saved. f may change
// afterwards without moving the gate.
func Compile(f *hansa.Flow) (*Gate, error) {
	if err := f.Validate(); err != nil {
		return nil, err
	}
	t := &f.Terms
	g := &Gate{
		flow: f.ID, dataset: f.Dataset, to: f.To, paused: f.Paused, accord: f.Basis.Kind == hansa.BasisAccord, test: f.Test,
		purposes: slices.Clone(t.Purposes), formats: slices.Clone(t.Formats),
		delay: t.Delay.Std(), retain: time.Duration(t.Retention) * 24 * time.Hour, from: t.From, until: t.Until,
	}
	for _, step := range []func(*hansa.Terms) error{
		checkLists, checkTimes, g.allow, g.bound, g.schedule, g.condition,
	} {
		if err := step(t); err != nil {
			return nil, err
		}
	}
	g.base = digest(f)
	return g, nil
}

func checkLists(t *hansa.Terms) error {
	switch {
	case len(t.Purposes) == 0:
		return hansa.Fielded("/terms/purposes", "terms need a purpose: without one nothing may leave")
	case len(t.Purposes) > PurposesMax:
		return hansa.Fielded("/terms/purposes", "terms name at most %d purposes", PurposesMax)
	case slices.Contains(t.Purposes, ""):
		return hansa.Fielded("/terms/purposes", "a purpose is not empty")
	case len(t.Formats) == 0:
		return hansa.Fielded("/terms/formats", "terms need a format: without one nothing may leave")
	case len(t.Formats) > FormatsMax:
		return hansa.Fielded("/terms/formats", "terms name at most %d formats", FormatsMax)
	case slices.Contains(t.Formats, ""):
		return hansa.Fielded("/terms/formats", "a format is not empty")
	}
	return nil
}

func checkTimes(t *hansa.Terms) error {
	switch {
	case t.Delay < 0:
		return hansa.Fielded("/terms/delay", "a delay is not negative")
	case t.Retention < 0 || t.Retention > RetentionMax:
		return hansa.Fielded("/terms/retention", "a retention is 0 to %d days, not %d", RetentionMax, t.Retention)
	case !t.Until.IsZero() && !t.Until.After(t.From):
		return hansa.Fielded("/terms/until", "the terms end at %s, which is not after they begin at %s",
			t.Until.Format(time.RFC3339), t.From.Format(time.RFC3339))
	}
	return nil
}

// allow reads which fields may leave: those that are named, or all, but for those
// that are held.
func (g *Gate) allow(t *hansa.Terms) error {
	g.limited, g.held = len(t.Fields)+len(t.Held) > 0, len(t.Held)
	for _, name := range t.Held {
		if !slices.Contains(hansa.Fields(), name) {
			return hansa.Fielded("/terms/held", "there is no field %q to hold; there are %q", name, hansa.Fields())
		}
	}
	names := t.Fields
	if len(names) == 0 {
		names = hansa.Fields()
	}
	for _, name := range names {
		if !slices.Contains(t.Held, name) && !g.fields.allow(name) || !slices.Contains(hansa.Fields(), name) {
			return hansa.Fielded("/terms/fields", "there is no field %q to allow; there are %q", name, hansa.Fields())
		}
	}
	return nil
}

// bound reads area and precision.
func (g *Gate) bound(t *hansa.Terms) (err error) {
	if p := t.Precision; p != nil {
		if *p < 0 || *p > DecimalsMax {
			return hansa.Fielded("/terms/precision", "a precision is 0 to %d decimals, not %d", DecimalsMax, *p)
		}
		g.scale = math.Pow10(*p)
	}
	if t.Area != nil {
		g.area, err = newArea(t.Area)
	}
	return err
}

func (g *Gate) schedule(t *hansa.Terms) error {
	if len(t.Windows) > WindowsMax {
		return hansa.Fielded("/terms/windows", "terms have at most %d windows", WindowsMax)
	}
	for i := range t.Windows {
		w := t.Windows[i]
		w.Weeks = slices.Clone(w.Weeks)
		s, err := w.Schedule()
		if err != nil {
			return hansa.Fielded("/terms/windows", "window %d: %s", i+1, hansa.Public(err).Message)
		}
		g.windows = append(g.windows, s)
	}
	return nil
}

func (g *Gate) condition(t *hansa.Terms) error {
	for _, name := range slices.Sorted(maps.Keys(t.Conditions)) {
		value, field := t.Conditions[name], "/terms/conditions/"+name
		switch {
		case name == ConditionAudience && value == "public":
			g.public = true
		case name == ConditionPersonal && value == "none":
			g.noPersons = true
		case name == ConditionRelayed || name == ConditionRecalled:
			flows := strings.Fields(value)
			if len(flows) > RelayedMax {
				return hansa.Fielded(field, "a flow passes on what came by at most %d others", RelayedMax)
			}
			for _, id := range flows {
				if g.relayed == nil {
					g.relayed = make(map[string]bool, len(flows))
				}
				g.relayed[id] = g.relayed[id] || name == ConditionRelayed
			}
		case name == ConditionAudience:
			return hansa.Fielded(field, "the condition audience can be public, not %q", value)
		case name == ConditionPersonal:
			return hansa.Fielded(field, "the condition personal can be none, not %q", value)
		default:
			return hansa.Fielded(field, "the gate does not know the condition %q and cannot hold to it", name).
				WithHint("leave it out, or say it with fields, area, windows, delay or precision")
		}
	}
	return nil
}

// digest hashes what decides the bytes that leave. Purposes and the receiver are
// not in it: they decide who reads, not what.
func digest(f *hansa.Flow) [32]byte {
	t := f.Terms
	t.Purposes, t.Formats = nil, nil
	t.Fields = slices.Compact(slices.Sorted(slices.Values(t.Fields)))
	t.Held = slices.Compact(slices.Sorted(slices.Values(t.Held)))
	t.From, t.Until = t.From.UTC(), t.Until.UTC()
	doc, err := json.Marshal(struct {
		Dataset hansa.DatasetID
		Paused  bool
		Test    bool
		Terms   hansa.Terms
	}{f.Dataset, f.Paused, f.Test, t})
	if err != nil { // a year beyond 9999: such a flow shares with none
		doc = []byte(f.ID)
	}
	return sha256.Sum256(doc)
}

// ViewKey names what leaves by g in format: flows with equal terms and equal
// keys share one encoding. Terms whose answers would differ have different keys.
func (g *Gate) ViewKey(format hansa.Format) string {
	h := sha256.Sum256(append(g.base[:len(g.base):len(g.base)], format...))
	return hex.EncodeToString(h[:])
}
