package node

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/edge/room"
)

// TestShiftNote: one shift leaves a note, the next sees it on the situation; two who
// write at once hear of each other, and it stays within the party.
func TestShiftNote(t *testing.T) {
	w := mapped(t)
	b, id := w.come(t, "city", "Desk 3", hansa.RoleController)
	other, _ := w.come(t, "city", "Desk 4", hansa.RoleController)
	viewer, _ := w.come(t, "city", "Looks", hansa.RoleViewer)
	company, _ := w.come(t, "one", "Theirs", hansa.RoleAdministrator)
	b.want("GET", "/live", nil, 200, "Nothing to hand over", `href="/shift"`)
	b.want("GET", "/shift", nil, 200, "Nobody has left one yet", `name="after" value=""`)
	const text = `Pump 2 is off. "><script>alert(1)</script>`
	entries := w.state(t)[1]
	b.want("POST", "/shift", url.Values{"text": {text}, "after": {""}}, 303, "/shift?done=written")
	if got := w.state(t)[1]; got != entries+1 {
		t.Errorf("a note made %d entries, want 1", got-entries)
	}
	for _, path := range []string{"/live", "/shift"} {
		for _, who := range []*browser{b, other, viewer} {
			inertOn(t, path, who.want("GET", path, nil, 200, "Pump 2 is off", "Desk 3"))
		}
		if page := company.want("GET", path, nil, 200); strings.Contains(page, "Pump 2") {
			t.Errorf("%s shows another party's note", path)
		}
	}
	var list struct{ Notes []room.Note }
	b.doc("/shift.json", &list)
	if len(list.Notes) != 1 || list.Notes[0].Author != id || list.Notes[0].Text != text {
		t.Fatalf("the notes are %+v", list.Notes)
	}
	b.want("GET", "/live.json", nil, 200, "shiftNote", list.Notes[0].ID)

	// Desk 4 had the page open before Desk 3 wrote.
	other.want("POST", "/shift", url.Values{"text": {"mine"}, "after": {""}}, http.StatusConflict, "Somebody has written meanwhile", "mine</textarea>", `value="`+list.Notes[0].ID+`"`, "Pump 2 is off")
	other.want("POST", "/shift", url.Values{"text": {"mine"}, "after": {list.Notes[0].ID}}, 303)
	b.want("GET", "/live", nil, 200, "mine", "Desk 4")
	viewer.want("POST", "/shift", url.Values{"text": {"x"}}, http.StatusForbidden, "controller")
	if page := viewer.want("GET", "/shift", nil, 200); strings.Contains(page, "<textarea") {
		t.Error("a viewer is shown a form that is refused")
	}

	newest := func() string {
		b.doc("/shift.json", &list)
		return list.Notes[0].ID
	}
	b.want("POST", "/shift", url.Values{"text": {strings.Repeat("é", noteMax+1)}, "after": {newest()}}, 422, "at most 2000 characters", `aria-invalid="true"`)
	b.want("POST", "/shift", url.Values{"text": {"\x00"}, "after": {newest()}}, 422, "plain text")
	b.want("POST", "/shift", url.Values{"text": {strings.Repeat("🚧", noteMax) + "\r\n"}, "after": {newest()}}, 303)
	for i := range notesKept + 5 {
		b.want("POST", "/shift", url.Values{"text": {"note " + strconv.Itoa(i)}, "after": {newest()}}, 303)
	}
	if newest(); len(list.Notes) != notesKept || list.Notes[0].Text != "note "+strconv.Itoa(notesKept+4) || list.Notes[notesKept-1].Text != "note 5" {
		t.Errorf("%d notes are kept, from %q to %q", len(list.Notes), list.Notes[0].Text, list.Notes[len(list.Notes)-1].Text)
	}
	b.want("POST", "/shift", url.Values{"text": {" "}, "after": {newest()}}, 303)
	b.want("GET", "/live", nil, 200, "Nothing to hand over")
}
