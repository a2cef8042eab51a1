package catalog_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"pgregory.net/rapid"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/controlplane/catalog"
)

// far is the shop of another node as its connector shows it to navco, by real pages
// and ETags, over the wire's own bytes.
type far struct {
	*shop
	limit int
	calls int
	fail  int // the call that fails; 0 is none
}

var there = catalog.Elsewhere{Party: navco, Participant: city, Base: base}

func (f *far) fetch(ctx context.Context, a catalog.Asked) (catalog.Fetched, error) {
	if f.calls++; f.calls == f.fail {
		return catalog.Fetched{}, hansa.Errorf(hansa.Busy, "the line is down")
	}
	q := ask(navco)
	q.After, q.Limit, q.Has = a.Page, f.limit, func(etag string) bool { return etag == a.ETag }
	w, next, _, etag, err := f.Page(ctx, q)
	if err != nil || w == nil {
		return catalog.Fetched{NotModified: w == nil, ETag: etag}, err
	}
	b, err := json.Marshal(w)
	if err != nil {
		return catalog.Fetched{}, err
	}
	if w, err = catalog.ParseCatalog(b); err != nil {
		return catalog.Fetched{}, err
	}
	return catalog.Fetched{Catalog: w, Next: next, ETag: etag, Bytes: len(b)}, nil
}

// known lists the ids that a search finds.
func (s *shop) known(words string, gone bool) (ids []string, list []catalog.Known) {
	s.Helper()
	q := ask("")
	q.Party, q.Limit = navco, catalog.KnownMax
	list, _, err := s.Known(s.Context(), catalog.Search{Query: q, Words: words, Gone: gone})
	s.must(err)
	for i := range list {
		ids = append(ids, list[i].ID)
	}
	return ids, list
}

// TestCrawlKeepsUp: whatever changes elsewhere, after a whole walk what is known is
// what is shown there; and a second walk writes nothing.
func TestCrawlKeepsUp(t *testing.T) {
	remote, home := open(t), open(t)
	rapid.Check(t, func(r *rapid.T) {
		clean := func(s *shop, tables ...string) {
			s.must(s.write(func(tx hansa.Tx) error {
				for _, table := range tables {
					if _, err := tx.Exec(`DELETE FROM ` + table); err != nil {
						return err
					}
				}
				return nil
			}))
		}
		clean(remote, "catalog_offer", "catalog_offer_to", "dataset")
		clean(home, "catalog_known", "catalog_known_page", "catalog_elsewhere")
		f := &far{shop: remote, limit: rapid.IntRange(1, 6).Draw(r, "limit")}
		for visit := range 4 {
			for range rapid.IntRange(0, 8).Draw(r, "changes") {
				id := fmt.Sprintf("m%02d", rapid.IntRange(0, 14).Draw(r, "dataset"))
				d := dataset(id, id)
				d.Title = map[string]string{"en": rapid.StringMatching(`[a-c]{1,3}`).Draw(r, "title")}
				remote.must(remote.write(func(tx hansa.Tx) error {
					if err := remote.SaveDataset(tx, d); err != nil {
						return err
					}
					if rapid.Bool().Draw(r, "withdraw") {
						err := remote.WithdrawOffer(tx, city, "o-"+id, noon)
						if hansa.KindOf(err) == hansa.NotFound {
							return nil
						}
						return err
					}
					return remote.SaveOffer(tx, offer(remote, "o-"+id, id, anyone))
				}))
			}
			now := noon.Add(time.Duration(visit) * time.Hour)
			if _, err := home.Crawl(t.Context(), there, f.fetch, now); err != nil {
				r.Fatal(err)
			}
			want, _, _, _, _ := remote.page(ask(navco))
			got, list := home.known("", false)
			if !slices.Equal(got, want) {
				r.Fatalf("visit %d: known %q, shown %q", visit, got, want)
			}
			for i := range list {
				d, err := remote.WireDataset(t.Context(), ask(navco), list[i].ID)
				if err != nil || d.Title[0] != list[i].Title[0] || list[i].Participant != city || list[i].Base != base {
					r.Fatalf("visit %d: %+v, there %+v: %v", visit, list[i], d, err)
				}
			}
			again, err := home.Crawl(t.Context(), there, f.fetch, now.Add(time.Minute))
			if err != nil || again.Unchanged != again.Pages || again.Added+again.Changed+again.Gone > 0 {
				r.Fatalf("visit %d, again: %+v %v", visit, again, err)
			}
		}
	})
}

// TestCrawlHistory: when a dataset was first met, when it changed and when it went
// is kept, and one that comes back is there again.
func TestCrawlHistory(t *testing.T) {
	remote, home := open(t), open(t)
	f := &far{shop: remote, limit: 10}
	visit := func(hour int) catalog.Crawled {
		t.Helper()
		out, err := home.Crawl(t.Context(), there, f.fetch, noon.Add(time.Duration(hour)*time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	remote.add("a", anyone)
	remote.add("b", anyone)
	if out := visit(0); out.Added != 2 {
		t.Errorf("first visit: %+v", out)
	}
	remote.must(remote.write(func(tx hansa.Tx) error { return remote.WithdrawOffer(tx, city, "offer-a", noon) }))
	if out := visit(1); out.Gone != 1 || out.Same != 1 || out.Changed+out.Added != 0 {
		t.Errorf("second visit: %+v", out)
	}
	_, list := home.known("", true)
	if len(list) != 2 || !list[0].Gone.Equal(noon.Add(time.Hour)) || !list[0].First.Equal(noon) || !list[1].Gone.IsZero() || !list[1].Changed.Equal(noon) {
		t.Errorf("after the second: %+v", list)
	}
	remote.add("a", anyone)
	if out := visit(2); out.Changed != 1 {
		t.Errorf("third visit: %+v", out)
	}
	if _, list = home.known("", false); len(list) != 2 || !list[0].First.Equal(noon) || !list[0].Changed.Equal(noon.Add(2*time.Hour)) {
		t.Errorf("after the third: %+v", list)
	}
	home.must(home.Forget(t.Context(), navco, []string{base}))
	if ids, _ := home.known("", true); len(ids) != 2 {
		t.Errorf("what is kept was forgotten: %q", ids)
	}
	home.must(home.Forget(t.Context(), navco, nil))
	if ids, _ := home.known("", true); ids != nil {
		t.Errorf("forgotten and still known: %q", ids)
	}
}

// TestCrawlThatFails: a walk that breaks off marks nothing gone, says why, and the
// next one goes on.
func TestCrawlThatFails(t *testing.T) {
	remote, home := open(t), open(t)
	f := &far{shop: remote, limit: 2}
	for i := range 6 {
		remote.add(fmt.Sprintf("m%d", i), anyone)
	}
	if _, err := home.Crawl(t.Context(), there, f.fetch, noon); err != nil {
		t.Fatal(err)
	}
	remote.must(remote.write(func(tx hansa.Tx) error {
		return errors.Join(remote.WithdrawOffer(tx, city, "offer-m0", noon), remote.WithdrawOffer(tx, city, "offer-m5", noon))
	}))
	f.fail = f.calls + 2
	if _, err := home.Crawl(t.Context(), there, f.fetch, noon.Add(time.Hour)); hansa.KindOf(err) != hansa.Busy {
		t.Errorf("the walk that breaks off: %v", err)
	}
	if ids, _ := home.known("", false); len(ids) != 6 {
		t.Errorf("after half a walk %q is known", ids)
	}
	visits, err := home.Visits(t.Context(), navco)
	if err != nil || len(visits) != 1 || visits[0].Reason != "the line is down" || !visits[0].Good.Equal(noon) || !visits[0].Tried.Equal(noon.Add(time.Hour)) || visits[0].Datasets != 6 {
		t.Errorf("visits %+v: %v", visits, err)
	}
	if _, err := home.Crawl(t.Context(), there, f.fetch, noon.Add(2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if ids, _ := home.known("", false); strings.Join(ids, " ") != "m1 m2 m3 m4" {
		t.Errorf("after a whole walk %q is known", ids)
	}
	if visits, err = home.Visits(t.Context(), navco); err != nil || visits[0].Reason != "" || visits[0].Datasets != 4 {
		t.Errorf("visits %+v: %v", visits, err)
	}
}

// TestCrawlBounds: a catalogue that has no end, no bounds or another owner is
// refused in words, and what is too large is passed by.
func TestCrawlBounds(t *testing.T) {
	set := func(ids ...string) *catalog.WireCatalog {
		w := &catalog.WireCatalog{Type: "Catalog", ParticipantID: string(city)}
		for _, id := range ids {
			w.Dataset = append(w.Dataset, catalog.WireDataset{ID: id})
		}
		return w
	}
	n := 0
	for name, tc := range map[string]struct {
		fetch catalog.Fetch
		kind  hansa.Kind
	}{
		"circle": {func(context.Context, catalog.Asked) (catalog.Fetched, error) {
			return catalog.Fetched{Catalog: set("a"), Next: "x"}, nil
		}, hansa.Invalid},
		"no end": {func(context.Context, catalog.Asked) (catalog.Fetched, error) {
			n++
			return catalog.Fetched{Catalog: set(), Next: fmt.Sprint(n)}, nil
		}, hansa.Busy},
		"too many bytes": {func(context.Context, catalog.Asked) (catalog.Fetched, error) {
			n++
			return catalog.Fetched{Catalog: set(), Next: fmt.Sprint(n), Bytes: catalog.CrawlBytesMax / 3}, nil
		}, hansa.Busy},
		"another's": {func(context.Context, catalog.Asked) (catalog.Fetched, error) {
			w := set("a")
			w.ParticipantID = string(rival)
			return catalog.Fetched{Catalog: w}, nil
		}, hansa.Denied},
		"nothing": {func(context.Context, catalog.Asked) (catalog.Fetched, error) { return catalog.Fetched{}, nil }, hansa.Invalid},
	} {
		home := open(t)
		if _, err := home.Crawl(t.Context(), there, tc.fetch, noon); hansa.KindOf(err) != tc.kind || err == nil {
			t.Errorf("%s: %v", name, err)
		}
		if visits, err := home.Visits(t.Context(), navco); err != nil || len(visits) != 1 || visits[0].Reason == "" || !visits[0].Good.IsZero() {
			t.Errorf("%s: visits %+v: %v", name, visits, err)
		}
	}
	home := open(t)
	big := set("small", "large")
	big.Dataset[1].Title = catalog.Many[catalog.Text]{{Value: strings.Repeat("x", catalog.CrawlDatasetMax)}}
	out, err := home.Crawl(t.Context(), there, func(context.Context, catalog.Asked) (catalog.Fetched, error) {
		return catalog.Fetched{Catalog: big}, nil
	}, noon)
	if ids, _ := home.known("", false); err != nil || out.Passed != 1 || !slices.Equal(ids, []string{"small"}) {
		t.Errorf("large ones: %+v, known %q: %v", out, ids, err)
	}
}

// TestKnown: a search meets own datasets, what others here offer the party, and
// catalogues elsewhere; and none that others offer to others.
func TestKnown(t *testing.T) {
	home := open(t)
	own := dataset("own", "own")
	own.Party, own.Title = navco, map[string]string{"en": "Probe speeds, 100% of_them"}
	home.must(home.write(func(tx hansa.Tx) error { return home.SaveDataset(tx, own) }))
	home.add("a", anyone)
	home.add("b", anyone, rival)
	w, err := catalog.ParseCatalog([]byte(`{"@type":"Catalog","dataset":[{"@id":"far-1","dct:title":"Probe counts"},{"@id":"far-2","edc:name":"Ferry TIMES"}]}`))
	home.must(err)
	_, err = home.Crawl(t.Context(), catalog.Elsewhere{Party: navco, Participant: rival, Base: "https://rival.example"}, func(context.Context, catalog.Asked) (catalog.Fetched, error) {
		return catalog.Fetched{Catalog: w}, nil
	}, noon)
	home.must(err)
	for words, want := range map[string]string{
		"": "own a far-1 far-2", "probe": "own far-1", "PROBE counts": "far-1", "ferry times": "far-2", "100%": "own", "of_them": "own", "ofxthem": "", "%": "own", "road-events": "own a", "nothing": "",
	} {
		if ids, _ := home.known(words, false); strings.Join(ids, " ") != want {
			t.Errorf("%q finds %q, want %q", words, ids, want)
		}
	}
	q := ask("")
	q.Party, q.Limit = navco, 2
	if list, more, err := home.Known(t.Context(), catalog.Search{Query: q}); err != nil || len(list) != 2 || !more {
		t.Errorf("two of four: %d, more %v: %v", len(list), more, err)
	}
	q.Party = rival
	if list, _, err := home.Known(t.Context(), catalog.Search{Query: q}); err != nil || len(list) != 2 || list[0].ID != "a" || list[1].ID != "b" {
		t.Errorf("the rival finds %+v: %v", list, err)
	}
	if _, _, err := home.Known(t.Context(), catalog.Search{Query: q, Words: strings.Repeat("a ", 20)}); hansa.KindOf(err) != hansa.Invalid {
		t.Errorf("too many words: %v", err)
	}
}

// BenchmarkCrawl: a visit to a catalogue of 10,000 datasets that is as it was, one
// of which a hundred changed, and a search over what is known of it.
func BenchmarkCrawl(b *testing.B) {
	remote, home := open(b), open(b)
	remote.fill(10_000)
	f := &far{shop: remote, limit: catalog.PageMax}
	visit := func(b *testing.B) catalog.Crawled {
		out, err := home.Crawl(b.Context(), there, f.fetch, noon)
		if err != nil {
			b.Fatal(err)
		}
		return out
	}
	if out := visit(b); out.Added != 10_000 {
		b.Fatalf("%+v", out)
	}
	b.Run("unchanged", func(b *testing.B) {
		for b.Loop() {
			if out := visit(b); out.Unchanged != out.Pages {
				b.Fatalf("%+v", out)
			}
		}
	})
	b.Run("search", func(b *testing.B) {
		for b.Loop() {
			if ids, _ := home.known("district 9999", false); len(ids) != 1 {
				b.Fatalf("%d found", len(ids))
			}
		}
	})
}
