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
	"strings"
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
	case rep.NotModified && s.state.Good.IsZero(): // a file is read when it has kept still for one look
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
// for one look, so that none is read half written. A folder of snapshots is one
// snapshot: when a file of it changes, all are read.
func (fs *Feeds) look(ctx context.Context, s *source) (Report, error) {
	info, err := os.Stat(s.Path)
	if err != nil {
		return Report{}, hansa.Errorf(hansa.NotFound, "%s cannot be read: %w", s.Path, err)
	}
	names := []string{s.Path}
	if info.IsDir() {
		if names, err = filesOf(s.Path); err != nil {
			return Report{}, err
		}
		if s.Kind == Snapshot {
			return fs.folder(ctx, s, names)
		}
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

// filesOf lists the files of a folder by name, hidden ones left out.
func filesOf(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() && e.Name()[0] != '.' {
			names = append(names, filepath.Join(dir, e.Name()))
		}
	}
	if len(names) > filesMax {
		return nil, hansa.Errorf(hansa.Busy, "the folder %s has more than %d files", dir, filesMax)
	}
	sort.Strings(names)
	return names, nil
}

// folder reads all files of a folder as one snapshot, when one of them has changed,
// come or gone, and all keep still. An empty folder that was never read says nothing.
func (fs *Feeds) folder(ctx context.Context, s *source, names []string) (Report, error) {
	was, now := s.state.Files, map[string]string{}
	changed, restless := s.state.Released, false
	for _, name := range names {
		info, err := os.Stat(name)
		if errors.Is(err, errNotExist) {
			restless = true
			continue
		}
		if err != nil {
			return Report{}, err
		}
		mark := markOf(info)
		switch {
		case was[name] == "read "+mark:
			now[name] = was[name]
		case was[name] != "seen "+mark && s.young(info):
			now[name], restless = "seen "+mark, true
		default:
			now[name], changed = "seen "+mark, true
		}
	}
	for name := range was {
		if now[name] == "" {
			changed = true
		}
	}
	if restless || !changed {
		if restless {
			for name, mark := range was { // what has gone is noticed again when all keep still
				if now[name] == "" {
					now[name] = mark
				}
			}
		}
		s.state.Files = now
		return Report{NotModified: true}, nil
	}
	rep, err := fs.all(ctx, s, names)
	if err == nil && rep.Broken == "" && !rep.Held {
		for name, mark := range now {
			now[name] = "read " + strings.TrimPrefix(strings.TrimPrefix(mark, "seen "), "read ")
		}
		s.state.Files = now
	}
	return rep, err
}

// all reads files one after another as one answer.
func (fs *Feeds) all(ctx context.Context, s *source, names []string) (Report, error) {
	in, err := fs.begin(ctx, s)
	if err != nil {
		return Report{}, err
	}
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			return in.rep, err
		}
		seen := &copied{r: f}
		err = errors.Join(in.read(ctx, seen), f.Close(), in.keep(ctx, seen))
		if err != nil || in.rep.Broken != "" {
			return in.rep, err
		}
	}
	return in.rep, in.finish(ctx)
}

func markOf(info os.FileInfo) string {
	return fmt.Sprintf("%d %d", info.Size(), info.ModTime().UnixNano())
}

// young reports whether a file was written so lately that it may not be whole.
func (s *source) young(info os.FileInfo) bool {
	return time.Since(info.ModTime()) < s.Every //nolint:forbidigo // a file's time is wall time
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
	mark := markOf(info)
	if was == "read "+mark && !s.state.Released {
		s.state.Files[name] = was
		return Report{NotModified: true}, nil
	}
	if was != "seen "+mark && s.young(info) {
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
	still map[string]bool       // what it holds and could not be read
	lost  int                   // what it holds and has no readable id
	batch []*hansa.Record
}

func (fs *Feeds) begin(ctx context.Context, s *source) (*intake, error) {
	old, err := s.digests(ctx, fs.cfg.DB)
	return &intake{fs: fs, s: s, old: old, got: map[string]hansa.Hash{}, fresh: map[string]hansa.Hash{}, still: map[string]bool{}}, err
}

// take reads an answer record by record. What is unchanged is passed over; after
// a whole snapshot, what it lacks has ended.
func (fs *Feeds) take(ctx context.Context, s *source, r io.Reader) (Report, error) {
	in, err := fs.begin(ctx, s)
	if err != nil {
		return Report{}, err
	}
	seen := &copied{r: r}
	if err := errors.Join(in.read(ctx, seen), in.keep(ctx, seen)); err != nil || in.rep.Broken != "" {
		return in.rep, err
	}
	return in.rep, in.finish(ctx)
}

// read takes in one document.
func (in *intake) read(ctx context.Context, r io.Reader) error {
	for item, err := range in.fs.cfg.Read(&in.s.Feed, r, in.fs.cfg.Now()) {
		if err != nil {
			in.rep.Broken = hansa.Public(err).Message
			if hansa.KindOf(err) == hansa.Internal {
				in.rep.Broken = err.Error()
			}
			break
		}
		if err := in.item(ctx, item); err != nil {
			return err
		}
	}
	return in.flush(ctx)
}

// keep keeps the document to look at.
func (in *intake) keep(ctx context.Context, c *copied) error {
	return in.s.keepAnswer(ctx, in.fs.cfg.DB, c, in.fs.cfg.Now(), in.rep.Broken)
}

// finish ends what a whole snapshot lacks.
func (in *intake) finish(ctx context.Context) error {
	in.s.state.Count = len(in.got)
	if in.s.Kind == Snapshot {
		return in.absent(ctx)
	}
	return nil
}

func (in *intake) item(ctx context.Context, item Item) error {
	if in.rep.In++; in.rep.In > RecordsMax {
		return hansa.Errorf(hansa.Busy, "an answer has at most %d records", RecordsMax)
	}
	if item.Record == nil {
		in.rep.Refused++
		if item.ID != "" {
			in.still[item.ID] = true
		} else {
			in.lost++
		}
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
		delete(in.fresh, in.batch[i].ID) // it is tried again; that it is there is known
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
		if _, has := in.got[id]; !has && !in.still[id] {
			gone = append(gone, id)
		}
	}
	sort.Strings(gone)
	st, had, has := &in.s.state, len(in.old), len(in.got)
	suspicious := len(gone) > 0 && (has == 0 || had >= 4 && float64(has) < in.s.Shrink*float64(had))
	// What cannot be read may be what seems to be gone.
	blind := len(gone) > 0 && in.lost > st.Lost
	if (suspicious || blind) && !st.Released {
		if st.Held == 0 {
			st.HeldAt = in.fs.cfg.Now()
		}
		st.Held, st.HeldHas, st.HeldLost, in.rep.Held = len(gone), has, 0, true
		if blind {
			st.HeldLost = in.lost
		}
		return nil
	}
	st.Held, st.HeldHas, st.HeldLost, st.Lost, st.Released = 0, 0, 0, in.lost, false
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
		refused, err := in.fs.cfg.Take(ctx, &in.s.Feed, recs)
		if err != nil {
			return err
		}
		for i, e := range refused {
			if e == nil {
				in.rep.Ended++
				continue
			}
			in.rep.Refused++ // it stays remembered, and its end is tried again
			ids = slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return id == recs[i].ID })
		}
	}
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
