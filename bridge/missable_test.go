package bridge

import (
	"time"

	"bridge/polygon"
	"bridge/polygon/polygontest"
)

// missable is an event of the tape that may have been missed.
type missable struct {
	polygontest.Sent
	at       time.Time // when it was sent, as exact as gaps are
	stored   bool      // maybe as a copy that was sent before or after
	repeated bool      // there are such copies
	revision bool      // of a bar that was sent before; the REST API is not asked for those
	start    time.Time // of a bar's window, in the time of the market; zero for other events
	end      time.Time // of the window
}

// missable returns the tape.
func (w *world) missable(have map[string][]storedEvent) (tape []missable) {
	stored := make(map[string]bool)
	for _, events := range have {
		for _, e := range events {
			stored[e.raw] = true
		}
	}
	copies := make(map[string]int)
	newest := make(map[string]time.Time)
	for _, sent := range w.vendor.sent() {
		raw := string(sent.Raw)
		copies[raw]++
		e := missable{Sent: sent, at: sent.At.Truncate(time.Millisecond), stored: stored[raw]}
		parsed := polygon.Stocks.Split(nil, []byte("["+raw+"]"))[0]
		if parsed.Fault == "" && parsed.Channel.Kind.Aggregate() {
			e.start, e.end = time.UnixMilli(parsed.Time), windowEnd(sent.Raw)
			subject := subjectOf(w.t, sent.Raw)
			e.revision = w.vendor.changes[raw] || !e.start.After(newest[subject])
			if !e.revision {
				newest[subject] = e.start
			}
		}
		tape = append(tape, e)
	}
	for i := range tape {
		tape[i].repeated = copies[string(tape[i].Raw)] > 1
	}
	return tape
}

// streamed is a time at which a bridge that has read the event knows that the feed streamed: the end of a bar, in a market of the present.
func (w *world) streamed(e missable) time.Time {
	if w.present {
		return e.end
	}
	return e.at
}

// isOf reports whether the event was missed in a gap. That of a restart may begin where the newest bar in the stream ends, and
// the market of a schedule has its own time.
func (e missable) isOf(g gap) bool {
	switch {
	case e.at.After(g.To.Add(afterGap)):
		return false
	case ofMarket(g):
		first, _ := g.windows().starts(time.Minute)
		return e.start.IsZero() || !e.start.Before(first)
	}
	return !e.at.Before(g.From.Add(-beforeGap))
}
