package room

import (
	"github.com/hansa-exchange/hansa"
	"github.com/hansa-exchange/hansa/internal/base/words"
)

// verdictWords are the gate's own words for its rules, to be said in each language.
var verdictWords = map[hansa.Rule]string{
	"GATE-01": words.Mark("no purpose was stated"), "GATE-02": words.Mark("the purpose is not agreed"), "GATE-03": words.Mark("the terms are not in force yet"), "GATE-04": words.Mark("the terms have ended"), "GATE-05": words.Mark("the flow is closed at this hour"),
	"GATE-06": words.Mark("the agreed delay has not passed"), "GATE-07": words.Mark("the record lies outside the agreed area"), "GATE-08": words.Mark("the format is not agreed"), "GATE-09": words.Mark("the flow is paused"), "GATE-10": words.Mark("a test record does not leave by a live flow"),
	"GATE-11": words.Mark("a real record does not leave by a test flow"), "GATE-12": words.Mark("the record belongs to another dataset"), "GATE-13": words.Mark("the flow goes to another party"), "GATE-14": words.Mark("the terms name an area and the record says no place"),
	"GATE-15": words.Mark("without what the terms withhold the record would say more than it does"), "GATE-16": words.Mark("at the agreed precision the record's shape would be lost"), "GATE-17": words.Mark("the record is not meant for the public"), "GATE-18": words.Mark("the record holds personal data"),
	"GATE-19": words.Mark("the record is older than the agreed retention"), "GATE-21": words.Mark("the record leaves without the fields that the terms withhold"), "GATE-22": words.Mark("the record leaves with coarser coordinates"), "GATE-23": words.Mark("the record leaves without its internal texts"),
	"GATE-24": words.Mark("who gave the record does not allow passing it on to this receiver"),
}
