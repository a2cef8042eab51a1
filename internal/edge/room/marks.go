package room

import (
	"html/template"
	"strings"
)

// marks draws the strip of a closure: one mark a receiver, each with its words.
// It is written by hand, since a page has thousands of them; what comes from
// others is escaped here.
func marks(stands []stand) template.HTML {
	var b strings.Builder
	const most = 12
	for i := range stands[:min(len(stands), most)] {
		s := &stands[i]
		b.WriteString(`<svg class="k k-`)
		b.WriteString(s.Mark)
		b.WriteString(`" viewBox="0 0 16 16" role="img"><title>`)
		template.HTMLEscape(&b, []byte(s.Title))
		b.WriteString(": ")
		template.HTMLEscape(&b, []byte(s.Text))
		b.WriteString(`</title><use href="#k-`)
		b.WriteString(s.Mark)
		b.WriteString(`"/></svg>`)
	}
	if n := len(stands) - most; n > 0 {
		b.WriteString(`<span>+ ` + itoa(n) + `</span>`)
	}
	return template.HTML(b.String()) //nolint:gosec // built above; all that comes from others is escaped
}
