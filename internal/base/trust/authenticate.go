package trust

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"

	"github.com/hansa-exchange/hansa"
)

// secretBytesMax bounds what a caller may present as a secret.
const secretBytesMax = 1024

// Authenticate establishes who sent req, from exactly one credential: bearer,
// basic or a header that some party named. Otherwise the error is Denied with
// [hansa.CodeUnauthenticated], and says no more than the caller knows already.
func (r *Registry) Authenticate(ctx context.Context, req *http.Request) (hansa.Actor, error) {
	s, err := r.load(ctx)
	if err != nil {
		return hansa.Actor{}, err
	}
	kind, user, secret, err := presented(req.Header, s.headers)
	if err != nil {
		return hansa.Actor{}, err
	}
	h, err := r.good(s, kind, user, secret)
	if err != nil {
		return hansa.Actor{}, err
	}
	return h.actor, nil
}

// good finds the credential of secret as it was presented, and counts its use.
func (r *Registry) good(s *snapshot, kind CredentialKind, user, secret string) (*held, error) {
	hash := sha256.Sum256([]byte(secret))
	h := s.secrets[hash]
	if h == nil || subtle.ConstantTimeCompare(h.hash[:], hash[:]) != 1 {
		return nil, unauthenticated("the credential is unknown")
	}
	// What is a password must not be good as a token, nor under another's name.
	if h.Kind != kind || kind == Basic && user != h.ID && user != h.Name || kind == Header && user != h.HeaderName {
		return nil, unauthenticated("the credential is unknown")
	}
	now := r.cfg.Now()
	if why := h.live(now, s.cutoff); why != "" {
		return nil, unauthenticated(why)
	}
	if ms := now.UnixMilli(); ms-h.used.Load() >= lastUseEvery.Milliseconds() {
		h.used.Store(ms)
	}
	return h, nil
}

// presented returns the one credential in header; user is the user of a basic
// one, or the name of the header of one that has its own.
func presented(header http.Header, named []string) (kind CredentialKind, user, secret string, err error) {
	found := 0
	for _, name := range named {
		if values := header[name]; len(values) > 0 {
			found += len(values)
			kind, user, secret = Header, name, values[0]
		}
	}
	if values := header["Authorization"]; len(values) > 0 {
		found += len(values)
		kind, user, secret, err = authorization(values[0])
	}
	switch {
	case found == 0:
		return "", "", "", unauthenticated("the request carries no credential")
	case found > 1:
		return "", "", "", unauthenticated("the request carries more than one credential; send one")
	case len(secret) > secretBytesMax:
		return "", "", "", unauthenticated("the credential is unknown")
	}
	return kind, user, secret, err
}

func authorization(value string) (kind CredentialKind, user, secret string, err error) {
	scheme, rest, _ := strings.Cut(value, " ")
	switch {
	case len(rest) > 2*secretBytesMax:
	case strings.EqualFold(scheme, "Bearer"):
		return Bearer, "", rest, nil
	case strings.EqualFold(scheme, "Basic"):
		raw, err := base64.StdEncoding.DecodeString(rest)
		if user, secret, ok := strings.Cut(string(raw), ":"); ok && err == nil {
			return Basic, user, secret, nil
		}
	default:
		return "", "", "", unauthenticated("the Authorization header is neither Bearer nor Basic")
	}
	return "", "", "", unauthenticated("the Authorization header is malformed")
}

func unauthenticated(why string) error {
	return hansa.Errorf(hansa.Denied, "%s", why).With(hansa.CodeUnauthenticated)
}

// PurposeHeader narrows what a read is for: one purpose or several, with commas.
const PurposeHeader = "Hansa-Purpose"

// Purpose returns what a read by a is for: the purposes of the flow, narrowed to
// those of the credential when it has any, narrowed to those in header when it
// has any. A purpose that is not among them is Denied with [hansa.CodePurpose];
// none at all is Denied with [hansa.CodeNoPurpose]. The result may be shared: do
// not change it.
func Purpose(a hansa.Actor, header string, flow []hansa.Purpose) ([]hansa.Purpose, error) {
	allowed := flow
	if len(a.Purposes) > 0 {
		allowed = common(flow, a.Purposes)
	}
	switch {
	case len(flow) == 0 && len(a.Purposes) == 0 && strings.TrimSpace(header) == "":
		return nil, hansa.Errorf(hansa.Denied, "the read says nowhere what it is for: neither the flow nor the credential nor the header %s", PurposeHeader).
			With(hansa.CodeNoPurpose)
	case len(allowed) == 0 && len(flow) > 0:
		return nil, hansa.Errorf(hansa.Denied, "none of the credential's purposes is one of the flow's").With(hansa.CodePurpose)
	case header == "":
		if len(allowed) == 0 {
			return nil, hansa.Errorf(hansa.Denied, "the flow allows no purpose").With(hansa.CodeNoPurpose)
		}
		return allowed, nil
	}
	var asked []hansa.Purpose
	for p := range strings.SplitSeq(header, ",") {
		p := hansa.Purpose(strings.TrimSpace(p))
		switch {
		case p == "":
			return nil, hansa.Errorf(hansa.Denied, "the header %s is there, but names no purpose", PurposeHeader).With(hansa.CodeNoPurpose)
		case !slices.Contains(allowed, p):
			return nil, hansa.Errorf(hansa.Denied, "the purpose %.100q is not agreed for this flow and credential", p).With(hansa.CodePurpose)
		case len(asked) >= PurposesMax:
			return nil, hansa.Errorf(hansa.Invalid, "the header %s names at most %d purposes", PurposeHeader, PurposesMax)
		}
		if !slices.Contains(asked, p) {
			asked = append(asked, p)
		}
	}
	return asked, nil
}

func common(a, b []hansa.Purpose) []hansa.Purpose {
	var out []hansa.Purpose
	for _, p := range a {
		if slices.Contains(b, p) {
			out = append(out, p)
		}
	}
	return out
}
