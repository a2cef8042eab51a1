package bench

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"github.com/go-json-experiment/json"
	_ "modernc.org/sqlite" // the same driver as the store's
)

// Floor is the bare baseline of ingest: HTTP, strict JSON, a digest, and one
// insert, committed in groups with a savepoint a caller before the answer; no
// exchange around it.
type Floor struct {
	writer *group
	srv    *http.Server
	URL    string
}

// floorRecord is what the floor reads of a record.
type floorRecord struct {
	Kind      string         `json:"kind"`
	ID        string         `json:"id"`
	Version   int64          `json:"version"`
	Updated   time.Time      `json:"updated"`
	Situation map[string]any `json:"situation"`
}

// NewFloor starts a floor with its database in dir, on a free port of loopback.
func NewFloor(ctx context.Context, dir string) (*Floor, error) {
	w, err := openGroup(ctx, filepath.Join(dir, "floor.db"), `CREATE TABLE record (n INTEGER PRIMARY KEY, id TEXT, version INT, body BLOB, sum BLOB)`, `CREATE UNIQUE INDEX record_id ON record (id, version, sum)`)
	if err != nil {
		return nil, err
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, w.close())
	}
	f := &Floor{writer: w, URL: "http://" + ln.Addr().String() + "/"}
	f.srv = &http.Server{Handler: http.HandlerFunc(f.take), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = f.srv.Serve(ln) }()
	return f, nil
}

// Close stops the floor.
func (f *Floor) Close() error {
	return errors.Join(f.srv.Close(), f.writer.close())
}

func (f *Floor) take(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(io.LimitReader(r.Body, 8<<20))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	lines := bytes.Split(bytes.TrimSpace(b), []byte("\n"))
	recs := make([]floorRecord, len(lines))
	for i, l := range lines {
		if err := json.Unmarshal(l, &recs[i]); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	err = f.writer.do(func(tx *sql.Tx) error {
		st, err := tx.Prepare("INSERT INTO record (id, version, body, sum) VALUES (?, ?, ?, ?)") //nolint:noctx // the group outlives its callers
		if err != nil {
			return err
		}
		defer st.Close() //nolint:errcheck // the transaction closes it too
		for i, l := range lines {
			sum := sha256.Sum256(l)
			if _, err := st.Exec(recs[i].ID, recs[i].Version, l, sum[:]); err != nil { //nolint:noctx // the group outlives its callers
				return err
			}
		}
		return nil
	})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = w.Write([]byte(`{"accepted":1}`))
}
