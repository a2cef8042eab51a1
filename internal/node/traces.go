package node

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/outbound"
)

// Traces says where spans go. The zero value sends none.
type Traces struct {
	Endpoint string  // base URL of an OTLP collector over HTTP; /v1/traces is added
	Ratio    float64 // of the traces that begin here; 0 is one in ten
}

// tracesRatio is how many of the traces are kept when nobody says.
const tracesRatio = 0.1

// hostPort is the collector's, for the list of what may be called; empty is none.
func (t Traces) hostPort() string {
	u, err := url.Parse(t.Endpoint)
	if err != nil || u.Host == "" {
		return ""
	}
	return hostPortOf(u)
}

func (t Traces) validate() error {
	u, err := url.Parse(t.Endpoint)
	switch {
	case t.Endpoint == "" && t.Ratio == 0:
		return nil
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return hansa.Fielded("telemetry.endpoint", "name a collector by its address, not by %q", t.Endpoint).WithHint("such as http://127.0.0.1:4318")
	case t.Ratio < 0 || t.Ratio > 1:
		return hansa.Fielded("telemetry.ratio", "the share of traces is 0 to 1, not %g", t.Ratio)
	}
	return nil
}

// traces makes spans: of requests, of what is taken in, and of webhook calls. They
// name routes, datasets and hosts; never a token, a query, a body or a person.
type traces struct {
	trace.Tracer
	stop func(context.Context) error
}

// openTraces begins to send spans through the one client for calls out.
func openTraces(ctx context.Context, cfg Traces, client *outbound.Client, version, origin string) (*traces, error) {
	if cfg.Endpoint == "" {
		return &traces{Tracer: noop.NewTracerProvider().Tracer("hansa"), stop: func(context.Context) error { return nil }}, nil
	}
	out, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(strings.TrimRight(cfg.Endpoint, "/")+"/v1/traces"),
		otlptracehttp.WithHTTPClient(&http.Client{Transport: calls{client}, Timeout: 10 * time.Second}), otlptracehttp.WithTimeout(10*time.Second))
	if err != nil {
		return nil, err
	}
	ratio := cfg.Ratio
	if ratio == 0 {
		ratio = tracesRatio
	}
	p := sdk.NewTracerProvider(sdk.WithBatcher(out), sdk.WithSampler(sdk.ParentBased(sdk.TraceIDRatioBased(ratio))),
		sdk.WithResource(resource.NewSchemaless(attribute.String("service.name", "hansa"), attribute.String("service.version", version), attribute.String("service.instance.id", origin))))
	return &traces{Tracer: p.Tracer("github.com/hansa-exchange/hansa"), stop: p.Shutdown}, nil
}

// close sends what is left, for three seconds at most. A collector that is away
// takes nothing, and keeps nobody.
func (t *traces) close(ctx context.Context) {
	ctx, stop := context.WithTimeout(ctx, 3*time.Second)
	defer stop()
	_ = t.stop(ctx) // spans are lost, data are not
}

// request begins the span of a request on a route. What the caller's own trace is
// stands beside it as a link: who calls does not decide what we keep.
func (t *traces) request(r *http.Request, route hansa.Route) (*http.Request, trace.Span) {
	remote := trace.SpanContextFromContext(propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header)))
	opts := []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(attribute.String("http.request.method", r.Method), attribute.String("http.route", route.Pattern))}
	if remote.IsValid() {
		opts = append(opts, trace.WithLinks(trace.Link{SpanContext: remote}))
	}
	ctx, span := t.Start(r.Context(), r.Method+" "+route.Pattern, opts...)
	return r.WithContext(ctx), span
}

// ended closes the span of a request.
func ended(span trace.Span, status int, err error) {
	span.SetAttributes(attribute.Int("http.response.status_code", status))
	fail(span, err)
	span.End()
}

// fail marks a span by the kind and code of an error; its words may hold what is
// nobody's business.
func fail(span trace.Span, err error) {
	if err == nil || errors.Is(err, context.Canceled) {
		return
	}
	if e := hansa.Public(err); e != nil {
		span.SetAttributes(attribute.String("error.type", string(e.Code)))
	}
	if hansa.KindOf(err) == hansa.Internal {
		span.SetStatus(codes.Error, "internal")
	}
}

// taking begins the span of a run of records on its way in.
func (t *traces) taking(ctx context.Context, d *hansa.Dataset, records int) (context.Context, trace.Span) {
	return t.Start(ctx, "take", trace.WithAttributes(attribute.String("hansa.dataset", string(d.ID)), attribute.Int("hansa.records", records)))
}

// calling begins the span of a call to a webhook, and carries it in the header.
func (t *traces) calling(ctx context.Context, at string, header http.Header) (context.Context, trace.Span) {
	host := ""
	if u, err := url.Parse(at); err == nil {
		host = u.Hostname()
	}
	ctx, span := t.Start(ctx, "POST webhook", trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attribute.String("server.address", host)))
	propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(header))
	return ctx, span
}
