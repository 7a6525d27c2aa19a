package bridge

import (
	"hash/maphash"
	"slices"
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
// another version since, its version is the newer one: it read when this bridge did not. Then ours must not follow it.
type leftover struct {
	market polygon.Market
	acked  uint64                    // a sequence up to which the stream's messages are from before it
	until  time.Time                 // when the newest of it was read
	ahead  time.Duration             // by which the server's clock is ahead of ours
	others map[uint64][]otherVersion // of bars in the stream that were not met in the queue yet, by the hash of barKey
}

// otherVersion is one of a bar, in the stream.
type otherVersion struct {
	id     uint64 // hash
	stored time.Time
}

// note takes note of a message that the stream has, and reports whether it can be one of the leftover itself.
func (l *leftover) note(m jetstream.Msg, at *jetstream.MsgMetadata) (may bool) {
	if l == nil {
		return true
	}
	if !kindOf(l.market, m.Subject()).Aggregate() {
		return !at.Timestamp.After(l.until.Add(l.ahead + othersBehind))
	}
	id := m.Headers().Get(jetstream.MsgIDHeader)
	start, ok := windowStart(id)
	if !ok || start > l.until.UnixMilli() {
		return false
	}
	if at.Sequence.Stream > l.acked {
		bar := barHash([]byte(id))
		l.others[bar] = append(l.others[bar], otherVersion{maphash.String(idSeed, id), at.Timestamp})
	}
	return true
}

// met takes note that a bar of the leftover is in the stream.
func (l *leftover) met(id []byte) {
	if l == nil {
		return
	}
	bar, hash := barHash(id), maphash.Bytes(idSeed, id)
	if versions := l.others[bar]; versions != nil {
		l.others[bar] = slices.DeleteFunc(versions, func(v otherVersion) bool { return v.id == hash })
	}
}

// superseded reports whether others have stored another version of a bar of the leftover since it was read. All its own
// versions must have been met before.
func (l *leftover) superseded(id []byte, read time.Time) bool {
	return l != nil && slices.ContainsFunc(l.others[barHash(id)], func(v otherVersion) bool { return v.stored.After(read.Add(l.ahead)) })
}

// forget forgets what was noted.
func (l *leftover) forget() {
	if l != nil {
		l.others = make(map[uint64][]otherVersion)
	}
}

func barHash(id []byte) uint64 { return maphash.Bytes(idSeed, barKey(id)) }
