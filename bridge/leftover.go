package bridge

import (
	"hash/maphash"
	"time"

	"bridge/polygon"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	// othersBehind is how much later another bridge may have stored what this one had read as well: both read for a moment
	// when the active one was frozen, and the vendor has not noticed.
	othersBehind = time.Minute
	// correctedFor is how long others may store new versions of the bars that this one had read: corrections come for
	// some 15 minutes, and bars from REST sooner.
	correctedFor = 20 * time.Minute
)

// leftover is what a bridge has read and not stored when another one became active. If that one has stored a bar of it in
// another version, its version is the newer one: it read when this bridge did not. Then ours must not follow it.
type leftover struct {
	market polygon.Market
	acked  uint64         // a sequence up to which the stream's messages are from before it
	until  time.Time      // when the newest of it was read
	asOf   time.Time      // the same by the server's clock
	others map[uint64]int // versions of bars in the stream that were not met in the queue yet, by the hash of barKey
}

// note takes note of a message that the stream has, and reports whether it can be one of the leftover itself.
func (l *leftover) note(m jetstream.Msg, at *jetstream.MsgMetadata) (may bool) {
	if l == nil {
		return true
	}
	if !kindOf(l.market, m.Subject()).Aggregate() {
		return !at.Timestamp.After(l.asOf.Add(othersBehind))
	}
	id := m.Headers().Get(jetstream.MsgIDHeader)
	start, ok := windowStart(id)
	if !ok || start > l.until.UnixMilli() {
		return false
	}
	if at.Sequence.Stream > l.acked {
		l.others[barHash([]byte(id))]++
	}
	return true
}

// met takes note that a bar of the leftover is in the stream.
func (l *leftover) met(id []byte) {
	if l != nil {
		l.others[barHash(id)]--
	}
}

// superseded reports whether others have stored another version of a bar of the leftover. All its own versions must have
// been met before.
func (l *leftover) superseded(id []byte) bool { return l != nil && l.others[barHash(id)] > 0 }

// forget forgets what was noted.
func (l *leftover) forget() {
	if l != nil {
		l.others = make(map[uint64]int)
	}
}

func barHash(id []byte) uint64 { return maphash.Bytes(idSeed, barKey(id)) }
