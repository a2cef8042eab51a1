package node

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"text/template"
	"time"

	"github.com/hansa-exchange/hansa"
)

// Beginning is what a new node shall be.
type Beginning struct {
	Dir       string // where the configuration file and the data folder are made
	Name      string // of the node's own party: a-z, 0-9 and hyphen
	Title     string // of it, as people read it
	Kind      hansa.PartyKind
	PublicURL string // as others reach the node; its host names the journal, for ever
	Listen    string // host:port
	PartyID   string // a DID; empty is did:web: of the public URL's host
	Zone      string // IANA time zone
	Languages []string
	Network   string // a GeoJSON file of places; empty is none
	Admin     string // whom the first administrator's link is for; admin when empty
	Cert, Key string // TLS files
	Proxy     bool   // TLS ends at a trusted proxy
}

// Begun is a node that was made.
type Begun struct {
	Config string    `json:"config"` // its configuration file
	Data   string    `json:"data"`
	Origin string    `json:"origin"` // the journal's name
	Party  string    `json:"party"`  // the node's own, a DID
	Key    string    `json:"key"`    // the line by which others trust the journal
	Places int       `json:"places"`
	Link   string    `json:"link"` // by which the first administrator signs in, once
	Until  time.Time `json:"until"`
}

//go:embed hansa.toml.tmpl
var configTemplate string

// ConfigName is the configuration file that [Init] makes.
const ConfigName = "hansa.toml"

// Complete fills what b leaves open, and checks it. An error names the field.
func (b *Beginning) Complete() error {
	u, err := url.Parse(b.PublicURL)
	switch {
	case !hansa.ValidName(b.Name):
		return hansa.Fielded("name", "a name is 1 to 63 of a-z, 0-9 and hyphen, not %q", b.Name)
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return hansa.Fielded("url", "a public URL is https://HOST, not %q", b.PublicURL)
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return hansa.Fielded("url", "others reach a node over https, not %q", b.PublicURL)
	case (b.Cert == "") != (b.Key == ""):
		return hansa.Fielded("tls", "TLS needs both a certificate and its key")
	}
	b.PublicURL = strings.TrimRight(b.PublicURL, "/")
	if b.Title == "" {
		b.Title = b.Name
	}
	if b.Kind == "" {
		b.Kind = hansa.City
	}
	if b.PartyID == "" {
		b.PartyID = "did:web:" + strings.ReplaceAll(u.Host, ":", "%3A")
	}
	if !strings.HasPrefix(b.PartyID, "did:") {
		return hansa.Fielded("id", "a party's id is a DID, such as did:web:%s, not %q", u.Hostname(), b.PartyID)
	}
	if b.Zone == "" {
		b.Zone = "UTC"
	}
	if _, err := time.LoadLocation(b.Zone); err != nil {
		return hansa.Fielded("zone", "there is no time zone %q", b.Zone).WithHint("write one like Europe/Amsterdam")
	}
	if b.Listen == "" {
		b.Listen = "127.0.0.1:8080"
		if p := u.Port(); p != "" && isLoopback(u.Hostname()) {
			b.Listen = "127.0.0.1:" + p
		}
	}
	for _, p := range []*string{&b.Cert, &b.Key} {
		if *p != "" {
			if *p, err = filepath.Abs(*p); err != nil {
				return err
			}
		}
	}
	p := hansa.Party{ID: hansa.PartyID(b.PartyID), Name: b.Name, Title: b.Title, Kind: b.Kind, Languages: b.Languages}
	return p.Validate()
}

// Init makes a node in a folder that holds none: its keys, its database with its
// own party, and one configuration file. What cannot be finished is taken back.
func Init(ctx context.Context, b Beginning, version string) (_ Begun, err error) {
	if err := b.Complete(); err != nil {
		return Begun{}, err
	}
	if entries, err := os.ReadDir(b.Dir); err == nil && len(entries) > 0 {
		return Begun{}, hansa.Errorf(hansa.Conflict, "the folder %s is not empty", b.Dir).WithHint("name a new folder")
	}
	places, err := readNetwork(b.Network)
	if err != nil {
		return Begun{}, err
	}
	_, had := os.Stat(b.Dir)
	if err := os.MkdirAll(b.Dir, 0o700); err != nil {
		return Begun{}, err
	}
	config, data := filepath.Join(b.Dir, ConfigName), filepath.Join(b.Dir, "data")
	defer func() {
		if err == nil {
			return
		}
		err = errors.Join(err, os.RemoveAll(data), remove(config))
		if had != nil {
			err = errors.Join(err, remove(b.Dir))
		}
	}()
	var text bytes.Buffer
	if err := template.Must(template.New("").Parse(configTemplate)).Execute(&text, b); err != nil {
		return Begun{}, err
	}
	if err := os.WriteFile(config, text.Bytes(), 0o600); err != nil {
		return Begun{}, err
	}
	f, err := ReadFile(config)
	if err != nil {
		return Begun{}, err
	}
	n, err := Open(ctx, Config{Data: f.Data, Origin: f.origin(), PublicURL: f.PublicURL, Version: version, Own: f.Own(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return Begun{}, err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	own := hansa.Party{ID: f.Own(), Name: b.Name, Title: b.Title, Kind: b.Kind, Hosted: true, Zone: b.Zone, Languages: b.Languages, Since: n.wall().UTC()}
	s := &Setup{Parties: []hansa.Party{own}}
	if len(places) > 0 {
		s.Places = map[hansa.PartyID][]hansa.Place{own.ID: places}
	}
	if err := n.Apply(ctx, s); err != nil {
		return Begun{}, err
	}
	link, until, err := n.Invite(ctx, first(b.Admin, "admin"), "", hansa.RoleAdministrator)
	if err != nil {
		return Begun{}, err
	}
	return Begun{Link: link, Until: until, Config: config, Data: f.Data, Origin: f.origin(), Party: b.PartyID, Key: n.VerifierKey(), Places: len(places)}, nil
}

func remove(name string) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// readNetwork reads a file of places; no name is none.
func readNetwork(name string) ([]hansa.Place, error) {
	if name == "" {
		return nil, nil
	}
	r, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	places, err := readPlaces(io.Reader(r))
	return places, errors.Join(err, r.Close())
}
