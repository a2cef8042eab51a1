package room

import (
	"bytes"
	"compress/gzip"
	"context"
	"net/http"
	"strings"
	"sync"

	"github.com/hansa-exchange/hansa"
)

// live answers the page, or the same as JSON where JSON is asked for.
func (r *Room) live(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	w.Header().Add("Vary", "Accept")
	if wantsJSON(req) {
		return r.liveJSON(w, req, by)
	}
	a, err := asked(req)
	if err != nil {
		return err
	}
	p, err := r.look(req.Context(), by, a)
	if err != nil {
		return err
	}
	b, ok := sheets.Get().(*bytes.Buffer)
	if !ok {
		return hansa.Errorf(hansa.Internal, "no buffer")
	}
	defer sheets.Put(b)
	b.Reset()
	if err := r.pages.in(p.Lang).ExecuteTemplate(b, "live", p); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	return send(w, req, inert(b.Bytes()))
}

// mapSVG answers the map alone, with its colours within, for a mail or a wall.
func (r *Room) mapSVG(w http.ResponseWriter, req *http.Request, by hansa.Actor) error {
	a, err := asked(req)
	if err != nil {
		return err
	}
	p, err := r.look(req.Context(), by, a)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := r.pages.in(p.Lang).ExecuteTemplate(&b, "mapfile", p); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "image/svg+xml; charset=utf-8")
	return send(w, req, inert(b.Bytes()))
}

func (r *Room) look(ctx context.Context, by hansa.Actor, a ask) (*page, error) {
	l, err := r.cfg.Source.Live(ctx, by, a.closure)
	if err != nil {
		return nil, err
	}
	p := r.build(ctx, &l, a)
	p.Lang = langOf(ctx)
	p.Account, p.Nav, p.May = r.cfg.Accounts != nil, r.nav(by, "/live"), r.cfg.Desk != nil && by.May(hansa.RightControl)
	return p, nil
}

// send writes a page, packed where the browser takes it.
func send(w http.ResponseWriter, req *http.Request, body []byte) error {
	w.Header().Add("Vary", "Accept-Encoding")
	if takesGzip(req) {
		w.Header().Set("Content-Encoding", "gzip")
		z, ok := packers.Get().(*gzip.Writer)
		if !ok {
			return hansa.Errorf(hansa.Internal, "no packer")
		}
		defer packers.Put(z)
		z.Reset(w)
		if _, err := z.Write(body); err != nil {
			return err
		}
		return z.Close()
	}
	_, err := w.Write(body)
	return err
}

// sheets keeps buffers of the size of a page.
var sheets = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// packers keeps gzip writers, which are large.
var packers = sync.Pool{New: func() any {
	z, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
	if err != nil {
		return nil
	}
	return z
}}

func wantsJSON(req *http.Request) bool {
	return strings.HasSuffix(req.URL.Path, ".json") || strings.HasPrefix(req.Header.Get("Accept"), "application/json")
}
