//go:build ackearly && !nosync

package store

const (
	synchronous = "FULL"
	ackEarly    = true
)
