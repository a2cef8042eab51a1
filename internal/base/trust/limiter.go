package trust

import (
	"sync"
	"time"

	"github.com/hansa-exchange/hansa"
)

// LimiterConfig is how much a caller may do.
type LimiterConfig struct {
	Rate  float64 // tokens a second
	Burst float64 // tokens at once
	// CallersMax bounds the table of callers; beyond it newcomers share one
	// bucket. 0 is 10,000.
	CallersMax int
}

// Limiter is a token bucket per credential or user. Its methods may be called from many
// goroutines.
type Limiter struct {
	cfg LimiterConfig

	mu      sync.Mutex // guards what follows
	buckets map[string]*bucket
	crowd   bucket // shared by those for whom there was no room
}

type bucket struct {
	tokens float64
	at     time.Time
}

// NewLimiter returns a limiter; a rate or burst below 1 counts as 1.
func NewLimiter(cfg LimiterConfig) *Limiter {
	cfg.Rate, cfg.Burst = max(cfg.Rate, 1), max(cfg.Burst, 1)
	if cfg.CallersMax <= 0 {
		cfg.CallersMax = 10_000
	}
	return &Limiter{cfg: cfg, buckets: map[string]*bucket{}, crowd: bucket{tokens: cfg.Burst}}
}

// Allow takes cost tokens from a's bucket. When there are too few it takes none
// and says after how long it is worth trying again. What costs more than the
// burst passes when the bucket is full, and leaves it in debt.
func (l *Limiter) Allow(a hansa.Actor, cost int, now time.Time) (retryAfter time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.bucket(string(a.Party)+"\x00"+a.ID(), now)
	if past := now.Sub(b.at); past > 0 {
		b.tokens = min(l.cfg.Burst, b.tokens+past.Seconds()*l.cfg.Rate)
		b.at = now
	}
	want := max(float64(cost), 0)
	if need := min(want, l.cfg.Burst); b.tokens < need {
		return time.Duration((need-b.tokens)/l.cfg.Rate*float64(time.Second)).Truncate(time.Millisecond) + time.Millisecond, false
	}
	b.tokens -= want
	return 0, true
}

func (l *Limiter) bucket(who string, now time.Time) *bucket {
	if b := l.buckets[who]; b != nil {
		return b
	}
	if len(l.buckets) >= l.cfg.CallersMax {
		l.sweep(now)
	}
	if len(l.buckets) >= l.cfg.CallersMax {
		return &l.crowd
	}
	b := &bucket{tokens: l.cfg.Burst, at: now}
	l.buckets[who] = b
	return b
}

// sweepMost bounds the work of one sweep, so that a full table costs a caller
// little; map order is random, so that every bucket has its turn.
const sweepMost = 64

// sweep forgets callers whose bucket is full again: they lose nothing by it.
func (l *Limiter) sweep(now time.Time) {
	seen := 0
	for who, b := range l.buckets {
		if b.tokens+now.Sub(b.at).Seconds()*l.cfg.Rate >= l.cfg.Burst {
			delete(l.buckets, who)
		}
		if seen++; seen == sweepMost {
			return
		}
	}
}
