package tck

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/trust"
	"github.com/hansa-exchange/hansa/internal/hansatest"
)

// Who the two sides are.
const (
	own   hansa.PartyID = "did:web:connector.example"
	kit   hansa.PartyID = "TCK_PARTICIPANT"
	token               = "token-of-the-kit"
)

// tests are those of the kit that name a dataset or an agreement, by their group;
// those that a later edition of it switches on fail here until they have a script.
var tests = map[string][]string{
	"CN":   {"01_01", "01_02", "01_03", "01_04", "02_01", "02_02", "02_03", "02_04", "02_05", "02_06", "02_07", "03_01", "03_02", "03_03", "03_04"},
	"CN_C": {"01_01", "01_02", "01_03", "01_04", "02_01", "02_02", "02_03", "02_04", "02_05", "02_06", "03_01", "03_02", "03_03", "03_04", "03_05", "03_06"},
	"TP":   {"01_01", "01_02", "01_03", "01_04", "01_05", "02_01", "02_02", "02_03", "02_05", "03_01", "03_02", "03_03", "03_04", "03_05", "03_06"},
	"TP_C": {"01_01", "01_02", "01_03", "01_04", "01_05", "02_01", "02_02", "02_03", "02_05", "03_01", "03_02", "03_03", "03_04", "03_05", "03_06"},
}

// name is what a test of a group is about: the dataset ACN0101, the agreement ATPC0203.
func name(group, test string) string {
	return "A" + strings.ReplaceAll(group+test, "_", "")
}

// TestKit runs every test of the kit against the node.
func TestKit(t *testing.T) {
	classpath := os.Getenv("HANSA_TCK")
	if classpath == "" {
		t.Skip("the kit is got by .ci/dsp-tck, which needs Java and Maven")
	}
	theirs := free(t)
	s := &hansatest.Setup{
		Own: hansa.Party{ID: own, Name: "connector", Title: "Connector", Kind: hansa.City}, ByHand: true, Allow: []string{theirs},
		Peers: []hansatest.Peer{{Peer: trust.Peer{ID: kit, Name: "kit", Address: "http://" + theirs, Mode: trust.PeerToken, Secret: trust.NewSecret("token-for-the-kit")}, Shows: token}},
	}
	seed(s)
	ctx, stop := context.WithCancel(t.Context())
	d := &director{t: t, node: hansatest.Start(t, s)}
	done := make(chan struct{})
	go func() { d.watch(ctx); close(done) }()
	hooks := d.hooks(ctx)
	defer func() {
		hooks.Close()
		stop()
		<-done
	}()
	file := filepath.Join(t.TempDir(), "kit.properties")
	if err := os.WriteFile(file, []byte(strings.Join(properties(d.node, hooks.URL, theirs), "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	cmd := exec.CommandContext(ctx, "java", "-cp", classpath, "Kit", file)
	cmd.Stdout, cmd.Stderr = io.MultiWriter(os.Stdout, &out), os.Stderr
	if err := cmd.Run(); err != nil {
		t.Errorf("the kit: %v", err)
	}
	if !regexp.MustCompile(`(?m)^65 passed, 0 failed$`).MatchString(out.String()) {
		t.Error("the kit has 65 tests, and not all of them passed")
	}
}

// seed puts on offer and agrees what the kit's tests are about.
func seed(s *hansatest.Setup) {
	put := func(id string) {
		s.Datasets = append(s.Datasets, hansa.Dataset{ID: hansa.DatasetID(id), Party: own, Name: strings.ToLower(id), Kind: hansa.KindSituation})
		s.Offers = append(s.Offers, hansatest.Offer(own, "CD123:"+id+":456", hansa.DatasetID(id), false))
	}
	put("CAT0101")
	put("CAT0102")
	for _, one := range tests["CN"] {
		put(name("CN", one))
	}
	for _, one := range tests["TP"] {
		s.Agreements = append(s.Agreements, hansatest.Agreement(name("TP", one), own, kit, hansa.Provider, "CAT0101"))
	}
	for _, one := range tests["TP_C"] {
		s.Agreements = append(s.Agreements, hansatest.Agreement(name("TP_C", one), own, kit, hansa.Consumer, "elsewhere"))
	}
}

// properties tells the kit where everything is.
func properties(n *hansatest.Node, hooks, theirs string) []string {
	host, port, _ := net.SplitHostPort(theirs)
	out := []string{
		"dataspacetck.dsp.local.connector=false",
		"dataspacetck.dsp.connector.agent.id=" + string(own),
		"dataspacetck.dsp.connector.http.url=" + n.Base(),
		"dataspacetck.dsp.connector.http.base.url=" + n.URL,
		"dataspacetck.dsp.connector.http.headers.authorization=Bearer " + token,
		"dataspacetck.dsp.connector.negotiation.initiate.url=" + hooks + "/negotiations",
		"dataspacetck.dsp.connector.transfer.initiate.url=" + hooks + "/transfers",
		"dataspacetck.dsp.default.wait=15",
		"dataspacetck.callback.address=http://" + theirs,
		"dataspacetck.host=" + host,
		"dataspacetck.port=" + port,
		"CAT_01_01_DATASETID=CAT0101",
		"CAT_01_02_DATASETID=CAT0102",
		"CAT_01_03_DATASETID=CAT0103",
	}
	for group, all := range tests {
		for _, one := range all {
			key, of := group+"_"+one, name(group, one)
			switch group {
			case "CN":
				out = append(out, key+"_DATASETID="+of, key+"_OFFERID=CD123:"+of+":456")
			case "CN_C":
				out = append(out, key+"_DATASETID="+of)
			default:
				out = append(out, key+"_AGREEMENTID="+of, key+"_FORMAT=HttpData-PULL")
			}
		}
	}
	return out
}

// free finds a port of loopback on which the kit can hear.
func free(t *testing.T) string {
	t.Helper()
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return fmt.Sprint(ln.Addr())
}
