// Package datex2 reads DATEX II situation publications of versions 2 and 3, record
// by record, and writes version 3 within what all its minors share. What is read
// and has no word in a record is kept beside it; what is written validates against
// the official schemas and never says more than the record does.
package datex2

import (
	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/dataplane/format"
)

// Names of the two codecs. Both read every envelope; they differ in what they
// write.
const (
	Name          hansa.Format = "datex2"
	NameContainer hansa.Format = "datex2-container"
)

const mediaType = "application/xml"

// Codec returns the codec that writes a bare payload.
func Codec() format.Codec {
	return codec(Name, "DATEX II v3", false)
}

// ContainerCodec returns the codec that writes a message container (Exchange
// 2020).
func ContainerCodec() format.Codec {
	return codec(NameContainer, "DATEX II v3, message container", true)
}

func codec(name hansa.Format, title string, container bool) format.Codec {
	return format.Codec{
		Name: name, Title: title, MediaType: mediaType, Ext: "xml",
		Kinds:  []hansa.RecordKind{hansa.KindSituation},
		Reader: reader{name}, Writer: writer{container},
	}
}

var (
	_ format.Reader = reader{}
	_ format.Writer = writer{}
)
