package node

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/journal"
	"github.com/hansa-exchange/hansa/internal/base/trust"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// erases waits for the certificates, which nobody asks for.
func (s *accordStory) erases(ctx context.Context) (string, error) {
	var told []string
	for _, w := range s.ways() {
		var seen []accord.Erasure
		for _, p := range s.both() {
			d, err := s.until(ctx, p, "with the certificate of "+w.to.title, func(d *api.AccordDetail) bool { return s.certificate(d, w) != nil })
			if err != nil {
				return "", err
			}
			seen = append(seen, *s.certificate(&d, w))
		}
		c := &seen[0]
		if err := s.certain(c, &seen[1], w); err != nil {
			return "", err
		}
		told = append(told, fmt.Sprintf("%s: %d records, clause %s", w.to.title, c.Records, c.Clause))
	}
	return strings.Join(told, "; ") + "; the company's backups until " + s.backups, nil
}

// certificate is that of the receiver of a way, as a node shows it; nil is none.
func (*accordStory) certificate(d *api.AccordDetail, w *way) *accord.Erasure {
	for i := range d.Erasures {
		if e := &d.Erasures[i]; e.By == hansa.PartyID(w.to.did()) {
			return &e.Erasure
		}
	}
	return nil
}

// certain is an error unless two nodes show the same certificate, and it says what was
// erased and when, under which clause, and until when backups hold it.
func (s *accordStory) certain(c, other *accord.Erasure, w *way) error {
	kept := c.Backups == ""
	if w.to == s.company { // whose operator says how long backups are kept
		s.backups = c.Backups
		kept = c.Backups == c.On.Add(30*24*time.Hour).AddDate(0, 0, 1).Format(time.DateOnly)
	}
	same := c.On.Equal(other.On) && c.Records == other.Records && c.Versions == other.Versions && c.Backups == other.Backups && c.Clause == other.Clause
	if !same || !kept || c.Rule != "erase" || !slices.Equal(c.Flows, []hansa.FlowID{w.flow}) || c.Clause != "25" || c.Records != int64(len(w.arrived)) || c.Versions < c.Records {
		return fmt.Errorf("one node shows of %s %+v, the other %+v; %d records had arrived", w.to.title, *c, *other, len(w.arrived))
	}
	return nil
}

// gone looks for what was erased at each receiver, and at its giver, where it stays.
func (s *accordStory) gone(ctx context.Context) (string, error) {
	facts := 0
	for _, w := range s.ways() {
		left, err := w.to.own(ctx, w.into)
		if err != nil {
			return "", err
		}
		if len(left) > 0 {
			return "", fmt.Errorf("%s has %d records in %s still", w.to.title, len(left), w.into)
		}
		at, err := w.from.own(ctx, w.of)
		if err != nil {
			return "", err
		}
		for _, id := range w.arrived {
			if !slices.ContainsFunc(at, func(r cameIn) bool { return r.ID == id }) {
				return "", fmt.Errorf("%s is gone at %s too, which gave it", id, w.from.title)
			}
			report, err := s.verified(ctx, w.to, "/api/v1/proofs/"+w.into+"/"+id)
			if err != nil {
				return "", err
			}
			for _, f := range report.Facts {
				if f.Kind != hansa.FactRecord {
					continue
				}
				if facts++; f.Erased == nil || f.Erased.Rule != "accord:"+string(s.id)+"#clause-25" || f.Doc != "" {
					return "", fmt.Errorf("the proof of %s says of it %+v", id, f)
				}
			}
		}
	}
	if facts < len(s.out.arrived)+len(s.back.arrived) {
		return "", fmt.Errorf("only %d versions are proven", facts)
	}
	return fmt.Sprintf("%d versions at the two receivers, erased by accord:%s#clause-25; the givers have theirs", facts, s.id), nil
}

// trustedKey is what a verifier holds of a node before it sees a bundle.
func (*accordStory) trustedKey(ctx context.Context, p *outpost) (journal.Trust, error) {
	var k api.KeyBody
	err := p.call(ctx, http.MethodGet, "/journal/key", nil, &k)
	return journal.Trust{Keys: []string{k.Key}, Signature: trust.VerifyDetached, Further: accord.CheckFacts}, err
}

// verified checks a bundle of p as "hansa verify" does.
func (s *accordStory) verified(ctx context.Context, p *outpost, path string) (journal.Report, error) {
	held, err := s.trustedKey(ctx, p)
	if err != nil {
		return journal.Report{}, err
	}
	b, err := p.bytes(ctx, http.MethodPost, path, nil)
	if err != nil {
		return journal.Report{}, err
	}
	return journal.Verify(b, held)
}

// proves verifies the accord's proof of each node, and what a forger would make of it.
func (s *accordStory) proves(ctx context.Context) (string, error) {
	const places = 24
	var told []string
	for _, p := range s.both() {
		held, err := s.trustedKey(ctx, p)
		if err != nil {
			return "", err
		}
		bundle, err := p.bytes(ctx, http.MethodPost, s.path("/proof"), nil)
		if err != nil {
			return "", err
		}
		report, err := journal.Verify(bundle, held)
		if err != nil {
			return "", fmt.Errorf("the proof of %s: %w", p.title, err)
		}
		if !slices.ContainsFunc(report.Checks, func(c journal.Check) bool { return c.OK && strings.Contains(c.Detail, "the last is erased by") }) {
			return "", fmt.Errorf("the proof of %s does not come to the certificates: %+v", p.title, report.Checks)
		}
		for i := range places {
			forged := slices.Clone(bundle)
			at := (2*i + 1) * len(bundle) / (2 * places)
			forged[at] ^= 1
			if _, err := journal.Verify(forged, held); err == nil {
				return "", fmt.Errorf("a bundle of %s with byte %d changed verifies", p.title, at)
			}
		}
		told = append(told, fmt.Sprintf("%s: %d facts, %d kB", p.title, len(report.Facts), len(bundle)>>10))
	}
	return strings.Join(told, "; ") + fmt.Sprintf("; %d forgeries of each are refused", places), nil
}
