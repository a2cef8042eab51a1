package quality

import (
	"math"
	"strconv"

	"github.com/hansa-exchange/hansa"
)

// observation checks a fact that was measured or reported.
func observation(f *found, o *hansa.Observation, in Context) {
	if o.What == "" {
		f.add("OBS-05", "/observation/what", "")
	}
	switch {
	case o.Observed.IsZero():
		f.add("OBS-01", "/observation/observed", "")
	case o.Observed.After(in.Now.Add(hansa.SkewMax)):
		f.add("OBS-02", "/observation/observed", stamp(o.Observed))
	}
	if c := o.Confidence; c != nil && !(*c >= 0 && *c <= 1) {
		f.add("OBS-03", "/observation/confidence", strconv.FormatFloat(*c, 'f', -1, 64))
	}
	for i := range o.Quantities {
		q := &o.Quantities[i]
		if math.IsNaN(q.Value) || math.IsInf(q.Value, 0) {
			f.add("OBS-04", "/observation/quantities/"+strconv.Itoa(i), q.Name)
		}
	}
	if o.Geometry != nil {
		geometry(f, o.Geometry, "/observation/geometry", in.Box)
	}
}
