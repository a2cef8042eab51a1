//go:build !nosync && !ackearly

package store

// synchronous is how a commit is made durable, and ackEarly whether success is
// told before it. The tags nosync and ackearly build the faulty stores that the
// crash tests must catch; nothing else uses them.
const (
	synchronous = "FULL"
	ackEarly    = false
)

// lag is nothing in a sound store.
func lag() {}
