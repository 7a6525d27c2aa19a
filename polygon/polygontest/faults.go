package polygontest

import (
	"fmt"
	"slices"

	"github.com/coder/websocket"
)

// Fault is something that goes wrong on one connection, at a stated moment. Give it to
// [Server.NextSession]. Moments are counted in frames of data (statuses do not count); after 0 frames
// means as soon as a subscribe has been answered.
//
// A Fault is a plain value: it can be compared, printed and listed in a table.
type Fault struct {
	kind  faultKind
	after int // frames of data
	code  int // close code or HTTP status
}

type faultKind string

const (
	kindRefuse  faultKind = "refuse upgrade"
	kindNoPongs faultKind = "no pongs"
	kindDrop    faultKind = "drop"
	kindReset   faultKind = "reset"
	kindClose   faultKind = "close"
	kindCut     faultKind = "cut"
	kindStall   faultKind = "stall"
	kindEvict   faultKind = "evict"
)

// RefuseUpgrade answers the upgrade with an HTTP status, such as 503, instead of accepting it.
func RefuseUpgrade(status int) Fault { return Fault{kind: kindRefuse, code: status} }

// NoPongs leaves pings unanswered for the life of the connection. Users saw this during trading hours.
func NoPongs() Fault { return Fault{kind: kindNoPongs} }

// DropAfter ends the TCP connection without a close frame, which is how sessions with the vendor usually end.
func DropAfter(frames int) Fault { return Fault{kind: kindDrop, after: frames} }

// ResetAfter ends the connection with a TCP reset; frames the client has not read yet may be lost with it.
func ResetAfter(frames int) Fault { return Fault{kind: kindReset, after: frames} }

// CloseAfter sends a close frame with the code and an empty reason.
func CloseAfter(frames int, code websocket.StatusCode) Fault {
	return Fault{kind: kindClose, after: frames, code: int(code)}
}

// CutMidFrame sends frames whole, then half of the next one, and ends the connection. The cut frame is not
// on the tape.
func CutMidFrame(frames int) Fault { return Fault{kind: kindCut, after: frames} }

// StallAfter makes the connection half-open: it stays, but nothing more comes and nothing is answered,
// neither a ping nor a close frame.
func StallAfter(frames int) Fault { return Fault{kind: kindStall, after: frames} }

// EvictAfter ends the connection as if another one with the same key had taken its place.
func EvictAfter(frames int) Fault { return Fault{kind: kindEvict, after: frames} }

// String describes the fault for test output.
func (f Fault) String() string {
	switch f.kind {
	case kindNoPongs:
		return string(f.kind)
	case kindRefuse:
		return fmt.Sprintf("%s with %d", f.kind, f.code)
	case kindClose:
		return fmt.Sprintf("%s with %d after %d frames", f.kind, f.code, f.after)
	}
	return fmt.Sprintf("%s after %d frames", f.kind, f.after)
}

// find returns the fault of that kind.
func find(faults []Fault, kind faultKind) (Fault, bool) {
	for _, f := range faults {
		if f.kind == kind {
			return f, true
		}
	}
	return Fault{}, false
}

// doomed reports whether the session ends, or falls silent, before it gets any data.
func (c *session) doomed() bool {
	return slices.ContainsFunc(c.faults, func(f Fault) bool {
		return f.after == 0 && f.kind != kindCut && f.kind != kindNoPongs
	})
}

// strike lets the faults happen that are due once the session has sent so many frames of data.
func (c *session) strike(frames int) {
	for _, f := range c.faults {
		if f.after != frames || f.kind == kindCut || f.kind == kindNoPongs {
			continue
		}
		c.leave()
		switch f.kind {
		case kindDrop:
			c.wire.Close()
		case kindReset:
			c.wire.reset()
		case kindClose:
			c.server.background(func() { c.conn.Close(websocket.StatusCode(f.code), "") })
		case kindStall:
			c.wire.stall()
			c.server.update(func(st *Stats) { st.Stalled++ })
		case kindEvict:
			c.server.background(c.evict)
		}
	}
}

// cut reports whether the frame is the one to be cut, and cuts it.
func (c *session) cut(frame []byte, frames int) bool {
	f, ok := find(c.faults, kindCut)
	if !ok || f.after != frames {
		return false
	}
	c.leave()
	c.wire.writeHalf(frame)
	c.wire.Close()
	return true
}
