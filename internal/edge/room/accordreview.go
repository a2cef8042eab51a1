package room

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hansa-exchange/hansa"
)

// Reviews opens accords to who holds a link, to be read and nothing else.
type Reviews interface {
	// Review is a version of the accord that a link opens, by its hash; an empty one is
	// the newest. A link that opens nothing is NotFound.
	Review(ctx context.Context, token, version string) (AccordPrint, error)
}

func (r *Room) reviewRoutes() []hansa.Route {
	if r.cfg.Reviews == nil {
		return nil
	}
	return []hansa.Route{{Method: "GET", Pattern: "/review", Object: "node", Action: "read an accord by a review link"}}
}

// reviewHandler answers the route of reviewRoutes; nil for any other pattern.
func (r *Room) reviewHandler(pattern string) http.Handler {
	if r.cfg.Reviews == nil || pattern != "/review" {
		return nil
	}
	return r.open(r.reviewPage)
}

// reviewPage is the print of an accord for who has no account here.
func (r *Room) reviewPage(w http.ResponseWriter, req *http.Request) error {
	w.Header().Set("Cache-Control", "private, no-store")
	w.Header().Set("X-Robots-Tag", "noindex")
	q := req.URL.Query()
	x, err := r.cfg.Reviews.Review(req.Context(), q.Get("token"), q.Get("version"))
	if err != nil {
		return err
	}
	lang := r.printLang(req)
	p := &printPage{shell: shell{say: r.pages[lang].words, Lang: lang, now: r.cfg.Now(), zone: time.UTC}, Hash: x.Hash}
	if p.Lang == english {
		p.Lang = ""
	}
	p.fill(r, &x)
	for _, row := range r.languages(req) {
		q.Set("lang", row.Lang)
		p.Langs = append(p.Langs, langRow{Lang: "?" + q.Encode(), Name: row.Name, On: row.Lang == cmp.Or(p.Lang, english)})
	}
	return r.write(w, req, &p.shell, "accord-print", p, printDoc{Hash: x.Hash, State: x.State, Text: jsontext.Value(x.Canonical), Signatures: x.Signatures, Entry: x.Entry, Head: x.Head}, nil)
}
