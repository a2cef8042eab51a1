package quality

import "github.com/hansa-exchange/hansa"

// moreRules are about text, road, lanes, vehicles, life, relations and the law.
var moreRules = [...]Rule{
	{
		"TEXT-01", hansa.Warning, "invisible characters",
		"a text holds characters that are not seen or that turn its direction",
		"remove them", "Hansa",
	},
	{
		"TEXT-02", hansa.Note, "long text",
		"a text is longer than 1,024 characters, which some formats cut",
		"shorten it", "DATEX II",
	},
	{
		"TEXT-03", hansa.Warning, "markup in a text",
		"a text holds HTML",
		"write plain text", "Hansa",
	},
	{
		"TEXT-04", hansa.Note, "no language",
		"a text does not say its language",
		"give the language tag, such as nl", "BCP 47",
	},
	{
		"TEXT-05", hansa.Note, "empty text",
		"a text is empty",
		"leave it out", "Hansa",
	},
	{
		"TEXT-06", hansa.Warning, "odd language tag",
		"the language is no language tag",
		"use a tag such as nl or de-AT", "BCP 47",
	},
	{
		"TEXT-07", hansa.Fault, "not UTF-8",
		"a text is not valid UTF-8",
		"state the encoding of the document, or use UTF-8", "Hansa",
	},
	{
		"TEXT-08", hansa.Note, "nothing to read",
		"a closure has no public text",
		"say in a sentence what is closed, until when and why", "Hansa",
	},
	{
		"TEXT-09", hansa.Warning, "address in a text",
		"a public text holds an e-mail address",
		"put contacts in source", "Hansa",
	},
	{
		"ROAD-01", hansa.Warning, "no road",
		"the road has no name and no number",
		"name the street, or give the road number", "Waze CIFS",
	},
	{
		"ROAD-02", hansa.Warning, "more than a street's name",
		"the street's name holds a place or a postcode",
		"write the street's name alone", "Waze CIFS",
	},
	{
		"ROAD-03", hansa.Note, "nameless structure",
		"a tunnel or bridge is meant and not named",
		"give its name", "Hansa",
	},
	{
		"ROAD-04", hansa.Note, "nameless tube",
		"one tube is meant and not named",
		"name the tube, such as east or towards the centre", "Hansa",
	},
	{
		"ROAD-05", hansa.Warning, "a part and the whole",
		"the whole road is closed and only a tube or carriageway is meant",
		"set effect to direction-closed, or extent to whole-road", "Hansa",
	},
	{
		"LANE-01", hansa.Warning, "no lanes listed",
		"lanes are closed and none is listed",
		"list each lane and whether it is closed", "Hansa",
	},
	{
		"LANE-02", hansa.Warning, "no closed lane",
		"lanes are closed and every lane listed is open",
		"mark the closed ones", "Hansa",
	},
	{
		"LANE-03", hansa.Fault, "no such lane",
		"a lane has a number that the road does not have",
		"count from 1, next to the centre of the road", "Hansa",
	},
	{
		"LANE-04", hansa.Warning, "lane listed twice",
		"a lane is listed twice",
		"leave one out", "Hansa",
	},
	{
		"LANE-05", hansa.Warning, "all lanes closed",
		"every lane is closed and it is called a closure of lanes",
		"set effect to direction-closed", "Hansa",
	},
	{
		"LANE-06", hansa.Fault, "closed with open lanes",
		"the road is closed and a lane is open",
		"set effect to lanes-closed, or mark the lane closed", "Hansa",
	},
	{
		"LANE-07", hansa.Warning, "lanes do not agree",
		"lanes do not agree on how many there are",
		"correct of", "Hansa",
	},
	{
		"VEH-01", hansa.Fault, "implausible limit",
		"a limit is below zero or larger than any vehicle",
		"write metres and tonnes", "Hansa",
	},
	{
		"VEH-02", hansa.Warning, "empty vehicle class",
		"a class of vehicles says nothing",
		"name the class or the limit, or leave it out", "Hansa",
	},
	{
		"VEH-03", hansa.Warning, "restriction of nothing",
		"there is a restriction and no word on whom or what",
		"name vehicles, limits or the rule", "Hansa",
	},
	{
		"VEH-04", hansa.Note, "limit in other words",
		"a limit is kept in its source's words; formats cannot carry it",
		"use class, height, width, length or weight", "Hansa",
	},
	{
		"LIFE-01", hansa.Warning, "ended with an open end",
		"it has ended and its end is called unknown",
		"give the time at which it ended", "Hansa",
	},
	{
		"LIFE-02", hansa.Note, "repaired and not open",
		"the cause is gone and the road is still shut",
		"open it when it is open: repaired is not open", "Hansa",
	},
	{
		"LIFE-03", hansa.Warning, "cancelled without withdrawal",
		"it is cancelled and the update is no withdrawal",
		"set update to withdraw", "2022/670 Art. 8(1)",
	},
	{
		"LIFE-04", hansa.Warning, "active before its start",
		"it is active and starts later",
		"set lifecycle to planned, or give the actual start", "Hansa",
	},
	{
		"LIFE-05", hansa.Warning, "ended without an end",
		"it has ended and the update does not say so",
		"set update to end", "2022/670 Art. 8(1)",
	},
	{
		"LIFE-06", hansa.Fault, "ended and live",
		"the update ends it and the lifecycle says that it holds",
		"set lifecycle to ended or cancelled", "Hansa",
	},
	{
		"LIFE-07", hansa.Warning, "never began",
		"it is still planned and its start has passed an hour ago",
		"set it active, move its start, or cancel it", "Hansa",
	},
	{
		"LIFE-08", hansa.Fault, "no lifecycle",
		"the lifecycle is none that is known",
		"use planned, confirmed, active, suspended, ended or cancelled", "Hansa",
	},
	{
		"LIFE-09", hansa.Warning, "live after its end",
		"its actual end has passed and it is called live",
		"set lifecycle to ended", "Hansa",
	},
	{
		"LIFE-10", hansa.Warning, "no kind of update",
		"the record does not say whether it is new, changed, ended or withdrawn",
		"set update to insert, modify, end or withdraw", "2022/670 Art. 8(1)",
	},
	{
		"LIFE-11", hansa.Fault, "no effect",
		"what it does to the road is none that is known",
		"set effect to road-closed, direction-closed, lanes-closed, restriction or none", "2022/670 Art. 8(1)",
	},
	{
		"LIFE-12", hansa.Warning, "active and possible",
		"it is active and called a risk",
		"set certainty to certain, or lifecycle to planned", "DATEX II",
	},
	{
		"LIFE-13", hansa.Warning, "draft",
		"a draft was sent",
		"publish it as planned or confirmed", "Hansa",
	},
	{
		"LIFE-14", hansa.Fault, "unknown kind of update",
		"the kind of update is none that is known",
		"use insert, modify, end or withdraw", "Hansa",
	},
	{
		"LIFE-15", hansa.Fault, "unknown mode",
		"the mode is none that is known",
		"use real, test or exercise", "Hansa",
	},
	{
		"REL-01", hansa.Fault, "replaces itself",
		"the record replaces itself",
		"leave its own id out", "Hansa",
	},
	{
		"REL-02", hansa.Warning, "no incident",
		"a counter-measure or diversion belongs to no incident",
		"give it the incident of the closure that it serves", "2022/670 Art. 6(4)",
	},
	{
		"REL-03", hansa.Fault, "related to itself",
		"the record is its own parent, cause or contradiction",
		"name the other record", "Hansa",
	},
	{
		"REL-04", hansa.Warning, "diversion without a way",
		"a diversion shows no way and tells none",
		"draw it, or describe it", "Hansa",
	},
	{
		"REL-05", hansa.Note, "named twice",
		"a replaced record is named twice",
		"name it once", "Hansa",
	},
	{
		"REL-06", hansa.Warning, "unknown role",
		"the role is none that is known",
		"use closure, counter-measure, diversion, incident or works", "Hansa",
	},
	{
		"SRC-01", hansa.Note, "no source",
		"nobody is named who says so",
		"name the organisation", "2022/670 Art. 3(6)",
	},
	{
		"OBS-01", hansa.Fault, "no time of observation",
		"the observation does not say when it was made",
		"write the time", "Hansa",
	},
	{
		"OBS-02", hansa.Warning, "observed in the future",
		"the observation lies more than 90 s ahead",
		"set the source's clock", "Hansa",
	},
	{
		"OBS-03", hansa.Fault, "confidence out of range",
		"the confidence is not 0 to 1",
		"divide by the scale's maximum", "Hansa",
	},
	{
		"OBS-04", hansa.Fault, "not a number",
		"a quantity is not a number",
		"leave it out", "Hansa",
	},
	{
		"OBS-05", hansa.Fault, "observation of nothing",
		"the observation does not say what it is of",
		"name it: vehicle, station, car-park, jam, count", "Hansa",
	},
	{
		"DOC-01", hansa.Fault, "empty document",
		"the document is empty",
		"send its content", "Hansa",
	},
	{
		"DOC-02", hansa.Warning, "no media type",
		"the document does not say its media type",
		"give it", "Hansa",
	},
	{
		"RTTI-01", hansa.Fault, "type missing",
		"this check finds no type of the information",
		"say what it does to the road", "2022/670 Art. 8(1), 9(1), 10(1)",
	},
	{
		"RTTI-02", hansa.Fault, "location missing",
		"this check finds no location",
		"draw the line, or give a reference to the road", "2022/670 Art. 8(1), 9(1), 10(1)",
	},
	{
		"RTTI-03", hansa.Fault, "direction missing",
		"this check finds no direction",
		"set direction to one or both", "2022/670 Art. 8(1), 9(1)",
	},
	{
		"RTTI-04", hansa.Fault, "period missing",
		"this check finds no complete period",
		"give start and end; what has begun may say that its end is unknown", "2022/670 Art. 8(1), 9(1), 10(1)",
	},
	{
		"RTTI-05", hansa.Fault, "kind of update missing",
		"this check finds no kind of update",
		"set update to insert, modify, end or withdraw", "2022/670 Art. 8(1), 9(1)",
	},
	{
		"RTTI-06", hansa.Fault, "update time missing",
		"this check finds no time of the update",
		"write when this version was made", "2022/670 Art. 8(1), 9(1)",
	},
	{
		"MORE-01", hansa.Note, "more findings",
		"there are more findings than are kept",
		"mend those that are listed first", "Hansa",
	},
}
