package feed_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/dataplane/feed"
)

// TestWhatCannotBeReadHasNotEnded: a record that is in the snapshot and cannot be
// read, or is refused, is there still; one without a readable id may be any of
// those that seem to be gone, and then nothing ends until a person looks.
func TestWhatCannotBeReadHasNotEnded(t *testing.T) {
	w := newWorld(t)
	all := "a closed\nb closed\nc closed\nd closed\ne closed\n"
	w.step(t, all)
	if rep := w.step(t, "a closed\nb closed\nc closed\nd closed\n?e x\n"); rep.Ended != 0 || rep.Refused != 1 || rep.Held {
		t.Errorf("e cannot be read: %+v, want nothing ended", rep)
	}
	if rep := w.step(t, "a closed\nb closed\nc closed\nd closed\ne refuse\n"); rep.Ended != 0 || rep.Refused != 1 {
		t.Errorf("e is refused: %+v, want nothing ended", rep)
	}
	if rep := w.step(t, "a closed\nb closed\nc closed\nd closed\n? x\n"); rep.Ended != 0 || !rep.Held {
		t.Errorf("something cannot be read: %+v, want the snapshot held", rep)
	}
	if s := w.state(t); s.Status != hansa.FeedHeld || s.Reason == "" {
		t.Errorf("the state is %+v, want held with a reason", s)
	}
	if !w.present["e"].Live() {
		t.Error("e has ended")
	}
	if rep := w.step(t, all); rep.Held || w.state(t).Status != hansa.FeedFresh {
		t.Errorf("a sound snapshot: %+v, %s", rep, w.state(t).Status)
	}

	// A source that always holds something unreadable is no reason to hold for ever.
	w.step(t, all+"? x\n")
	if rep := w.step(t, "a closed\nb closed\nc closed\nd closed\n? x\n"); rep.Ended != 1 || rep.Held {
		t.Errorf("e is gone, what cannot be read is as before: %+v, want one ended", rep)
	}
}

// TestFolderOfSnapshots: the files of a folder are one snapshot. One of them ends
// nothing of another, and what no file holds any more has ended.
func TestFolderOfSnapshots(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		old := time.Now().Add(-time.Hour)
		if err := os.Chtimes(file, old, old.Add(time.Duration(len(text))*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	f := feed.Feed{ID: "drop", Party: "did:web:city", Dataset: "d", Path: dir, Format: "x", Kind: feed.Snapshot, Every: time.Minute}
	if err := w.feeds.Save(t.Context(), f, func(hansa.Tx) error { return nil }); err != nil {
		t.Fatal(err)
	}
	step := func() feed.Report {
		t.Helper()
		w.now = w.now.Add(time.Minute)
		rep, err := w.feeds.Step(t.Context(), "drop")
		if err != nil {
			t.Fatal(err)
		}
		return rep
	}
	write("a", "a1 closed\na2 closed\na3 closed\n")
	write("b", "b1 closed\nb2 closed\n")
	if rep := step(); rep.Taken != 5 || rep.Ended != 0 {
		t.Errorf("two files: %+v, want 5 taken", rep)
	}
	if rep := step(); !rep.NotModified {
		t.Errorf("the same again: %+v, want nothing new", rep)
	}
	write("b", "b1 closed\n")
	if rep := step(); rep.Ended != 1 || rep.Unchanged != 4 {
		t.Errorf("one file lost a record: %+v, want 1 ended and 4 unchanged", rep)
	}
	if err := os.Remove(filepath.Join(dir, "b")); err != nil {
		t.Fatal(err)
	}
	if rep := step(); rep.Ended != 1 || rep.Unchanged != 3 {
		t.Errorf("one file has gone: %+v, want 1 ended and 3 unchanged", rep)
	}
	for _, id := range []string{"a1", "a2", "a3"} {
		if !w.present[id].Live() {
			t.Errorf("%s has ended", id)
		}
	}
	if err := os.Remove(filepath.Join(dir, "a")); err != nil {
		t.Fatal(err)
	}
	if rep := step(); !rep.Held || rep.Ended != 0 {
		t.Errorf("an empty folder: %+v, want it held", rep)
	}
}

// TestNothingReadYet: a file that is not read yet is no fresh source.
func TestNothingReadYet(t *testing.T) {
	w := newWorld(t)
	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, []byte("a closed\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := feed.Feed{ID: "file", Party: "did:web:city", Dataset: "d", Path: file, Format: "x", Kind: feed.Snapshot, Every: time.Hour}
	if err := w.feeds.Save(t.Context(), f, func(hansa.Tx) error { return nil }); err != nil {
		t.Fatal(err)
	}
	for i, want := range []hansa.FeedStatus{hansa.FeedLate, hansa.FeedFresh} {
		if _, err := w.feeds.Step(t.Context(), "file"); err != nil {
			t.Fatal(err)
		}
		list, err := w.feeds.States(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if s := list[1]; s.Status != want {
			t.Errorf("after look %d the state is %s, %q, want %s", i+1, s.Status, s.Reason, want)
		}
	}
}
