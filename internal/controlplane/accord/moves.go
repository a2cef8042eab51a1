package accord

import (
	"slices"
	"time"

	"github.com/hansa-exchange/hansa"
)

// brings is the text that open or propose brings, in outline.
func (w *step) brings() (o Outline, hash string, err error) {
	switch {
	case w.t == nil:
		return o, "", hansa.Errorf(hansa.Internal, "the text of a message %s was not handed over", w.m.Kind)
	case w.t.ID != w.m.Accord:
		return o, "", hansa.Fielded("/body/text/id", "the text is of the accord %.60q, not %s", w.t.ID, w.m.Accord)
	}
	hash = hashOf(w.m.Body.Text)
	if h, err := w.t.Hash(); err != nil || h != hash {
		return o, "", hansa.Errorf(hansa.Internal, "another text than that of the message %s was handed over", w.m.Kind)
	}
	return w.t.Outline(), hash, nil
}

func (w *step) open() error {
	o, hash, err := w.brings()
	switch {
	case err != nil:
		return err
	case o.Version != 1:
		return hansa.Fielded("/body/text/version", "an accord opens with its first version, not with version %d", o.Version)
	case !slices.Contains(o.Parties, w.m.From):
		return hansa.Fielded("/body/text/parties", "who opens an accord is a party of it")
	}
	*w.State = State{ID: w.m.Accord, Keeper: w.m.From, Opener: w.m.From, Authority: o.Served}
	w.State.propose(o, hash, w.m.From)
	w.to(hansa.AccordProposed, w.e.At)
	return nil
}

// propose puts a version in the place of that proposed.
func (s *State) propose(o Outline, hash string, by hansa.PartyID) {
	s.Proposed, s.Version, s.Asked, s.Proposer = hash, o.Version, o, by
	s.Signatures, s.Verdicts, s.Declined, s.Notice = nil, nil, nil, nil
	if s.Force == "" {
		s.Service, s.Objection = nil, nil
	}
}

func (w *step) propose() error {
	o, hash, err := w.brings()
	switch {
	case err != nil:
		return err
	case o.Version != w.Version+1:
		return hansa.Fielded("/body/text/version", "the next version is %d, not %d", w.Version+1, o.Version)
	case w.t.Supersedes != w.Proposed:
		return hansa.Errorf(hansa.Conflict, "the version supersedes %.16s…, and the present one is %.16s…", w.t.Supersedes, w.Proposed).At("/body/text/supersedes")
	case w.Force == "" && !slices.Contains(o.Parties, w.Opener):
		return hansa.Fielded("/body/text/parties", "%s, which opened the accord, is a party of each version", w.Opener)
	case !slices.Contains(o.Parties, w.Keeper) && !w.member(w.Keeper):
		return hansa.Fielded("/body/text/parties", "%s keeps the accord, and is a party of each version", w.Keeper).WithHint("hand the keeping over first")
	case o.Served != "" && (o.Served != w.Authority || w.Force != "" && o.Served != w.Bound.Served):
		return hansa.Fielded("/body/text/basis", "what is under way becomes no duty to %.100s", o.Served).WithHint("open another accord for it")
	case w.Force != "" && w.Bound.Model != o.Model:
		return hansa.Fielded("/body/text/model", "an accord in force keeps its model, %s", w.Bound.Model).WithHint("end this one, and open another")
	case w.Force != "":
		from, _, err := w.t.Term.span()
		if err != nil {
			return err
		}
		if from.After(w.e.At) {
			return hansa.Fielded("/body/text/term/from", "a version that takes the place of one in force holds as soon as all have signed: its first day is not in the future")
		}
		if i := slices.IndexFunc(o.Parties, w.left); i >= 0 {
			return hansa.Fielded("/body/text/parties", "%s has left: it is no party of another version", o.Parties[i]).WithHint("once a version without it is in force, it may join")
		}
	}
	w.State.propose(o, hash, w.m.From)
	if w.Force == "" {
		w.to(hansa.AccordProposed, w.e.At)
	}
	return nil
}

func (w *step) comment() error {
	w.Comments++
	return w.numbered()
}

// numbered reports whether the clause that the message is about is there.
func (w *step) numbered() error {
	o := &w.Asked
	if w.m.Base == w.Force {
		o = &w.Bound
	}
	if w.m.Body.clause() > o.Clauses {
		return hansa.Fielded("/body/clause", "the text has %d clauses", o.Clauses)
	}
	return nil
}

func (w *step) verdict() error {
	if err := w.numbered(); err != nil {
		return err
	}
	v := ClauseVerdict{Party: w.m.From, Clause: w.m.Body.Clause, Accept: w.m.Kind == AcceptClause, Words: w.m.Body.Words}
	w.Verdicts = slices.DeleteFunc(w.Verdicts, func(o ClauseVerdict) bool { return o.Party == v.Party && o.Clause == v.Clause })
	w.Verdicts = append(w.Verdicts, v)
	return nil
}

func (w *step) decline() error {
	w.Declined = append(w.Declined, w.m.From)
	w.Signatures, w.Notice = nil, nil
	if w.Force == "" {
		w.Service = nil
		w.to(hansa.AccordProposed, w.e.At)
		if len(w.Asked.Parties) <= 2 {
			w.over(hansa.EndDeclined)
		}
	}
	return nil
}

// over ends an accord.
func (w *step) over(why hansa.AccordEnd) {
	w.to(hansa.AccordEnded, w.e.At)
	s := w.State
	s.End, s.EndedBy, s.Reason = why, w.m.From, w.m.Body.Words
}

func (w *step) withdraw() error {
	if w.Force != "" {
		w.Declined, w.Signatures, w.Notice = append(w.Declined, w.m.From), nil, nil
		return nil
	}
	w.Signatures = nil
	w.over(hansa.EndWithdrawn)
	return nil
}

// signature is that of the message, over the version that it stands on.
func (w *step) signature() (Signature, error) {
	g := w.m.Body.Signature
	switch {
	case g == nil:
		return Signature{}, hansa.Fielded("/body/signature", "a message %s is signed", w.m.Kind)
	case g.Act != w.m.Kind || g.Party != w.m.From || g.Hash != w.m.Base:
		return Signature{}, denied("the signature is %s's, for %s of %.16s…, and not what the message says", g.Party, g.Act, g.Hash)
	}
	return *g, nil
}

func (w *step) sign() error {
	g, err := w.signature()
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(w.Verdicts, func(v ClauseVerdict) bool { return v.Party == g.Party && !v.Accept }); i >= 0 {
		return refused("%s has rejected clause %s", g.Party, w.Verdicts[i].Clause).WithHint("accept it, or propose a change")
	}
	w.Signatures = append(w.Signatures, g)
	w.signed()
	return nil
}

// signed is the state of an accord that all have signed, and that is not in force yet.
func (w *step) signed() {
	if w.Force == "" && w.agreed() {
		w.to(hansa.AccordSigned, w.e.At)
	}
}

// acknowledge starts what the sender owes: it knows who served it as the authority.
// noticed is an error for a notice of a day that has not come yet in any zone.
func (w *step) enter() error {
	got := w.m.Body.Signatures
	same := len(got) == len(w.Signatures)
	for i := range w.Signatures {
		g := &w.Signatures[i]
		same = same && slices.ContainsFunc(got, func(o Signature) bool { return o.Party == g.Party && o.JWS == g.JWS })
	}
	switch {
	case !same:
		return hansa.Fielded("/body/signatures", "an accord comes into force with the signatures that were given, and no others")
	case w.Force != "" && w.m.Body.Effect.After(w.e.At.Add(hansa.SkewMax)):
		return hansa.Fielded("/body/effect", "a version that takes the place of one in force holds at once")
	}
	was, first := w.Bound.Flows, w.Force == ""
	w.Force, w.Bound, w.InForce, w.Effect = w.Proposed, w.Asked, slices.Clone(w.Signatures), w.m.Body.Effect
	if w.Bound.Served == "" {
		w.Service, w.Objection = nil, nil
	} else if !first {
		w.Service, w.Objection = w.Notice, nil
	}
	w.Acknowledged, w.Reports = nil, nil // of the clauses of before
	w.Tested = slices.DeleteFunc(w.Tested, func(x Tested) bool { return !w.receives(x.By, x.Flow) })
	w.Confirmed = slices.DeleteFunc(w.Confirmed, func(c Confirmation) bool { // measures for other fields are no measures for these
		same := func(l Line) bool { return l.ID == c.Flow }
		i, k := slices.IndexFunc(was, same), slices.IndexFunc(w.Bound.Flows, same)
		return i >= 0 && (k < 0 || was[i].Marks != w.Bound.Flows[k].Marks)
	})
	if w.Effect.Before(w.Taken) { // not before all have signed, whatever the clock says
		w.Effect = w.Taken
	}
	w.Members = slices.DeleteFunc(w.Members, func(m Member) bool { return m.Left.IsZero() && slices.Contains(w.Bound.Parties, m.Party.ID) }) // parties now
	w.Suspended = slices.DeleteFunc(w.Suspended, func(x Suspension) bool { return !w.bound(x.Party) || !w.gives(x.Party, x.Flow) })
	w.Until, w.Early, w.Ends = "", false, w.Bound.Ends
	w.running()
	w.effects = append(w.effects, Force{Hash: w.Force, From: w.Effect})
	return nil
}

// running is the state of an accord in force.
func (w *step) running() {
	if len(w.Suspended) > 0 {
		w.to(hansa.AccordSuspended, w.e.At)
		return
	}
	w.to(hansa.AccordInForce, w.e.At)
}

// own reports whether the flow that the message names is its sender's own.
func (w *step) own() error {
	if f := w.m.Body.Flow; f != "" && !w.gives(w.m.From, f) {
		return hansa.Fielded("/body/flow", "%s gives no flow %s under this accord: each stops its own giving", w.m.From, f)
	}
	return nil
}

func (w *step) suspend() error {
	if err := w.own(); err != nil {
		return err
	}
	f := w.m.Body.Flow
	if slices.ContainsFunc(w.Suspended, func(x Suspension) bool { return x.Party == w.m.From && (x.Flow == "" || x.Flow == f) }) {
		return refused("it stands still already")
	}
	w.still(f)
	return nil
}

// still stands the sender's giving still.
func (w *step) still(f hansa.FlowID) {
	w.Suspended = slices.DeleteFunc(w.Suspended, func(x Suspension) bool { return x.Party == w.m.From && (f == "" || x.Flow == f) })
	w.Suspended = append(w.Suspended, Suspension{Party: w.m.From, Flow: f, At: w.e.At, Words: w.m.Body.Words})
	w.effects = append(w.effects, Stop{Party: w.m.From, Flow: f})
	w.running()
}

func (w *step) resume() error {
	if err := w.own(); err != nil {
		return err
	}
	f, was := w.m.Body.Flow, len(w.Suspended)
	w.Suspended = slices.DeleteFunc(w.Suspended, func(x Suspension) bool { return x.Party == w.m.From && (f == "" || x.Flow == f) })
	if len(w.Suspended) == was {
		return refused("all that %s gives stands still, not this flow alone", w.m.From).WithHint("resume all, and suspend what is to stand still")
	}
	w.effects = append(w.effects, Go{Party: w.m.From, Flow: f})
	w.running()
	return nil
}

func (w *step) end() error {
	if _, err := w.signature(); err != nil {
		return err
	}
	zone, err := time.LoadLocation(w.Bound.Zone)
	if err != nil {
		return hansa.Errorf(hansa.Internal, "the zone %q is not known here", w.Bound.Zone)
	}
	today := w.e.At.In(zone)
	ends, err := afterDay(w.m.Body.Notice, zone)
	switch {
	case err != nil:
		return noDay("/body/notice", w.m.Body.Notice)
	case !w.Ends.IsZero() && ends.After(w.Ends):
		return hansa.Fielded("/body/notice", "the accord ends before that day as it is")
	case w.Until != "" && w.Until == w.m.Body.Notice:
		return refused("the end on %s is announced already", w.Until)
	}
	w.EndedBy, w.Reason, w.Until, w.Ends = w.m.From, w.m.Body.Words, w.m.Body.Notice, ends
	w.Early = w.m.Body.Notice < today.AddDate(0, 0, w.Bound.Notice).Format(time.DateOnly)
	if w.m.Body.Notice > today.Format(time.DateOnly) {
		w.effects = append(w.effects, Ending{Day: w.Until})
		return nil
	}
	w.Ends = w.e.At // today, or a day before it: at once
	w.over(hansa.EndEnded)
	for _, id := range w.Bound.Parties {
		if w.gives(id, "") && !w.left(id) {
			w.effects = append(w.effects, Stop{Party: id, Final: true})
		}
	}
	for i := range w.Members {
		if m := &w.Members[i]; m.Left.IsZero() && len(m.Gives) > 0 {
			w.effects = append(w.effects, Stop{Party: m.Party.ID, Final: true})
		}
	}
	w.effects = append(w.effects, ExitBegins{Rule: w.Bound.Exit})
	return nil
}

// dated is an error when a certificate says what cannot be: that it was done after it was
// said, or before anything was over, or of data that its sender does not receive.
// certified keeps of the certificates of a party the last, and each that names a flow
// which it receives and no later one names: so many, at most, as such flows and one more.
func (w *step) join() error {
	g, err := w.signature()
	if err != nil {
		return err
	}
	p := w.m.Body.Member
	if p.ID != w.m.From {
		return hansa.Fielded("/body/member/id", "each joins for itself")
	}
	if err := p.validate("/body/member"); err != nil {
		return err
	}
	for i := range w.m.Body.Gives {
		f, field := &w.m.Body.Gives[i], at("body/gives", i, "")
		taken := func(id hansa.FlowID) bool {
			return slices.ContainsFunc(w.Bound.Flows, func(l Line) bool { return l.ID == id }) ||
				slices.ContainsFunc(w.Members, func(m Member) bool {
					return m.Party.ID != p.ID && slices.ContainsFunc(m.Gives, func(o Flow) bool { return o.ID == id })
				})
		}
		switch {
		case f.From != p.ID || f.To != Members:
			return hansa.Fielded(field, "what a member contributes goes from it to all members")
		case taken(f.ID) || slices.ContainsFunc(w.m.Body.Gives[:i], func(o Flow) bool { return o.ID == f.ID || o.Name == f.Name }):
			return hansa.Fielded(field+"/id", "another flow has this id or name already")
		}
		if err := f.validate(field); err != nil {
			return err
		}
	}
	m := Member{Party: *p, Gives: slices.Clone(w.m.Body.Gives), Signature: g, Joined: w.e.At}
	w.Members = slices.DeleteFunc(w.Members, func(o Member) bool { return o.Party.ID == p.ID })
	w.Members = append(w.Members, m)
	w.effects = append(w.effects, MemberIn{Member: m})
	return nil
}

func (w *step) leave() error {
	if _, err := w.signature(); err != nil {
		return err
	}
	id := w.m.From
	i := slices.IndexFunc(w.Members, func(m Member) bool { return m.Party.ID == id })
	if i < 0 {
		w.Members, i = append(w.Members, Member{Party: Party{ID: id}}), len(w.Members)
	}
	w.Members[i].Left = w.e.At
	w.Suspended = slices.DeleteFunc(w.Suspended, func(x Suspension) bool { return x.Party == id })
	if w.Handing == id {
		w.Handing = ""
	}
	w.effects = append(w.effects, MemberOut{Party: id}, Stop{Party: id, Final: true}, ExitBegins{Rule: w.Bound.Exit, Party: id})
	w.running()
	return nil
}

func (w *step) confirm() error {
	f, by := w.m.Body.Flow, w.m.From
	ok := slices.ContainsFunc(w.Bound.Flows, func(l Line) bool { return l.ID == f && l.Marked && l.From != by && (l.To == by || l.To == Members) })
	for i := range w.Members {
		m := &w.Members[i]
		ok = ok || m.Left.IsZero() && m.Party.ID != by && slices.ContainsFunc(m.Gives, func(o Flow) bool { return o.ID == f && len(o.Marked) > 0 })
	}
	if !ok {
		return hansa.Fielded("/body/flow", "%s receives no flow %s with marked fields", by, f)
	}
	w.Confirmed = slices.DeleteFunc(w.Confirmed, func(c Confirmation) bool { return c.Flow == f && c.By == by })
	w.Confirmed = append(w.Confirmed, Confirmation{Flow: f, By: by, At: w.e.At, Words: w.m.Body.Words})
	w.effects = append(w.effects, Measures{Flow: f, By: by})
	return nil
}

// tested is what a receiver says of what came: it accepts it, or says what is wrong.
func (w *step) tested() error {
	f, by := w.m.Body.Flow, w.m.From
	if !w.receives(by, f) {
		return hansa.Fielded("/body/flow", "%s receives no flow %s under this accord", by, f)
	}
	x := Tested{By: by, Flow: f, First: w.e.At, At: w.e.At, Entry: w.e.N, Refused: w.m.Body.Refused}
	i := slices.IndexFunc(w.Tested, func(o Tested) bool { return o.By == by && o.Flow == f })
	if i < 0 {
		w.Tested = append(w.Tested, x)
		return nil
	}
	x.First = w.Tested[i].First
	w.Tested[i] = x
	return nil
}

// report is what the sender says that it did under a clause.
func (w *step) report() error {
	n := w.m.Body.clause()
	if n > w.Bound.Clauses {
		return hansa.Fielded("/body/clause", "the text in force has %d clauses", w.Bound.Clauses)
	}
	w.Reports = slices.DeleteFunc(w.Reports, func(r Reported) bool { return r.By == w.m.From && r.Clause == n })
	w.Reports = append(w.Reports, Reported{By: w.m.From, Clause: n, Entry: w.e.N, At: w.e.At})
	return nil
}

func (w *step) handOver() error {
	if _, err := w.signature(); err != nil {
		return err
	}
	to := w.m.Body.Keeper
	switch {
	case w.m.From == w.Keeper && to == w.Keeper:
		w.Handing = "" // it keeps it after all
		return nil
	case w.m.From == w.Keeper:
		if !w.In(to) {
			return hansa.Fielded("/body/keeper", "the keeping goes to a party or a member, not to %.100q", to)
		}
		w.Handing = to
		return nil
	case to != w.m.From:
		return hansa.Fielded("/body/keeper", "who takes the keeping over names itself")
	}
	w.Keeper, w.Handing = to, ""
	return nil
}
