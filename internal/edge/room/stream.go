package room

import (
	"bytes"
	"context"
	"hash/maphash"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hansa-exchange/hansa"
)

// Limits of the stream of patches.
const (
	WatchersMax  = 2000                   // browsers at once
	viewsMax     = 256                    // distinct views kept rendered
	beatEvery    = 5 * time.Second        // a page without a patch is brought up to date
	gatherFor    = 200 * time.Millisecond // at least so long between two patches
	settleFor    = 20 * time.Millisecond  // what belongs to one change comes together
	writeTimeout = 10 * time.Second       // for one patch to one browser
)

// fragments are the parts of a page that are patched, by template and id.
var fragments = []string{"facts", "alarms", "tiles", "list", "next", "note", "dock", "overlay"}

// piece is one rendered part.
type piece struct {
	id   string
	html []byte
	sum  uint64 // of html; of the list, of the ids in it, so that only rows that changed travel
}

// shown is one view, rendered for all who watch it.
type shown struct {
	pieces []piece
	rows   []piece
	alarms map[string]string
	now    int64
}

// views shares renderings: watchers of one view get one between two changes.
type views struct {
	seed     maphash.Seed
	mu       sync.Mutex // guards below
	watchers int
	kept     map[viewKey]*slot
}

type viewKey struct {
	party      hansa.PartyID
	rights     string
	credential string
	ask        ask
	lang       string
}

// slot is the place of one view; its lock is held while it is rendered.
type slot struct {
	mu     sync.Mutex // guards below
	change <-chan struct{}
	at     time.Time
	page   *shown
}

func newViews() *views { return &views{seed: maphash.MakeSeed(), kept: map[viewKey]*slot{}} }

func (v *views) enter() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.watchers >= WatchersMax {
		return false
	}
	v.watchers++
	return true
}

func (v *views) leave() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.watchers--; v.watchers == 0 {
		clear(v.kept)
	}
}

func (v *views) slot(k viewKey) *slot {
	v.mu.Lock()
	defer v.mu.Unlock()
	s := v.kept[k]
	if s == nil {
		if len(v.kept) >= viewsMax {
			clear(v.kept)
		}
		s = &slot{}
		v.kept[k] = s
	}
	return s
}

// stream sends patches until the browser goes: one at each change, and one each
// beat, which keeps the page's clock and ages true.
func (r *Room) stream(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	a, err := asked(req)
	if err != nil {
		return err
	}
	if !r.views.enter() {
		w.Header().Set("Retry-After", "30")
		return hansa.Errorf(hansa.Busy, "at most %d pages are kept up to date at once", WatchersMax).With(hansa.CodeOverloaded)
	}
	defer r.views.leave()
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	out := http.NewResponseController(w)
	key := viewKey{by.Party, rights(by), by.Credential, a, langOf(req.Context())}
	sent, alarms := map[string]uint64{}, map[string]string(nil)
	beat := time.NewTicker(beatEvery)
	defer beat.Stop()
	gather := time.NewTimer(gatherFor)
	defer gather.Stop()
	for {
		change := r.cfg.Source.Changed()
		if _, err := r.cfg.Authenticate(req); err != nil {
			return streamError(sent, err) // it was let in, and is no more
		}
		page, err := r.shared(req.Context(), key, by, change)
		if err != nil {
			return streamError(sent, err)
		}
		_ = out.SetWriteDeadline(r.cfg.Now().Add(writeTimeout)) // not every writer has one
		if _, err := w.Write(page.news(sent, alarms)); err != nil {
			return nil // the browser has gone
		}
		if err := out.Flush(); err != nil {
			return nil // the browser has gone
		}
		alarms = page.alarms
		last := r.cfg.Now()
		select {
		case <-req.Context().Done():
			return nil
		case <-beat.C:
			continue
		case <-change:
		}
		gather.Reset(max(settleFor, gatherFor-r.cfg.Now().Sub(last)))
		select {
		case <-req.Context().Done():
			return nil
		case <-gather.C:
		}
	}
}

// streamError tells an error before the first patch; later the stream just ends,
// and the browser comes again.
func streamError(sent map[string]uint64, err error) error {
	if len(sent) > 0 {
		return nil
	}
	return err
}

func rights(by hansa.Actor) string {
	var b strings.Builder
	for _, r := range by.Rights {
		b.WriteString(string(r) + " ")
	}
	return b.String()
}

// shared returns the view as it is since change was taken, rendered once for all.
func (r *Room) shared(ctx context.Context, k viewKey, by hansa.Actor, change <-chan struct{}) (*shown, error) {
	s := r.views.slot(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := r.cfg.Now()
	if s.page != nil && s.change == change && now.Sub(s.at) < beatEvery*8/10 {
		return s.page, nil
	}
	p, err := r.look(context.WithoutCancel(ctx), by, k.ask)
	if err != nil {
		return nil, err
	}
	page, err := r.render(p)
	if err != nil {
		return nil, err
	}
	s.change, s.at, s.page = change, now, page
	return page, nil
}

// render writes the parts of a page.
func (r *Room) render(p *page) (*shown, error) {
	s := &shown{now: p.NowMilli, alarms: map[string]string{}}
	for _, name := range fragments {
		var data any = p
		part := name
		if name == "overlay" {
			part, data = "overlay-patch", p.Overlay
		}
		one, err := r.piece(p.Lang, part, name, data)
		if err != nil {
			return nil, err
		}
		if name == "list" {
			one.sum = maphash.String(r.views.seed, rowsOf(p))
		}
		s.pieces = append(s.pieces, one)
	}
	for _, list := range [][]item{p.Items, p.Ended} {
		for i := range list {
			one, err := r.piece(p.Lang, "item", list[i].DOM, &list[i])
			if err != nil {
				return nil, err
			}
			s.rows = append(s.rows, one)
		}
	}
	for _, a := range p.Alarms {
		s.alarms[a.Key] = a.Word + ": " + a.Lead + " " + a.Text
	}
	return s, nil
}

// rowsOf names the rows of the list in order, and what stands between them.
func rowsOf(p *page) string {
	var b strings.Builder
	for i := range p.Items {
		b.WriteString(p.Items[i].DOM)
	}
	b.WriteString("|" + p.AllOpen + strconv.Itoa(p.LeftOut))
	for i := range p.Ended {
		b.WriteString(p.Ended[i].DOM)
	}
	return b.String()
}

func (r *Room) piece(lang, name, id string, data any) (piece, error) {
	var b bytes.Buffer
	if err := r.pages.in(lang).ExecuteTemplate(&b, name, data); err != nil {
		return piece{}, err
	}
	html := inert(b.Bytes())
	return piece{id: id, html: html, sum: maphash.Bytes(r.views.seed, html)}, nil
}

// news is what a browser lacks, as events; sent remembers what it has.
func (s *shown) news(sent map[string]uint64, before map[string]string) []byte {
	var b, html bytes.Buffer
	first := len(sent) == 0
	whole := false
	for i := range s.pieces {
		p := &s.pieces[i]
		if sent[p.id] != p.sum {
			html.Write(p.html)
			whole = whole || p.id == "list"
		}
		sent[p.id] = p.sum
	}
	for i := range s.rows {
		p := &s.rows[i]
		if !whole && sent[p.id] != p.sum {
			html.Write(p.html)
		}
		sent[p.id] = p.sum
	}
	event(&b, "at", strconv.FormatInt(s.now, 10))
	if html.Len() > 0 {
		event(&b, "patch", html.String())
	}
	if !first {
		for key, text := range s.alarms {
			if _, old := before[key]; !old {
				event(&b, "say", text)
			}
		}
	}
	return b.Bytes()
}

// event writes one event of the stream (HTML living standard, section 9.2.6).
func event(b *bytes.Buffer, name, data string) {
	b.WriteString("event: " + name + "\n")
	for line := range strings.SplitSeq(strings.ReplaceAll(strings.ReplaceAll(data, "\r\n", "\n"), "\r", "\n"), "\n") {
		b.WriteString("data: " + line + "\n")
	}
	b.WriteByte('\n')
}
