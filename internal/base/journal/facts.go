package journal

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/hansa-exchange/hansa"
)

func (v *verification) facts() error {
	r := &v.report
	erased := 0
	seen := make(map[[2]int64]int, len(v.bundle.Facts))
	for i := range v.bundle.Facts {
		f, err := v.fact(&v.bundle.Facts[i])
		if err != nil {
			return r.fail(checkFacts, "fact %d: %v", i, err)
		}
		place := [2]int64{f.Entry, f.Position}
		if first, twice := seen[place]; twice {
			return r.fail(checkFacts, "fact %d is fact %d once more", i, first)
		}
		seen[place] = i
		if f.Erased != nil {
			erased++
		}
		r.Facts = append(r.Facts, f)
	}
	r.pass(checkFacts, "%d facts are in their entries, %d of them erased", len(r.Facts), erased)
	return nil
}

func (v *verification) fact(f *bundleFact) (Fact, error) {
	out := Fact{Kind: hansa.FactKind(f.Kind), Entry: f.Entry, Position: f.Position, Doc: f.Doc}
	d, ok := v.byIndex[f.Entry]
	if !ok {
		return out, fmt.Errorf("its entry %d is not in the bundle", f.Entry)
	}
	at, err := time.Parse(timeLayout, d.At)
	if err != nil {
		return out, fmt.Errorf("entry %d has no time", f.Entry)
	}
	out.Sealed = at
	if out.Content, err = unbase64(f.Content); err != nil {
		return out, err
	}
	leaf, err := v.leaf(f)
	if err != nil {
		return out, err
	}
	out.Leaf = hex.EncodeToString(leaf[:])
	if d.Kind == kindBatch {
		if err := inBatch(f, &d, leaf); err != nil {
			return out, err
		}
	} else {
		if f.Kind != string(hansa.FactAct) || f.Position != 0 || len(f.Path) != 0 || d.Kind == kindErased || d.Kind == kindEpoch {
			return out, fmt.Errorf("entry %d, of kind %q, does not hold a fact of kind %q", f.Entry, d.Kind, f.Kind)
		}
		if d.Leaf != out.Leaf {
			return out, fmt.Errorf("its content does not match the commitment in entry %d", f.Entry)
		}
		out.Act = d.Kind
	}
	if f.Erased != nil {
		out.Erased, err = v.gone(f, &d, out.Leaf)
	}
	return out, err
}

// leaf computes the leaf from salt and doc, or takes the stated one of an erased fact.
func (*verification) leaf(f *bundleFact) (hansa.Hash, error) {
	if f.Erased != nil {
		if f.Salt != "" || f.Doc != "" || f.Content != "" || f.Signature != nil {
			return hansa.Hash{}, errors.New("it is said to be erased, but its content is there")
		}
		return unhex(f.Leaf)
	}
	if f.Leaf != "" {
		return hansa.Hash{}, errors.New("a leaf is stated only for what was erased")
	}
	var salt hansa.Salt
	b, err := hex.DecodeString(f.Salt)
	if err != nil || len(b) != len(salt) || hex.EncodeToString(b) != f.Salt {
		return hansa.Hash{}, fmt.Errorf("a salt is 32 digits of lower-case hex, not %.40q", f.Salt)
	}
	return hansa.Leaf(hansa.FactKind(f.Kind), hansa.Salt(b), []byte(f.Doc)), nil
}

func inBatch(f *bundleFact, d *data, leaf hansa.Hash) error {
	if d.Of != f.Kind {
		return fmt.Errorf("entry %d seals facts of kind %q, not %q", f.Entry, d.Of, f.Kind)
	}
	root, err := unhex(d.Root)
	if err != nil {
		return err
	}
	path, err := unhexes(f.Path)
	if err != nil {
		return err
	}
	if f.Position < 0 || f.Position >= d.Size {
		return fmt.Errorf("entry %d seals %d facts, there is no position %d", f.Entry, d.Size, f.Position)
	}
	if tlog.CheckRecord(path, d.Size, tlog.Hash(root), f.Position, tlog.RecordHash(leaf[:])) != nil {
		return fmt.Errorf("its content is not what entry %d sealed at position %d", f.Entry, f.Position)
	}
	return nil
}

func (v *verification) gone(f *bundleFact, d *data, leaf string) (*Gone, error) {
	e, ok := v.byIndex[*f.Erased]
	if !ok {
		return nil, fmt.Errorf("the entry %d that erased it is not in the bundle", *f.Erased)
	}
	if e.Kind != kindErased || e.Leaf != leaf || e.Source != d.ID || e.Position != f.Position {
		return nil, fmt.Errorf("entry %d did not erase it", *f.Erased)
	}
	at, err := time.Parse(timeLayout, e.At)
	if err != nil {
		return nil, fmt.Errorf("entry %d has no time", *f.Erased)
	}
	return &Gone{At: at, Rule: e.Rule, Entry: *f.Erased}, nil
}

func (v *verification) contents() error {
	n := 0
	for i := range v.bundle.Facts {
		f := &v.bundle.Facts[i]
		if f.Content == "" {
			continue
		}
		n++
		sum := sha256.Sum256(v.report.Facts[i].Content)
		if !holds([]byte(f.Doc), hex.EncodeToString(sum[:])) {
			return v.report.fail(checkContents, "fact %d: its content is not the one whose SHA-256 stands in it", i)
		}
	}
	v.report.pass(checkContents, "%d contents are those that the facts name", n)
	return nil
}

func (v *verification) signatures() error {
	r := &v.report
	n := 0
	for i := range v.bundle.Facts {
		f := &v.bundle.Facts[i]
		if f.Signature == nil {
			continue
		}
		n++
		if v.trust.Signature == nil {
			return r.fail(checkSigs, "fact %d is signed, but this program cannot check signatures", i)
		}
		payload := []byte(f.Doc)
		if f.Content != "" {
			payload = r.Facts[i].Content
		}
		kid, err := v.trust.Signature(f.Signature.Key, payload, f.Signature.JWS)
		if err != nil {
			return r.fail(checkSigs, "fact %d: %v", i, err)
		}
		r.Facts[i].Key = kid
		r.Facts[i].Registered = slices.ContainsFunc(v.bundle.Facts, func(act bundleFact) bool {
			return act.Kind == string(hansa.FactAct) && act.Erased == nil && holds([]byte(act.Doc), kid)
		})
		if !r.Facts[i].Registered {
			r.Cautions = append(r.Cautions, fmt.Sprintf("fact %d is signed by key %s, but the bundle does not show whose it is: compare it with the party's own key", i, kid))
		}
	}
	r.pass(checkSigs, "%d signatures hold", n)
	return nil
}

// holds reports whether want stands in doc as a string value of its own, with or
// without "sha-256:" before it.
func holds(doc []byte, want string) bool {
	dec := jsontext.NewDecoder(bytes.NewReader(doc))
	for {
		t, err := dec.ReadToken()
		if err != nil {
			return false
		}
		if t.Kind() == '"' && strings.TrimPrefix(t.String(), "sha-256:") == want {
			return true
		}
	}
}

// unbase64 reads standard base64 in its one canonical form.
func unbase64(s string) ([]byte, error) {
	if s == "" {
		return nil, nil
	}
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil || base64.StdEncoding.EncodeToString(b) != s {
		return nil, errors.New("its content is not base64")
	}
	return b, nil
}
