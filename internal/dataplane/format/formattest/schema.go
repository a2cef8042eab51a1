package formattest

import (
	"os"
	"path/filepath"
	"testing"
)

// Shared returns a path within the folder of official schemas and samples, which
// HANSA_SHARED names, or which lies beside the checkout as shared. It skips the
// test when there is none.
func Shared(t *testing.T, name string) string {
	t.Helper()
	dirs := []string{os.Getenv("HANSA_SHARED")}
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for d := wd; d != filepath.Dir(d); d = filepath.Dir(d) {
		dirs = append(dirs, filepath.Join(d, "shared"))
	}
	for _, d := range dirs {
		if d == "" {
			continue
		}
		if p := filepath.Join(d, name); exists(p) {
			return p
		}
	}
	t.Skipf("no %s: set HANSA_SHARED to the folder of official schemas to run this", name)
	return ""
}

func exists(name string) bool {
	_, err := os.Stat(name) //nolint:gosec // a developer names the folder for a test
	return err == nil
}
