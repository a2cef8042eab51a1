package api

import (
	"bytes"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
)

// EventTypes lists the types of the events that streams and webhooks carry, with
// what each says.
func EventTypes() map[string]string {
	return map[string]string{
		"org.hansa-exchange.record.insert":   "a record that was not there before",
		"org.hansa-exchange.record.modify":   "a new version of a record",
		"org.hansa-exchange.record.end":      "it is over: the road is open again",
		"org.hansa-exchange.record.withdraw": "it should not have been said",
		"org.hansa-exchange.record.withheld": "this format cannot say the record without making it false; read it in another",
		"org.hansa-exchange.test":            "a test of the way, not of the road",
	}
}

func (a *API) openEndpoints() []Endpoint {
	open := func(path, action string) hansa.Route {
		return hansa.Route{Method: "GET", Pattern: path, Object: "node", Action: action}
	}
	return []Endpoint{
		{Route: open("/openapi.json", "read this description"), Serve: a.openAPI},
		{Route: open("/schemas/{file}", "read a JSON Schema"), Serve: a.schema, Media: []string{"application/schema+json"}},
		{Route: open("/healthz", "ask whether the process answers"), Serve: func(w http.ResponseWriter, _ *http.Request, _ hansa.Actor) error {
			writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
			return nil
		}},
		{Route: open("/readyz", "ask whether the node takes changes and keeps up"), Serve: a.ready},
		{Route: hansa.Route{Method: "GET", Pattern: "/metrics", Right: hansa.RightAdmin, Object: "node", Action: "read how the node does, for Prometheus"}, Serve: a.metrics, Media: []string{"text/plain; version=0.0.4"}},
	}
}

func (a *API) ready(w http.ResponseWriter, r *http.Request, _ hansa.Actor) error {
	if err := a.Operator.Ready(r.Context()); err != nil {
		w.Header().Set("Retry-After", "5")
		return err
	}
	writeJSON(w, http.StatusOK, map[string]string{"status": "ready"})
	return nil
}

func (a *API) metrics(w http.ResponseWriter, r *http.Request, by hansa.Actor) error {
	var b bytes.Buffer
	if err := a.Operator.Metrics(r.Context(), by, &b); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = w.Write(b.Bytes()) // a reader that went away needs none
	return nil
}

func (a *API) schema(w http.ResponseWriter, r *http.Request, _ hansa.Actor) error {
	b, ok := a.Schemas[r.PathValue("file")]
	if !ok {
		return hansa.Errorf(hansa.NotFound, "there is no schema %q", r.PathValue("file"))
	}
	w.Header().Set("Content-Type", "application/schema+json")
	_, _ = w.Write(b)
	return nil
}

func (a *API) openAPI(w http.ResponseWriter, _ *http.Request, _ hansa.Actor) error {
	b, err := a.OpenAPI()
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/vnd.oai.openapi+json;version=3.1")
	_, _ = w.Write(b)
	return nil
}

// OpenAPI returns the OpenAPI 3.1 description of every endpoint.
func (a *API) OpenAPI() ([]byte, error) {
	reg := huma.NewMapRegistry("#/components/schemas/", schemaName)
	doc := &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info: &huma.Info{
			Title: "Hansa", Version: a.Version,
			Description: "Live data between cities and companies under agreed terms, with proof of delivery. Errors are {\"error\": {kind, code, message, hint, field, requestId}}.",
			License:     &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"},
		},
		Paths: map[string]*huma.PathItem{},
		Components: &huma.Components{Schemas: reg, SecuritySchemes: map[string]*huma.SecurityScheme{
			"bearer": {Type: "http", Scheme: "bearer"},
			"basic":  {Type: "http", Scheme: "basic"},
			"header": {Type: "apiKey", In: "header", Name: "X-Api-Key", Description: "A header that the party named; X-Api-Key stands for it here."},
		}},
		Webhooks: map[string]*huma.PathItem{},
	}
	failure := reg.Schema(reflect.TypeFor[ErrorDocument](), true, "")
	for _, e := range a.Endpoints() {
		doc.AddOperation(operation(reg, e, failure))
	}
	for name, says := range EventTypes() {
		doc.Webhooks[name] = &huma.PathItem{Post: &huma.Operation{
			Summary:     says,
			Description: "A CloudEvents 1.0 event in structured mode, signed by Standard Webhooks (webhook-id, webhook-timestamp, webhook-signature). Answer 2xx within 15 seconds.",
			OperationID: "on-" + strings.ReplaceAll(strings.TrimPrefix(name, "org.hansa-exchange."), ".", "-"),
			RequestBody: &huma.RequestBody{Content: map[string]*huma.MediaType{"application/cloudevents+json": {Schema: &huma.Schema{Ref: "https://raw.githubusercontent.com/cloudevents/spec/v1.0.2/cloudevents/formats/cloudevents.json"}}}},
			Responses:   map[string]*huma.Response{"2XX": {Description: "taken"}},
		}}
	}
	// The record's own schema is the one that is served, not one guessed from Go.
	reg.Map()["Record"] = &huma.Schema{Ref: "/schemas/record-1.json"}
	reg.Map()["Geometry"] = &huma.Schema{Type: "object", Description: "A GeoJSON geometry (RFC 7946), longitude first.", Required: []string{"type", "coordinates"}, Properties: map[string]*huma.Schema{"type": {Type: "string"}, "coordinates": {Type: "array", Items: &huma.Schema{}}}}
	for _, name := range []string{"Situation", "Observation", "Document", "Provenance", "Infra", "Road", "Cause", "Source", "Related", "LinearRef", "Vehicles", "Detour", "Text", "Lane", "Quantity"} {
		delete(reg.Map(), name)
	}
	return json.Marshal(doc, json.Deterministic(true))
}

// schemaName is what a type is called: those of accords, which share words with the
// data plane, say so.
func schemaName(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if strings.HasSuffix(t.PkgPath(), "/controlplane/accord") {
		return name + "OfAccord"
	}
	return name
}

// operation describes one endpoint.
func operation(reg huma.Registry, e Endpoint, failure *huma.Schema) *huma.Operation {
	path := strings.ReplaceAll(e.Pattern, "...}", "}")
	op := &huma.Operation{
		Method: e.Method, Path: path, Summary: strings.ToUpper(e.Action[:1]) + e.Action[1:],
		OperationID: operationID(e), Responses: map[string]*huma.Response{}, Tags: []string{strings.SplitN(strings.Trim(path, "/"), "/", 2)[0]},
	}
	if e.Right != "" {
		op.Security = []map[string][]string{{"bearer": {}}, {"basic": {}}, {"header": {}}}
		op.Description = "Needs the right " + string(e.Right) + "."
	} else {
		op.Security = []map[string][]string{{}}
	}
	for part := range strings.SplitSeq(path, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			op.Parameters = append(op.Parameters, &huma.Param{Name: strings.TrimSuffix(name, "}"), In: "path", Required: true, Schema: &huma.Schema{Type: "string"}})
		}
	}
	for _, p := range e.Query {
		if p.Name == "(body)" {
			op.RequestBody = &huma.RequestBody{Description: p.What, Content: map[string]*huma.MediaType{"text/plain": {Schema: &huma.Schema{Type: "string"}}}}
			continue
		}
		in := p.In
		if in == "" {
			in = "query"
		}
		param := &huma.Param{Name: p.Name, In: in, Description: p.What, Required: p.Required, Schema: &huma.Schema{Type: "string"}}
		if p.Example != "" {
			param.Example = p.Example
		}
		op.Parameters = append(op.Parameters, param)
	}
	bodies(reg, e, op)
	for _, status := range []int{400, 401, 403, 404, 422, 429, 500, 503} {
		op.Responses[strconv.Itoa(status)] = &huma.Response{Description: http.StatusText(status), Content: map[string]*huma.MediaType{"application/json": {Schema: failure}}}
	}
	return op
}

// bodies describes what e takes and answers.
func bodies(reg huma.Registry, e Endpoint, op *huma.Operation) {
	if e.In != nil {
		op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/json": {Schema: reg.Schema(reflect.TypeOf(e.In), true, "")}}}
	}
	if strings.HasSuffix(e.Pattern, "/datasets/{dataset}/records") {
		one := &huma.MediaType{Schema: &huma.Schema{Ref: "/schemas/record-1.json"}}
		op.RequestBody = &huma.RequestBody{Required: true, Description: "One document in a format that the exchange reads, or canonical records one a line.", Content: map[string]*huma.MediaType{
			hansa.MediaTypeRecord: one, "application/json": one, "application/x-ndjson": {Schema: &huma.Schema{Type: "string"}}, "application/xml": {Schema: &huma.Schema{Type: "string"}}, "application/geo+json": {Schema: &huma.Schema{Type: "object"}},
		}}
	}
	status := e.Status
	if status == 0 {
		status = http.StatusOK
	}
	ans := &huma.Response{Description: http.StatusText(status)}
	if e.Out != nil {
		ans.Content = map[string]*huma.MediaType{"application/json": {Schema: reg.Schema(reflect.TypeOf(e.Out), true, "")}}
	}
	for _, m := range e.Media {
		if ans.Content == nil {
			ans.Content = map[string]*huma.MediaType{}
		}
		ans.Content[m] = &huma.MediaType{Schema: &huma.Schema{Type: "string"}}
	}
	op.Responses[strconv.Itoa(status)] = ans
}

// operationID is stable: the method and the path's fixed parts.
func operationID(e Endpoint) string {
	parts := strings.FieldsFunc(e.Pattern, func(r rune) bool { return r == '/' || r == '.' })
	parts = slices.DeleteFunc(parts, func(s string) bool { return s == "api" || s == "data" || s == "v1" })
	for i, p := range parts {
		parts[i] = strings.Trim(p, "{}")
	}
	return strings.ToLower(e.Method) + "-" + strings.Join(parts, "-")
}
