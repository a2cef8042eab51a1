package node

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa"
)

// certify writes a self-signed certificate with a serial number of its own.
func certify(t *testing.T, dir string, serial int64) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "c.pem"), filepath.Join(dir, "k.pem")
	for name, b := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	when := time.Unix(1_700_000_000+serial, 0)
	if err := os.Chtimes(cert, when, when); err != nil {
		t.Fatal(err)
	}
	return cert, key
}

// TestCertificateIsReadAgain: a renewed certificate is shown without a restart, and
// one that cannot be read leaves the old one in use.
func TestCertificateIsReadAgain(t *testing.T) {
	dir := t.TempDir()
	k := &keeper{log: slog.New(slog.DiscardHandler)}
	serial := func() int64 {
		t.Helper()
		k.looked = time.Time{}
		c, err := k.get(nil)
		if err != nil {
			t.Fatal(err)
		}
		x, err := x509.ParseCertificate(c.Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		return x.SerialNumber.Int64()
	}
	k.cert, k.key = certify(t, dir, 1)
	if err := k.read(); err != nil {
		t.Fatal(err)
	}
	if got := serial(); got != 1 {
		t.Errorf("certificate %d is shown, want 1", got)
	}
	certify(t, dir, 2)
	if got := serial(); got != 2 {
		t.Errorf("certificate %d is shown after the renewal, want 2", got)
	}
	if err := os.WriteFile(k.cert, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := serial(); got != 2 {
		t.Errorf("certificate %d is shown when the file is broken, want 2", got)
	}
}

// TestReload: what may change while the node runs is taken, what may not is
// refused by name.
func TestReload(t *testing.T) {
	w := newTown(t)
	was := &File{Listen: "127.0.0.1:1", Data: "d", Origin: "town.example", PartyID: "did:web:city"}
	if err := w.client.CheckURL("https://source.example/x"); err == nil {
		t.Fatal("an unknown host may be called")
	}
	now := *was
	now.Hosts = []string{"source.example"}
	if err := w.Reload(t.Context(), was, &now); err != nil {
		t.Fatal(err)
	}
	if err := w.client.CheckURL("https://source.example/x"); err != nil {
		t.Errorf("the host of the new configuration: %v", err)
	}
	moved := now
	moved.Listen, moved.Hosts = "127.0.0.1:2", nil
	err := w.Reload(t.Context(), &now, &moved)
	if hansa.KindOf(err) != hansa.Invalid || !strings.Contains(err.Error(), "listen") {
		t.Errorf("another address is answered with %v, want a refusal that names listen", err)
	}
	if err := w.client.CheckURL("https://source.example/x"); err != nil {
		t.Errorf("a refused configuration was taken in part: %v", err)
	}
}

// TestKeyless: a node that others can reach and nobody can sign in to does not serve.
func TestKeyless(t *testing.T) {
	f := &File{Listen: "0.0.0.0:8443", Data: t.TempDir(), Origin: "city.example", PartyID: "did:web:city", Party: "city", TrustedProxy: true}
	if n, err := Serve(t.Context(), f, "test", slog.New(slog.DiscardHandler)); err == nil || hansa.Public(err).Field != "listen" {
		t.Errorf("it serves: %v", errors.Join(err, n.Close()))
	}
	f.Listen = "127.0.0.1:8443"
	n, err := Serve(t.Context(), f, "test", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Apply(t.Context(), &Setup{Parties: []hansa.Party{{ID: "did:web:city", Name: "city", Title: "City", Kind: hansa.City, Hosted: true}}}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := n.Invite(t.Context(), "First", "", hansa.RoleAdministrator); err != nil {
		t.Fatal(err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	f.Listen = "0.0.0.0:8443"
	if n, err = Serve(t.Context(), f, "test", slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	if err := n.Close(); err != nil {
		t.Error(err)
	}
}
