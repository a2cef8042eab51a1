package journal

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/hansa-exchange/hansa"
)

// Limits of a proof bundle.
const (
	BundleBytesMax = 64 << 20
	FactsMax       = 10_000
	SinceMax       = 64 // earlier sizes that one bundle proves its growth from
	epochsShown    = 8
	bundleDepthMax = 16
)

// bundleFormat is the first member of every bundle; docs/formats/proof-bundle.md
// describes them all.
const bundleFormat = "hansa-proof-bundle/1"

type bundle struct {
	Format      string        `json:"format"`
	Origin      string        `json:"origin"`
	Key         string        `json:"key"`
	Checkpoint  string        `json:"checkpoint"`
	Entries     []bundleEntry `json:"entries"`
	Facts       []bundleFact  `json:"facts"`
	Consistency []growth      `json:"consistency,omitempty"`
}

type bundleEntry struct {
	Index     int64    `json:"index"`
	Data      string   `json:"data"`
	Inclusion []string `json:"inclusion"`
}

type bundleFact struct {
	Kind     string   `json:"kind"`
	Entry    int64    `json:"entry"`
	Position int64    `json:"position"`
	Path     []string `json:"path,omitempty"`
	// Salt and Doc, or Leaf and Erased.
	Salt   string `json:"salt,omitempty"`
	Doc    string `json:"doc,omitempty"`
	Leaf   string `json:"leaf,omitempty"`
	Erased *int64 `json:"erased,omitempty"` // index of the entry that erased it

	Content   string     `json:"content,omitempty"` // standard base64
	Signature *signature `json:"signature,omitempty"`
}

type signature struct {
	JWS string         `json:"jws"`
	Key jsontext.Value `json:"key"`
}

// growth proves that the log contains the tree of Size with Root.
type growth struct {
	Size   int64    `json:"size"`
	Root   string   `json:"root"`
	Hashes []string `json:"hashes"`
}

// FactRef names one fact that a bundle shall prove.
type FactRef struct {
	// Batch and Position name a sealed fact; Act names an act's entry, whose salt
	// and document the journal adds where it keeps them. One of the two.
	Batch    string
	Position int64
	Act      string
	// Kind, Salt and Doc are what the leaf was made of. A nil Doc of an erased
	// fact proves its erasure.
	Kind hansa.FactKind
	Salt hansa.Salt
	Doc  []byte
	// Content is what the doc names by its SHA-256: a record's canonical bytes,
	// or the bytes that a receiver signed. It may be absent.
	Content []byte
	// JWS is a detached signature over Content, or over Doc when there is none,
	// and Key the signer's public JWK. Both or neither.
	JWS string
	Key []byte
}

// Bundle returns a proof of facts that anyone who knows this node's key can check
// offline with [Verify]. since are the sizes of checkpoints that those who will
// check it may have saved. What is not sealed yet is Conflict; a fact that
// does not match its leaf is a Corrupt error.
func (l *Log) Bundle(ctx context.Context, facts []FactRef, since ...int64) ([]byte, error) {
	switch {
	case len(facts) == 0:
		return nil, hansa.Errorf(hansa.Invalid, "a bundle proves at least one fact")
	case len(facts) > FactsMax:
		return nil, hansa.Errorf(hansa.Invalid, "a bundle proves at most %d facts, not %d", FactsMax, len(facts))
	case len(since) > SinceMax:
		return nil, hansa.Errorf(hansa.Invalid, "a bundle proves its growth from at most %d sizes, not %d", SinceMax, len(since))
	}
	size, err := l.Size(ctx)
	if err != nil {
		return nil, err
	}
	signed, err := l.checkpoint(ctx, size)
	if err != nil {
		return nil, err
	}
	c, err := openCheckpoint(signed, l.verifier)
	if err != nil {
		return nil, fmt.Errorf("open our own checkpoint: %w", err)
	}
	var b builder
	err = l.db.Read(ctx, func(tx hansa.Tx) error {
		b = builder{size: c.Size, batches: map[string]*batch{}, entries: map[int64]bool{}, bundle: bundle{
			Format: bundleFormat, Origin: l.cfg.Origin, Key: l.cfg.VerifierKey, Checkpoint: string(signed),
			Entries: []bundleEntry{}, Facts: make([]bundleFact, 0, len(facts)),
		}}
		return b.fill(tx, slices.Clone(facts), since)
	})
	if err != nil {
		return nil, err
	}
	out, err := json.Marshal(&b.bundle)
	if err != nil {
		return nil, fmt.Errorf("encode a bundle: %w", err)
	}
	if len(out) > BundleBytesMax {
		return nil, hansa.Errorf(hansa.Invalid, "a bundle has at most %d bytes; this one would have %d", BundleBytesMax, len(out)).
			WithHint("ask for fewer facts, or without their content")
	}
	return out, nil
}

type builder struct {
	bundle
	size    int64
	batches map[string]*batch
	entries map[int64]bool // those already in the bundle
}

func (b *builder) fill(tx hansa.Tx, facts []FactRef, since []int64) error {
	for i := range facts {
		if err := b.fact(tx, &facts[i]); err != nil {
			return fmt.Errorf("fact %d: %w", i, err)
		}
	}
	epochs, err := readLines(tx, `kind = ? AND idx < ?`, epochsShown, kindEpoch, b.size)
	if err != nil {
		return err
	}
	for _, line := range epochs {
		if err := checkLine(tx, line); err != nil {
			return err
		}
		if err := b.entry(tx, line); err != nil {
			return err
		}
	}
	for _, old := range since {
		if old < 0 || old > b.size {
			return hansa.Errorf(hansa.Invalid, "the log has %d entries: it cannot prove its growth from %d", b.size, old)
		}
		p, err := proveConsistency(tx, old, b.size)
		if err != nil {
			return err
		}
		root, err := tlog.TreeHash(old, hashReader(tx))
		if err != nil {
			return corruptOr(err)
		}
		b.Consistency = append(b.Consistency, growth{Size: old, Root: hex.EncodeToString(root[:]), Hashes: hexes(fromHashes(p))})
	}
	return nil
}

func (b *builder) fact(tx hansa.Tx, ref *FactRef) error {
	f := bundleFact{Kind: string(ref.Kind), Position: ref.Position, Content: base64.StdEncoding.EncodeToString(ref.Content)}
	leaf, source, err := b.locate(tx, ref, &f)
	if err != nil {
		return err
	}
	if (ref.JWS == "") != (len(ref.Key) == 0) {
		return hansa.Errorf(hansa.Invalid, "a signature and its key come together")
	}
	if ref.JWS != "" {
		f.Signature = &signature{JWS: ref.JWS, Key: jsontext.Value(ref.Key)}
	}
	if ref.Doc == nil {
		line, err := erasedBy(tx, source, ref.Position)
		if err != nil {
			return err
		}
		if line == nil {
			return hansa.Errorf(hansa.Invalid, "the fact has no document, but was not erased")
		}
		f.Leaf, f.Erased, f.Content, f.Signature = hex.EncodeToString(leaf[:]), &line.Index, "", nil
		b.Facts = append(b.Facts, f)
		return b.entry(tx, *line)
	}
	if !utf8.Valid(ref.Doc) {
		return hansa.Errorf(hansa.Invalid, "a fact's document is JSON, and so UTF-8")
	}
	if hansa.Leaf(ref.Kind, ref.Salt, ref.Doc) != leaf {
		return corrupt("fact %d of %s does not match its leaf", ref.Position, source)
	}
	f.Salt, f.Doc = hex.EncodeToString(ref.Salt[:]), string(ref.Doc)
	b.Facts = append(b.Facts, f)
	return nil
}

// locate finds the leaf that ref stands for and sets f's place in the log. An
// act's salt and document are put into ref.
func (b *builder) locate(tx hansa.Tx, ref *FactRef, f *bundleFact) (leaf hansa.Hash, source string, err error) {
	if (ref.Act == "") == (ref.Batch == "") {
		return leaf, "", hansa.Errorf(hansa.Invalid, "a fact is in a batch or an act, one of the two")
	}
	if ref.Act != "" {
		line, leaf, err := committed(tx, ref.Act)
		if err != nil {
			return leaf, "", err
		}
		ref.Kind, ref.Position = hansa.FactAct, 0
		if a, err := readAct(tx, ref.Act); err == nil {
			ref.Salt, ref.Doc = a.salt, a.doc
		} else if hansa.KindOf(err) != hansa.NotFound {
			return leaf, "", err
		}
		f.Kind, f.Entry, f.Position = string(hansa.FactAct), line.Index, 0
		return leaf, ref.Act, b.entry(tx, line)
	}
	s := b.batches[ref.Batch]
	if s == nil {
		if s, err = readBatch(tx, ref.Batch); err != nil {
			return leaf, "", err
		}
		b.batches[ref.Batch] = s
	}
	switch {
	case ref.Position < 0 || ref.Position >= int64(len(s.leaves)):
		return leaf, "", hansa.Errorf(hansa.NotFound, "batch %s has no fact %d", ref.Batch, ref.Position)
	case string(ref.Kind) != s.kind:
		return leaf, "", hansa.Errorf(hansa.Invalid, "batch %s holds facts of kind %q, not %q", ref.Batch, s.kind, ref.Kind)
	}
	path, err := s.tree.path(ref.Position)
	if err != nil {
		return leaf, "", fmt.Errorf("prove a fact in its batch: %w", err)
	}
	f.Entry, f.Path = s.line.Index, hexes(path)
	return s.leaves[ref.Position], ref.Batch, b.entry(tx, s.line)
}

// entry adds line with its proof, once.
func (b *builder) entry(tx hansa.Tx, line Line) error {
	if b.entries[line.Index] {
		return nil
	}
	if line.Index >= b.size {
		return hansa.Errorf(hansa.Conflict, "entry %d came after the checkpoint of %d: ask again", line.Index, b.size)
	}
	p, err := tlog.ProveRecord(b.size, line.Index, hashReader(tx))
	if err != nil {
		return corruptOr(err)
	}
	b.entries[line.Index] = true
	b.Entries = append(b.Entries, bundleEntry{Index: line.Index, Data: string(line.Data), Inclusion: hexes(p)})
	return nil
}

func hexes(in []tlog.Hash) []string {
	out := make([]string, len(in))
	for i, h := range in {
		out[i] = hex.EncodeToString(h[:])
	}
	return out
}

func unhexes(in []string) ([]tlog.Hash, error) {
	if len(in) > 64 {
		return nil, hansa.Errorf(hansa.Invalid, "a proof has at most 64 hashes, not %d", len(in))
	}
	out := make([]tlog.Hash, len(in))
	for i, s := range in {
		h, err := unhex(s)
		if err != nil {
			return nil, err
		}
		out[i] = tlog.Hash(h)
	}
	return out, nil
}
