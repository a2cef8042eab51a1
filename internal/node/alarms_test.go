package node

import (
	"net/url"
	"strings"
	"testing"

	"github.com/hansa-exchange/hansa"
)

// TestAlarmActs: an alarm that is acknowledged stays and says by whom; one that is
// shelved goes away for a time, with a reason; both are kept, and only who may close
// roads does either. Another party sees nothing of it.
func TestAlarmActs(t *testing.T) {
	w := mapped(t)
	b, _ := w.come(t, "city", "Desk 3", hansa.RoleController)
	b.want("GET", "/alarms", nil, 200, "No alarm is active", "0 alarms began in the last 10 minutes")
	over := strings.NewReplacer(`"id":"a"`, `"id":"over"`, `"endKind":`, `"end":"2026-11-23T11:00:00Z","endKind":`).Replace(goodRecord)
	if code, body := w.ask(t, "POST", "/data/v1/datasets/closures/records", "Bearer "+w.give, "application/json", over); code != 200 {
		t.Fatalf("publish: %d %s", code, body)
	}
	live := b.want("GET", "/live", nil, 200, "The planned end of closure 1 has passed.", "Acknowledge", `href="/alarms"`)
	key := between(t, live, `name="alarm" value="`, `"`)
	act := url.Values{"alarm": {key}, "act": {"shelve"}, "for": {"60"}}
	b.want("POST", "/alarms", act, 422, "Say why it is shelved")
	act.Set("reason", `"><script>alert(1)</script>`)
	act.Set("for", "100000")
	b.want("POST", "/alarms", act, 422, "at most a day")
	act.Set("for", "60")
	b.want("POST", "/alarms", act, 303, "/alarms?done=shelved")
	inertOn(t, "the alarms", b.want("GET", "/alarms", nil, 200, "Shelved until", "by Desk 3", "No alarm is active", "shelved until"))
	if page := b.want("GET", "/live", nil, 200); strings.Contains(page, "has passed.") {
		t.Error("what is shelved still asks")
	}
	b.want("POST", "/alarms", url.Values{"alarm": {key}, "at": {"live"}}, 303, "/live")
	live = b.want("GET", "/live", nil, 200, "has passed.", "Acknowledged by Desk 3")
	if strings.Contains(live, `aria-label="Acknowledge: `) {
		t.Error("what is acknowledged can be acknowledged again")
	}
	b.want("GET", "/alarms.json", nil, 200, `"acts"`, `"target": 1`, "Acknowledged by Desk 3")
	b.want("POST", "/alarms", url.Values{"alarm": {"nothing"}}, 409, "its cause is gone")

	viewer, _ := w.come(t, "city", "Viewer", hansa.RoleViewer)
	if page := viewer.want("GET", "/alarms", nil, 200, "Acknowledged by Desk 3"); strings.Contains(page, `action="/alarms"`) {
		t.Error("a viewer is shown what would be refused")
	}
	viewer.want("POST", "/alarms", url.Values{"alarm": {key}}, 403)
	other, _ := w.come(t, "one", "Eve", hansa.RoleAdministrator)
	if page := other.want("GET", "/alarms", nil, 200); strings.Contains(page, "Desk 3") || strings.Contains(page, "passed") {
		t.Error("another party sees what was done")
	}
}
