package format

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

	"github.com/hansa-exchange/hansa"
)

// decodeXML returns r as UTF-8 without a byte order mark. What the document says
// of its encoding is believed unless a mark says otherwise.
func decodeXML(r io.Reader) (io.Reader, error) {
	const peek = 512
	b := bufio.NewReaderSize(r, peek)
	head, err := b.Peek(peek)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return b, err
	}
	switch {
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
		_, err := b.Discard(3)
		return b, err
	case bytes.HasPrefix(head, []byte("\xfe\xff")), bytes.HasPrefix(head, []byte("\xff\xfe")):
		return decoded(b, unicode.UTF16(unicode.BigEndian, unicode.ExpectBOM)), nil
	case bytes.HasPrefix(head, []byte("\x00<\x00?")):
		return decoded(b, unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)), nil
	case bytes.HasPrefix(head, []byte("<\x00?\x00")):
		return decoded(b, unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)), nil
	}
	decl, ok := bytes.CutPrefix(head, []byte("<?xml"))
	if !ok {
		return b, nil
	}
	decl, _, _ = bytes.Cut(decl, []byte("?>"))
	switch name := strings.ToLower(pseudo(decl, "encoding")); name {
	case "", "utf-8", "utf8", "us-ascii":
		return b, nil
	case "iso-8859-1", "latin1":
		return decoded(b, charmap.ISO8859_1), nil
	case "windows-1252", "cp1252":
		return decoded(b, charmap.Windows1252), nil
	default:
		return b, hansa.Errorf(hansa.Invalid,
			"the encoding %.40q is not read: UTF-8, UTF-16, ISO-8859-1 and windows-1252 are", name).
			With(hansa.CodeSyntax).At("/")
	}
}

func decoded(r io.Reader, e encoding.Encoding) io.Reader {
	return bufio.NewReaderSize(e.NewDecoder().Reader(r), xmlBufferBytes)
}
