package edc

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// connector is a running control plane of EDC, provider and consumer in one.
type connector struct {
	t      *testing.T
	http   *http.Client
	manage string // base of its management API
	dsp    string // base of its protocol, edition 2025-1
	data   string // base of its data plane
	file   string // what its asset is
}

const key = "key-of-the-management-api"

// start runs EDC until the test ends, and returns when it is ready.
func start(t *testing.T, classpath, participant string) *connector {
	t.Helper()
	dir := t.TempDir()
	c := &connector{t: t, http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}, file: filepath.Join(dir, "asset.json")}
	ports := free(t, 5)
	c.manage = "http://127.0.0.1:" + ports[1] + "/management/v3"
	c.dsp = "http://127.0.0.1:" + ports[2] + "/protocol/2025-1"
	c.data = "http://127.0.0.1:" + ports[4]
	settings := []string{
		"edc.participant.id=" + participant, "edc.hostname=127.0.0.1",
		"web.http.port=" + ports[0], "web.http.path=/api",
		"web.http.management.port=" + ports[1], "web.http.management.path=/management",
		"web.http.management.auth.type=tokenbased", "web.http.management.auth.key=" + key,
		"web.http.protocol.port=" + ports[2], "web.http.protocol.path=/protocol",
		"web.http.control.port=" + ports[3], "web.http.control.path=/control",
		"edc.dsp.callback.address=http://127.0.0.1:" + ports[2] + "/protocol",
		"hansa.data.port=" + ports[4], "hansa.data.file=" + c.file,
	}
	file := filepath.Join(dir, "edc.properties")
	if err := os.WriteFile(file, []byte(strings.Join(settings, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	ready := &watched{says: "service extensions started", heard: make(chan struct{})}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := exec.CommandContext(ctx, "java", "-Xmx1g", "-Dedc.fs.config="+file, "-cp", classpath, "org.eclipse.edc.boot.system.runtime.BaseRuntime")
	cmd.Stdout, cmd.Stderr = ready, ready
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		c.http.CloseIdleConnections()
		stop()
		<-ended
		if t.Failed() {
			t.Logf("EDC said: %s", ready.tail())
		}
	})
	select {
	case <-ready.heard:
	case <-ended:
		t.Fatalf("EDC ended: %s", ready.tail())
	case <-time.After(time.Minute):
		t.Fatalf("EDC is not ready: %s", ready.tail())
	}
	return c
}

// watched keeps what a process writes, and tells when it has said something.
type watched struct {
	says  string
	heard chan struct{}

	mu   sync.Mutex // guards all below
	all  bytes.Buffer
	told bool
}

// Write implements [io.Writer].
func (w *watched) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all.Len() < 4<<20 {
		w.all.Write(b)
	}
	if !w.told && bytes.Contains(w.all.Bytes(), []byte(w.says)) {
		w.told = true
		close(w.heard)
	}
	return len(b), nil
}

// tail is the end of what was said.
func (w *watched) tail() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	b := w.all.Bytes()
	return string(b[max(0, len(b)-8<<10):])
}

// free finds ports of loopback.
func free(t *testing.T, n int) (ports []string) {
	t.Helper()
	for range n {
		ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		_, port, _ := net.SplitHostPort(ln.Addr().String())
		ports = append(ports, port)
	}
	return ports
}

// document is a JSON object of EDC's, members unread. Its names may have a prefix.
type document map[string]jsontext.Value

// text is a string member.
func (d document) text(name string) string {
	var s string
	for _, one := range []string{name, "edc:" + name, "dcat:" + name, "odrl:" + name, "https://w3id.org/edc/v0.0.1/ns/" + name} {
		if json.Unmarshal(d[one], &s) == nil {
			return s
		}
	}
	return ""
}

// list is a member that is an array, or stands for one.
func (d document) list(name string) (out []document) {
	for _, one := range []string{name, "dcat:" + name, "odrl:" + name} {
		var alone document
		if json.Unmarshal(d[one], &out) == nil {
			return out
		}
		if json.Unmarshal(d[one], &alone) == nil {
			return []document{alone}
		}
	}
	return nil
}

// do calls the management API.
func (c *connector) do(ctx context.Context, method, path string, in map[string]any, out any) error {
	var body io.Reader
	if in != nil {
		in["@context"] = map[string]string{"@vocab": "https://w3id.org/edc/v0.0.1/ns/", "odrl": "http://www.w3.org/ns/odrl/2/"}
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.manage+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Api-Key", key)
	res, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("EDC answered %s %s with %d: %.500s", method, path, res.StatusCode, b)
	}
	if out == nil || len(b) == 0 {
		return nil
	}
	return json.Unmarshal(b, out)
}

func (c *connector) post(path string, in map[string]any, out any) {
	c.t.Helper()
	if err := c.do(c.t.Context(), "POST", path, in, out); err != nil {
		c.t.Fatal(err)
	}
}

// in returns a driver of c for a subtest.
func (c *connector) in(t *testing.T) *connector {
	one := *c
	one.t = t
	return &one
}

// policy stores the permission of a policy definition.
func (c *connector) policy(id string, permission map[string]any) {
	c.post("/policydefinitions", map[string]any{"@id": id, "policy": map[string]any{
		"@context": "http://www.w3.org/ns/odrl.jsonld", "@type": "Set", "permission": []any{permission},
	}}, nil)
}

// offers puts an asset on offer, to be seen by everybody.
func (c *connector) offers(asset, policy string) {
	c.post("/assets", map[string]any{"@id": asset, "properties": map[string]string{"name": asset}, "dataAddress": map[string]string{"type": "HttpData", "baseUrl": c.data + "/data"}}, nil)
	c.post("/contractdefinitions", map[string]any{"@id": "def-" + asset, "accessPolicyId": anyone, "contractPolicyId": policy, "assetsSelector": []any{map[string]any{
		"@type": "Criterion", "operandLeft": "https://w3id.org/edc/v0.0.1/ns/id", "operator": "=", "operandRight": asset,
	}}}, nil)
}

// EDC's policies: the one is met by everybody, the other by nobody.
const (
	anyone = "any-use"
	nobody = "for-a-purpose"
)

// catalogue asks the node for what it offers.
func (c *connector) catalogue(at string) (doc document) {
	c.t.Helper()
	c.post("/catalog/request", map[string]any{"@type": "CatalogRequest", "protocol": protocol, "counterPartyAddress": at, "counterPartyId": string(own)}, &doc)
	return doc
}

const protocol = "dataspace-protocol-http:2025-1"

// negotiate asks the node for an agreement; rules are those of the permission.
func (c *connector) negotiate(ctx context.Context, at, offer, target string, rules map[string]any) (id string, err error) {
	var doc document
	err = c.do(ctx, "POST", "/contractnegotiations", map[string]any{
		"@type": "ContractRequest", "counterPartyAddress": at, "protocol": protocol,
		"policy": map[string]any{"@context": "http://www.w3.org/ns/odrl.jsonld", "@id": offer, "@type": "Offer", "assigner": string(own), "target": target, "permission": []any{rules}},
	}, &doc)
	return doc.text("@id"), err
}

// until waits for a process to be in a state, or for one of the ends, and returns it.
func (c *connector) until(kind, id string, states ...string) (doc document) {
	c.t.Helper()
	ctx, stop := context.WithTimeout(c.t.Context(), time.Minute)
	defer stop()
	for {
		doc = nil
		if err := c.do(ctx, "GET", "/"+kind+"/"+id, nil, &doc); err != nil {
			c.t.Fatal(err)
		}
		is := doc.text("state")
		if is == "DEPROVISIONING" || is == "DEPROVISIONED" { // what it does of itself with a transfer that was terminated
			is = "TERMINATED"
		}
		if slices.Contains(states, is) {
			return doc
		}
		select {
		case <-ctx.Done():
			c.t.Fatalf("EDC's %s was to be %s, and is %v", kind, states, doc)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// negotiations lists EDC's.
func (c *connector) negotiations() (list []document) {
	c.t.Helper()
	c.post("/contractnegotiations/request", map[string]any{"@type": "QuerySpec", "limit": 10_000}, &list)
	return list
}

// states counts EDC's negotiations that it began, or that the other side did, by
// their state.
func (c *connector) states(side string) map[string]int {
	c.t.Helper()
	out := map[string]int{}
	for _, one := range c.negotiations() {
		if one.text("type") == side {
			out[one.text("state")]++
		}
	}
	return out
}

// open lists EDC's negotiations that did not come to an agreement.
func (c *connector) open() (ids []string) {
	c.t.Helper()
	for _, one := range c.negotiations() {
		if one.text("state") != "FINALIZED" {
			ids = append(ids, one.text("@id"))
		}
	}
	return ids
}

// twin finds EDC's process by what the other side calls it.
func (c *connector) twin(kind, pid string) string {
	c.t.Helper()
	var list []document
	c.post("/"+kind+"/request", map[string]any{"@type": "QuerySpec", "limit": 10_000, "filterExpression": []any{
		map[string]any{"operandLeft": "correlationId", "operator": "=", "operandRight": pid},
	}}, &list)
	if len(list) != 1 {
		c.t.Fatalf("EDC has %d %s that the node calls %s", len(list), kind, pid)
	}
	return list[0].text("@id")
}

// pull has EDC's data plane take what a transfer gives now.
func (c *connector) pull(id string) (status int, body string) {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), http.MethodGet, c.data+"/pull/"+id, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	res, err := c.http.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return res.StatusCode, string(b)
}
