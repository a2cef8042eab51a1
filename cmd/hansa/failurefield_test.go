package main

import (
	"bytes"
	"testing"

	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// What is wrong is named by the flag or the argument that said it, with the field of the
// API behind it.
func TestFailureNamesTheFlag(t *testing.T) {
	var cli commands
	var out bytes.Buffer
	parser, err := newParser(&cli, &out, &out, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args  []string
		field string
		want  string
	}{
		{[]string{"requests", "ask", "navco"}, "/purposes", "--purpose (/purposes): a request has one."},
		{[]string{"accords", "list"}, "?state", "--state (?state): a request has one."},
		{[]string{"accords", "end", "ID"}, "/body/notice", "--on (/body/notice): a request has one."},
		{[]string{"accords", "sign", "ID"}, "/signature/role", "--role (/signature/role): a request has one."},
		{[]string{"accords", "erased", "ID"}, "/erasure/flows", "--flow (/erasure/flows): a request has one."},
		{[]string{"accords", "propose", "ID", "f"}, "/text/flows/0/id", "<text> (/text/flows/0/id): a request has one."},
		{[]string{"accords", "decline", "ID", "w"}, "/body/words", "<words> (/body/words): a request has one."},
		{[]string{"accords", "withdraw", "ID"}, "/body/text", "/body/text: a request has one."}, // it has no such flag
		{[]string{"accords", "withdraw", "ID"}, "", "A request has one."},
	} {
		k, err := parser.Parse(c.args)
		if err != nil {
			t.Fatal(err)
		}
		f := answered(422, api.ErrorBody{Kind: "invalid", Code: "field", Message: "a request has one", Field: c.field})
		f.place(k.Selected())
		if f.message != c.want {
			t.Errorf("%v: got %q, want %q", c.args, f.message, c.want)
		}
	}
}

// A hint never gives a flag twice, and names the command whose words were typed.
func TestUsageHints(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"accords", "erased", "ID", "--node", "unix:x", "--role", "a"}, "hansa accords erased --help"},
		{[]string{"accords", "join", "ID"}, "hansa accords join --help"},
		{[]string{"accords", "nonsense"}, "hansa accords --help"},
		{[]string{"accords", "list", "--stat", "ended"}, "hansa accords list --state ended"},
	} {
		var cli commands
		var out bytes.Buffer
		parser, err := newParser(&cli, &out, &out, func(int) {})
		if err != nil {
			t.Fatal(err)
		}
		if _, err = parse(parser, c.args); err == nil {
			t.Fatalf("%v is read", c.args)
		}
		if f := asFailure(usageError(parser, c.args, err)); f.hint != c.want {
			t.Errorf("%v: got %q, want %q", c.args, f.hint, c.want)
		}
	}
}
