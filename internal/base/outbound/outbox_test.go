package outbound_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/outbound"
	"github.com/hansa-exchange/hansa/internal/base/store"
)

// post is an outbox over a database of its own, and the other side that it sends to.
type post struct {
	*testing.T
	*outbound.Outbox
	file string
	db   *store.Store
	stop func()

	mu     sync.Mutex // guards all below
	came   []string   // "process/kind", in the order in which they came
	at     []time.Duration
	begun  time.Time
	answer func(l *outbound.Letter) outbound.Outcome // nil takes all
}

func newPost(t *testing.T) *post {
	t.Helper()
	p := &post{T: t, file: filepath.Join(t.TempDir(), "hansa.db"), begun: time.Now()}
	p.open()
	return p
}

// open opens the database and starts to send, as a node does when it starts.
func (p *post) open() {
	p.Helper()
	db, err := store.Open(p.Context(), p.file, store.Config{})
	p.must(err)
	p.must(db.Migrate(p.Context(), outbound.OutboxMigrations()))
	p.db = db
	p.Outbox = outbound.NewOutbox(outbound.OutboxConfig{DB: db, Now: time.Now, Log: slog.New(slog.DiscardHandler), Send: p.send})
	p.must(p.Open(p.Context()))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Outbox.Run(ctx) }()
	p.stop = sync.OnceFunc(func() {
		cancel()
		p.must(<-done)
		p.must(db.Close())
	})
}

func (p *post) must(err error) {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
}

func (p *post) send(_ context.Context, l *outbound.Letter) outbound.Outcome {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.came = append(p.came, l.Process+"/"+l.Kind)
	p.at = append(p.at, time.Since(p.begun))
	if p.answer != nil {
		return p.answer(l)
	}
	return outbound.Outcome{Status: 200, Delivered: true}
}

func (p *post) answers(f func(l *outbound.Letter) outbound.Outcome) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = f
}

// heard returns what came since the last look.
func (p *post) heard() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := strings.Join(p.came, " ")
	p.came, p.at = nil, nil
	return out
}

// write does f in a transaction, and puts what it posts on its way.
func (p *post) write(f func(tx hansa.Tx, m *outbound.Mail) error) error {
	m := &outbound.Mail{}
	err := p.db.Write(p.Context(), func(tx hansa.Tx) error { return f(tx, m) })
	if err == nil {
		p.Sent(m)
	}
	return err
}

func (p *post) letters(process string) string {
	p.Helper()
	var out []string
	p.must(p.db.Read(p.Context(), func(tx hansa.Tx) error {
		list, err := p.Letters(tx, "own", process)
		for i := range list {
			out = append(out, list[i].Kind+":"+string(list[i].State))
		}
		return err
	}))
	return strings.Join(out, " ")
}

func (p *post) posts(process string, kinds ...string) {
	p.Helper()
	p.must(p.write(func(tx hansa.Tx, m *outbound.Mail) error {
		for _, kind := range kinds {
			if err := p.Post(tx, m, letter(process, kind)); err != nil {
				return err
			}
		}
		return nil
	}))
}

func letter(process, kind string) *outbound.Letter {
	return &outbound.Letter{Process: process, Own: "own", Other: "other", Kind: kind, URL: "https://x.example", After: kind, Body: []byte("{}"), At: time.Now(), Next: time.Now()}
}

func (p *post) wants(what, got, want string) {
	p.Helper()
	if got != want {
		p.Errorf("%s: got %q, want %q", what, got, want)
	}
}

func bubble(t *testing.T, f func(p *post)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := newPost(t)
		defer func() { p.stop() }()
		f(p)
	})
}

func silence(*outbound.Letter) outbound.Outcome { return outbound.Outcome{Reason: "nobody answers"} }

func refusal(*outbound.Letter) outbound.Outcome {
	return outbound.Outcome{Status: 400, Final: true, Reason: "no"}
}

func notYet(*outbound.Letter) outbound.Outcome {
	return outbound.Outcome{Status: 404, Soon: true, Reason: "not yet"}
}

// TestOutboxOrder: the letters of a process arrive in their order, one at a time,
// and one that waits holds up nobody else.
func TestOutboxOrder(t *testing.T) {
	bubble(t, func(p *post) {
		p.answers(func(l *outbound.Letter) outbound.Outcome {
			if l.Process == "slow" && time.Since(p.begun) < time.Minute {
				return outbound.Outcome{Reason: "nobody answers"}
			}
			return outbound.Outcome{Status: 200, Delivered: true}
		})
		p.posts("slow", "a", "b")
		for i := range 20 {
			p.posts("quick", fmt.Sprint(i))
		}
		p.posts("slow", "c")
		synctest.Wait()
		var quick []string
		for one := range strings.FieldsSeq(p.heard()) {
			if rest, ok := strings.CutPrefix(one, "quick/"); ok {
				quick = append(quick, rest)
			} else if one != "slow/a" {
				p.Errorf("%s overtook slow/a", one)
			}
		}
		p.wants("the quick one's", strings.Join(quick, " "), "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19")
		time.Sleep(2 * time.Minute)
		got := p.heard()
		p.wants("the slow one's", strings.TrimSpace(strings.ReplaceAll(got, "slow/a ", "")), "slow/b slow/c")
		p.wants("letters", p.letters("slow"), "a:delivered b:delivered c:delivered")
	})
}

// TestOutboxBacksOff: tries are ever further apart, at most ten minutes, and end
// after two days; "not now" is tried for ten minutes from when it was first said.
func TestOutboxBacksOff(t *testing.T) {
	bubble(t, func(p *post) {
		p.answers(silence)
		p.posts("p", "a", "b")
		time.Sleep(time.Second)
		p.mu.Lock()
		first := slices.Clone(p.at)
		p.mu.Unlock()
		want := []time.Duration{0, 100 * time.Millisecond, 300 * time.Millisecond, 700 * time.Millisecond}
		if !slices.Equal(first, want) {
			p.Errorf("tries at %v, want %v", first, want)
		}
		time.Sleep(47 * time.Hour)
		p.wants("before two days", p.letters("p"), "a:waits b:waits")
		tries := len(strings.Fields(p.heard()))
		if tries < 280 || tries > 310 {
			p.Errorf("%d tries in 47 hours", tries)
		}
		time.Sleep(2 * time.Hour)
		p.wants("after two days", p.letters("p"), "a:parked b:parked")
		p.heard()
		time.Sleep(24 * time.Hour)
		p.wants("what is parked", p.heard(), "")
	})
	bubble(t, func(p *post) {
		p.answers(silence)
		p.posts("p", "a")
		time.Sleep(time.Hour)
		p.answers(notYet)
		time.Sleep(10*time.Minute + time.Second)
		p.wants("soon after it woke up", p.letters("p"), "a:waits")
		time.Sleep(11 * time.Minute)
		p.wants("ten minutes after", p.letters("p"), "a:parked")
	})
}

// TestOutboxParks: what is refused is parked, with what comes behind it then and
// later; trying again sends it all in its order; what is given up stays so.
func TestOutboxParks(t *testing.T) {
	bubble(t, func(p *post) {
		p.answers(refusal)
		p.posts("p", "a", "b")
		synctest.Wait()
		p.wants("sent", p.heard(), "p/a")
		p.posts("p", "c")
		synctest.Wait()
		p.wants("sent behind it", p.heard(), "")
		p.wants("letters", p.letters("p"), "a:parked b:parked c:parked")
		p.must(p.db.Read(p.Context(), func(tx hansa.Tx) error {
			l, err := p.Stuck(tx, "p")
			if err == nil && (l == nil || l.Kind != "a" || l.Reason != "no") {
				p.Errorf("stuck: %+v", l)
			}
			list, _ := p.Parked(tx, "", 10)
			if len(list) != 3 || !strings.Contains(list[2].Reason, "earlier message") {
				p.Errorf("parked: %+v", list)
			}
			return err
		}))
		p.answers(nil)
		if n, err := p.Retry(p.Context(), "other", "p"); n != 0 || err != nil {
			p.Errorf("another party set %d going again, %v", n, err)
		}
		n, err := p.Retry(p.Context(), "own", "p")
		p.must(err)
		synctest.Wait()
		p.wants("sent again", p.heard(), "p/a p/b p/c")
		p.wants("letters", p.letters("p"), "a:delivered b:delivered c:delivered")
		if n != 3 {
			p.Errorf("%d set going again, want 3", n)
		}
	})
}

// TestOutboxHurries: what waits for its next try is tried at once when its party asks.
func TestOutboxHurries(t *testing.T) {
	bubble(t, func(p *post) {
		p.answers(func(*outbound.Letter) outbound.Outcome { return outbound.Outcome{Reason: "not now"} })
		p.posts("p", "a")
		time.Sleep(time.Minute)
		synctest.Wait()
		p.heard()
		p.answers(nil)
		if n, err := p.Retry(p.Context(), "other", "p"); n != 0 || err != nil {
			p.Errorf("another party hurried %d, %v", n, err)
		}
		synctest.Wait()
		p.wants("sent before its time", p.heard(), "")
		if n, err := p.Retry(p.Context(), "own", "p"); n != 1 || err != nil {
			p.Errorf("%d hurried, %v", n, err)
		}
		synctest.Wait()
		p.wants("sent", p.heard(), "p/a")
		if n, err := p.Retry(p.Context(), "own", "p"); n != 0 || err != nil {
			p.Errorf("%d hurried that had arrived, %v", n, err)
		}
	})
}

// TestOutboxBack: when somebody who was away for long answers, or sends something, what
// waits for them goes at once, also after a restart; what they refuse, and what is for
// others, does not. A letter that nobody ever answers is no faster than every two
// seconds for it.
func TestOutboxBack(t *testing.T) {
	bubble(t, func(p *post) {
		p.answers(silence)
		p.posts("p", "a")
		p.posts("q", "b")
		p.must(p.write(func(tx hansa.Tx, m *outbound.Mail) error {
			l := letter("r", "c")
			l.Other = "third"
			return p.Post(tx, m, l)
		}))
		time.Sleep(time.Hour)
		p.heard()
		p.answers(func(l *outbound.Letter) outbound.Outcome {
			switch l.Process {
			case "q":
				return outbound.Outcome{Reason: "this one nobody answers"}
			case "s":
				return outbound.Outcome{Status: 500, Reason: "broken"}
			}
			return outbound.Outcome{Status: 200, Delivered: true}
		})
		p.posts("s", "d")
		time.Sleep(time.Second)
		p.wants("sent while nobody is back", p.heard(), strings.TrimSpace(strings.Repeat("s/d ", 4)))
		p.must(p.write(func(tx hansa.Tx, m *outbound.Mail) error { return p.Keep(tx, m, letter("t", "in")) }))
		synctest.Wait()
		p.wants("sent when the other side sent something", p.sorted(), "p/a q/b")
		for i := range 5 { // it keeps answering others
			p.posts(fmt.Sprintf("u%d", i), "e")
			synctest.Wait()
		}
		time.Sleep(1900 * time.Millisecond)
		if got := p.sorted(); strings.Count(got, "q/b") > 5 || strings.Contains(got, "r/c") {
			p.Errorf("sent while it answers others: %q", got)
		}

		p.answers(silence)
		p.posts("p", "a")
		time.Sleep(time.Hour)
		p.stop()
		p.open()
		p.answers(nil)
		p.heard()
		p.posts("v", "f")
		synctest.Wait()
		p.wants("sent after a restart", p.sorted(), "p/a q/b s/d v/f")
	})
}

// sorted is heard in the order of the alphabet.
func (p *post) sorted() string {
	list := strings.Fields(p.heard())
	slices.Sort(list)
	return strings.Join(list, " ")
}

// TestOutboxGivesUp: what is given up is not sent, even when it is under way; what
// follows it is. What the other side acted on has arrived.
func TestOutboxGivesUp(t *testing.T) {
	bubble(t, func(p *post) {
		p.answers(silence)
		p.posts("p", "a", "b")
		synctest.Wait()
		p.heard()
		p.answers(nil)
		p.must(p.write(func(tx hansa.Tx, m *outbound.Mail) error {
			return errors.Join(p.Void(tx, m, "p"), p.Post(tx, m, letter("p", "end")))
		}))
		time.Sleep(time.Minute)
		p.wants("sent", p.heard(), "p/end")
		p.wants("letters", p.letters("p"), "a:void b:void end:delivered")
	})
	bubble(t, func(p *post) {
		p.answers(silence)
		p.posts("p", "a", "b", "c")
		synctest.Wait()
		p.heard()
		p.answers(nil)
		p.must(p.write(func(tx hansa.Tx, m *outbound.Mail) error { return p.Settle(tx, m, "p", "b", time.Now()) }))
		time.Sleep(time.Minute)
		p.wants("sent", p.heard(), "p/c")
		p.wants("letters", p.letters("p"), "a:delivered b:delivered c:delivered")
	})
}

// TestOutboxCommitsOutOfTurn: two transactions that are told in another order than
// they were committed neither turn letters round nor bring back what was given up.
func TestOutboxCommitsOutOfTurn(t *testing.T) {
	bubble(t, func(p *post) {
		p.answers(silence)
		p.posts("p", "first")
		synctest.Wait()
		p.heard()
		var first, second, third outbound.Mail
		write := func(f func(tx hansa.Tx) error) {
			p.must(p.db.Write(p.Context(), f))
		}
		write(func(tx hansa.Tx) error { return p.Post(tx, &first, letter("p", "a")) })
		write(func(tx hansa.Tx) error { return p.Post(tx, &second, letter("p", "b")) })
		p.Sent(&second)
		p.Sent(&first)
		p.answers(nil)
		time.Sleep(time.Minute)
		p.wants("sent", p.heard(), "p/first p/a p/b")
		write(func(tx hansa.Tx) error { first = outbound.Mail{}; return p.Post(tx, &first, letter("p", "c")) })
		write(func(tx hansa.Tx) error { return p.Void(tx, &third, "p") })
		p.Sent(&third)
		p.Sent(&first)
		time.Sleep(time.Minute)
		p.wants("sent after it was given up", p.heard(), "")
	})
}

// TestOutboxRestarts: what was posted is sent though the node stops before; what
// was sent, but not noted, is sent again; nothing is turned round or lost.
func TestOutboxRestarts(t *testing.T) {
	bubble(t, func(p *post) {
		p.answers(silence)
		p.posts("p", "a", "b")
		p.posts("q", "a")
		synctest.Wait()
		p.stop()
		p.heard()
		p.answers(nil)
		p.open()
		time.Sleep(time.Minute)
		got := strings.Fields(p.heard())
		slices.SortStableFunc(got, func(a, b string) int { return strings.Compare(a[:1], b[:1]) })
		p.wants("sent after the start", strings.Join(got, " "), "p/a p/b q/a")
	})
	bubble(t, func(p *post) { // killed between the answer and its note
		var killed outbound.Letter
		p.answers(func(l *outbound.Letter) outbound.Outcome {
			killed = *l
			return outbound.Outcome{Status: 200, Delivered: true, Also: func(hansa.Tx) error { return errors.New("killed") }}
		})
		p.posts("p", "a", "b")
		synctest.Wait()
		p.stop()
		if killed.Kind != "a" || p.stopped(p.file) != "a:waits b:waits" {
			p.Errorf("%s was sent; the book says %s", killed.Kind, p.stopped(p.file))
		}
		p.heard()
		p.answers(nil)
		p.open()
		synctest.Wait()
		p.wants("sent after the start", p.heard(), "p/a p/b")
		p.wants("letters", p.letters("p"), "a:delivered b:delivered")
	})
}

// stopped reads the book of a node that has stopped.
func (p *post) stopped(file string) string {
	p.Helper()
	db, err := store.Open(p.Context(), file, store.Config{})
	p.must(err)
	was := p.db
	p.db = db
	out := p.letters("p")
	p.db = was
	p.must(db.Close())
	return out
}

// TestOutboxLimits: a process keeps its last letters, those refused only a few, and
// is Busy only when as many have not arrived.
func TestOutboxLimits(t *testing.T) {
	bubble(t, func(p *post) {
		keep := func(n int, state outbound.LetterState) {
			p.must(p.write(func(tx hansa.Tx, m *outbound.Mail) error {
				for range n {
					l := letter("p", "in")
					l.State = state
					if err := p.Keep(tx, m, l); err != nil {
						return err
					}
				}
				return nil
			}))
		}
		count := func(what string) int { return strings.Count(p.letters("p"), what) }
		keep(3, outbound.LetterReceived)
		keep(outbound.RefusedMax+50, outbound.LetterRefused)
		if r, i := count("in:refused"), count("in:received"); r != outbound.RefusedMax || i != 3 {
			p.Errorf("%d refused and %d received are kept, want %d and 3", r, i, outbound.RefusedMax)
		}
		keep(outbound.ProcessMax, outbound.LetterReceived)
		p.posts("p", "end")
		if n := count(":"); n != outbound.ProcessMax {
			p.Errorf("%d are kept, want %d", n, outbound.ProcessMax)
		}
		synctest.Wait()
		p.wants("sent", p.heard(), "p/end")
		p.answers(refusal)
		p.posts("full", "a")
		synctest.Wait()
		err := p.write(func(tx hansa.Tx, m *outbound.Mail) error {
			for range outbound.ProcessMax {
				if err := p.Post(tx, m, letter("full", "b")); err != nil {
					return err
				}
			}
			return nil
		})
		if hansa.KindOf(err) != hansa.Busy {
			p.Errorf("a process with %d letters that do not arrive takes more: %v", outbound.ProcessMax, err)
		}
	})
}

// TestOutboxThen: who is told of an outcome finds it written; one that could not be
// written is told to nobody.
func TestOutboxThen(t *testing.T) {
	bubble(t, func(p *post) {
		var mu sync.Mutex // guards found
		var found []string
		told := func() {
			mu.Lock()
			defer mu.Unlock()
			found = append(found, p.letters("p"))
		}
		lost := true
		p.answers(func(*outbound.Letter) outbound.Outcome {
			return outbound.Outcome{Status: 400, Final: true, Then: told, Also: func(hansa.Tx) error {
				if lost {
					lost = false
					return errors.New("lost")
				}
				return nil
			}}
		})
		p.posts("p", "a")
		time.Sleep(time.Minute)
		p.wants("tried", p.heard(), strings.Repeat(" p/a", 2)[1:])
		mu.Lock()
		defer mu.Unlock()
		p.wants("found when told", strings.Join(found, "; "), "a:parked")
	})
}

// TestOutboxOutcomeThatCannotBeWritten: a letter whose outcome cannot be written is
// tried again ever less often, as any other.
func TestOutboxOutcomeThatCannotBeWritten(t *testing.T) {
	bubble(t, func(p *post) {
		p.answers(func(*outbound.Letter) outbound.Outcome {
			return outbound.Outcome{Status: 200, Delivered: true, Also: func(hansa.Tx) error { return errors.New("it cannot be") }}
		})
		p.posts("p", "a")
		time.Sleep(time.Hour)
		if n := len(strings.Fields(p.heard())); n < 5 || n > 30 {
			p.Errorf("it was sent %d times in an hour", n)
		}
		p.wants("letters", p.letters("p"), "a:waits")
	})
}

// TestOutboxPeerMax: who answers nothing fills its own share of the outbox, and no
// more; an end is posted all the same.
func TestOutboxPeerMax(t *testing.T) {
	p := &post{T: t, file: filepath.Join(t.TempDir(), "hansa.db"), begun: time.Now(), answer: silence}
	p.open()
	p.stop()
	db, err := store.Open(t.Context(), p.file, store.Config{})
	p.must(err)
	p.must(db.Write(t.Context(), func(tx hansa.Tx) error {
		_, err := tx.Exec(`WITH RECURSIVE k(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < ?)
			INSERT INTO outbound_letter (process, n, own, other, outgoing, kind, url, after, body, at, state, tries, next, status, reason, done)
			SELECT 'p' || i, 1, 'own', CASE WHEN i <= ? THEN 'other' ELSE 'x' || (i % 100) END, 1, 'k', 'u', 'a', '{}', ?, 'waits', 0, ?, 0, '', 0 FROM k`, outbound.PeerMax+1, outbound.PeerMax, p.begun.UnixMicro(), p.begun.Add(9*time.Minute).UnixMicro())
		return err
	}))
	p.must(db.Close())
	p.open()
	defer func() { p.stop() }()
	if err := p.Room("other"); hansa.KindOf(err) != hansa.Busy {
		t.Errorf("room for one who has %d letters: %v", outbound.PeerMax, err)
	}
	p.must(p.Room("another"))
	p.must(p.write(func(tx hansa.Tx, m *outbound.Mail) error { return p.Void(tx, m, "p1") }))
	p.must(p.Room("other"))
	p.posts("p1", "again")
	if err := p.Room("other"); hansa.KindOf(err) != hansa.Busy {
		t.Errorf("room after one was given up and another posted: %v", err)
	}
	p.stop()
	db, err = store.Open(t.Context(), p.file, store.Config{})
	p.must(err)
	p.must(db.Write(t.Context(), func(tx hansa.Tx) error {
		_, err := tx.Exec(`WITH RECURSIVE k(i) AS (SELECT ? UNION ALL SELECT i + 1 FROM k WHERE i < ?)
			INSERT INTO outbound_letter (process, n, own, other, outgoing, kind, url, after, body, at, state, tries, next, status, reason, done)
			SELECT 'p' || i, 1, 'own', 'x' || (i % 100), 1, 'k', 'u', 'a', '{}', ?, 'waits', 0, ?, 0, '', 0 FROM k`, outbound.PeerMax+2, outbound.LettersMax, p.begun.UnixMicro(), p.begun.Add(9*time.Minute).UnixMicro())
		return err
	}))
	p.must(db.Close())
	p.open()
	for _, stops := range []bool{false, true} {
		err := p.write(func(tx hansa.Tx, m *outbound.Mail) error {
			l := letter("q", "k")
			l.Stops = stops
			return p.Post(tx, m, l)
		})
		if busy := hansa.KindOf(err) == hansa.Busy; busy == stops {
			t.Errorf("a letter when the outbox is full, and it stops something is %t: %v", stops, err)
		}
	}
}
