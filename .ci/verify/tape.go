package main

import (
	"fmt"
	"strings"
	"time"

	"bridge/polygon/polygontest"
)

const subjectPrefix = "stocks.agg."

// market is what the command simulate trades by default, from a start on.
func market(start time.Time) polygontest.Market {
	return polygontest.Market{
		Symbols:   polygontest.Symbols(100),
		Seed:      1,
		PerSecond: 90,
		Minutes:   true,
		Start:     start,
		Oddities:  polygontest.Typical(),
	}
}

// sendDelay is from a window's start to when its bars are sent: its length, and 2 s for late trades.
const sendDelay = 3 * time.Second

// longestWait is how long after the simulator's start the bridge may have been away.
const longestWait = 2 * time.Minute

// tape is what the simulator has sent, in order, to whoever listened.
type tape struct {
	events []event
	places map[string][]int // of an event, in events
	lives  []time.Time      // starts of the market: one for each start of the simulator
}

// event is a second bar as it was sent.
type event struct {
	bar
	raw   string
	life  int       // of the simulator, from 0
	sent  time.Time // when it was due
	again bool      // the bar was sent before: a correction, or a repetition
}

func (e event) key() key { return key{e.Sym, e.S} }

// key says which bar it is, in whatever version.
type key struct {
	symbol string
	start  int64
}

// replay makes what the simulator has sent, as far as the stream reaches. Messages that it does not explain begin a new life.
func replay(messages []message) (*tape, error) {
	newest := int64(0)
	for _, m := range messages {
		if b, err := parseBar(m.raw); err == nil && !m.rest && strings.HasPrefix(m.subject, subjectPrefix) {
			newest = max(newest, b.S)
		}
	}
	t := &tape{}
	for _, m := range messages {
		if m.rest || !strings.HasPrefix(m.subject, subjectPrefix) || len(t.places[m.raw]) > 0 {
			continue
		}
		start, err := findStart(m)
		if err != nil {
			return nil, err
		}
		if n := len(t.lives); n > 0 && !start.After(t.lives[n-1]) {
			return nil, m.problem("was never sent")
		}
		t.begin(start, time.UnixMilli(newest))
	}
	return t, nil
}

// findStart returns the start of the market that sends the message, which is among the first of the simulator's life.
func findStart(m message) (time.Time, error) {
	b, err := parseBar(m.raw)
	if err != nil {
		return time.Time{}, m.problem("%v", err)
	}
	window := time.UnixMilli(b.S)
	for wait := time.Duration(0); wait <= longestWait; wait += time.Second {
		for e := range play(window.Add(-wait), window) {
			if e.raw == m.raw {
				return window.Add(-wait), nil
			}
		}
	}
	return time.Time{}, m.problem("was never sent")
}

// begin ends the life of the simulator, if there was one, and adds the next, up to the window of the market that starts at last.
func (t *tape) begin(start, last time.Time) {
	dead := start.Add(sendDelay) // from here on, at the latest
	n := 0
	for n < len(t.events) && t.events[n].sent.Before(dead) {
		n++
	}
	t.events = t.events[:n]
	seen := make(map[key]bool)
	for e := range play(start, last) {
		e.life = len(t.lives)
		e.again = seen[e.key()]
		seen[e.key()] = true
		t.events = append(t.events, e)
	}
	t.lives = append(t.lives, start)
	t.places = make(map[string][]int)
	for i, e := range t.events {
		t.places[e.raw] = append(t.places[e.raw], i)
	}
}

// play yields the second bars that a market sends which starts at start, up to the second in which the window is new that starts at last.
func play(start, last time.Time) func(yield func(event) bool) {
	return func(yield func(event) bool) {
		window := start
		for raw := range market(start).Events() {
			e := event{raw: string(raw)}
			if !strings.Contains(e.raw, `"ev":"A"`) {
				continue
			}
			var err error
			if e.bar, err = parseBar(e.raw); err != nil {
				panic(fmt.Sprintf("the simulator's %s: %v", raw, err))
			}
			if s := time.UnixMilli(e.S); s.After(window) {
				window = s
			}
			if window.After(last) {
				return
			}
			e.sent = window.Add(sendDelay)
			if !yield(e) {
				return
			}
		}
	}
}
