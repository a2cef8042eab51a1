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
	db    *sql.DB
	queue chan floorJob
	srv   *http.Server
	URL   string
}

type floorJob struct {
	f    func(*sql.Tx) error
	done chan error
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
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "floor.db")+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_txlock=immediate")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(ctx, `CREATE TABLE record (n INTEGER PRIMARY KEY, id TEXT, version INT, body BLOB, sum BLOB); CREATE UNIQUE INDEX record_id ON record (id, version, sum)`); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	f := &Floor{db: db, queue: make(chan floorJob, 4096), URL: "http://" + ln.Addr().String() + "/"}
	f.srv = &http.Server{Handler: http.HandlerFunc(f.take), ReadHeaderTimeout: 5 * time.Second}
	go f.write() //nolint:contextcheck // a group outlives each of its callers
	go func() { _ = f.srv.Serve(ln) }()
	return f, nil
}

// Close stops the floor.
func (f *Floor) Close() error {
	err := f.srv.Close()
	close(f.queue)
	return errors.Join(err, f.db.Close())
}

func (f *Floor) write() {
	for j := range f.queue {
		group := []floorJob{j}
	more:
		for len(group) < 512 {
			select {
			case k, ok := <-f.queue:
				if !ok {
					break more
				}
				group = append(group, k)
			default:
				break more
			}
		}
		err := f.commit(group)
		for _, g := range group {
			g.done <- err
		}
	}
}

func (f *Floor) commit(group []floorJob) error {
	tx, err := f.db.BeginTx(context.Background(), nil)
	if err != nil {
		return err
	}
	for _, g := range group {
		if _, err := tx.Exec("SAVEPOINT a"); err != nil { //nolint:noctx // the group outlives its callers
			return errors.Join(err, tx.Rollback())
		}
		if err := g.f(tx); err != nil {
			return errors.Join(err, tx.Rollback())
		}
		if _, err := tx.Exec("RELEASE a"); err != nil { //nolint:noctx // the group outlives its callers
			return errors.Join(err, tx.Rollback())
		}
	}
	return tx.Commit()
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
	j := floorJob{done: make(chan error, 1), f: func(tx *sql.Tx) error {
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
	}}
	f.queue <- j
	if err := <-j.done; err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = w.Write([]byte(`{"accepted":1}`))
}
