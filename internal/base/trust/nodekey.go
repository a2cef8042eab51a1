package trust

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/hansa-exchange/hansa"
)

// The names under which the node key is found.
const (
	NodeKeyFile       = "node.key"       // in the data directory, mode 0600
	NodeKeyCredential = "hansa-node-key" //nolint:gosec // the name of a file in systemd's credentials directory
	nodeKeyBytesMax   = 4096
)

// NodeKeyPlace says where the node key is.
type NodeKeyPlace struct {
	// Name is the node's own name, its DID or host: the origin of its log.
	Name string
	// Dir is the data directory. A key is made there when there is none anywhere.
	Dir string
	// Credentials is systemd's credentials directory ($CREDENTIALS_DIRECTORY);
	// empty when there is none. A key found there is taken before that in Dir.
	Credentials string
}

// NodeKey is the Ed25519 key by which a node signs checkpoints and epochs.
type NodeKey struct {
	signer note.Signer
	vkey   string
	vault  cipher.AEAD
}

// OpenNodeKey reads the node key, or makes one and keeps it before it returns. A
// file that others can read is refused with the mend.
func OpenNodeKey(place NodeKeyPlace) (*NodeKey, error) {
	if place.Credentials != "" {
		key, err := readNodeKey(filepath.Join(place.Credentials, NodeKeyCredential), place.Name, 0o007)
		if !errors.Is(err, fs.ErrNotExist) {
			return key, err
		}
	}
	path := filepath.Join(place.Dir, NodeKeyFile)
	key, err := readNodeKey(path, place.Name, 0o077)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	skey, _, err := note.GenerateKey(rand.Reader, place.Name)
	if err != nil {
		return nil, hansa.Errorf(hansa.Invalid, "a node's name has no spaces and no plus sign: %w", err)
	}
	if err := keep(path, []byte(skey+"\n")); err != nil {
		return nil, fmt.Errorf("keep the node key: %w", err)
	}
	return readNodeKey(path, place.Name, 0o077)
}

// readNodeKey reads path, which nobody in the mode bits of strangers may be able
// to reach.
func readNodeKey(path, name string, strangers fs.FileMode) (*NodeKey, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open the node key: %w", err)
	}
	defer f.Close() //nolint:errcheck // read only
	st, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("open the node key: %w", err)
	}
	if !st.Mode().IsRegular() {
		return nil, hansa.Errorf(hansa.Denied, "the node key %s is not a file", path)
	}
	if st.Mode().Perm()&strangers != 0 {
		return nil, hansa.Errorf(hansa.Denied, "the node key %s can be read or changed by others (mode %04o)", path, st.Mode().Perm()).
			WithHint("chmod 600 " + path + "; if others could read it until now, begin with a new key")
	}
	b, err := io.ReadAll(io.LimitReader(f, nodeKeyBytesMax))
	if err != nil {
		return nil, fmt.Errorf("read the node key: %w", err)
	}
	return parseNodeKey(strings.TrimSpace(string(b)), path, name)
}

// parseNodeKey reads a note signing key, PRIVATE+KEY+name+hash+key. No part of
// it gets into an error.
func parseNodeKey(skey, path, name string) (*NodeKey, error) {
	bad := hansa.Errorf(hansa.Invalid, "the node key %s is damaged: it is not an Ed25519 note signing key", path).
		WithHint("restore it from your backup")
	signer, err := note.NewSigner(skey)
	if err != nil {
		return nil, bad
	}
	if signer.Name() != name {
		return nil, hansa.Errorf(hansa.Invalid, "the node key %s is that of %q, but this node is %q", path, signer.Name(), name).
			WithHint("start the node under the name it was made for, or in a new data directory")
	}
	// Base64 may hold a plus sign itself: the key is all that follows the fourth.
	parts := strings.SplitN(skey, "+", 5)
	if len(parts) != 5 {
		return nil, bad
	}
	raw, err := base64.StdEncoding.DecodeString(parts[4])
	if err != nil || len(raw) != 1+ed25519.SeedSize {
		return nil, bad
	}
	public, ok := ed25519.NewKeyFromSeed(raw[1:]).Public().(ed25519.PublicKey)
	if !ok {
		return nil, bad
	}
	vkey, err := note.NewEd25519VerifierKey(name, public)
	if err != nil {
		return nil, bad
	}
	vault, err := newVault(raw[1:])
	if err != nil {
		return nil, err
	}
	return &NodeKey{signer: signer, vkey: vkey, vault: vault}, nil
}

// newVault derives what seals the node's secrets from the seed of its key (HKDF,
// RFC 5869): a backup, which lacks the key, then holds no secret that can be read.
func newVault(seed []byte) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, seed, nil, "hansa: secrets at rest", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// vaultMark is how a sealed secret begins.
const vaultMark = "\x01"

// Seal encrypts a secret at rest; it opens in its own place alone.
func (k *NodeKey) Seal(plain []byte, bound string) ([]byte, error) {
	return append([]byte(vaultMark), k.vault.Seal(nil, nil, plain, []byte(bound))...), nil //nolint:gosec // the cipher makes its own random nonce
}

// Open decrypts what Seal made. A secret that an earlier build left as it was is
// returned so.
func (k *NodeKey) Open(sealed []byte, bound string) ([]byte, error) {
	rest, ok := bytes.CutPrefix(sealed, []byte(vaultMark))
	if !ok {
		return sealed, nil
	}
	plain, err := k.vault.Open(nil, nil, rest, []byte(bound))
	if err != nil {
		return nil, hansa.Errorf(hansa.Denied, "a secret was sealed under another node key").WithHint("give it out anew")
	}
	return plain, nil
}

// Signer returns what signs notes.
func (k *NodeKey) Signer() note.Signer { return k.signer }

// VerifierKey returns the public half as a line for a trust file.
func (k *NodeKey) VerifierKey() string { return k.vkey }

// String shows the public half alone.
func (k *NodeKey) String() string { return k.vkey }

// keep writes a new file that is whole or not there: temp, fsync, rename, fsync
// of the folder.
func keep(path string, b []byte) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".key-*") // 0600 from the start
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // gone after the rename
	_, err = f.Write(b)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	// A link never replaces: of two that start at once both read the first key.
	if err := os.Link(f.Name(), path); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return nil
		}
		if err := os.Rename(f.Name(), path); err != nil { // no links here
			return err
		}
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
