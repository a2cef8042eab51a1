package demo

import (
	"bufio"
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
)

// snapshotBytesMax bounds a file that a receiver polls.
const snapshotBytesMax = 16 << 20

// poll fetches the present state every so often, in story time but at least ten
// times in a real second never. What is new is taken; what is gone is over.
func (r *Receiver) poll(ctx context.Context, every time.Duration) error {
	var busy sync.WaitGroup
	defer busy.Wait()
	if r.Manner == Listing {
		ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", r.listAddress())
		if err != nil {
			return err
		}
		busy.Go(func() { r.publish(ctx, ln) })
	}
	etag := ""
	held := map[string]fact{}
	for {
		now, tag, err := r.fetch(ctx, etag)
		switch {
		case err != nil && ctx.Err() == nil:
			r.failed("poll: %v", err)
		case err == nil && tag != etag:
			etag = tag
			for id, f := range held {
				if _, still := now[id]; !still {
					f.over = true
					busy.Go(func() { r.take(ctx, f) })
				}
			}
			for id, f := range now {
				if old, ok := held[id]; !ok || f.version > old.version {
					busy.Go(func() { r.take(ctx, f) })
				}
			}
			held = now
		}
		t := time.NewTimer(max(r.real(every), 150*time.Millisecond))
		select {
		case <-ctx.Done():
			t.Stop()
			return nil
		case <-t.C:
		}
	}
}

// fetch reads the snapshot unless it is the one that the receiver has.
func (r *Receiver) fetch(ctx context.Context, etag string) (map[string]fact, string, error) {
	ctx, stop := context.WithTimeout(ctx, 10*time.Second)
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.stage.Exchange+"/data/v1/flows/"+r.stage.Flow+"/snapshot?format="+string(r.Format), nil)
	if err != nil {
		return nil, "", err
	}
	req.Header.Set("Authorization", "Bearer "+r.stage.Token)
	req.Header.Set("Hansa-Purpose", string(r.Purpose))
	if etag != "" {
		req.Header.Set("If-None-Match", etag)
	}
	res, err := r.stage.Client.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusNotModified {
		return nil, etag, nil
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, snapshotBytesMax))
	if err != nil {
		return nil, "", err
	}
	if res.StatusCode != http.StatusOK {
		return nil, "", fmt.Errorf("%s: %.300s", res.Status, b)
	}
	facts, err := understand(b)
	return facts, res.Header.Get("ETag"), err
}

// understand reads what a receiver needs of a document in its format: which
// closures there are, and where.
func understand(b []byte) (map[string]fact, error) {
	b = bytes.TrimSpace(b)
	out := map[string]fact{}
	if len(b) == 0 {
		return out, nil
	}
	if b[0] == '<' {
		return out, understandXML(b, out)
	}
	var doc struct {
		Features []struct {
			ID         string `json:"id"`
			Properties struct {
				Version int64 `json:"version"`
			} `json:"properties"`
		} `json:"features"`
		Incidents []struct {
			ID     string `json:"id"`
			Street string `json:"street"`
		} `json:"incidents"`
		Records []recordBody `json:"records"`
		recordBody
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		return nil, err
	}
	for _, f := range doc.Features {
		out[f.ID] = fact{id: f.ID, version: f.Properties.Version}
	}
	for _, i := range doc.Incidents {
		id, _, _ := strings.Cut(i.ID, "#")
		out[id] = fact{id: id, segment: i.Street}
	}
	for _, x := range append(doc.Records, doc.recordBody) {
		if x.ID != "" {
			out[x.ID] = x.fact()
		}
	}
	return out, nil
}

// recordBody is what a receiver reads of a canonical record.
type recordBody struct {
	ID        string `json:"id"`
	Version   int64  `json:"version"`
	Update    string `json:"update"`
	Situation struct {
		Infra struct {
			Name string `json:"name"`
			Tube string `json:"tube"`
		} `json:"infra"`
		Road struct {
			Name string `json:"name"`
		} `json:"road"`
	} `json:"situation"`
}

func (x recordBody) fact() fact {
	name := x.Situation.Infra.Name
	if name == "" {
		name = x.Situation.Road.Name
	}
	return fact{id: x.ID, version: x.Version, segment: name, over: x.Update == "end" || x.Update == "withdraw"}
}

// understandXML reads CIFS incidents and DATEX II situation records by their ids.
func understandXML(b []byte, out map[string]fact) error {
	d := xml.NewDecoder(bytes.NewReader(b))
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		e, ok := t.(xml.StartElement)
		if !ok || e.Name.Local != "incident" && e.Name.Local != "situationRecord" {
			continue
		}
		f := fact{}
		for _, a := range e.Attr {
			switch a.Name.Local {
			case "id":
				f.id, _, _ = strings.Cut(a.Value, "#")
			case "version":
				_, _ = fmt.Sscan(a.Value, &f.version) // a version that is no number is none
			}
		}
		if f.id != "" {
			out[f.id] = f
		}
	}
}

// follow reads the event stream and goes on where it broke off.
func (r *Receiver) follow(ctx context.Context) error {
	var busy sync.WaitGroup
	defer busy.Wait()
	last := ""
	for ctx.Err() == nil {
		path := "/data/v1/flows/" + r.stage.Flow + "/events?format=" + string(r.Format) + "&since=" + last
		res, err := r.call(ctx, http.MethodGet, path, "text/event-stream", nil)
		if err == nil && res.StatusCode != http.StatusOK {
			err = decode(res, nil)
		} else if err == nil {
			last, err = r.read(ctx, res.Body, last, &busy)
			_ = res.Body.Close()
		}
		if err != nil && ctx.Err() == nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
			r.failed("stream: %v", err)
		}
		t := time.NewTimer(300 * time.Millisecond)
		select {
		case <-ctx.Done():
		case <-t.C:
		}
		t.Stop()
	}
	return nil
}

// read takes the events of one connection, and returns the last cursor.
func (r *Receiver) read(ctx context.Context, body io.Reader, last string, busy *sync.WaitGroup) (string, error) {
	s := bufio.NewScanner(body)
	s.Buffer(make([]byte, 64<<10), 4<<20)
	id := ""
	for s.Scan() {
		name, value, _ := strings.Cut(s.Text(), ": ")
		switch name {
		case "id":
			id = value
		case "data":
			var e struct {
				Type    string `json:"type"`
				Record  string `json:"record"`
				Version int64  `json:"version"`
				Update  string `json:"update"`
				Data    any    `json:"data"`
			}
			if err := json.Unmarshal([]byte(value), &e); err != nil {
				return last, err
			}
			if last = id; e.Record == "" || strings.HasSuffix(e.Type, ".withheld") {
				continue
			}
			f := fact{id: e.Record, version: e.Version, over: e.Update == "end" || e.Update == "withdraw", segment: segmentOf(e.Data)}
			busy.Go(func() { r.take(ctx, f) })
		}
	}
	if err := s.Err(); err != nil {
		return last, err
	}
	return last, io.EOF
}

// segmentOf finds the place's name in a document of one canonical record.
func segmentOf(data any) string {
	b, err := json.Marshal(data)
	if err != nil {
		return ""
	}
	facts, err := understand(b)
	if err != nil {
		return ""
	}
	for _, f := range facts {
		return f.segment
	}
	return ""
}
