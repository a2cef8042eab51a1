package main_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/journal"
	"github.com/hansa-exchange/hansa/internal/base/trust"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// TestAccordKill kills one of two nodes around each message of an accord between
// them, from the opening to the end, and wants one outcome: the same chain, texts,
// signatures and state on both, each act that was made in it once, a proof of each
// node that holds and has only grown.
func TestAccordKill(t *testing.T) {
	p := newSignatories(t)
	for i := 0; p.kills < rounds(t) || i < len(plots); i++ {
		p.tell(t, i, plots[i%len(plots)])
		if len(p.bad) > 0 {
			t.Fatalf("after %d kills: %s", p.kills, strings.Join(p.bad, "\n"))
		}
	}
	t.Logf("%d kills, %d of the keeper, in %d accords: %d acts acknowledged, %d entries on both nodes, 0 lost, 0 doubled, 0 apart; %d refused for what came at once", p.kills, p.keeperKills, p.told, p.acts, p.entries, p.refused)
	if p.acts < 5*p.told || p.kills < 8*p.told {
		t.Errorf("%d acts and %d kills in %d accords: too few for the run to count", p.acts, p.kills, p.told)
	}
}

// TestAccordKillControl does the same to a build that acknowledges before the commit,
// and wants that to be noticed.
func TestAccordKillControl(t *testing.T) {
	if os.Getenv("HANSA_ROUNDS") == "" {
		t.Skip("kills two processes some hundred times; .ci/long runs it")
	}
	p := newSignatories(t, "-tags", "ackearly")
	for i := range 100 {
		p.tell(t, i, [][]string{{"city open"}, {"nav comment"}})
		if len(p.bad) > 0 {
			t.Logf("noticed after %d kills: %s", p.kills, p.bad[0])
			return
		}
	}
	t.Errorf("a build that acknowledges before the commit lost nothing in %d kills: the test would not notice a loss", p.kills)
}

// signatories are two nodes that agree with each other under the names by which each
// finds the other. The city's keeps the accords.
type signatories struct {
	*pair
	told, keeperKills, acts, entries, refused int
	bad                                       []string
}

func newSignatories(t *testing.T, flags ...string) *signatories {
	t.Helper()
	if testing.Short() && os.Getenv("HANSA_ROUNDS") == "" {
		t.Skip("kills two processes again and again; not in a short run")
	}
	dir := t.TempDir()
	p := &signatories{pair: &pair{bin: filepath.Join(dir, "hansa")}}
	build := exec.CommandContext(t.Context(), "go", append(append([]string{"build"}, flags...), "-o", p.bin, ".")...)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	did := func(at string) string { return "did:web:" + strings.ReplaceAll(at, ":", "%3A") }
	a, b := freePort(t), freePort(t)
	p.city, p.nav = newHalfAs(t, dir, "city", did(a), a, b), newHalfAs(t, dir, "nav", did(b), b, a)
	p.start(t, p.city)
	p.start(t, p.nav)
	t.Cleanup(func() { p.kill(p.city); p.kill(p.nav) })
	for h, o := range map[*half]*half{p.city: p.nav, p.nav: p.city} {
		h.must(t, "POST", "/api/v1/peers", map[string]any{"name": o.name, "id": o.id, "address": o.url + "/dsp/2025-1"}, nil)
	}
	return p
}

// saying is an act of one of the two. Its words stand in no other; a signature and an
// opening have none.
type saying struct {
	by    *half
	kind  accord.Kind
	words string
	a     api.AccordAct
	made  bool // it was acknowledged, or found in the own node's copy
	loses bool // it was refused, for another came at once
}

// plots are in what order an accord is come to: what stands in one group is done at
// once.
var plots = [][][]string{
	{{"city open"}, {"nav propose"}, {"city comment"}, {"nav accept-clause"}, {"city propose"}, {"nav sign"}, {"city sign"}, {"nav suspend"}, {"nav resume"}, {"city end"}},
	{{"city open"}, {"nav propose"}, {"nav comment", "city comment"}, {"city sign", "nav sign"}, {"city suspend", "nav suspend"}, {"city resume"}, {"nav resume"}, {"nav end"}},
	{{"city open"}, {"nav reject-clause"}, {"nav sign", "city propose"}, {"city sign", "nav propose"}, {"city sign"}, {"nav sign"}, {"city suspend"}, {"city resume"}, {"city end"}},
}

// tell brings one accord from its draft to its end, and kills a node in each step.
func (p *signatories) tell(t *testing.T, i int, plot [][]string) {
	t.Helper()
	var d api.AccordDetail
	p.city.must(t, "POST", "/api/v1/accords", api.AccordDraft{Text: marshal(t, p.draft(t))}, &d)
	p.told++
	p.kill(p.city)
	p.kills, p.keeperKills = p.kills+1, p.keeperKills+1
	p.start(t, p.city)
	since := map[*half][]byte{p.city: p.city.raw(t, "GET", "/journal/checkpoint", nil), p.nav: p.nav.raw(t, "GET", "/journal/checkpoint", nil)}
	var all []*saying
	for step, group := range plot {
		var now []*saying
		for _, s := range group {
			who, kind, _ := strings.Cut(s, " ")
			x := &saying{by: p.city, kind: accord.Kind(kind), words: fmt.Sprintf("%s says %s, %d.%d", who, kind, i, step)}
			if who == "nav" {
				x.by = p.nav
			}
			if p.prepare(t, d.ID, x); len(p.bad) > 0 {
				return
			}
			now = append(now, x)
		}
		victim := p.city
		if rand.IntN(5) < 2 {
			victim = p.nav
		}
		var wg sync.WaitGroup
		first := make(chan struct{}, len(now)) // an act was acknowledged
		for _, x := range now {
			wg.Go(func() { p.does(t.Context(), d.ID, x, len(now) > 1, first) })
		}
		if rand.IntN(2) == 0 {
			time.Sleep(time.Duration(rand.IntN(30)) * time.Millisecond)
		} else { // the worst moment for what was acknowledged
			select {
			case <-first:
			case <-time.After(2 * time.Second):
			}
		}
		p.kill(victim)
		if p.kills++; victim == p.city {
			p.keeperKills++
		}
		p.start(t, victim)
		wg.Wait()
		if all = append(all, now...); len(p.bad) > 0 {
			return
		}
		if p.agrees(t, d.ID, all); len(p.bad) > 0 {
			return
		}
	}
	p.proven(t, d.ID, since)
	p.quiet(t)
}

func (p *signatories) wrong(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bad = append(p.bad, fmt.Sprintf(format, args...))
}

// draft is a partnership in which each gives closures to the other.
func (p *signatories) draft(t *testing.T) *accord.Text {
	t.Helper()
	o := accord.Order{
		ID: hansa.AccordID(hansa.NewID(time.Now())), Languages: []string{"en"}, Answers: map[string]string{"gets/1": "closures", "gets/2": "closures"},
		Term: accord.Term{From: "2026-01-01", Zone: "Europe/Amsterdam", Notice: 30, Review: []string{"2030-01-01"}, Exit: "erase", ExitDays: 30},
	}
	for _, h := range []*half{p.city, p.nav} {
		to := p.city
		if h == p.city {
			to = p.nav
		}
		o.Parties = append(o.Parties, accord.Party{ID: hansa.PartyID(h.id), Title: h.name, Kind: hansa.City, Role: hansa.RoleBoth})
		o.Flows = append(o.Flows, accord.Flow{ID: hansa.FlowID(hansa.NewID(time.Now())), Name: "closures-of-" + h.name, From: hansa.PartyID(h.id), To: hansa.PartyID(to.id), Dataset: accord.Dataset{Name: "closures", Kind: hansa.KindSituation}, Formats: []hansa.Format{"record"}})
	}
	template, err := accord.TemplateByName("partnership")
	if err != nil {
		t.Fatal(err)
	}
	text, err := template.Draft(o)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// prepare reads the accord as who acts has it, and says what the act needs.
func (p *signatories) prepare(t *testing.T, id hansa.AccordID, x *saying) {
	t.Helper()
	d := x.by.tells(t, id).d
	for deadline := time.Now().Add(5 * time.Second); d.ID == "" && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		d = x.by.tells(t, id).d
	}
	if d.ID == "" {
		p.wrong("%s has no accord %s: what was acknowledged is lost", x.by.name, id)
		return
	}
	x.a = api.AccordAct{Base: d.Proposed, Words: x.words}
	switch x.kind { //nolint:exhaustive // what needs no more than words
	case accord.Open:
		x.a, x.words = api.AccordAct{}, ""
	case accord.Sign:
		x.a.Words, x.words = "", ""
		x.a.Role, x.a.Power = "alderman", "mandate 2026-114"
	case accord.Suspend, accord.Resume:
		x.a.Base = "" // that in force
	case accord.End:
		x.a.Base = ""
		x.a.Role, x.a.Power = "alderman", "mandate 2026-114"
		x.a.Notice = time.Now().UTC().Format(time.DateOnly)
	case accord.AcceptClause, accord.RejectClause:
		x.a.Clause = "1"
	case accord.Propose:
		var text accord.Text
		if err := json.Unmarshal(d.Text, &text); err != nil {
			p.wrong("%s has no text: %v", x.by.name, err)
			return
		}
		text.Title["en"] = x.words
		x.a.Text, x.a.Words = marshal(t, &text), ""
	}
	if x.kind != accord.Propose && !slices.Contains(d.May, x.kind) {
		p.wrong("%s may not %s: %s, %v", x.by.name, x.kind, d.State, d.May)
	}
}

// does has an act made, as a program does whose node dies: it asks, looks what became
// of it when there was no answer, and asks again when nothing did.
func (p *signatories) does(ctx context.Context, id hansa.AccordID, x *saying, races bool, acked chan<- struct{}) {
	var last error
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		var d api.AccordDetail
		last = x.by.call(ctx, "POST", "/api/v1/accords/"+string(id)+"/acts/"+string(x.kind), x.a, &d)
		if last == nil {
			p.mu.Lock()
			p.acts++
			p.mu.Unlock()
			x.made = true
			acked <- struct{}{}
			return
		}
		a, answer := errors.AsType[*answered](last)
		if answer && a.status == http.StatusConflict && races {
			x.loses = true
			return
		}
		if answer && a.status < 500 {
			p.wrong("%s %s: %v", x.by.name, x.kind, last)
			return
		}
		if x.made, last = x.by.said(ctx, id, x); x.made {
			return
		}
	}
	p.wrong("%s never could %s: %v", x.by.name, x.kind, last)
}

// said tells whether an act is in its node's copy, or on its way from there.
func (h *half) said(ctx context.Context, id hansa.AccordID, x *saying) (bool, error) {
	for ctx.Err() == nil {
		var d api.AccordDetail
		var list api.AccordHistory
		err := h.call(ctx, "GET", "/api/v1/accords/"+string(id), nil, &d)
		if err == nil {
			err = h.call(ctx, "GET", "/api/v1/accords/"+string(id)+"/history?messages=true", nil, &list)
		}
		if _, answer := errors.AsType[*answered](err); answer {
			return false, err
		}
		if err != nil { // it is away still
			time.Sleep(5 * time.Millisecond)
			continue
		}
		waits := slices.ContainsFunc(d.Sent, func(s api.AccordSent) bool { return s.Kind == x.kind && s.State == "waits" })
		return waits || x.among(list.Entries) > 0, nil
	}
	return false, ctx.Err()
}

// among counts the entries that are this act.
func (x *saying) among(list []api.AccordEntry) (n int) {
	for i := range list {
		e := &list[i]
		same := string(e.From) == x.by.id && e.Kind == x.kind
		switch x.kind { //nolint:exhaustive // the others are told apart by their words
		case accord.Open:
		case accord.Propose:
			same = same && e.Base == x.a.Base && strings.Contains(title(e), x.words)
		case accord.Sign:
			same = same && e.Base == x.a.Base
		default:
			same = same && e.Words == x.words
		}
		if same {
			n++
		}
	}
	return n
}

// title is what the text of a proposal is called; empty when its message was not read.
func title(e *api.AccordEntry) string {
	var m accord.Message
	parts := strings.Split(e.Message, ".")
	if len(parts) != 3 {
		return ""
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(b, &m) != nil {
		return ""
	}
	var t struct {
		Title accord.Words `json:"title"`
	}
	_ = json.Unmarshal(m.Body.Text, &t) // what is no text has no title
	return t.Title["en"]
}

// telling is an accord as one node tells of it.
type telling struct {
	d    api.AccordDetail
	h    api.AccordHistory
	text []byte
}

// agrees waits until both nodes tell the same, with nothing under way, and holds that
// to what was done.
func (p *signatories) agrees(t *testing.T, id hansa.AccordID, all []*saying) {
	t.Helper()
	var a, b telling
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		a, b = p.city.tells(t, id), p.nav.tells(t, id)
		if a.d.N > 0 && a.d.N == b.d.N && a.whole() && b.whole() && !a.waits() && !b.waits() && a.settled() {
			break
		}
		if time.Now().After(deadline) {
			p.wrong("the nodes do not come together:\n%.3000s\n%.3000s", marshal(t, a.d.Accord), marshal(t, b.d.Accord))
			return
		}
	}
	for what, same := range map[string]bool{
		"chain": reflect.DeepEqual(a.h, b.h), "head": a.d.Head == b.d.Head, "text": bytes.Equal(a.text, b.text),
		"state": a.d.State == b.d.State && a.d.End == b.d.End && a.d.Proposed == b.d.Proposed && a.d.Force == b.d.Force && a.d.Effect.Equal(b.d.Effect),
		"rest":  reflect.DeepEqual([]any{a.d.Signatures, a.d.Verdicts, a.d.Suspended, a.d.Until}, []any{b.d.Signatures, b.d.Verdicts, b.d.Suspended, b.d.Until}),
	} {
		if !same {
			p.wrong("the %s differs:\n%.3000s\n%.3000s", what, marshal(t, a.d.Accord), marshal(t, b.d.Accord))
		}
	}
	want := 0
	for _, x := range all {
		n := x.among(a.h.Entries)
		own := a.d.Sent
		if x.by == p.nav {
			own = b.d.Sent
		}
		refused := slices.ContainsFunc(own, func(s api.AccordSent) bool { return s.Kind == x.kind && s.State == "refused" })
		switch {
		case n > 1:
			p.wrong("%s of %s, %q, is there %d times", x.kind, x.by.name, x.words, n)
		case n == 0 && x.made && !refused:
			p.wrong("%s of %s, %q, was acknowledged and is lost", x.kind, x.by.name, x.words)
		case n == 1 && x.loses:
			p.wrong("%s of %s, %q, was refused and is there", x.kind, x.by.name, x.words)
		}
		want += n
	}
	seen := map[string]bool{}
	for i, e := range a.h.Entries {
		if e.Kind == accord.EnterIntoForce || e.Kind == accord.Erased { // a node says so by itself
			want++
		}
		if e.N != int64(i+1) || seen[e.Message] {
			p.wrong("entry %d has the number %d, or is there twice", i+1, e.N)
		}
		seen[e.Message] = true
	}
	if want != len(a.h.Entries) {
		p.wrong("%d entries of %d are no act of anybody", len(a.h.Entries)-want, len(a.h.Entries))
	}
	if a.d.State == hansa.AccordEnded {
		p.entries += len(a.h.Entries)
		for _, x := range all {
			if x.among(a.h.Entries) == 0 {
				p.refused++
			}
		}
	}
}

func (w *telling) waits() bool {
	return slices.ContainsFunc(w.d.Sent, func(s api.AccordSent) bool { return s.State == "waits" })
}

// whole tells whether no entry came while it was read: a node says by itself what it has
// erased, after the end too.
func (w *telling) whole() bool { return int64(len(w.h.Entries)) == w.d.N }

// settled tells whether the keeper has said all that it says by itself.
func (w *telling) settled() bool { return w.d.State != hansa.AccordSigned }

func (h *half) tells(t *testing.T, id hansa.AccordID) (w telling) {
	t.Helper()
	at := "/api/v1/accords/" + string(id)
	if a, ok := errors.AsType[*answered](h.call(t.Context(), "GET", at, nil, &w.d)); ok && a.status == http.StatusNotFound {
		return telling{}
	}
	h.must(t, "GET", at+"/history?messages=true", nil, &w.h)
	w.text = h.raw(t, "GET", at+"/text", nil)
	return w
}

// raw is what a node answers.
func (h *half) raw(t *testing.T, method, path string, body []byte) []byte {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, h.url+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+h.admin)
	if body != nil {
		req.Header.Set("Content-Type", "text/plain")
	}
	res, err := h.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s %v %s", method, path, res.Status, err, b)
	}
	return b
}

// key is the line by which a node's journal is trusted.
func (h *half) key(t *testing.T) string {
	t.Helper()
	var k api.KeyBody
	h.must(t, "GET", "/journal/key", nil, &k)
	return k.Key
}

// proven checks what each node proves of an accord, on the checkpoint of before.
func (p *signatories) proven(t *testing.T, id hansa.AccordID, since map[*half][]byte) {
	t.Helper()
	for h, old := range since {
		b := h.raw(t, "POST", "/api/v1/accords/"+string(id)+"/proof", old)
		r, err := journal.Verify(b, journal.Trust{Keys: []string{h.key(t)}, Checkpoint: old, Signature: trust.VerifyDetached, Further: accord.CheckFacts})
		if err != nil {
			p.wrong("the proof of %s: %v\n%+v", h.name, err, r.Checks)
		}
	}
}

// quiet waits until no transfer of an accord that ended runs on.
func (p *signatories) quiet(t *testing.T) {
	t.Helper()
	for _, h := range []*half{p.city, p.nav} {
		for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			var list struct{ Transfers []dealt }
			h.must(t, "GET", "/api/v1/transfers?open=true&limit=1000", nil, &list)
			if len(list.Transfers) == 0 {
				break
			}
			if time.Now().After(deadline) {
				p.wrong("the accord ended, and %s has a transfer: %+v", h.name, list.Transfers)
				return
			}
		}
	}
}
