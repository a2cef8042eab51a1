package node

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
	"github.com/hansa-exchange/hansa/internal/edge/api"
)

// versions are the texts that the city has of an accord.
func (w *town) versions(t *testing.T, id hansa.AccordID) (out []string) {
	t.Helper()
	if err := w.db.Read(t.Context(), func(tx hansa.Tx) error {
		list, err := w.accords.book.Versions(tx, w.own, id)
		for _, v := range list {
			out = append(out, v.Hash)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

// A draft that an open invitation proposes stays, and so does the version that it names;
// once it is taken back the draft can be thrown away, and only by its own party.
func TestDraftThrownAway(t *testing.T) {
	w := newTown(t)
	city, d := offerTo(t, w, "invited")
	id := city.drafts(d)
	made, _ := invitedBy(t, w, api.InvitationOrder{For: "Navco", Purpose: "closures", Basis: "Article 5", Accord: id})
	for i, title := range []string{"one", "two", "three"} {
		d.Title["en"] = title
		if _, err := w.accords.ChangeDraft(t.Context(), city.actor(), id, api.AccordDraft{Text: asJSON(t, d)}); err != nil {
			t.Fatal(err)
		}
		if got := w.versions(t, id); len(got) != 2 {
			t.Errorf("after change %d it has the versions %v, want that of the invitation and the present one", i, got)
		}
	}
	if b, err := w.accords.Text(t.Context(), w.own, id, made.Version); err != nil || !strings.Contains(string(b), "Closures for counts") {
		t.Errorf("the version of the invitation: %s, %v", b, err)
	}
	at := "/api/v1/accords/" + string(id)
	if code, says := w.ask(t, "DELETE", at, "Bearer "+w.one, "", ""); code != http.StatusForbidden && code != http.StatusNotFound {
		t.Errorf("another party's answers %d %s", code, says)
	}
	err := w.accords.DiscardDraft(t.Context(), city.actor(), id, "")
	if hansa.KindOf(err) != hansa.Conflict || hansa.Public(err).Hint != "hansa parties uninvite "+made.ID {
		t.Errorf("what is proposed was thrown away: %v", err)
	}
	if err := (invites{w.Node}).RevokeInvitation(t.Context(), city.actor(), made.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := (reviews{w.Node}).MakeReview(t.Context(), city.actor(), id, api.ReviewOrder{For: "counsel", Until: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if err := w.accords.DiscardDraft(t.Context(), city.actor(), id, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := w.accords.Accord(t.Context(), city.actor(), id); hansa.KindOf(err) != hansa.NotFound {
		t.Errorf("it is there still: %v", err)
	}
	if err := w.accords.DiscardDraft(t.Context(), city.actor(), id, ""); hansa.KindOf(err) != hansa.NotFound {
		t.Errorf("it was thrown away twice: %v", err)
	}
	if err := w.db.Read(t.Context(), func(tx hansa.Tx) (err error) {
		var links int
		err = tx.QueryRow(`SELECT COUNT(*) FROM exchange_review`).Scan(&links)
		if links != 0 {
			t.Errorf("%d links open it still", links)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// What is said of a draft that nobody else has is refused with what can be done, and what
// was sent is not thrown away.
func TestDraftIsAlone(t *testing.T) {
	w := mapped(t)
	x := parleys(t, w)
	for kind, hint := range map[accord.Kind]string{
		accord.Withdraw: "hansa accords discard ", accord.Decline: "hansa accords discard ", accord.Comment: "hansa accords open ", accord.Sign: "hansa accords open ", accord.Propose: "hansa accords new FILE --id ",
	} {
		a := api.AccordAct{Words: "no"}
		if kind == accord.Propose { // what is no text is said to be none first
			a.Text = x.city.accord(x.force).Text
		}
		_, err := w.accords.ActAccord(t.Context(), x.city.actor(), x.draft, kind, a)
		if hansa.KindOf(err) != hansa.Conflict || hansa.Public(err).Hint != hint+string(x.draft) {
			t.Errorf("%s of a draft: %v, hint %q", kind, err, hansa.Public(err).Hint)
		}
	}
	err := w.accords.DiscardDraft(t.Context(), x.city.actor(), x.waits, "")
	if hansa.KindOf(err) != hansa.Conflict || !strings.HasPrefix(hansa.Public(err).Hint, "hansa accords withdraw ") {
		t.Errorf("what was sent was thrown away: %v", err)
	}
	boss := "Bearer " + w.manager(t)
	for query, want := range map[string]int{"?n=0": 200, "": 200, "?n=-1": 422} {
		if code, says := w.ask(t, "GET", "/api/v1/accords/"+string(x.draft)+"/wait"+query, boss, "", ""); code != want {
			t.Errorf("waiting for a draft with %q answers %d %s, want %d", query, code, says, want)
		}
	}
	b, _ := w.come(t, "city", "Boss", hansa.RoleAdministrator)
	viewer, _ := w.come(t, "city", "Guest", hansa.RoleViewer)
	at := "/accords/" + string(x.draft)
	viewer.want("POST", at+"/discard", url.Values{}, 403)
	b.want("GET", at, nil, 200, "Throw the draft away")
	b.want("POST", at+"/discard", url.Values{}, 303, "/accords?done=discard")
	b.want("GET", "/accords?done=discard", nil, 200, "thrown away")
	b.want("GET", at, nil, 404)
	own := x.city.drafts(func() *accord.Text {
		d := &accord.Text{}
		if err := json.Unmarshal(x.city.accord(x.force).Text, d); err != nil {
			t.Fatal(err)
		}
		return d
	}())
	for _, c := range []struct {
		id    hansa.AccordID
		query string
		code  int
	}{{x.waits, "", 409}, {own, "?party=navika", 404}, {own, "?party=city", 204}, {own, "", 404}} {
		if code, says := w.ask(t, "DELETE", "/api/v1/accords/"+string(c.id)+c.query, boss, "", ""); code != c.code {
			t.Errorf("DELETE %s%s answers %d %s, want %d", c.id, c.query, code, says, c.code)
		}
	}
}
