package room

import "testing"

// TestBrowserName: a person knows a session again by what it is called.
func TestBrowserName(t *testing.T) {
	for agent, want := range map[string]string{
		"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0":                                                                  "Firefox on Linux",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0":           "Edge on Windows",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1": "Safari on iPhone",
		"curl/8": "curl/8", "": "A browser without a name", "Firefox/1": "Firefox",
	} {
		if got := browserName(nil, agent); got != want {
			t.Errorf("%q: got %q, want %q", agent, got, want)
		}
	}
}

// TestOnward: after signing in nobody is sent to another site.
func TestOnward(t *testing.T) {
	for next, want := range map[string]string{
		"/live?view=table": "/live?view=table", "/settings/account": "/settings/account", "": "/live", "live": "/live", "//evil.example": "/live", `/\evil.example`: "/live",
		"https://evil.example": "/live", "/\t/evil.example": "/live", "/signout": "/live", "/enter?token=x": "/live", "/%": "/live",
	} {
		if got := onward(next); got != want {
			t.Errorf("%q: got %q, want %q", next, got, want)
		}
	}
}
