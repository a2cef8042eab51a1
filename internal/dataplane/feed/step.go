package feed

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"time"

	"github.com/hansa-exchange/hansa"
)

// step asks a source once and takes what it gives. It returns how long to wait.
func (fs *Feeds) step(ctx context.Context, s *source) (Report, time.Duration, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.load(ctx, fs.cfg.DB); err != nil {
		return Report{}, s.Every, err
	}
	ctx, stop := context.WithTimeout(ctx, timeout)
	defer stop()
	s.state.Tried = fs.cfg.Now()
	var rep Report
	var after time.Duration
	var err error
	if s.URL != "" {
		rep, after, err = fs.poll(ctx, s)
	} else {
		rep, err = fs.look(ctx, s)
	}
	now := fs.cfg.Now()
	switch {
	case err != nil:
		s.state.failed(now, err)
	case rep.Broken != "":
		s.state.failed(now, errors.New("the answer broke off: "+rep.Broken))
	default:
		s.state.well(now)
		s.state.drifts(&rep, now)
	}
	return rep, fs.next(s, after), errors.Join(err, s.save(ctx, fs.cfg.DB))
}

// poll gets the source's address, unless it says that nothing changed.
func (fs *Feeds) poll(ctx context.Context, s *source) (rep Report, after time.Duration, err error) {
	h := s.Header.Clone()
	if h == nil {
		h = http.Header{}
	}
	if s.state.ETag != "" {
		h.Set("If-None-Match", s.state.ETag)
	}
	if s.state.Modified != "" {
		h.Set("If-Modified-Since", s.state.Modified)
	}
	status, answered, body, err := fs.cfg.Fetch.Fetch(ctx, s.URL, h)
	if err != nil {
		return rep, 0, err
	}
	defer body.Close()
	if n, err := strconv.Atoi(answered.Get("Retry-After")); err == nil && n > 0 {
		after = time.Duration(n) * time.Second
	}
	switch {
	case status == http.StatusNotModified:
		return Report{NotModified: true}, after, nil
	case status != http.StatusOK:
		return rep, after, hansa.Errorf(hansa.Busy, "the source answered %d %s", status, http.StatusText(status))
	}
	rep, err = fs.take(ctx, s, body)
	if err == nil && rep.Broken == "" && !rep.Held {
		s.state.ETag, s.state.Modified = answered.Get("ETag"), answered.Get("Last-Modified")
	}
	return rep, after, err
}

// once opens what the source says now, whatever it said before.
func (fs *Feeds) once(ctx context.Context, s *source) (io.ReadCloser, string, error) {
	if s.URL == "" {
		info, err := os.Stat(s.Path)
		if err != nil {
			return nil, "", hansa.Errorf(hansa.NotFound, "%s cannot be read: %w", s.Path, err)
		}
		name := s.Path
		if info.IsDir() {
			entries, err := os.ReadDir(s.Path)
			if err != nil {
				return nil, "", err
			}
			i := slices.IndexFunc(entries, func(e os.DirEntry) bool { return e.Type().IsRegular() && e.Name()[0] != '.' })
			if i < 0 {
				return nil, "", hansa.Errorf(hansa.NotFound, "the folder %s has no file yet", s.Path)
			}
			name = filepath.Join(s.Path, entries[i].Name())
		}
		f, err := os.Open(name)
		return f, "", err
	}
	status, answered, body, err := fs.cfg.Fetch.Fetch(ctx, s.URL, s.Header.Clone())
	if err != nil {
		return nil, "", err
	}
	if status != http.StatusOK {
		return nil, "", errors.Join(hansa.Errorf(hansa.Busy, "the source answered %d %s", status, http.StatusText(status)), body.Close())
	}
	return body, answered.Get("Content-Type"), nil
}

// look reads the source's file if it changed, or the changed files of its folder,
// in the order of their names. A file is read when it has kept its size and time
// for one look, so that none is read half written.
func (fs *Feeds) look(ctx context.Context, s *source) (Report, error) {
	info, err := os.Stat(s.Path)
	if err != nil {
		return Report{}, hansa.Errorf(hansa.NotFound, "%s cannot be read: %w", s.Path, err)
	}
	names := []string{s.Path}
	if info.IsDir() {
		entries, err := os.ReadDir(s.Path)
		if err != nil {
			return Report{}, err
		}
		names = names[:0]
		for _, e := range entries {
			if e.Type().IsRegular() && e.Name()[0] != '.' {
				names = append(names, filepath.Join(s.Path, e.Name()))
			}
		}
		sort.Strings(names)
	}
	if len(names) > filesMax {
		return Report{}, hansa.Errorf(hansa.Busy, "the folder %s has more than %d files", s.Path, filesMax)
	}
	total := Report{NotModified: true}
	was := s.state.Files
	s.state.Files = map[string]string{}
	for i, name := range names {
		rep, err := fs.file(ctx, s, name, was[name])
		if err != nil || rep.Broken != "" {
			for _, rest := range names[i+1:] {
				if was[rest] != "" {
					s.state.Files[rest] = was[rest]
				}
			}
		}
		if err != nil {
			return total, err
		}
		total.add(rep)
	}
	return total, nil
}

func (r *Report) add(o Report) {
	r.In += o.In
	r.Taken += o.Taken
	r.Unchanged += o.Unchanged
	r.Refused += o.Refused
	r.Ended += o.Ended
	r.Held = r.Held || o.Held
	r.NotModified = r.NotModified && o.NotModified
	if o.Broken != "" {
		r.Broken = o.Broken
	}
}

// file reads one file unless it is as it was. was is "read SIZE TIME" or "seen …".
func (fs *Feeds) file(ctx context.Context, s *source, name, was string) (Report, error) {
	f, err := os.Open(name)
	if errors.Is(err, errNotExist) {
		return Report{NotModified: true}, nil
	}
	if err != nil {
		return Report{}, err
	}
	defer f.Close() //nolint:errcheck // only read
	info, err := f.Stat()
	if err != nil {
		return Report{}, err
	}
	mark := fmt.Sprintf("%d %d", info.Size(), info.ModTime().UnixNano())
	if was == "read "+mark && !s.state.Released {
		s.state.Files[name] = was
		return Report{NotModified: true}, nil
	}
	if was != "seen "+mark && time.Since(info.ModTime()) < s.Every { //nolint:forbidigo // a file's time is wall time
		s.state.Files[name] = "seen " + mark
		return Report{NotModified: true}, nil
	}
	rep, err := fs.take(ctx, s, f)
	if err == nil && rep.Broken == "" && !rep.Held {
		s.state.Files[name] = "read " + mark
	}
	return rep, err
}

var errNotExist = iofs.ErrNotExist

// intake is one answer being read.
type intake struct {
	fs    *Feeds
	s     *source
	rep   Report
	old   map[string]hansa.Hash
	got   map[string]hansa.Hash // all that the answer holds
	fresh map[string]hansa.Hash // what was taken and is not remembered yet
	batch []*hansa.Record
}

// take reads an answer record by record. What is unchanged is passed over; after
// a whole snapshot, what it lacks has ended.
func (fs *Feeds) take(ctx context.Context, s *source, r io.Reader) (Report, error) {
	seen := &copied{r: r}
	rep, err := fs.read(ctx, s, seen)
	bad := rep.Broken
	if err != nil {
		bad = hansa.Public(err).Message
	}
	return rep, errors.Join(err, s.keepAnswer(ctx, fs.cfg.DB, seen, fs.cfg.Now(), bad))
}

func (fs *Feeds) read(ctx context.Context, s *source, r io.Reader) (Report, error) {
	old, err := s.digests(ctx, fs.cfg.DB)
	if err != nil {
		return Report{}, err
	}
	in := &intake{fs: fs, s: s, old: old, got: map[string]hansa.Hash{}, fresh: map[string]hansa.Hash{}}
	for item, err := range fs.cfg.Read(&s.Feed, r, fs.cfg.Now()) {
		if err != nil {
			in.rep.Broken = hansa.Public(err).Message
			if hansa.KindOf(err) == hansa.Internal {
				in.rep.Broken = err.Error()
			}
			break
		}
		if err := in.item(ctx, item); err != nil {
			return in.rep, err
		}
	}
	if err := in.flush(ctx); err != nil {
		return in.rep, err
	}
	if in.rep.Broken != "" {
		return in.rep, nil
	}
	s.state.Count = len(in.got)
	if s.Kind == Snapshot {
		err = in.absent(ctx)
	}
	return in.rep, err
}

func (in *intake) item(ctx context.Context, item Item) error {
	if in.rep.In++; in.rep.In > RecordsMax {
		return hansa.Errorf(hansa.Busy, "an answer has at most %d records", RecordsMax)
	}
	if item.Record == nil {
		in.rep.Refused++
		return nil
	}
	r := item.Record
	r.Provenance.Feed = in.s.ID
	d := hansa.Hash(sha256.Sum256(r.Original))
	in.got[r.ID] = d
	if in.old[r.ID] == d {
		in.rep.Unchanged++
		return nil
	}
	in.batch = append(in.batch, r)
	in.fresh[r.ID] = d
	if len(in.batch) >= batchMax {
		return in.flush(ctx)
	}
	return nil
}

// flush stores what was read, and remembers it after it is durable.
func (in *intake) flush(ctx context.Context) error {
	if len(in.batch) == 0 {
		return nil
	}
	refused, err := in.fs.cfg.Take(ctx, &in.s.Feed, in.batch)
	if err != nil {
		return err
	}
	for i, e := range refused {
		if e == nil {
			in.rep.Taken++
			continue
		}
		in.rep.Refused++
		delete(in.fresh, in.batch[i].ID)
		delete(in.got, in.batch[i].ID)
	}
	if err := in.s.remember(ctx, in.fs.cfg.DB, in.fresh, nil); err != nil {
		return err
	}
	in.batch = in.batch[:0:0]
	clear(in.fresh)
	return nil
}

// absent ends what the snapshot does not hold any more, unless it is so small that
// a person must look first.
func (in *intake) absent(ctx context.Context) error {
	var gone []string
	for id := range in.old {
		if _, still := in.got[id]; !still {
			gone = append(gone, id)
		}
	}
	sort.Strings(gone)
	st, had, has := &in.s.state, len(in.old), len(in.got)
	suspicious := len(gone) > 0 && (has == 0 || had >= 4 && float64(has) < in.s.Shrink*float64(had))
	if suspicious && !st.Released {
		if st.Held == 0 {
			st.HeldAt = in.fs.cfg.Now()
		}
		st.Held, st.HeldHas, in.rep.Held = len(gone), has, true
		return nil
	}
	st.Held, st.HeldHas, st.Released = 0, 0, false
	for len(gone) > 0 {
		n := min(len(gone), batchMax)
		if err := in.end(ctx, gone[:n]); err != nil {
			return err
		}
		gone = gone[n:]
	}
	return nil
}

// end says of records that they are gone from the source's snapshot. When they
// really ended is not known, and not said.
func (in *intake) end(ctx context.Context, ids []string) error {
	now := in.fs.cfg.Now().UTC()
	var recs []*hansa.Record
	for _, id := range ids {
		old, err := in.fs.cfg.Present(ctx, &in.s.Feed, id)
		if e := hansa.Public(err); e != nil && e.Kind == hansa.NotFound {
			continue
		}
		if err != nil {
			return err
		}
		if old.Live() {
			recs = append(recs, ended(old, in.s.ID, now))
		}
	}
	if len(recs) > 0 {
		if _, err := in.fs.cfg.Take(ctx, &in.s.Feed, recs); err != nil {
			return err
		}
	}
	in.rep.Ended += len(recs)
	return in.s.remember(ctx, in.fs.cfg.DB, nil, ids)
}

// ended is the record that ends old by the rule that its source's snapshot lacks
// it. It keeps the publisher's version: should the source bring the record back,
// that is heard.
func ended(old *hansa.Record, feed string, now time.Time) *hansa.Record {
	r := *old
	r.Update, r.Updated, r.Received = hansa.End, now, time.Time{}
	r.Original, r.OriginalType, r.Defects, r.Cursor = nil, "", nil, ""
	r.Provenance.Feed = feed
	if old.Situation != nil {
		s := *old.Situation
		s.Lifecycle, s.EndRule = hansa.Ended, hansa.EndWithSource
		r.Situation = &s
	}
	return &r
}
