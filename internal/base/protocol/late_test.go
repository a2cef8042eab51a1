package protocol_test

import (
	"testing"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/protocol"
	"github.com/hansa-exchange/hansa/internal/controlplane/transfer"
)

// A message that was on its way for long changes nothing: neither one that was taken
// before, nor one that its sender gave up when it took another.
func TestLate(t *testing.T) {
	own := transfer.Transfer{
		Course: protocol.Course[transfer.State]{State: transfer.Started, Base: transfer.Started, Last: 4, Took: 6}, ID: "p", Pid: "c", Side: hansa.Provider,
	}
	suspend := func(n, knows int64) transfer.Message {
		return transfer.Message{Event: transfer.Suspend, By: hansa.Consumer, ConsumerPid: "c", ProviderPid: "p", Hash: "h", Number: protocol.Number{N: n, Knows: knows}}
	}
	for _, c := range []struct {
		name  string
		m     transfer.Message
		state transfer.State
		kind  hansa.Kind
	}{
		{"one that was taken", suspend(4, 6), transfer.Started, 0},
		{"one before that", suspend(3, 2), transfer.Started, 0},
		{"one that was given up", suspend(5, 2), transfer.Started, hansa.Conflict},
		{"one that counts", suspend(5, 6), transfer.Suspended, 0},
		{"one of a connector that numbers nothing", suspend(0, 0), transfer.Suspended, 0},
	} {
		next, effects, err := own.Hear(c.m)
		if next.State != c.state || (err != nil) != (c.kind != 0) || err != nil && hansa.KindOf(err) != c.kind || c.state == transfer.Started && len(effects) > 0 {
			t.Errorf("%s: %s, %v, %v", c.name, next.State, effects, err)
		}
	}
}

// A message whose sender had not taken the own letter that is on its way does not act
// on that: the consumer suspends while the provider says anew where the data is.
func TestUnseen(t *testing.T) {
	own := transfer.Transfer{
		Course: protocol.Course[transfer.State]{State: transfer.Suspended, Base: transfer.Started, Way: []transfer.State{transfer.Suspended}, Last: 6, Took: 5, Sent: 7},
		ID:     "c", Pid: "p", Side: hansa.Consumer, PausedBy: hansa.Consumer,
	}
	say := func(e transfer.Event, knows int64) (transfer.Transfer, error) {
		next, _, err := own.Hear(transfer.Message{Event: e, By: hansa.Provider, ConsumerPid: "c", ProviderPid: "p", Hash: "h", Number: protocol.Number{N: 7, Knows: knows}})
		return next, err
	}
	if next, err := say(transfer.Start, 5); hansa.KindOf(err) != hansa.Conflict || next.State != transfer.Suspended {
		t.Errorf("a start of who has not heard of the suspension: %s, %v", next.State, err)
	}
	if next, err := say(transfer.Start, 7); err != nil || next.State != transfer.Started {
		t.Errorf("a resumption: %s, %v", next.State, err)
	}
	if next, err := say(transfer.Terminate, 5); err != nil || next.State != transfer.Terminated {
		t.Errorf("an end that crosses: %s, %v", next.State, err)
	}
}

// A message that is said again is told by its id for ever, and by its words until the
// other side has taken an own message since; a message that a process has but once is
// told by its words for ever.
func TestSaidAgain(t *testing.T) {
	begin := transfer.Transfer{Course: protocol.Course[transfer.State]{State: transfer.Started, Base: transfer.Started}, ID: "p", Pid: "c", Side: hansa.Provider}
	say := func(x transfer.Transfer, e transfer.Event, hash string) (transfer.Transfer, string) {
		next, effects, err := x.Hear(transfer.Message{Event: e, By: hansa.Consumer, ConsumerPid: "c", ProviderPid: "p", Hash: hash})
		switch {
		case err != nil:
			return next, "refused"
		case len(effects) == 0:
			return next, "repeat"
		}
		return next, "moved"
	}
	resumed := func(x transfer.Transfer) transfer.Transfer { // the other side has taken an own message
		next, _, err := x.Act(transfer.Message{Event: transfer.Start})
		if err != nil {
			t.Fatal(err)
		}
		return next.Told(transfer.Started, 0, "", false)
	}
	suspended, _ := say(begin, transfer.Suspend, "one~words")
	unnamed, _ := say(begin, transfer.Suspend, "~words")
	ended, _ := say(begin, transfer.Terminate, "one~words")
	for _, c := range []struct {
		name string
		in   transfer.Transfer
		on   transfer.Event
		hash string
		want string
	}{
		{"the same", suspended, transfer.Suspend, "one~words", "repeat"},
		{"the same words under another id", suspended, transfer.Suspend, "two~words", "repeat"},
		{"other words under another id", suspended, transfer.Suspend, "two~others", "refused"},
		{"without an id, the same", unnamed, transfer.Suspend, "~words", "repeat"},
		{"without an id, other words", unnamed, transfer.Suspend, "~others", "refused"},
		{"the same, since it was resumed", resumed(suspended), transfer.Suspend, "one~words", "repeat"},
		{"the same words meant anew", resumed(suspended), transfer.Suspend, "two~words", "moved"},
		{"without an id, the same words meant anew", resumed(unnamed), transfer.Suspend, "~words", "moved"},
		{"an end, again under another id", ended, transfer.Terminate, "two~words", "repeat"},
		{"another end", ended, transfer.Terminate, "two~others", "refused"},
	} {
		if _, got := say(c.in, c.on, c.hash); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
