package datex2_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hansa-exchange/hansa/internal/dataplane/format"
)

// What one record may cost is bounded, whatever it repeats.
func TestHostileRecordsAreCheap(t *testing.T) {
	const most = 5 * time.Second // a thousand times what a sound record takes; quadratic work takes minutes
	times := strings.Repeat(`<recurringTimePeriodOfDay><startTimeOfPeriod>01:00:00</startTimeOfPeriod><endTimeOfPeriod>02:00:00</endTimeOfPeriod></recurringTimePeriodOfDay>`, 3000)
	days := strings.Repeat(`<recurringDayWeekMonthPeriod><applicableDay>monday</applicableDay></recurringDayWeekMonthPeriod>`, 4000)
	var names strings.Builder
	for i := range 40_000 {
		fmt.Fprintf(&names, "<n%d>1</n%d>", i, i)
	}
	for name, body := range map[string]string{
		"texts":    `<generalPublicComment><comment><values>` + strings.Repeat(`<value>a</value>`, 50_000) + `</values></comment></generalPublicComment>`,
		"windows":  `<validity><validityTimeSpecification><validPeriod>` + times + days + `</validPeriod></validityTimeSpecification></validity>`,
		"points":   `<locationReference>` + strings.Repeat(`<pointCoordinates><latitude>1</latitude><longitude>2</longitude></pointCoordinates>`, 9000) + `</locationReference>`,
		"vehicles": `<forVehiclesWithCharacteristicsOf>` + strings.Repeat(`<fuelType>a</fuelType>`, 40_000) + `</forVehiclesWithCharacteristicsOf>`,
		"names":    strings.Repeat("<deep>", 90) + names.String() + strings.Repeat("</deep>", 90),
		"numbers":  `<locationReference><gmlLineString><posList>` + strings.Repeat("1 2 ", 200_000) + `</posList></gmlLineString></locationReference>`,
	} {
		t.Run(name, func(t *testing.T) {
			begin := time.Now()
			items := read(t, []byte(`<situation id="a"><situationRecord id="b" version="1">`+body+`</situationRecord></situation>`), format.Input{Now: now})
			if took := time.Since(begin); took > most {
				t.Errorf("took %v", took)
			}
			if len(items) != 1 {
				t.Fatalf("got %d items", len(items))
			}
			if r := items[0].Record; r != nil && len(r.Situation.Unknown["datex2"]) > 4<<20 {
				t.Errorf("keeps %d bytes", len(r.Situation.Unknown["datex2"]))
			}
		})
	}
}
