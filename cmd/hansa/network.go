package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"strconv"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/edge/api"
	"github.com/hansa-exchange/hansa/internal/node"
)

type networkCmd struct {
	Import networkImportCmd `cmd:"" help:"Replace the network of named places by that of a file."`
	Check  networkCheckCmd  `cmd:"" help:"Say what is probably wrong with a network."`
	Show   networkShowCmd   `cmd:"" help:"Write the network as GeoJSON."`
}

func (networkCmd) examples() []string {
	return []string{"hansa network check network.geojson", "hansa network import network.geojson", "hansa network show > network.geojson"}
}

type networkImportCmd struct {
	File   string `arg:"" help:"GeoJSON: tunnels, bridges and streets, with tubes and directions."`
	DryRun bool   `help:"Say what would change, and change nothing." name:"dry-run"`
	Force  bool   `help:"Remove places that open closures name."`
}

func (networkImportCmd) examples() []string {
	return []string{"hansa network import network.geojson", "hansa network import network.geojson --dry-run --json"}
}

func (cmd *networkImportCmd) Run(ctx context.Context, g *globals, p *printer) error {
	b, err := readFile(cmd.File, api.NetworkBytesMax)
	if err != nil {
		return err
	}
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	would, err := setNetwork(ctx, c, b, "?dry=true")
	if err != nil {
		return err
	}
	if cmd.DryRun {
		if done, err := p.show(would); done {
			return err
		}
	}
	if !p.json {
		p.say("%s: %d new, %d changed, %d removed, %d as they were.", count(would.Places, "place"), would.New, would.Different, would.Gone, would.Unchanged)
		for _, id := range would.Removed[:min(10, len(would.Removed))] {
			p.say("  removed %s", clean(id))
		}
		p.say("%s", findingsLine(would.Findings, cmd.File))
	}
	if cmd.DryRun {
		return nil
	}
	if would.New+would.Different+would.Gone > 0 {
		if err := p.ask(g, "Import it? [y/N] "); err != nil {
			return err
		}
	}
	query := ""
	if cmd.Force {
		query = "?force=true"
	}
	done, err := setNetwork(ctx, c, b, query)
	if err != nil {
		return err
	}
	if shown, err := p.show(done); shown {
		return err
	}
	p.say("Imported. Next: hansa close NAME, or hansa network check")
	return nil
}

func findingsLine(list []hansa.Finding, file string) string {
	if len(list) == 0 {
		return "Nothing in it looks wrong."
	}
	more := map[bool]string{true: " or more"}[len(list) >= 1000]
	return fmt.Sprintf("%d%s things may be wrong: hansa network check %s", len(list), more, quoted(file))
}

func setNetwork(ctx context.Context, c *client, b []byte, query string) (out api.NetworkChange, err error) {
	res, err := c.request(ctx, http.MethodPut, "/api/v1/network"+query, "application/geo+json", bytes.NewReader(b), nil)
	if err != nil {
		return out, err
	}
	defer res.Body.Close()
	return out, c.read(res, &out)
}

type networkCheckCmd struct {
	File string `arg:"" optional:"" help:"A GeoJSON file; the node's own network when left out."`
}

func (networkCheckCmd) examples() []string {
	return []string{"hansa network check network.geojson", "hansa network check --json"}
}

func (cmd *networkCheckCmd) Run(ctx context.Context, g *globals, p *printer) error {
	b, err := cmd.read(ctx, g, p)
	if err != nil {
		return err
	}
	places, findings, err := node.CheckPlaces(bytes.NewReader(b))
	if err != nil {
		return err
	}
	bad := 0
	for _, f := range findings {
		if f.Severity == hansa.Fault {
			bad++
		}
	}
	var failed error
	if bad > 0 {
		failed = &failure{exit: exitRefused, code: "network", message: strconv.Itoa(bad) + " faults in " + strconv.Itoa(places) + " places."}
	}
	if done, err := p.show(map[string]any{"places": places, "findings": findings}); done {
		if err != nil {
			return err
		}
		return failed
	}
	rows := make([][]string, 0, len(findings))
	for _, f := range findings {
		rows = append(rows, []string{string(f.Rule), string(f.Severity), f.Field, clean(f.Message), clean(f.Value), clean(f.Mend)})
	}
	if len(rows) == 0 {
		p.say("%s, and nothing there looks wrong.", count(places, "place"))
		return nil
	}
	p.table([]string{"RULE", "SEVERITY", "WHERE", "WHAT", "VALUE", "MEND"}, rows, "")
	return failed
}

func (cmd *networkCheckCmd) read(ctx context.Context, g *globals, p *printer) ([]byte, error) {
	if cmd.File != "" {
		return readFile(cmd.File, api.NetworkBytesMax)
	}
	c, err := g.connect(p)
	if err != nil {
		return nil, err
	}
	return fetchNetwork(ctx, c)
}

func fetchNetwork(ctx context.Context, c *client) ([]byte, error) {
	res, err := c.request(ctx, http.MethodGet, "/api/v1/network", "", nil, nil)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	var b bytes.Buffer
	_, err = b.ReadFrom(res.Body)
	return b.Bytes(), err
}

type networkShowCmd struct{}

func (networkShowCmd) examples() []string { return []string{"hansa network show > network.geojson"} }

func (*networkShowCmd) Run(ctx context.Context, g *globals, p *printer) error {
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	b, err := fetchNetwork(ctx, c)
	if err == nil {
		_, err = p.out.Write(append(b, '\n'))
	}
	return err
}

// readFile reads a file of at most so many bytes.
func readFile(name string, most int64) ([]byte, error) {
	info, err := os.Stat(name)
	if err == nil && info.Size() > most {
		return nil, &failure{exit: exitRefused, code: "too-large", message: fmt.Sprintf("%s has %d bytes; at most %d are read.", name, info.Size(), most)}
	}
	return os.ReadFile(name)
}
