//go:build ackearly && !nosync

package store

import "time"

const (
	synchronous = "FULL"
	ackEarly    = true
)

// lag lets the fault show: a kill falls into it.
func lag() { time.Sleep(4 * time.Millisecond) }
