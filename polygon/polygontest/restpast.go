package polygontest

import (
	"cmp"
	"math"
	"slices"
	"sync"
	"time"
)

// endOfDays is behind every window, in ms, with room for a delay.
const endOfDays = math.MaxInt64 / 2

// past is what the market has made, each bar in its last version.
type past struct {
	keep    int64            // ms; 0 keeps nothing
	symbols map[string]int32 // index of each symbol of the market

	mu      sync.Mutex // guards what follows
	seconds [][]bar    // by symbol, in order
	minutes [][]bar    // likewise
	newest  int64      // end of the newest second, ms
	behind  int64      // by how much the market's time is behind the clock where it trades in real time, ms
}

func newPast(keep time.Duration, symbols []string) *past {
	p := &past{keep: keep.Milliseconds(), symbols: map[string]int32{}}
	if p.keep == 0 {
		return p
	}
	for i, symbol := range symbols {
		p.symbols[symbol] = int32(i)
	}
	p.seconds, p.minutes = make([][]bar, len(symbols)), make([][]bar, len(symbols))
	return p
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
	if p.keep == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.newest = max(p.newest, b.end)
	bars := &p.of(b.minute)[b.symbol]
	if i, again := place(*bars, b.start); again {
		(*bars)[i] = *b
	} else if i == len(*bars) { // else it was forgotten before it was corrected
		*bars = append(*bars, *b)
		for b.start-(*bars)[0].start > p.keep {
			*bars = (*bars)[1:]
		}
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
