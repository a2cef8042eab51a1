package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// datasetsFollowCmd shows what comes into an own dataset.
type datasetsFollowCmd struct {
	Name  string        `arg:"" help:"Its name or id."`
	As    string        `help:"The format: record, datex2, geojson, cifs, cifs-json, wzdx." default:"record" placeholder:"FORMAT"`
	Since string        `help:"A cursor to go on from; - is the beginning. From now when left out." aliases:"from"`
	For   time.Duration `help:"Stop after so long."`
	Count int           `help:"Stop after so many records."`
}

func (datasetsFollowCmd) examples() []string {
	return []string{"hansa datasets follow closures-elsewhere", "hansa datasets follow closures --since - --as geojson"}
}

func (cmd *datasetsFollowCmd) Run(ctx context.Context, g *globals, p *printer) error {
	c, err := g.connect(p)
	if err != nil {
		return err
	}
	f := intake{c: c, p: p, dataset: cmd.Name, as: cmd.As, since: since(cmd.Since), count: cmd.Count, span: cmd.For}
	return f.follow(ctx)
}

// since is where a dataset is read from, as the API has it.
func since(said string) string {
	switch said {
	case "":
		return string(api.CursorEnd)
	case "-":
		return ""
	}
	return said
}

// intake is an own dataset that is followed.
type intake struct {
	c           *client
	p           *printer
	dataset, as string
	since       string
	count       int
	span        time.Duration
	// alive is asked when nothing has come for a while; an error ends it.
	alive func(context.Context) error
	n     int
}

// page is one answer, its documents as they came.
type page struct {
	Records []jsontext.Value `json:"records"`
	Next    string           `json:"next"`
}

// follow writes each record that comes in, until the count or the time is reached.
func (f *intake) follow(ctx context.Context) error {
	if f.span > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, f.span)
		defer stop()
	}
	defer func() {
		f.p.say("%s", paint(f.p.colourErr, dim, fmt.Sprintf("%s; go on with --since %s", count(f.n, "record"), first(f.since, "-"))))
	}()
	for {
		q := url.Values{"since": {f.since}, "format": {f.as}, "wait": {"10"}}
		var got page
		err := f.c.do(ctx, "GET", "/data/v1/datasets/"+url.PathEscape(f.dataset)+"/records?"+q.Encode(), nil, &got)
		if err == nil {
			err = f.write(&got)
		}
		if err == nil && len(got.Records) == 0 && f.alive != nil {
			err = f.alive(ctx)
		}
		switch {
		case errors.Is(err, errEnough), f.span > 0 && errors.Is(ctx.Err(), context.DeadlineExceeded):
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return err
		}
	}
}

func (f *intake) write(got *page) error {
	for _, raw := range got.Records {
		var head struct {
			Cursor string `json:"cursor"`
		}
		if err := json.Unmarshal(raw, &head); err != nil {
			return err
		}
		if err := (*subscribeCmd)(nil).write(f.p, sseEvent{id: head.Cursor, data: raw}); err != nil {
			return err
		}
		f.since = head.Cursor
		if f.n++; f.count > 0 && f.n >= f.count {
			return errEnough
		}
	}
	f.since = got.Next
	return nil
}
