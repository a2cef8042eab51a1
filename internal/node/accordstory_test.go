package node

import "testing"

// TestAccordsStory plays the story of one accord from its draft to its end.
func TestAccordsStory(t *testing.T) {
	steps, err := RehearseAccords(t.Context(), "test", func(s Step) {
		t.Logf("%v %s\n    %s", s.OK, s.Name, s.Detail)
		if !s.OK {
			t.Errorf("%s: %s", s.Name, s.Detail)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := len((&accordStory{}).acts()); len(steps) != want {
		t.Errorf("%d steps were played, want %d", len(steps), want)
	}
}
