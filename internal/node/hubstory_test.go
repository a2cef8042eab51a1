package node

import "testing"

// TestHubStory plays the story of a hub between two cities and two companies.
func TestHubStory(t *testing.T) {
	steps, err := RehearseHub(t.Context(), "test", nil, func(s Step) {
		t.Logf("%v %s\n    %s", s.OK, s.Name, s.Detail)
		if !s.OK {
			t.Errorf("%s: %s", s.Name, s.Detail)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := len((&hubStory{}).acts()); len(steps) != want {
		t.Errorf("%d steps were played, want %d", len(steps), want)
	}
}
