package accord

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/gowebpki/jcs"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/trust"
)

// EntryAct is the kind of act by which a node journals an entry of an accord.
const EntryAct = "accord-entry"

// MessageType is the type in the header of each message's JWS.
const MessageType = "hansa-accord-message+jws"

// Checked is a key by which a node found something of an entry signed, when it took
// the entry: what it says of it is sealed in its journal with the entry.
type Checked struct {
	KID   string         `json:"kid"`
	Party hansa.PartyID  `json:"party"`
	Use   trust.KeyUse   `json:"use"`
	JWK   jsontext.Value `json:"jwk,omitzero"` // of a message key: a signature brings its own
}

// EntryDoc is the document of the act by which a node journals an entry.
type EntryDoc struct {
	Accord hansa.AccordID `json:"accord"`
	N      int64          `json:"n"`
	Entry  string         `json:"entry"` // SHA-256 of the entry's canonical bytes, which a bundle brings as content
	Kind   Kind           `json:"kind"`
	From   hansa.PartyID  `json:"from"`
	Text   string         `json:"text,omitempty"` // SHA-256 of the text that open or propose brings
	Keys   []Checked      `json:"keys"`
}

// NewEntryDoc returns the document of the act for e, whose message is m and was found
// signed by the message key jwk of its sender.
func NewEntryDoc(e *Entry, m *Message, jwk []byte) (doc []byte, err error) {
	content, err := EntryContent(e)
	if err != nil {
		return nil, err
	}
	one, kid, err := trust.CanonicalJWK(jwk)
	if err != nil {
		return nil, err
	}
	d := EntryDoc{Accord: m.Accord, N: e.N, Entry: hashOf(content), Kind: m.Kind, From: m.From, Keys: []Checked{{KID: kid, Party: m.From, Use: trust.UseMessage, JWK: one}}}
	if len(m.Body.Text) > 0 {
		d.Text = hashOf(m.Body.Text)
	}
	for _, s := range m.Body.signatures() {
		kid, err := s.KID()
		if err != nil {
			return nil, err
		}
		d.Keys = append(d.Keys, Checked{KID: kid, Party: s.Party, Use: trust.UseSignature})
	}
	return canonicalJSON(d)
}

// EntryContent returns the canonical bytes of e, which are hashed and which a proof
// bundle brings.
func EntryContent(e *Entry) ([]byte, error) { return canonicalJSON(e) }

// ActID is the id of the act by which own's node journals the entry with this content:
// who knows the entry finds the act, and nobody else learns anything from it.
func ActID(own hansa.PartyID, content []byte) string {
	sum := sha256.Sum256([]byte("hansa accord entry\x00" + string(own) + "\x00" + hashOf(content)))
	b := sum[:16]
	b[6], b[8] = b[6]&0x0f|0x80, b[8]&0x3f|0x80 // UUIDv8 (RFC 9562 section 5.8)
	s := hex.EncodeToString(b)
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// EntrySignatures returns the signatures in the message of an entry that was taken.
func EntrySignatures(e *Entry) ([]*Signature, error) {
	sent, err := trust.ReadMessage(e.Message, MessageType)
	if err != nil {
		return nil, err
	}
	var m Message
	if err := strict(sent.Payload, &m); err != nil {
		return nil, hansa.Errorf(hansa.Invalid, "the message of entry %d: %w", e.N, err)
	}
	return m.Body.signatures(), nil
}

// signatures are all that b brings.
func (b *Body) signatures() (out []*Signature) {
	if b.Signature != nil {
		out = append(out, b.Signature)
	}
	for i := range b.Signatures {
		out = append(out, &b.Signatures[i])
	}
	return out
}

// canonicalJSON encodes v in the form of RFC 8785, as jcs.Transform would, by which what
// comes from others is held to that form, in a fifth of its time.
func canonicalJSON(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	out := jsontext.Value(b)
	if err := out.Canonicalize(); err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	return out, nil
}

// strict reads canonical JSON into v: no unknown members, and no other form.
func strict(b []byte, v any) error {
	if err := json.Unmarshal(b, v, json.RejectUnknownMembers(true)); err != nil {
		return err
	}
	if one, err := jcs.Transform(b); err != nil || !bytes.Equal(one, b) {
		return fmt.Errorf("it is not in canonical form (RFC 8785)")
	}
	return nil
}

// provenEntry is an entry as a bundle proves it.
type provenEntry struct {
	Entry   Entry
	Message Message
	Doc     EntryDoc
	hash    string
}

// readProven reads an entry from the document and the content of a fact.
func readProven(doc string, content []byte) (p provenEntry, err error) {
	if err := strict([]byte(doc), &p.Doc); err != nil {
		return p, fmt.Errorf("its document: %w", err)
	}
	if p.hash = hashOf(content); p.hash != p.Doc.Entry {
		return p, fmt.Errorf("its content is another entry than its document names")
	}
	if err := strict(content, &p.Entry); err != nil {
		return p, fmt.Errorf("the entry: %w", err)
	}
	sent, err := trust.ReadMessage(p.Entry.Message, MessageType)
	if err != nil {
		return p, fmt.Errorf("its message: %w", err)
	}
	if err := strict(sent.Payload, &p.Message); err != nil {
		return p, fmt.Errorf("its message: %w", err)
	}
	m, d := &p.Message, &p.Doc
	text := ""
	if len(m.Body.Text) > 0 {
		text = hashOf(m.Body.Text)
	}
	if d.Accord != m.Accord || d.N != p.Entry.N || d.Kind != m.Kind || d.From != m.From || d.Text != text {
		return p, fmt.Errorf("its document says another thing than its message")
	}
	i := slices.IndexFunc(d.Keys, func(k Checked) bool { return k.Use == trust.UseMessage && k.Party == m.From })
	if i < 0 {
		return p, fmt.Errorf("no message key of %s was found when it was taken", m.From)
	}
	if _, err := trust.VerifyMessage(d.Keys[i].JWK, MessageType, p.Entry.Message); err != nil {
		return p, fmt.Errorf("its message: %w", err)
	}
	return p, nil
}

// checkChain reports the first break in the chain of entries, which are in their order.
// erased of them may be missing, for they were erased.
func checkChain(list []provenEntry, erased int) error {
	n, before := int64(0), ""
	for i := range list {
		e := &list[i].Entry
		if list[i].Message.Accord != list[0].Message.Accord {
			return fmt.Errorf("entry %d is of the accord %s, not %s", e.N, list[i].Message.Accord, list[0].Message.Accord)
		}
		gap := int(e.N - n - 1)
		switch {
		case e.N <= n:
			return fmt.Errorf("entry %d is there twice", e.N)
		case gap > erased:
			return fmt.Errorf("entry %d is missing", n+1)
		case gap == 0 && e.Before != before:
			return fmt.Errorf("entry %d does not follow entry %d: that was another", e.N, n)
		}
		erased -= gap
		n, before = e.N, list[i].hash
	}
	return nil
}

// checkSigned reports the first signature in list that does not hold over its text, by
// a key that was found to be its party's when the entry was taken. It returns how many
// hold, and over which texts. history says what the bundle shows of keys.
func checkSigned(list []provenEntry, history map[string][]trust.Key) (n int, texts map[string][]byte, err error) {
	texts = map[string][]byte{}
	for i := range list {
		e, m, d := &list[i].Entry, &list[i].Message, &list[i].Doc
		if len(m.Body.Text) > 0 {
			if one, err := jcs.Transform(m.Body.Text); err != nil || !bytes.Equal(one, m.Body.Text) {
				return n, texts, fmt.Errorf("entry %d: its text is not in canonical form", e.N)
			}
			texts[hashOf(m.Body.Text)] = m.Body.Text
		}
		for _, s := range m.Body.signatures() {
			canonical, ok := texts[s.Hash]
			if !ok {
				return n, texts, fmt.Errorf("entry %d: the text %.16s… that %s signs is not in the bundle", e.N, s.Hash, s.Party)
			}
			if err := checkOne(e, m, d, s, canonical, history); err != nil {
				return n, texts, fmt.Errorf("entry %d: %w", e.N, err)
			}
			n++
		}
	}
	return n, texts, nil
}

func checkOne(e *Entry, m *Message, d *EntryDoc, s *Signature, canonical []byte, history map[string][]trust.Key) error {
	if err := s.Check(canonical); err != nil {
		return err
	}
	kid, err := s.KID()
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(d.Keys, func(k Checked) bool { return k.Use == trust.UseSignature && k.KID == kid && k.Party == s.Party }) {
		return fmt.Errorf("the key %s was not found to be one of %s when the entry was taken", kid, s.Party)
	}
	for _, k := range history[kid] {
		k.ValidFrom = time.Time{} // of a party elsewhere it says when the key was first met here
		if why := k.ValidAt(e.At); why != "" {
			return fmt.Errorf("the key %s of %s: %s at %s", kid, s.Party, why, e.At.UTC().Format(time.RFC3339))
		}
	}
	if s != m.Body.Signature {
		if s.Act != Sign {
			return fmt.Errorf("the signature of %s is for %s, not for the text", s.Party, s.Act)
		}
		return nil
	}
	about := ""
	if m.Kind != Sign {
		if about, err = m.Body.Digest(); err != nil {
			return err
		}
	}
	if s.Act != m.Kind || s.About != about || s.Party != m.From {
		return fmt.Errorf("the signature of %s is for another act than the message of %s", s.Party, m.From)
	}
	return nil
}

func byNumber(a, b provenEntry) int { return cmp.Compare(a.Entry.N, b.Entry.N) }

// signedBy lists who signed, in words.
func signedBy(list []provenEntry) string {
	var out []string
	for i := range list {
		if s := list[i].Message.Body.Signature; s != nil && (s.Act == Sign || s.Act == Join) {
			who := string(s.Party)
			if s.Held == HeldByNode {
				who = s.Host + " on behalf of " + who
			}
			if who = fmt.Sprintf("%s (%s, %s)", who, s.Role, s.Power); !slices.Contains(out, who) {
				out = append(out, who)
			}
		}
	}
	return strings.Join(out, "; ")
}
