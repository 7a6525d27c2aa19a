package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"bridge/polygon"
)

var noon = time.Date(2026, time.March, 2, 12, 0, 0, 0, time.UTC)

// second makes a bar of the window that starts so many seconds after noon.
func second(symbol string, n int, price float64) polygon.Aggregate {
	start := noon.Add(time.Duration(n) * time.Second).UnixMilli()
	return polygon.Aggregate{
		Symbol: symbol, StartMs: polygon.Int(start), EndMs: polygon.Int(start + 1000),
		Open: price, High: price + 1, Low: price - 1, Close: price, Volume: 100,
	}
}

func TestBoardShowsTheTruth(t *testing.T) {
	b := newBoard()
	sent := noon.Add(3 * time.Second) // the bar of noon ends a second later and is sent two seconds after that
	b.add(second("B", 0, 10), false, sent.Add(5*time.Millisecond))
	b.add(second("A", 0, 20), false, sent.Add(5*time.Millisecond))
	b.add(second("B", 1, 11), false, sent.Add(1005*time.Millisecond))
	b.add(second("B", 0, 99), true, sent.Add(1005*time.Millisecond)) // of an older window: the row stays
	b.add(second("A", 0, 21), true, sent.Add(1005*time.Millisecond)) // of the newest: it replaces the row

	want := fmt.Sprint(
		"SYMBOL   WINDOW       OPEN     HIGH      LOW    CLOSE   VOLUME  BARS CORRECTIONS\n",
		"A        12:00:00    21.00    22.00    20.00    21.00      100     2           1\n",
		"B        12:00:01    11.00    12.00    10.00    11.00      100     3           1\n")
	if got := b.table(10); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if got := b.table(1); strings.Contains(got, "\nB ") || !strings.Contains(got, "and 1 more\n") {
		t.Errorf("got\n%swant one row", got)
	}
	want = "5 bars of 2 symbols, 2 of them corrections, 2 a second; feed to consumer p50 5.0 ms, p99 5.0 ms"
	if arrived, took := b.totals(sent.Add(1005 * time.Millisecond)); arrived+"; "+took != want {
		t.Errorf("got  %s; %s\nwant %s", arrived, took, want)
	}
	want = "B 12:00:01 o 11.00 h 12.00 l 10.00 c 11.00 v 100"
	if got := b.last(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// The rate is that of the last seconds, not the mean since the start.
func TestBoardRate(t *testing.T) {
	b := newBoard()
	for _, tt := range []struct {
		second int // after noon, at the end of which the rate is asked for
		bars   int // that come in it
		want   float64
	}{
		{0, 10, 10}, {1, 10, 10}, {2, 40, 20}, {3, 0, 15}, {4, 0, 12}, {5, 0, 10}, {6, 0, 8}, {7, 0, 0}, {100, 5, 1}, {106, 0, 0},
	} {
		at := noon.Add(time.Duration(tt.second) * time.Second)
		for range tt.bars {
			b.add(second("A", tt.second, 1), false, at)
		}
		end := at.Add(time.Second)
		if tt.second == 0 {
			end = at // within the first second: what has come
		}
		if got := b.rate(end); got != tt.want {
			t.Errorf("after second %d: got %v, want %v", tt.second, got, tt.want)
		}
	}
}

func TestBoardForgetsOldLatencies(t *testing.T) {
	b := newBoard()
	late := noon.Add(3 * time.Second).Add(time.Minute)
	for range keptLatencies {
		b.add(second("A", 0, 1), false, late)
	}
	for range keptLatencies {
		b.add(second("A", 0, 1), false, late.Add(-time.Minute).Add(time.Millisecond))
	}
	if p50, p99 := b.percentiles(); p50 != time.Millisecond || p99 != time.Millisecond {
		t.Errorf("got p50 %v, p99 %v, want 1ms of what came last", p50, p99)
	}
	if len(b.latency) != keptLatencies {
		t.Errorf("got %d latencies kept, want %d", len(b.latency), keptLatencies)
	}
}

func TestScreenDrawsOverItself(t *testing.T) {
	var out strings.Builder
	s := &screen{out: &out, size: func() (rows, columns int) { return 8, 40 }}
	b := newBoard()
	for _, symbol := range []string{"A", "B", "C", "D"} {
		b.add(second(symbol, 0, 1), false, noon)
	}
	for range 2 {
		if err := s.draw(b, noon); err != nil {
			t.Fatal(err)
		}
	}
	first, again, found := strings.Cut(out.String(), "\x1b[7A\r\x1b[J")
	if !found || strings.TrimPrefix(first, eraseBelow) != again || strings.Count(again, "\n") != 7 {
		t.Errorf("got %q, want the same seven lines twice, the second over the first", out.String())
	}
	for line := range strings.Lines(again) {
		if len(line) > 41 {
			t.Errorf("got %q, which a terminal of 40 columns wraps", line)
		}
	}
}
