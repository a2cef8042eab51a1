package city

import "slices"

// random is mulberry32: a few lines that give the same numbers everywhere.
type random struct{ state uint32 }

func newRandom(seed uint64) *random { return &random{state: uint32(seed ^ seed>>32)} } //nolint:gosec // folded on purpose

// next returns a number from 0 up to, not including, 1.
func (r *random) next() float64 {
	r.state += 0x6D2B79F5
	t := (r.state ^ r.state>>15) * (1 | r.state)
	t = (t + (t^t>>7)*(61|t)) ^ t
	return float64(t^t>>14) / 4294967296
}

// names returns the names that streets are given, each once, in an order of the
// seed's.
func (r *random) names() []string {
	first := []string{
		"Haring", "Kabeljauw", "Schelvis", "Tarbot", "Bot", "Paling", "Mossel", "Garnaal", "Schol", "Wijting",
		"Anker", "Boei", "Dreg", "Fok", "Giek", "Kiel", "Kluiver", "Loods", "Mast", "Ra", "Roer", "Schoot", "Sloep", "Steven", "Touw", "Tros", "Want", "Zeil",
		"Bakker", "Brouwer", "Kuiper", "Leidekker", "Metselaar", "Molenaar", "Schrijnwerker", "Smid", "Wever", "Zeepzieder",
		"Barnsteen", "Hop", "Huiden", "Ijzer", "Koper", "Laken", "Peper", "Rogge", "Tarwe", "Teer", "Vlas", "Was", "Wol", "Zout",
		"Bergen", "Bremer", "Brugse", "Danziger", "Deventer", "Hamburger", "Kamper", "Lübecker", "Nowgoroder", "Revaler", "Rigaer", "Stettiner", "Visbyer", "Zwolse",
		"Berken", "Duindoorn", "Eiken", "Elzen", "Esdoorn", "Iepen", "Kastanje", "Linden", "Meidoorn", "Populieren", "Wilgen",
		"Albatros", "Fuut", "Jan-van-gent", "Kokmeeuw", "Lepelaar", "Meerkoet", "Scholekster", "Stern", "Wulp", "Zilvermeeuw",
	}
	fixed := []string{"Bremerweg", "Stettinerweg", "Bergenstraat", "Loodsstraat"} // of streets that lie in one place in every city
	last := []string{"straat", "laan", "weg", "pad", "hof", "dwarsstraat"}
	var all []string
	for _, l := range last {
		for _, f := range first {
			all = append(all, f+l)
		}
	}
	for i := len(all) - 1; i > 0; i-- {
		j := int(r.next() * float64(i+1))
		all[i], all[j] = all[j], all[i]
	}
	return slices.DeleteFunc(all, func(s string) bool { return slices.Contains(fixed, s) })
}
