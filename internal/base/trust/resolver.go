package trust

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/hansa-exchange/hansa"
)

// ResolverConfig is what a resolver needs.
type ResolverConfig struct {
	// Fetch returns the body of a 200 answer of at most [DocumentBytesMax] bytes. It
	// follows no redirect and refuses addresses that may not be called.
	Fetch func(ctx context.Context, url string) ([]byte, error)
	// Plain reports whether host:port may be called without TLS, which is tried when
	// https fails. Nil is never.
	Plain func(hostport string) bool
	// Now is the clock of ages, and Wait waits for a while or until ctx ends.
	Now  func() time.Time
	Wait func(ctx context.Context, d time.Duration)
}

// Resolver finds the keys in DID documents (did:web). It keeps documents for five
// minutes, failures for five seconds, and fetches one document once however many
// ask. Its methods may be called from many goroutines.
type Resolver struct {
	cfg ResolverConfig

	mu        sync.Mutex // guards all below
	docs      map[string]*didEntry
	flights   int
	strangers int   // fetched in the second
	second    int64 // Unix
}

// didEntry is what is known of one DID.
type didEntry struct {
	keys    map[string]jose.JSONWebKey // nil: never found
	binding map[string]jose.JSONWebKey // those under assertionMethod, by thumbprint
	doors   map[string]string          // where services are, by their type
	version int                        // how often keys were brought
	fetched time.Time                  // when the fetch that brought keys began
	tried   time.Time                  // when the last fetch ended
	err     error                      // of the last fetch
	flight  chan struct{}              // closed when the fetch under way ends; nil: none is
	used    time.Time
}

// NewResolver returns an empty resolver.
func NewResolver(cfg ResolverConfig) (*Resolver, error) {
	if cfg.Fetch == nil || cfg.Now == nil || cfg.Wait == nil {
		return nil, errors.New("trust: a resolver needs a way to fetch, a clock and a way to wait")
	}
	return &Resolver{cfg: cfg, docs: map[string]*didEntry{}}, nil
}

// How long documents are held, and how often they are fetched.
const (
	documentAge     = 5 * time.Minute  // what was fetched is what its subject says now
	documentStale   = 15 * time.Minute // it is used so long when it cannot be fetched anew
	documentMissing = 5 * time.Second  // a failure is remembered
	documentEvery   = time.Second      // between two fetches of one document
	documentsMax    = 4096             // held at once
	flightsMax      = 64               // fetched at once
	strangersMax    = 5                // documents of those who are nobody's peer, fetched in a second
)

// key returns did's key that may sign messages, by its full id. A key that the
// document here lacks may be newer than the document, which is then fetched once
// more. Documents of peers are never behind those of strangers.
func (r *Resolver) key(ctx context.Context, did, id string, issued time.Time, peer bool) (jose.JSONWebKey, error) {
	d, err := r.document(ctx, did, 0, peer)
	if err != nil {
		return jose.JSONWebKey{}, err
	}
	k, ok := d.keys[id]
	if !ok && !d.fetched.After(issued.Add(time.Second)) { // times of issue are whole seconds
		if d, err = r.document(ctx, did, d.version, peer); err != nil {
			return jose.JSONWebKey{}, err
		}
		k, ok = d.keys[id]
	}
	if !ok {
		return k, hansa.Errorf(hansa.Denied, "the DID document of %s lists no key %.200q of EC P-256 or Ed25519 under authentication or capabilityInvocation", did, id)
	}
	return k, nil
}

// SignatureKey returns did's key with thumbprint kid, by which it signs what binds it:
// one that its document lists under assertionMethod. A document that is older than
// signed is fetched once more for a key that it lacks. The error is NotFound when the
// document was read and lists no such key, and Busy or Denied when it was not read.
func (r *Resolver) SignatureKey(ctx context.Context, did, kid string, signed time.Time, known bool) (jwk []byte, err error) {
	d, err := r.document(ctx, did, 0, known)
	if err != nil {
		return nil, err
	}
	k, ok := d.binding[kid]
	if !ok && !d.fetched.After(signed.Add(time.Second)) {
		if d, err = r.document(ctx, did, d.version, known); err != nil {
			return nil, err
		}
		k, ok = d.binding[kid]
	}
	if !ok {
		return nil, hansa.Errorf(hansa.NotFound, "the DID document of %s lists no key %.100q under assertionMethod", did, kid)
	}
	return k.MarshalJSON()
}

// Endpoint returns where did's service of a type is, by its document. The error is
// NotFound when the document was read and names none.
func (r *Resolver) Endpoint(ctx context.Context, did, service string, known bool) (string, error) {
	d, err := r.document(ctx, did, 0, known)
	if err != nil {
		return "", err
	}
	if at := d.doors[service]; at != "" {
		return at, nil
	}
	return "", hansa.Errorf(hansa.NotFound, "the DID document of %s names no service of type %s", did, service)
}

// document returns what is known of did: newer than a version, when one is given,
// else within its age.
func (r *Resolver) document(ctx context.Context, did string, after int, peer bool) (didEntry, error) {
	for {
		r.mu.Lock()
		now := r.cfg.Now()
		e := r.docs[did]
		switch {
		case e != nil && e.keys != nil && e.version > after && now.Sub(e.fetched) < documentAge:
		case e != nil && e.flight != nil:
			wait := e.flight
			r.mu.Unlock()
			select {
			case <-wait:
				continue
			case <-ctx.Done():
				return didEntry{}, ctx.Err()
			}
		case e != nil && e.err != nil && now.Sub(e.tried) < documentMissing:
			if after == 0 && e.keys != nil && now.Sub(e.fetched) < documentStale {
				break
			}
			err := e.err
			r.mu.Unlock()
			return didEntry{}, err
		default:
			e, err := r.begin(did, now, peer)
			r.mu.Unlock()
			if err != nil {
				return didEntry{}, err
			}
			r.fly(context.WithoutCancel(ctx), did, e) // others wait for it, whoever hangs up
			continue
		}
		e.used = now
		out := *e
		r.mu.Unlock()
		return out, nil
	}
}

// begin makes room for a fetch of did's document.
func (r *Resolver) begin(did string, now time.Time, peer bool) (*didEntry, error) {
	if r.flights >= flightsMax {
		return nil, busy("%d DID documents are being fetched, as many as may be", flightsMax)
	}
	if s := now.Unix(); s != r.second {
		r.second, r.strangers = s, 0
	}
	if !peer {
		if r.strangers >= strangersMax {
			return nil, busy("%d DID documents of strangers are fetched in a second", strangersMax)
		}
		r.strangers++
	}
	e := r.docs[did]
	if e == nil {
		if len(r.docs) >= documentsMax {
			r.evict()
		}
		e = &didEntry{used: now}
		r.docs[did] = e
	}
	e.flight = make(chan struct{})
	r.flights++
	return e, nil
}

// evict forgets the document that was used longest ago, of a few.
func (r *Resolver) evict() {
	oldest, seen := "", 0
	for did, e := range r.docs {
		if e.flight == nil && (oldest == "" || e.used.Before(r.docs[oldest].used)) {
			oldest = did
		}
		if seen++; seen >= 64 {
			break
		}
	}
	delete(r.docs, oldest)
}

// fly fetches did's document, not sooner than a second after the last time.
func (r *Resolver) fly(ctx context.Context, did string, e *didEntry) {
	if wait := documentEvery - r.cfg.Now().Sub(e.tried); wait > 0 && !e.tried.IsZero() {
		r.cfg.Wait(ctx, wait)
	}
	began := r.cfg.Now()
	keys, err := r.fetch(ctx, did)
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.tried, e.err = r.cfg.Now(), err; err == nil {
		e.keys, e.binding, e.doors, e.fetched, e.version = keys.message, keys.binding, keys.doors, began, e.version+1
	}
	r.flights--
	close(e.flight)
	e.flight = nil
}

func (r *Resolver) fetch(ctx context.Context, did string) (keys documentKeys, err error) {
	at, err := DocumentURL(did)
	if err != nil {
		return keys, err
	}
	body, err := r.cfg.Fetch(ctx, at)
	if plain, ok := r.plain(at); err != nil && ok {
		body, err = r.cfg.Fetch(ctx, plain)
	}
	if err != nil {
		switch hansa.KindOf(err) { //nolint:exhaustive // all else may be well later
		case hansa.Denied, hansa.NotFound, hansa.Invalid:
			return keys, hansa.Errorf(hansa.Denied, "fetch the DID document of %s: %w", did, err)
		}
		return keys, busy("fetch the DID document of %s: %w", did, err)
	}
	return readDocument(did, body)
}

// plain is the address without TLS, when that may be called.
func (r *Resolver) plain(at string) (string, bool) {
	u, err := url.Parse(at)
	if err != nil || r.cfg.Plain == nil {
		return "", false
	}
	u.Scheme = "http"
	host := u.Host
	if u.Port() == "" {
		host += ":80"
	}
	return u.String(), r.cfg.Plain(strings.ToLower(host))
}

// busy is a failure that passes: the sender may try again in a second.
func busy(format string, args ...any) error {
	e := hansa.Errorf(hansa.Busy, format, args...).With(hansa.CodeOverloaded)
	e.Err = errors.Join(&Throttled{Wait: time.Second}, e.Err)
	return e
}
