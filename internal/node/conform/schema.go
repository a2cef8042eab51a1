package conform

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// schemas are those of edition 2025-1 as they were published.
//
//go:embed schemas
var schemas embed.FS

const schemaBase = "https://w3id.org/dspace/2025/1/"

// VersionDocument is what stands for the document that has no @type.
const VersionDocument = "VersionDocument"

// files says by which schema a document of a type is held.
var files = map[string]string{
	VersionDocument:                         "common/protocol-version-schema.json",
	"Catalog":                               "catalog/catalog-schema.json",
	"CatalogError":                          "catalog/catalog-error-schema.json",
	"CatalogRequestMessage":                 "catalog/catalog-request-message-schema.json",
	"Dataset":                               "catalog/dataset-schema.json",
	"DatasetRequestMessage":                 "catalog/dataset-request-message-schema.json",
	"ContractAgreementMessage":              "negotiation/contract-agreement-message-schema.json",
	"ContractAgreementVerificationMessage":  "negotiation/contract-agreement-verification-message-schema.json",
	"ContractNegotiation":                   "negotiation/contract-negotiation-schema.json",
	"ContractNegotiationError":              "negotiation/contract-negotiation-error-schema.json",
	"ContractNegotiationEventMessage":       "negotiation/contract-negotiation-event-message-schema.json",
	"ContractNegotiationTerminationMessage": "negotiation/contract-negotiation-termination-message-schema.json",
	"ContractOfferMessage":                  "negotiation/contract-offer-message-schema.json",
	"ContractRequestMessage":                "negotiation/contract-request-message-schema.json",
	"TransferCompletionMessage":             "transfer/transfer-completion-message-schema.json",
	"TransferError":                         "transfer/transfer-error-schema.json",
	"TransferProcess":                       "transfer/transfer-process-schema.json",
	"TransferRequestMessage":                "transfer/transfer-request-message-schema.json",
	"TransferStartMessage":                  "transfer/transfer-start-message-schema.json",
	"TransferSuspensionMessage":             "transfer/transfer-suspension-message-schema.json",
	"TransferTerminationMessage":            "transfer/transfer-termination-message-schema.json",
}

var compiled = sync.OnceValues(compile)

// compile makes the schemas ready. Three of them point to a neighbour by a reference
// that is none ("#definitions" for "#/definitions"): it is read as it was meant.
func compile() (map[string]*jsonschema.Schema, error) {
	c := jsonschema.NewCompiler()
	err := fs.WalkDir(schemas, "schemas", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := schemas.ReadFile(name)
		if err != nil {
			return err
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(bytes.ReplaceAll(b, []byte("#definitions/"), []byte("#/definitions/"))))
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return c.AddResource(schemaBase+strings.TrimPrefix(name, "schemas/"), doc)
	})
	if err != nil {
		return nil, err
	}
	out := map[string]*jsonschema.Schema{}
	for kind, file := range files {
		if out[kind], err = c.Compile(schemaBase + file); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Valid reports in words where a document of a type breaks its schema of edition
// 2025-1; nil when nowhere.
func Valid(kind string, doc []byte) error {
	all, err := compiled()
	if err != nil {
		return err
	}
	s := all[kind]
	if s == nil {
		return fmt.Errorf("edition 2025-1 knows no document of type %.100q", kind)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(doc))
	if err != nil {
		return fmt.Errorf("it is not JSON: %w", err)
	}
	err = s.Validate(v)
	if bad, ok := errors.AsType[*jsonschema.ValidationError](err); ok {
		var out []string
		leaves(bad, message.NewPrinter(language.English), &out)
		return errors.New(strings.Join(out[:min(len(out), 4)], "; "))
	}
	return err
}

// leaves lists where a document breaks its schema.
func leaves(e *jsonschema.ValidationError, p *message.Printer, out *[]string) {
	if len(e.Causes) == 0 {
		*out = append(*out, "/"+strings.Join(e.InstanceLocation, "/")+": "+e.ErrorKind.LocalizedString(p))
	}
	for _, c := range e.Causes {
		leaves(c, p, out)
	}
}
