// Package feed fetches what publishers offer and knows when a source is silent. A
// snapshot becomes begin, change and end events; one that is empty or suddenly
// small is held back and raised, never taken as "all ended"; one that broke off
// ends nothing.
package feed

import (
	"context"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/hansa-exchange/hansa"
)

// Limits of a source.
const (
	FeedsMax    = 1000
	RecordsMax  = 500_000 // facts in one snapshot
	batchMax    = 500     // records handed on at once
	filesMax    = 10_000  // files of a folder that are remembered
	everyLeast  = time.Second
	backoffMost = 15 * time.Minute
	timeout     = 5 * time.Minute // of one fetch
)

// Kind says what an answer of the source is.
type Kind string

// The kinds.
const (
	Snapshot Kind = "snapshot" // the whole present state: what is gone has ended
	Delta    Kind = "delta"    // what changed
)

// Feed is one source of one dataset.
type Feed struct {
	ID      string // [hansa.ValidName]; unique on the node
	Party   hansa.PartyID
	Dataset hansa.DatasetID
	URL     string // to poll, or
	Path    string // a file or a folder to watch
	Format  hansa.Format
	Kind    Kind
	Every   time.Duration
	// Silent is how long the source may give nothing new to read; 0 is three times
	// Every.
	Silent time.Duration
	Zone   *time.Location // of times without a zone; nil is UTC
	Header http.Header    // sent with each request
	// Shrink is the share of the last snapshot below which the next is held back;
	// 0 is a half.
	Shrink float64
	Paused bool // it is not asked
}

// Fetcher gets an address; the body is decompressed and bounded.
type Fetcher interface {
	Fetch(ctx context.Context, url string, header http.Header) (status int, answered http.Header, body io.ReadCloser, err error)
}

// Item is one fact read from an answer, or the reason why there is none.
type Item struct {
	Record  *hansa.Record
	Refused error
	ID      string // of what was refused, as far as it could be read
}

// Config is what feeds need. All but Log are required.
type Config struct {
	DB    hansa.DB
	Fetch Fetcher
	Now   func() time.Time
	Log   *slog.Logger
	// Read reads an answer as the feed's format; a non-nil error is where it broke off.
	Read func(f *Feed, r io.Reader, now time.Time) iter.Seq2[Item, error]
	// Take stores records, and answers for each why it was refused, or nil.
	Take func(ctx context.Context, f *Feed, recs []*hansa.Record) ([]error, error)
	// Present returns what the present state shows of a record.
	Present func(ctx context.Context, f *Feed, id string) (*hansa.Record, error)
	// Jitter is 0 to 1, to spread retries; nil is none.
	Jitter func() float64
}

// Report counts one fetch: In equals Taken plus Unchanged plus Refused.
type Report struct {
	In, Taken, Unchanged, Refused, Ended int
	NotModified                          bool
	Held                                 bool
	Broken                               string // where the answer broke off
}

// Feeds runs the sources of a node. Its methods may be called by many at once.
type Feeds struct {
	cfg Config

	mu    sync.RWMutex // guards all below
	list  []*source
	spawn func(*source) // runs a source; nil while nothing runs
}

// source is a feed with what is known of it.
type source struct {
	Feed
	configured bool       // it stands in the configuration file
	mu         sync.Mutex // one step at a time; guards state
	state      state

	stop context.CancelFunc // ends it; nil while it does not run. The feeds' mutex guards it
}

// New returns feeds that are not running yet; list are those of the configuration.
func New(cfg Config, list []Feed) (*Feeds, error) {
	if len(list) > FeedsMax {
		return nil, hansa.Errorf(hansa.Busy, "a node has at most %d feeds", FeedsMax)
	}
	fs := &Feeds{cfg: cfg}
	for _, f := range list {
		if err := f.complete(); err != nil {
			return nil, err
		}
		if fs.index(f.ID) >= 0 {
			return nil, hansa.Fielded("feeds.name", "a feed's name stands once; not %q", f.ID)
		}
		fs.list = append(fs.list, &source{Feed: f, configured: true})
	}
	return fs, nil
}

// complete checks f and fills what it leaves open.
func (f *Feed) complete() error {
	switch {
	case !hansa.ValidName(f.ID):
		return hansa.Fielded("feeds.name", "a feed's name is 1 to 63 of a-z, 0-9 and hyphen, not %q", f.ID)
	case (f.URL == "") == (f.Path == ""):
		return hansa.Fielded("feeds."+f.ID, "a feed has a url or a path")
	case f.Kind != Snapshot && f.Kind != Delta:
		return hansa.Fielded("feeds."+f.ID+".kind", "a feed gives snapshot or delta, not %q", f.Kind)
	case f.Every < everyLeast:
		return hansa.Fielded("feeds."+f.ID+".every", "a feed is asked at most once a second")
	}
	if f.Silent == 0 {
		f.Silent = 3 * f.Every
	}
	if f.Shrink == 0 {
		f.Shrink = 0.5
	}
	return nil
}

// index finds a source; -1 is none. fs.mu is held.
func (fs *Feeds) index(id string) int {
	return slices.IndexFunc(fs.list, func(s *source) bool { return s.ID == id })
}

// Run asks each source at its pace until ctx ends; what is saved meanwhile too.
func (fs *Feeds) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	fs.mu.Lock()
	fs.spawn = func(s *source) {
		own, stop := context.WithCancel(ctx)
		s.stop = stop
		wg.Go(func() { fs.follow(own, s) })
	}
	for _, s := range fs.list {
		fs.start(s)
	}
	fs.mu.Unlock()
	<-ctx.Done()
	fs.mu.Lock()
	fs.spawn = nil
	for _, s := range fs.list {
		s.end()
	}
	fs.mu.Unlock()
	wg.Wait()
	return nil
}

// start runs s unless it is paused. fs.mu is held.
func (fs *Feeds) start(s *source) {
	if fs.spawn != nil && !s.Paused {
		fs.spawn(s)
	}
}

// end stops s. The feeds' mutex is held.
func (s *source) end() {
	if s.stop != nil {
		s.stop()
		s.stop = nil
	}
}

// follow asks one source again and again.
func (fs *Feeds) follow(ctx context.Context, s *source) {
	for ctx.Err() == nil {
		_, wait, err := fs.step(ctx, s)
		if err != nil && ctx.Err() == nil && fs.cfg.Log != nil {
			fs.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "a feed gave nothing", slog.String("feed", s.ID), slog.Any("err", err))
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-t.C:
		}
		t.Stop()
	}
}

// Step asks one source once, now, and says what it gave.
func (fs *Feeds) Step(ctx context.Context, id string) (Report, error) {
	s, err := fs.find(id)
	if err != nil {
		return Report{}, err
	}
	r, _, err := fs.step(ctx, s)
	return r, err
}

func (fs *Feeds) find(id string) (*source, error) {
	fs.mu.RLock()
	defer fs.mu.RUnlock()
	if i := fs.index(id); i >= 0 {
		return fs.list[i], nil
	}
	return nil, notThere(id)
}

func notThere(id string) error {
	return hansa.Errorf(hansa.NotFound, "there is no feed %q", id).WithHint("hansa feeds list")
}

// Release accepts the snapshot that is held back: the next one like it is taken
// as it is, its absences as ends.
func (fs *Feeds) Release(ctx context.Context, id string) error {
	s, err := fs.find(id)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.load(ctx, fs.cfg.DB); err != nil {
		return err
	}
	if s.state.Held == 0 {
		return hansa.Errorf(hansa.Conflict, "nothing is held back of %s", id)
	}
	s.state.Released = true
	s.state.ETag, s.state.Modified = "", ""
	return s.save(ctx, fs.cfg.DB)
}

// States says how each source does, now.
func (fs *Feeds) States(ctx context.Context) ([]hansa.FeedState, error) {
	fs.mu.RLock()
	list := slices.Clone(fs.list)
	fs.mu.RUnlock()
	out := make([]hansa.FeedState, 0, len(list))
	for _, s := range list {
		s.mu.Lock()
		err := s.load(ctx, fs.cfg.DB)
		st := s.state
		s.mu.Unlock()
		if err != nil {
			return nil, err
		}
		status, since, why := s.status(&st, fs.cfg.Now())
		out = append(out, hansa.FeedState{Feed: s.ID, Dataset: s.Dataset, Party: s.Party, Status: status, Since: since, LastGood: st.Good, LastTry: st.Tried, Reason: why, Records: st.Count})
	}
	return out, nil
}
