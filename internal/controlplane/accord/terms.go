package accord

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/policy"
)

// Pair is one flow between two parties, as it runs.
type Pair struct {
	Flow     *Flow        // of the text, or of the member that contributes it
	ID       hansa.FlowID // [FlowFor]
	From, To hansa.PartyID
}

// FlowFor returns the id of the flow that runs from f's giver to one receiver: f's own
// when f names its receiver, else one that every node derives alike from the accord,
// the flow and the receiver (UUIDv8, RFC 9562 section 5.8).
func FlowFor(id hansa.AccordID, f *Flow, to hansa.PartyID) hansa.FlowID {
	if f.To != Members {
		return f.ID
	}
	sum := sha256.Sum256([]byte("hansa accord flow\x00" + string(id) + "\x00" + string(f.ID) + "\x00" + string(to)))
	return hansa.FlowID(uuid8(sum))
}

func uuid8(sum [sha256.Size]byte) string {
	b := sum[:16]
	b[6], b[8] = b[6]&0x0f|0x80, b[8]&0x3f|0x80
	s := hex.EncodeToString(b)
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// Pairs lists the flows of t as they run among its parties and members
// ([State.Members]): those of a pool once for each receiver. Parties and members that
// left neither give nor receive.
func (t *Text) Pairs(members []Member) (out []Pair) {
	in := make([]hansa.PartyID, 0, len(t.Parties)+len(members))
	for i := range t.Parties {
		in = append(in, t.Parties[i].ID)
	}
	var given []*Flow
	for i := range t.Flows {
		given = append(given, &t.Flows[i])
	}
	for i := range members {
		m := &members[i]
		in = slices.DeleteFunc(in, func(id hansa.PartyID) bool { return id == m.Party.ID })
		if !m.Left.IsZero() {
			continue
		}
		in = append(in, m.Party.ID)
		for n := range m.Gives {
			given = append(given, &m.Gives[n])
		}
	}
	for _, f := range given {
		if !slices.Contains(in, f.From) {
			continue
		}
		for _, to := range in {
			if f.To == Members && to != f.From || f.To == to {
				out = append(out, Pair{Flow: f, ID: FlowFor(t.ID, f, to), From: f.From, To: to})
			}
		}
		if f.To == hansa.PublicParty {
			out = append(out, Pair{Flow: f, ID: f.ID, From: f.From, To: f.To})
		}
	}
	return out
}

// Policy returns the policy of a flow: what the clauses of t that are about it say,
// as they stand in t. A member's flow is under the clauses that are about all.
func (t *Text) Policy(f hansa.FlowID) *policy.Policy {
	var parts []policy.Rules
	for i := range t.Clauses {
		if c := &t.Clauses[i]; c.About(f) {
			parts = append(parts, c.Rules)
		}
	}
	return policy.Compose("urn:uuid:"+string(f), parts...)
}

// Terms returns what the gate of a flow holds to from effect on: the rules of its
// clauses, its formats, its licence and attribution, within the time of t. What is
// owed stays a duty, which no gate decides. Without an agreed purpose nothing is
// permitted, and that is an Invalid error; so is what the gate cannot hold to.
func (t *Text) Terms(f *Flow, effect time.Time) (hansa.Terms, error) {
	p := t.Policy(f.ID)
	p.Obligation = nil
	if p.Permission == nil {
		return hansa.Terms{}, hansa.Fielded("/clauses", "no clause says for what purpose %s may be used, so nothing of it is permitted", f.Name).WithHint("add the clause purpose-limit")
	}
	out, err := p.Terms(effect)
	if err != nil {
		return out, err
	}
	if len(out.Purposes) == 0 {
		return out, hansa.Fielded("/clauses", "no clause says for what purpose %s may be used, so nothing of it is permitted", f.Name).WithHint("add the clause purpose-limit")
	}
	switch {
	case len(out.Formats) == 0:
		out.Formats = slices.Clone(f.Formats)
	case len(f.Formats) > 0:
		out.Formats = slices.DeleteFunc(out.Formats, func(x hansa.Format) bool { return !slices.Contains(f.Formats, x) })
		if len(out.Formats) == 0 {
			return out, hansa.Fielded("/flows", "the clauses allow none of the formats of %s", f.Name).WithHint("let the clause formats name one of them")
		}
	}
	from, until, err := t.Term.span()
	if err != nil {
		return out, err
	}
	for _, at := range []time.Time{from, effect} {
		if at.After(out.From) {
			out.From = at
		}
	}
	if !until.IsZero() && (out.Until.IsZero() || until.Before(out.Until)) {
		out.Until = until
	}
	for i := range t.Clauses {
		switch c := &t.Clauses[i]; {
		case !c.About(f.ID):
		case c.ID == "licence":
			out.Licence = c.Params["licence"]
		case c.ID == "attribution":
			out.Attribution = c.Params["wording"]
		}
	}
	return out, nil
}

// TermsHash returns the hex SHA-256 of all in t that a flow runs under: while it is
// the same from one version to the next, what was agreed for the flow stands.
func (t *Text) TermsHash(f *Flow) (string, error) {
	p := t.Policy(f.ID)
	b, err := canonicalJSON(struct {
		Flow   *Flow          `json:"flow"`
		Policy *policy.Policy `json:"policy"`
		From   string         `json:"from"`
		Until  string         `json:"until"`
		Zone   string         `json:"zone"`
	}{f, p, t.Term.From, t.Term.Until, t.Term.Zone})
	if err != nil {
		return "", err
	}
	return hashOf(b), nil
}

// span returns the first moment of the first day, and the first after the last; a
// zero one is none.
func (d *Term) span() (from, until time.Time, err error) {
	zone, err := time.LoadLocation(d.Zone)
	if err != nil || d.Zone == "" || d.Zone == "Local" {
		return from, until, hansa.Fielded("/term/zone", "days are counted in an IANA time zone such as Europe/Amsterdam, not in %.60q", d.Zone)
	}
	if from, err = time.ParseInLocation(time.DateOnly, d.From, zone); err != nil {
		return from, until, noDay("/term/from", d.From)
	}
	if d.Until == "" {
		return from.UTC(), until, nil
	}
	if until, err = afterDay(d.Until, zone); err != nil {
		return from, until, noDay("/term/until", d.Until)
	}
	return from.UTC(), until, nil
}

// afterDay is the first moment after a day.
func afterDay(day string, zone *time.Location) (time.Time, error) {
	at, err := time.ParseInLocation(time.DateOnly, day, zone)
	if err != nil {
		return at, err
	}
	return at.AddDate(0, 0, 1).UTC(), nil
}

func noDay(field, day string) error {
	return hansa.Fielded(field, "a day is written as 2026-12-01, not %.40q", day)
}

// isUUID reports whether s is a UUID in lower case.
func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		default:
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
				return false
			}
		}
	}
	return true
}

// at is a field of the n-th of a list.
func at(list string, n int, field string) string { return "/" + list + "/" + strconv.Itoa(n) + field }
