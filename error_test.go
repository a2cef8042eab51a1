package hansa_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/hansa-exchange/hansa"
)

func TestStatus(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want int
	}{
		{nil, 200},
		{io.EOF, 500},
		{hansa.Errorf(hansa.Internal, "x"), 500},
		{hansa.Errorf(hansa.Invalid, "x"), 400},
		{hansa.Errorf(hansa.Denied, "x"), 403},
		{hansa.Errorf(hansa.NotFound, "x"), 404},
		{hansa.Errorf(hansa.Conflict, "x"), 409},
		{hansa.Errorf(hansa.Busy, "x"), 503},
		{hansa.Fielded("/id", "x"), 422},
		{hansa.Errorf(hansa.Denied, "x").With(hansa.CodeUnauthenticated), 401},
		{hansa.Errorf(hansa.Denied, "x").With(hansa.CodeForbidden), 403},
		{hansa.Errorf(hansa.Denied, "x").With(hansa.CodeNoPurpose), 403},
		{hansa.Errorf(hansa.Denied, "x").With(hansa.CodePurpose), 403},
		{hansa.Errorf(hansa.Denied, "x").With(hansa.CodeAddress), 403},
		{hansa.Errorf(hansa.NotFound, "x").With(hansa.CodeGone), 410},
		{hansa.Errorf(hansa.Invalid, "x").With(hansa.CodeTooLarge), 413},
		{hansa.Errorf(hansa.Busy, "x").With(hansa.CodeRateLimited), 429},
		{hansa.Errorf(hansa.Busy, "x").With(hansa.CodeOverloaded), 503},
		{hansa.Errorf(hansa.Busy, "x").With(hansa.CodeStorageFull), 507},
		{hansa.Errorf(hansa.Invalid, "x").With(hansa.CodeSyntax), 400},
		{hansa.Errorf(hansa.Invalid, "x").With(hansa.CodeSkew), 400},
		{hansa.Errorf(hansa.Invalid, "x").With(hansa.CodeFormat), 406},
		{hansa.Errorf(hansa.Invalid, "x").With(hansa.CodeRefusedFormat), 422},
		{hansa.Errorf(hansa.Invalid, "x").With(hansa.CodeMethod), 405},
		{hansa.Errorf(hansa.Internal, "x").With(hansa.CodeCorrupt), 500},
		{fmt.Errorf("while reading: %w", hansa.Errorf(hansa.NotFound, "x")), 404},
	} {
		if got := hansa.Status(tc.err); got != tc.want {
			t.Errorf("%#v: status %d, want %d", tc.err, got, tc.want)
		}
	}
}

func TestPublic(t *testing.T) {
	if hansa.Public(nil) != nil {
		t.Error("nothing wrong is an error")
	}
	secret := errors.New("open /var/lib/hansa/key: permission denied")
	if e := hansa.Public(secret); e.Kind != hansa.Internal || e.Error() == secret.Error() || !errors.Is(e, secret) {
		t.Errorf("an outsider hears %q", e)
	}
	e := hansa.Errorf(hansa.Busy, "wait: %w", io.EOF)
	if !errors.Is(e, io.EOF) || e.Code != "busy" {
		t.Errorf("got %#v, want the cause kept and the kind's code", e)
	}
	f := e.With(hansa.CodeRateLimited).At("/x").WithHint("later")
	if e.Code != "busy" || e.Field != "" || e.Hint != "" || f.Error() != "/x: wait: EOF" || f.Hint != "later" {
		t.Errorf("got %#v of %#v: they are copies", f, e)
	}
}
