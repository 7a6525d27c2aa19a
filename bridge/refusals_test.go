package bridge

import (
	"time"

	"bridge/polygon/polygontest"
)

// sentFrame is a frame of the tape.
type sentFrame struct{ session, frame int }

func frameWith(e polygontest.Sent) sentFrame { return sentFrame{e.Session, e.Frame} }

// refusals tells which frames that were read a tight queue has refused, by what the stream lacks of them. It lacks all of each, and they
// are no more than the bridge has counted.
func (w *world) refusals(tape []missable) map[sentFrame]bool {
	w.t.Helper()
	refused := make(map[sentFrame]bool)
	if !w.tight {
		return refused
	}
	for _, e := range tape {
		if !e.stored && w.secured(e) {
			refused[frameWith(e.Sent)] = true
		}
	}
	for _, e := range tape {
		if e.stored && refused[frameWith(e.Sent)] {
			w.t.Errorf("stored, and other events of frame %d of session %d are not: %s", e.Frame, e.Session, e.Raw)
		}
	}
	counted := 0
	for _, n := range w.refused {
		counted += n
	}
	if len(refused) > counted {
		w.t.Errorf("%d frames are not stored, and the queue has refused %d", len(refused), counted)
	}
	return refused
}

// secured reports whether an event was read, and nothing but a refusal of the queue is an excuse for its absence.
func (w *world) secured(e missable) bool { return e.Frame <= w.hostOf(e.Session).safe[e.Session] }

// knows reports whether a gap has an event that the stream lacks. One that the queue has refused is of a gap of the time in which it was
// read, or of a restart soon after.
func (w *world) knows(g gap, e missable) bool {
	switch {
	case !w.tight:
		return e.isOf(g)
	case e.at.After(g.To.Add(afterGap)):
		return false
	case ofMarket(g): // it begins with what was read last, and the market of a schedule is quicker
		return true
	case w.secured(e) && !ofStart(g):
		return !g.From.After(w.readBy[e.Session][e.Frame-1])
	}
	return e.isOf(g)
}

// refusing returns the time in which a tight queue takes and refuses by turns, as far as it is in a gap: from the first frame that the
// stream lacks until all were taken for long enough. It is zero for other queues, and when the stream lacks nothing.
func (w *world) refusing(g gap, tape []missable) (during span) {
	if !w.tight {
		return span{}
	}
	refused := false // the frame before
	for _, e := range tape {
		read := e.at
		if known := w.readBy[e.Session]; e.Frame <= len(known) {
			read = known[e.Frame-1]
		}
		switch {
		case e.stored && refused:
			refused, during.to = false, read.Add(fullFor)
		case e.stored, read.Before(g.From), !e.at.Before(g.To):
		default:
			refused = true
			if during.from.IsZero() {
				during.from = e.at
			}
			during.to = e.at.Add(fullFor)
		}
	}
	return during
}

// has reports whether a time is in the span.
func (s span) has(at time.Time) bool { return !at.Before(s.from) && at.Before(s.to) }
