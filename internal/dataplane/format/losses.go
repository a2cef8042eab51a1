package format

import (
	"fmt"

	"github.com/hansa-exchange/hansa"
)

// Capped returns losses of one record, at most [LossesMax] of them; the last then
// says how many more there were. A refusal is never cut off.
func Capped(losses []hansa.Loss) []hansa.Loss {
	if len(losses) <= LossesMax {
		return losses
	}
	kept := losses[: LossesMax-1 : LossesMax-1]
	for _, l := range losses[LossesMax-1:] {
		if l.Kind == hansa.LossRefused {
			kept[len(kept)-1] = l
			break
		}
	}
	more := hansa.Loss{
		Record: losses[0].Record, Kind: hansa.LossNotExpressible,
		Reason: fmt.Sprintf("and %d losses more", len(losses)-len(kept)),
	}
	return append(kept, more)
}
