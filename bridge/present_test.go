package bridge

import (
	"fmt"
	"math/rand/v2"
	"time"

	"bridge/polygon/polygontest"
)

// present is a market of the present. No two of its events are equal, as each has a volume of its own.
type present struct {
	rng     *rand.Rand
	symbols []string
	volume  int
	bars    []string // that were made, without what the versions of one differ in
}

// newPresent returns a market in which each symbol trades at once, so that the stream knows of it.
func newPresent(rng *rand.Rand, symbols int) *present {
	return &present{rng: rng, symbols: polygontest.Symbols(symbols)}
}

// event is a bar of the second that has just ended, or of the minute, or one of those before in another version.
func (p *present) event() ([]byte, bool) {
	typ, symbol := "A", p.symbols[p.volume/2%len(p.symbols)]
	switch {
	case p.volume < 2*len(p.symbols): // both kinds of bars of each symbol
		if p.volume%2 == 1 {
			typ = "AM"
		}
	case p.rng.IntN(5) == 0:
		return p.version(p.bars[p.rng.IntN(len(p.bars))]), true
	default:
		symbol = p.symbols[p.rng.IntN(len(p.symbols))]
		if p.rng.IntN(10) == 0 {
			typ = "AM"
		}
	}
	return p.bar(typ, symbol, time.Now()), true
}

// bar is the bar whose window has ended last at a time.
func (p *present) bar(typ, symbol string, at time.Time) []byte {
	length := time.Second
	if typ == "AM" {
		length = time.Minute
	}
	end := at.Truncate(length)
	bar := fmt.Sprintf(`"ev":%q,"sym":%q,"s":%d,"e":%d`, typ, symbol, end.Add(-length).UnixMilli(), end.UnixMilli())
	p.bars = append(p.bars, bar)
	return p.version(bar)
}

// version is another version of a bar.
func (p *present) version(bar string) []byte {
	p.volume++
	return fmt.Appendf(nil, `{%s,"v":%d,"o":1,"c":1,"h":1,"l":1}`, bar, p.volume)
}

// letAsk lets REST have the bars of a frame, where gaps are filled.
func (v *vendor) letAsk(frame []byte) {
	if v.fills {
		v.Past(frame)
		v.made = append(v.made, madeFrame{time.Now(), frame})
	}
}

// missed makes bars that no session is sent, of the seconds before the present one, where gaps are filled.
func (v *vendor) missed() {
	if !v.fills {
		return
	}
	for range 10 {
		symbol := v.present.symbols[v.rng.IntN(len(v.present.symbols))]
		at := time.Now().Add(-time.Duration(1+v.rng.IntN(10)) * time.Second)
		v.letAsk(fmt.Appendf(nil, "[%s]", v.present.bar("A", symbol, at)))
	}
}

// madeFrame is a frame whose bars REST has, since a time.
type madeFrame struct {
	at    time.Time
	frame []byte
}

// troubleREST makes some requests fail, no more than the bridge puts up with for one ticker. A refusal of one too many is not among them, as
// the bridge asks slowly for minutes after it, nor is silence, which it bears for a minute: a schedule has no time for either.
func (v *vendor) troubleREST(n int) {
	troubles := []polygontest.RESTFault{polygontest.RESTBroken(503), polygontest.RESTCut(), {}}
	for range 1 + n%(askAttempts-1) {
		v.NextREST(troubles[v.fates.IntN(len(troubles))])
	}
}
