package outbound

import (
	"cmp"
	"net/http"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
)

// The ladder of a letter: how long it waits for its next try, and how long it is
// tried at all.
const (
	retryFirst = 100 * time.Millisecond
	retryMost  = 10 * time.Minute
	waitMost   = retryMost * 3 / 2
	// soonPatience is for answers that say "not now": the other side knows the
	// process but is not ready, or does not know it yet.
	soonPatience = 10 * time.Minute
	// longPatience is for a side that cannot be reached.
	longPatience = 48 * time.Hour
)

// LetterState is what has become of a letter. Values are written to disk.
type LetterState string

// The states of a letter.
const (
	LetterWaits     LetterState = "waits"
	LetterDelivered LetterState = "delivered"
	LetterParked    LetterState = "parked"   // it is tried no more; its reason says why
	LetterVoid      LetterState = "void"     // given up: the process went another way
	LetterReceived  LetterState = "received" // it came in, and was taken
	LetterRefused   LetterState = "refused"  // it came in, and was not taken
)

// Letter is one message of a process: one that goes out, or one that came in and
// is kept to look at. A process's letters are numbered from 1.
type Letter struct {
	Process string
	N       int64
	Own     hansa.PartyID
	Other   hansa.PartyID
	Out     bool
	Kind    string // what it says: negotiation/agree
	URL     string // where it goes, or came in
	After   string // the process's state that it led to
	Body    []byte
	At      time.Time // when it was written, or came
	State   LetterState
	Tries   int
	Next    time.Time // not before
	Since   time.Time // when the other side first said "not now", after which it said nothing else
	Status  int       // of the last answer; 0 when there was none
	Answer  []byte    // the last answer's beginning
	Reason  string
	Done    time.Time
	Stops   bool // it ends or stops something: it is posted though the outbox is full; not kept
}

// Outcome is what one try comes to.
type Outcome struct {
	Status    int    // HTTP; 0 when there was no answer
	Answer    []byte // as it came
	Delivered bool
	Soon      bool   // not delivered, but it may be a moment later
	Final     bool   // not delivered, and trying again will not help
	Awaited   bool   // delivered, and a message of the other side follows, as a rule at once: the outcome may wait for it
	Reason    string // why not, in words
	// Also runs in the transaction that notes the outcome; nil does nothing.
	Also func(hansa.Tx) error
	// Then runs once the outcome has been written; nil does nothing.
	Then func()
}

// Refuses reports whether the answer says that the letter will not be taken, unless
// it was taken before.
func (o Outcome) Refuses() bool {
	return o.Status >= 300 && o.Status < 500 && !later(o.Status)
}

// later lists answers that say nothing of the letter: who sends it must prove itself
// again, or is too fast.
func later(status int) bool {
	return status == http.StatusUnauthorized || status == http.StatusForbidden || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout
}

// Judged returns the outcome with what its status means: 2xx is delivered; what is
// not there yet, or busy with another message, may be a moment later; what else is
// refused is final; a server's failure passes.
func (o Outcome) Judged() Outcome {
	switch s := o.Status; {
	case s >= 200 && s < 300:
		o.Delivered = true
	case later(s), s == http.StatusNotFound, s == http.StatusConflict:
		o.Soon = true
	case o.Refuses():
		o.Final = true
	}
	return o
}

// unanswered reports whether the letter waits because nobody was there: no answer, or
// that of a proxy before who should give it.
func (l *Letter) unanswered() bool {
	return l.State == LetterWaits && l.Tries > 0 && (l.Status == 0 || l.Status == http.StatusBadGateway || l.Status == http.StatusServiceUnavailable || l.Status == http.StatusGatewayTimeout)
}

// AfterTry returns the letter after a try. spread is 0 to 1, to keep retries apart.
func (l Letter) AfterTry(o Outcome, now time.Time, spread float64) Letter {
	l.Tries++
	l.Status, l.Reason, l.Answer = o.Status, strings.ToValidUTF8(o.Reason, "\uFFFD"), o.Answer[:min(len(o.Answer), answerKept)]
	patience, since := longPatience, l.At
	if !o.Soon {
		l.Since = time.Time{}
	} else {
		if l.Since.IsZero() {
			l.Since = now
		}
		patience, since = soonPatience, l.Since
	}
	switch {
	case o.Delivered:
		l.State, l.Done, l.Reason = LetterDelivered, now, ""
	case o.Final:
		l.State, l.Done = LetterParked, now
	case now.Sub(since) >= patience:
		l.State, l.Done = LetterParked, now
		l.Reason = cmp.Or(l.Reason, "there was no answer") + "; it was tried for " + patience.String()
	default:
		wait := retryFirst << min(l.Tries-1, 20)
		wait = min(wait, retryMost)
		if o.Soon {
			wait = min(wait, 5*time.Second)
		}
		l.Next = now.Add(wait + time.Duration(spread*float64(wait)/2))
	}
	return l
}
