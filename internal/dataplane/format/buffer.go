package format

import (
	"bufio"
	"io"
	"sync"
)

// bufferBytes is the size of the buffers that codecs read and write through.
const bufferBytes = 64 << 10

var (
	readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, bufferBytes) }}
	writers = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, bufferBytes) }}
)

// Buffered returns a buffer over r, and what gives it back: most documents are one
// record, and a buffer for each would be most of what they cost.
func Buffered(r io.Reader) (b *bufio.Reader, done func()) {
	b = readers.Get().(*bufio.Reader) //nolint:forcetypeassert,errcheck // it makes no other
	b.Reset(r)
	return b, func() { b.Reset(nil); readers.Put(b) }
}

// BufferedWriter returns a buffer before w, and what gives it back after it was flushed.
func BufferedWriter(w io.Writer) (b *bufio.Writer, done func()) {
	b = writers.Get().(*bufio.Writer) //nolint:forcetypeassert,errcheck // it makes no other
	b.Reset(w)
	return b, func() { b.Reset(nil); writers.Put(b) }
}
