//go:build unix

package store

import (
	"errors"
	"os"
	"syscall"

	"github.com/hansa-exchange/hansa"
)

// lockFile holds a file for this process alone, until it ends.
func lockFile(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, hansa.Errorf(hansa.Conflict, "another process has the data folder open").WithHint("stop the node that uses it, or name another folder")
		}
		return nil, err
	}
	return f, nil
}
