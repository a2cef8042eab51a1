package room_test

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/edge/room"
)

var update = flag.Bool("update", false, "write the golden files anew")

// now is the moment of the stories: a Monday in November.
var now = time.Date(2026, 11, 23, 13, 33, 53, 0, time.UTC)

// cet stands in for the city's zone, so that goldens need no zone files.
var cet = time.FixedZone("CET", 3600)

// canned is a source that tells one story.
type canned struct {
	live   room.Live
	err    error
	change chan struct{}
}

func (c *canned) Live(_ context.Context, _ hansa.Actor, _ string) (room.Live, error) {
	return c.live, c.err
}

func (c *canned) Changed() <-chan struct{} { return c.change }

// serve opens the room over a source, as node does: route by route.
func serve(t testing.TB, src room.Source) http.Handler {
	t.Helper()
	r, err := room.New(room.Config{
		Source: src, Drawing: doggerhaven(t), Now: func() time.Time { return time.Now() },
		Authenticate: func(req *http.Request) (hansa.Actor, error) {
			if req.Header.Get("X-Nobody") != "" {
				return hansa.Actor{}, hansa.Errorf(hansa.Denied, "sign in first").With(hansa.CodeUnauthenticated)
			}
			return hansa.Actor{Party: "did:web:doggerhaven.example", Rights: []hansa.Right{hansa.RightControl}}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	for _, route := range r.Routes() {
		h := r.Handler(route.Pattern)
		if h == nil {
			t.Fatalf("no handler for %s", route.Pattern)
		}
		mux.Handle(route.Method+" "+route.Pattern, h)
	}
	return mux
}

// doggerhaven reads the base map that the demo's city was drawn as.
func doggerhaven(t testing.TB) (d room.Drawing) {
	t.Helper()
	f, err := os.Open("testdata/doggerhaven.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.NewDecoder(z).Decode(&d); err != nil {
		t.Fatal(err)
	}
	return d
}

// get asks for a page.
func get(t testing.TB, h http.Handler, url string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), "GET", url, nil)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	return w
}

// platforms are the receivers of the stories, with their shares.
var platforms = []struct {
	title string
	share float64
}{{"Navika", .41}, {"Wayfare", .27}, {"Autokompas", .14}, {"Truckpilot", .09}, {"Stadbus", .06}, {"Taxi Unie", .03}}

// climbs makes the receivers' ladders from a word each: o offered, f fetched, m
// matched, r rejected, s silent, c contradicted, or seconds until live.
func climbs(from time.Time, how ...string) []room.Receiver {
	var out []room.Receiver
	for i, word := range how {
		p := platforms[i%len(platforms)]
		r := room.Receiver{Party: hansa.PartyID("did:web:" + strings.ToLower(strings.ReplaceAll(p.title, " ", "")) + ".example"), Title: p.title, Share: p.share, Limit: 2 * time.Minute}
		add := func(s hansa.Step, after float64, why string) {
			r.Steps = append(r.Steps, room.Step{Step: s, At: from.Add(time.Duration(after * float64(time.Second))), Evidence: hansa.EvidenceSigned, Reason: why})
		}
		add(hansa.StepOffered, 0, "")
		var live float64
		switch word {
		case "o":
		case "f":
			add(hansa.StepFetched, 4, "")
		case "m":
			add(hansa.StepFetched, 6, "")
			add(hansa.StepMatched, 31, "")
		case "r":
			add(hansa.StepFetched, 6, "")
			add(hansa.StepRejected, 14, "not in their map")
		case "s":
			add(hansa.StepSilent, 300, "")
		case "c":
			add(hansa.StepFetched, 6, "")
			add(hansa.StepLive, 30, "")
			add(hansa.StepContradicted, 400, "still routes through")
		default:
			fmt.Sscan(word, &live)
			add(hansa.StepFetched, live*.08, "")
			add(hansa.StepMatched, live*.27, "")
			add(hansa.StepLive, live, "")
		}
		out = append(out, r)
	}
	return out
}

func ago(d time.Duration) time.Time { return now.Add(-d) }

// line makes a line through metres from the middle of the map.
func line(t testing.TB, ps ...float64) *hansa.Geometry {
	t.Helper()
	c := hansa.Position{2.30, 54.72}
	var l []hansa.Position
	for i := 0; i+1 < len(ps); i += 2 {
		l = append(l, hansa.Position{c[0] + ps[i]/64290, c[1] + ps[i+1]/111320})
	}
	return hansa.Line(l...)
}

// afternoon is the story of the picture: five closures and one planned, one
// receiver late, one silent, one that rejects.
func afternoon(t testing.TB) room.Live {
	t.Helper()
	c1, c2 := ago(12*time.Minute+46*time.Second), ago(48*time.Second)
	day := func(h, m int) time.Time { return time.Date(2026, 11, 23, h, m, 0, 0, cet) }
	closures := []room.Closure{
		{
			ID: "C-2026-4471", Name: "Oostertunnel, northbound", Kind: "tunnel", Effect: hansa.DirectionClosed, Extent: hansa.Tube, Lifecycle: hansa.Active, Cause: "vehicle-fire", Text: "Smoke in tube B.", Lang: "en",
			Source: "SCADA barrier contact, confirmed by the tunnel desk", Published: c1, Start: c1, End: day(15, 30), EndKind: hansa.EndEstimated,
			Geometry: line(t, 3220, 208, 3224, 358, 3230, 549, 3218, 792, 3190, 1003), Receivers: climbs(c1, "41", "74", "19", "m", "6", "s"),
			Detours: []*hansa.Geometry{line(t, 3224, -280, 3000, -1290, 2300, -1935, 1300, -2430, 300, -2700, -700, -2650, -1700, -2290, -2500, -1740, -2900, -1180, -3245, -290, -3190, 70, -3150, 350)},
			Detour:  "Ring R1 south and west, Westertunnel",
		},
		{ID: "C-2026-4472", Name: "Stadstunnel", Kind: "tunnel", Effect: hansa.RoadClosed, Lifecycle: hansa.Active, Cause: "over-height-vehicle", Published: c2, Start: c2, End: day(14, 50), EndKind: hansa.EndEstimated, Geometry: line(t, 352, 266, 380, 557, 420, 890), Receivers: climbs(c2, "m", "f", "17", "f", "4", "o")},
		{ID: "C-2026-4460", Name: "Wallenweg, Bremerweg – Zuiderweg", Kind: "road", Effect: hansa.RoadClosed, Lifecycle: hansa.Active, Cause: "burst-water-main", Published: ago(3*time.Hour + 12*time.Minute), End: day(30, 0), EndKind: hansa.EndConfirmed, Geometry: line(t, -458, -1856, -295, -1881, -132, -1895, 33, -1899, 197, -1891, 360, -1874), Receivers: climbs(ago(3*time.Hour+12*time.Minute), "33", "42", "51", "r", "12", "38")},
		{ID: "C-2026-4391", Name: "Lakengracht, even side", Kind: "road", Effect: hansa.DirectionClosed, Lifecycle: hansa.Active, Cause: "quay-wall-renewal", Published: ago(50 * time.Hour), End: time.Date(2026, 12, 18, 16, 0, 0, 0, cet), EndKind: hansa.EndConfirmed, Geometry: line(t, -555, -364, -516, -420, -470, -470, -420, -520, -370, -553), Receivers: climbs(ago(50*time.Hour), "33", "42", "51", "71", "12", "38")},
		{ID: "C-2026-4455", Name: "Grote Markt area", Kind: "road", Effect: hansa.RoadClosed, Vehicles: "motor traffic", Lifecycle: hansa.Active, Cause: "book-market", Published: ago(5*time.Hour + 32*time.Minute), End: day(18, 0), EndKind: hansa.EndConfirmed, Geometry: circle(t, 2, 20, 160), Receivers: climbs(ago(5*time.Hour+32*time.Minute), "33", "42", "51", "71", "12", "38")},
		{ID: "C-2026-4470", Name: "Westertunnel, one lane", Kind: "tunnel", Effect: hansa.LanesClosed, Lifecycle: hansa.Planned, Cause: "lighting-maintenance", Published: ago(6 * time.Hour), Start: day(22, 0), End: day(29, 0), EndKind: hansa.EndConfirmed, Geometry: line(t, -3190, 122, -3200, 496, -3170, 1012), Receivers: noLimit(climbs(ago(6*time.Hour), "f", "f", "f", "f", "f", "o"))},
	}
	var feeds []room.Feed
	for i := range 24 {
		feeds = append(feeds, room.Feed{State: hansa.FeedState{Feed: fmt.Sprintf("feed-%d", i), Status: hansa.FeedFresh, LastGood: ago(time.Second)}})
	}
	return room.Live{City: "Doggerhaven", Zone: cet, Now: now, Closures: closures, Feeds: feeds}
}

func noLimit(list []room.Receiver) []room.Receiver {
	for i := range list {
		list[i].Limit = 0
	}
	return list
}

func circle(t testing.TB, x, y, r float64) *hansa.Geometry {
	t.Helper()
	unit := []float64{1, 0, .92, .38, .71, .71, .38, .92, 0, 1, -.38, .92, -.71, .71, -.92, .38, -1, 0, -.92, -.38, -.71, -.71, -.38, -.92, 0, -1, .38, -.92, .71, -.71, .92, -.38, 1, 0}
	ps := make([]float64, len(unit))
	for i := range unit {
		ps[i] = unit[i]*r + [2]float64{x, y}[i%2]
	}
	return &hansa.Geometry{Type: hansa.Polygon, Lines: line(t, ps...).Lines}
}
