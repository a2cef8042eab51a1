package outbound_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/outbound"
)

// TestOutboxAgain: what arrived last is sent again, with why, when it is asked for;
// not while it waits already, nor when something came after it.
func TestOutboxAgain(t *testing.T) {
	bubble(t, func(p *post) {
		var why []string
		p.answers(func(l *outbound.Letter) outbound.Outcome {
			why = append(why, l.Reason)
			return outbound.Outcome{Status: 200, Delivered: true}
		})
		again := func() {
			p.must(p.write(func(tx hansa.Tx, m *outbound.Mail) error { return p.Again(tx, m, "p", time.Now().Add(time.Second)) }))
		}
		p.posts("p", "a", "b")
		time.Sleep(time.Minute)
		p.wants("sent", p.heard(), "p/a p/b")
		again()
		again()
		p.wants("letters", p.letters("p"), "a:delivered b:waits")
		time.Sleep(500 * time.Millisecond)
		p.wants("sent before its time", p.heard(), "")
		time.Sleep(time.Minute)
		p.wants("sent again", p.heard(), "p/b")
		p.wants("why", strings.Join(why, "|"), "||"+outbound.Repeated)
		p.must(p.write(func(tx hansa.Tx, m *outbound.Mail) error {
			l := letter("p", "c")
			l.State = outbound.LetterReceived
			return p.Keep(tx, m, l)
		}))
		again()
		time.Sleep(time.Minute)
		p.wants("sent though something came since", p.heard(), "")
	})
}
