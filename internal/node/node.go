// Package node builds and runs a node of the exchange: it opens the rooms, joins
// them, and keeps them running until it is told to stop. The data way is in
// line.go; nothing else knows its order.
package node

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/journal"
	"github.com/hansa-exchange/hansa/internal/base/network"
	"github.com/hansa-exchange/hansa/internal/base/outbound"
	"github.com/hansa-exchange/hansa/internal/base/store"
	"github.com/hansa-exchange/hansa/internal/base/trust"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/controlplane/catalog"
	"github.com/hansa-exchange/hansa/internal/controlplane/negotiation"
	"github.com/hansa-exchange/hansa/internal/controlplane/transfer"
	"github.com/hansa-exchange/hansa/internal/dataplane/deliver"
	"github.com/hansa-exchange/hansa/internal/dataplane/feed"
	"github.com/hansa-exchange/hansa/internal/dataplane/format/record"
	"github.com/hansa-exchange/hansa/internal/dataplane/gate"
	"github.com/hansa-exchange/hansa/internal/dataplane/receipt"
	"github.com/hansa-exchange/hansa/internal/dataplane/stream"
	"github.com/hansa-exchange/hansa/internal/edge/room"
)

// Config is what a node is built from.
type Config struct {
	Data      string // the data folder
	Origin    string // the journal's name
	PublicURL string
	Version   string
	Own       hansa.PartyID // whom the administrator's socket acts for
	Log       *slog.Logger
	// Wall is the machine's clock; nil is time.Now.
	Wall func() time.Time
	// Clock is the time that people read; nil is the wall clock. Factor says how
	// fast it runs, and is shown. Tokens, TLS and retries use the wall clock.
	Clock  func() time.Time
	Factor func() float64
	// Outbound is who may be called.
	Outbound outbound.Config
	TLS      *tls.Config
	OIDC     *OIDC  // a sign-in service for the own party's users; nil is none
	Traces   Traces // where spans go
	// RequestsPerSecond bounds one credential; 0 is requestsPerSec.
	RequestsPerSecond int
	Drawing           *room.Drawing // what the map is drawn of; nil draws the own party's places
	PlacesFile        string        // the configuration's; places are not imported then
	// TrustedProxy says that TLS ends at a proxy before us, whose word on who calls counts.
	TrustedProxy bool
	// OpenRoom lets everybody look at the room: for the demonstration alone, which
	// listens on loopback.
	OpenRoom bool
	Feeds    []feed.Feed
	// ByHand makes each step of a negotiation or transfer wait for a person.
	ByHand bool
	// Identity says who other participants are; nil is by tokens and did:web.
	Identity trust.Identity
	// CrawlEvery is how often the catalogues of peers are visited; 0 is 15 minutes.
	CrawlEvery time.Duration
	// BackupsKept is how long the operator keeps backups of this node; 0 is not said.
	BackupsKept time.Duration
	// SealEvery is how soon what happened is sealed; 0 is half a second.
	SealEvery time.Duration
}

// Node is a node that has been opened. Run serves it.
type Node struct {
	cfg     Config
	log     *slog.Logger
	clock   func() time.Time
	wall    func() time.Time
	started time.Time
	own     hansa.PartyID

	db        *store.Store
	journal   *journal.Log
	trust     *trust.Registry
	limiter   *trust.Limiter
	client    *outbound.Client
	resolver  *trust.Resolver
	accords   *accords
	copies    accordCopies   // what proofs and prints are made of
	ids       trust.Identity // who other participants are, and the proof of who ours are
	fresh     bool           // no process ran on this folder before
	elsewhere *elsewhere     // a sign-in service; nil is none
	traces    *traces
	room      *room.Room
	vault     *trust.NodeKey // seals secrets at rest
	catalog   *catalog.Catalog
	stream    *stream.Stream
	book      *receipt.Book
	deliver   *deliver.Deliverer
	feeds     *feed.Feeds
	line      *line
	desk      *desk
	doors     *doors
	deal      *deal
	tick      *beat
	changed   *beat // something that the room shows
	loaded    *beat // datasets or flows changed
	forced    *beat // something of an accord is to be done
	left      *beat // an accord may have ended
	tallies   tallies
	published published   // catalogues for everybody
	full      atomic.Bool // the disk was full: nothing is taken in until the reserve stands again

	listening atomic.Pointer[string] // the URL of the public address, once served

	crew sync.Mutex // held over a change of a user, so that who is left is so still

	mu          sync.RWMutex // guards all below
	parties     map[hansa.PartyID]hansa.Party
	places      map[hansa.PartyID]*network.Network
	tested      map[hansa.PartyID]time.Time // when a party last asked for a test closure
	lists       map[hansa.FlowID]string     // addresses of the lists that receivers publish
	checked     string
	problems    map[string]string
	forceOpened []hansa.FlowID // flows of accords that have opened
	forceLoads  bool           // accords have made datasets
	sealed      time.Time
}

// socketName is the administrator's socket in the data folder, and databaseName
// the database.
const (
	socketName   = "hansa.sock"
	databaseName = "hansa.db"
)

// Open opens a node's data folder and builds its rooms. What was left unsealed,
// and a restore that is not signed for yet, are caught up before it returns.
func Open(ctx context.Context, cfg Config) (_ *Node, err error) {
	n := &Node{
		cfg: cfg, log: cfg.Log, wall: cfg.Wall, clock: cfg.Clock, own: cfg.Own, tick: newBeat(), changed: newBeat(), loaded: newBeat(), forced: newBeat(), left: newBeat(), tallies: newTallies(),
		parties: map[hansa.PartyID]hansa.Party{}, places: map[hansa.PartyID]*network.Network{}, lists: map[hansa.FlowID]string{}, tested: map[hansa.PartyID]time.Time{}, problems: map[string]string{},
	}
	if n.wall == nil {
		n.wall = time.Now
	}
	if n.clock == nil {
		n.clock = n.wall
	}
	if n.cfg.Factor == nil {
		n.cfg.Factor = func() float64 { return 1 }
	}
	n.started = n.clock()
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return nil, err
	}
	if n.db, err = store.Open(ctx, filepath.Join(cfg.Data, databaseName), store.Config{Full: n.diskFull}); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.db.Close())
		}
	}()
	if err := n.upgrade(ctx); err != nil {
		return nil, err
	}
	if err := n.evidence(ctx); err != nil {
		return nil, err
	}
	if err := n.rooms(ctx); err != nil {
		return nil, err
	}
	return n, n.load(ctx)
}

// upgrade brings the database up to date. One that an earlier build wrote is copied
// first, whole, under a name that tells how far it was: the earlier build opens
// that copy. A kill at any point leaves a whole number of migrations, and the next
// start goes on.
func (n *Node) upgrade(ctx context.Context) error {
	all := migrations()
	missing, done, err := n.db.Behind(ctx, all)
	if err != nil {
		return err
	}
	if missing > 0 {
		name := filepath.Join(n.cfg.Data, "before-upgrade-"+strconv.Itoa(done)+".db")
		if _, err := os.Stat(name); errors.Is(err, os.ErrNotExist) {
			if err := n.db.Backup(ctx, name); err != nil {
				return fmt.Errorf("back up before the upgrade: %w", err)
			}
		}
		n.log.LogAttrs(ctx, slog.LevelInfo, "upgrading the database", slog.Int("migrations", missing), slog.String("backup", name))
	}
	if err := n.db.Migrate(ctx, all); err != nil {
		return err
	}
	return n.fillOld(ctx)
}

// fillOld writes what earlier builds did not know of what they stored, a bounded run in each
// transaction. It is done when a start finds nothing more to fill.
func (n *Node) fillOld(ctx context.Context) error {
	for _, some := range []func(hansa.Tx) (int, error){accord.NewBook().Fill, fillPledges} {
		for more := 1; more > 0; {
			err := n.db.Write(ctx, func(tx hansa.Tx) (err error) {
				more, err = some(tx)
				return err
			})
			if err != nil && hansa.Public(err).Code == hansa.CodeCorrupt { // it is read, and said, when it is asked for
				n.log.LogAttrs(ctx, slog.LevelError, "what an earlier build stored is not filled in", slog.Any("err", err))
				break
			}
			if err != nil {
				return fmt.Errorf("fill what an earlier build stored: %w", err)
			}
		}
	}
	return nil
}

// migrations joins those of every room.
func migrations() (all []hansa.Migration) {
	for _, m := range [][]hansa.Migration{journal.Migrations(), trust.Migrations(), network.Migrations(), catalog.Migrations(), stream.Migrations(), receipt.Migrations(), deliver.Migrations(), feed.Migrations(), outbound.OutboxMigrations(), negotiation.Migrations(), transfer.Migrations(), accord.Migrations(), forceMigrations(), exitMigrations(), relayMigrations(), accordMigrations()} {
		all = append(all, m...)
	}
	return append(all, hansa.Migration{Room: "node", Number: 1, Statements: []string{
		`CREATE TABLE node_pump (party TEXT NOT NULL, dataset TEXT NOT NULL, at TEXT NOT NULL, PRIMARY KEY (party, dataset))`,
		`CREATE TABLE node_held (flow TEXT NOT NULL, record TEXT NOT NULL, PRIMARY KEY (flow, record))`,
		`CREATE TABLE node_epoch (epoch TEXT NOT NULL PRIMARY KEY)`,
	}}, hansa.Migration{Room: "node", Number: 2, Statements: []string{
		`CREATE TABLE node_host (host TEXT NOT NULL PRIMARY KEY, party TEXT NOT NULL)`,
	}}, hansa.Migration{Room: "node", Number: 3, Statements: []string{
		`CREATE TABLE node_invitation (id TEXT NOT NULL PRIMARY KEY, token BLOB NOT NULL UNIQUE, party TEXT NOT NULL, doc TEXT NOT NULL, made BIGINT NOT NULL, expires BIGINT NOT NULL,
			revoked BIGINT NOT NULL DEFAULT 0, accepted BIGINT NOT NULL DEFAULT 0, acceptor TEXT NOT NULL DEFAULT '')`,
		`CREATE INDEX node_invitation_party ON node_invitation (party, made)`,
	}}, hansa.Migration{Room: "node", Number: 4, Statements: []string{
		`CREATE TABLE node_note (id TEXT NOT NULL PRIMARY KEY, party TEXT NOT NULL, author TEXT NOT NULL, at BIGINT NOT NULL, text TEXT NOT NULL)`,
		`CREATE INDEX node_note_party ON node_note (party, at)`,
	}}, hansa.Migration{Room: "node", Number: 5, Statements: []string{
		`CREATE TABLE node_draft (party TEXT NOT NULL, id TEXT NOT NULL, author TEXT NOT NULL, at BIGINT NOT NULL, doc TEXT NOT NULL, PRIMARY KEY (party, id))`,
	}}, hansa.Migration{Room: "node", Number: 6, Statements: []string{
		`CREATE TABLE node_alarm (id TEXT NOT NULL PRIMARY KEY, party TEXT NOT NULL, alarm TEXT NOT NULL, lead TEXT NOT NULL, level TEXT NOT NULL, author TEXT NOT NULL, at BIGINT NOT NULL, until BIGINT NOT NULL, reason TEXT NOT NULL)`,
		`CREATE INDEX node_alarm_party ON node_alarm (party, at)`,
	}})
}

// evidence opens the journal and who is trusted, and signs for a new epoch.
func (n *Node) evidence(ctx context.Context) error {
	key, err := trust.OpenNodeKey(trust.NodeKeyPlace{Name: n.cfg.Origin, Dir: n.cfg.Data, Credentials: os.Getenv("CREDENTIALS_DIRECTORY")})
	if err != nil {
		return err
	}
	if n.journal, err = journal.New(n.db, journal.Config{Origin: n.cfg.Origin, Signer: key.Signer(), VerifierKey: key.VerifierKey(), Now: n.wall}); err != nil {
		return err
	}
	if err := n.journal.Recover(ctx); err != nil {
		return err
	}
	n.vault = key
	if n.trust, err = trust.New(n.db, trust.Config{Journal: n.journal, Vault: n.vault, Now: n.wall}); err != nil {
		return err
	}
	n.limiter = trust.NewLimiter(trust.LimiterConfig{Rate: float64(n.rate()), Burst: float64(n.rate())})
	return n.beginEpoch(ctx)
}

// rate is how many requests a second a credential may make.
func (n *Node) rate() int {
	if n.cfg.RequestsPerSecond > 0 {
		return n.cfg.RequestsPerSecond
	}
	return requestsPerSec
}

// beginEpoch signs for an epoch that the journal does not know yet: a new node's
// first, or that of a restore, which ends every credential issued before.
func (n *Node) beginEpoch(ctx context.Context) error {
	epochs, err := n.db.Epochs(ctx)
	if err != nil {
		return err
	}
	now := epochs[len(epochs)-1]
	var known int
	if err := n.db.Read(ctx, func(tx hansa.Tx) error {
		return tx.QueryRow(`SELECT count(*) FROM node_epoch WHERE epoch = ?`, now.ID).Scan(&known)
	}); err != nil || known > 0 {
		return err
	}
	n.fresh = len(epochs) == 1
	var restored []byte
	if len(epochs) > 1 {
		if restored, err = n.journal.Checkpoint(ctx); err != nil {
			return err
		}
	}
	return n.trust.Change(ctx, func(tx hansa.Tx) error {
		if err := n.journal.BeginEpoch(tx, now.ID, restored, n.wall()); err != nil {
			return err
		}
		if len(epochs) > 1 {
			if err := n.trust.RefuseIssuedBefore(tx, now.Began); err != nil {
				return err
			}
			if err := errors.Join(outbound.Restored(tx), transfer.RevokeAll(tx)); err != nil {
				return err
			}
		}
		_, err := tx.Exec(`INSERT INTO node_epoch (epoch) VALUES (?)`, now.ID)
		return err
	})
}

// rooms builds the data plane and the doors.
func (n *Node) rooms(ctx context.Context) (err error) {
	epochs, err := n.db.Epochs(ctx)
	if err != nil {
		return err
	}
	lives := make([]stream.Epoch, 0, len(epochs))
	for _, e := range epochs {
		lives = append(lives, stream.Epoch{Number: e.Number, ID: e.ID})
	}
	if n.client, err = outbound.New(n.cfg.Outbound); err != nil {
		return err
	}
	if err := n.openIdentity(); err != nil {
		return err
	}
	if n.traces, err = openTraces(ctx, n.cfg.Traces, n.client, n.cfg.Version, n.cfg.Origin); err != nil {
		return err
	}
	if n.cfg.OIDC != nil {
		n.elsewhere = &elsewhere{cfg: n.cfg.OIDC, client: n.client, now: n.wall}
	}
	n.catalog = catalog.New(n.db, func(f *hansa.Flow) error { _, err := gate.Compile(f); return err })
	n.stream, err = stream.Open(ctx, stream.Config{
		DB: n.db, Epochs: lives, Sealer: n.journal, Now: n.clock, Count: store.Count, Decode: record.Decode,
		Encode: func(r *hansa.Record) ([]byte, error) { return record.Encode(r, nil) },
	})
	if err != nil {
		return err
	}
	n.line = &line{node: n, codecs: Codecs(), courses: map[hansa.FlowID]*course{}, pumps: map[hansa.Key]*pump{}, datasets: map[hansa.PartyID][]*hansa.Dataset{}}
	n.book = receipt.New(receipt.Config{DB: n.db, Sealer: n.journal, Verifier: n.trust, Now: n.clock, Stepped: func(hansa.Tx, receipt.Step) error { n.changed.soon(); return nil }})
	n.deliver = deliver.New(deliver.Config{
		DB: n.db, Line: n.line, Sealer: n.journal, Send: sender{n.client, n.traces}, Vault: n.vault, Now: n.wall, Log: n.log, Source: first(n.cfg.PublicURL, "urn:hansa:"+n.cfg.Origin),
		CheckURL: n.client.CheckURL, HandedOver: n.line.handed, Held: n.line.held, Jitter: rand.Float64,
	})
	if n.feeds, err = n.openFeeds(); err != nil {
		return err
	}
	if err := n.feeds.Open(ctx); err != nil {
		return err
	}
	if err := n.openHosts(ctx); err != nil {
		return err
	}
	n.desk = &desk{node: n, said: map[hansa.Key]said{}}
	n.accords = newAccords(n)
	n.copies = n.accords
	if err := n.openDeals(ctx); err != nil {
		return err
	}
	return n.openDoors(ctx)
}

// count adds to what duties count.
func (*Node) count(tx hansa.Tx, party hansa.PartyID, subject, what string, at time.Time, by int64) error {
	return store.Count(tx, party, subject, what, at, by)
}

// party returns a party by its id; one that is not known has its id as title.
func (n *Node) party(id hansa.PartyID) hansa.Party {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if p, ok := n.parties[id]; ok {
		return p
	}
	return hansa.Party{ID: id, Title: string(id)}
}

// Run serves public, and the administrator's socket, until ctx ends. It stops
// within shutdownPatience and loses nothing: what was answered is on disk.
func (n *Node) Run(ctx context.Context, public net.Listener) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	at := "http://" + public.Addr().String()
	if n.cfg.TLS != nil {
		at = "https://" + public.Addr().String()
	}
	n.listening.Store(&at)
	var wg sync.WaitGroup
	errs := make(chan error, 16)
	run := func(name string, f func(context.Context) error) {
		wg.Go(func() {
			if err := f(ctx); err != nil && ctx.Err() == nil {
				errs <- fmt.Errorf("%s: %w", name, err)
				stop()
			}
		})
	}
	run("deliver", n.deliver.Run)
	run("feeds", n.feeds.Run)
	run("trust", n.trust.Run)
	run("keep", n.keep)
	run("pumps", n.pump)
	run("deals", n.deal.run)
	run("accords", n.force)
	run("exits", n.exit)
	run("relays", n.relay)
	run("walk", n.walk)
	run("catalogues", n.crawl)
	run("doors", func(ctx context.Context) error { return n.doors.listen(ctx, public, n.cfg.TLS, n.Socket()) })
	wg.Wait()
	close(errs)
	var err error
	for e := range errs {
		err = errors.Join(err, e)
	}
	err = errors.Join(err, n.seal(context.WithoutCancel(ctx)), n.db.Close())
	n.traces.close(context.WithoutCancel(ctx))
	return err
}

// Close closes a node that was opened and not run.
func (n *Node) Close() error { return n.db.Close() }

// Socket is the path of the administrator's socket.
func (n *Node) Socket() string { return filepath.Join(n.cfg.Data, socketName) }

// Handler answers requests as the public address does.
func (n *Node) Handler() http.Handler { return n.doors }

// VerifierKey is the line that a verifier keeps to trust this node's journal.
func (n *Node) VerifierKey() string { return n.journal.VerifierKey() }

// sender posts webhooks through the one client.
type sender struct {
	client *outbound.Client
	traces *traces
}

// webhookTimeout bounds one try (Standard Webhooks: 15 to 30 s).
const webhookTimeout = 15 * time.Second

func (s sender) Post(ctx context.Context, url string, header http.Header, body []byte) (int, http.Header, []byte, error) {
	ctx, span := s.traces.calling(ctx, url, header)
	a, err := s.client.Do(ctx, outbound.Request{Method: http.MethodPost, URL: url, Header: header, Body: body, AnswerMax: 64 << 10, Timeout: webhookTimeout})
	status := 0
	if a != nil {
		status = a.Status
	}
	ended(span, status, err)
	if err != nil {
		return 0, nil, nil, err
	}
	return a.Status, a.Header, a.Body, nil
}

// certificates reads a PEM file of extra authorities into the system's pool.
func certificates(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, hansa.Fielded("ca", "%s holds no certificate in PEM form", file)
	}
	return pool, nil
}
