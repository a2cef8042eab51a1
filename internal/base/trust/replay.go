package trust

import (
	"crypto/sha256"
	"sync"
	"time"
)

// Limits of what is remembered of ID tokens, in memory.
const (
	tokensMax       = 1 << 20       // ids remembered
	tokensOfOneMax  = tokensMax / 2 // of one issuer
	replayBucket    = 30 * time.Second
	replayIDsKept   = 16 // bytes of a hash, which nobody can choose to collide
	issuersPerSlice = 10_000
)

// replays remembers which ID tokens were used until they have expired.
type replays struct {
	mu      sync.Mutex // guards all below
	buckets map[int64]*replaySlice
	n       int
	swept   int64
	issued  map[string]int // ids remembered of an issuer
}

// replaySlice holds what expires together.
type replaySlice struct {
	ids map[[replayIDsKept]byte]struct{}
	of  map[string]int
}

func newReplays() *replays {
	return &replays{buckets: map[int64]*replaySlice{}, issued: map[string]int{}}
}

// use remembers the token id of issuer until it is of no use any more. It reports
// whether it is new; full says that there is no room to remember it.
func (r *replays) use(issuer, id string, until, now time.Time) (fresh, full bool) {
	sum := sha256.Sum256([]byte(issuer + "\x00" + id))
	key := [replayIDsKept]byte(sum[:replayIDsKept])
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sweep(now)
	at := until.Unix()/int64(replayBucket/time.Second) + 1
	s := r.buckets[at]
	if s == nil {
		s = &replaySlice{ids: map[[replayIDsKept]byte]struct{}{}, of: map[string]int{}}
		r.buckets[at] = s
	}
	if _, used := s.ids[key]; used {
		return false, false
	}
	if r.n >= tokensMax || r.issued[issuer] >= tokensOfOneMax || len(s.of) >= issuersPerSlice && s.of[issuer] == 0 {
		return false, true
	}
	s.ids[key] = struct{}{}
	s.of[issuer]++
	r.issued[issuer]++
	r.n++
	return true, false
}

// sweep forgets what has expired.
func (r *replays) sweep(now time.Time) {
	at := now.Unix() / int64(replayBucket/time.Second)
	if at == r.swept {
		return
	}
	r.swept = at
	for b, s := range r.buckets {
		if b >= at {
			continue
		}
		r.n -= len(s.ids)
		for issuer, n := range s.of {
			if r.issued[issuer] -= n; r.issued[issuer] <= 0 {
				delete(r.issued, issuer)
			}
		}
		delete(r.buckets, b)
	}
}
