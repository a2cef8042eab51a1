package trust_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/trust"
)

// Two nodes whose clocks differ by 90 s understand each other; at 10 minutes the
// receiver says what is wrong, and what time it has.
func TestClocksDiffer(t *testing.T) {
	x := newExchange(t)
	x.peer(trust.Peer{Owner: alice, ID: bob, Name: "bob", Title: "Bob", Mode: trust.PeerDIDWeb})
	if err := x.id.Present(x.Context(), alice, bob, http.Header{}); err != nil { // the key is older than what it signs
		t.Fatal(err)
	}
	x.now = x.now.Add(time.Hour)
	right := x.now
	for _, c := range []struct {
		skew time.Duration
		ok   bool
	}{
		{0, true},
		{90 * time.Second, true},
		{-90 * time.Second, true},
		{10 * time.Minute, false},
		{-10 * time.Minute, false},
		{-time.Hour, false},
		{365 * 24 * time.Hour, false},
	} {
		x.now = right.Add(c.skew) // the sender's clock
		h := http.Header{}
		if err := x.id.Present(x.Context(), alice, bob, h); err != nil {
			t.Fatal(err)
		}
		x.now = right
		who, err := x.id.Caller(x.Context(), &http.Request{Header: h}, bob)
		switch {
		case c.ok && (err != nil || who != alice):
			t.Errorf("a clock that is %s ahead: %q, %v\n%s", c.skew, who, err, x.log.String())
		case !c.ok && (!unknown(err) || !strings.Contains(hansa.Public(err).Hint, "clock")):
			t.Errorf("a clock that is %s ahead: %q, %v, hint %q", c.skew, who, err, hansa.Public(err).Hint)
		}
	}
}

// No token is taken more than a minute outside its own times, whatever they are.
func TestTokenWindow(t *testing.T) {
	x := newExchange(t)
	right, tried := x.now, 0
	for _, c := range []struct{ begin, end time.Duration }{{0, 2 * time.Minute}, {0, 15 * time.Minute}, {-30 * time.Second, 2 * time.Minute}, {time.Minute, 5 * time.Minute}} {
		for at := -4 * time.Minute; at < 20*time.Minute; at += 10 * time.Second {
			x.now = right
			claims := with(x.claims(x.carol), "exp", right.Add(c.end).Unix())
			if c.begin != 0 {
				claims["nbf"] = right.Add(c.begin).Unix()
			}
			token := x.token(x.carol, claims, nil)
			x.now = right.Add(at)
			_, err := x.id.Caller(x.Context(), call(token), alice)
			taken, allowed := err == nil, at >= c.begin-trust.TokenSkew && at < c.end+trust.TokenSkew
			if tried++; taken != allowed {
				t.Errorf("a token from %s to %s, at %s: taken is %t: %v", c.begin, c.end, at, taken, err)
			}
		}
	}
	if tried < 500 {
		t.Errorf("%d tries are too few", tried)
	}
	t.Logf("%d tries at tokens: none taken a minute outside its times", tried)
}

// A clock that jumps an hour back and returns, or a year ahead, lets no token in twice.
func TestClockJumps(t *testing.T) {
	x := newExchange(t)
	right := x.now
	token := x.token(x.carol, x.claims(x.carol), nil)
	if _, err := x.id.Caller(x.Context(), call(token), alice); err != nil {
		t.Fatal(err)
	}
	for _, jump := range []time.Duration{-time.Hour, 0, 365 * 24 * time.Hour} {
		x.now = right.Add(jump)
		fresh := x.token(x.carol, x.claims(x.carol), nil) // by a clock that jumps too
		if _, err := x.id.Caller(x.Context(), call(fresh), alice); err != nil {
			t.Errorf("after a jump of %s a new token: %v", jump, err)
		}
		if _, err := x.id.Caller(x.Context(), call(token), alice); !unknown(err) {
			t.Errorf("after a jump of %s a used token: %v", jump, err)
		}
	}
}
