package catalog

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
)

// Limits of what is kept of one catalogue elsewhere.
const (
	CrawlDatasetsMax = 10_000
	CrawlBytesMax    = 64 << 20  // of all its pages
	CrawlDatasetMax  = 256 << 10 // of one dataset
	CrawlPagesMax    = 1000
	crawlReasonMax   = 500
)

// Elsewhere is a participant at another node, whose catalogue a party of this one
// keeps.
type Elsewhere struct {
	Party       hansa.PartyID // of this node, in whose name it is asked
	Participant hansa.PartyID // who it is
	Base        string        // the address of its connector
}

// Asked is one page of a catalogue elsewhere that is asked for.
type Asked struct {
	Elsewhere
	Page string // opaque, from the page before; empty is the first
	ETag string // of the page as it is kept; empty when it is not
}

// Fetched is what came of it.
type Fetched struct {
	Catalog     *WireCatalog // nil when it is as it was
	Next        string       // empty on the last page
	ETag        string
	NotModified bool
	Bytes       int
}

// Fetch asks for one page.
type Fetch func(ctx context.Context, a Asked) (Fetched, error)

// Crawled says what a visit changed.
type Crawled struct {
	Pages, Unchanged   int // of them
	Added, Changed     int // datasets
	Gone, Same, Passed int // Passed are those that are too large to keep
}

// page is a page as it was at the last visit.
type page struct{ etag, next string }

// kept is a dataset as it was at the last visit.
type kept struct {
	sum, page string
	gone      bool
}

// visit is one visit to a catalogue elsewhere.
type visit struct {
	Elsewhere
	c     *Catalog
	now   time.Time
	pages map[string]page
	fresh map[string]page // read anew
	known map[string]kept
	seen  map[string]bool // datasets
	same  map[string]bool // pages that are as they were
	asked map[string]bool // pages
	bytes int
	out   Crawled
}

// Crawl visits a catalogue elsewhere and keeps what it shows: pages that are as
// they were cost no writing, of the others what changed is written, and what a
// whole walk no longer meets is marked gone. A walk that fails changes what it
// came to and marks nothing gone; why it failed is kept too.
func (c *Catalog) Crawl(ctx context.Context, at Elsewhere, fetch Fetch, now time.Time) (Crawled, error) {
	v := &visit{Elsewhere: at, c: c, now: now, pages: map[string]page{}, fresh: map[string]page{}, known: map[string]kept{}, seen: map[string]bool{}, same: map[string]bool{}, asked: map[string]bool{}}
	if err := c.db.Read(ctx, v.load); err != nil {
		return v.out, err
	}
	err := v.walk(ctx, fetch)
	if ctx.Err() != nil {
		return v.out, ctx.Err()
	}
	return v.out, errors.Join(err, c.db.Write(ctx, func(tx hansa.Tx) error { return v.close(tx, err) }))
}

// load reads what was kept at the last visit.
func (v *visit) load(tx hansa.Tx) error {
	clear(v.pages)
	clear(v.known)
	err := each(tx, func(scan func(...any) error) error {
		var name string
		var p page
		err := scan(&name, &p.etag, &p.next)
		v.pages[name] = p
		return err
	}, `SELECT page, etag, next FROM catalog_known_page WHERE party = ? AND base = ?`, string(v.Party), v.Base)
	if err != nil {
		return err
	}
	return each(tx, func(scan func(...any) error) error {
		var id string
		var k kept
		err := scan(&id, &k.sum, &k.page, &k.gone)
		v.known[id] = k
		return err
	}, `SELECT dataset, checksum, page, gone > 0 FROM catalog_known WHERE party = ? AND base = ?`, string(v.Party), v.Base)
}

// each calls f for every row of a query.
func each(tx hansa.Tx, f func(scan func(...any) error) error, query string, args ...any) error {
	rows, err := tx.Query(query, args...)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
	for rows.Next() {
		if err := f(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// walk goes over the pages.
func (v *visit) walk(ctx context.Context, fetch Fetch) error {
	for name, more := "", true; more; {
		switch {
		case v.asked[name]:
			return hansa.Errorf(hansa.Invalid, "the catalogue's pages lead in a circle")
		case len(v.asked) >= CrawlPagesMax:
			return hansa.Errorf(hansa.Busy, "the catalogue has more than %d pages", CrawlPagesMax)
		}
		v.asked[name] = true
		got, err := fetch(ctx, Asked{Elsewhere: v.Elsewhere, Page: name, ETag: v.pages[name].etag})
		if err != nil {
			return err
		}
		if v.bytes += got.Bytes; v.bytes > CrawlBytesMax {
			return hansa.Errorf(hansa.Busy, "the catalogue has more than %d bytes", CrawlBytesMax)
		}
		v.out.Pages++
		if got.NotModified {
			v.out.Unchanged++
			v.same[name] = true
			got.Next = v.pages[name].next
		} else if err := v.page(ctx, name, &got); err != nil {
			return err
		}
		name, more = got.Next, got.Next != ""
	}
	return nil
}

// page keeps what changed on one page.
func (v *visit) page(ctx context.Context, name string, got *Fetched) error {
	if got.Catalog == nil {
		return hansa.Errorf(hansa.Invalid, "the catalogue's page holds no catalogue")
	}
	if who := got.Catalog.ParticipantID; who != "" && who != string(v.Participant) {
		return hansa.Errorf(hansa.Denied, "the catalogue at %s is that of %.200q, and not of %s", v.Base, who, v.Participant).WithHint("give the peer the id that its catalogue names")
	}
	type fresh struct {
		id, body, words, sum string
	}
	var write []fresh
	for d := range got.Catalog.All {
		if v.seen[d.ID] {
			continue
		}
		if v.seen[d.ID] = true; len(v.seen) > CrawlDatasetsMax {
			return hansa.Errorf(hansa.Busy, "the catalogue has more than %d datasets", CrawlDatasetsMax)
		}
		b, err := json.Marshal(d, json.Deterministic(true))
		if err != nil {
			return err
		}
		if len(b) > CrawlDatasetMax || len(d.ID) > hansa.IDBytesMax {
			v.out.Passed++
			continue
		}
		sum := knownSum(v.Elsewhere, d.ID, b)
		if was, ok := v.known[d.ID]; ok && was.sum == sum && was.page == name && !was.gone {
			v.out.Same++
			continue
		} else if ok {
			v.out.Changed++
		} else {
			v.out.Added++
		}
		write = append(write, fresh{d.ID, string(b), searchWords(d), sum})
	}
	return v.c.db.Write(ctx, func(tx hansa.Tx) error {
		for _, f := range write {
			_, err := tx.Exec(`INSERT INTO catalog_known (party, base, dataset, participant, page, body, words, checksum, first, changed, gone) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)
				ON CONFLICT (party, base, dataset) DO UPDATE SET participant = excluded.participant, page = excluded.page, words = excluded.words, gone = 0,
					changed = CASE WHEN catalog_known.checksum = excluded.checksum AND catalog_known.gone = 0 THEN catalog_known.changed ELSE excluded.changed END,
					body = excluded.body, checksum = excluded.checksum`,
				string(v.Party), v.Base, f.id, string(v.Participant), name, f.body, f.words, f.sum, v.now.UnixMilli(), v.now.UnixMilli())
			if err != nil {
				return err
			}
		}
		v.fresh[name] = page{etag: got.ETag, next: got.Next}
		return v.dropPage(tx, name)
	})
}

// dropPage forgets that a page was as it was: until the walk is whole, what left it
// is not marked.
func (v *visit) dropPage(tx hansa.Tx, name string) error {
	_, err := tx.Exec(`DELETE FROM catalog_known_page WHERE party = ? AND base = ? AND page = ?`, string(v.Party), v.Base, name)
	return err
}

// close ends a visit, and notes how it went.
func (v *visit) close(tx hansa.Tx, failed error) error {
	reason := ""
	if failed != nil {
		reason = hansa.Public(failed).Error()
		reason = strings.ToValidUTF8(reason[:min(len(reason), crawlReasonMax)], "")
	} else if err := v.sweep(tx); err != nil {
		return err
	}
	_, err := tx.Exec(`INSERT INTO catalog_elsewhere (party, base, participant, tried, good, reason) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (party, base) DO UPDATE SET participant = excluded.participant, tried = excluded.tried, reason = excluded.reason, good = CASE WHEN excluded.good > 0 THEN excluded.good ELSE catalog_elsewhere.good END`,
		string(v.Party), v.Base, string(v.Participant), v.now.UnixMilli(), goodAt(v.now, failed), reason)
	return err
}

func goodAt(now time.Time, failed error) int64 {
	if failed != nil {
		return 0
	}
	return now.UnixMilli()
}

// sweep marks what a whole walk did not meet, and keeps the ETags of its pages.
func (v *visit) sweep(tx hansa.Tx) error {
	v.out.Gone = 0
	for id, k := range v.known {
		if k.gone || v.seen[id] || v.same[k.page] {
			continue
		}
		v.out.Gone++
		if _, err := tx.Exec(`UPDATE catalog_known SET gone = ? WHERE party = ? AND base = ? AND dataset = ?`, v.now.UnixMilli(), string(v.Party), v.Base, id); err != nil {
			return err
		}
	}
	for name := range v.pages {
		if v.asked[name] {
			continue
		}
		if err := v.dropPage(tx, name); err != nil {
			return err
		}
	}
	for name, p := range v.fresh {
		if _, err := tx.Exec(`INSERT INTO catalog_known_page (party, base, page, etag, next) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (party, base, page) DO UPDATE SET etag = excluded.etag, next = excluded.next`, string(v.Party), v.Base, name, p.etag, p.next); err != nil {
			return err
		}
	}
	return nil
}

// Forget drops the catalogues elsewhere that party keeps and that are not in keep.
func (c *Catalog) Forget(ctx context.Context, party hansa.PartyID, keep []string) error {
	var bases []string
	err := c.db.Read(ctx, func(tx hansa.Tx) error {
		bases = nil
		return each(tx, func(scan func(...any) error) error {
			var base string
			err := scan(&base)
			bases = append(bases, base)
			return err
		}, `SELECT base FROM catalog_elsewhere WHERE party = ?`, string(party))
	})
	if err != nil {
		return err
	}
	stays := map[string]bool{}
	for _, b := range keep {
		stays[b] = true
	}
	for _, base := range bases {
		if stays[base] {
			continue
		}
		err := c.db.Write(ctx, func(tx hansa.Tx) error {
			for _, table := range []string{"catalog_known", "catalog_known_page", "catalog_elsewhere"} {
				if _, err := tx.Exec(`DELETE FROM `+table+` WHERE party = ? AND base = ?`, string(party), base); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// knownSum binds a dataset of another node to whose it is.
func knownSum(at Elsewhere, id string, body []byte) string {
	h := sha256.New()
	for _, s := range []string{string(at.Party), at.Base, id, string(body)} {
		sum := sha256.Sum256([]byte(s))
		h.Write(sum[:])
	}
	return hex.EncodeToString(h.Sum(nil))
}
