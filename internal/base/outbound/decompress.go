package outbound

import (
	"compress/gzip"
	"io"
	"strings"

	"github.com/hansa-exchange/hansa"
)

// ratioMax is how many bytes one compressed byte may become, beyond a first
// allowance that short texts need.
const (
	ratioMax       = 100
	ratioAllowance = 1 << 20
)

// Decompress reads r as a Content-Encoding says: none, identity or gzip. It fails,
// and does not stop short, past limit bytes or past a ratio of 100. Stacked
// encodings are refused.
func Decompress(r io.Reader, encoding string, limit int64) (io.Reader, error) {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "", "identity":
		return &bounded{r: r, limit: limit}, nil
	case "gzip", "x-gzip":
		in := &counted{r: r}
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, hansa.Errorf(hansa.Invalid, "the body is not gzip: %w", err).With(hansa.CodeSyntax)
		}
		return &bounded{r: z, limit: limit, in: in}, nil
	}
	return nil, hansa.Errorf(hansa.Invalid, "the content encoding is gzip or none, not %q", encoding).With(hansa.CodeSyntax)
}

// counted counts what is read.
type counted struct {
	r io.Reader
	n int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// bounded fails past a limit, or past a ratio to what went in.
type bounded struct {
	r     io.Reader
	limit int64
	n     int64
	in    *counted // nil: nothing was decompressed
}

func (b *bounded) Read(p []byte) (int, error) {
	if int64(len(p)) > b.limit-b.n+1 {
		p = p[:b.limit-b.n+1]
	}
	n, err := b.r.Read(p)
	if b.n += int64(n); b.n > b.limit {
		return 0, hansa.Errorf(hansa.Invalid, "the body has more than %d bytes", b.limit).With(hansa.CodeTooLarge)
	}
	if b.in != nil && b.n > ratioAllowance && b.n > b.in.n*ratioMax {
		return 0, hansa.Errorf(hansa.Invalid, "the body unpacks to more than %d times its size", ratioMax).With(hansa.CodeTooLarge)
	}
	return n, err
}
