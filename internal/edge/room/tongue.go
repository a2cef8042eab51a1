package room

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/words"
)

// langCookie remembers which language somebody chose for this browser.
const langCookie = "hansa-lang"

// english is the language in which the texts are written.
const english = "en"

// langOf is the language of whoever asks; empty is English.
func langOf(ctx context.Context) string {
	if c := words.Of(ctx); c != nil {
		return c.Lang
	}
	return ""
}

// speaks reports whether the pages are there in a language.
func (r *Room) speaks(lang string) bool { return lang == english || r.pages[lang].words != nil }

// speak sets the language of a request: what was chosen in this browser, else the
// first of these that there is, else English. JSON is English.
func (r *Room) speak(req *http.Request, langs ...string) {
	langs = slices.Clone(langs)
	if c, err := req.Cookie(langCookie); err == nil && r.speaks(c.Value) {
		langs = []string{c.Value}
	}
	var c *words.Catalogue
	for i := range langs {
		if whole := langs[i]; !r.speaks(whole) {
			langs[i], _, _ = strings.Cut(whole, "-") // nl-BE is read as nl
		}
	}
	if i := slices.IndexFunc(langs, r.speaks); i >= 0 && !wantsJSON(req) {
		c = r.pages[langs[i]].words
	}
	*req = *req.WithContext(words.With(req.Context(), c))
}

// speakTo sets the language of a request of somebody who is known.
func (r *Room) speakTo(req *http.Request, by hansa.Actor) {
	if r.cfg.Desk != nil {
		r.speak(req, r.cfg.Desk.Host(by).Langs...)
	}
}

// langRow is one language to choose.
type langRow struct {
	Lang, Name string
	On         bool
}

// languages lists those that there are, each by its own name.
func (r *Room) languages(req *http.Request) []langRow {
	now := cmp.Or(langOf(req.Context()), english)
	out := []langRow{{english, "English", now == english}}
	for _, lang := range slices.Sorted(maps.Keys(r.pages)) {
		if lang != "" && lang != english {
			out = append(out, langRow{lang, r.pages[lang].words.Say("English"), now == lang})
		}
	}
	return out
}

// chooseLanguage remembers a language for this browser.
func (r *Room) chooseLanguage(w http.ResponseWriter, req *http.Request) error {
	if _, err := r.cfg.Accounts.Account(req); err != nil {
		return r.signFirst(w, req, err)
	}
	lang := req.PostForm.Get("lang")
	if !r.speaks(lang) {
		return r.accountSheet(w, req, "", hansa.Fielded("/lang", "the pages are not there in this language"))
	}
	http.SetCookie(w, &http.Cookie{Name: langCookie, Value: lang, Path: "/", MaxAge: 365 * 24 * 3600, HttpOnly: true, Secure: req.TLS != nil, SameSite: http.SameSiteLaxMode}) //nolint:gosec // Secure wherever there is TLS; a choice of language is no secret
	http.Redirect(w, req, "/settings/account?done=language", http.StatusSeeOther)
	return nil
}
