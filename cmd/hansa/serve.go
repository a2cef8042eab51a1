package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/hansa-exchange/hansa/internal/base/store"
	"github.com/hansa-exchange/hansa/internal/node"
)

type serveCmd struct {
	Config string `short:"c" required:"" help:"The configuration file (TOML)." placeholder:"FILE"`
	Log    string `help:"What is logged: debug, info, warn or error." enum:"debug,info,warn,error" default:"info"`
	// WhileInput is for a program that runs nodes: none is left when it is killed.
	WhileInput bool `hidden:"" help:"End when the standard input ends."`
}

func (serveCmd) examples() []string { return []string{"hansa serve --config /etc/hansa/hansa.toml"} }

func (cmd *serveCmd) Run(ctx context.Context, p *printer) error {
	if cmd.WhileInput {
		var stop context.CancelFunc
		ctx, stop = context.WithCancel(ctx)
		defer stop()
		go func() {
			_, _ = io.Copy(io.Discard, p.in)
			stop()
		}()
	}
	mindLoad := collectLess()
	f, err := node.ReadFile(cmd.Config)
	if err != nil {
		return err
	}
	started := time.Now()
	log := logger(p, cmd.Log)
	n, err := node.Serve(ctx, f, build().Version, log)
	if err != nil {
		return err
	}
	mindLoad()
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", f.Listen)
	if err != nil {
		return errors.Join(err, n.Close())
	}
	forget, err := point(n.Socket())
	if err != nil {
		log.LogAttrs(ctx, slog.LevelWarn, "other commands will not find this node by themselves", slog.Any("err", err))
	}
	defer forget()
	log.LogAttrs(ctx, slog.LevelInfo, "serving", slog.String("listen", ln.Addr().String()), slog.String("socket", n.Socket()), slog.Duration("start", time.Since(started)))
	if _, err := p.show(map[string]any{"listen": ln.Addr().String(), "socket": n.Socket()}); err != nil {
		return errors.Join(err, ln.Close(), n.Close())
	}
	again := make(chan os.Signal, 1)
	signal.Notify(again, syscall.SIGHUP)
	defer signal.Stop(again)
	go cmd.reload(ctx, n, f, log, again)
	return n.Run(ctx, ln)
}

// reload reads the configuration again whenever it is asked to.
func (cmd *serveCmd) reload(ctx context.Context, n *node.Node, was *node.File, log *slog.Logger, again <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-again:
		}
		now, err := node.ReadFile(cmd.Config)
		if err == nil {
			err = n.Reload(ctx, was, now)
		}
		if err != nil {
			log.LogAttrs(ctx, slog.LevelError, "the configuration was not taken; what was taken before holds", slog.Any("err", err))
			continue
		}
		was = now
		log.LogAttrs(ctx, slog.LevelInfo, "configuration taken", slog.String("file", cmd.Config))
	}
}

// logger writes structured lines to standard error.
func logger(p *printer, level string) *slog.Logger {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		l = slog.LevelInfo
	}
	return slog.New(slog.NewTextHandler(p.err, &slog.HandlerOptions{Level: l}))
}

// point tells other commands of this user where the node's socket is. What it
// returns takes that back.
func point(socket string) (func(), error) {
	name := pointerFile()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return func() {}, err
	}
	absolute, err := filepath.Abs(socket)
	if err != nil {
		return func() {}, err
	}
	if err := writeFile(name, []byte(absolute+"\n"), 0o600); err != nil {
		return func() {}, err
	}
	return func() {
		if b, err := os.ReadFile(name); err == nil && strings.TrimSpace(string(b)) == absolute {
			_ = os.Remove(name)
		}
	}, nil
}

type restoreCmd struct {
	Backup   string `arg:"" help:"The backup."`
	Data     string `arg:"" help:"The new data folder."`
	Identity string `help:"The age identity that an encrypted backup opens with." placeholder:"FILE"`
}

func (restoreCmd) examples() []string {
	return []string{"hansa restore hansa-2026-11-23.db /srv/hansa-new", "hansa restore hansa-2026-11-23.db.age /srv/hansa-new --identity key.txt"}
}

func (cmd *restoreCmd) Run(ctx context.Context, p *printer) error {
	target := filepath.Join(cmd.Data, node.DatabaseName)
	backup, forget, err := opened(cmd.Backup, cmd.Identity, cmd.Data)
	if err != nil {
		return err
	}
	defer forget()
	if err := store.Restore(ctx, backup, target, time.Now()); err != nil {
		return err
	}
	if done, err := p.show(map[string]any{"data": cmd.Data}); done {
		return err
	}
	p.say("Restored into %s, as a new epoch.", cmd.Data)
	p.say("Put the node's key there too: cp OLD-FOLDER/node.key %s/", cmd.Data)
	p.say("Credentials issued before are refused: write new secrets into the secret files of the configuration. Cursors of the old epoch are answered with the place to resume.")
	return nil
}

// examineData looks into a data folder whose node does not run.
func examineData(ctx context.Context, dir string) []finding {
	name := filepath.Join(dir, node.DatabaseName)
	info, err := os.Stat(name)
	if err != nil {
		return []finding{{What: "data", Says: err.Error(), Mend: "name the folder that the configuration calls data"}}
	}
	list := []finding{{What: "permissions", OK: info.Mode().Perm()&0o077 == 0, Says: name + " is " + info.Mode().Perm().String(), Mend: "chmod 600 " + name}}
	s, err := store.Open(ctx, name, store.Config{})
	if err != nil {
		f := asFailure(err)
		return append(list, finding{What: "database", Says: f.message, Mend: f.hint})
	}
	defer s.Close() //nolint:errcheck // only read
	if err := s.Check(ctx); err != nil {
		f := asFailure(err)
		return append(list, finding{What: "database", Says: f.message, Mend: f.hint})
	}
	return append(list, finding{What: "database", OK: true, Says: "every page is sound"})
}

// servesItself is this program as a node of its own process.
func servesItself(ctx context.Context, config string) *exec.Cmd {
	return itself(ctx, "serve", "--config", config, "--log", "error", "--while-input")
}
