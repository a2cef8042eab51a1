package trust

import (
	"net/netip"
	"sync"
	"time"

	"github.com/hansa-exchange/hansa"
)

// How often somebody may try to sign in: so many at once, then one each so often.
// What a name or an address has used up comes back with time; it locks out no
// session that there is, and no one-time link of another address.
const (
	triesOfName    = 10
	nameEvery      = 30 * time.Second
	triesOfAddress = 40
	addressEvery   = 5 * time.Second
	triersMax      = 20_000 // names and addresses remembered
)

// attempts counts tries to sign in, in memory.
type attempts struct {
	mu   sync.Mutex           // guards full
	full map[string]time.Time // when the bucket of a name or address will be full again
}

func newAttempts() *attempts { return &attempts{full: map[string]time.Time{}} }

// take counts one try of name from address. When one of them has used up its tries
// it counts none and returns Busy, and for how long.
func (a *attempts) take(name, address string, now time.Time) (wait time.Duration, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	kinds := []struct {
		key   string
		tries int
		every time.Duration
	}{{"n" + name, triesOfName, nameEvery}, {"a" + network(address), triesOfAddress, addressEvery}}
	for _, k := range kinds {
		if k.key == "n" {
			continue // a link has no name
		}
		if !a.full[k.key].After(now) {
			continue
		}
		if late := a.full[k.key].Sub(now) - time.Duration(k.tries-1)*k.every; late > 0 {
			wait = max(wait, late)
		}
	}
	if wait > 0 {
		return wait, hansa.Errorf(hansa.Busy, "too many tries to sign in; wait %s", words(wait)).With(hansa.CodeRateLimited).
			WithHint("or ask who manages your party's users for a one-time link")
	}
	for _, k := range kinds {
		if k.key == "n" {
			continue
		}
		from := a.full[k.key]
		if from.Before(now) {
			from = now
		}
		if _, known := a.full[k.key]; !known && len(a.full) >= triersMax {
			a.sweep(now)
		}
		a.full[k.key] = from.Add(k.every)
	}
	return 0, nil
}

// forgive gives name its tries back: it has signed in.
func (a *attempts) forgive(name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.full, "n"+name)
}

// sweep forgets those whose tries have all come back; when that is not enough it
// forgets addresses and names as they come, half of them.
func (a *attempts) sweep(now time.Time) {
	for k, at := range a.full {
		if !at.After(now) {
			delete(a.full, k)
		}
	}
	for k := range a.full {
		if len(a.full) <= triersMax/2 {
			return
		}
		delete(a.full, k)
	}
}

// network is what stands for an address: itself, or for IPv6 the /64 that one
// household has.
func network(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	if ip = ip.Unmap(); ip.Is4() {
		return ip.String()
	}
	p, err := ip.Prefix(64)
	if err != nil {
		return ip.String()
	}
	return p.String()
}

// words says a short while.
func words(d time.Duration) string {
	return (d + time.Second - 1).Truncate(time.Second).String()
}
