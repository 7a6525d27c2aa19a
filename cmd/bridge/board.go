package main

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"bridge/polygon"
)

// sendDelay is how long the vendor, and the simulated one too, waits after a window before it sends the bar.
const sendDelay = 2 * time.Second

// keptLatencies is over how many of the newest bars the percentiles are taken.
const keptLatencies = 4096

// rateOver is over how many of the last whole seconds the rate is taken.
const rateOver = 5

// board is what the demo shows: the newest bar of each symbol, and totals.
type board struct {
	mu      sync.Mutex // guards everything below
	rows    map[string]*row
	newest  polygon.Aggregate
	bars    int
	revised int
	latency []time.Duration // a ring, once it is full
	first   time.Time       // when the first bar came
	arrived [rateOver + 1]arrivals
}

// arrivals are the bars that came in one second, of a ring of seconds.
type arrivals struct {
	second int64 // of Unix time
	bars   int
}

// row is one symbol.
type row struct {
	bar     polygon.Aggregate // the newest version of the newest window
	bars    int
	revised int
}

func newBoard() *board { return &board{rows: make(map[string]*row)} }

// add takes a message of the stream. A revision replaces the bar of its window, which is what a consumer
// has to do; only a newer window replaces a row.
func (b *board) add(v polygon.Aggregate, revision bool, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.rows[v.Symbol]
	if r == nil {
		r = &row{}
		b.rows[v.Symbol] = r
	}
	if v.StartMs >= r.bar.StartMs {
		r.bar = v
	}
	if b.bars == 0 {
		b.first = now
	}
	b.bars++
	r.bars++
	b.count(now.Unix())
	if revision {
		b.revised++
		r.revised++
		return
	}
	b.newest = v
	b.note(now.Sub(time.UnixMilli(int64(v.EndMs)).Add(sendDelay)))
}

// count counts a bar that came in a second.
func (b *board) count(second int64) {
	a := &b.arrived[second%int64(len(b.arrived))]
	if a.second != second {
		*a = arrivals{second: second}
	}
	a.bars++
}

// note keeps how long a bar took from the feed's hands to ours.
func (b *board) note(d time.Duration) {
	if len(b.latency) < keptLatencies {
		b.latency = append(b.latency, d)
		return
	}
	b.latency[(b.bars-b.revised)%keptLatencies] = d
}

// percentiles returns the median and the 99th percentile of the latencies.
func (b *board) percentiles() (p50, p99 time.Duration) {
	if len(b.latency) == 0 {
		return 0, 0
	}
	sorted := slices.Sorted(slices.Values(b.latency))
	return sorted[len(sorted)/2], sorted[len(sorted)*99/100]
}

// totals is what arrived and how fast, and how long it took.
func (b *board) totals(now time.Time) (arrived, took string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p50, p99 := b.percentiles()
	return fmt.Sprintf("%d bars of %d symbols, %d of them corrections, %.0f a second", b.bars, len(b.rows), b.revised, b.rate(now)),
		fmt.Sprintf("feed to consumer p50 %s, p99 %s", milliseconds(p50), milliseconds(p99))
}

// last is one line about the newest bar.
func (b *board) last() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.bars == 0 {
		return "no bar yet"
	}
	v := b.newest
	return fmt.Sprintf("%s %s o %.2f h %.2f l %.2f c %.2f v %.0f", v.Symbol, window(v), v.Open, v.High, v.Low, v.Close, v.Volume)
}

// The table has the 80 columns of a terminal.
const (
	headFormat = "%-8s %-8s %8s %8s %8s %8s %8s %5s %11s\n"
	rowFormat  = "%-8s %-8s %8.2f %8.2f %8.2f %8.2f %8.0f %5d %11d\n"
)

// table is the newest bar of each symbol, of at most so many symbols.
func (b *board) table(symbols int) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var t strings.Builder
	fmt.Fprintf(&t, headFormat, "SYMBOL", "WINDOW", "OPEN", "HIGH", "LOW", "CLOSE", "VOLUME", "BARS", "CORRECTIONS")
	names := make([]string, 0, len(b.rows))
	for name := range b.rows {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names[:min(len(names), symbols)] {
		r := b.rows[name]
		v := r.bar
		fmt.Fprintf(&t, rowFormat, v.Symbol, window(v), v.Open, v.High, v.Low, v.Close, v.Volume, r.bars, r.revised)
	}
	if more := len(names) - symbols; more > 0 {
		fmt.Fprintf(&t, "and %d more\n", more)
	}
	return t.String()
}

// window is the time of day at which a bar's window starts, in UTC.
func window(v polygon.Aggregate) string {
	return v.Start().Format(time.TimeOnly)
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}

// rate is how many bars a second came in the last whole seconds; in the first second, how many have come.
func (b *board) rate(now time.Time) float64 {
	if b.bars == 0 {
		return 0
	}
	seconds := min(now.Unix()-b.first.Unix(), rateOver)
	if seconds < 1 {
		return float64(b.bars)
	}
	bars := 0
	for _, a := range b.arrived {
		if now.Unix()-seconds <= a.second && a.second < now.Unix() {
			bars += a.bars
		}
	}
	return float64(bars) / float64(seconds)
}
