// Package room is the door for people: the control room, drawn on the server as
// HTML and SVG, brought up to date over SSE, readable without JavaScript. It shows
// what its source tells and no figure more; what has no data is absent. All that
// comes from others is escaped, and no page may load a thing from elsewhere.
package room

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/words"
)

// QueryBytesMax bounds each query parameter.
const QueryBytesMax = 1024

// Config is what a room needs. Source and Now are required.
type Config struct {
	Source  Source
	Drawing Drawing // the base map; empty draws closures alone
	// Authenticate says who a browser is. An error keeps it out. Nil lets nobody in.
	Authenticate func(*http.Request) (hansa.Actor, error)
	Accounts     Accounts    // how people sign in; nil has no pages for it
	Invitations  Invitations // how organisations come in; nil has no pages for it
	Inviting     Inviting    // how a party asks organisations in; nil has no pages for it
	Desk         Desk        // what controllers do; nil has no pages for it
	Keeper       Keeper      // what a party keeps; nil has no pages for it
	Deals        Deals       // what a party agrees with others; nil has no pages for it
	Accords      Accords     // what parties agree for both directions; nil has no pages for it
	Prints       Prints      // accords for paper; nil has no page for it
	Asks         Asks        // data that are asked for before an accord; nil has no pages for it
	Reviews      Reviews     // accords for who holds a link; nil has no page for it
	Shift        Shift       // the note between shifts; nil has no page for it
	Alarms       Alarms      // what people do about alarms; nil has no page for it
	Drafts       Drafts      // closures begun and not published; nil keeps none
	Langs        []string    // of guests: the node's own party's
	Catalogues   []*words.Catalogue
	Log          *slog.Logger     // nil logs nothing
	Now          func() time.Time // the wall clock
}

// Room serves the pages. Its methods may be called by many at once.
type Room struct {
	cfg    Config
	base   atomic.Pointer[ground]
	assets *assets
	pages  tongues
	views  *views
	cross  *http.CrossOriginProtection
}

// New makes a room: it reads its templates and draws the base map, once. Invalid
// says what is wrong with the drawing.
func New(cfg Config) (*Room, error) {
	if cfg.Source == nil || cfg.Now == nil {
		return nil, errors.New("a room needs a source and a clock")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	a, err := builtInAssets()
	if err != nil {
		return nil, err
	}
	pages, err := builtInPages()
	if err == nil && len(cfg.Catalogues) > 0 {
		pages, err = speak(a, cfg.Catalogues)
	}
	if err != nil {
		return nil, err
	}
	base, err := survey(cfg.Drawing, pages.in(""))
	if err != nil {
		return nil, err
	}
	r := &Room{cfg: cfg, assets: a, pages: pages, views: newViews(), cross: http.NewCrossOriginProtection()}
	r.base.Store(base)
	return r, nil
}

// Redraw gives the pages another base map; those that are open keep theirs until
// they are loaded again.
func (r *Room) Redraw(d Drawing) error {
	base, err := survey(d, r.pages.in(""))
	if err == nil {
		r.base.Store(base)
	}
	return err
}

// Routes lists the ways in. They ask for no right of the common kind: the room
// establishes who a browser is by Config.Authenticate, the assets excepted.
func (r *Room) Routes() []hansa.Route {
	return append(slices.Concat(r.signRoutes(), r.inviteRoutes(), r.registerRoutes(), r.reviewRoutes(), r.sheetRoutes()),
		hansa.Route{Method: "GET", Pattern: "/{$}", Object: "node", Action: "go to the first page"},
		hansa.Route{Method: "GET", Pattern: "/live", Object: "node", Action: "see the situation"},
		hansa.Route{Method: "GET", Pattern: "/live.json", Object: "node", Action: "read the situation"},
		hansa.Route{Method: "GET", Pattern: "/map.svg", Object: "node", Action: "see the map"},
		hansa.Route{Method: "GET", Pattern: "/stream", Object: "node", Action: "follow the situation", Slow: true},
		hansa.Route{Method: "GET", Pattern: "/assets/{hash}/{name...}", Object: "node", Action: "load a style, script or font"},
	)
}

// Handler returns what answers the route of this pattern; nil for one that is not
// in Routes.
func (r *Room) Handler(pattern string) http.Handler {
	switch pattern {
	case "/{$}":
		return r.open(r.home)
	case "/live":
		return r.guard(r.live)
	case "/live.json":
		return r.guard(r.liveJSON)
	case "/map.svg":
		return r.guard(r.mapSVG)
	case "/stream":
		return r.guard(r.stream)
	case "/assets/{hash}/{name...}":
		return r.open(r.asset)
	}
	for _, of := range []func(string) http.Handler{r.signHandler, r.inviteHandler, r.registerHandler, r.reviewHandler, r.sheetHandler} {
		if h := of(pattern); h != nil {
			return h
		}
	}
	return nil
}

// policy lets a page load what the node itself serves, and nothing else: no
// inline script or style, no frame around it.
const policy = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

func head(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "geolocation=(), camera=(), microphone=()")
}

// open answers anybody.
func (r *Room) open(f func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		head(w)
		keepTheme(w, req)
		r.speak(req, r.cfg.Langs...)
		if err := f(w, req); err != nil {
			r.sorry(w, req, err)
		}
	})
}

// guard answers those whom Authenticate lets in.
func (r *Room) guard(f func(http.ResponseWriter, *http.Request, hansa.Actor) error) http.Handler {
	return r.open(func(w http.ResponseWriter, req *http.Request) error {
		w.Header().Set("Cache-Control", "private, no-store")
		if r.cfg.Authenticate == nil {
			return hansa.Errorf(hansa.Denied, "nobody may see this page yet").With(hansa.CodeUnauthenticated)
		}
		by, err := r.cfg.Authenticate(req)
		if err != nil {
			return r.signFirst(w, req, err)
		}
		r.speakTo(req, by)
		return f(w, req, by)
	})
}

// sorry answers a failure as a page, or as JSON where JSON was asked for.
func (r *Room) sorry(w http.ResponseWriter, req *http.Request, err error) {
	if errors.Is(err, context.Canceled) && req.Context().Err() != nil {
		return // the browser has gone
	}
	pub, id := hansa.Public(err), hansa.NewID(r.cfg.Now())
	if pub.Kind == hansa.Internal {
		r.cfg.Log.LogAttrs(req.Context(), slog.LevelError, "a page failed", slog.String("path", req.URL.Path), slog.String("request", id), slog.Any("err", err))
		pub = &hansa.Error{Kind: hansa.Internal, Code: pub.Code, Message: words.Mark("Something failed inside the exchange. Data goes on being exchanged."), Hint: pub.Hint}
	}
	status := hansa.Status(pub)
	w.Header().Set("Cache-Control", "no-store")
	if wantsJSON(req) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = writeJSON(w, map[string]any{"error": map[string]string{"code": string(pub.Code), "message": pub.Message, "hint": pub.Hint, "requestId": id}})
		return
	}
	var b bytes.Buffer
	say := words.Of(req.Context())
	if err := r.pages.in(langOf(req.Context())).ExecuteTemplate(&b, "sorry", map[string]any{"Status": status, "Message": say.Refusal(pub), "Hint": say.Say(pub.Hint), "ID": id, "Theme": theme(req)}); err != nil {
		http.Error(w, pub.Message, status)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}

// ask is what a request wants to see: the URL holds the whole state of a view.
type ask struct {
	closure string
	table   bool
	theme   string
	only    bool // this closure, or none
}

func asked(req *http.Request) (ask, error) {
	q := req.URL.Query()
	for name, values := range q {
		if len(name) > QueryBytesMax || len(values) > 0 && len(values[0]) > QueryBytesMax {
			return ask{}, hansa.Errorf(hansa.Invalid, "a query parameter has at most %d bytes", QueryBytesMax)
		}
	}
	return ask{closure: q.Get("closure"), table: q.Get("view") == "table", theme: theme(req), only: q.Has("only")}, nil
}

// themeCookie remembers which theme somebody chose.
const themeCookie = "hansa-theme"

// theme is light, dark, or empty: what the system prefers.
func theme(req *http.Request) string {
	t := req.URL.Query().Get("theme")
	if c, err := req.Cookie(themeCookie); t == "" && err == nil {
		t = c.Value
	}
	switch t {
	case "light", "dark":
		return t
	}
	return ""
}

// keepTheme remembers the theme that a request asks for.
func keepTheme(w http.ResponseWriter, req *http.Request) {
	if req.URL.Query().Has("theme") {
		if t := theme(req); t != "" {
			http.SetCookie(w, &http.Cookie{Name: themeCookie, Value: t, Path: "/", MaxAge: 365 * 24 * 3600, HttpOnly: true, Secure: req.TLS != nil, SameSite: http.SameSiteLaxMode}) //nolint:gosec // Secure wherever there is TLS; a choice of colours is no secret
		}
	}
}
