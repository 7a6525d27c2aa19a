package bridge

import (
	"fmt"
	"slices"
	"strings"
	"time"

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
	unknown := 0
	for _, g := range gaps {
		if newest := newestAt(g.To, bars); ofStart(g) && newest.end.After(g.From) {
			report("in the stream when the gap was over: %s\nall the same in gap %s", newest.raw, g.encode())
		}
		if g.Reason == reasonQueueFull && !w.tight {
			report("the queue was never full, and there is gap %s", g.encode())
		}
		of := w.recorder(g)
		if of == nil {
			unknown++
		}
		if session := w.around(g, of, tape); session > 0 {
			report("session %d goes on over gap %s", session, g.encode())
		}
		if latest, known := w.latestBegin(g, of, tape); known && g.From.After(latest) {
			report("no session was on after %v, and later begins gap %s", latest, g.encode())
		}
		had := w.had(g, of, tape)
		for _, e := range w.tooEarly(g, of, had) {
			report("sent at %v in session %d, and stored: %s\nand before it begins gap %s", e.at, e.Session, e.Raw, g.encode())
		}
		for _, e := range w.tooLate(g, of, had) {
			report("sent at %v in session %d, read and stored: %s\nand only then ends gap %s", e.at, e.Session, e.Raw, g.encode())
		}
	}
	w.t.Logf("%d gaps, of which %d may be of either bridge", len(gaps), unknown)
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

// had returns the events that are in the stream, and that a gap's recorder must have known of. At a start, a bridge knows of what another one
// has read, and of what its own disk has lost, only from the stream.
func (w *world) had(g gap, of *host, tape []missable) (had []missable) {
	if ofMarket(g) || ofStart(g) && (of == nil || of.forgot) {
		return nil
	}
	refusing := w.refusing(g, tape)
	for _, e := range tape {
		if e.stored && !e.repeated && !refusing.has(e.at) && (!ofStart(g) || w.hostOf(e.Session) == of) {
			had = append(had, e)
		}
	}
	return had
}

// tooEarly returns what came before a gap, and yet is of its time.
func (w *world) tooEarly(g gap, of *host, had []missable) (all []missable) {
	from := g.From
	if w.present {
		from = from.Add(2 * time.Second) // it begins with the newest bar's end; the bar was made within a second of that, and sent some time later
	}
	before := 0 // the newest session that was read before the gap
	for _, e := range had {
		if !e.at.After(from) {
			before = max(before, e.Session)
		}
	}
	next := w.sessionAt(of, g.To)
	for _, e := range had {
		own := of != nil && w.hostOf(e.Session) == of
		switch {
		case !e.at.Before(g.To):
		case e.Session <= before && e.at.After(from): // the session went on
			all = append(all, e)
		case own && (e.Session < next || g.Reason == reasonQueueFull) && w.streamed(e).After(g.From):
			all = append(all, e)
		}
	}
	return all
}

// tooLate returns what the session that ended a gap has read before that.
func (w *world) tooLate(g gap, of *host, had []missable) (all []missable) {
	if !betweenSessions(g) {
		return nil
	}
	next := w.sessionAt(of, g.To)
	for _, e := range had {
		if e.Session == next && of.hadRead(e.Sent, g.To) {
			all = append(all, e)
		}
	}
	return all
}

// around returns a session of which something was read both before a gap and after it, where the gap is said to be between two.
func (w *world) around(g gap, of *host, tape []missable) (session int) {
	if of == nil || w.tight || !betweenSessions(g) {
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

// latestBegin is the time by which a gap between two sessions begins, if it is known: when the first of them ended. It is when the second began
// where nothing that came in the first was read, and where bars do not tell a bridge that was paused how long they have waited for it.
func (w *world) latestBegin(g gap, of *host, tape []missable) (latest time.Time, known bool) {
	next := w.sessionAt(of, g.To)
	if next == 0 || !betweenSessions(g) {
		return time.Time{}, false
	}
	var first polygontest.Subscriber
	for _, s := range w.vendor.FormerSubscribers() {
		switch {
		case s.Session == next:
			latest = s.Since
		case s.Session < next && s.Session > first.Session && (ofStart(g) || s.Key == of.key):
			first = s
		}
	}
	if w.present && slices.ContainsFunc(tape, func(e missable) bool { return e.Session == first.Session && e.stored }) && first.Until.Before(latest) {
		latest = first.Until
	}
	return latest, true
}

// betweenSessions reports whether a gap is of a time in which its recorder had no session.
func betweenSessions(g gap) bool {
	return g.Reason != reasonQueueFull && g.Reason != reasonSubscribing && g.Reason != reasonDamaged
}

// sessionAt returns a bridge's newest session that had begun by a time, 0 for none.
func (w *world) sessionAt(of *host, at time.Time) (newest int) {
	for _, s := range w.vendor.FormerSubscribers() {
		if of != nil && s.Key == of.key && !s.Since.Truncate(time.Millisecond).After(at) { // gaps are no more exact
			newest = max(newest, s.Session)
		}
	}
	return newest
}

// recorder returns the bridge that has recorded a gap, nil when that is not known: of two, one may have been killed before it could say so.
func (w *world) recorder(g gap) *host {
	if !w.pair {
		return w.host
	}
	line := fmt.Sprintf(`msg="gap in the feed" market=stocks reason=%s from=%s to=%s`, g.Reason, g.From.Format(logTime), g.To.Format(logTime))
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
