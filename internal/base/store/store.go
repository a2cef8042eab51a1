// Package store is the one database of a node: one SQLite file, one writer that
// commits what has queued as one transaction, many readers. It alone knows the
// SQL dialect. Success is told after the commit is durable, and a caller's error
// undoes only that caller; what storage cannot keep is refused, never lost.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	_ "modernc.org/sqlite" // the driver

	"github.com/hansa-exchange/hansa"
)

// Limits of the store.
const (
	groupMax      = 512     // callers in one transaction
	queueMax      = 8192    // callers that may wait for the writer
	gatherMax     = 8       // times that the writer lets others run before it takes them
	statementsMax = 256     // prepared statements kept for a connection
	readersMax    = 4       // connections that read
	walPages      = 8000    // pages of the log at which the writer itself copies it into the file
	fillBytes     = 4 << 20 // bytes written after which it is copied beside the writer
)

// startGroups is how many groups, those in which a node starts, even the faulty
// build of the crash tests acknowledges as it should.
const startGroups = 60

// Config says how the store behaves. The zero value is right.
type Config struct {
	// CachePages is the page cache of each connection in KiB; 0 is 16 MiB.
	CacheKiB int
	// Full is called when a group was lost because the disk is full, before its
	// callers hear of it: whoever keeps a reserve frees it here.
	Full func()
}

// Store is an open database. Its methods may be called by many at once.
type Store struct {
	path    string
	full    func()
	lock    *os.File
	writer  *sql.DB
	conn    *sql.Conn
	readers *sql.DB
	queue   chan *job
	filled  chan struct{} // the log has grown by a good deal
	done    chan struct{} // closed when the writer has ended
	emptied chan struct{} // closed when backfilling has ended
	copies  *sql.DB       // the connection that copies the log into the file

	mu     sync.RWMutex // guards closed against sends into queue
	closed bool

	broken atomic.Pointer[hansa.Error] // why nothing is written any more
	groups atomic.Int64                // acknowledged before their commit, by the faulty build alone
	pool   chan *reader
}

// job is one caller's change on its way through the writer.
type job struct {
	ctx  context.Context
	f    func(hansa.Tx) error
	done chan error
}

var _ hansa.DB = (*Store)(nil)

// Open opens or creates the database at path, for this process alone. A second
// opener is told who holds it.
func Open(ctx context.Context, path string, cfg Config) (*Store, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	lock, err := lockFile(path + ".lock")
	if err != nil {
		return nil, err
	}
	s := &Store{path: path, full: cfg.Full, lock: lock, queue: make(chan *job, queueMax), done: make(chan struct{}), filled: make(chan struct{}, 1), emptied: make(chan struct{})}
	if err := s.connect(ctx, cfg); err != nil {
		return nil, errors.Join(explain(err), s.disconnect())
	}
	go s.backfill() //nolint:gosec,contextcheck // it ends with the writer
	go s.write()    //nolint:gosec // the writer outlives the call that opened it; Close ends it
	return s, nil
}

// connect opens the writer's connection and the readers'.
func (s *Store) connect(ctx context.Context, cfg Config) error {
	// Made with its mode first, so that the database is never readable by others.
	f, err := os.OpenFile(s.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	cache := cfg.CacheKiB
	if cache == 0 {
		cache = 16 << 10
	}
	if s.writer, err = sql.Open("sqlite", dsn(s.path, cache, "page_size(8192)", "journal_mode(WAL)", "synchronous("+synchronous+")", "wal_autocheckpoint("+strconv.Itoa(walPages)+")")); err != nil {
		return err
	}
	s.writer.SetMaxOpenConns(1)
	if s.conn, err = s.writer.Conn(ctx); err != nil {
		return err
	}
	if _, err := s.conn.ExecContext(ctx, schema); err != nil {
		return err
	}
	if s.readers, err = sql.Open("sqlite", dsn(s.path, cache, "query_only(1)")); err != nil {
		return err
	}
	if s.copies, err = sql.Open("sqlite", dsn(s.path, 1<<10, "synchronous("+synchronous+")", "wal_autocheckpoint(0)")); err != nil {
		return err
	}
	s.copies.SetMaxOpenConns(1)
	s.readers.SetMaxOpenConns(readersMax)
	s.readers.SetMaxIdleConns(readersMax)
	s.pool = make(chan *reader, readersMax)
	for range readersMax {
		c, err := s.readers.Conn(ctx)
		if err != nil {
			return err
		}
		s.pool <- &reader{conn: c, cache: statements{prepare: c.PrepareContext}}
	}
	return s.beginEpoch(ctx)
}

// dsn names the file with its settings.
func dsn(path string, cacheKiB int, pragmas ...string) string {
	q := url.Values{"_pragma": append([]string{"busy_timeout(10000)", "foreign_keys(1)", fmt.Sprintf("cache_size(-%d)", cacheKiB), "temp_store(2)"}, pragmas...)}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String()
}

// Close lets what has queued be written, and closes the database.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	close(s.queue)
	s.mu.Unlock()
	<-s.done
	<-s.emptied
	return s.disconnect()
}

func (s *Store) disconnect() error {
	var errs []error
	for range len(s.pool) {
		r := <-s.pool
		r.cache.close()
		errs = append(errs, r.conn.Close())
	}
	if s.readers != nil {
		errs = append(errs, s.readers.Close())
	}
	if s.copies != nil {
		errs = append(errs, s.copies.Close())
	}
	if s.conn != nil {
		errs = append(errs, s.conn.Close())
	}
	if s.writer != nil {
		errs = append(errs, s.writer.Close())
	}
	return errors.Join(append(errs, s.lock.Close())...)
}

// Write runs f in a savepoint of the group's transaction and returns after that
// transaction is durable. f's error, or its panic, undoes f alone. A full queue is
// Busy/CodeOverloaded, a full disk Busy/CodeStorageFull. f must not call Write.
func (s *Store) Write(ctx context.Context, f func(hansa.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if e := s.broken.Load(); e != nil {
		return e
	}
	j := &job{ctx: ctx, f: f, done: make(chan error, 1)}
	s.mu.RLock()
	if s.closed {
		s.mu.RUnlock()
		return hansa.Errorf(hansa.Busy, "the node is stopping").With(hansa.CodeOverloaded)
	}
	select {
	case s.queue <- j:
		s.mu.RUnlock()
	default:
		s.mu.RUnlock()
		return hansa.Errorf(hansa.Busy, "%d changes wait to be written", queueMax).With(hansa.CodeOverloaded)
	}
	return <-j.done
}

// Read runs f on one consistent view of what is committed. f may not change
// anything, and may not call Read.
func (s *Store) Read(ctx context.Context, f func(hansa.Tx) error) error {
	var r *reader
	select {
	case r = <-s.pool:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { s.pool <- r }()
	plain := context.WithoutCancel(ctx) // a view is begun and ended whole
	if err := r.exec(plain, "BEGIN"); err != nil {
		return explain(err)
	}
	defer r.exec(plain, "ROLLBACK") //nolint:errcheck // a view that was read has nothing to undo
	return explain(f(&readTx{ctx: ctx, reader: r}))
}

// reader is one connection that reads, with its prepared statements: a statement
// is prepared where it runs, so that a view never waits for a second connection.
type reader struct {
	conn  *sql.Conn
	cache statements
}

func (r *reader) exec(ctx context.Context, query string) error {
	st, err := r.cache.get(ctx, query)
	if err != nil {
		return err
	}
	if st == nil {
		_, err = r.conn.ExecContext(ctx, query)
	} else {
		_, err = st.ExecContext(ctx)
	}
	return err
}

// readTx is a view as rooms see it.
type readTx struct {
	ctx    context.Context //nolint:containedctx // a transaction lives within one call
	reader *reader
}

func (*readTx) Exec(string, ...any) (sql.Result, error) {
	return nil, errors.New("internal error: a read changes nothing")
}

func (t *readTx) Query(query string, args ...any) (*sql.Rows, error) {
	st, err := t.reader.cache.get(t.ctx, query)
	if err != nil {
		return nil, err
	}
	if st == nil {
		return t.reader.conn.QueryContext(t.ctx, query, args...)
	}
	return st.QueryContext(t.ctx, args...)
}

func (t *readTx) QueryRow(query string, args ...any) *sql.Row {
	st, err := t.reader.cache.get(t.ctx, query)
	if err != nil || st == nil {
		return t.reader.conn.QueryRowContext(t.ctx, query, args...)
	}
	return st.QueryRowContext(t.ctx, args...)
}

// statements keeps prepared statements by their text.
type statements struct {
	mu      sync.Mutex // guards kept
	kept    map[string]*sql.Stmt
	prepare func(context.Context, string) (*sql.Stmt, error)
}

// get returns the prepared statement for query; nil when no more are kept.
func (c *statements) get(ctx context.Context, query string) (*sql.Stmt, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if st := c.kept[query]; st != nil {
		return st, nil
	}
	if len(c.kept) >= statementsMax {
		return nil, nil //nolint:nilnil // the caller runs it unprepared
	}
	st, err := c.prepare(context.WithoutCancel(ctx), query)
	if err != nil {
		return nil, err
	}
	if c.kept == nil {
		c.kept = map[string]*sql.Stmt{}
	}
	c.kept[query] = st
	return st, nil
}

func (c *statements) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, st := range c.kept {
		_ = st.Close() // the connection goes with it
	}
	clear(c.kept)
}

// Broken returns why nothing is written any more; nil while the disk is sound.
func (s *Store) Broken() error {
	if e := s.broken.Load(); e != nil {
		return e
	}
	return nil
}

// Path returns the database's file.
func (s *Store) Path() string { return s.path }

// Size returns the bytes of the database and of its log.
func (s *Store) Size() int64 {
	var n int64
	for _, suffix := range []string{"", "-wal"} {
		if i, err := os.Stat(s.path + suffix); err == nil {
			n += i.Size()
		}
	}
	return n
}

// Check asks the database whether its pages are sound; the first thing that is
// not is named in a CodeCorrupt error. It reads the whole file.
func (s *Store) Check(ctx context.Context) error {
	var says string
	err := s.Read(ctx, func(tx hansa.Tx) error { return tx.QueryRow(`PRAGMA quick_check(1)`).Scan(&says) })
	if err == nil && says != "ok" {
		err = &hansa.Error{Kind: hansa.Internal, Code: hansa.CodeCorrupt, Message: "the database file is damaged: " + says}
	}
	return err
}

// unix is how a time stands in the store's own rows: milliseconds since 1970.
func unix(t time.Time) int64 { return t.UnixMilli() }
