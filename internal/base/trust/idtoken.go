package trust

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hansa-exchange/hansa"
)

// Limits of self-issued ID tokens.
const (
	TokenBytesMax = 8192
	TokenLife     = 2 * time.Minute  // of those that we make
	TokenLifeMax  = 15 * time.Minute // of those that we take
	tokenIDMax    = 256              // bytes of a jti
	// TokenSkew is how long before and after its own times a token is taken.
	TokenSkew = time.Minute
	// tokenLead is how long before it is made a token of ours begins: with it a clock
	// that is [hansa.SkewMax] ahead of the receiver's is none that is wrong.
	tokenLead = hansa.SkewMax - TokenSkew
)

// errClock is the cause of tokens that are not of this time.
var errClock = errors.New("the clocks differ")

// IDTokensConfig is what an [IDTokens] needs.
type IDTokensConfig struct {
	Registry *Registry
	Resolver *Resolver
	// DID is the did:web under which a party of this node signs.
	DID func(own hansa.PartyID) string
	// Now is the clock by which tokens are made and checked.
	Now func() time.Time
	// Began is when this process began to take tokens: of one that was issued before
	// nobody here knows whether it was used. Zero is the first process ever.
	Began time.Time
	// Log hears why a token was refused.
	Log *slog.Logger
}

// IDTokens is an [Identity] by self-issued ID tokens (Decentralized Claims Protocol
// 1.0, section 4.3): a JWT by the sender's own key, which is in its did:web
// document, for one receiver, used once.
type IDTokens struct {
	cfg    IDTokensConfig
	used   *replays
	causes causes
}

var _ Identity = (*IDTokens)(nil)

// NewIDTokens returns an Identity by ID tokens.
func NewIDTokens(cfg IDTokensConfig) (*IDTokens, error) {
	if cfg.Registry == nil || cfg.Resolver == nil || cfg.DID == nil || cfg.Now == nil || cfg.Log == nil {
		return nil, errors.New("trust: ID tokens need a registry, a resolver, the parties' DIDs, a clock and a log")
	}
	return &IDTokens{cfg: cfg, used: newReplays()}, nil
}

// idClaims is what of an ID token is read. What else it says is nobody's business.
type idClaims struct {
	Issuer   string         `json:"iss"`
	Subject  string         `json:"sub"`
	Audience jsontext.Value `json:"aud"`
	ID       string         `json:"jti"`
	Issued   float64        `json:"iat"`
	Expires  float64        `json:"exp"`
	Before   float64        `json:"nbf,omitempty"`
}

// Present implements [Identity]: each message gets a token of its own.
func (t *IDTokens) Present(ctx context.Context, own, peer hansa.PartyID, h http.Header) error {
	key, err := t.cfg.Registry.SigningKey(ctx, own, UseMessage)
	if err != nil {
		return err
	}
	did, now := t.cfg.DID(own), t.cfg.Now()
	claims, err := json.Marshal(map[string]any{
		"iss": did, "sub": did, "aud": string(peer), "jti": hansa.NewID(now), "iat": now.Unix(), "nbf": now.Add(-tokenLead).Unix(), "exp": now.Add(TokenLife).Unix(),
	})
	if err != nil {
		return fmt.Errorf("encode an ID token: %w", err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{
		Algorithm: jose.SignatureAlgorithm(key.jwk.Algorithm),
		Key:       jose.JSONWebKey{Key: key.jwk.Key, KeyID: did + "#" + key.jwk.KeyID},
	}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return fmt.Errorf("sign an ID token: %w", err)
	}
	signed, err := signer.Sign(claims)
	if err != nil {
		return fmt.Errorf("sign an ID token: %w", err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		return fmt.Errorf("sign an ID token: %w", err)
	}
	h.Set("Authorization", "Bearer "+token)
	return nil
}

// Caller implements [Identity]. What passes by itself is Busy, with [Throttled] as
// the cause: a sender takes any 4xx as final.
func (t *IDTokens) Caller(ctx context.Context, r *http.Request, own hansa.PartyID) (hansa.PartyID, error) {
	token, ok := bearer(r.Header)
	if !ok {
		return "", unauthenticated("the request carries no bearer token, or more than one")
	}
	who, err := t.prove(ctx, token, own)
	if err == nil {
		return who, nil
	}
	if ctx.Err() != nil {
		return "", err
	}
	t.causes.tell(ctx, t.cfg.Log, t.cfg.Now(), own, err)
	if hansa.KindOf(err) == hansa.Busy {
		e := *hansa.Public(err)
		e.Message = "whether the token is good cannot be said now; try again in a second with a new one"
		return "", &e
	}
	e := hansa.Errorf(hansa.Denied, "the ID token does not prove who sent this").With(hansa.CodeUnauthenticated)
	if e.Err = err; errors.Is(err, errClock) {
		e = e.WithHint("the token is not of this time: is the clock of its sender right? Here it is " + t.cfg.Now().UTC().Format(time.RFC3339))
	}
	return "", e
}

// prove checks token as the protocol's section 4.3.3 says, cheap things first.
func (t *IDTokens) prove(ctx context.Context, token string, own hansa.PartyID) (hansa.PartyID, error) {
	p, claims, err := readToken(token)
	if err != nil {
		return "", err
	}
	now := t.cfg.Now()
	if err := claims.check(now, []string{t.cfg.DID(own), string(own)}); err != nil {
		return "", err
	}
	if !t.cfg.Began.IsZero() && int64(claims.Issued) <= t.cfg.Began.Unix() {
		return "", busy("the ID token of %s is older than this process: it may have been used", claims.Issuer)
	}
	id := absolute(claims.Issuer, p.Kid)
	if !strings.HasPrefix(id, claims.Issuer+"#") {
		return "", refuse("kid %.200q is no key of the issuer %s", p.Kid, claims.Issuer)
	}
	_, err = t.cfg.Registry.PeerByID(ctx, own, hansa.PartyID(claims.Issuer))
	key, err := t.cfg.Resolver.key(ctx, claims.Issuer, id, seconds(claims.Issued), err == nil)
	if err != nil {
		return "", err
	}
	if p.Alg != key.Algorithm {
		return "", refuse("the key %s signs with %s, not %s", id, key.Algorithm, p.Alg)
	}
	parsed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(key.Algorithm)})
	if err != nil {
		return "", refuse("the token cannot be read, or is of another algorithm than its key")
	}
	if _, err := parsed.Verify(key.Key); err != nil {
		return "", refuse("the signature does not hold")
	}
	fresh, full := t.used.use(claims.Issuer, claims.ID, seconds(claims.Expires).Add(TokenSkew), now)
	switch {
	case full:
		return "", busy("%d used tokens are remembered, as many as may be", tokensMax)
	case !fresh:
		return "", refuse("the token %.100q of %s was used already", claims.ID, claims.Issuer)
	}
	return hansa.PartyID(claims.Issuer), nil
}

// readToken reads an ID token before any key is touched. Whatever could bring a key
// along (jku, x5u, x5c, jwk) or change what is signed (crit, b64) is refused.
func readToken(token string) (p protected, c idClaims, err error) {
	parts := strings.Split(token, ".")
	if len(token) > TokenBytesMax || len(parts) != 3 {
		return p, c, refuse("an ID token is a JWT of at most %d bytes", TokenBytesMax)
	}
	raw := [3][]byte{}
	for i, part := range parts {
		if !canonical(part) {
			return p, c, refuse("the token is not base64url")
		}
		raw[i], _ = base64.RawURLEncoding.DecodeString(part) // it is canonical
	}
	if len(raw[2]) != 64 {
		return p, c, refuse("a signature is 64 bytes")
	}
	var members map[string]jsontext.Value
	if err := json.Unmarshal(raw[0], &members); err != nil {
		return p, c, refuse("the token's header is not strict JSON: %v", err)
	}
	for name := range members {
		if !slices.Contains([]string{"alg", "kid", "typ"}, name) {
			return p, c, refuse("the token's header may not hold %.40q: only alg, kid and typ", name)
		}
	}
	if err := json.Unmarshal(raw[0], &p); err != nil {
		return p, c, refuse("the token's header: %v", err)
	}
	if a := Alg(p.Alg); a != ES256 && a != EdDSA {
		return p, c, refuse("the algorithm is ES256 or EdDSA, not %.20q", p.Alg)
	}
	if p.Typ != "" && !strings.EqualFold(p.Typ, "JWT") {
		return p, c, refuse("the token's type is JWT, not %.40q", p.Typ)
	}
	if err := json.Unmarshal(raw[1], &c); err != nil {
		return p, c, refuse("the token's claims are not strict JSON: %v", err)
	}
	return p, c, nil
}

// check holds the claims against who they are for and what time it is.
func (c *idClaims) check(now time.Time, receivers []string) error {
	for _, f := range []float64{c.Issued, c.Expires, c.Before} {
		if math.IsNaN(f) || f < 0 || f > 1e11 {
			return refuse("a time is not in seconds since 1970")
		}
	}
	life := c.Expires - c.Issued
	switch {
	case c.Issuer == "" || c.Issuer != c.Subject:
		return refuse("iss %.200q is not sub %.200q", c.Issuer, c.Subject)
	case !c.isFor(receivers):
		return refuse("the token is for %.200s, not for %s alone", string(c.Audience), receivers[0])
	case slices.Contains(receivers, c.Issuer):
		return refuse("a party is no peer of itself")
	case c.ID == "" || len(c.ID) > tokenIDMax:
		return refuse("jti has 1 to %d bytes", tokenIDMax)
	case c.Issued == 0 || c.Expires == 0:
		return refuse("the token lacks iat or exp")
	case life <= 0 || life > TokenLifeMax.Seconds():
		return refuse("the token lives for %.0f s; at most %.0f are taken", life, TokenLifeMax.Seconds())
	case !now.Before(seconds(c.Expires).Add(TokenSkew)):
		return untimely("the token has expired")
	case now.Add(TokenSkew).Before(seconds(c.begins())), now.Add(hansa.SkewMax).Before(seconds(c.Issued)):
		return untimely("the token is not valid yet")
	}
	_, err := DocumentURL(c.Issuer)
	return err
}

// untimely refuses what clocks that differ may be the reason of.
func untimely(what string) error {
	e := *hansa.Public(refuse("%s", what))
	e.Err = errClock
	return &e
}

// begins is from when on the token is valid.
func (c *idClaims) begins() float64 {
	if c.Before != 0 {
		return c.Before
	}
	return c.Issued
}

// isFor reports whether the token is for one of receivers and for nobody else: what
// two may take is replayed at the second.
func (c *idClaims) isFor(receivers []string) bool {
	var one string
	var all []string
	if json.Unmarshal(c.Audience, &one) != nil {
		if json.Unmarshal(c.Audience, &all) != nil || len(all) != 1 {
			return false
		}
		one = all[0]
	}
	return one != "" && slices.Contains(receivers, one)
}

func seconds(f float64) time.Time { return time.UnixMilli(int64(f * 1000)) }

// causesPerSecond bounds the lines in the log on refused tokens.
const causesPerSecond = 20

// causes counts what was told in a second.
type causes struct {
	mu     sync.Mutex // guards both
	second int64
	n      int
}

// tell logs why a token was refused, not more often than is of use.
func (c *causes) tell(ctx context.Context, log *slog.Logger, now time.Time, own hansa.PartyID, err error) {
	c.mu.Lock()
	if s := now.Unix(); s != c.second {
		c.second, c.n = s, 0
	}
	c.n++
	quiet := c.n > causesPerSecond
	c.mu.Unlock()
	if !quiet {
		log.LogAttrs(ctx, slog.LevelInfo, "an ID token was not taken", slog.String("party", string(own)), slog.Any("err", err))
	}
}

// Identities chooses between ways of proving: what comes in by its form, what goes
// out by the peer's mode.
type Identities struct {
	Tokens   Tokens
	IDTokens *IDTokens
}

var _ Identity = Identities{}

// Caller implements [Identity].
func (i Identities) Caller(ctx context.Context, r *http.Request, own hansa.PartyID) (hansa.PartyID, error) {
	if token, ok := bearer(r.Header); ok && strings.HasPrefix(token, "eyJ") && strings.Count(token, ".") == 2 {
		return i.IDTokens.Caller(ctx, r, own)
	}
	return i.Tokens.Caller(ctx, r, own)
}

// Present implements [Identity]. Who is kept as nobody's peer and has a did:web proved
// itself by it, and is answered in the same way.
func (i Identities) Present(ctx context.Context, own, peer hansa.PartyID, h http.Header) error {
	p, err := i.Tokens.Registry.PeerByID(ctx, own, peer)
	if err != nil && hansa.KindOf(err) == hansa.NotFound && strings.HasPrefix(string(peer), "did:web:") {
		return i.IDTokens.Present(ctx, own, peer, h)
	}
	if err != nil {
		return err
	}
	if p.Mode == PeerDIDWeb {
		return i.IDTokens.Present(ctx, own, peer, h)
	}
	return i.Tokens.Present(ctx, own, peer, h)
}
