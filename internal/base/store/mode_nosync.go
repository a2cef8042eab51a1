//go:build nosync

package store

const (
	synchronous = "OFF"
	ackEarly    = false
)

// lag is nothing here: what is not synced is lost without it.
func lag() {}
