package words_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa/internal/base/words"
)

// document is a document of this program, as a decoder reads it.
type document struct {
	Name  string              `json:"name"`
	Days  int                 `json:"days"`
	Size  uint8               `json:"size"`
	Share float64             `json:"share"`
	Yes   bool                `json:"yes"`
	At    time.Time           `json:"at"`
	List  []string            `json:"list"`
	Parts map[string]document `json:"parts"`
}

func TestMisread(t *testing.T) {
	for body, want := range map[string]string{
		``:                            "it is empty",
		`  `:                          "it ends before its JSON does (byte 2)",
		`{"name":`:                    "it ends before its JSON does (byte 8) at /name",
		`hello`:                       "it is no JSON: invalid character 'h' at start of value (byte 0)",
		`{} {}`:                       "it is no JSON: invalid character '{' after top-level value (byte 3)",
		`[]`:                          "here stands a list, and an object is expected",
		`"x"`:                         "here stands a string, and an object is expected",
		`{"name":7}`:                  "here stands a number, and a string is expected at /name",
		`{"days":"7"}`:                "here stands a string, and a whole number is expected at /days",
		`{"days":7.5}`:                "here stands a number, and a whole number is expected at /days",
		`{"size":-1}`:                 "here stands a number, and a whole number from 0 is expected at /size",
		`{"share":true}`:              "here stands true or false, and a number is expected at /share",
		`{"yes":{}}`:                  "here stands an object, and true or false is expected at /yes",
		`{"list":{}}`:                 "here stands an object, and a list is expected at /list",
		`{"at":"noon"}`:               "a time is written as 2026-12-01T08:00:00Z (RFC 3339) at /at",
		`{"at":7}`:                    "here stands a number, and a time as 2026-12-01T08:00:00Z is expected at /at",
		`{"unheard":"x"}`:             "there is no such member at /unheard",
		`{"parts":{"a":{"days":[]}}}`: "here stands a list, and a whole number is expected at /parts/a/days",
		`{"name":"a","name":"b"}`:     "a member stands twice (byte 12) at /name",
	} {
		err := json.Unmarshal([]byte(body), &document{}, json.RejectUnknownMembers(true))
		if err == nil {
			t.Errorf("%s is read", body)
			continue
		}
		got := words.Misread(err)
		if got != want {
			t.Errorf("%s: got %q, want %q", body, got, want)
		}
		if strings.Contains(got, "Go") || strings.Contains(got, "words_test") {
			t.Errorf("%s names a type of the program: %s", body, got)
		}
	}
	if got := words.Misread(errors.New("the disk is full")); got != "the disk is full" {
		t.Errorf("another error is said as %q", got)
	}
}
