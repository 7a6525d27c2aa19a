package bridge

import (
	"hash/maphash"
	"slices"
	"time"

	"bridge/polygon"

	"github.com/nats-io/nats.go"
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
	before *leftover                 // of the turn before, if not all of that was loaded: the others' versions from before acked
}

// otherVersion is one of a bar, in the stream.
type otherVersion struct {
	id   uint64    // hash
	read time.Time // by the server's clock; when it was stored, if that was in the turn in which it was read
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
		read := at.Timestamp
		if late := m.Headers().Get(headerRead); late != "" {
			read, _ = time.Parse(time.RFC3339, late) // what we cannot read is not ours
		}
		l.others[bar] = append(l.others[bar], otherVersion{maphash.String(idSeed, id), read})
	}
	return true
}

// met takes note that a bar of the leftover is in the stream.
func (l *leftover) met(id []byte) {
	if l == nil {
		return
	}
	l.before.met(id)
	bar, hash := barHash(id), maphash.Bytes(idSeed, id)
	if versions := l.others[bar]; versions != nil {
		l.others[bar] = slices.DeleteFunc(versions, func(v otherVersion) bool { return v.id == hash })
	}
}

// superseded reports whether others have read another version of a bar of the leftover since, and stored it. All its own
// versions must have been met before.
func (l *leftover) superseded(id []byte, read time.Time) bool {
	if l == nil {
		return false
	}
	newer := func(v otherVersion) bool { return v.read.After(read.Add(l.ahead)) }
	return slices.ContainsFunc(l.others[barHash(id)], newer) || l.before.superseded(id, read)
}

// leftoverHeader is the header of a message of the leftover. Without the time at which that was read, the other bridge would take it for newer
// than it is.
func leftoverHeader(m *message) nats.Header {
	read := m.record.at.Add(m.record.left.ahead).UTC().Format(time.RFC3339Nano)
	header := nats.Header{jetstream.MsgIDHeader: {""}, headerRead: {read}}
	if m.revision {
		header[headerRevision] = []string{"true"}
	}
	return header
}

// forget forgets what was noted.
func (l *leftover) forget() {
	if l != nil {
		l.others = make(map[uint64][]otherVersion)
	}
}

func barHash(id []byte) uint64 { return maphash.Bytes(idSeed, barKey(id)) }
