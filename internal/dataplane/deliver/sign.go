package deliver

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
)

// rotation is how long a replaced key still signs beside the new one.
const rotation = 24 * time.Hour

// secret is one signing key of a subscription: an Ed25519 seed or an HMAC key.
type secret struct {
	Signing string    `json:"signing"` // ed25519 or hmac
	Key     []byte    `json:"key"`
	Until   time.Time `json:"until,omitzero"` // of a key that was replaced
}

func newSecret(signing string) (secret, error) {
	switch signing {
	case "", "ed25519":
		signing = "ed25519"
	case "hmac":
	default:
		return secret{}, hansa.Fielded("/signing", "a webhook is signed with ed25519 or hmac, not %q", signing)
	}
	s := secret{Signing: signing, Key: make([]byte, 32)}
	_, _ = rand.Read(s.Key) // never fails: crypto/rand ends the program instead
	return s, nil
}

// shown is what the receiver checks with: the public key, or the shared secret.
func (s secret) shown() string {
	if s.Signing == "hmac" {
		return "whsec_" + base64.StdEncoding.EncodeToString(s.Key)
	}
	pub, _ := ed25519.NewKeyFromSeed(s.Key).Public().(ed25519.PublicKey)
	return "whpk_" + base64.StdEncoding.EncodeToString(pub)
}

func (s secret) sign(content []byte) string {
	if s.Signing == "hmac" {
		m := hmac.New(sha256.New, s.Key)
		m.Write(content)
		return "v1," + base64.StdEncoding.EncodeToString(m.Sum(nil))
	}
	return "v1a," + base64.StdEncoding.EncodeToString(ed25519.Sign(ed25519.NewKeyFromSeed(s.Key), content))
}

// headers are those of Standard Webhooks, one signature for each key that holds.
func headers(secrets []secret, id string, body []byte, now time.Time) http.Header {
	stamp := strconv.FormatInt(now.Unix(), 10)
	content := append([]byte(id+"."+stamp+"."), body...)
	var sigs []string
	for _, s := range secrets {
		if s.Until.IsZero() || now.Before(s.Until) {
			sigs = append(sigs, s.sign(content))
		}
	}
	return http.Header{
		"Content-Type":      {"application/cloudevents+json; charset=utf-8"},
		"Webhook-Id":        {id},
		"Webhook-Timestamp": {stamp},
		"Webhook-Signature": {strings.Join(sigs, " ")},
	}
}

func (d *Deliverer) hide(id string, secrets []secret) ([]byte, error) {
	b, err := json.Marshal(secrets)
	if err != nil || d.Vault == nil {
		return b, err
	}
	return d.Vault.Seal(b, "webhook "+id)
}

func (d *Deliverer) reveal(id string, b []byte) (secrets []secret, err error) {
	if d.Vault != nil {
		if b, err = d.Vault.Open(b, "webhook "+id); err != nil {
			return nil, fmt.Errorf("open the keys of subscription %s: %w", id, err)
		}
	}
	if err := json.Unmarshal(b, &secrets); err != nil {
		return nil, fmt.Errorf("read the keys of subscription %s: %w", id, err)
	}
	return secrets, nil
}
