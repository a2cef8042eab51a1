package outbound_test

import (
	"testing"
	"time"

	"github.com/hansa-exchange/hansa/internal/base/outbound"
)

// A letter that waits for its next try goes out though the clock has jumped back by
// more than any letter waits.
func TestLanesClockBack(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	l := outbound.NewLanes()
	l.Push(&outbound.Letter{Process: "p", N: 1, Next: now.Add(10 * time.Minute)})
	if _, x, next := l.Take(now); x != nil || !next.Equal(now.Add(10*time.Minute)) {
		t.Errorf("before its time: %v, next at %s", x, next)
	}
	if _, x, _ := l.Take(now.Add(-time.Hour)); x == nil {
		t.Error("an hour back: the letter would wait an hour longer")
	}
}
