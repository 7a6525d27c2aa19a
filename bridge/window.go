package bridge

import (
	"strconv"
	"strings"
	"time"
)

const (
	// nearWindow is how many messages may await an ack of a stream with one copy, on a server that is near. That stores some 100,000 a
	// second, so this is 5 ms of its work. It remembers where the acks of 512 reply subjects go, and looks up those of more.
	nearWindow = 500
	// mostWindow is for all others. An ack takes longer there: for its way, or until most of the servers have the message.
	mostWindow = 2048
	// near is how long a server that is near takes to answer a question about a stream, at most.
	near = 5 * time.Millisecond
)

// windowSize is how many messages may await an ack of a stream that has so many copies, and is answered for in that time.
func windowSize(replicas int, answered time.Duration) int {
	if replicas == 1 && answered <= near {
		return nearWindow
	}
	return mostWindow
}

// window holds the messages that await an ack on one NATS connection. Each has a slot, and each slot a
// reply subject of its own, which serves message after message: making one per message costs more
// than all the rest of an ack.
type window struct {
	prefix string // of every reply subject, up to and including the last dot
	slots  []slot
	free   []int // indexes of slots without a message
}

type slot struct {
	m      *message
	sent   sending
	reply  string
	spoilt int // how many reply subjects it has had before
}

// sending is what is known of a message when it is sent.
type sending struct {
	at     time.Time
	behind uint64 // a sequence that the stream had acknowledged by then: that of the message is higher, if it is new
}

func newWindow(prefix string, size int) *window {
	w := &window{prefix: prefix, slots: make([]slot, size), free: make([]int, size)}
	for i := range w.slots {
		w.slots[i].reply = prefix + strconv.Itoa(i)
		w.free[i] = size - 1 - i
	}
	return w
}

func (w *window) size() int { return len(w.slots) }

func (w *window) inFlight() int { return len(w.slots) - len(w.free) }

// put takes a slot for m and returns its reply subject. There must be a free one.
func (w *window) put(m *message, sent sending) (reply string) {
	i := w.free[len(w.free)-1]
	w.free = w.free[:len(w.free)-1]
	s := &w.slots[i]
	s.m, s.sent = m, sent
	return s.reply
}

// take returns the message that awaits an answer on a reply subject, and when it was sent, and frees
// its slot. It returns nil when none does.
func (w *window) take(reply string) (m *message, sent sending) {
	i := w.slot(reply)
	if i < 0 || w.slots[i].m == nil {
		return nil, sending{}
	}
	s := &w.slots[i]
	m, s.m = s.m, nil
	w.free = append(w.free, i)
	return m, s.sent
}

// spoil gives the slot of a reply subject a new one, after an error was taken from it. In a cluster that may have come from a leader
// that was replaced and does not know it, late and meant for a message before: then the ack of the one that was taken is
// still on its way, and must not be taken for that of the next.
func (w *window) spoil(reply string) {
	if i := w.slot(reply); i >= 0 {
		s := &w.slots[i]
		s.spoilt++
		s.reply = w.prefix + strconv.Itoa(i) + "-" + strconv.Itoa(s.spoilt)
	}
}

// slot returns the index of the slot that a reply subject belongs to, or -1.
func (w *window) slot(reply string) int {
	number, _, _ := strings.Cut(reply[len(w.prefix):], "-")
	i, err := strconv.Atoi(number)
	if err != nil || i < 0 || i >= len(w.slots) || w.slots[i].reply != reply {
		return -1
	}
	return i
}

// waitsSince reports whether a message was sent before the given time and still awaits an answer.
func (w *window) waitsSince(before time.Time) bool {
	for i := range w.slots {
		if s := &w.slots[i]; s.m != nil && s.sent.at.Before(before) {
			return true
		}
	}
	return false
}
