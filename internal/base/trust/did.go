package trust

import (
	"net/url"
	"strings"

	"github.com/hansa-exchange/hansa"
)

// didBytesMax bounds a DID that is resolved.
const didBytesMax = 512

// DocumentURL returns where the document of a did:web is (did:web method specification,
// "Read (Resolve)"), over https.
func DocumentURL(did string) (string, error) {
	bad := hansa.Errorf(hansa.Invalid, "%.200q is no did:web such as did:web:edc.example or did:web:hub.example%%3A8443:parties:navco", did)
	rest, ok := strings.CutPrefix(did, "did:web:")
	if !ok || len(did) > didBytesMax {
		return "", bad
	}
	segments := strings.Split(rest, ":")
	for _, s := range segments[1:] {
		if s == "" || s == "." || s == ".." || !plainSegment(s) {
			return "", bad
		}
	}
	host, port, ported := strings.Cut(segments[0], "%3A")
	if !ported {
		host, port, ported = strings.Cut(segments[0], "%3a")
	}
	if !plainHost(host) || ported && (port == "" || len(port) > 5 || strings.Trim(port, "0123456789") != "") {
		return "", bad
	}
	if ported {
		host += ":" + port
	}
	path := "/.well-known"
	if len(segments) > 1 {
		path = "/" + strings.Join(segments[1:], "/")
	}
	return (&url.URL{Scheme: "https", Host: host, Path: path + "/did.json"}).String(), nil
}

// plainHost accepts a host name or an IPv4 address; the client for calls out says
// which may be called.
func plainHost(s string) bool {
	return s != "" && len(s) <= 253 && strings.Trim(strings.ToLower(s), "abcdefghijklmnopqrstuvwxyz0123456789.-") == "" && s[0] != '.' && s[0] != '-'
}

// plainSegment accepts what needs no encoding in a path (DID Core 1.0, idchar,
// without percent-encoding).
func plainSegment(s string) bool {
	return strings.Trim(strings.ToLower(s), "abcdefghijklmnopqrstuvwxyz0123456789.-_") == ""
}
