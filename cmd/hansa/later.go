package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/node"
)

type laterCmd struct {
	Backup   string `arg:"" help:"The backup."`
	Data     string `arg:"" help:"The data folder of a node that has ended."`
	Out      string `help:"Write the records into this new folder, one file a dataset, to be published again." placeholder:"FOLDER"`
	Identity string `help:"The age identity that an encrypted backup opens with." placeholder:"FILE"`
}

func (laterCmd) examples() []string {
	return []string{"hansa later /srv/hansa/before-upgrade-1.db /srv/hansa", "hansa later hansa-2026-11-23.db /srv/hansa --out missing"}
}

func (cmd *laterCmd) Run(ctx context.Context, p *printer) (err error) {
	backup, forget, err := opened(cmd.Backup, cmd.Identity, cmd.Data)
	if err != nil {
		return err
	}
	defer forget()
	var write func(hansa.DatasetID, []byte) error
	files := map[hansa.DatasetID]*os.File{}
	if cmd.Out != "" {
		if err := os.Mkdir(cmd.Out, 0o700); err != nil {
			return err
		}
		defer func() {
			for _, f := range files {
				err = errors.Join(err, f.Sync(), f.Close())
			}
		}()
		write = func(d hansa.DatasetID, line []byte) (err error) {
			f := files[d]
			if f == nil {
				if f, err = os.OpenFile(filepath.Join(cmd.Out, filepath.Base(string(d))+".ndjson"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
					return err
				}
				files[d] = f
			}
			_, err = f.Write(append(line, '\n'))
			return err
		}
	}
	list, err := node.Later(ctx, backup, cmd.Data, write)
	if err != nil {
		return err
	}
	if done, err := p.show(map[string]any{"datasets": list}); done {
		return err
	}
	rows := make([][]string, 0, len(list))
	for _, d := range list {
		rows = append(rows, []string{string(d.Dataset), clean(string(d.Party)), strconv.Itoa(d.Records), strconv.Itoa(d.Erased), clean(d.First), clean(d.Last)})
	}
	if len(rows) == 0 {
		p.say("Nothing came after this backup.")
		return nil
	}
	p.table([]string{"DATASET", "PARTY", "RECORDS", "ERASED", "FIRST", "LAST"}, rows, "")
	if cmd.Out == "" {
		p.say("Next: hansa later %s %s --out missing", quoted(cmd.Backup), quoted(cmd.Data))
	} else {
		p.say("Next, at the node that the backup was restored for: hansa publish %s/DATASET.ndjson --to DATASET", quoted(cmd.Out))
	}
	return nil
}
