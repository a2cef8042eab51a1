package receipt

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/gowebpki/jcs"

	"github.com/hansa-exchange/hansa"
)

// Answer says what became of one receipt: Err is nil when it was taken.
type Answer struct {
	Record   string
	Step     hansa.Step
	Evidence hansa.Evidence
	Err      *hansa.Error
}

// Post takes receipts from the receiver of flow, each the JSON of a
// [hansa.Receipt] as it came. One is signed when its signature member is a
// detached JWS by a registered key over the rest, see [SignedBytes]; without the
// member it is stated. Each is taken or refused alone. The error is for what
// concerns them all.
func (b *Book) Post(ctx context.Context, flow *hansa.Flow, by hansa.PartyID, raw [][]byte) ([]Answer, error) {
	switch {
	case by == "" || by != flow.To:
		return nil, hansa.Errorf(hansa.NotFound, "there is no flow %q", flow.ID)
	case len(raw) == 0 || len(raw) > PostMax:
		return nil, hansa.Fielded("/receipts", "a post holds 1 to %d receipts, not %d", PostMax, len(raw))
	}
	answers := make([]Answer, len(raw))
	steps := make([]*Step, len(raw))
	for i, doc := range raw {
		a := &answers[i]
		s, err := b.parse(ctx, flow, doc, a)
		if err != nil {
			a.Err = hansa.Public(err)
			continue
		}
		steps[i] = s
	}
	return answers, b.DB.Write(ctx, func(tx hansa.Tx) error {
		for i, s := range steps {
			if s == nil {
				continue
			}
			answers[i].Err = nil
			err := b.take(tx, flow, *s)
			if err != nil && hansa.KindOf(err) == hansa.Internal {
				return err
			}
			answers[i].Err = hansa.Public(err)
		}
		return nil
	})
}

// parse reads one receipt and checks all that needs no table.
func (b *Book) parse(ctx context.Context, flow *hansa.Flow, doc []byte, a *Answer) (*Step, error) {
	if len(doc) > 16<<10 {
		return nil, hansa.Fielded("", "a receipt has at most 16 KiB").With(hansa.CodeTooLarge)
	}
	var r hansa.Receipt
	if err := json.Unmarshal(doc, &r); err != nil {
		return nil, hansa.Errorf(hansa.Invalid, "a receipt is strict JSON: %v", err).With(hansa.CodeSyntax)
	}
	a.Record, a.Step = r.Record, r.Step
	if err := r.Validate(); err != nil {
		return nil, err
	}
	if r.Step == hansa.StepOffered || r.Step == hansa.StepFetched || r.Step == hansa.StepSilent {
		return nil, hansa.Fielded("/step", "the step %s is written by the giving node, a receiver does not state it", r.Step)
	}
	now := b.Now()
	switch {
	case r.Flow != "" && r.Flow != flow.ID:
		return nil, hansa.Fielded("/flow", "the receipt names another flow than the one that it was sent to")
	case r.Party != "" && r.Party != flow.To:
		return nil, hansa.Fielded("/party", "the receipt names another party than the one that sent it")
	case len(r.Segment) > SegmentMax:
		return nil, hansa.Fielded("/segment", "a segment's name has at most %d bytes", SegmentMax)
	case r.At.After(now.Add(hansa.SkewMax)):
		return nil, hansa.Fielded("/at", "the receipt says %s but it is %s here: at most %s ahead is taken",
			r.At.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339), hansa.SkewMax).With(hansa.CodeSkew)
	}
	s := &Step{Record: r.Record, Version: r.Version, Step: r.Step, At: r.At, Evidence: hansa.EvidenceStated, Reason: r.Reason, Segment: r.Segment}
	if r.Signature != "" {
		signed, kid, err := b.verify(ctx, flow.To, doc, r.Signature, now)
		if err != nil {
			return nil, err
		}
		// A signature is worth what it names: a receipt for this flow alone.
		if r.Flow != flow.ID {
			return nil, hansa.Fielded("/flow", "a signed receipt names its flow, so that it holds for no other")
		}
		sum := sha256.Sum256(signed)
		s.SHA256 = hex.EncodeToString(sum[:])
		s.Evidence, s.Receipt, s.Signature, s.Key = hansa.EvidenceSigned, string(signed), r.Signature, kid
	}
	a.Evidence = s.Evidence
	return s, nil
}

// SignedBytes returns what a receipt's signature may be over: its bytes as they
// came without the signature member and one comma beside it, and the RFC 8785
// form of that. Either is taken; they say the same.
func SignedBytes(doc []byte) (came, canonical []byte, err error) {
	dec := jsontext.NewDecoder(bytes.NewReader(doc))
	if t, err := dec.ReadToken(); err != nil || t.Kind() != '{' {
		return nil, nil, hansa.Errorf(hansa.Invalid, "a receipt is one JSON object").With(hansa.CodeSyntax)
	}
	came = append([]byte{}, doc...)
	for before := dec.InputOffset(); dec.PeekKind() == '"'; before = dec.InputOffset() {
		name, err := dec.ReadToken()
		if err != nil {
			return nil, nil, hansa.Errorf(hansa.Invalid, "a receipt is strict JSON: %v", err).With(hansa.CodeSyntax)
		}
		signature := name.String() == "signature" // before the token's text is overwritten
		if err := dec.SkipValue(); err != nil {
			return nil, nil, hansa.Errorf(hansa.Invalid, "a receipt is strict JSON: %v", err).With(hansa.CodeSyntax)
		}
		if !signature {
			continue
		}
		after := dec.InputOffset()
		if before == int64(bytes.IndexByte(doc, '{'))+1 { // the first member: the comma is behind it
			rest := bytes.TrimLeft(doc[after:], " \t\r\n")
			rest = bytes.TrimPrefix(rest, []byte(","))
			came = append(append([]byte{}, doc[:before]...), rest...)
		} else {
			came = append(append([]byte{}, doc[:before]...), doc[after:]...)
		}
		break
	}
	canonical, err = jcs.Transform(came)
	if err != nil {
		return nil, nil, hansa.Errorf(hansa.Invalid, "a receipt has no canonical form: %v", err).With(hansa.CodeSyntax)
	}
	return came, canonical, nil
}

// verify checks a receipt's signature over either form and returns what was signed.
func (b *Book) verify(ctx context.Context, party hansa.PartyID, doc []byte, jws string, now time.Time) (signed []byte, kid string, err error) {
	if b.Verifier == nil {
		return nil, "", hansa.Fielded("/signature", "this node cannot check signatures")
	}
	came, canonical, err := SignedBytes(doc)
	if err != nil {
		return nil, "", err
	}
	if kid, err = b.Verifier.VerifyReceipt(ctx, party, came, jws, now); err == nil {
		return came, kid, nil
	}
	if kid, again := b.Verifier.VerifyReceipt(ctx, party, canonical, jws, now); again == nil {
		return canonical, kid, nil
	}
	return nil, "", hansa.Public(err).At("/signature")
}

// take finds the ladder that s is about and puts it there.
func (b *Book) take(tx hansa.Tx, flow *hansa.Flow, s Step) error {
	l, err := b.aim(tx, flow.ID, s)
	switch {
	case err != nil:
		return err
	case l == nil:
		return hansa.Fielded("/record", "the record %q was never offered on this flow", s.Record)
	case s.Version > l.Version:
		return hansa.Fielded("/version", "version %d of %q was never offered, the newest is %d", s.Version, s.Record, l.Version)
	}
	if offered := l.Times[hansa.StepOffered]; s.At.Before(offered.Add(-hansa.SkewMax)) {
		return hansa.Fielded("/at", "the receipt says %s but the record was offered at %s: at most %s before is taken",
			s.At.UTC().Format(time.RFC3339), offered.Format(time.RFC3339), hansa.SkewMax).With(hansa.CodeSkew)
	}
	return b.add(tx, l, s)
}

// aim chooses the ladder: the end's for what says so by its version or by being
// cleared, else the opening's.
func (*Book) aim(tx hansa.Tx, flow hansa.FlowID, s Step) (*ladder, error) {
	end, err := find(tx, flow, s.Record, Ending)
	if err != nil {
		return nil, err
	}
	open, err := find(tx, flow, s.Record, Opening)
	if err != nil {
		return nil, err
	}
	if end != nil && (open == nil || open.Over != 0) && (s.Step == hansa.StepCleared || s.Version >= end.Version) {
		return end, nil
	}
	return open, nil
}
