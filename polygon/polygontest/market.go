package polygontest

import (
	"iter"
	"math/bits"
	"math/rand/v2"
	"time"
)

// Market describes what trades. Two markets of equal description make equal bytes. The zero value trades
// nothing.
//
// Time is virtual: each second of the market makes the bars of one window and the next window starts
// 1000 ms later, however fast they are sent.
type Market struct {
	// Symbols are the tickers that trade; see the function Symbols.
	Symbols []string

	// Seed picks one of many markets.
	Seed uint64

	// PerSecond is how many second bars each second has, of as many symbols in an order of chance; at most
	// one a symbol. 0 lets nine in ten symbols trade, so that bars are missing as they are in life.
	PerSecond int

	// Minutes adds minute bars (AM) of what traded, after the last second of each minute.
	Minutes bool

	// Start is the start of the first window. The zero value is Monday 2026-03-02 14:30 UTC, the open in
	// New York, or the present where the server sends in real time.
	Start time.Time

	// Open is when the official open is known: bars of earlier windows have no "op". The zero value
	// means that all have it.
	Open time.Time

	Oddities Oddities
}

// firstWindow is where a market starts that does not say.
var firstWindow = time.Date(2026, time.March, 2, 14, 30, 0, 0, time.UTC)

// Events makes the market's events without a server, without end. They are those that a client subscribed
// to everything is sent, in the same order. Each slice is valid until the next one.
func (m Market) Events() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		var buf []byte
		for g := newGenerator(m); g.trades(); g.advance() {
			for e, ok := g.next(); ok; e, ok = g.next() {
				buf = g.append(buf[:0], e)
				if !yield(buf) {
					return
				}
			}
		}
	}
}

// params are the parameters of a subscription that the market has events for.
func (m Market) params() map[string]bool {
	params := map[string]bool{}
	channels := []string{"A."}
	if m.Minutes {
		channels = append(channels, "AM.")
	}
	for _, channel := range channels {
		for _, symbol := range m.Symbols {
			params[channel+symbol] = true
		}
		params[channel+"*"] = len(m.Symbols) > 0
	}
	return params
}

// generator makes a market's events, one at a time, second by second. One goroutine owns it.
type generator struct {
	Market
	rand  *rand.Rand
	start int64 // Unix ms of the window whose bars are made
	open  int64 // Unix ms from which on bars have "op"

	second  int                // since the start
	made    int                // second bars of this second
	due     int                // bars sent again in this second
	minute  int                // symbols whose minute bar of this minute was considered
	foreign bool               // an event of an unknown type comes next
	order   []int32            // symbols; the first ones are this second's
	state   []symbolState      // by symbol
	minutes []bar              // by symbol, of the minute so far; nil unless they are wanted
	late    [maxLate + 1][]bar // bars to be sent again, by second; a ring
	bar     bar                // the bar that next returned
}

// event tells what next made: a bar, or something foreign that mentions the bar's symbol.
type event struct {
	bar     *bar
	foreign bool
}

func newGenerator(m Market) *generator {
	if m.PerSecond == 0 {
		m.PerSecond = len(m.Symbols) - len(m.Symbols)/10
	}
	m.PerSecond = min(m.PerSecond, len(m.Symbols))
	if m.Start.IsZero() {
		m.Start = firstWindow
	}
	g := &generator{
		Market: m,
		rand:   rand.New(rand.NewPCG(m.Seed, 0)),
		start:  m.Start.Truncate(time.Second).UnixMilli(),
		order:  make([]int32, len(m.Symbols)),
		state:  make([]symbolState, len(m.Symbols)),
	}
	if m.Minutes {
		g.minutes = make([]bar, len(m.Symbols))
	}
	if !m.Open.IsZero() {
		g.open = m.Open.UnixMilli()
	}
	for i := range g.order {
		g.order[i] = int32(i)
		price := int64(2*money + g.rand.IntN(400*money)/100*100)
		g.state[i] = symbolState{price: price, dayOpen: price, otc: draw(g.rand, m.Oddities.OTC)}
	}
	return g
}

// trades reports whether there is anything to make.
func (g *generator) trades() bool { return g.PerSecond > 0 }

// advance moves on to the next second.
func (g *generator) advance() {
	g.late[g.second%len(g.late)] = g.late[g.second%len(g.late)][:0]
	g.second++
	g.start += 1000
	g.made, g.due, g.minute = 0, 0, 0
}

// next makes the next event of this second; false when the second is over. The event is valid until the
// next call.
func (g *generator) next() (event, bool) {
	if g.foreign {
		g.foreign = false
		return event{bar: &g.bar, foreign: true}, true
	}
	late := g.late[g.second%len(g.late)]
	switch {
	case g.due < len(late) && g.due*g.PerSecond < g.made*len(late): // after a new bar, and spread among them
		g.bar = late[g.due]
		g.due++
		return event{bar: &g.bar}, true
	case g.made < g.PerSecond:
		g.trade(g.pick())
		g.foreign = draw(g.rand, g.Oddities.Foreign)
		return event{bar: &g.bar}, true
	case g.Minutes && g.start%60_000 == 59_000:
		return g.nextMinute()
	}
	return event{}, false
}

// append writes what next made.
func (g *generator) append(dst []byte, e event) []byte {
	symbol := g.Symbols[e.bar.symbol]
	switch {
	case !e.foreign:
		return e.bar.append(dst, symbol)
	case e.bar.volume%2 == 0:
		return append(append(append(dst, `{"ev":"ZZ","sym":"`...), symbol...), `","s":1}`...)
	default:
		return append(append(append(dst, `{"ev":"","sym":"`...), symbol...), `"}`...)
	}
}

// pick draws a symbol that has not traded in this second: one step of a shuffle.
func (g *generator) pick() int32 {
	i := g.made
	j := i + g.rand.IntN(len(g.order)-i)
	g.order[i], g.order[j] = g.order[j], g.order[i]
	g.made++
	return g.order[i]
}

// trade makes the symbol's bar of this window, and perhaps has it sent again later.
func (g *generator) trade(symbol int32) {
	s, b := &g.state[symbol], &g.bar
	*b = bar{}
	b.symbol, b.start, b.end, b.otc = symbol, g.start, g.start+1000, s.otc

	// A quarter of a promille a second is a lively stock. Prices stay between one dollar and a thousand.
	d := dice(g.rand.Uint64())
	reach := int(s.price/4000/100 + 1)
	cents := func() int64 { return int64(d.roll(reach+1)) * 100 }
	b.open = s.price + cents() - cents()
	b.close = b.open + cents() - cents()
	b.high = max(b.open, b.close) + cents()
	b.low = min(b.open, b.close) - cents()
	b.vwap = b.low + int64(d.roll(int(b.high-b.low)+1))
	if d.roll(20) == 0 {
		b.vwap = b.high + 37 // odd lots count for the average but not for high and low
	}
	s.price = min(max(b.close, 1*money), 1000*money)

	d = dice(g.rand.Uint64())
	b.volume = g.volume(&d)
	b.size = max(1, b.volume/parts/int64(1+d.roll(9))) * 10
	if b.oddSize = draw(g.rand, g.Oddities.OddSize); b.oddSize {
		b.size += int64(d.roll(2)) * 5
	}
	s.add(b)
	if g.start >= g.open {
		b.dayOpen = s.dayOpen
	}
	b.extra = draw(g.rand, g.Oddities.Extra)
	if draw(g.rand, g.Oddities.Reordered) {
		b.order = int8(1 + g.rand.IntN(len(fieldOrders)-1))
	}
	if g.Minutes {
		g.minutes[symbol].gather(b)
	}
	g.comeAgain(b)
}

// volume draws a window's volume in parts of a share.
func (g *generator) volume(d *dice) int64 {
	if draw(g.rand, g.Oddities.SubShare) {
		return 7_300
	}
	shares := int64(1 + d.roll(1+d.roll(2000)))
	if draw(g.rand, g.Oddities.Fractional) {
		return shares*parts + int64(g.rand.IntN(parts))
	}
	return shares * parts
}

// nextMinute makes the next minute bar of the minute that ends with this second.
func (g *generator) nextMinute() (event, bool) {
	for g.minute < len(g.minutes) {
		m := &g.minutes[g.minute]
		g.minute++
		if m.volume > 0 {
			g.bar = *m
			m.volume = 0
			g.comeAgain(&g.bar)
			return event{bar: &g.bar}, true
		}
	}
	return event{}, false
}

// comeAgain decides whether the bar is sent again, and as what.
func (g *generator) comeAgain(b *bar) {
	switch {
	case draw(g.rand, g.Oddities.Corrected):
		again := *b
		late := int64(1+g.rand.IntN(100)) * parts
		again.volume += late
		again.dayVolume += late
		g.state[b.symbol].dayVolume += late
		g.schedule(again)
	case draw(g.rand, g.Oddities.Repeated):
		g.schedule(*b)
	}
}

func (g *generator) schedule(b bar) {
	slot := (g.second + delay(g.rand)) % len(g.late)
	g.late[slot] = append(g.late[slot], b)
}

// dice is one random number from which several small ones are taken: as one would read digits after the
// point, each in its own base. The product of the bases must stay far below 2^64.
type dice uint64

// roll takes a number from 0 to n-1.
func (d *dice) roll(n int) int {
	digit, rest := bits.Mul64(uint64(*d), uint64(n))
	*d = dice(rest)
	return int(digit)
}
