package main

import (
	"bufio"
	_ "embed"
	"fmt"
	"io"
	"runtime/debug"
	"sort"
	"strings"

	"github.com/alecthomas/kong"
)

// exampler is a command that shows how it is used.
type exampler interface{ examples() []string }

// helpWithExamples prints kong's help, then the command's examples.
func helpWithExamples(options kong.HelpOptions, ctx *kong.Context) error {
	if err := kong.DefaultHelpPrinter(options, ctx); err != nil {
		return err
	}
	if n := ctx.Selected(); n != nil && n.Target.CanAddr() {
		for _, v := range []any{n.Target.Addr().Interface(), n.Target.Interface()} {
			if e, ok := v.(exampler); ok {
				fmt.Fprintln(ctx.Stdout, "\nExamples:")
				for _, x := range e.examples() {
					fmt.Fprintln(ctx.Stdout, "  "+x)
				}
				return nil
			}
		}
	}
	return nil
}

//go:embed topics.txt
var topicsText string

// topics reads the help pages: each begins with a line "= name".
func topics() map[string]string {
	pages := map[string]string{}
	for page := range strings.SplitSeq(topicsText, "\n= ") {
		name, text, _ := strings.Cut(strings.TrimPrefix(page, "= "), "\n")
		pages[strings.TrimSpace(name)] = strings.TrimSpace(text)
	}
	return pages
}

type helpCmd struct {
	Topic string `arg:"" optional:"" help:"exit-codes, environment, receipts, formats, trust, time, connectors, accords."`
}

func (helpCmd) examples() []string { return []string{"hansa help exit-codes"} }

func (cmd *helpCmd) Run(p *printer) error {
	pages := topics()
	names := make([]string, 0, len(pages))
	for n := range pages {
		names = append(names, n)
	}
	sort.Strings(names)
	if cmd.Topic == "" {
		if done, err := p.show(map[string]any{"topics": names}); done {
			return err
		}
		_, err := fmt.Fprintln(p.out, "Topics: "+strings.Join(names, ", ")+".\nCommands: hansa --help")
		return err
	}
	text, ok := pages[cmd.Topic]
	if !ok {
		f := &failure{exit: exitNotFound, code: "topic", message: fmt.Sprintf("There is no topic %q.", cmd.Topic), hint: "hansa help"}
		if near := nearest(cmd.Topic, names); near != "" {
			f.hint = "hansa help " + near
		}
		return f
	}
	if done, err := p.show(map[string]any{"topic": cmd.Topic, "text": text}); done {
		return err
	}
	_, err := fmt.Fprintln(p.out, text)
	return err
}

// buildInfo says which build this is.
type buildInfo struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Go       string `json:"go"`
	Modified bool   `json:"modified,omitempty"`
}

func (b buildInfo) String() string {
	s := "hansa " + b.Version
	if b.Revision != "" {
		s += " (" + b.Revision[:min(12, len(b.Revision))] + ")"
	}
	return s + ", " + b.Go
}

func build() buildInfo {
	b := buildInfo{Version: "devel"}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	b.Go = info.GoVersion
	if v := info.Main.Version; v != "" && v != "(devel)" {
		b.Version = v
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

type versionCmd struct {
	SBOM bool `help:"Write what this binary is made of, as CycloneDX JSON." name:"sbom"`
}

func (versionCmd) examples() []string {
	return []string{"hansa version --json", "hansa version --sbom"}
}

func (cmd versionCmd) Run(p *printer) error {
	if cmd.SBOM {
		return p.data(materials())
	}
	if done, err := p.show(build()); done {
		return err
	}
	_, err := fmt.Fprintln(p.out, build())
	return err
}

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish,pwsh" help:"bash, zsh, fish or pwsh."`
}

func (completionCmd) examples() []string {
	return []string{`source <(hansa completion bash)`, "hansa completion fish > ~/.config/fish/completions/hansa.fish"}
}

func (cmd *completionCmd) Run(k *kong.Context, p *printer) error {
	if !p.json && p.format == "" {
		return writeCompletion(p.out, cmd.Shell, k.Model)
	}
	var b strings.Builder
	if err := writeCompletion(&b, cmd.Shell, k.Model); err != nil {
		return err
	}
	_, err := p.show(map[string]any{"shell": cmd.Shell, "script": b.String()})
	return err
}

// writeCompletion prints a script that completes commands, verbs and flags.
func writeCompletion(out io.Writer, shell string, app *kong.Application) error {
	w := bufio.NewWriter(out)
	verbs := map[string][]string{}
	var names []string
	for _, n := range app.Children {
		names = append(names, n.Name)
		for _, sub := range n.Children {
			verbs[n.Name] = append(verbs[n.Name], sub.Name)
		}
		for _, f := range n.Flags {
			verbs[n.Name] = append(verbs[n.Name], "--"+f.Name)
		}
	}
	for _, f := range app.Flags {
		if !f.Hidden {
			verbs[""] = append(verbs[""], "--"+f.Name)
		}
	}
	all := strings.Join(names, " ")
	switch shell {
	case "fish":
		fmt.Fprintf(w, "complete -c hansa -f -n __fish_use_subcommand -a %q\n", all)
		for _, n := range names {
			for _, v := range verbs[n] {
				if l, ok := strings.CutPrefix(v, "--"); ok {
					fmt.Fprintf(w, "complete -c hansa -n '__fish_seen_subcommand_from %s' -l %s\n", n, l)
				} else {
					fmt.Fprintf(w, "complete -c hansa -f -n '__fish_seen_subcommand_from %s' -a %s\n", n, v)
				}
			}
		}
		for _, v := range verbs[""] {
			fmt.Fprintf(w, "complete -c hansa -l %s\n", strings.TrimPrefix(v, "--"))
		}
	case "pwsh":
		fmt.Fprintf(w, "Register-ArgumentCompleter -Native -CommandName hansa -ScriptBlock {\n  param($word, $ast, $at)\n  $verbs = @{\n")
		for _, n := range names {
			fmt.Fprintf(w, "    %q = %q\n", n, strings.Join(append(verbs[n], verbs[""]...), " "))
		}
		fmt.Fprintf(w, "  }\n  $first = if ($ast.CommandElements.Count -gt 1) { \"$($ast.CommandElements[1])\" } else { \"\" }\n  $list = if ($verbs.ContainsKey($first)) { $verbs[$first] } else { %q }\n  $list -split ' ' | Where-Object { $_ -like \"$word*\" } | ForEach-Object { [System.Management.Automation.CompletionResult]::new($_) }\n}\n", all)
	default:
		if shell == "zsh" {
			fmt.Fprintln(w, "autoload -U +X bashcompinit && bashcompinit")
		}
		fmt.Fprintf(w, "_hansa() {\n  local word=${COMP_WORDS[COMP_CWORD]} list\n  if [ \"$COMP_CWORD\" -eq 1 ]; then list=%q; else\n    case ${COMP_WORDS[1]} in\n", all)
		for _, n := range names {
			fmt.Fprintf(w, "      %s) list=%q ;;\n", n, strings.Join(append(verbs[n], verbs[""]...), " "))
		}
		fmt.Fprintf(w, "    esac\n  fi\n  COMPREPLY=($(compgen -W \"$list\" -- \"$word\"))\n}\ncomplete -o default -F _hansa hansa\n")
	}
	return w.Flush()
}
