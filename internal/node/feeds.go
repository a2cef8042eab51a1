package node

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"iter"
	"maps"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/outbound"
	"github.com/hansa-exchange/hansa/internal/base/words"
	"github.com/hansa-exchange/hansa/internal/dataplane/feed"
	"github.com/hansa-exchange/hansa/internal/dataplane/format"
	"github.com/hansa-exchange/hansa/internal/dataplane/receipt"
)

// openFeeds joins the sources to the data way.
func (n *Node) openFeeds() (*feed.Feeds, error) {
	return feed.New(feed.Config{
		DB: n.db, Fetch: fetcher{n.client}, Now: n.clock, Log: n.log, Jitter: rand.Float64,
		Read: func(f *feed.Feed, r io.Reader, now time.Time) iter.Seq2[feed.Item, error] {
			return func(yield func(feed.Item, error) bool) {
				kind := string(f.Format)
				if kind == "" {
					head := bufio.NewReader(r)
					kind, r = sniff(head), head
				}
				for item, err := range Read(n.line.codecs, kind, r, format.Input{Zone: f.Zone, Now: now}) {
					out := feed.Item{Record: item.Record, ID: item.ID}
					if item.Refused != nil {
						out.Refused = item.Refused
					}
					if !yield(out, err) {
						return
					}
				}
			}
		},
		Take: func(ctx context.Context, f *feed.Feed, recs []*hansa.Record) ([]error, error) {
			d, err := n.datasetFor(hansa.Actor{Party: f.Party}, string(f.Dataset))
			if err != nil {
				return nil, err
			}
			_, refused, err := n.line.take(ctx, d, recs, foreign, nil)
			return refused, err
		},
		Present: func(ctx context.Context, f *feed.Feed, id string) (*hansa.Record, error) {
			return n.stream.Of(f.Party).Get(ctx, f.Dataset, id)
		},
	}, n.cfg.Feeds)
}

// sniff tells the media type of an answer by how it begins.
func sniff(r *bufio.Reader) string {
	head, _ := r.Peek(2048) // what there is tells; the reader will meet the error
	head = bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n")
	switch {
	case bytes.HasPrefix(head, []byte("<")):
		return "application/xml"
	case bytes.HasPrefix(head, []byte("{")) && (bytes.Contains(head, []byte("FeatureCollection")) || bytes.Contains(head, []byte("\"Feature\""))):
		return "application/geo+json"
	case bytes.HasPrefix(head, []byte("{")):
		return "application/x-ndjson"
	}
	return http.DetectContentType(head)
}

// fetcher gets a source's answer through the one client.
type fetcher struct{ client *outbound.Client }

func (f fetcher) Fetch(ctx context.Context, url string, header http.Header) (int, http.Header, io.ReadCloser, error) {
	a, err := f.client.Stream(ctx, outbound.Request{Method: http.MethodGet, URL: url, Header: header})
	if err != nil {
		return 0, nil, nil, err
	}
	return a.Status, a.Header, a.Body, nil
}

// feeds makes the sources of a configuration.
func (f *File) feeds() ([]feed.Feed, error) {
	s, err := f.Setup(time.Time{})
	if err != nil {
		return nil, err
	}
	ids := map[string]hansa.PartyID{}
	for _, p := range s.Parties {
		ids[p.Name] = p.ID
	}
	var out []feed.Feed
	for _, x := range f.Feeds {
		zone, err := time.LoadLocation(first(x.Zone, "UTC"))
		if err != nil {
			return nil, hansa.Fielded("feeds."+x.Name+".zone", "there is no time zone %q", x.Zone)
		}
		party, ok := ids[first(x.Party, f.Party)]
		if !ok {
			party = f.Own()
		}
		out = append(out, feed.Feed{
			ID: x.Name, Party: party, Dataset: hansa.DatasetID(named("dataset", string(party), x.Dataset)), URL: x.URL, Path: x.Path, Format: hansa.Format(x.Format),
			Kind: feed.Kind(first(x.Kind, string(feed.Snapshot))), Every: time.Duration(x.Every), Silent: time.Duration(x.Silent), Zone: zone,
		})
	}
	return out, nil
}

// shownList is what a receiver publishes of what it shows: {"closures": [{"record",
// "version", "state"}]}.
type shownList struct {
	Closures []struct {
		Record  string `json:"record"`
		Version int64  `json:"version"`
		State   string `json:"state"`
	} `json:"closures"`
}

// pollLists fetches the lists that receivers publish, and holds them against the
// ladders.
func (n *Node) pollLists(ctx context.Context) error {
	n.mu.RLock()
	lists := make(map[hansa.FlowID]string, len(n.lists))
	maps.Copy(lists, n.lists)
	n.mu.RUnlock()
	for id, at := range lists {
		a, err := n.client.Do(ctx, outbound.Request{Method: http.MethodGet, URL: at, AnswerMax: 8 << 20})
		if err != nil {
			return err
		}
		var list shownList
		if a.Status != http.StatusOK {
			return hansa.Errorf(hansa.Busy, "the list at %s answers %d", at, a.Status)
		}
		if err := json.Unmarshal(a.Body, &list); err != nil {
			return hansa.Errorf(hansa.Invalid, "the list at %s cannot be read: %s", at, words.Misread(err))
		}
		var shown []receipt.Shown
		for _, c := range list.Closures {
			shown = append(shown, receipt.Shown{Record: c.Record, Version: c.Version})
		}
		if err := n.line.shown(ctx, id, shown); err != nil {
			return err
		}
	}
	return nil
}
