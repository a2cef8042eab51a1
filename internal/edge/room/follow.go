package room

import (
	"bytes"
	"hash/maphash"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
)

// following is what a page needs that is brought up to date while it is open.
type following struct {
	Path     string
	Moving   bool // there is something to wait for
	Standing bool // it looks again by itself without JavaScript
}

// follow lets a page follow what it shows, as long as that can move.
func (f *following) follow(req *http.Request, s *shell, path string, moving bool) {
	if f.Path, f.Moving = path, moving; !moving {
		return
	}
	s.Stream = path + "/stream"
	if f.Standing = req.URL.Query().Has("follow"); f.Standing {
		s.Refresh = "5"
	}
}

// part is one part of a page that is brought up to date: whole, or by its rows while
// they are the same ones.
type part struct {
	piece
	rows []piece
}

// parts writes parts of a page, each by the template and into the element of its name.
func (r *Room) parts(lang string, data any, names ...string) ([]part, error) {
	out := make([]part, 0, len(names))
	for _, name := range names {
		one, err := r.piece(lang, name, name, data)
		if err != nil {
			return nil, err
		}
		out = append(out, part{piece: one})
	}
	return out, nil
}

// unsent is what a browser lacks; sent remembers what it has.
func unsent(list []part, sent map[string]uint64) string {
	var html bytes.Buffer
	for i := range list {
		p := &list[i]
		whole := sent[p.id] != p.sum
		if sent[p.id] = p.sum; whole {
			html.Write(p.html)
		}
		for k := range p.rows {
			row := &p.rows[k]
			if !whole && sent[row.id] != row.sum {
				html.Write(row.html)
			}
			sent[row.id] = row.sum
		}
	}
	return html.String()
}

// rowed makes a part of rows: it is sent whole when other rows are there.
func (r *Room) rowed(p part, rows []piece) part {
	var ids strings.Builder
	for i := range rows {
		ids.WriteString(rows[i].id + "|")
	}
	p.rows, p.sum = rows, maphash.String(r.views.seed, ids.String())
	return p
}

// followed sends the parts of a page as they change, until the browser goes: at each
// change of the node's, and each beat, which keeps ages true.
func (r *Room) followed(w http.ResponseWriter, req *http.Request, look func() ([]part, time.Time, error)) error {
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
	sent := map[string]uint64{}
	beat := time.NewTicker(beatEvery)
	defer beat.Stop()
	gather := time.NewTimer(gatherFor)
	defer gather.Stop()
	for {
		change := r.cfg.Source.Changed()
		if _, err := r.cfg.Authenticate(req); err != nil {
			return streamError(sent, err) // it was let in, and is no more
		}
		list, now, err := look()
		if err != nil {
			return streamError(sent, err)
		}
		var b bytes.Buffer
		event(&b, "at", strconv.FormatInt(now.UnixMilli(), 10))
		if html := unsent(list, sent); html != "" {
			event(&b, "patch", html)
		}
		_ = out.SetWriteDeadline(r.cfg.Now().Add(writeTimeout)) // not every writer has one
		if _, err := w.Write(b.Bytes()); err != nil {
			return nil // the browser has gone
		}
		if err := out.Flush(); err != nil {
			return nil // the browser has gone
		}
		select {
		case <-req.Context().Done():
			return nil
		case <-beat.C:
			continue
		case <-change:
		}
		gather.Reset(gatherFor)
		select {
		case <-req.Context().Done():
			return nil
		case <-gather.C:
		}
	}
}
