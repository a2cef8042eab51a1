//go:build nosync

package store

const (
	synchronous = "OFF"
	ackEarly    = false
)
