package hansa

import (
	"strconv"
	"time"
)

// Duration is a length of time that is written as a JSON number of seconds.
// Convert it with time.Duration(d), or [Duration.Std].
type Duration time.Duration

// Std returns d as the standard library's type.
func (d Duration) Std() time.Duration { return time.Duration(d) }

func (d Duration) String() string { return time.Duration(d).String() }

// MarshalJSON writes d as seconds, with a fraction where there is one.
func (d Duration) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, time.Duration(d).Seconds(), 'f', -1, 64), nil
}

// UnmarshalJSON reads a number of seconds, at most a hundred years either way.
func (d *Duration) UnmarshalJSON(b []byte) error {
	f, err := strconv.ParseFloat(string(b), 64)
	const most = 100 * 366 * 24 * 3600
	if err != nil || !(f >= -most && f <= most) {
		return Errorf(Invalid, "a duration is a number of seconds, not %s", b).With(CodeField)
	}
	*d = Duration(f * float64(time.Second))
	return nil
}
