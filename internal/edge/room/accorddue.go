package room

import (
	"net/url"

	"github.com/hansa-exchange/hansa/internal/base/words"
)

// dueWords say that a day of an accord is near.
var dueWords = map[string]string{
	"review": words.Mark("The review of {1} is due on {2}."), "notice": words.Mark("The last day to give notice of {1} is {2}."), "trial": words.Mark("The trial of {1} ends on {2}."),
	"end": words.Mark("The last day of {1} is {2}."), "key": words.Mark("The key that signed {1} expires on {2}."),
}

// due is the alarm of a day that is near.
func due(say *words.Catalogue, x *Asking) alarm {
	return alarm{
		Key: "due " + x.Process + " " + x.Due + " " + x.Day, Level: "med", Word: say.Say("Medium"), Lead: say.Fill(dueWords[x.Due], x.What, x.Day),
		Text: say.Say("Look at the accord and decide with the others."), Href: "/accords/" + url.PathEscape(x.Process), since: x.Since,
	}
}
