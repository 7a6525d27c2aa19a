package bridge

import (
	"fmt"
	"slices"
	"strings"
	"time"
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
		of := w.recorder(g)
		if session := w.around(g, of, tape); session > 0 {
			report("session %d goes on over gap %s", session, g.encode())
		}
		if latest := w.latestBegin(g, of); g.From.After(latest) {
			report("nothing could come any more at %v, before gap %s", latest, g.encode())
		}
		had := w.had(g, of, tape)
		for _, e := range slices.Concat(w.tooEarly(g, of, had), w.tooLate(g, of, had)) {
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

// had returns what of the tape is in the stream, and was not for others to know than a gap's recorder, which is nil when it is not known. At a start,
// a bridge knows of what another one has read, and of what its own disk has lost, only from the stream.
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
	ended := w.sessionAt(of, g.To)
	for _, e := range had {
		its := of != nil && w.hostOf(e.Session) == of
		switch {
		case !e.at.Before(g.To):
		case e.Session <= before && e.at.After(from),
			its && (e.Session < ended || g.Reason == reasonQueueFull) && w.streamed(e).After(g.From):
			all = append(all, e)
		}
	}
	return all
}

// tooLate returns what the session that ended a gap has read before that.
func (w *world) tooLate(g gap, of *host, had []missable) (all []missable) {
	ended := w.sessionAt(of, g.To)
	if w.sessionAt(of, g.From) == ended {
		return nil // it is between two frames of one session
	}
	for _, e := range had {
		if e.Session == ended && of.hadRead(e.Sent, g.To) {
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

// latestBegin is the time by which a gap between two sessions began: when the first of them ended. A market of another time does not tell a bridge
// that was paused how old is what it reads; but it reads all of it before it begins another session. So it is where there was no session before:
// a bridge that begins its first one anew knows it by the bars in the stream, whose windows had ended when it began.
func (w *world) latestBegin(g gap, of *host) (latest time.Time) {
	next := w.sessionAt(of, g.To)
	if next == 0 || !betweenSessions(g) {
		return g.To
	}
	var began time.Time
	for _, s := range w.vendor.FormerSubscribers() {
		switch {
		case s.Session == next:
			began = s.Since
		case s.Session < next && (ofStart(g) || s.Key == of.key) && s.Until.After(latest):
			latest = s.Until
		}
	}
	if !w.present || latest.IsZero() {
		return began
	}
	return latest
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
