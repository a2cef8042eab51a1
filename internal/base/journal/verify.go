package journal

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
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
		v.checkpoint, v.growth, v.entries, v.facts, v.contents, v.signatures, v.further,
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

// unlike says where a document is none of bundles, without a type of this program.
func unlike(err error) string {
	e, ok := errors.AsType[*json.SemanticError](err)
	switch {
	case !ok:
		return err.Error()
	case e.JSONPointer == "":
		return "it is no JSON object, as hansa proof writes one"
	case errors.Is(e.Err, json.ErrUnknownName):
		return fmt.Sprintf("a bundle has no member %.80s", e.JSONPointer)
	}
	return fmt.Sprintf("what stands at %.80s is not what a bundle has there", e.JSONPointer)
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
		return r.fail(checkFormat, "not a proof bundle: %s", unlike(err))
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

// growth checks every consistency proof that the bundle brings against the root
// that it states. Whether one of them is that of the saved checkpoint waits for
// the entries: a restore that the log declares is told apart from tampering.
func (v *verification) growth() error {
	for i, g := range v.bundle.Consistency {
		if err := v.grownFrom(g); err != nil {
			return v.report.fail(checkGrowth, "proof %d, from %d entries: %v", i, g.Size, err)
		}
	}
	return nil
}

func (v *verification) grownFrom(g growth) error {
	p, err := unhexes(g.Hashes)
	if err != nil {
		return err
	}
	root, err := unhex(g.Root)
	if err != nil {
		return err
	}
	switch {
	case g.Size < 0 || g.Size > v.tree.Size:
		return fmt.Errorf("the log has %d", v.tree.Size)
	case g.Size == 0:
		empty, _ := tlog.TreeHash(0, nil) // reads nothing for an empty tree
		if len(p) == 0 && tlog.Hash(root) == empty {
			return nil
		}
	case tlog.CheckTree(p, v.tree.Size, tlog.Hash(v.tree.Root), g.Size, tlog.Hash(root)) == nil:
		return nil
	}
	return errors.New("the log that was signed does not contain them")
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
		switch {
		case g.Size != s.Size:
		case g.Root != hex.EncodeToString(s.Root[:]):
			return fmt.Errorf("the log of %d entries does not contain the one of %d that you saved: the journal was rewritten", v.tree.Size, s.Size)
		default:
			return nil
		}
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

// further asks the verifier's own checks.
func (v *verification) further() error {
	if v.trust.Further == nil {
		return nil
	}
	for _, c := range v.trust.Further(v.report.Facts) {
		if !c.OK {
			return v.report.fail(c.Name, "%s", c.Detail)
		}
		v.report.pass(c.Name, "%s", c.Detail)
	}
	return nil
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
