package polygontest

import "math/rand/v2"

// Oddities are the shares, from 0 to 1, of bars that differ from the plain form. The zero value makes a
// plain market: every bar once, whole shares, always the same fields in the same order.
type Oddities struct {
	// Corrected bars are sent again 1 to 900 s later, mostly soon: the same s, larger v and av, as late
	// trades make them. From then on av includes the late trades.
	Corrected float64

	// Repeated bars are sent again 1 to 900 s later, byte for byte.
	Repeated float64

	// Fractional bars hold fractions of shares: v and av are cut to whole shares, dv and dav are exact.
	Fractional float64

	// SubShare bars hold less than one share: v is 0 and dv is "0.007300".
	SubShare float64

	// OddSize bars write the average trade size z as 12.0 or 12.5, where the vendor documents an integer.
	OddSize float64

	// OTC is the share of symbols whose bars carry "otc":true.
	OTC float64

	// Extra bars carry a field that nobody has documented yet.
	Extra float64

	// Reordered bars have their fields in another order.
	Reordered float64

	// Foreign events follow a bar that has them: an "ev" that the market does not have, or an empty one.
	Foreign float64
}

// Typical returns rates like those of the live feed, where they are known, and guesses where they are not.
// It holds no Foreign events.
func Typical() Oddities {
	return Oddities{
		Corrected: 0.01, Repeated: 0.002, Fractional: 0.3, SubShare: 0.01, OddSize: 0.05,
		OTC: 0.05, Extra: 0.01, Reordered: 0.02,
	}
}

// maxLate is how many seconds after its first sending a bar may come again: the vendor holds late trades
// for about 15 minutes.
const maxLate = 900

// delay draws after how many seconds a bar comes again. Trade reports are late by seconds more often than
// by minutes.
func delay(r *rand.Rand) int {
	return 1 + min(r.IntN(maxLate), r.IntN(maxLate), r.IntN(maxLate))
}

// draw is true for a share of its calls. It draws nothing for 0, so plain markets pay nothing.
func draw(r *rand.Rand, share float64) bool {
	return share > 0 && r.Float64() < share
}
