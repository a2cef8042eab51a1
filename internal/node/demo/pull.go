package demo

import (
	"bufio"
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
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
				Version   int64     `json:"version"`
				StartDate time.Time `json:"start_date"` // WZDx
				situationBody
			} `json:"properties"`
		} `json:"features"`
		Incidents []struct {
			ID     string    `json:"id"`
			Street string    `json:"street"`
			Start  time.Time `json:"starttime"`
		} `json:"incidents"`
		Records []recordBody `json:"records"`
		recordBody
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		return nil, err
	}
	for _, f := range doc.Features {
		x := f.Properties.fact()
		x.id, x.version = f.ID, f.Properties.Version
		if x.start.IsZero() {
			x.start = f.Properties.StartDate
		}
		out[f.ID] = x
	}
	for _, i := range doc.Incidents {
		id, _, _ := strings.Cut(i.ID, "#")
		hold(out, fact{id: id, segment: i.Street, start: i.Start})
	}
	for _, x := range append(doc.Records, doc.recordBody) {
		if x.ID != "" {
			out[x.ID] = x.fact()
		}
	}
	return out, nil
}

// hold keeps f: of a closure that comes in several windows, the first.
func hold(out map[string]fact, f fact) {
	if old, ok := out[f.id]; !ok || f.start.Before(old.start) {
		out[f.id] = f
	}
}

// recordBody is what a receiver reads of a canonical record.
type recordBody struct {
	ID        string        `json:"id"`
	Version   int64         `json:"version"`
	Update    string        `json:"update"`
	Situation situationBody `json:"situation"`
}

// situationBody is what a receiver reads of a situation, or of a feature's properties.
type situationBody struct {
	Lifecycle string    `json:"lifecycle"`
	Start     time.Time `json:"start"`
	Extent    string    `json:"extent"`
	Direction string    `json:"direction"`
	Vehicles  []any     `json:"vehicles"`
	Infra     struct {
		Name string `json:"name"`
		Tube string `json:"tube"`
	} `json:"infra"`
	Road struct {
		Name string `json:"name"`
	} `json:"road"`
}

func (x *situationBody) fact() fact {
	f := fact{segment: x.Infra.Name, start: x.Start, extent: x.Extent, direction: x.Direction}
	if f.segment == "" {
		f.segment = x.Road.Name
	}
	switch {
	case len(x.Vehicles) > 0:
		f.vehicles = "some"
	case x.Lifecycle != "": // a document that could have said so
		f.vehicles = "all"
	}
	return f
}

func (x *recordBody) fact() fact {
	f := x.Situation.fact()
	f.id, f.version, f.over = x.ID, x.Version, x.Update == "end" || x.Update == "withdraw"
	return f
}

// understandXML reads CIFS incidents and DATEX II situation records: their ids, and
// when they begin.
func understandXML(b []byte, out map[string]fact) error {
	d := xml.NewDecoder(bytes.NewReader(b))
	f, name := fact{}, ""
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch e := t.(type) {
		case xml.StartElement:
			name = e.Name.Local
			if name == "incident" || name == "situationRecord" {
				f = fact{}
				for _, a := range e.Attr {
					switch a.Name.Local {
					case "id":
						f.id, _, _ = strings.Cut(a.Value, "#")
					case "version":
						_, _ = fmt.Sscan(a.Value, &f.version) // a version that is no number is none
					}
				}
			}
		case xml.CharData:
			if name == "starttime" || name == "overallStartTime" {
				f.start, _ = time.Parse(time.RFC3339, strings.TrimSpace(string(e))) // one that is none is not known
			}
		case xml.EndElement:
			name = ""
			if n := e.Name.Local; f.id != "" && (n == "incident" || n == "situationRecord") {
				hold(out, f)
			}
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
				Data    any    `json:"data"`
			}
			if err := json.Unmarshal([]byte(value), &e); err != nil {
				return last, err
			}
			if last = id; e.Record != "" {
				f := told(e.Type, e.Record, e.Version, e.Data)
				busy.Go(func() { r.take(ctx, f) })
			}
		}
	}
	if err := s.Err(); err != nil {
		return last, err
	}
	return last, io.EOF
}

// told is what an event says: what its type says of the record, and what can be
// read of its document. Withheld is over for the receiver: it drops what it has.
func told(kind, id string, version int64, data any) fact {
	f := fact{id: id}
	b, isXML := data.(string)
	if !isXML {
		if doc, err := json.Marshal(data); err == nil {
			b = string(doc)
		}
	}
	if facts, err := understand([]byte(b)); err == nil && facts[id].id != "" {
		f = facts[id] // a document that is not understood leaves the event's own words
	}
	f.version = version
	for _, end := range []string{".end", ".withdraw", ".withheld"} {
		f.over = f.over || strings.HasSuffix(kind, end)
	}
	return f
}
