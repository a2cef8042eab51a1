package api

import (
	"testing"

	"github.com/hansa-exchange/hansa"
)

// TestPublishAnswer holds the answer that is written by hand to the one that its
// type makes.
func TestPublishAnswer(t *testing.T) {
	ans := PublishAnswer{Accepted: 2, Refused: 1, Records: []Accepted{
		{Line: 1, ID: `a"<é`, Outcome: "stored", Cursor: "AQ", Findings: []hansa.Finding{{Rule: "GEO-09", Severity: hansa.Warning, Field: "/x", Value: "1", Message: "m & m", Mend: "n"}, {Rule: "A", Severity: hansa.Note, Message: "m"}}},
		{Line: 2, ID: "b", Outcome: "repeat", Cursor: "AR"},
		{Line: 3, Outcome: "refused", Error: &ErrorBody{Kind: "invalid", Code: hansa.CodeSyntax, Message: "no <JSON>", Field: "/id"}},
	}}
	if got, want := string(ans.appendJSON(nil)), string(marshal(ans)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got, want := string((&PublishAnswer{Records: []Accepted{}}).appendJSON(nil)), string(marshal(PublishAnswer{Records: []Accepted{}})); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
