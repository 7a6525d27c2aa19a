package polygontest

import (
	"cmp"
	"math"
	"slices"
	"sync"
	"time"

	"bridge/polygon"
)

// endOfDays is behind every window, in ms, with room for a delay.
const endOfDays = math.MaxInt64 / 2

// past is what the market has made, and what a test says it has, each bar in its last version.
type past struct {
	keep int64 // ms; 0 or less keeps nothing
	feed polygon.Market

	mu      sync.Mutex       // guards what follows
	tickers []string         // of REST, by symbol: those of the market, then the others as they came
	symbols map[string]int32 // by ticker
	seconds [][]bar          // by symbol, in order
	minutes [][]bar          // likewise
	newest  int64            // end of the newest bar, ms
	behind  int64            // by how much the market's time is behind the clock where it trades in real time, ms
}

func newPast(keep time.Duration, feed polygon.Market, symbols []string) *past {
	p := &past{keep: keep.Milliseconds(), feed: feed, symbols: map[string]int32{}}
	if p.keep > 0 {
		for _, symbol := range symbols {
			p.enter(feed.RESTTicker(symbol))
		}
	}
	return p
}

// enter gives a ticker the next index.
func (p *past) enter(ticker string) int32 {
	i := int32(len(p.tickers))
	p.symbols[ticker] = i
	p.tickers = append(p.tickers, ticker)
	p.seconds, p.minutes = append(p.seconds, nil), append(p.minutes, nil)
	return i
}

// known is every ticker, by symbol. The slice must not be changed.
func (p *past) known() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clip(p.tickers)
}

// symbol returns the index of a ticker; false if nobody has heard of it.
func (p *past) symbol(ticker string) (int32, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i, ok := p.symbols[ticker]
	return i, ok
}

// begin makes what was traded in a time before a market's first second.
func (p *past) begin(m Market, first int64, length time.Duration) {
	if length <= 0 {
		return
	}
	m.Start = time.UnixMilli(first).Add(-length)
	for g := newGenerator(m); g.trades() && g.start < first; g.advance() {
		for e, ok := g.next(); ok; e, ok = g.next() {
			if !e.foreign {
				p.add(e.bar)
			}
		}
	}
}

// open notes when the market's first second, which starts at start, is sent.
func (p *past) open(start int64, sent time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.behind = sent.UnixMilli() - (start + 1000 + broadcastDelay.Milliseconds())
}

// realTime is the market's time at a moment of the clock, ms.
func (p *past) realTime(now time.Time) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return now.UnixMilli() - p.behind
}

// virtualTime is when the newest second would have been sent, ms.
func (p *past) virtualTime() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.newest + broadcastDelay.Milliseconds()
}

// add notes a bar, or what it is after a correction.
func (p *past) add(b *bar) {
	if p.keep <= 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.put(b)
}

// addOf notes a bar of a symbol that the market need not have.
func (p *past) addOf(symbol string, b bar) {
	ticker := p.feed.RESTTicker(symbol)
	if p.keep <= 0 || ticker == "" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	i, ok := p.symbols[ticker]
	if !ok {
		i = p.enter(ticker)
	}
	b.symbol = i
	p.put(&b)
}

// put puts a bar where it belongs, unless it is too old to be kept, and forgets what has become so.
func (p *past) put(b *bar) {
	p.newest = max(p.newest, b.end)
	bars := &p.of(b.minute)[b.symbol]
	if i, again := place(*bars, b.start); again {
		(*bars)[i] = *b
	} else {
		*bars = slices.Insert(*bars, i, *b)
	}
	for newest := (*bars)[len(*bars)-1].start; newest-(*bars)[0].start > p.keep; {
		*bars = (*bars)[1:]
	}
}

func (p *past) of(minute bool) [][]bar {
	if minute {
		return p.minutes
	}
	return p.seconds
}

// bars returns the symbol's bars whose windows start from from to to, both included, and end by until; at most limit
// of them, the earliest, or the latest in backward order.
func (p *past) bars(minute bool, symbol int32, from, to, until int64, limit int, backward bool) []bar {
	p.mu.Lock()
	defer p.mu.Unlock()
	bars := p.of(minute)[symbol]
	first, _ := place(bars, from)
	behind, _ := place(bars, min(to, endOfDays)+1)
	bars = bars[first:max(first, behind)]
	for len(bars) > 0 && bars[len(bars)-1].end > until {
		bars = bars[:len(bars)-1]
	}
	if !backward {
		return slices.Clone(bars[:min(limit, len(bars))])
	}
	bars = slices.Clone(bars[max(0, len(bars)-limit):])
	slices.Reverse(bars)
	return bars
}

// place returns where among the bars the one is that starts at start, or would be.
func place(bars []bar, start int64) (int, bool) {
	return slices.BinarySearchFunc(bars, start, func(b bar, start int64) int { return cmp.Compare(b.start, start) })
}
