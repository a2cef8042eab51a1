package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/url"
	"os"
	"runtime"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/trust"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// keysCmd keeps what a party signs with.
type keysCmd struct {
	List   keysListCmd   `cmd:"" default:"withargs" help:"List a party's keys, old ones too, and the DID that it signs under."`
	New    keysNewCmd    `cmd:"" help:"Make a signature key that your party keeps itself, without a node."`
	Add    keysAddCmd    `cmd:"" help:"Register the public half of a key that your party keeps itself."`
	Rotate keysRotateCmd `cmd:"" help:"Put a new key in the place of one, which signs for it."`
	Revoke keysRevokeCmd `cmd:"" help:"End a key at once, for a reason."`
}

func (keysCmd) examples() []string {
	return []string{"hansa keys", "hansa keys new --out signing.jwk", "hansa keys rotate KID", "hansa keys revoke KID --reason 'a copy was lost'"}
}

type keysListCmd struct {
	Party string `help:"The party, by name; your own when empty." placeholder:"NAME"`
}

func (keysListCmd) examples() []string {
	return []string{"hansa keys list", "hansa keys --party navco"}
}

func (cmd *keysListCmd) Run(ctx context.Context, g *globals, p *printer) error {
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	var list api.KeysBody
	if err := c.do(ctx, "GET", "/api/v1/keys?"+url.Values{"party": {cmd.Party}}.Encode(), nil, &list); err != nil {
		return err
	}
	if done, err := p.show(list); done {
		return err
	}
	if list.DID != "" {
		p.say("Signs as %s", list.DID)
	}
	rows := [][]string{}
	for i := range list.Keys {
		x := &list.Keys[i]
		colour := map[string]string{"good": teal, "to-come": yellow, "expired": dim, "revoked": pink}[x.State]
		use := x.Use
		if use == "" {
			use = "receipt"
		}
		rows = append(rows, []string{x.KID, use, x.Held, x.Alg, paint(p.colourOut, colour, x.State), p.at(x.ValidFrom), p.at(x.ValidTo)})
	}
	p.table([]string{"KEY", "FOR", "HELD BY", "ALG", "STATE", "FROM", "TO"}, rows, "")
	if len(rows) == 0 {
		p.say("None yet: each is made when it is first needed.")
	}
	return nil
}

type keysNewCmd struct {
	Out      string    `help:"The file of the private key, mode 0600; beside it FILE.pub is written, which is registered." required:"" placeholder:"FILE"`
	Alg      string    `help:"ES256 or EdDSA." enum:"ES256,EdDSA" default:"ES256"`
	Replaces string    `help:"The file of the private key in whose place it comes, which signs for it." placeholder:"OLD"`
	Party    string    `help:"With --replaces: your party's id, as hansa keys list --json says." placeholder:"ID"`
	From     time.Time `help:"From when it signs; now when it is left out." format:"2006-01-02T15:04:05Z07:00" placeholder:"TIME"`
}

func (keysNewCmd) examples() []string {
	return []string{"hansa keys new --out signing.jwk", "hansa keys add signing.jwk.pub", "hansa keys new --out next.jwk --replaces signing.jwk --party did:web:navco.example"}
}

func (cmd *keysNewCmd) Run(p *printer) error {
	key, err := trust.GenerateKey(trust.Alg(cmd.Alg))
	if err != nil {
		return err
	}
	private, err := key.Marshal()
	if err != nil {
		return err
	}
	public, err := cmd.public(key)
	if err != nil {
		return err
	}
	pub, err := json.Marshal(public, json.Deterministic(true), jsontext.WithIndent("  "))
	if err != nil {
		return err
	}
	if err := writeNew(cmd.Out, append(private, '\n')); err != nil {
		return err
	}
	if err := writeNew(cmd.Out+".pub", append(pub, '\n')); err != nil {
		return errors.Join(err, os.Remove(cmd.Out)) // just made, and of no use without the other
	}
	if done, err := p.show(public); done {
		return err
	}
	p.say("%s holds the private key %s. Nobody else needs it: keep it, and a copy of it, where only who signs can read it.", clean(cmd.Out), key.KID())
	p.say("Register its public half: hansa keys add %s.pub", clean(cmd.Out))
	return nil
}

// public is what of key is registered.
func (cmd *keysNewCmd) public(key *trust.PrivateKey) (api.NewKey, error) {
	jwk, err := key.Public()
	if err != nil {
		return api.NewKey{}, err
	}
	k := trust.Key{KID: key.KID(), JWK: string(jwk), Party: hansa.PartyID(cmd.Party), Use: trust.UseSignature, ValidFrom: cmd.From.UTC()}
	out := api.NewKey{JWK: k.Members()}
	if cmd.Replaces == "" {
		if !cmd.From.IsZero() {
			out.ValidFrom = k.ValidFrom
		}
		return out, nil
	}
	if cmd.Party == "" {
		return out, &failure{exit: exitUsage, code: "usage", message: "The old key signs for whose key the new one is: say --party.", hint: "hansa keys list --json"}
	}
	old, err := privateKey(cmd.Replaces)
	if err != nil {
		return out, err
	}
	if cmd.From.IsZero() {
		k.ValidFrom = time.Now().UTC().Truncate(time.Second)
	}
	k.Replaces = old.KID()
	out.Party, out.ValidFrom, out.Replaces = cmd.Party, k.ValidFrom, k.Replaces
	out.Endorsed, err = trust.Endorse(old, &k)
	return out, err
}

// privateKey reads a private key that nobody else may be able to read.
func privateKey(name string) (*trust.PrivateKey, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, &failure{exit: exitNotFound, code: "file", message: sentence(err.Error()), hint: "hansa keys new --out " + name}
	}
	defer f.Close() //nolint:errcheck // only read
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if runtime.GOOS != "windows" && st.Mode().Perm()&0o077 != 0 {
		return nil, &failure{exit: exitRefused, code: "key", message: "The key " + clean(name) + " can be read by others.", hint: "chmod 600 " + name + "; if others could read it until now, begin with a new key"}
	}
	b, err := io.ReadAll(io.LimitReader(f, trust.JWKBytesMax+1))
	if err != nil {
		return nil, err
	}
	return trust.ParsePrivateKey(b)
}

// writeNew writes a file that was not there, for its owner alone.
func writeNew(name string, b []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return &failure{exit: exitRefused, code: "file", message: clean(name) + " is there already: a key is never written over.", hint: "take another name"}
	}
	if err != nil {
		return &failure{exit: exitUsage, code: "file", message: sentence(err.Error())}
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Sync(), f.Close())
}

type keysAddCmd struct {
	File  string `arg:"" help:"The file that hansa keys new wrote, FILE.pub."`
	Party string `help:"The party, by name; your own when empty." placeholder:"NAME"`
}

func (keysAddCmd) examples() []string { return []string{"hansa keys add signing.jwk.pub"} }

func (cmd *keysAddCmd) Run(ctx context.Context, g *globals, p *printer) error {
	var o api.NewKey
	if err := readInto(cmd.File, "public key", "hansa keys new --out FILE writes one to FILE.pub", &o); err != nil {
		if f := asFailure(err); f.exit == exitRefused { // most likely the private half: it stays here
			f.exit, f.code = exitUsage, "file"
		}
		return err
	}
	if cmd.Party != "" {
		o.Party = cmd.Party
	}
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	var x api.PartyKey
	if err := c.do(ctx, "POST", "/api/v1/keys", o, &x); err != nil {
		return err
	}
	if done, err := p.show(x); done {
		return err
	}
	p.say("The key %s signs for %s from %s. If the node held one until now, end it: hansa keys list; hansa keys revoke KID --reason 'we keep our own'", x.KID, x.Party, p.at(x.ValidFrom))
	return nil
}

type keysRotateCmd struct {
	KID     string        `arg:"" help:"The key's id."`
	Alg     string        `help:"ES256 or EdDSA; that of the old key when empty." enum:"ES256,EdDSA," default:""`
	Now     bool          `help:"Sign with the new key at once; else it is published ten minutes before."`
	Overlap time.Duration `help:"How long the old key stays in the DID document." default:"24h"`
}

func (keysRotateCmd) examples() []string {
	return []string{"hansa keys rotate KID", "hansa keys rotate KID --alg EdDSA --overlap 72h"}
}

func (cmd *keysRotateCmd) Run(ctx context.Context, g *globals, p *printer) error {
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	var x api.PartyKey
	o := api.KeyOrder{Alg: cmd.Alg, Now: cmd.Now, OverlapSeconds: int64(cmd.Overlap / time.Second)}
	if err := c.do(ctx, "POST", "/api/v1/keys/"+url.PathEscape(cmd.KID)+"/rotate", o, &x); err != nil {
		return err
	}
	if done, err := p.show(x); done {
		return err
	}
	p.say("The new %s key of %s is %s. It signs from %s; both are in the DID document until the old one ends.", x.Use, x.Party, x.KID, p.at(x.ValidFrom))
	return nil
}

type keysRevokeCmd struct {
	KID    string `arg:"" help:"The key's id."`
	Reason string `help:"Why: it is kept with the key for ever." required:""`
}

func (keysRevokeCmd) examples() []string {
	return []string{"hansa keys revoke KID --reason 'a copy was lost'"}
}

func (cmd *keysRevokeCmd) Run(ctx context.Context, g *globals, p *printer) error {
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	if err := p.ask(g, "End the key "+clean(cmd.KID)+" now? What it signs from now on counts for nothing. [y/N] "); err != nil {
		return err
	}
	var x api.PartyKey
	if err := c.do(ctx, "POST", "/api/v1/keys/"+url.PathEscape(cmd.KID)+"/revoke", api.KeyEnd{Reason: cmd.Reason}, &x); err != nil {
		return err
	}
	if done, err := p.show(x); done {
		return err
	}
	p.say("The key is revoked. What it signed before stays proven; a new one is made when it is needed.")
	return nil
}
