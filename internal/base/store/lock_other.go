//go:build !unix

package store

import "os"

// lockFile keeps the file open; SQLite's own locks keep a second writer out.
func lockFile(name string) (*os.File, error) {
	return os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
}
