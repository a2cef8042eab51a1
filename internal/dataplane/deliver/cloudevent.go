package deliver

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"mime"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hansa-exchange/hansa"
)

const typePrefix = "org.hansa-exchange."

// envelope is a CloudEvents 1.0 event in structured mode. Extension attributes
// have lower-case letters and digits only.
type envelope struct {
	SpecVersion string         `json:"specversion"`
	ID          string         `json:"id"`
	Source      string         `json:"source"`
	Type        string         `json:"type"`
	Subject     string         `json:"subject,omitempty"`
	Time        string         `json:"time"`
	ContentType string         `json:"datacontenttype,omitempty"`
	Flow        string         `json:"hansaflow"`
	Version     string         `json:"hansaversion,omitempty"`
	Number      *int32         `json:"recordversion,omitempty"` // the version, where CloudEvents' 32 bits hold it
	Cursor      string         `json:"hansacursor,omitempty"`
	BasisKind   string         `json:"hansabasis,omitempty"`
	BasisID     string         `json:"hansabasisid,omitempty"`
	BasisHash   string         `json:"hansabasishash,omitempty"`
	Licence     string         `json:"hansalicence,omitempty"`
	Attribution string         `json:"hansaattribution,omitempty"`
	Holder      string         `json:"hansaholder,omitempty"`
	Legal       string         `json:"hansalegal,omitempty"`
	Data        jsontext.Value `json:"data,omitempty"`
	Base64      []byte         `json:"data_base64,omitempty"`
}

// EventID is the id of one event at one subscription, the same however often it
// is sent, so that a receiver can tell a repeat.
func EventID(subscription string, c hansa.Cursor) string {
	sum := sha256.Sum256([]byte(subscription + "\x00" + string(c)))
	return "msg_" + hex.EncodeToString(sum[:16])
}

func (d *Deliverer) envelope(v View, id, kind string, at time.Time) envelope {
	l := v.Label
	return envelope{
		SpecVersion: "1.0", ID: id, Type: kind, Time: at.UTC().Format(time.RFC3339Nano),
		Source: strings.TrimSuffix(d.Source, "/") + "/data/v1/flows/" + string(v.Flow.ID), Flow: string(v.Flow.ID),
		BasisKind: string(v.Flow.Basis.Kind), BasisID: v.Flow.Basis.ID, BasisHash: v.Flow.Basis.Hash,
		Licence: l.Licence, Attribution: l.Attribution, Holder: l.Holder, Legal: l.Legal,
	}
}

// cloudEvent writes one event for one subscription.
func (d *Deliverer) cloudEvent(v View, subscription string, e *Event) (id string, body []byte, err error) {
	id = EventID(subscription, e.Cursor)
	c := d.envelope(v, id, e.Type(), e.At)
	c.Subject, c.Version, c.Cursor = e.Record, strconv.FormatInt(e.Version, 10), string(e.Cursor)
	if n := int32(e.Version); int64(n) == e.Version { //nolint:gosec // the comparison is the check
		c.Number = &n
	}
	if e.Refused || e.Gone {
		doc := struct {
			Record string       `json:"record"`
			Losses []hansa.Loss `json:"losses"`
		}{e.Record, e.Losses}
		if c.Data, err = json.Marshal(doc); err != nil {
			return "", nil, fmt.Errorf("write what was withheld: %w", err)
		}
		c.ContentType = "application/json"
	} else {
		c.ContentType = e.MediaType
		c.Data, c.Base64, err = inline(e.MediaType, e.Body)
		if err != nil {
			return "", nil, err
		}
	}
	body, err = json.Marshal(c)
	if err != nil {
		return "", nil, fmt.Errorf("write a CloudEvent: %w", err)
	}
	return id, body, nil
}

// inline returns a body as it stands in JSON: a value, a string, or base64.
func inline(mediaType string, body []byte) (jsontext.Value, []byte, error) {
	t, _, _ := mime.ParseMediaType(mediaType)
	switch {
	case len(body) == 0:
		return nil, nil, nil
	case strings.HasSuffix(t, "/json") || strings.HasSuffix(t, "+json"):
		return jsontext.Value(body), nil, nil
	case utf8.Valid(body):
		s, err := jsontext.AppendQuote(nil, string(body))
		return s, nil, err
	}
	return nil, body, nil
}
