package datex2

import (
	"unicode/utf8"

	"github.com/hansa-exchange/hansa"
)

// rule is a defect that only the reader of DATEX II can see.
type rule struct {
	id       hansa.Rule
	severity hansa.FindingSeverity
	message  string
	mend     string
}

// The rules. docs/formats/datex2.md lists them; a number is never used again.
var (
	ruleNaive        = rule{"TIME-01", hansa.Warning, "a time has no zone; it was read in the zone of its source", "write the offset or Z behind each time"}
	ruleUnknown      = rule{"DX-01", hansa.Note, "an element that DATEX II does not have; it is kept in datex2", "use the published model, or name the extension"}
	ruleEnum         = rule{"DX-02", hansa.Warning, "a value that its list does not have; it is kept in datex2", "use a value of the list"}
	ruleText         = rule{"DX-03", hansa.Warning, "a text of more than 1024 characters", "cut the text, or write several comments"}
	ruleNanos        = rule{"DX-04", hansa.Note, "times are finer than a millisecond", "write whole seconds"}
	ruleBase         = rule{"DX-05", hansa.Warning, "modelBaseVersion is missing from the publication", "write modelBaseVersion"}
	ruleLang         = rule{"DX-06", hansa.Warning, "a language is not a code of two letters", "write the code of BCP 47, such as de"}
	rulePosList      = rule{"DX-07", hansa.Fault, "a posList has an odd number of values, or one that is no number; the line is kept in datex2", "write latitude and longitude in turn"}
	ruleProjected    = rule{"DX-08", hansa.Fault, "coordinates are not degrees of WGS 84, it may be Lambert 72; they are kept in datex2", "write latitude and longitude in degrees"}
	ruleAlertOnly    = rule{"DX-09", hansa.Warning, "the place is given by reference alone and has no coordinates", "add a gmlLineString"}
	rulePlaces       = rule{"DX-10", hansa.Note, "several locations tell one place; it was taken once", "give one location"}
	ruleSuspended    = rule{"DX-11", hansa.Note, "validityStatus is suspended: the record is not in force", ""}
	ruleTime         = rule{"DX-12", hansa.Fault, "this is not a time of XML Schema; it is kept in datex2", "write it as 2026-03-01T08:00:00Z"}
	ruleVersion      = rule{"DX-13", hansa.Warning, "the version is not a whole number; it is kept in datex2", "count versions 1, 2, 3"}
	ruleRecurrence   = rule{"DX-14", hansa.Fault, "a recurring period says more than a weekly window can; it is kept in datex2", "use days, months, weeks of a day and times"}
	ruleRounded      = rule{"DX-15", hansa.Note, "a period's seconds were rounded outwards to whole minutes", "write whole minutes"}
	ruleException    = rule{"DX-16", hansa.Warning, "an exception that is not whole days is kept in datex2 and was not applied", "except whole days"}
	ruleExtent       = rule{"DX-17", hansa.Warning, "a closure does not say of what; one direction was taken", "say roadClosed, carriagewayClosures or laneClosures"}
	ruleCompare      = rule{"DX-18", hansa.Note, "a limit is for less than, not more than a measure; it is kept in words", ""}
	ruleClass        = rule{"DX-19", hansa.Warning, "this kind of record is not known; what it says is kept in datex2", "use a class of the model"}
	ruleDisplay      = rule{"DX-20", hansa.Warning, "only the place for display has coordinates", "give the place itself"}
	ruleOnlyID       = rule{"DX-21", hansa.Note, "the publisher named this record as ended or withdrawn, and said no more of it", ""}
	ruleMissing      = rule{"DX-22", hansa.Warning, "an element that DATEX II demands is missing", "write it"}
	ruleAreas        = rule{"DX-23", hansa.Warning, "several areas tell one place; the first was taken, the others are kept in datex2", "write one record an area"}
	ruleMore         = rule{"DX-25", hansa.Warning, "there are more parts without a word than are kept; the original bytes have them", ""}
	ruleContradicted = rule{"DX-24", hansa.Warning, "validityStatus is active although the period has passed", "end the record, or mend its period"}
)

// valueMax is how many bytes of a value a finding shows.
const valueMax = 200

// mark adds a finding to r, unless it has as many as a record may.
func mark(r *hansa.Record, u rule, field, value string) {
	if len(r.Defects) >= hansa.FindingsMax-1 {
		if len(r.Defects) == hansa.FindingsMax-1 {
			r.Defects = append(r.Defects, hansa.Finding{Rule: "MORE-01", Severity: hansa.Note, Message: "there were more findings than are kept"})
		}
		return
	}
	if len(value) > valueMax {
		for value = value[:valueMax]; !utf8.ValidString(value); {
			value = value[:len(value)-1]
		}
	}
	r.Defects = append(r.Defects, hansa.Finding{
		Rule: u.id, Severity: u.severity, Field: field, Value: value, Message: u.message, Mend: u.mend,
	})
}

// marked reports whether r already has a finding of u.
func marked(r *hansa.Record, u rule) bool {
	for i := range r.Defects {
		if r.Defects[i].Rule == u.id {
			return true
		}
	}
	return false
}
