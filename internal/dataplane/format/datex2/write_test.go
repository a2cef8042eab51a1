package datex2_test

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/dataplane/format"
	"github.com/hansa-exchange/hansa/internal/dataplane/format/datex2"
	"github.com/hansa-exchange/hansa/internal/dataplane/format/formattest"
)

func TestWhatIsWrittenIsValid(t *testing.T) {
	zone := amsterdam(t)
	for _, c := range []format.Codec{datex2.Codec(), datex2.ContainerCodec()} {
		t.Run(string(c.Name), func(t *testing.T) {
			var docs [][]byte
			rapid.Check(t, func(t *rapid.T) {
				var rs []*hansa.Record
				for range rapid.IntRange(1, 4).Draw(t, "records") {
					rs = append(rs, formattest.Situation().Draw(t, "record"))
				}
				doc, _ := write(t, c, document(zone), rs...)
				docs = append(docs, doc)
				again, _ := write(t, c, document(zone), rs...)
				if !bytes.Equal(doc, again) {
					t.Fatalf("the same records gave other bytes")
				}
			})
			validate(t, c.Name == datex2.NameContainer, docs...)
		})
	}
}
