package dsp

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
)

// zipFrom is the size from which an answer is worth packing.
const zipFrom = 1 << 10

// writeZipped answers with a document, packed where the caller takes gzip.
func writeZipped(w http.ResponseWriter, r *http.Request, v any) {
	b, err := json.Marshal(v)
	if err != nil || len(b) < zipFrom || !takesGzip(r) {
		write(w, http.StatusOK, v)
		return
	}
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
	if err == nil {
		_, err = z.Write(b)
	}
	if err != nil || z.Close() != nil {
		write(w, http.StatusOK, v)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Encoding", "gzip")
	h.Set("Content-Length", strconv.Itoa(packed.Len()))
	h.Set(PeerHeader, Version)
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(packed.Bytes()) // the caller has gone; nobody is left to tell
}

func takesGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, q, _ := strings.Cut(strings.TrimSpace(part), ";")
		if name == "gzip" && !strings.HasPrefix(strings.ReplaceAll(q, " ", ""), "q=0") {
			return true
		}
	}
	return false
}
