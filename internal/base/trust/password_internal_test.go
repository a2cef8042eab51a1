package trust

import "testing"

// TestHashIsOfToday: an older hash matches and is said to be stale; a damaged one
// matches nothing.
func TestHashIsOfToday(t *testing.T) {
	h := make(hashers, 1)
	const word = "three boats in the fog"
	now, err := h.hash(t.Context(), word)
	if err != nil {
		t.Fatal(err)
	}
	old := encodeHash(word, []byte("0123456789abcdef"), 8<<10, 1, 1)
	for name, c := range map[string]struct {
		kept      passwordHash
		word      string
		ok, stale bool
	}{
		"right": {now, word, true, false}, "wrong": {now, word + "s", false, false}, "old": {old, word, true, true}, "none": {"", "", false, false},
		"cut": {now[:len(now)-1], word, false, false}, "other kind": {"$argon2i$v=19$m=8,t=1,p=1$AAAA$AAAA", word, false, false}, "too much": {"$argon2id$v=19$m=999999999,t=1,p=1$AAAA$AAAA", word, false, false},
	} {
		ok, stale, err := h.check(t.Context(), c.kept, c.word)
		if err != nil || ok != c.ok || ok && stale != c.stale {
			t.Errorf("%s: got %v, stale %v, %v", name, ok, stale, err)
		}
	}
}
