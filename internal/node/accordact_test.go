package node

import (
	"testing"
	"time"

	"github.com/hansa-exchange/hansa/internal/controlplane/accord"
)

// A last day is taken at any hour of the day when it is yesterday in any zone, and is
// refused when it was over before that.
func TestNotLongAgo(t *testing.T) {
	for _, zone := range []string{"Europe/Amsterdam", "Pacific/Kiritimati", "Etc/GMT+12"} {
		text := &accord.Text{Term: accord.Term{Zone: zone}}
		for hour := range 48 {
			now := time.Date(2026, 11, 28, 0, 30, 0, 0, time.UTC).Add(time.Duration(hour) * time.Hour)
			for _, of := range []string{"UTC", "Pacific/Kiritimati", "Etc/GMT+12"} {
				in, err := time.LoadLocation(of)
				if err != nil {
					t.Fatal(err)
				}
				for _, ago := range []int{0, 1} {
					if day := now.In(in).AddDate(0, 0, -ago).Format(time.DateOnly); notLongAgo(text, day, now) != nil {
						t.Errorf("%s, %s: %s is refused, and was %d days ago in %s", zone, now, day, ago, of)
					}
				}
			}
			if day := now.AddDate(0, 0, -3).Format(time.DateOnly); notLongAgo(text, day, now) == nil {
				t.Errorf("%s, %s: %s is taken", zone, now, day)
			}
		}
	}
}
