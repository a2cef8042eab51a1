package node

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/node/demo"
)

// How often the members of the demonstration's exchange give and read, in real time.
const (
	demoGives = 4 * time.Second
	demoTakes = 6 * time.Second

	demoReports = time.Minute // between two words in the log about what has come
)

// exchange negotiates the accords and lets data flow under them until ctx ends. An error
// is of accords that did not come about; the end of ctx is none.
func (d *Demo) exchange(ctx context.Context) error {
	began := time.Now()
	defer close(d.told)
	err := d.negotiate(ctx, func(done int) {
		if done%demoSome == 0 && done < len(demoPacts) {
			d.tell(ctx, fmt.Sprintf("%d of %d are made", done, len(demoPacts)))
		}
	})
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("the accords of the demonstration: %w", err)
	}
	d.takers = d.readers()
	d.tell(ctx, fmt.Sprintf("%s, in %.1f s", demoStand(), time.Since(began).Seconds()))
	d.tell(ctx, fmt.Sprintf("%s/accords, %s/exchange and %s/register show them", d.url, d.url, d.url))
	return nil
}

// demoSome is after how many accords one hears how far it is.
const demoSome = 10

// tell says how far the accords are: to the log, and to who waits in [Demo.Settle].
func (d *Demo) tell(ctx context.Context, words string) {
	d.node.log.LogAttrs(ctx, slog.LevelInfo, "accords of the demonstration", slog.String("now", words))
	select {
	case d.told <- words:
	default: // it has room for all that is ever told
	}
}

// Settle tells how far the accords are until all are made, or ctx ends.
func (d *Demo) Settle(ctx context.Context, tell func(words string)) {
	for {
		select {
		case words, more := <-d.told:
			if !more {
				return
			}
			tell(words)
		case <-ctx.Done():
			return
		}
	}
}

// demoStand counts the accords by what they come to, and who holds them.
func demoStand() string {
	force, talks, now := 0, 0, map[demoEnd]int{}
	for i := range demoPacts {
		switch p := &demoPacts[i]; {
		case p.lasting():
			force++
		case p.comes == demoOpened || p.comes == demoCountered:
			talks++
		default:
			now[p.comes]++
		}
	}
	kinds := map[hansa.PartyKind]int{}
	for i := range demoMembers {
		kinds[demoMembers[i].kind]++
	}
	return fmt.Sprintf("%d in force, %d in negotiation, %d suspended, %d ended, %d a draft, between %d cities, a hub and %d companies", force, talks, now[demoSuspended], now[demoEnded], now[demoDraft], kinds[hansa.City], kinds[hansa.Company])
}

// came is how many records of companies have come to a member by its accords.
func (d *Demo) came(name string) (n int) {
	t := d.takers[name]
	if t == nil {
		return 0
	}
	for flow := range t.Flows {
		if c, err := d.node.line.course(hansa.FlowID(flow)); err == nil && c.flow.Basis.Kind == hansa.BasisAccord && d.node.party(c.flow.From).Kind == hansa.Company {
			n += t.Taken(flow)
		}
	}
	return n
}

// report logs now and then what has come to the city, until ctx ends.
func (d *Demo) report(ctx context.Context) {
	for {
		pause(ctx, demoReports)
		if ctx.Err() != nil {
			return
		}
		d.node.log.LogAttrs(ctx, slog.LevelInfo, "records of companies under accords", slog.Int("came", d.came("doggerhaven")))
	}
}

// trade lets members give and read under the accords, until ctx ends.
func (d *Demo) trade(ctx context.Context) {
	client := &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 32, IdleConnTimeout: 30 * time.Second}}
	var wg sync.WaitGroup
	defer wg.Wait()
	missed := func(err error) {
		d.node.log.LogAttrs(ctx, slog.LevelWarn, "a member of the demonstration", slog.Any("err", err))
	}
	for _, r := range d.showers(client) {
		wg.Go(func() {
			if err := r.Run(ctx); err != nil && ctx.Err() == nil {
				missed(err)
			}
		})
	}
	if d.quiet {
		return
	}
	wg.Go(func() { d.report(ctx) })
	for _, g := range d.givers(client) {
		wg.Go(func() { g.Run(ctx, demoGives, missed) })
	}
	for _, t := range d.takers {
		wg.Go(func() { t.Run(ctx, demoTakes, missed) })
	}
}

// givers are the members that measure something.
func (d *Demo) givers(client *http.Client) []*demo.Giver {
	by := map[string]*demo.Giver{}
	var out []*demo.Giver
	for i := range demoSets {
		s := &demoSets[i]
		if s.made == "" {
			continue
		}
		g := by[s.party]
		if g == nil {
			g = &demo.Giver{Name: s.party, Exchange: d.url, Token: d.tokens["exchange-"+s.party], Client: client, Now: d.clock.now, Town: d.town}
			if at := slices.Index([]string{"amstelburg", "eemhoven", "wegenknoop"}, s.party); at >= 0 {
				g.Apart = 0.3 * float64(at+1)
			}
			by[s.party], out = g, append(out, g)
		}
		g.Gifts = append(g.Gifts, demo.Gift{Dataset: string(s.id()), Measure: s.made})
	}
	return out
}

// agreed are the flows of the demonstration's accords that are open to a member, those
// of the six receivers left out, which they read themselves.
func (d *Demo) agreed() (out []hansa.Flow) {
	l := d.node.line
	l.mu.RLock()
	defer l.mu.RUnlock()
	for _, c := range l.courses {
		if f := &c.flow; f.Basis.Kind == hansa.BasisAccord && !f.Paused && f.To != hansa.PublicParty && len(f.Terms.Purposes) > 0 && d.world.Receivers[d.cast(f.ID)] == nil {
			out = append(out, *f)
		}
	}
	return out
}

// cast is the name of the receiver of the story that has a flow.
func (d *Demo) cast(id hansa.FlowID) string {
	for name, flow := range d.world.Flows {
		if flow == string(id) {
			return name
		}
	}
	return ""
}

// showsOn reports whether a flow's receiver shows what comes by it to road users, and says
// so: the closures of the city itself.
func showsOn(f *hansa.Flow) bool {
	return f.From == demoCity && f.Dataset == hansa.DatasetID(named("dataset", string(demoCity), "closures"))
}

// readers are the programs that read what the accords give, one for each member.
func (d *Demo) readers() map[string]*demo.Taker {
	out := map[string]*demo.Taker{}
	client := &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 32, IdleConnTimeout: 30 * time.Second}}
	for _, f := range d.agreed() {
		if showsOn(&f) {
			continue
		}
		name := d.node.party(f.To).Name
		t := out[name]
		if t == nil {
			t = &demo.Taker{Name: name, Exchange: d.url, Token: d.tokens["exchange-"+name], Client: client, Flows: map[string]hansa.Purpose{}}
			out[name] = t
		}
		t.Flows[string(f.ID)] = f.Terms.Purposes[0]
	}
	return out
}

// showers are receivers of the city's closures beside the six: each has them by its
// accord, and says what became of them.
func (d *Demo) showers(client *http.Client) (out []*demo.Receiver) {
	for _, f := range d.agreed() {
		if !showsOn(&f) {
			continue
		}
		p := d.node.party(f.To)
		c := demo.Cast{Name: p.Name, Title: p.Title, Manner: demo.Picky, Format: "record", Purpose: f.Terms.Purposes[0], Lag: 15 * time.Second}
		out = append(out, demo.NewReceiver(c, demo.Stage{Exchange: d.url, Flow: string(f.ID), Token: d.tokens["exchange-"+p.Name], Now: d.clock.now, Factor: d.clock.speed, Client: &http.Client{Transport: client.Transport}}))
	}
	return out
}
