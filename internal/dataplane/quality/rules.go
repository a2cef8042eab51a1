package quality

import "github.com/hansa-exchange/hansa"

// Rule is one check by name. docs/formats/findings.md lists them all.
type Rule struct {
	ID       hansa.Rule            `json:"id"` // written to disk: never given to another check
	Severity hansa.FindingSeverity `json:"severity"`
	Title    string                `json:"title"`
	What     string                `json:"what"` // a finding's message, or its beginning
	Mend     string                `json:"mend"`
	Source   string                `json:"source"` // who asks for it; Hansa when nobody else does
}

// Rules returns all rules, group by group. TIME-01 is found by codecs, which see
// the text of a time, and VER-01 and VER-02 by the stream, which saw the version
// before; all others by [Check] and [Update670].
func Rules() []Rule { return append(append([]Rule(nil), rules[:]...), moreRules[:]...) }

// lookup returns the rule called id.
func lookup(id hansa.Rule) *Rule {
	for _, table := range [...][]Rule{rules[:], moreRules[:]} {
		for i := range table {
			if table[i].ID == id {
				return &table[i]
			}
		}
	}
	panic("internal error: no rule " + string(id))
}

// Find makes the finding of the rule called id, for rooms that see what [Check]
// cannot: codecs and the stream. ok is false when there is no such rule.
func Find(id hansa.Rule, field, value string) (d hansa.Finding, ok bool) {
	for _, r := range Rules() {
		if r.ID == id {
			var f found
			f.add(id, field, value)
			return f.list[0], true
		}
	}
	return hansa.Finding{}, false
}

// rules are about time, place, version and name.
var rules = [...]Rule{
	{
		"TIME-01", hansa.Warning, "naive time",
		"a time has no zone; it was read in the zone of its source",
		"write the offset or Z behind each time", "RFC 3339",
	},
	{
		"TIME-02", hansa.Fault, "end before start",
		"the end is not after the start",
		"put the later time in end", "DATEX II",
	},
	{
		"TIME-03", hansa.Fault, "actual end before actual start",
		"it ended before it began",
		"correct the time that was entered wrong", "Hansa",
	},
	{
		"TIME-04", hansa.Warning, "updated in the future",
		"the update time lies more than 90 s ahead",
		"set the publisher's clock; check its time zone", "Hansa",
	},
	{
		"TIME-05", hansa.Warning, "created after updated",
		"the record was made after it was last changed",
		"keep the time of creation over versions", "Hansa",
	},
	{
		"TIME-06", hansa.Warning, "open end not stated",
		"there is no end, and not the word that it is unknown",
		"give an end, or set endKind to unknown", "2022/670 Art. 8(1)",
	},
	{
		"TIME-07", hansa.Warning, "planned end passed",
		"the planned end has passed without a word",
		"end it, extend it, or state a rule by which it ends", "2022/670 Art. 9(5)",
	},
	{
		"TIME-08", hansa.Fault, "recurrence without a zone",
		"a recurring window has no time zone",
		"name the IANA zone, such as Europe/Amsterdam", "Hansa",
	},
	{
		"TIME-09", hansa.Warning, "recurrence never occurs",
		"the recurring window never opens while the situation holds",
		"check days, weeks, first and last day", "Hansa",
	},
	{
		"TIME-10", hansa.Warning, "no start",
		"no start is given, planned or actual",
		"give the time from which it holds", "2022/670 Art. 8(1)",
	},
	{
		"TIME-11", hansa.Warning, "no update time",
		"the record does not say when this version was made",
		"write the time of the version", "2022/670 Art. 8(1)",
	},
	{
		"TIME-12", hansa.Warning, "actual end in the future",
		"an end that has happened lies in the future",
		"put a planned end in end", "Hansa",
	},
	{
		"TIME-13", hansa.Warning, "actual start in the future",
		"a start that has happened lies in the future",
		"put a planned start in start", "Hansa",
	},
	{
		"TIME-14", hansa.Note, "very long",
		"it lasts more than five years",
		"check the year; a lasting rule is not a temporary measure", "Hansa",
	},
	{
		"TIME-15", hansa.Warning, "implausible year",
		"the year is before 1990 or more than a century ahead",
		"check the year, and whether seconds were read as milliseconds", "Hansa",
	},
	{
		"TIME-16", hansa.Warning, "unknown end with an end",
		"the end is called unknown and is given",
		"set endKind to estimated or confirmed, or leave the end out", "Hansa",
	},
	{
		"TIME-17", hansa.Note, "stale",
		"it is called live and nobody has touched it for a year",
		"confirm it or end it", "2022/670 Art. 10(4)",
	},
	{
		"TIME-18", hansa.Fault, "recurrence not readable",
		"a recurring window breaks a rule",
		"correct the window", "Hansa",
	},
	{
		"GEO-01", hansa.Fault, "no place",
		"there is no geometry and no other reference to the road",
		"draw the line that is meant", "2022/670 Art. 8(1)",
	},
	{
		"GEO-02", hansa.Fault, "swapped coordinates",
		"longitude and latitude seem swapped",
		"write longitude first in GeoJSON, latitude first in DATEX II and CIFS", "RFC 7946 3.1.1",
	},
	{
		"GEO-03", hansa.Fault, "no length",
		"a line has no length: its positions are all the same",
		"draw at least two different positions", "Waze CIFS",
	},
	{
		"GEO-04", hansa.Note, "repeated position",
		"a position is repeated",
		"leave the second out", "Hansa",
	},
	{
		"GEO-05", hansa.Warning, "jump",
		"neighbouring positions lie more than 5 km apart",
		"check for a missing or mistyped position", "Hansa",
	},
	{
		"GEO-06", hansa.Fault, "ring not closed",
		"a polygon's ring does not end where it began",
		"repeat the first position at the end", "RFC 7946 3.1.6",
	},
	{
		"GEO-07", hansa.Fault, "null island",
		"a position is 0, 0, which is in the Gulf of Guinea",
		"leave the geometry out rather than empty", "Hansa",
	},
	{
		"GEO-08", hansa.Warning, "very long line",
		"the line is longer than 50 km",
		"split it, or check its positions", "Hansa",
	},
	{
		"GEO-09", hansa.Warning, "coarse position",
		"no coordinate has more than two decimals, about 1 km",
		"write at least five decimals", "Hansa",
	},
	{
		"GEO-10", hansa.Warning, "direction missing",
		"it is not told which direction is meant",
		"set direction to one or both", "2022/670 Art. 8(1)",
	},
	{
		"GEO-11", hansa.Warning, "outside the expected box",
		"positions lie outside where this dataset's records are",
		"check the positions, or widen the box", "Hansa",
	},
	{
		"GEO-12", hansa.Fault, "off the globe",
		"a position is no longitude and latitude",
		"write degrees of WGS 84", "RFC 7946 4",
	},
	{
		"GEO-13", hansa.Note, "a point for a closure",
		"a closure is given as a point; receivers cannot tell which road or stretch",
		"draw the closed stretch", "Waze CIFS",
	},
	{
		"GEO-14", hansa.Warning, "line turns back",
		"the line goes back the way it came",
		"draw each direction as a record of its own", "Hansa",
	},
	{
		"GEO-15", hansa.Note, "very short line",
		"the line is shorter than 10 m",
		"draw from junction to junction", "Waze CIFS",
	},
	{
		"GEO-16", hansa.Warning, "unknown direction",
		"the direction is neither one nor both",
		"set direction to one or both", "Hansa",
	},
	{
		"GEO-17", hansa.Warning, "one direction, both directions",
		"one direction is closed and both are named",
		"set direction to one, or effect to road-closed", "Hansa",
	},
	{
		"VER-00", hansa.Note, "no version",
		"the record has no version",
		"raise a version with each change", "2022/670 Art. 8(1)",
	},
	{
		"VER-01", hansa.Warning, "changed without a new version",
		"the same version came before with other content",
		"raise the version with each change", "Hansa",
	},
	{
		"VER-02", hansa.Warning, "version went back",
		"a higher version came before; this one does not replace it",
		"raise the version; never go back", "Hansa",
	},
	{
		"ID-01", hansa.Fault, "no id",
		"the record has no id",
		"give it an id that stays over all versions", "Hansa",
	},
	{
		"ID-02", hansa.Fault, "long id",
		"the id is longer than 512 bytes",
		"shorten it", "Hansa",
	},
	{
		"ID-03", hansa.Warning, "odd characters in the id",
		"the id holds blanks or control characters",
		"use letters, digits, hyphen, dot and underscore", "Hansa",
	},
	{
		"ID-04", hansa.Note, "short id",
		"the id is shorter than three characters, which some formats refuse",
		"lengthen it", "Waze CIFS",
	},
}
