package node

import (
	"bytes"
	"fmt"
	"io"
	"net/http"

	"github.com/hansa-exchange/hansa/internal/base/outbound"
)

// calls lets a library call out through the one client for calls out.
type calls struct{ client *outbound.Client }

// RoundTrip makes one call (http.RoundTripper).
func (c calls) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		b, err := io.ReadAll(io.LimitReader(r.Body, 8<<20))
		if err != nil {
			return nil, err
		}
		body = b
		_ = r.Body.Close() // read whole
	}
	a, err := c.client.Do(r.Context(), outbound.Request{Method: r.Method, URL: r.URL.String(), Header: r.Header, Body: body, AnswerMax: 1 << 20})
	if err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: a.Status, Status: fmt.Sprintf("%d %s", a.Status, http.StatusText(a.Status)), Header: a.Header,
		Body: io.NopCloser(bytes.NewReader(a.Body)), ContentLength: int64(len(a.Body)), Request: r, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}, nil
}
