package bridge

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"bridge/polygon"
	"bridge/polygon/polygontest"
)

// checkGaps compares the records of gaps with the tape. Each is whole. What the stream lacks of the tape was missed in one of
// them, so that it will be asked for. None is of a time in which what was sent is in the stream.
func (w *world) checkGaps(gaps []gap, tape []missable, bars []storedBar) {
	w.t.Helper()
	report := w.differences("wrong gaps and events")
	for _, e := range tape {
		if !e.stored && !e.revision && !slices.ContainsFunc(gaps, func(g gap) bool { return w.knows(g, e) }) {
			report("sent at %v in session %d, not stored, and of no gap: %s", e.at, e.Session, e.Raw)
		}
	}
	for _, g := range gaps {
		if newest := newestAt(g.To, bars); ofStart(g) && newest.end.After(g.From) {
			report("in the stream when the gap was over: %s\nall the same in gap %s", newest.raw, g.encode())
		}
		if session := w.around(g, tape); session > 0 {
			report("session %d goes on over gap %s", session, g.encode())
		}
		for _, e := range w.superfluous(g, tape) {
			report("sent at %v in session %d, and stored: %s\nall the same in gap %s", e.at, e.Session, e.Raw, g.encode())
		}
	}
	w.t.Logf("%d gaps", len(gaps))
}

// newestAt returns, of the bars of the feed that were the last of their subjects at a time, the one that ended last.
func newestAt(at time.Time, bars []storedBar) (newest storedBar) {
	last := make(map[string]storedBar)
	for _, b := range bars {
		if b.at.Before(at) && !b.dead {
			last[b.subject] = b
		}
	}
	for _, b := range last {
		if !b.rest && b.end.After(newest.end) {
			newest = b
		}
	}
	return newest
}

// superfluous returns what is of a gap's time, and yet stored. At a start, a bridge knows of what another one has read, and of what its
// own disk has lost, only from the stream.
func (w *world) superfluous(g gap, tape []missable) (all []missable) {
	of := w.recorder(g)
	if ofMarket(g) || ofStart(g) && (of == nil || of.forgot) {
		return nil
	}
	late := time.Duration(0) // by how much a gap may seem to begin too early
	if w.present {
		late = 2 * time.Second // it begins with the newest bar's end; the bar was made within a second of that, and sent some time later
	}
	before := 0   // the newest session that was read before the gap
	began := true // the next session, behind the gap: nothing of it streamed before
	next := 0     // the session that ended the gap
	if of != nil {
		next = of.sessionAt(g.To)
	}
	for _, e := range tape {
		if e.stored && !e.repeated && !e.at.After(g.From.Add(late)) && !(ofStart(g) && w.hostOf(e.Session) != of) {
			before = max(before, e.Session)
		}
		began = began && (e.Session != next || !e.stored || w.streamed(e).After(g.From))
	}
	refusing := w.refusing(g, tape)
	for _, e := range tape {
		switch {
		case !e.stored || e.repeated || ofStart(g) && w.hostOf(e.Session) != of:
		case !e.at.Before(refusing.from) && e.at.Before(refusing.to):
		case e.Session <= before && e.at.After(g.From.Add(late)) && e.at.Before(g.To):
			all = append(all, e)
		case of == nil || w.hostOf(e.Session) != of:
		case w.streamed(e).After(g.From) && e.at.Before(g.To) && (e.Session < next || g.Reason == reasonQueueFull):
			all = append(all, e)
		case e.Session == next && began && of.hadRead(e.Sent, g.To): // it ends too late
			all = append(all, e)
		}
	}
	return all
}

// streamed is a time at which a bridge that has read the event knows that the feed streamed: the end of a bar, in a market of the present.
func (w *world) streamed(e missable) time.Time {
	if w.present {
		return e.end
	}
	return e.at
}

// around returns a session of which something was read both before a gap and after it, where the gap is said to be between two.
func (w *world) around(g gap, tape []missable) (session int) {
	of := w.recorder(g)
	if of == nil || w.tight || g.Reason == reasonDamaged || g.Reason == reasonSubscribing {
		return 0
	}
	before := make(map[int]bool)
	for _, e := range tape {
		switch {
		case !e.stored || e.repeated || w.hostOf(e.Session) != of:
		case e.at.Before(g.From):
			before[e.Session] = true
		case e.at.After(g.To) && before[e.Session]:
			return e.Session
		}
	}
	return 0
}

// recorder returns the bridge that has recorded a gap, nil when that is not known: of two, one may have been killed before it could say so.
func (w *world) recorder(g gap) *host {
	if !w.pair {
		return w.host
	}
	line := fmt.Sprintf("from=%s to=%s", g.From.Format(logTime), g.To.Format(logTime))
	for _, h := range w.hosts {
		if strings.Contains(h.bridge.log.String(), line) {
			return h
		}
	}
	return nil
}

// logTime is how times stand in the log.
const logTime = "2006-01-02T15:04:05.000Z07:00"

// ofStart reports whether a gap was found when a process began to feed.
func ofStart(g gap) bool { return g.Reason == reasonRestart || g.Reason == reasonTakeover }

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

// ofMarket reports whether a gap begins at a time of the schedule's market.
func ofMarket(g gap) bool { return g.length() > longestStop }

// readGaps returns the gaps that were recorded. Each is whole, there is one for every outcome, and none twice.
func (w *world) readGaps(records []storedEvent) (gaps []gap) {
	w.t.Helper()
	seen := make(map[string]bool)
	for _, r := range records {
		g, err := parseGap([]byte(r.raw))
		switch {
		case err != nil:
			w.t.Errorf("gap %s: %v", r.raw, err)
		case seen[g.messageID()]:
			w.t.Errorf("gap twice: %s", r.raw)
		case g.State != gapOpen && !seen[gap{ID: g.ID, State: gapOpen}.messageID()]:
			w.t.Errorf("outcome without a gap: %s", r.raw)
		case g.To.Before(g.From):
			w.t.Errorf("gap ends before it begins: %s", r.raw)
		case g.State == gapOpen:
			gaps = append(gaps, g)
		}
		seen[g.messageID()] = true
	}
	return gaps
}
