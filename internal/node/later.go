package node

import (
	"cmp"
	"context"
	"path/filepath"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/store"
	"github.com/hansa-exchange/hansa/internal/dataplane/stream"
)

// LaterDataset is how much of a dataset came after a backup.
type LaterDataset struct {
	Party   hansa.PartyID   `json:"party"`
	Dataset hansa.DatasetID `json:"dataset"`
	Records int             `json:"records"`
	Erased  int             `json:"erased"` // of these, whose content is not there any more
	First   string          `json:"first"`  // id of the first of them
	Last    string          `json:"last"`
}

// Later says which records a data folder has that a backup lacks, and hands each to
// out, as one line of canonical JSON that can be published again. Nil takes none.
// The folder's node must have ended.
func Later(ctx context.Context, backup, data string, out func(hansa.DatasetID, []byte) error) ([]LaterDataset, error) {
	var reach map[hansa.Key]int64
	err := store.Peek(ctx, backup, func(tx hansa.Tx) (err error) {
		reach, err = stream.Reach(tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	found := map[hansa.Key]*LaterDataset{}
	err = store.Peek(ctx, filepath.Join(data, databaseName), func(tx hansa.Tx) error {
		return stream.Beyond(tx, reach, func(x stream.Late) error {
			d := found[x.Key]
			if d == nil {
				d = &LaterDataset{Party: x.Key.Party, Dataset: x.Key.Dataset, First: x.Record}
				found[x.Key] = d
			}
			d.Records, d.Last = d.Records+1, x.Record
			if x.Body == nil {
				d.Erased++
				return nil
			}
			if out == nil {
				return nil
			}
			line := jsontext.Value(slices.Clone(x.Body))
			if err := line.Compact(); err != nil {
				return err
			}
			return out(x.Key.Dataset, line)
		})
	})
	list := []LaterDataset{}
	for _, d := range found {
		list = append(list, *d)
	}
	slices.SortFunc(list, func(a, b LaterDataset) int {
		return cmp.Or(cmp.Compare(a.Party, b.Party), cmp.Compare(a.Dataset, b.Dataset))
	})
	return list, err
}
