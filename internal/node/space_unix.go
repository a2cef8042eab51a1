//go:build unix

package node

import "syscall"

// space returns the free and all bytes of the disk that holds dir; zeros when
// that cannot be told.
func space(dir string) (free, total int64) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, 0
	}
	size := s.Bsize
	return int64(s.Bavail) * size, int64(s.Blocks) * size //nolint:gosec // far below 2^63
}
