package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"

	"filippo.io/age"
)

// ageHeader is how a file that age wrote begins.
var ageHeader = []byte("age-encryption.org/")

// sealTo wraps w so that only the holders of the given age recipients can read
// what is written; closing it finishes the file. No recipient leaves w plain.
func sealTo(w io.Writer, recipients []string) (io.WriteCloser, error) {
	if len(recipients) == 0 {
		return plainWriter{w}, nil
	}
	list := make([]age.Recipient, 0, len(recipients))
	for _, r := range recipients {
		parsed, err := age.ParseX25519Recipient(r)
		if err != nil {
			return nil, &failure{exit: exitUsage, code: "usage", message: "An age recipient begins with age1: " + err.Error() + ".", hint: "age-keygen -o key.txt        # prints one"}
		}
		list = append(list, parsed)
	}
	return age.Encrypt(w, list...)
}

// plainWriter has nothing to finish.
type plainWriter struct{ io.Writer }

func (plainWriter) Close() error { return nil }

// opened returns the path of a backup that can be read: its own, or that of a copy
// beside data, decrypted by an identity, which forget removes.
func opened(backup, identity, data string) (path string, forget func(), err error) {
	in, err := os.Open(backup)
	if err != nil {
		return "", nil, err
	}
	defer in.Close() //nolint:errcheck // only read
	head := bufio.NewReader(in)
	begin, _ := head.Peek(len(ageHeader)) // a shorter file is no age file
	sealed := bytes.Equal(begin, ageHeader)
	switch {
	case !sealed && identity != "":
		return "", nil, &failure{exit: exitUsage, code: "usage", message: backup + " is not encrypted.", hint: "hansa restore " + quoted(backup) + " " + quoted(data)}
	case !sealed:
		return backup, func() {}, nil
	case identity == "":
		return "", nil, &failure{exit: exitRefused, code: "encrypted", message: backup + " is encrypted; it opens with the age identity alone.", hint: "hansa restore " + quoted(backup) + " " + quoted(data) + " --identity key.txt"}
	}
	keys, err := os.Open(identity)
	if err != nil {
		return "", nil, err
	}
	ids, err := age.ParseIdentities(keys)
	if err := errors.Join(err, keys.Close()); err != nil {
		return "", nil, &failure{exit: exitUsage, code: "identity", message: identity + " holds no age identity.", err: err}
	}
	plain, err := age.Decrypt(head, ids...)
	if err != nil {
		return "", nil, &failure{exit: exitRefused, code: "encrypted", message: "This identity does not open " + backup + ".", err: err}
	}
	beside := filepath.Dir(filepath.Clean(data))
	if err := os.MkdirAll(beside, 0o700); err != nil {
		return "", nil, err
	}
	dir, err := os.MkdirTemp(beside, "hansa-restore-")
	if err != nil {
		return "", nil, err
	}
	forget = func() { _ = os.RemoveAll(dir) } // made by this very call
	path = filepath.Join(dir, "backup.db")
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		forget()
		return "", nil, err
	}
	_, err = io.Copy(out, plain)
	if err := errors.Join(err, out.Close()); err != nil {
		forget()
		return "", nil, &failure{exit: exitRefused, code: "encrypted", message: backup + " is damaged: it does not open to its end.", err: err}
	}
	return path, forget, nil
}
