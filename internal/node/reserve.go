package node

import (
	"errors"
	"io"
	"os"
	"path/filepath"
)

// A full disk stops what comes in, not what goes out: reads leave evidence, and an
// emergency closure must go through. So the node keeps a file that it gives up
// when the disk is full, and takes nothing in until it could make the file again.
const (
	reserveName  = "reserve"
	reserveBytes = 8 << 20
)

// diskFull frees the reserve.
func (n *Node) diskFull() {
	n.full.Store(true)
	_ = os.Remove(filepath.Join(n.cfg.Data, reserveName)) // it may be gone already
}

// keepReserve makes the reserve while there is room for it and as much again.
func (n *Node) keepReserve() error {
	name := filepath.Join(n.cfg.Data, reserveName)
	if info, err := os.Stat(name); err == nil && info.Size() == reserveBytes {
		n.full.Store(false)
		return nil
	}
	if free, total := space(n.cfg.Data); total > 0 && free < 2*reserveBytes {
		return nil
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.CopyN(f, zeros{}, reserveBytes)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(name))
	}
	n.full.Store(false)
	return nil
}

// zeros is endless.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
