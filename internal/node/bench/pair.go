package bench

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
)

// Pair is one of the two sides of the bare baseline of a negotiation: four
// messages, each read, hashed and written with its follow-up in a transaction
// that is committed in groups before the answer. It has no identity, or one
// signature a message, and neither policy nor validation.
type Pair struct {
	URL string

	writer *group
	srv    *http.Server
	client *http.Client
	signs  bool
	key    *ecdsa.PrivateKey
	send   chan pairLetter

	mu      sync.Mutex // guards peer and waiting
	peer    string
	waiting map[string]chan struct{}
}

type pairLetter struct {
	id   int64
	body []byte
}

// pairMessage has the size and shape of the protocol's messages.
type pairMessage struct {
	Context  []string       `json:"@context"`
	Type     string         `json:"@type"`
	Provider string         `json:"providerPid,omitempty"`
	Consumer string         `json:"consumerPid"`
	Policy   map[string]any `json:"offer,omitempty"`
}

const pairSenders = 48

// pairNext is what follows a message.
var pairNext = map[string]string{"request": "agreement", "agreement": "verification", "verification": "finalized"}

// NewPair starts one side with its database in dir.
func NewPair(ctx context.Context, dir, name string, signs bool) (*Pair, error) {
	w, err := openGroup(ctx, filepath.Join(dir, name+".db"),
		`CREATE TABLE process (id TEXT PRIMARY KEY, state TEXT, body BLOB)`, `CREATE TABLE message (n INTEGER PRIMARY KEY, process TEXT, body BLOB, sum BLOB)`,
		`CREATE TABLE outbox (id INTEGER PRIMARY KEY, body BLOB)`, `CREATE TABLE journal (n INTEGER PRIMARY KEY, sum BLOB)`)
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, errors.Join(err, w.close())
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, w.close())
	}
	p := &Pair{URL: "http://" + ln.Addr().String() + "/", writer: w, signs: signs, key: key, send: make(chan pairLetter, 8192), waiting: map[string]chan struct{}{}, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 128}, Timeout: 30 * time.Second}}
	p.srv = &http.Server{Handler: http.HandlerFunc(p.take), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = p.srv.Serve(ln) }()
	for range pairSenders {
		go p.deliver()
	}
	return p, nil
}

// Meet says where the other side is.
func (p *Pair) Meet(url string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.peer = url
}

// Close stops the side.
func (p *Pair) Close() error {
	err := p.srv.Close()
	close(p.send)
	p.client.CloseIdleConnections()
	return errors.Join(err, p.writer.close())
}

func (p *Pair) deliver() {
	for l := range p.send {
		p.sign(l.body)
		p.mu.Lock()
		peer := p.peer
		p.mu.Unlock()
		res, err := p.client.Post(peer, "application/json", bytes.NewReader(l.body)) //nolint:noctx // the client has a timeout
		if err != nil {
			continue // the run sees that a negotiation never ends
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		_ = p.writer.do(func(tx *sql.Tx) error {
			_, err := tx.Exec("DELETE FROM outbox WHERE id = ?", l.id) //nolint:noctx // the group outlives its callers
			return err
		})
	}
}

func (p *Pair) sign(b []byte) {
	if p.signs {
		sum := sha256.Sum256(b)
		_, _ = ecdsa.SignASN1(rand.Reader, p.key, sum[:]) // what it costs is what counts
	}
}

// step writes a message down with its follow-up, and sends that.
func (p *Pair) step(m *pairMessage, body []byte, follow string) error {
	var out pairLetter
	err := p.writer.do(func(tx *sql.Tx) error {
		sum := sha256.Sum256(body)
		for _, q := range []struct {
			text string
			args []any
		}{
			{"INSERT INTO process (id, state, body) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET state = excluded.state", []any{m.Consumer, m.Type, body}},
			{"INSERT INTO message (process, body, sum) VALUES (?, ?, ?)", []any{m.Consumer, body, sum[:]}},
			{"INSERT INTO journal (sum) VALUES (?)", []any{sum[:]}},
		} {
			if _, err := tx.Exec(q.text, q.args...); err != nil { //nolint:noctx // the group outlives its callers
				return err
			}
		}
		if follow == "" {
			return nil
		}
		var err error
		if out.body, err = json.Marshal(&pairMessage{Context: m.Context, Type: follow, Provider: "p" + m.Consumer, Consumer: m.Consumer, Policy: m.Policy}); err != nil {
			return err
		}
		res, err := tx.Exec("INSERT INTO outbox (body) VALUES (?)", out.body) //nolint:noctx // the group outlives its callers
		if err != nil {
			return err
		}
		out.id, err = res.LastInsertId()
		return err
	})
	if err == nil && follow != "" {
		p.send <- out
	}
	return err
}

func (p *Pair) take(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	var m pairMessage
	if err == nil {
		err = json.Unmarshal(b, &m)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if p.signs {
		sum := sha256.Sum256(b)
		sig, err := ecdsa.SignASN1(rand.Reader, p.key, sum[:]) // the other side's, made here: a signature and a check a message
		if err != nil || !ecdsa.VerifyASN1(&p.key.PublicKey, sum[:], sig) {
			http.Error(w, "the signature does not hold", http.StatusUnauthorized)
			return
		}
	}
	if err := p.step(&m, b, pairNext[m.Type]); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"@context":["x"],"@type":"ContractNegotiation","providerPid":"p%s","consumerPid":"%s","state":"%s"}`, m.Consumer, m.Consumer, m.Type)
	if m.Type == "finalized" {
		p.mu.Lock()
		done := p.waiting[m.Consumer]
		delete(p.waiting, m.Consumer)
		p.mu.Unlock()
		if done != nil {
			close(done)
		}
	}
}

// One makes one negotiation and waits for its end.
func (p *Pair) One(ctx context.Context, id string) error {
	done := make(chan struct{})
	p.mu.Lock()
	p.waiting[id] = done
	p.mu.Unlock()
	m := &pairMessage{Context: []string{"https://w3id.org/dspace/2025/1/context.jsonld"}, Type: "start", Consumer: id, Policy: map[string]any{
		"@id": "offer-1", "@type": "Offer", "target": "closures", "assigner": "did:web:city.example",
		"permission": []any{map[string]any{"action": "use", "constraint": []any{map[string]any{"leftOperand": "purpose", "operator": "eq", "rightOperand": "navigation"}}}},
	}}
	if err := p.step(m, []byte("{}"), "request"); err != nil {
		return err
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Rate runs one over and over in so many workers for a while, and returns how many
// came to their end in a second, and how long they took.
func Rate(ctx context.Context, workers int, length time.Duration, one func(ctx context.Context, n int64) error) (Result, error) {
	soft, stop := context.WithTimeout(ctx, length)
	defer stop()
	hard, halt := context.WithTimeout(ctx, length+20*time.Second) // what has begun ends
	defer halt()
	var mu sync.Mutex
	var took []time.Duration
	var failed error
	var next int64
	var wg sync.WaitGroup
	began := time.Now()
	for range workers {
		wg.Go(func() {
			for soft.Err() == nil {
				mu.Lock()
				next++
				n := next
				mu.Unlock()
				t := time.Now()
				err := one(hard, n)
				mu.Lock()
				if err != nil && failed == nil {
					failed = err
					stop()
				}
				took = append(took, time.Since(t))
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if failed != nil {
		return Result{}, failed
	}
	if len(took) == 0 {
		return Result{}, errIdle(took)
	}
	return summary(took, time.Since(began)), nil
}
