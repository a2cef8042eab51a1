package datex2

import (
	"time"
)

// moment reads an xs:dateTime. naive says that it has no zone and was read in
// zone; fine that it is finer than a millisecond.
func moment(b []byte, zone *time.Location) (t time.Time, naive, fine, ok bool) {
	if len(b) < 19 || b[4] != '-' || b[7] != '-' || b[10] != 'T' || b[13] != ':' || b[16] != ':' {
		return t, false, false, false
	}
	y, ok1 := number(b[:4])
	mo, ok2 := number(b[5:7])
	d, ok3 := number(b[8:10])
	sec, nano, rest, ok4 := clock(b[11:])
	if !ok1 || !ok2 || !ok3 || !ok4 || mo < 1 || mo > 12 || d < 1 || d > daysOf(y, mo) {
		return t, false, false, false
	}
	fine = nano%1e6 != 0
	offset, naive, ok := zoneOf(rest)
	if !ok {
		return t, false, false, false
	}
	if naive {
		return time.Date(y, time.Month(mo), d, 0, 0, sec, nano, zone).UTC(), true, fine, true
	}
	return time.Date(y, time.Month(mo), d, 0, 0, sec-offset, nano, time.UTC), false, fine, true
}

// clock reads hh:mm:ss with a fraction, as seconds and nanoseconds of the day.
func clock(b []byte) (sec, nano int, rest []byte, ok bool) {
	if len(b) < 8 || b[2] != ':' || b[5] != ':' {
		return 0, 0, nil, false
	}
	h, ok1 := number(b[:2])
	m, ok2 := number(b[3:5])
	s, ok3 := number(b[6:8])
	if !ok1 || !ok2 || !ok3 || h > 24 || m > 59 || s > 59 || h == 24 && m+s > 0 {
		return 0, 0, nil, false
	}
	if b = b[8:]; len(b) > 0 && b[0] == '.' {
		b = b[1:]
		n := 0
		for scale := int(1e8); len(b) > n && b[n] >= '0' && b[n] <= '9'; scale /= 10 {
			nano += int(b[n]-'0') * scale
			n++
		}
		if n == 0 {
			return 0, 0, nil, false
		}
		b = b[n:]
	}
	return (h*60+m)*60 + s, nano, b, true
}

// zoneOf reads Z or +hh:mm as seconds east; nothing is naive.
func zoneOf(b []byte) (offset int, naive, ok bool) {
	switch {
	case len(b) == 0:
		return 0, true, true
	case len(b) == 1 && b[0] == 'Z':
		return 0, false, true
	case len(b) != 6 || b[3] != ':' || b[0] != '+' && b[0] != '-':
		return 0, false, false
	}
	h, ok1 := number(b[1:3])
	m, ok2 := number(b[4:6])
	if !ok1 || !ok2 || h > 14 || m > 59 {
		return 0, false, false
	}
	offset = (h*60 + m) * 60
	if b[0] == '-' {
		offset = -offset
	}
	return offset, false, true
}

// number reads digits alone.
func number(b []byte) (n int, ok bool) {
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, len(b) > 0
}

func daysOf(y, m int) int {
	return time.Date(y, time.Month(m)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}
