package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/words"
)

// contextsMax bounds the names kept.
const contextsMax = 200

// namedNode is one node that a person talks to, under a name. The token stays in
// its own file.
type namedNode struct {
	Name      string `json:"name"`
	Node      string `json:"node"`
	TokenFile string `json:"tokenFile,omitempty"`
	CA        string `json:"ca,omitempty"`
}

// contexts is the file of names.
type contexts struct {
	Current string      `json:"current"`
	Nodes   []namedNode `json:"contexts"`
}

func contextFile() (string, error) {
	d, err := configDir()
	return filepath.Join(d, "contexts.json"), err
}

func loadContexts() (contexts, error) {
	var c contexts
	name, err := contextFile()
	if err != nil {
		return c, nil //nolint:nilerr // no home folder: there are no names
	}
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(b, &c); err != nil {
		return c, &failure{exit: exitFailed, code: "context", message: sentence(name + " cannot be read: " + words.Misread(err)), hint: "rm " + name}
	}
	return c, nil
}

func (c *contexts) save() error {
	name, err := contextFile()
	if err != nil {
		return err
	}
	b, err := json.Marshal(c, json.Deterministic(true), jsontext.WithIndent("  "))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	return writeFile(name, append(b, '\n'), 0o600)
}

// writeFile writes a file whole or not at all: temporary file, fsync, rename.
func writeFile(name string, b []byte, mode os.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // gone already after the rename
	_, err = f.Write(b)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

func currentContext() (*namedNode, error) {
	c, err := loadContexts()
	if err != nil || c.Current == "" {
		return nil, err
	}
	for i := range c.Nodes {
		if c.Nodes[i].Name == c.Current {
			return &c.Nodes[i], nil
		}
	}
	return nil, nil
}

type contextCmd struct {
	Add    contextAdd    `cmd:"" help:"Keep a node under a name, and use it."`
	Use    contextUse    `cmd:"" help:"Talk to this node from now on; - is the node on this machine."`
	List   contextList   `cmd:"" help:"List the names."`
	Remove contextRemove `cmd:"" help:"Forget a name."`
}

func (contextCmd) examples() []string {
	return []string{"hansa context add doggerhaven --node https://hansa.doggerhaven.example --token-file ~/.hansa-token", "hansa context use doggerhaven", "hansa context use -"}
}

func (contextAdd) examples() []string {
	return []string{"hansa context add doggerhaven --node https://hansa.doggerhaven.example --token-file ~/.hansa-token --ca city-ca.pem"}
}

type contextAdd struct {
	Name string `arg:"" help:"A name of a-z, 0-9 and hyphen."`
}

func (cmd *contextAdd) Run(g *globals, p *printer) error {
	if !hansa.ValidName(cmd.Name) {
		return &failure{exit: exitUsage, code: "context", message: fmt.Sprintf("A name is 1 to 63 of a-z, 0-9 and hyphen, not %q.", cmd.Name)}
	}
	if g.Node == "" {
		return &failure{exit: exitUsage, code: "context", message: "Say which node the name stands for.", hint: "hansa context add " + cmd.Name + " --node https://hansa.example --token-file FILE"}
	}
	if _, err := dial(g.Node, "", g.CA); err != nil {
		return err
	}
	c, err := loadContexts()
	if err != nil {
		return err
	}
	if len(c.Nodes) >= contextsMax {
		return &failure{exit: exitRefused, code: "context", message: fmt.Sprintf("At most %d names are kept.", contextsMax), hint: "hansa context remove NAME"}
	}
	n := namedNode{Name: cmd.Name, Node: g.Node, TokenFile: absolute(g.TokenFile), CA: absolute(g.CA)}
	c.Nodes = slices.DeleteFunc(c.Nodes, func(o namedNode) bool { return o.Name == cmd.Name })
	c.Nodes = append(c.Nodes, n)
	c.Current = cmd.Name
	if err := c.save(); err != nil {
		return err
	}
	if done, err := p.show(n); done {
		return err
	}
	p.say("Now talking to %s at %s.", cmd.Name, g.Node)
	return nil
}

// absolute lets a file be found from any folder; - stays.
func absolute(name string) string {
	if name == "" || name == "-" || strings.HasPrefix(name, "/") {
		return name
	}
	if a, err := filepath.Abs(name); err == nil {
		return a
	}
	return name
}

func (contextUse) examples() []string {
	return []string{"hansa context use doggerhaven", "hansa context use -"}
}

type contextUse struct {
	Name string `arg:"" help:"The name, or - for the node on this machine."`
}

func (cmd *contextUse) Run(p *printer) error {
	c, err := loadContexts()
	if err != nil {
		return err
	}
	names := []string{}
	for _, n := range c.Nodes {
		names = append(names, n.Name)
	}
	switch {
	case cmd.Name == "-":
		c.Current = ""
	case slices.Contains(names, cmd.Name):
		c.Current = cmd.Name
	default:
		f := &failure{exit: exitNotFound, code: "context", message: fmt.Sprintf("There is no context %q.", cmd.Name), hint: "hansa context list"}
		if near := nearest(cmd.Name, names); near != "" {
			f.hint = "hansa context use " + near
		}
		return f
	}
	if err := c.save(); err != nil {
		return err
	}
	if done, err := p.show(map[string]any{"current": c.Current}); done {
		return err
	}
	p.say("Now talking to %s.", first(c.Current, "the node on this machine"))
	return nil
}

func (contextList) examples() []string {
	return []string{"hansa context list", "hansa context list --json"}
}

type contextList struct{}

func (contextList) Run(p *printer) error {
	c, err := loadContexts()
	if err != nil {
		return err
	}
	if done, err := p.show(c); done {
		return err
	}
	rows := [][]string{}
	for _, n := range c.Nodes {
		mark := ""
		if n.Name == c.Current {
			mark = "in use"
		}
		rows = append(rows, []string{n.Name, n.Node, n.TokenFile, mark})
	}
	p.table([]string{"NAME", "NODE", "TOKEN FILE", ""}, rows, "")
	return nil
}

func (contextRemove) examples() []string { return []string{"hansa context remove doggerhaven"} }

type contextRemove struct {
	Name string `arg:"" help:"The name."`
}

func (cmd *contextRemove) Run(p *printer) error {
	c, err := loadContexts()
	if err != nil {
		return err
	}
	n := len(c.Nodes)
	c.Nodes = slices.DeleteFunc(c.Nodes, func(o namedNode) bool { return o.Name == cmd.Name })
	if len(c.Nodes) == n {
		return &failure{exit: exitNotFound, code: "context", message: fmt.Sprintf("There is no context %q.", cmd.Name), hint: "hansa context list"}
	}
	if c.Current == cmd.Name {
		c.Current = ""
	}
	if err := c.save(); err != nil {
		return err
	}
	if done, err := p.show(map[string]any{"removed": cmd.Name}); done {
		return err
	}
	p.say("Forgot %s.", cmd.Name)
	return nil
}
