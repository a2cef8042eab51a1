package deliver_test

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/dataplane/deliver"
)

//go:embed testdata/cloudevents.json
var cloudEvents []byte

// TestFitsTheCloudEventsSchema holds every kind of body that is sent to the
// official schema of CloudEvents 1.0.
func TestFitsTheCloudEventsSchema(t *testing.T) {
	schema, err := jsonschema.UnmarshalJSON(bytes.NewReader(cloudEvents))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("cloudevents.json", schema); err != nil {
		t.Fatal(err)
	}
	s := c.MustCompile("cloudevents.json")
	valid := func(b []byte) error {
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
		if err != nil {
			return err
		}
		return s.Validate(v)
	}
	if valid([]byte(`{"specversion":"1.0","id":"1","source":"/x"}`)) == nil {
		t.Fatal("the schema takes an event without a type")
	}
	synctest.Test(t, func(t *testing.T) {
		kinds := map[string]int{}
		w := newWorld(t, sender(func(_ context.Context, _ string, _ http.Header, body []byte) (int, http.Header, []byte, error) {
			if err := valid(body); err != nil {
				t.Errorf("%s: %v", body, err)
			}
			var e struct {
				Type string
				Data json.RawMessage
			}
			if err := json.Unmarshal(body, &e); err != nil {
				t.Error(err)
			}
			kinds[e.Type]++
			var data struct{ Challenge string }
			_ = json.Unmarshal(e.Data, &data) // only a challenge has one
			return 200, nil, []byte(data.Challenge), nil
		}))
		for _, u := range []hansa.Update{hansa.Insert, hansa.Modify, hansa.End, hansa.Redact} {
			w.line.add("c1", u, hansa.Pass)
		}
		w.line.add("c2", hansa.Insert, hansa.Pass)
		last := &w.line.evs[4]
		last.Refused, last.Losses = true, []hansa.Loss{{Record: "c2", Kind: hansa.LossRefused, Field: "/x", Reason: "y"}}
		w.line.add("c3", hansa.Insert, hansa.Pass)
		w.line.evs[5].MediaType, w.line.evs[5].Body = "application/xml", []byte(`<a b="c"/>`)
		w.line.add("c4", hansa.Insert, hansa.Pass)
		w.line.evs[6].MediaType, w.line.evs[6].Body, w.line.evs[6].Version = "application/x-protobuf", []byte{0xff, 0xfe, 0}, 1<<40
		s := w.subscribe("https://nav.example/hook", "")
		w.run()
		defer w.stop()
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := w.sub(s.ID); got.State != deliver.Active || got.Cursor != "7" || len(kinds) != 6 {
			t.Errorf("sent %v, and it is %s at %q: want the challenge, four kinds of change and a withheld one", kinds, got.State, got.Cursor)
		}
	})
}
