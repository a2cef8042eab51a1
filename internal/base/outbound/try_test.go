package outbound_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/outbound"
)

// awaited takes a letter, and lets a message follow.
func awaited(*outbound.Letter) outbound.Outcome {
	return outbound.Outcome{Status: 201, Answer: []byte("yes"), Delivered: true, Awaited: true}
}

// book is what is kept of the letters of a process.
func (p *post) book() (out string) {
	p.Helper()
	p.must(p.db.Read(p.Context(), func(tx hansa.Tx) error {
		list, err := p.Letters(tx, "own", "p")
		for _, l := range list {
			out += fmt.Sprintf("%s:%s %d %s;", l.Kind, l.State, l.Status, l.Answer)
		}
		return err
	}))
	return out
}

// came is a letter of process p that came in.
func came(kind string) *outbound.Letter {
	l := letter("p", kind)
	l.State = outbound.LetterReceived
	return l
}

// TestOutboxNumbers: the letters of a process are numbered from 1 without a gap, however
// many transactions between are undone, and however many write before one of them is heard
// to be committed; and one behind a letter that is parked is parked, too.
func TestOutboxNumbers(t *testing.T) {
	bubble(t, func(p *post) {
		p.answers(func(*outbound.Letter) outbound.Outcome { return outbound.Outcome{Status: 201, Delivered: true} })
		seed := rand.New(rand.NewPCG(1, 2))
		var late []*outbound.Mail
		wrote := 0
		for range 300 {
			m, put, undone := &outbound.Mail{}, 1+seed.IntN(2), seed.IntN(3) == 0
			err := p.db.Write(p.Context(), func(tx hansa.Tx) error {
				if wrote == 0 {
					p.Begins(m, "p")
				}
				for range put {
					if err := p.Keep(tx, m, came("in")); err != nil {
						return err
					}
				}
				if undone {
					return errors.New("undone")
				}
				return nil
			})
			if (err != nil) != undone {
				p.Fatal(err)
			}
			if !undone {
				late, wrote = append(late, m), wrote+put
			}
			for seed.IntN(2) == 0 && len(late) > 0 {
				i := seed.IntN(len(late))
				p.Sent(late[i])
				late = slices.Delete(late, i, i+1)
			}
		}
		var n, most int
		p.must(p.db.Read(p.Context(), func(tx hansa.Tx) error {
			return tx.QueryRow(`SELECT COUNT(*), MAX(n) FROM outbound_letter WHERE process = 'p'`).Scan(&n, &most)
		}))
		if n != wrote || most != wrote {
			p.Errorf("%d letters up to %d, want %d", n, most, wrote)
		}
		p.posts("q", "a")
		synctest.Wait()
		p.answers(func(*outbound.Letter) outbound.Outcome { return outbound.Outcome{Status: 400, Final: true} })
		p.posts("q", "b")
		synctest.Wait()
		p.posts("q", "c")
		p.wants("behind one that is parked", p.letters("q"), "a:delivered b:parked c:parked")
	})
}

// TestOutboxHolds: what came of a letter that a message answers is written with that
// message, whole; it is written by itself when none comes, when another letter waits
// for it, and when the outbox stops; and what comes too late changes nothing.
func TestOutboxHolds(t *testing.T) {
	const taken, open = "a:delivered 201 yes;", "a:waits 0 ;"
	ends := map[string]struct {
		do   func(p *post, tx hansa.Tx, m *outbound.Mail) error
		want string
	}{
		"the message settles it": {func(p *post, tx hansa.Tx, m *outbound.Mail) error { return p.Settle(tx, m, "p", "", time.Now()) }, taken},
		"the message is kept and settles it": {func(p *post, tx hansa.Tx, m *outbound.Mail) error {
			return errors.Join(p.Keep(tx, m, came("c")), p.Settle(tx, m, "p", "", time.Now()))
		}, taken + "c:received 0 ;"},
		"it is kept, settles it, and is undone": {func(p *post, tx hansa.Tx, m *outbound.Mail) error {
			return errors.Join(p.Keep(tx, m, came("c")), p.Settle(tx, m, "p", "", time.Now()), errors.New("undone"))
		}, open},
		"the message ends it all": {func(p *post, tx hansa.Tx, m *outbound.Mail) error { return p.Void(tx, m, "p") }, taken},
		"its transaction is undone": {func(p *post, tx hansa.Tx, m *outbound.Mail) error {
			return errors.Join(p.Settle(tx, m, "p", "", time.Now()), errors.New("undone"))
		}, open},
		"another letter is posted": {func(p *post, tx hansa.Tx, m *outbound.Mail) error { return p.Post(tx, m, letter("p", "b")) }, taken + "b:delivered 201 yes;"},
	}
	for name, c := range ends {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(p *post) {
				p.answers(awaited)
				p.posts("p", "a")
				synctest.Wait()
				p.wants("before the message", p.book(), open)
				p.answers(func(*outbound.Letter) outbound.Outcome {
					return outbound.Outcome{Status: 201, Answer: []byte("yes"), Delivered: true}
				})
				_ = p.write(func(tx hansa.Tx, m *outbound.Mail) error { return c.do(p, tx, m) })
				synctest.Wait()
				p.wants("with it", p.book(), c.want)
				time.Sleep(time.Minute)
				if c.want == open {
					c.want = taken
				}
				p.wants("later", p.book(), c.want)
			})
		})
	}
	bubble(t, func(p *post) {
		p.answers(awaited)
		p.posts("p", "a", "b")
		synctest.Wait()
		p.wants("one that waits for it", p.book(), taken+"b:waits 0 ;")
		time.Sleep(time.Second)
		p.wants("no message", p.book(), taken+"b:delivered 201 yes;")
	})
	bubble(t, func(p *post) {
		p.answers(awaited)
		p.posts("p", "a")
		synctest.Wait()
		p.stop()
		p.wants("the outbox stops", p.stopped(p.file), "a:delivered")
	})
}
