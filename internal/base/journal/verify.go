package journal

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/hansa-exchange/hansa"
)

// ErrNotEstablished is returned by [Verify] when a bundle is consistent in itself
// but nothing that the verifier holds says who signed it.
var ErrNotEstablished error = hansa.Errorf(hansa.Denied, "the bundle is consistent, but its signer is not established").
	WithHint("give the node's key with --trust FILE, or a checkpoint that you saved; a bundle that brings its own key proves nothing")

// The names of the checks, in the order in which they are made.
const (
	checkFormat   = "format"
	checkKey      = "node key"
	checkNote     = "checkpoint"
	checkGrowth   = "append-only"
	checkEntries  = "entries"
	checkEpochs   = "restores"
	checkFacts    = "facts"
	checkContents = "contents"
	checkSigs     = "signatures"
	checkSigner   = "signer"
)

// Verify checks a proof bundle with nothing but what trust holds: no node, no
// network, no clock. The error is nil only when everything holds and the signer is
// established or its embedded key accepted; it names the check that failed and
// the first bad item. The report says as much as could be checked.
func Verify(raw []byte, trust Trust) (Report, error) {
	v := verification{trust: trust, report: Report{Signer: SignerUnknown, Checks: []Check{}, Facts: []Fact{}}}
	for _, step := range []func() error{
		func() error { return v.parse(raw) },
		v.checkpoint, v.growth, v.entries, v.facts, v.contents, v.signatures,
	} {
		if err := step(); err != nil {
			return v.report, err
		}
	}
	v.report.Consistent = true
	r := &v.report
	switch {
	case v.signer != SignerUnknown:
		r.Signer = v.signer
		r.pass(checkSigner, "%s", v.signer)
	case v.otherKey:
		_ = r.fail(checkSigner, "consistent, signer not established: you hold another key of %s", r.Origin)
		return *r, ErrNotEstablished
	case trust.AcceptEmbeddedKey:
		r.Signer = SignerEmbeddedKey
		r.Cautions = append(r.Cautions, "the signer's key came with the bundle: anyone could have made all of it")
		r.pass(checkSigner, "%s", SignerEmbeddedKey)
	default:
		_ = r.fail(checkSigner, "consistent, signer not established")
		return *r, ErrNotEstablished
	}
	r.OK = true
	return *r, nil
}

type verification struct {
	trust    Trust
	report   Report
	bundle   bundle
	embedded note.Verifier
	signer   SignerStatus
	otherKey bool // the verifier holds another key of this origin
	tree     Checkpoint
	saved    *Checkpoint
	byIndex  map[int64]data // proven entries
}

func (v *verification) parse(raw []byte) error {
	r := &v.report
	if len(raw) > BundleBytesMax {
		return r.fail(checkFormat, "a bundle has at most %d bytes, not %d", BundleBytesMax, len(raw))
	}
	if err := checkDepth(raw); err != nil {
		return r.fail(checkFormat, "not a proof bundle: %v", err)
	}
	if err := json.Unmarshal(raw, &v.bundle, json.RejectUnknownMembers(true)); err != nil {
		return r.fail(checkFormat, "not a proof bundle: %v", err)
	}
	b := &v.bundle
	switch {
	case b.Format != bundleFormat:
		return r.fail(checkFormat, "the format is %.80q; this program knows %q", b.Format, bundleFormat)
	case len(b.Facts) == 0:
		return r.fail(checkFormat, "the bundle proves nothing: it has no facts")
	case len(b.Facts) > FactsMax || len(b.Entries) > 2*FactsMax+epochsShown || len(b.Consistency) > SinceMax:
		return r.fail(checkFormat, "the bundle has more facts, entries or proofs than one may have")
	}
	r.pass(checkFormat, "%s, %d facts", bundleFormat, len(b.Facts))
	r.Origin = b.Origin
	embedded, err := note.NewVerifier(b.Key)
	if err != nil {
		return r.fail(checkKey, "the embedded key is malformed: %v", err)
	}
	if embedded.Name() != b.Origin {
		return r.fail(checkKey, "the embedded key is of %q, the bundle of %q", embedded.Name(), b.Origin)
	}
	v.embedded = embedded
	r.Key = b.Key
	return v.knownKey()
}

// knownKey decides what the verifier knows of the embedded key. A verifier who
// holds another key of the same name is being deceived, or missed a rotation:
// either way the embedded one is not established.
func (v *verification) knownKey() error {
	r := &v.report
	v.signer = SignerUnknown
	for _, line := range v.trust.Keys {
		if _, err := note.NewVerifier(line); err != nil {
			return r.fail(checkKey, "a trusted key is malformed: %v", err)
		}
		switch {
		case line == v.bundle.Key:
			v.signer = SignerTrusted
		case strings.HasPrefix(line, v.bundle.Origin+"+"):
			v.otherKey = true
		}
	}
	if len(v.trust.Checkpoint) > 0 {
		saved, err := openCheckpoint(v.trust.Checkpoint, v.embedded)
		if err != nil {
			return r.fail(checkKey, "the checkpoint that you saved is not signed by the bundle's key: %v", err)
		}
		v.saved = &saved
		if v.signer == SignerUnknown {
			v.signer = SignerRemembered
		}
	}
	detail := "it comes with the bundle alone"
	if v.signer != SignerUnknown {
		detail = string(v.signer)
	}
	r.pass(checkKey, "%s", detail)
	return nil
}

func (v *verification) checkpoint() error {
	c, err := openCheckpoint([]byte(v.bundle.Checkpoint), v.embedded)
	if err != nil {
		return v.report.fail(checkNote, "%v", err)
	}
	if c.Origin != v.bundle.Origin {
		return v.report.fail(checkNote, "the checkpoint is of %q, the bundle of %q", c.Origin, v.bundle.Origin)
	}
	v.tree = c
	v.report.Size, v.report.Root = c.Size, hex.EncodeToString(c.Root[:])
	v.report.pass(checkNote, "%d entries, root %.16s…, signed by the node key", c.Size, v.report.Root)
	return nil
}

// growth checks every consistency proof, and the one from the saved checkpoint.
// Its failure waits for the entries: a restore that the log declares is told
// apart from tampering.
func (v *verification) growth() error {
	for i, g := range v.bundle.Consistency {
		if _, err := unhexes(g.Hashes); err != nil {
			return v.report.fail(checkGrowth, "proof %d, from %d entries: %v", i, g.Size, err)
		}
		if g.Size < 0 || g.Size > v.tree.Size {
			return v.report.fail(checkGrowth, "proof %d is from %d entries, the log has %d", i, g.Size, v.tree.Size)
		}
	}
	return nil
}

// sinceSaved reports what speaks against the log having only grown since saved.
func (v *verification) sinceSaved() error {
	s := v.saved
	switch {
	case s.Size > v.tree.Size:
		return fmt.Errorf("you saved a checkpoint of %d entries, the bundle's log has %d: it was cut, or the bundle is older", s.Size, v.tree.Size)
	case s.Size == v.tree.Size:
		if s.Root != v.tree.Root {
			return fmt.Errorf("at %d entries the root is not the one that you saved: the journal was rewritten", s.Size)
		}
		return nil
	case s.Size == 0:
		return nil
	}
	for _, g := range v.bundle.Consistency {
		if g.Size != s.Size {
			continue
		}
		p, err := unhexes(g.Hashes)
		if err == nil {
			err = tlog.CheckTree(p, v.tree.Size, tlog.Hash(v.tree.Root), s.Size, tlog.Hash(s.Root))
		}
		if err != nil {
			return fmt.Errorf("the log of %d entries does not contain the one of %d that you saved: the journal was rewritten", v.tree.Size, s.Size)
		}
		return nil
	}
	return fmt.Errorf("the bundle holds no proof from the %d entries that you saved: ask the node for one since %d", s.Size, s.Size)
}

func (v *verification) entries() error {
	v.byIndex = make(map[int64]data, len(v.bundle.Entries))
	for i, e := range v.bundle.Entries {
		p, err := unhexes(e.Inclusion)
		if err != nil {
			return v.report.fail(checkEntries, "entry %d (item %d): %v", e.Index, i, err)
		}
		if e.Index < 0 || e.Index >= v.tree.Size {
			return v.report.fail(checkEntries, "entry %d (item %d) is not in a log of %d entries", e.Index, i, v.tree.Size)
		}
		if _, twice := v.byIndex[e.Index]; twice {
			return v.report.fail(checkEntries, "entry %d (item %d) is there twice", e.Index, i)
		}
		err = tlog.CheckRecord(p, v.tree.Size, tlog.Hash(v.tree.Root), e.Index, tlog.RecordHash([]byte(e.Data)))
		if err != nil {
			return v.report.fail(checkEntries, "entry %d (item %d) is not in the log that was signed", e.Index, i)
		}
		d, err := parseData([]byte(e.Data))
		if err != nil {
			return v.report.fail(checkEntries, "entry %d (item %d): %v", e.Index, i, err)
		}
		v.byIndex[e.Index] = d
		if d.Kind == kindEpoch {
			if err := v.epoch(e.Index, d); err != nil {
				return err
			}
		}
	}
	v.report.pass(checkEntries, "%d entries are in the log", len(v.byIndex))
	return v.appendOnly()
}

func (v *verification) epoch(index int64, d data) error {
	n, err := note.Open([]byte(d.Signed), note.VerifierList(v.embedded))
	if err != nil || n.Text != epochText(v.bundle.Origin, &d, d.At) {
		return v.report.fail(checkEpochs, "entry %d begins epoch %q, but the node key did not sign that", index, d.Epoch)
	}
	at, err := time.Parse(timeLayout, d.At)
	if err != nil {
		return v.report.fail(checkEpochs, "entry %d has no time", index)
	}
	if d.Root != "" {
		v.report.Restores = append(v.report.Restores, Restore{Epoch: d.Epoch, Size: d.Size, At: at, Entry: index})
	}
	return nil
}

func (v *verification) appendOnly() error {
	r := &v.report
	if v.saved == nil {
		r.pass(checkGrowth, "not asked: you gave no saved checkpoint")
		return nil
	}
	err := v.sinceSaved()
	if err == nil {
		r.pass(checkGrowth, "the log has only grown since the %d entries that you saved", v.saved.Size)
		return nil
	}
	for _, e := range r.Restores {
		if e.Size < v.saved.Size && e.Entry < v.saved.Size {
			return r.fail(checkGrowth, "%v; the node declares that at %s it was restored from %d entries (epoch %s): what came after that in your checkpoint was lost, and must be shown by you",
				err, e.At.Format(time.RFC3339), e.Size, e.Epoch)
		}
	}
	return r.fail(checkGrowth, "%v", err)
}

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
	out := Fact{Kind: hansa.FactKind(f.Kind), Entry: f.Entry, Position: f.Position, Doc: f.Doc, Content: f.Content}
	d, ok := v.byIndex[f.Entry]
	if !ok {
		return out, fmt.Errorf("its entry %d is not in the bundle", f.Entry)
	}
	at, err := time.Parse(timeLayout, d.At)
	if err != nil {
		return out, fmt.Errorf("entry %d has no time", f.Entry)
	}
	out.Sealed = at
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
		if f.Salt != "" || f.Doc != "" || f.Content != nil || f.Signature != nil {
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
		if len(f.Content) == 0 {
			continue
		}
		n++
		sum := sha256.Sum256(f.Content)
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
		if len(f.Content) > 0 {
			payload = f.Content
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

// checkDepth refuses what nests deeper than any bundle does.
func checkDepth(raw []byte) error {
	dec := jsontext.NewDecoder(bytes.NewReader(raw))
	for {
		if _, err := dec.ReadToken(); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		if dec.StackDepth() > bundleDepthMax {
			return fmt.Errorf("it is nested deeper than %d", bundleDepthMax)
		}
	}
}
