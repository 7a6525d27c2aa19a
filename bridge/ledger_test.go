package bridge

import (
	"maps"
	"time"

	"bridge/polygon/polygontest"
)

// ledger is what is known of how far a bridge has read the sessions of its feed, in frames by session.
type ledger struct {
	read map[int]int // were read, at least
	safe map[int]int // must be in the stream in the end, whatever happens
	kept map[int]int // were safe when the bridge's disk was copied

	readBy  map[int][]time.Time // when each that was read was known to be
	refused map[int]int         // by a tight queue at least, of the processes whose first session it is
}

func newLedger() *ledger {
	return &ledger{
		read:    make(map[int]int),
		safe:    make(map[int]int),
		readBy:  make(map[int][]time.Time),
		refused: make(map[int]int),
	}
}

// hasRead notes that n frames of a session were read by now.
func (l *ledger) hasRead(session, n int) {
	l.read[session] = n
	for len(l.readBy[session]) < n {
		l.readBy[session] = append(l.readBy[session], time.Now())
	}
}

// secure notes that what was read of the sessions from first on is out of danger: it is on the bridge's disk, or in the stream and
// with someone who can send it again.
func (l *ledger) secure(first int) {
	for session, n := range l.read {
		if session >= first {
			l.safe[session] = max(l.safe[session], n)
		}
	}
}

// keep notes that the bridge's disk was copied.
func (l *ledger) keep() { l.kept = maps.Clone(l.safe) }

// takeBack notes that what was read after the copy may be gone.
func (l *ledger) takeBack() {
	for session, n := range l.safe {
		l.safe[session] = min(n, l.kept[session])
	}
}

// hadRead reports whether an event is known to have been read before a time.
func (l *ledger) hadRead(e polygontest.Sent, at time.Time) bool {
	known := l.readBy[e.Session]
	return e.Frame <= len(known) && known[e.Frame-1].Before(at)
}
