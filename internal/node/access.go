package node

import (
	"net/http"
	"slices"

	"github.com/hansa-exchange/hansa"
)

// authorize is the one decision on who may do what to which object. A foreign
// object is answered as one that never existed. Names in the path are resolved to
// ids here, so that handlers see ids alone.
func (n *Node) authorize(r *http.Request, route hansa.Route, by hansa.Actor) error {
	if route.Right == "" {
		return nil
	}
	if by.Party == "" {
		return hansa.Errorf(hansa.Denied, "this needs a credential").With(hansa.CodeUnauthenticated).WithHint("send Authorization: Bearer TOKEN")
	}
	if !by.May(route.Right) {
		return hansa.Errorf(hansa.Denied, "this needs the right %s, which the credential lacks", route.Right).With(hansa.CodeForbidden)
	}
	if by.Flow != "" && route.Object != "flow" && route.Object != "transfer" {
		return hansa.Errorf(hansa.Denied, "the token of a transfer opens its data alone").With(hansa.CodeForbidden)
	}
	switch route.Object {
	case "flow":
		c, err := n.flowFor(by, r.PathValue("flow"))
		if err != nil {
			return err
		}
		if by.Flow != "" && by.Flow != c.flow.ID {
			return hansa.Errorf(hansa.NotFound, "there is no such flow")
		}
		r.SetPathValue("flow", string(c.flow.ID))
	case "dataset":
		d, err := n.datasetFor(by, r.PathValue("dataset"))
		if err != nil {
			return err
		}
		r.SetPathValue("dataset", string(d.ID))
	case "user":
		u, err := n.userFor(r.Context(), by, r.PathValue("user"))
		if err != nil {
			return err
		}
		r.SetPathValue("user", u.ID)
	case "closure":
		if len(r.PathValue("closure")) > hansa.IDBytesMax {
			return hansa.Errorf(hansa.NotFound, "there is no such closure")
		}
	}
	return nil
}

// admin reports whether by is the operator of the node.
func admin(by hansa.Actor) bool {
	return slices.Contains(by.Rights, hansa.RightAdmin)
}

// flowFor finds a flow by id or name as by may use it: its receiver, or the
// operator, who looks without being a receiver.
func (n *Node) flowFor(by hansa.Actor, name string) (*course, error) {
	n.line.mu.RLock()
	defer n.line.mu.RUnlock()
	if c := n.line.courses[hansa.FlowID(name)]; c != nil && (c.flow.To == by.Party || admin(by)) && c.flow.Test == by.Test {
		return c, nil
	}
	for _, c := range n.line.courses {
		if c.flow.Name == name && (c.flow.To == by.Party || admin(by)) && c.flow.Test == by.Test {
			return c, nil
		}
	}
	return nil, hansa.Errorf(hansa.NotFound, "there is no such flow").WithHint("hansa flows")
}

// datasetFor finds a dataset of by's party by id or name.
func (n *Node) datasetFor(by hansa.Actor, name string) (*hansa.Dataset, error) {
	n.line.mu.RLock()
	defer n.line.mu.RUnlock()
	for _, d := range n.line.datasets[by.Party] {
		if string(d.ID) == name || d.Name == name {
			return d, nil
		}
	}
	return nil, hansa.Errorf(hansa.NotFound, "there is no such dataset").WithHint("hansa datasets")
}
