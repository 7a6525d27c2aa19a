package polygontest

import (
	"iter"
	"sync"
	"time"
)

// Tape is the record of what a server has sent: the truth that a client's stream is compared with. An
// event is on the tape once the socket has taken it, in the order in which it was written. A client may see an
// event a moment before the tape shows it; wait with [Server.WaitSent] or [Server.WaitDone].
//
// What the socket took and the client read differ when a session ends abruptly: then the client has a prefix
// of the session. A session that is still open will deliver all of it.
type Tape struct {
	record Record

	mu   sync.Mutex
	sent []Sent
}

// Sent is one event that was sent. Raw is the event as it was on the wire; it must not be changed.
// Statuses are not recorded. What Send was given and is no JSON array is recorded as it is, whole.
type Sent struct {
	Session int       // 1 for the first connection
	Frame   int       // that it came in, 1 for the session's first with data
	At      time.Time // when the frame began to be written
	Raw     []byte
}

// Record says what a tape keeps.
type Record string

const (
	RecordEvents Record = "events" // every event with its bytes
	RecordCounts Record = "counts" // nothing; Stats has the counts, a frame given to Send as one event. For long runs and benchmarks
)

// Events returns what was sent so far, in order, over all sessions.
func (t *Tape) Events() []Sent {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.sent[:len(t.sent):len(t.sent)]
}

// Session yields the bytes of the events sent to one session so far, in order.
func (t *Tape) Session(number int) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for _, e := range t.Events() {
			if e.Session == number && !yield(e.Raw) {
				return
			}
		}
	}
}

// add records the events of a session's frame that began to be written at a time. The frame's bytes are copied.
func (t *Tape) add(session, number int, at time.Time, f *frame) {
	if t.record == RecordCounts {
		return
	}
	data := append([]byte(nil), f.data...)
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, e := range f.events {
		t.sent = append(t.sent, Sent{session, number, at, data[e.from:e.to:e.to]})
	}
}
