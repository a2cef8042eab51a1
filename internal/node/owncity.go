package node

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	_ "embed"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// What the story's city brings: its network, and a source in DATEX II.
var (
	//go:embed owncity/places.geojson
	ownPlaces []byte
	//go:embed owncity/situations.xml
	ownSource []byte
)

// ownCity is the story of a city that sets itself up: from an empty folder to a
// company's first record, a backup and a restore. It goes in at the doors that
// people and programs use, over TLS, and nowhere else.
type ownCity struct {
	dir, version   string
	address        string // host:port, which stays over the restore
	begun          Begun
	pool           *x509.CertPool
	admin, company *http.Client // browsers
	stop           func() error // ends the node that runs
	hook           *hookDesk
	invitation     string
	live           string // the company's flow
	id, secret     string // her basic credential
	bearer         string
	closure        string
	cursor         string // given after the backup
	backup         string
}

// RehearseOwnCity plays the story and tells each step as it ends. Nothing of it is
// left afterwards.
func RehearseOwnCity(ctx context.Context, version string, tell func(Step)) (steps []Step, err error) {
	dir, err := os.MkdirTemp("", "hansa-own-city-")
	if err != nil {
		return nil, err
	}
	o := &ownCity{dir: dir, version: version}
	defer func() { err = errors.Join(err, o.close()) }()
	return playActs(ctx, []act{
		{"an empty folder becomes a city's node", o.begin},
		{"it serves over TLS", func(ctx context.Context) (string, error) {
			return "ready, with a certificate of its own", o.serve(ctx, o.begun.Config)
		}},
		{"the first administrator comes in by the link", o.signIn},
		{"its network has a tunnel to close", o.network},
		{"a source in DATEX II fills a dataset", o.feed},
		{"a company is invited, and accepts without an account", o.invite},
		{"she makes credentials of her own", o.credentials},
		{"her first records: CIFS by user and password", o.cifs},
		{"and WZDx by bearer token", o.wzdx},
		{"her webhook proves its address and is tested", o.webhook},
		{"a closure reaches it, and she sends a receipt", o.close1},
		{"the page shows her ladder", o.page},
		{"a backup is taken while it runs", o.backUp},
		{"it is restored elsewhere, as a new epoch", o.restore},
		{"a cursor of the lost epoch is told where to resume", o.lost},
	}, tell), nil
}

func (o *ownCity) close() error {
	var err error
	if o.stop != nil {
		err = o.stop()
	}
	if o.hook != nil {
		err = errors.Join(err, o.hook.srv.Close())
	}
	return errors.Join(err, os.RemoveAll(o.dir))
}

func (o *ownCity) begin(ctx context.Context) (string, error) {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	o.address = ln.Addr().String()
	if err := ln.Close(); err != nil {
		return "", err
	}
	cert, key, err := o.certify()
	if err != nil {
		return "", err
	}
	places := filepath.Join(o.dir, "places.geojson")
	if err := os.WriteFile(places, ownPlaces, 0o600); err != nil {
		return "", err
	}
	if o.hook, err = newHookDesk(ctx); err != nil {
		return "", err
	}
	o.begun, err = Init(ctx, Beginning{
		Dir: filepath.Join(o.dir, "city"), Name: "amstelburg", Title: "City of Amstelburg", PublicURL: "https://" + o.address, Listen: o.address, Zone: "Europe/Amsterdam",
		Languages: []string{"nl", "en"}, Network: places, Cert: cert, Key: key,
	}, o.version)
	if err != nil {
		return "", err
	}
	// The operator lets one address on this machine be called: the company's.
	b, err := os.ReadFile(o.begun.Config)
	if err == nil {
		b = bytes.Replace(b, []byte("hosts = []"), fmt.Appendf(nil, "hosts = []\nallow = [%q]", o.hook.at), 1)
		err = os.WriteFile(o.begun.Config, b, 0o600) //nolint:gosec // a file of the story's own folder
	}
	return fmt.Sprintf("keys, a database and %s, for %s", ConfigName, o.begun.Party), err
}

// certify makes the certificate that the story trusts.
func (o *ownCity) certify() (cert, key string, err error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", err
	}
	now := time.Now()
	x := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "amstelburg"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, x, x, &k.PublicKey, k)
	if err != nil {
		return "", "", err
	}
	private, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		return "", "", err
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	o.pool = x509.NewCertPool()
	o.pool.AppendCertsFromPEM(public)
	cert, key = filepath.Join(o.dir, "cert.pem"), filepath.Join(o.dir, "key.pem")
	return cert, key, errors.Join(os.WriteFile(cert, public, 0o600), os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
}

// serve runs the node of a configuration as "hansa serve" does.
func (o *ownCity) serve(ctx context.Context, config string) error {
	f, err := ReadFile(config)
	if err != nil {
		return err
	}
	n, err := Serve(ctx, f, o.version, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", f.Listen)
	if err != nil {
		return errors.Join(err, n.Close())
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan error, 1)
	go func() { done <- n.Run(run, ln) }()
	o.stop = func() error { cancel(); o.stop = nil; return <-done }
	status, body, err := o.get(ctx, o.browser(), "/readyz")
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("/readyz answers %d %s", status, body)
	}
	return err
}

// browser keeps cookies and trusts the story's certificate.
func (o *ownCity) browser() *http.Client {
	jar, _ := cookiejar.New(nil) // never fails without options
	return &http.Client{Jar: jar, Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: o.pool, MinVersion: tls.VersionTLS12}, IdleConnTimeout: time.Second}}
}

func (o *ownCity) do(ctx context.Context, c *http.Client, method, path, contentType, body string, header http.Header) (int, string, http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, method, "https://"+o.address+path, strings.NewReader(body))
	if err != nil {
		return 0, "", nil, err
	}
	if header != nil {
		req.Header = header
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
		req.Header.Set("Origin", "https://"+o.address)
	}
	res, err := c.Do(req)
	if err != nil {
		return 0, "", nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, 64<<20))
	return res.StatusCode, string(b), res.Header, err
}

func (o *ownCity) get(ctx context.Context, c *http.Client, path string) (int, string, error) {
	status, body, _, err := o.do(ctx, c, http.MethodGet, path, "", "", nil)
	return status, body, err
}

// form sends a form as a browser without JavaScript does, and wants a page.
func (o *ownCity) form(ctx context.Context, c *http.Client, path string, values url.Values) (string, error) {
	status, body, _, err := o.do(ctx, c, http.MethodPost, path, "application/x-www-form-urlencoded", values.Encode(), nil)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("%s answers %d: %s", path, status, alert(body))
	}
	return body, err
}

// alert is what a page says went wrong.
func alert(page string) string {
	if m := regexp.MustCompile(`(?s)role="alert".*?<b>(.*?)</p>`).FindStringSubmatch(page); m != nil {
		return regexp.MustCompile(`<[^>]*>`).ReplaceAllString(m[1], "")
	}
	return page[:min(len(page), 200)]
}

// order sends JSON with the administrator's session, and reads the answer.
func (o *ownCity) order(ctx context.Context, path string, in, out any) error {
	b, err := json.Marshal(in)
	if err != nil {
		return err
	}
	status, body, _, err := o.do(ctx, o.admin, http.MethodPost, path, "application/json", string(b), nil)
	if err != nil {
		return err
	}
	if status/100 != 2 {
		return fmt.Errorf("%s answers %d %s", path, status, body)
	}
	return json.Unmarshal([]byte(body), out)
}

func (o *ownCity) signIn(ctx context.Context) (string, error) {
	u, err := url.Parse(o.begun.Link)
	if err != nil {
		return "", err
	}
	o.admin = o.browser()
	const password = "a tunnel closes at night"
	page, err := o.form(ctx, o.admin, "/enter", url.Values{"token": {u.Query().Get("token")}, "password": {password}, "again": {password}})
	if err != nil {
		return "", err
	}
	if !strings.Contains(page, "<main") {
		return "", errors.New("no page came after the sign-in")
	}
	if status, _, err := o.get(ctx, o.browser(), "/live.json"); err != nil || status < 400 {
		return "", fmt.Errorf("who is not signed in is answered %d (%w)", status, err)
	}
	return "with a password of her own; the link opens no more", nil
}

func (o *ownCity) network(ctx context.Context) (string, error) {
	status, body, err := o.get(ctx, o.admin, "/api/v1/places?q=")
	var list api.PlacesBody
	if err == nil && status == http.StatusOK {
		err = json.Unmarshal([]byte(body), &list)
	}
	if err == nil && len(list.Places) < 2 {
		err = fmt.Errorf("%d places: %s", len(list.Places), body)
	}
	return fmt.Sprintf("%d places", len(list.Places)), err
}

func (o *ownCity) feed(ctx context.Context) (string, error) {
	file := filepath.Join(o.dir, "situations.xml")
	old := time.Now().Add(-time.Hour) // a file at rest is read at once
	if err := errors.Join(os.WriteFile(file, ownSource, 0o600), os.Chtimes(file, old, old)); err != nil {
		return "", err
	}
	var d struct{ Name string }
	if err := o.order(ctx, "/api/v1/datasets", api.DatasetOrder{Name: "closures", Title: map[string]string{"en": "Closures of tunnels and streets"}, Licence: "CC-BY-4.0"}, &d); err != nil {
		return "", err
	}
	source := api.FeedOrder{Name: "works", Dataset: "closures", Path: file, Format: "datex2", Every: hansa.Duration(time.Second)}
	var t api.Trial
	if err := o.order(ctx, "/api/v1/trials", source, &t); err != nil {
		return "", err
	}
	if t.Taken == 0 || t.Refused != 0 {
		return "", fmt.Errorf("the trial takes %d and refuses %d", t.Taken, t.Refused)
	}
	var f api.Feed
	if err := o.order(ctx, "/api/v1/feeds", source, &f); err != nil {
		return "", err
	}
	for f.Records < t.Taken {
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return "", fmt.Errorf("the source is %s: %s", f.Status, f.Reason)
		}
		_, body, err := o.get(ctx, o.admin, "/api/v1/feeds/works")
		if err != nil {
			return "", err
		}
		if err := json.Unmarshal([]byte(body), &f); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%d situations, tried before it was started", f.Records), nil
}

// sleep waits, or says that the step's time is over.
func sleep(ctx context.Context, d time.Duration) error {
	pause(ctx, d)
	return ctx.Err()
}
