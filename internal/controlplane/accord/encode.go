package accord

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/words"
)

// Limits of a message.
const (
	MessageBytesMax = 2 << 20 // as canonical JSON: a text, and all signatures of a full accord
	SignedBytesMax  = 8 << 10 // of one signature
)

// rule says who may say a kind and what its body holds.
type rule struct {
	needs, may []string // members of the body
}

// rules are those of each kind that a person or a node says.
var rules = map[Kind]rule{
	Open:            {needs: []string{"text"}, may: []string{"invitation"}},
	Propose:         {needs: []string{"text"}, may: []string{"words"}},
	Comment:         {needs: []string{"words"}, may: []string{"clause"}},
	AcceptClause:    {needs: []string{"clause"}, may: []string{"words"}},
	RejectClause:    {needs: []string{"clause"}, may: []string{"words"}},
	Decline:         {needs: []string{"words"}},
	Sign:            {needs: []string{"signature"}, may: []string{"words"}},
	Withdraw:        {may: []string{"words"}},
	Serve:           {needs: []string{"signature", "service"}, may: []string{"words"}},
	Object:          {needs: []string{"service"}, may: []string{"words"}},
	Acknowledge:     {may: []string{"words"}},
	EnterIntoForce:  {needs: []string{"effect"}, may: []string{"signatures"}},
	Suspend:         {may: []string{"flow", "words"}},
	Resume:          {may: []string{"flow", "words"}},
	End:             {needs: []string{"signature", "notice"}, may: []string{"words"}},
	Erased:          {needs: []string{"erasure"}, may: []string{"words"}},
	Join:            {needs: []string{"signature", "member"}, may: []string{"gives", "words"}},
	Leave:           {needs: []string{"signature"}, may: []string{"words"}},
	ConfirmMeasures: {needs: []string{"flow", "words"}},
	AcceptDelivery:  {needs: []string{"flow"}, may: []string{"refused", "words"}},
	Report:          {needs: []string{"clause", "words"}},
	HandOver:        {needs: []string{"signature", "keeper"}, may: []string{"words"}},
	Told:            {needs: []string{"entry"}},
	Asks:            {needs: []string{"request"}},
	Answers:         {needs: []string{"answer"}},
}

// Kinds lists what a message may say, in the order of an accord's life.
func Kinds() []Kind {
	return []Kind{Open, Propose, Comment, AcceptClause, RejectClause, Decline, Sign, Withdraw, Serve, Object, Acknowledge, EnterIntoForce, Suspend, Resume, End, Erased, Join, Leave, ConfirmMeasures, AcceptDelivery, Report, HandOver, Told}
}

// Encode returns m in canonical form (RFC 8785). What [ReadMessage] would refuse is an
// Invalid error.
func (m *Message) Encode() ([]byte, error) {
	if err := m.sound(); err != nil {
		return nil, err
	}
	b, err := canonicalJSON(m)
	if err == nil && len(b) > MessageBytesMax {
		err = tooLong(len(b))
	}
	return b, err
}

func tooLong(n int) error {
	return hansa.Errorf(hansa.Invalid, "a message has at most %d bytes, not %d", MessageBytesMax, n).With(hansa.CodeTooLarge)
}

// ReadMessage reads a message from its canonical form. An unknown kind is refused by
// name; so are unknown members, a member that its kind does not have, and one that it
// lacks. The text that it brings is not read: see [Read].
func ReadMessage(b []byte) (*Message, error) {
	if len(b) > MessageBytesMax {
		return nil, tooLong(len(b))
	}
	m := new(Message)
	if err := json.Unmarshal(b, m, json.RejectUnknownMembers(true)); err != nil {
		return nil, hansa.Errorf(hansa.Invalid, "this is no message about an accord: %s", words.Misread(err)).With(hansa.CodeSyntax)
	}
	if err := m.sound(); err != nil {
		return nil, err
	}
	one, err := canonicalJSON(m)
	if err != nil {
		return nil, hansa.Errorf(hansa.Invalid, "this message has no canonical form: %v", err).With(hansa.CodeSyntax)
	}
	if !bytes.Equal(one, b) {
		return nil, hansa.Errorf(hansa.Invalid, "this message is not in canonical form (RFC 8785)").With(hansa.CodeSyntax)
	}
	return m, nil
}

// sound reports the first rule that m breaks by itself.
func (m *Message) sound() error {
	r, known := rules[m.Kind]
	switch {
	case m.FormatVersion != MessageFormat:
		return hansa.Fielded("/formatVersion", "this exchange speaks version %d of messages about accords, not %d", MessageFormat, m.FormatVersion)
	case !known:
		return hansa.Fielded("/kind", "this exchange does not know messages of the kind %.60q", m.Kind).WithHint("a newer release may; it knows " + knownKinds())
	case !isUUID(m.ID):
		return hansa.Fielded("/id", "the id of a message is a UUID in lower case, not %.60q", m.ID)
	case !isUUID(string(m.Accord)):
		return hansa.Fielded("/accord", "the id of an accord is a UUID in lower case, not %.60q", m.Accord)
	case !named(m.From) || !named(m.To):
		return hansa.Fielded("/from", "a message names by their DIDs who sends it and to whom")
	case m.At.IsZero():
		return hansa.Fielded("/at", "a message says when it was written")
	case slices.Contains([]Kind{Open, Told, Asks, Answers}, m.Kind) != (m.Base == "") || m.Base != "" && !isHash(m.Base):
		return hansa.Fielded("/base", "a message names the SHA-256 of the version that it stands on; open, entry, request and answer name none")
	case len(m.Checkpoint) > WordsBytesMax:
		return hansa.Fielded("/checkpoint", "a checkpoint has at most %d bytes", WordsBytesMax)
	}
	has := m.Body.members()
	for _, name := range r.needs {
		if !slices.Contains(has, name) {
			return hansa.Fielded("/body/"+name, "a message %s has %s", m.Kind, strings.Join(r.needs, " and "))
		}
	}
	for _, name := range has {
		if !slices.Contains(r.needs, name) && !slices.Contains(r.may, name) {
			return hansa.Fielded("/body/"+name, "a message %s has no %s", m.Kind, name)
		}
	}
	return m.Body.sound()
}

func knownKinds() string {
	names := make([]string, 0, len(rules))
	for _, k := range append(Kinds(), Asks, Answers) {
		names = append(names, string(k))
	}
	return strings.Join(names, ", ")
}

// named reports whether id may be a party's.
func named(id hansa.PartyID) bool {
	return id != "" && len(id) <= partyIDMax && id != Members && id != hansa.PublicParty && !strings.ContainsFunc(string(id), func(r rune) bool { return r <= ' ' || r > '~' })
}

// members lists what b holds.
func (b *Body) members() (out []string) {
	for _, m := range []struct {
		name string
		has  bool
	}{
		{"text", len(b.Text) > 0},
		{"invitation", b.Invitation != ""},
		{"clause", b.Clause != ""},
		{"words", b.Words != ""},
		{"signature", b.Signature != nil},
		{"effect", !b.Effect.IsZero()},
		{"signatures", len(b.Signatures) > 0},
		{"flow", b.Flow != ""},
		{"refused", b.Refused},
		{"notice", b.Notice != ""},
		{"service", b.Service != nil},
		{"member", b.Member != nil},
		{"gives", len(b.Gives) > 0},
		{"keeper", b.Keeper != ""},
		{"erasure", b.Erasure != nil},
		{"entry", b.Entry != nil},
		{"request", b.Request != nil},
		{"answer", b.Answer != nil},
	} {
		if m.has {
			out = append(out, m.name)
		}
	}
	return out
}

// sound reports the first limit that b breaks.
func (b *Body) sound() error {
	switch {
	case len(b.Text) > TextBytesMax:
		return hansa.Errorf(hansa.Invalid, "the text of an accord has at most %d bytes, not %d", TextBytesMax, len(b.Text)).With(hansa.CodeTooLarge).At("/body/text")
	case len(b.Invitation) > TitleBytesMax:
		return hansa.Fielded("/body/invitation", "the token of an invitation has at most %d bytes", TitleBytesMax)
	case b.Clause != "" && b.clause() == 0:
		return hansa.Fielded("/body/clause", "a clause is named by its number from 1 to %d, not by %.20q", ClausesMax, b.Clause)
	case b.Flow != "" && !isUUID(string(b.Flow)):
		return hansa.Fielded("/body/flow", "the id of a flow is a UUID in lower case, not %.60q", b.Flow)
	case b.Refused && strings.TrimSpace(b.Words) == "":
		return hansa.Fielded("/body/words", "who refuses a delivery says what is wrong with it")
	case len(b.Signatures) > PartiesMax:
		return hansa.Fielded("/body/signatures", "an accord has at most %d signatures", PartiesMax)
	case len(b.Gives) > FlowsMax:
		return hansa.Fielded("/body/gives", "a member gives at most %d flows", FlowsMax)
	case b.Keeper != "" && !named(b.Keeper):
		return hansa.Fielded("/body/keeper", "the keeping goes to a party, named by its DID")
	}
	if b.Request != nil {
		if err := b.Request.Validate(); err != nil {
			return hansa.Public(err).At("/body/request" + hansa.Public(err).Field)
		}
	}
	if b.Answer != nil {
		if err := b.Answer.validate(); err != nil {
			return hansa.Public(err).At("/body/answer" + hansa.Public(err).Field)
		}
	}
	for _, s := range b.signatures() {
		if n := len(s.JWS) + len(s.Key) + len(s.Host) + len(s.Role) + len(s.Power); n > SignedBytesMax {
			return hansa.Fielded("/body/signature", "a signature has at most %d bytes, not %d", SignedBytesMax, n)
		}
	}
	if err := said("/body/words", b.Words, WordsBytesMax); err != nil {
		return err
	}
	if err := b.Service.sound(); err != nil {
		return err
	}
	return b.Erasure.sound()
}

func (s *Service) sound() error {
	if s == nil {
		return nil
	}
	if strings.TrimSpace(s.How) == "" || s.On.IsZero() {
		return hansa.Fielded("/body/service", "a service says how and when, in at most %d bytes", TitleBytesMax)
	}
	if err := said("/body/service/how", s.How, TitleBytesMax); err != nil {
		return err
	}
	return said("/body/service/reference", s.Reference, TitleBytesMax)
}

func (e *Erasure) sound() error {
	switch {
	case e == nil:
		return nil
	case !slices.Contains([]string{"keep", "return", "erase"}, e.Rule) || e.On.IsZero():
		return hansa.Fielded("/body/erasure", "a certificate says keep, return or erase, and when it was done")
	case e.Records < 0 || e.Versions < 0 || e.Clause != "" && (&Body{Clause: e.Clause}).clause() == 0:
		return hansa.Fielded("/body/erasure", "a certificate counts from 0, and names its clause by its number in the text")
	case len(e.Flows) > FlowsMax || len(e.Onward) > FlowsMax || len(e.Backups) > TitleBytesMax:
		return hansa.Fielded("/body/erasure", "a certificate names at most %d flows and %d receivers", FlowsMax, FlowsMax)
	}
	if e.Backups != "" {
		if _, err := time.Parse(time.DateOnly, e.Backups); err != nil {
			return noDay("/body/erasure/backups", e.Backups)
		}
		if e.Backups < e.On.AddDate(0, 0, -1).UTC().Format(time.DateOnly) { // a day of whatever zone
			return hansa.Fielded("/body/erasure/backups", "backups hold the data until a day that is not before it was done")
		}
	}
	for i, s := range e.Onward {
		if err := said("/body/erasure/onward/"+strconv.Itoa(i), s, TitleBytesMax); err != nil {
			return err
		}
	}
	return nil
}

// clause is the number of the clause that b is about; 0 is all, or none.
func (b *Body) clause() int {
	n, err := strconv.Atoi(b.Clause)
	if err != nil || n < 1 || n > ClausesMax || strconv.Itoa(n) != b.Clause {
		return 0
	}
	return n
}

// Hash returns the hex SHA-256 of e's canonical form: what the next entry names, and
// the head of the accord while there is none.
func (e *Entry) Hash() string {
	b, err := EntryContent(e)
	if err != nil {
		panic(fmt.Sprintf("internal error: an entry has no canonical form: %v", err))
	}
	return hashOf(b)
}
