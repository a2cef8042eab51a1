package node

import (
	"context"
	"slices"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/trust"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
)

// accords is how accords travel (docs/formats/accord-exchange.md). Each party of this
// node that takes part has a copy of its own. The keeper's copy numbers what is said;
// the others follow it. What is said is checked, numbered, stored, journalled, told to
// all and put into effect in one transaction.
type accords struct {
	n    *Node
	book accord.Book
}

// Limits of accords.
const (
	accordMessageMax   = 2 << 20 // bytes of a message as it is sent
	accordEntryMax     = 3 << 20 // of an entry
	accordAnswerMax    = 64 << 10
	accordsMax         = 20_000                 // copies of one party
	accordEntriesMax   = 10_000                 // of one accord, but for what stops or ends it
	accordTalkMax      = 2_000                  // of them of one party
	accordLastMax      = 200                    // of one party beyond them
	contactsWaitMax    = 100                    // accords that wait for one party's yes
	contactsHostMax    = 10                     // of these, of one host
	contactEntriesMax  = 50                     // entries of one such
	accordActPatience  = 10 * time.Second       // that a person waits for a keeper elsewhere,
	accordLook         = 250 * time.Millisecond // unless it is found to be away
	accordCatchUpMax   = 1000                   // entries sent in a row to a copy that lacks them
	accordSentShownMax = 50
)

// heard is a message whose sender is proven, and each signature in it.
type heard struct {
	jws   string
	m     *accord.Message
	kid   string       // the key by which its sender signed it, in full
	jwk   []byte       // that key
	text  *accord.Text // that it brings; nil is none
	inner *heard       // of an entry
	over  *accord.Text // that its signature is over, where own has no copy; nil is none
}

// placing is what a message comes to: its place in the chain.
type placing struct {
	N       int64
	Head    string
	Present string
	Waits   bool
}

func newAccords(n *Node) *accords { return &accords{n: n, book: accord.NewBook()} }

// accordNames are what a party of this node may be called in a text.
func (n *Node) accordNames(p hansa.Party) []hansa.PartyID {
	return []hansa.PartyID{p.ID, hansa.PartyID(n.did(p)), hansa.PartyID(n.hostedDID(p))}
}

// me is what own is called among parties; empty when it is not one of them.
func (x *accords) me(own hansa.PartyID, parties []hansa.PartyID) hansa.PartyID {
	names := x.n.accordNames(x.n.party(own))
	for _, id := range parties {
		if slices.Contains(names, id) {
			return id
		}
	}
	return ""
}

// partiesOf lists the parties of texts and the members of s, each once.
func partiesOf(s *accord.State, texts ...*accord.Text) (out []hansa.PartyID) {
	add := func(id hansa.PartyID) {
		if !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	for _, t := range texts {
		if t != nil {
			for i := range t.Parties {
				add(t.Parties[i].ID)
			}
		}
	}
	for i := range s.Members {
		add(s.Members[i].Party.ID)
	}
	return out
}

// partOf reports whether the entries of s name id as one that takes part, or did.
func (x *accords) partOf(s *accord.State, id hansa.PartyID) bool {
	list := slices.Concat([]hansa.PartyID{s.Keeper, s.Opener}, s.Asked.Parties, s.Bound.Parties, partiesOf(s))
	if p, here := x.n.hostedAs(id); here {
		return x.me(p.ID, list) != ""
	}
	return slices.Contains(list, id)
}

// basis is the texts that an accord stands on: that proposed and that in force.
type basis struct{ proposed, force *accord.Text }

// texts reads them from own's copy.
func (x *accords) texts(tx hansa.Tx, own hansa.PartyID, s *accord.State) (p basis, err error) {
	if s.Proposed != "" {
		if p.proposed, err = x.text(tx, own, s.ID, s.Proposed); err != nil {
			return p, err
		}
	}
	switch s.Force {
	case "":
	case s.Proposed:
		p.force = p.proposed
	default:
		p.force, err = x.text(tx, own, s.ID, s.Force)
	}
	return p, err
}

// holds is the text that the accord stands on: that in force, else that proposed.
func (p basis) holds() *accord.Text {
	if p.force != nil {
		return p.force
	}
	return p.proposed
}

func (x *accords) text(tx hansa.Tx, own hansa.PartyID, id hansa.AccordID, hash string) (*accord.Text, error) {
	b, err := x.book.Text(tx, own, id, hash)
	if err != nil {
		return nil, err
	}
	return accord.Stored(b)
}

// messageKey is the key by which own signs messages. It may make one, so it is never
// called inside a transaction.
func (x *accords) messageKey(ctx context.Context, own hansa.PartyID) (*trust.PrivateKey, error) {
	return x.n.trust.SigningKey(ctx, own, trust.UseMessage)
}

// signed returns m as own's node sends it.
func signedMessage(key *trust.PrivateKey, m *accord.Message) (*heard, error) {
	payload, err := m.Encode()
	if err != nil {
		return nil, err
	}
	h := &heard{m: m}
	if h.jws, err = trust.SignMessage(key, string(m.From), accord.MessageType, payload); err != nil {
		return nil, err
	}
	if len(m.Body.Text) > 0 {
		if h.text, err = accord.Read(m.Body.Text); err != nil {
			return nil, err
		}
	}
	h.jwk, err = key.PublicJWK()
	return h, err
}

// checkpoint is this node's newest, or empty when none can be had now: a message is
// not held up for it.
func (x *accords) checkpoint(ctx context.Context) string {
	note, err := x.n.journal.Checkpoint(ctx)
	if err != nil {
		return ""
	}
	return string(note)
}

// write runs f in a transaction, and then what it leaves to do.
func (x *accords) write(ctx context.Context, f func(tx hansa.Tx, w *work) error) error {
	return x.n.deal.write(ctx, false, f)
}

func noAccord(id hansa.AccordID) error {
	return hansa.Errorf(hansa.NotFound, "there is no accord %.100q", id).WithHint("hansa accords list")
}
