package main

import (
	"testing"
	"time"
)

// TestGrowth: under load garbage comes to 64 MiB where what is live is little, otherwise to
// twice what is live.
func TestGrowth(t *testing.T) {
	for _, tc := range []struct {
		liveMiB uint64
		since   time.Duration
		want    int
	}{
		{4, 100 * time.Millisecond, 800},
		{16, 100 * time.Millisecond, 400},
		{32, 100 * time.Millisecond, 200},
		{500, 100 * time.Millisecond, 200},
		{16, time.Second, 400},
		{16, 2 * time.Second, 200},
		{0, 0, 200},
	} {
		if got := growth(tc.liveMiB<<20, tc.since); got != tc.want {
			t.Errorf("%d MiB live, %s after the last: %d %%, want %d", tc.liveMiB, tc.since, got, tc.want)
		}
	}
}
