package conform

import "strings"

// Sample is a message that is valid and says all that it can.
type Sample struct {
	Name string
	Kind string // its @type
	Path string // below a connector's base; {pid} is the receiver's name of the process
	By   string // who sends it: consumer, provider, or either
	Doc  []byte // the process is c to the consumer and p to the provider
}

// Context is the @context of everything that is sent.
const Context = "https://w3id.org/dspace/2025/1/context.jsonld"

const (
	samplePids    = `"consumerPid":"c","providerPid":"p"`
	sampleRule    = `{"action":"use","constraint":[{"leftOperand":"purpose","operator":"isAnyOf","rightOperand":["a"]},{"or":[{"leftOperand":"dateTime","operator":"lt","rightOperand":"2027-01-01T00:00:00Z"}]}]}`
	sampleOffer   = `"offer":{"@id":"o","@type":"Offer","target":"d","assigner":"x","permission":[` + sampleRule + `]}`
	sampleTerms   = `"agreement":{"@id":"a","@type":"Agreement","target":"d","assigner":"x","assignee":"y","timestamp":"2026-01-01T00:00:00Z","permission":[` + sampleRule + `]}`
	sampleAddress = `"dataAddress":{"@type":"DataAddress","endpointType":"HttpData","endpoint":"https://x.example/","endpointProperties":[{"@type":"EndpointProperty","name":"authorization","value":"t"}]}`
	sampleWhy     = `"code":"c","reason":["because",{"@value":"of this"}]`
	sampleBack    = `"callbackAddress":"https://x.example/dsp"`
)

// Samples returns one of each message that goes to a connector after its catalogue.
func Samples() []Sample {
	var out []Sample
	for _, row := range [][5]string{
		{"first request", "ContractRequestMessage", "/negotiations/request", "consumer", `"consumerPid":"c",` + sampleBack + `,` + sampleOffer},
		{"counter-request", "ContractRequestMessage", "/negotiations/{pid}/request", "consumer", samplePids + `,` + sampleOffer},
		{"first offer", "ContractOfferMessage", "/negotiations/offers", "provider", `"providerPid":"p",` + sampleBack + `,` + sampleOffer},
		{"counter-offer", "ContractOfferMessage", "/negotiations/{pid}/offers", "provider", samplePids + `,` + sampleOffer},
		{"agreement", "ContractAgreementMessage", "/negotiations/{pid}/agreement", "provider", samplePids + `,` + sampleTerms},
		{"verification", "ContractAgreementVerificationMessage", "/negotiations/{pid}/agreement/verification", "consumer", samplePids},
		{"acceptance", "ContractNegotiationEventMessage", "/negotiations/{pid}/events", "consumer", samplePids + `,"eventType":"ACCEPTED"`},
		{"finalization", "ContractNegotiationEventMessage", "/negotiations/{pid}/events", "provider", samplePids + `,"eventType":"FINALIZED"`},
		{"negotiation's termination", "ContractNegotiationTerminationMessage", "/negotiations/{pid}/termination", "either", samplePids + `,` + sampleWhy},
		{"transfer request", "TransferRequestMessage", "/transfers/request", "consumer", `"consumerPid":"c","agreementId":"a","format":"HttpData-PUSH",` + sampleBack + `,` + sampleAddress},
		{"start", "TransferStartMessage", "/transfers/{pid}/start", "either", samplePids + `,` + sampleAddress},
		{"suspension", "TransferSuspensionMessage", "/transfers/{pid}/suspension", "either", samplePids + `,` + sampleWhy},
		{"completion", "TransferCompletionMessage", "/transfers/{pid}/completion", "either", samplePids},
		{"transfer's termination", "TransferTerminationMessage", "/transfers/{pid}/termination", "either", samplePids + `,` + sampleWhy},
	} {
		out = append(out, Sample{row[0], row[1], row[2], row[3], []byte(`{"@context":["` + Context + `"],"@type":"` + row[1] + `","@id":"m",` + row[4] + `}`)})
	}
	return out
}

// For returns where the sample goes, and what it says, in a process of these names
// of which the receiver's is own.
func (s *Sample) For(own, consumer, provider string, doc []byte) (path, body string) {
	r := strings.NewReplacer(`"consumerPid":"c"`, `"consumerPid":"`+consumer+`"`, `"providerPid":"p"`, `"providerPid":"`+provider+`"`)
	return strings.ReplaceAll(s.Path, "{pid}", own), r.Replace(string(doc))
}
