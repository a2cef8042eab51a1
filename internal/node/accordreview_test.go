package node

import (
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

func TestReviewLinks(t *testing.T) {
	w := run(t)
	id := w.opens("record")
	reviews := "/api/v1/accords/" + string(id) + "/reviews"
	make1 := func(body string) (int, api.Review) {
		t.Helper()
		status, answer, _ := w.call(http.MethodPost, reviews, w.give, "application/json", body)
		var r api.Review
		if err := json.Unmarshal([]byte(answer), &r); err != nil && status == http.StatusCreated {
			t.Fatal(err)
		}
		return status, r
	}
	// path is where a link leads on this node.
	path := func(link string) string {
		t.Helper()
		u, err := url.Parse(link)
		if err != nil {
			t.Fatal(err)
		}
		return u.RequestURI()
	}
	list := func() []api.Review {
		t.Helper()
		status, answer, _ := w.call(http.MethodGet, reviews, w.give, "", "")
		var l api.ReviewsBody
		if err := json.Unmarshal([]byte(answer), &l); status != http.StatusOK || err != nil {
			t.Fatalf("list: %d %s", status, answer)
		}
		return l.Reviews
	}

	for _, until := range []time.Time{time.Now().Add(-time.Minute), time.Now().AddDate(2, 0, 0)} {
		if status, _ := make1(string(asJSON(t, api.ReviewOrder{Until: until}))); status < 400 || status >= 500 {
			t.Errorf("a link until %s: %d", until, status)
		}
	}
	status, r := make1(string(asJSON(t, api.ReviewOrder{For: "city counsel", Until: time.Now().Add(time.Hour)})))
	if status != http.StatusCreated || r.State != "open" || !strings.Contains(r.Link, "/review?token=") {
		t.Fatalf("make: %d %+v", status, r)
	}
	code, h, page := w.anybody(path(r.Link))
	if code != http.StatusOK || !strings.Contains(page, "Purpose limitation") || !strings.Contains(page, "CC-BY-4.0") || strings.Contains(page, "<form") || strings.Contains(page, `href="/accords`) {
		t.Errorf("the page of the link: %d %.400s", code, page)
	}
	if h.Get("Cache-Control") != "private, no-store" || h.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("the link may be kept, or told on: %v", h)
	}
	code, _, doc := w.anybody(path(r.Link), "Accept", "application/json")
	var print1 struct {
		Hash string `json:"hash"`
		Text struct {
			ID hansa.AccordID `json:"id"`
		} `json:"text"`
	}
	if err := json.Unmarshal([]byte(doc), &print1); code != http.StatusOK || err != nil || print1.Text.ID != id {
		t.Errorf("the text by the link: %d %v %.200s", code, err, doc)
	}
	if code, _, _ := w.anybody(path(r.Link) + "&version=" + strings.Repeat("ab", 32)); code != http.StatusNotFound {
		t.Errorf("a version of no accord: %d", code)
	}
	if l := list(); len(l) != 1 || l[0].Opened != 2 || l[0].Last.IsZero() || l[0].Link != "" || l[0].For != "city counsel" {
		t.Errorf("listed: %+v", l)
	}
	for _, bad := range []string{"/review", "/review?token=", "/review?token=" + strings.Repeat("A", 43)} {
		if code, _, page := w.anybody(bad); code != http.StatusNotFound || strings.Contains(page, "Purpose limitation") {
			t.Errorf("%s: %d", bad, code)
		}
	}
	// The link opens no other way in, and nobody else's link.
	token := strings.TrimPrefix(path(r.Link), "/review?token=")
	if status, _, _ := w.call(http.MethodGet, "/api/v1/accords/"+string(id), token, "", ""); status != http.StatusUnauthorized {
		t.Errorf("the token of a link as a credential: %d", status)
	}
	for _, try := range [][2]string{{http.MethodGet, reviews}, {http.MethodPost, reviews}, {http.MethodPost, reviews + "/" + r.ID + "/revoke"}} {
		if status, _, _ := w.call(try[0], try[1], w.take, "application/json", "{}"); status != http.StatusNotFound && status != http.StatusForbidden {
			t.Errorf("%s %s by who is not in it: %d", try[0], try[1], status)
		}
	}

	if status, answer, _ := w.call(http.MethodPost, reviews+"/"+r.ID+"/revoke", w.give, "application/json", "{}"); status != http.StatusOK || !strings.Contains(answer, `"revoked"`) {
		t.Fatalf("revoke: %d %s", status, answer)
	}
	if code, _, page := w.anybody(path(r.Link)); code != http.StatusNotFound || strings.Contains(page, "Purpose limitation") {
		t.Errorf("after it was revoked: %d", code)
	}
	if status, _, _ := w.call(http.MethodPost, reviews+"/"+hansa.NewID(time.Now())+"/revoke", w.give, "application/json", "{}"); status != http.StatusNotFound {
		t.Errorf("a link that never was: %d", status)
	}
}

// TestReviewLinkEnds hands a node its clock: a link ends on its own.
func TestReviewLinkEnds(t *testing.T) {
	now := time.Now().UTC()
	n, err := Open(t.Context(), Config{Data: filepath.Join(t.TempDir(), "n"), Origin: "city.example", Version: "test", Own: "did:web:city", Log: slog.New(slog.DiscardHandler), Wall: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	err = n.Apply(t.Context(), &Setup{
		Parties:  []hansa.Party{{ID: "did:web:city", Name: "city", Title: "City", Kind: hansa.City, Hosted: true}},
		Datasets: []hansa.Dataset{{ID: hansa.DatasetID(named("dataset", "did:web:city", "closures")), Party: "did:web:city", Name: "closures", Kind: hansa.KindSituation}},
	})
	if err != nil {
		t.Fatal(err)
	}
	w := &running{t: t, node: n}
	id := w.opens("record")
	by := hansa.Actor{Party: "did:web:city", Rights: []hansa.Right{hansa.RightRead, hansa.RightManage}}
	r, err := reviews{n}.MakeReview(t.Context(), by, id, api.ReviewOrder{})
	if err != nil || r.Until.Sub(r.Made) != reviewFor {
		t.Fatal(r, err)
	}
	u, err := url.Parse(r.Link)
	if err != nil {
		t.Fatal(err)
	}
	secret := u.Query().Get("token")
	now = r.Until.Add(-time.Millisecond)
	if x, err := (reviews{n}).Review(t.Context(), secret, ""); err != nil || x.Text.ID != id {
		t.Errorf("before its end: %v", err)
	}
	now = r.Until
	if _, err := (reviews{n}).Review(t.Context(), secret, ""); err == nil || hansa.Public(err).Code != hansa.CodeGone {
		t.Errorf("at its end: %v", err)
	}
	list, err := reviews{n}.Reviews(t.Context(), by, id)
	if err != nil || len(list) != 1 || list[0].State != "ended" || list[0].Opened != 1 {
		t.Errorf("listed after its end: %+v, %v", list, err)
	}
}
