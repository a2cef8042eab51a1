package store

import (
	"errors"
	"syscall"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/hansa-exchange/hansa"
)

// code returns SQLite's primary result code, or 0.
func code(err error) int {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code() & 0xff
	}
	return 0
}

// storage reports whether err means that the whole transaction is lost.
func storage(err error) bool {
	switch code(err) {
	case lib.SQLITE_FULL, lib.SQLITE_IOERR, lib.SQLITE_NOMEM, lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB, lib.SQLITE_READONLY, lib.SQLITE_CANTOPEN:
		return true
	}
	return false
}

// explain turns what SQLite says into what an outsider may read, where that
// helps: a full disk, a damaged file. Other errors pass as they are.
func explain(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*hansa.Error](err); ok {
		return err
	}
	full := &hansa.Error{Kind: hansa.Busy, Code: hansa.CodeStorageFull, Message: "the disk is full: nothing is taken until there is space, reading goes on", Hint: "free some space; no restart is needed", Err: err}
	switch code(err) {
	case lib.SQLITE_FULL:
		return full
	case lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB:
		return &hansa.Error{Kind: hansa.Internal, Code: hansa.CodeCorrupt, Message: "the database file is damaged", Hint: "restore the newest backup: hansa restore BACKUP NEW-FOLDER", Err: err}
	}
	if errors.Is(err, syscall.ENOSPC) {
		return full
	}
	return err
}
