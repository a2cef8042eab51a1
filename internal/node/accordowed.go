package node

import (
	"strings"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
)

// owed lists the certificates of the exit rule that an accord waits for, and whether
// this node is at what own has to erase by it.
func (n *Node) owed(tx hansa.Tx, own hansa.PartyID, s *accord.State, t *accord.Text) (list []accord.Owed, erasing bool, err error) {
	list = nonNil(s.Owed(t, n.clock(), n.hasOwnCopy))
	h, err := oneHolding(tx, `WHERE own = ? AND accord = ? AND due > 0`, string(n.home(own)), string(s.ID))
	return list, h != nil, err
}

// hasOwnCopy reports whether a party has a copy of its own of what another gives it:
// parties of one node, this or another, have none.
func (n *Node) hasOwnCopy(from, to hansa.PartyID) bool {
	_, a := n.hostedAs(from)
	_, b := n.hostedAs(to)
	if a || b {
		return a != b
	}
	web := strings.HasPrefix(string(from), "did:web:") && strings.HasPrefix(string(to), "did:web:")
	return !web || didHostOf(from) != didHostOf(to)
}
