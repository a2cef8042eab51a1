// Command hansa is the exchange in one binary: it runs a node, and it is the
// client of one. Data goes to standard output, talk to standard error; exit codes
// are stable and listed by "hansa help exit-codes".
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	_ "time/tzdata" // zones are known on machines that have none
	"unicode"

	"github.com/alecthomas/kong"
)

// The exit codes. They are part of the contract: never renumber.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitConnection  = 3
	exitNotFound    = 4
	exitNotAllowed  = 5
	exitRefused     = 6
	exitMissed      = 7
	exitProof       = 8
	exitInterrupted = 130
)

// commands is the whole command line.
type commands struct {
	globals

	Demo        demoCmd        `cmd:"" group:"start" help:"Run a city with six receivers, and watch a tunnel close."`
	Init        initCmd        `cmd:"" group:"start" help:"Make a node of your own in a new folder."`
	Sandbox     sandboxCmd     `cmd:"" group:"start" help:"Try a receiver of your own against a simulated city."`
	Serve       serveCmd       `cmd:"" group:"start" help:"Run a node."`
	Doctor      doctorCmd      `cmd:"" group:"start" help:"Say what is wrong, and how to mend it."`
	Version     versionCmd     `cmd:"" group:"start" help:"Say which build this is."`
	Close       closeCmd       `cmd:"" group:"desk" help:"Close a place."`
	Reopen      reopenCmd      `cmd:"" group:"desk" help:"Reopen a closed place."`
	Begin       beginCmd       `cmd:"" group:"desk" help:"Say that a planned closure has begun."`
	Correct     correctCmd     `cmd:"" group:"desk" help:"Put right what a closure says wrongly."`
	Extend      extendCmd      `cmd:"" group:"desk" help:"Move a closure's planned end."`
	Repaired    repairedCmd    `cmd:"" group:"desk" help:"Say that the cause is gone; the road stays closed."`
	Withdraw    withdrawCmd    `cmd:"" group:"desk" help:"Withdraw a closure that should not have been said."`
	Closures    closuresCmd    `cmd:"" group:"desk" help:"List closures and how far each receiver has come."`
	Publish     publishCmd     `cmd:"" group:"data" help:"Put records from a file into a dataset."`
	Subscribe   subscribeCmd   `cmd:"" group:"data" help:"Follow a flow, in the format you want."`
	Network     networkCmd     `cmd:"" group:"data" help:"Keep the named places: tunnels, bridges, streets."`
	Datasets    datasetsCmd    `cmd:"" group:"data" help:"List, add and show your datasets."`
	Feeds       feedsCmd       `cmd:"" group:"data" help:"List, add, test, pause and remove the sources of your datasets."`
	Flows       flowsCmd       `cmd:"" group:"data" help:"List, add, show and pause what you give to whom."`
	Lint        lintCmd        `cmd:"" group:"data" help:"Check a file against the rules, without a node."`
	Convert     convertCmd     `cmd:"" group:"data" help:"Turn a file into another format, without a node."`
	Clauses     clausesCmd     `cmd:"" group:"deal" help:"Read the clauses that agreements are made of, without a node."`
	Accords     accordsCmd     `cmd:"" group:"deal" help:"Draft, propose, redline, sign and keep accords, for both directions of data."`
	Register    registerCmd    `cmd:"" group:"deal" help:"Read the public register of a node: the accords in force, without what they withhold."`
	Catalog     catalogCmd     `cmd:"" group:"deal" help:"Find datasets that you could have, at a peer or in all that is known."`
	Negotiate   negotiateCmd   `cmd:"" group:"deal" help:"Ask another participant for an agreement."`
	Offers      offersCmd      `cmd:"" group:"deal" help:"List, make, show and withdraw what you offer."`
	Requests    requestsCmd    `cmd:"" group:"deal" help:"See what waits for you, and say yes or no."`
	Agreements  agreementsCmd  `cmd:"" group:"deal" help:"List and show what was agreed."`
	Transfer    transferCmd    `cmd:"" group:"deal" help:"Ask for data under an agreement."`
	Transfers   transfersCmd   `cmd:"" group:"deal" help:"List, suspend, resume and end the giving of data."`
	Inspect     inspectCmd     `cmd:"" group:"deal" help:"Show every message of a request or a transfer."`
	Retry       retryCmd       `cmd:"" group:"deal" help:"Send messages again that do not arrive."`
	Deliveries  deliveriesCmd  `cmd:"" group:"evidence" help:"Show what was handed over, and what waits."`
	Replay      replayCmd      `cmd:"" group:"evidence" help:"Send a delivery, or a subscription's records, again."`
	Explain     explainCmd     `cmd:"" group:"evidence" help:"Say who would get a record, and why not."`
	Proof       proofCmd       `cmd:"" group:"evidence" help:"Fetch the proof of a record, to keep and to verify."`
	Verify      verifyCmd      `cmd:"" group:"evidence" help:"Check proofs offline."`
	Erase       eraseCmd       `cmd:"" group:"evidence" help:"Erase a record's content; its proof stands."`
	Backup      backupCmd      `cmd:"" group:"run" help:"Take a backup of a running node."`
	Restore     restoreCmd     `cmd:"" group:"run" help:"Restore a backup into a new data folder."`
	Later       laterCmd       `cmd:"" group:"run" help:"Say which records came after a backup."`
	Parties     partiesCmd     `cmd:"" group:"run" help:"List and add the parties of a node."`
	Credentials credentialsCmd `cmd:"" group:"run" help:"Issue, rotate and revoke what programs sign in with."`
	Peers       peersCmd       `cmd:"" group:"run" help:"Keep whom you deal with at other nodes."`
	Keys        keysCmd        `cmd:"" group:"run" help:"List, rotate and revoke what your party signs with."`
	Users       usersCmd       `cmd:"" group:"run" help:"Add people, give them roles, and end them."`
	Bench       benchCmd       `cmd:"" group:"run" help:"Measure this machine against a bare baseline."`
	Conform     conformCmd     `cmd:"" group:"run" help:"Hold a connector of any maker against the Dataspace Protocol."`
	Context     contextCmd     `cmd:"" group:"run" help:"Keep names for the nodes that you talk to."`
	Completion  completionCmd  `cmd:"" group:"run" help:"Print a completion script for your shell."`
	Help        helpCmd        `cmd:"" group:"run" help:"Read about a topic: exit-codes, environment, receipts, formats, trust, time, connectors, accords."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run executes one command line and returns its exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	var cli commands
	out := newPrinter(stdin, stdout, stderr)
	out.args = args
	exited := -1
	parser, err := newParser(&cli, stdout, stderr, func(code int) { exited = code; panic(errExit) })
	if err != nil {
		fmt.Fprintln(stderr, "internal error:", err)
		return exitFailed
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	kctx, err := parse(parser, args)
	if errors.Is(err, errExit) {
		return exited
	}
	if err != nil {
		out.json = slices.Contains(args, "--json")
		return out.fail(usageError(parser, args, err))
	}
	cli.apply(out)
	kctx.Bind(&cli.globals, out)
	kctx.BindTo(ctx, (*context.Context)(nil))
	if err := kctx.Run(); err != nil {
		if ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, ctx.Err())) {
			return exitInterrupted
		}
		f := asFailure(err)
		n := kctx.Selected()
		if f.hint == "" && n != nil {
			f.hint = "hansa " + n.Path() + " --help"
		}
		f.place(n)
		return out.fail(f)
	}
	return exitDone
}

// newParser makes the parser of the whole command line.
func newParser(cli *commands, stdout, stderr io.Writer, exit func(int)) (*kong.Kong, error) {
	return kong.New(cli,
		kong.Name("hansa"),
		kong.Description("Live data between cities and companies under agreed terms, with proof of delivery."),
		kong.Writers(stdout, stderr),
		kong.Exit(exit),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true, WrapUpperBound: 100}),
		kong.Help(helpWithExamples),
		kong.ExplicitGroups([]kong.Group{
			{Key: "start", Title: "Start here"},
			{Key: "desk", Title: "Close and open roads"},
			{Key: "data", Title: "Give and take data"},
			{Key: "deal", Title: "Agree with others"},
			{Key: "evidence", Title: "Prove it"},
			{Key: "run", Title: "Keep it running"},
		}),
	)
}

var errExit = errors.New("exit")

// parse turns kong's way of leaving after help into an error.
func parse(p *kong.Kong, args []string) (k *kong.Context, err error) {
	defer func() {
		if v := recover(); v != nil {
			if e, ok := v.(error); ok && errors.Is(e, errExit) {
				err = errExit
				return
			}
			panic(v)
		}
	}()
	return p.Parse(args)
}

// meant finds what the parser takes a wrong word for.
func meant(message string) (wrong, right string) {
	head, tail, ok := strings.Cut(message, ", did you mean ")
	if !ok {
		return "", ""
	}
	_, right, _ = strings.Cut(tail, `"`) // one, or the first of several
	right, _, _ = strings.Cut(right, `"`)
	return head[strings.LastIndexByte(head, ' ')+1:], right
}

// usageError names the mistake and the likely command.
func usageError(p *kong.Kong, args []string, err error) error {
	f := &failure{exit: exitUsage, code: "usage", message: sentence(err.Error()), hint: "hansa --help", err: err}
	var names []string
	at := slices.IndexFunc(args, func(a string) bool { return !strings.HasPrefix(a, "-") })
	for _, n := range p.Model.Children {
		if at >= 0 && n.Name == args[at] {
			f.hint = "hansa " + deepest(n, args[at+1:]) + " --help"
		}
		names = append(names, n.Name)
	}
	if wrong, right := meant(err.Error()); right != "" && !stands(args, right) {
		f.hint = again(args, wrong, right)
	}
	if at == 0 && !slices.Contains(names, args[0]) {
		f.message = fmt.Sprintf("There is no command %q.", args[0])
		if near := nearest(args[0], names); near != "" {
			f.message = fmt.Sprintf("There is no command %q, did you mean %q?", args[0], near)
			f.hint = again(args, args[0], near)
		}
	}
	return f
}

// deepest is the path of the command that words begin to name below n.
func deepest(n *kong.Node, words []string) string {
	for _, w := range words {
		i := slices.IndexFunc(n.Children, func(c *kong.Node) bool { return c.Name == w })
		if i < 0 {
			break
		}
		n = n.Children[i]
	}
	return n.Path()
}

// stands reports whether a flag is among args already: it was not meant a second time.
func stands(args []string, flag string) bool {
	return strings.HasPrefix(flag, "-") && slices.ContainsFunc(args, func(a string) bool { return a == flag || strings.HasPrefix(a, flag+"=") })
}

// again is the command line with one word put right, to paste.
func again(args []string, wrong, right string) string {
	words := []string{"hansa"}
	mended := false
	for _, a := range args {
		if tail, ok := strings.CutPrefix(a, wrong); ok && !mended && (tail == "" || tail[0] == '=') {
			a, mended = right+tail, true
		}
		words = append(words, quoted(a))
	}
	return strings.Join(words, " ")
}

// with is the command line with more words, to paste.
func (p *printer) with(more ...string) string {
	words := []string{"hansa"}
	for _, a := range slices.Concat(p.args, more) {
		words = append(words, quoted(a))
	}
	return strings.Join(words, " ")
}

// quoted writes a word so that a shell reads it as one.
func quoted(word string) string {
	if word != "" && !strings.ContainsFunc(word, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_./:@=+,%~", r)
	}) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
