package bridge

import (
	"slices"
	"time"

	"bridge/polygon"
	"bridge/polygon/polygontest"
)

// checkGaps compares the records of gaps with the tape. Each is whole. What the stream lacks of the tape was missed in one of
// them, so that it will be asked for. None is of a time in which what was sent is in the stream.
func (w *world) checkGaps(gaps []gap, tape []missable) {
	w.t.Helper()
	report := w.differences("wrong gaps and events")
	for _, e := range tape {
		if !e.stored && !e.revision && !slices.ContainsFunc(gaps, func(g gap) bool { return w.knows(g, e) }) {
			report("sent at %v in session %d, not stored, and of no gap: %s", e.at, e.Session, e.Raw)
		}
	}
	late := time.Duration(0) // by how much a gap may seem to begin too early
	if w.fills {
		late = 2 * time.Second // it begins with the newest bar's end; the bar was made within a second of that, and sent some time later
	}
	for _, g := range gaps {
		if w.tight { // takes and refuses by turns
			break
		}
		if ofMarket(g) || ofStart(g) && (w.forgot || w.pair) {
			// It may begin long before: when what is stored came is not known any more, or only to the other bridge. That tells the time
			// by its bars, and the market of a schedule has its own. Of two bridges, the other may also have read more, and store it later.
			continue
		}
		before := 0 // the newest session that was read before the gap
		for _, e := range tape {
			switch {
			case !e.stored || e.repeated:
			case !e.at.After(g.From.Add(late)):
				before = max(before, e.Session)
			case e.at.Before(g.To) && e.Session <= before:
				report("sent at %v in session %d, and stored: %s\nall the same in gap %s", e.at, e.Session, e.Raw, g.encode())
			}
		}
	}
	w.t.Logf("%d gaps", len(gaps))
}

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
			e.start = time.UnixMilli(parsed.Time)
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
