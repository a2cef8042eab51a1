package node

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/hansa-exchange/hansa"
)

// File is the configuration of a node as an operator writes it (TOML). What
// concerns the machine stands at the top; parties, datasets, feeds and flows
// stand here until parties agree on them between themselves.
type File struct {
	Listen    string `toml:"listen"`     // host:port; loopback unless TLS or a proxy is set
	PublicURL string `toml:"public_url"` // as others reach it
	Data      string `toml:"data"`       // the data folder
	Origin    string `toml:"origin"`     // the journal's name; the public URL's host when empty
	Party     string `toml:"party"`      // name of the node's own party
	PartyID   string `toml:"party_id"`   // its DID, where it is kept in the database and not below
	TLS       struct {
		Cert string   `toml:"cert"`
		Key  string   `toml:"key"`
		ACME ACMEFile `toml:"acme"`
	} `toml:"tls"`
	TrustedProxy bool     `toml:"trusted_proxy"` // TLS ends at a proxy before us
	CA           string   `toml:"ca"`            // extra certificate authorities for calls out
	Hosts        []string `toml:"hosts"`         // hosts that may be called
	Allow        []string `toml:"allow"`         // host:port that may be called whatever its address
	PlainHTTP    []string `toml:"plain_http"`    // hosts of sources that have no TLS
	Proxy        string   `toml:"proxy"`         // forward proxy for calls out
	BackupsKept  duration `toml:"backups_kept"`  // how long backups of this node are kept: a certificate of erasure says it

	Limits    LimitsFile `toml:"limits"`
	Catalogue struct {
		Every duration `toml:"every"` // how often the catalogues of peers are visited; 15 minutes when nothing is said
	} `toml:"catalogue"`
	SignIn struct {
		OIDC OIDCFile `toml:"oidc"`
	} `toml:"sign_in"`
	Telemetry struct {
		Endpoint string  `toml:"endpoint"` // of an OTLP collector over HTTP; the environment's when empty
		Ratio    float64 `toml:"ratio"`    // share of the traces that are kept
	} `toml:"telemetry"`

	Parties     []PartyFile      `toml:"parties"`
	Credentials []CredentialFile `toml:"credentials"`
	Datasets    []DatasetFile    `toml:"datasets"`
	Feeds       []FeedFile       `toml:"feeds"`
	Flows       []FlowFile       `toml:"flows"`
	Places      string           `toml:"places"` // GeoJSON of named places
}

// ACMEFile lets the node get its certificate itself (RFC 8555), by a challenge on
// its own TLS address.
type ACMEFile struct {
	Accept    bool   `toml:"accept_terms"` // of the authority; without it there is no ACME
	Contact   string `toml:"contact"`      // an address that the authority writes to
	Directory string `toml:"directory"`    // of another authority than Let's Encrypt
}

// traces is where spans go: by the file, or else by the environment's usual name.
func (f *File) traces() Traces {
	return Traces{Endpoint: first(f.Telemetry.Endpoint, os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT")), Ratio: f.Telemetry.Ratio}
}

// OIDCFile lets the users of the node's own party sign in by a service of its own
// (OpenID Connect Core 1.0, authorization code with PKCE).
type OIDCFile struct {
	Name       string `toml:"name"`   // of the service, on the sign-in page; its host when empty
	Issuer     string `toml:"issuer"` // its address, as its tokens name it
	ClientID   string `toml:"client_id"`
	SecretFile string `toml:"client_secret_file"` // none is a public client
}

// LimitsFile bounds what callers may ask of this machine.
type LimitsFile struct {
	RequestsPerSecond int `toml:"requests_per_second"` // of one credential; 0 is 20,000
}

// PartyFile is a party in the configuration.
type PartyFile struct {
	Name      string   `toml:"name"`
	ID        string   `toml:"id"`
	Title     string   `toml:"title"`
	Kind      string   `toml:"kind"`
	Zone      string   `toml:"zone"`
	Contact   string   `toml:"contact"`
	Languages []string `toml:"languages"`
	Share     float64  `toml:"share"`
	Keys      []string `toml:"keys"` // files with public JWKs for receipts
}

// CredentialFile is a program's credential; its secret stands in a file of its own.
type CredentialFile struct {
	Party      string   `toml:"party"`
	Name       string   `toml:"name"`
	Kind       string   `toml:"kind"` // bearer, basic, header
	Header     string   `toml:"header"`
	SecretFile string   `toml:"secret_file"`
	Rights     []string `toml:"rights"`
	Purposes   []string `toml:"purposes"`
}

// DatasetFile is a dataset in the configuration.
type DatasetFile struct {
	Name     string            `toml:"name"`
	Party    string            `toml:"party"`
	Title    map[string]string `toml:"title"`
	Kind     string            `toml:"kind"`
	Update   duration          `toml:"update"`
	Licence  string            `toml:"licence"`
	Holder   string            `toml:"holder"`
	AgeMax   duration          `toml:"age_max"`
	BytesMax int64             `toml:"bytes_max"`
	// What a catalogue says of it besides.
	Description map[string]string `toml:"description"`
	Themes      []string          `toml:"themes"`
	Coverage    string            `toml:"coverage"`
	HighValue   string            `toml:"high_value"`
	Contact     string            `toml:"contact"`
	Relays      []string          `toml:"relays"` // what a hub gathers in it, by the names that its givers use
}

// FeedFile is a source in the configuration.
type FeedFile struct {
	Name    string   `toml:"name"`
	Dataset string   `toml:"dataset"`
	Party   string   `toml:"party"`
	URL     string   `toml:"url"`
	Path    string   `toml:"path"`
	Format  string   `toml:"format"`
	Every   duration `toml:"every"`
	Kind    string   `toml:"kind"` // snapshot or delta
	Silent  duration `toml:"silent_after"`
	Zone    string   `toml:"zone"`
}

// FlowFile is a flow in the configuration.
type FlowFile struct {
	Name        string            `toml:"name"`
	Dataset     string            `toml:"dataset"`
	From        string            `toml:"from"`
	To          string            `toml:"to"`
	Purposes    []string          `toml:"purposes"`
	Formats     []string          `toml:"formats"`
	Fields      []string          `toml:"fields"`
	Delay       duration          `toml:"delay"`
	Precision   *int              `toml:"precision"`
	Limit       duration          `toml:"limit"`
	Licence     string            `toml:"licence"`
	Attribution string            `toml:"attribution"`
	Shown       string            `toml:"shown"` // URL of the list that the receiver publishes as shown
	Conditions  map[string]string `toml:"conditions"`
	Test        bool              `toml:"test"`
	Paused      bool              `toml:"paused"`
}

// duration reads "30s", "5m" or "24h".
type duration time.Duration

// UnmarshalText reads a Go duration.
func (d *duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	*d = duration(v)
	return err
}

// ReadFile reads a configuration. Relative paths in it are taken from its folder.
// An error names the line or the field.
func ReadFile(name string) (*File, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var f File
	meta, err := toml.Decode(string(b), &f)
	if err != nil {
		if e, ok := errors.AsType[toml.ParseError](err); ok {
			return nil, hansa.Errorf(hansa.Invalid, "%s, line %d: %s", name, e.Position.Line, e.Message).With(hansa.CodeSyntax)
		}
		return nil, hansa.Errorf(hansa.Invalid, "%s: %w", name, err).With(hansa.CodeSyntax)
	}
	if un := meta.Undecoded(); len(un) > 0 {
		return nil, hansa.Errorf(hansa.Invalid, "%s: there is no setting %q", name, un[0].String()).With(hansa.CodeField)
	}
	dir := filepath.Dir(name)
	for _, p := range []*string{&f.Data, &f.TLS.Cert, &f.TLS.Key, &f.CA, &f.Places, &f.SignIn.OIDC.SecretFile} {
		*p = from(dir, *p)
	}
	for i := range f.Credentials {
		f.Credentials[i].SecretFile = from(dir, f.Credentials[i].SecretFile)
	}
	for i := range f.Feeds {
		f.Feeds[i].Path = from(dir, f.Feeds[i].Path)
	}
	for i := range f.Parties {
		for j := range f.Parties[i].Keys {
			f.Parties[i].Keys[j] = from(dir, f.Parties[i].Keys[j])
		}
	}
	return &f, f.Validate()
}

func from(dir, p string) string {
	if p == "" || filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(dir, p)
}

// Validate reports the first rule that f breaks.
func (f *File) Validate() error {
	switch {
	case f.Data == "":
		return hansa.Fielded("data", "name the data folder")
	case f.Listen == "":
		return hansa.Fielded("listen", "name the address to listen on, such as 127.0.0.1:8080")
	case f.Limits.RequestsPerSecond < 0 || f.Limits.RequestsPerSecond > requestsPerSec:
		return hansa.Fielded("limits.requests_per_second", "a credential may make 1 to %d requests a second", requestsPerSec)
	case f.Catalogue.Every != 0 && time.Duration(f.Catalogue.Every) < time.Minute:
		return hansa.Fielded("catalogue.every", "catalogues of peers are visited once a minute or less often")
	case f.BackupsKept < 0:
		return hansa.Fielded("backups_kept", "backups are kept for a while such as 720h, or it is not said")
	case len(f.Parties) == 0 && f.PartyID == "":
		return hansa.Fielded("party_id", "name the node's own party by its DID").WithHint("make a node by: hansa init DIR")
	case (f.TLS.Cert == "") != (f.TLS.Key == ""):
		return hansa.Fielded("tls", "TLS needs both cert and key")
	case f.TLS.Cert != "" && f.TLS.ACME.Accept:
		return hansa.Fielded("tls.acme", "a certificate comes from a file or by ACME, not from both")
	case f.TLS.ACME.Accept && !strings.HasPrefix(f.PublicURL, "https://"):
		return hansa.Fielded("public_url", "ACME needs the https address by which the node is reached")
	}
	if err := errors.Join(f.SignIn.OIDC.validate(f.PublicURL), f.traces().validate()); err != nil {
		return err
	}
	host, _, err := net.SplitHostPort(f.Listen)
	if err != nil {
		return hansa.Fielded("listen", "an address is host:port, not %q", f.Listen)
	}
	if !isLoopback(host) {
		if f.TLS.Cert == "" && !f.TLS.ACME.Accept && !f.TrustedProxy {
			return hansa.Fielded("listen", "%s can be reached by others: set tls, or trusted_proxy when TLS ends before us", f.Listen)
		}
		if len(f.Credentials) == 0 && f.PartyID == "" {
			return hansa.Fielded("credentials", "%s can be reached by others: set at least one credential", f.Listen)
		}
	}
	names := map[string]bool{}
	for i, p := range f.Parties {
		if !hansa.ValidName(p.Name) || names[p.Name] {
			return hansa.Fielded(fmt.Sprintf("parties[%d].name", i), "a party's name is 1 to 63 of a-z, 0-9 and hyphen, and stands once; not %q", p.Name)
		}
		names[p.Name] = true
	}
	if f.Party != "" && f.PartyID == "" && !names[f.Party] {
		return hansa.Fielded("party", "there is no party %q", f.Party)
	}
	return nil
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && a.IsLoopback()
}
