package dsp_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/controlplane/negotiation"
	"github.com/hansa-exchange/hansa/internal/controlplane/transfer"
	"github.com/hansa-exchange/hansa/internal/edge/dsp"
	"github.com/hansa-exchange/hansa/internal/node/conform"
)

const (
	edition  = `"@context":["https://w3id.org/dspace/2025/1/context.jsonld"],`
	bothPids = `"consumerPid":"c","providerPid":"p"`
	richRule = `{"action":"use","constraint":[{"leftOperand":"purpose","operator":"isAnyOf","rightOperand":["a"]},{"or":[{"leftOperand":"dateTime","operator":"lt","rightOperand":"2027-01-01T00:00:00Z"}]}]}`
)

// message is one that is valid and says all that it can, with its reader.
type message struct {
	name, kind, doc string
	read            func([]byte) error
}

func hears(event negotiation.Event, by hansa.Side) func([]byte) error {
	return func(b []byte) error { _, err := dsp.Negotiation(b, event, by); return err }
}

func moves(event transfer.Event) func([]byte) error {
	return func(b []byte) error { _, err := dsp.Transfer(b, event); return err }
}

func messages() (out []message) {
	readers := map[string]func([]byte) error{
		"first request": hears(negotiation.Request, hansa.Consumer), "counter-request": hears(negotiation.Request, hansa.Consumer),
		"first offer": hears(negotiation.Offer, hansa.Provider), "counter-offer": hears(negotiation.Offer, hansa.Provider),
		"agreement": hears(negotiation.Agree, hansa.Provider), "verification": hears(negotiation.Verify, hansa.Consumer),
		"acceptance": hears("", ""), "finalization": hears("", ""), "negotiation's termination": hears(negotiation.Terminate, ""),
		"transfer request": moves(transfer.Request), "start": moves(transfer.Start), "suspension": moves(transfer.Suspend),
		"completion": moves(transfer.Complete), "transfer's termination": moves(transfer.Terminate),
	}
	for _, s := range conform.Samples() {
		out = append(out, message{s.Name, s.Kind, string(s.Doc), readers[s.Name]})
	}
	return out
}

// TestReadersAgreeWithTheSchemas: what a schema refuses is refused by the reader of
// that message, and what it takes is taken, but for what is named here.
func TestReadersAgreeWithTheSchemas(t *testing.T) {
	// lenient is taken though the schema refuses it.
	lenient := func(c *conform.Change) bool {
		return c.At == "/agreement/timestamp" && c.What == `""` // it says nothing
	}
	// strict is refused though the schema takes it.
	strict := func(c *conform.Change) string {
		name := c.At[strings.LastIndex(c.At, "/")+1:]
		switch {
		case c.What == `""` && slices.Contains([]string{"consumerPid", "providerPid", "agreementId", "format", "endpointType", "name", "@id", "target", "assigner", "assignee", "action", "leftOperand"}, name):
			return "what names something is not empty"
		case name == "callbackAddress":
			return "an address is one"
		case c.At == "/offer/assigner":
			return "a party is named by a string"
		}
		return ""
	}
	total, refused := 0, 0
	for _, m := range messages() {
		t.Run(m.name, func(t *testing.T) {
			if err := conform.Valid(m.kind, []byte(m.doc)); err != nil {
				t.Fatalf("the schema refuses it as it is: %v", err)
			}
			if err := m.read([]byte(m.doc)); err != nil {
				t.Fatalf("the reader refuses it as it is: %v", err)
			}
			for _, c := range conform.Changes([]byte(m.doc)) {
				total++
				schema, reader := conform.Valid(m.kind, c.Doc), m.read(c.Doc)
				if reader != nil {
					refused++
					if e := hansa.Public(reader); e.Kind != hansa.Invalid || dsp.Status(reader) != 400 {
						t.Errorf("%s %s: refused as %v, status %d", c.At, c.What, e, dsp.Status(reader))
					}
				}
				switch {
				case schema != nil && reader == nil && !lenient(&c):
					t.Errorf("%s %s is taken; the schema says: %v", c.At, c.What, schema)
				case schema == nil && reader != nil && strict(&c) == "":
					t.Errorf("%s %s is refused, though it fits the schema: %v", c.At, c.What, reader)
				}
			}
		})
	}
	t.Logf("%d changed messages, %d of them refused", total, refused)
	if refused < 1000 {
		t.Errorf("only %d were refused: the test proves little", refused)
	}
}

// TestLeniency: what other connectors really send is taken.
func TestLeniency(t *testing.T) {
	for _, m := range messages() {
		for name, doc := range map[string]string{
			"a string for a context": strings.Replace(m.doc, edition, `"@context":"https://w3id.org/dspace/2025/1/context.jsonld",`, 1),
			"contexts of others":     strings.Replace(m.doc, edition, `"@context":["https://w3id.org/edc/dspace/v0.0.1","https://w3id.org/dspace/2025/1/context.jsonld"],`, 1),
			"unknown members":        strings.Replace(m.doc, `"@id":"m"`, `"@id":"m","x":{"y":[null]},"edc:z":1`, 1),
			"no id":                  strings.Replace(m.doc, `"@id":"m",`, ``, 1),
			"no constraints":         strings.Replace(m.doc, richRule, `{"action":"use","constraint":[]}`, 1),
			"space around":           "\n\t" + m.doc + " \r\n",
		} {
			if err := m.read([]byte(doc)); err != nil {
				t.Errorf("%s, %s: %v", m.name, name, err)
			}
		}
		for name, doc := range map[string]string{
			"twice the same member": strings.Replace(m.doc, `"@id":"m"`, `"@id":"m","@id":"n"`, 1),
			"not UTF-8":             strings.Replace(m.doc, `"@id":"m"`, "\"@id\":\"\xff\"", 1),
			"two documents":         m.doc + m.doc,
			"cut short":             m.doc[:len(m.doc)-1],
			"too deep":              strings.Replace(m.doc, `"@id":"m"`, `"@id":"m","x":`+strings.Repeat("[", 70)+strings.Repeat("]", 70), 1),
			"nothing":               "",
			"null":                  "null",
			"a list":                "[" + m.doc + "]",
			"another edition":       strings.Replace(m.doc, "2025/1", "2024/1", 1),
			"another type":          strings.Replace(m.doc, m.kind, "ContractNegotiation", 1),
		} {
			if err := m.read([]byte(doc)); hansa.KindOf(err) != hansa.Invalid {
				t.Errorf("%s, %s: %v", m.name, name, err)
			}
		}
	}
	m, err := dsp.Transfer([]byte(`{`+edition+`"@type":"TransferTerminationMessage",`+bothPids+`,"reason":[{"@language":"en","@value":"full"},{"message":"late"},7,"plain"]}`), transfer.Terminate)
	if err != nil || !slices.Equal(m.Reason, []string{"full", "late", "7", "plain"}) {
		t.Errorf("reasons %q, %v", m.Reason, err)
	}
}

// fuzzed is what every reader promises of whatever it is given: it does not panic,
// it refuses as Invalid, and what it takes it takes as the schema would, but for a
// string for a context.
func fuzzed(t *testing.T, which uint8, b []byte) {
	all := messages()
	m := all[int(which)%len(all)]
	err := m.read(b)
	if err != nil {
		if hansa.KindOf(err) != hansa.Invalid {
			t.Errorf("%s: %v", m.name, err)
		}
		return
	}
	if fits := conform.Valid(m.kind, b); fits != nil && !strings.Contains(fits.Error(), "/@context") && !strings.Contains(fits.Error(), "/timestamp: ''") {
		t.Errorf("%s is taken; the schema says: %v\n%s", m.name, fits, b)
	}
}

func FuzzMessage(f *testing.F) {
	for i, m := range messages() {
		f.Add(uint8(i), []byte(m.doc))
	}
	f.Fuzz(func(t *testing.T, which uint8, b []byte) { fuzzed(t, which, b) })
}

// FuzzAnswer: answers of the other side are read without panic, and bounded.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"@type":"ContractNegotiation",` + bothPids + `,"state":"AGREED"}`))
	f.Add([]byte(`{"@type":"TransferError",` + bothPids + `,"reason":["a",{"@value":"b"}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		p := dsp.ReadProcess(b)
		if p.Type != "" && !bytes.Contains(b, []byte("@type")) {
			t.Errorf("read %+v from %q", p, b)
		}
		if len(p.ConsumerPid) > 512 || len(p.ProviderPid) > 512 {
			t.Errorf("a pid of %d bytes", max(len(p.ConsumerPid), len(p.ProviderPid)))
		}
		_ = dsp.ReadReasons(b)
	})
}
