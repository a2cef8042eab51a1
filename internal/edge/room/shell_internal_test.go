package room

import "testing"

// TestInert: each character that turns text around is shown as what it is, and its
// neighbours stay.
func TestInert(t *testing.T) {
	for c := rune(0x2000); c < 0x2100; c++ {
		want := "a" + string(c) + "…b"
		if c >= 0x202A && c <= 0x202E || c >= 0x2066 && c <= 0x2069 {
			want = "a\uFFFD…b"
		}
		if got := string(inert([]byte("a" + string(c) + "…b"))); got != want {
			t.Errorf("%U: got %q, want %q", c, got, want)
		}
	}
	for in, want := range map[string]string{"": "", "\x00": "\uFFFD", "\xe2": "\xe2", "\xe2\x80": "\xe2\x80", "x\u202e": "x\uFFFD", "\xe2\u202e": "\uFFFD\uFFFD"} {
		if got := string(inert([]byte(in))); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
