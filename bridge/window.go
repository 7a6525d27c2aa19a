package bridge

import (
	"strconv"
	"time"
)

// window holds the messages that await an ack on one NATS connection. Each has a slot, and each slot a
// reply subject of its own, which serves message after message: making one per message costs more
// than all the rest of an ack.
type window struct {
	prefix string // of every reply subject, up to and including the last dot
	slots  []slot
	free   []int // indexes of slots without a message
}

type slot struct {
	m     *message
	sent  time.Time
	reply string
	turn  int // how often the reply subject was renewed
}

func newWindow(prefix string, size int) *window {
	w := &window{prefix: prefix, slots: make([]slot, size), free: make([]int, size)}
	for i := range w.slots {
		w.slots[i].reply = w.reply(i, 0)
		w.free[i] = size - 1 - i
	}
	return w
}

func (w *window) reply(slot, turn int) string {
	return w.prefix + strconv.Itoa(slot) + "-" + strconv.Itoa(turn)
}

func (w *window) inFlight() int { return len(w.slots) - len(w.free) }

// put takes a slot for m and returns its reply subject. There must be a free one.
func (w *window) put(m *message, now time.Time) (reply string) {
	i := w.free[len(w.free)-1]
	w.free = w.free[:len(w.free)-1]
	s := &w.slots[i]
	s.m, s.sent = m, now
	return s.reply
}

// take returns the message that awaits an answer on a reply subject, and when it was sent, and frees
// its slot. It returns nil when no message does: the answer came after its time.
func (w *window) take(reply string) (m *message, sent time.Time) {
	i := 0
	for _, c := range []byte(reply[len(w.prefix):]) {
		if c == '-' {
			break
		}
		i = 10*i + int(c-'0')
	}
	if i < 0 || i >= len(w.slots) || w.slots[i].reply != reply {
		return nil, time.Time{}
	}
	s := &w.slots[i]
	m, s.m = s.m, nil
	if m != nil {
		w.free = append(w.free, i)
	}
	return m, s.sent
}

// expired frees the slots of the messages that were sent before the given time and passes the messages
// to yield. Their reply subjects are renewed, so that a late answer is not taken for another message's.
func (w *window) expired(before time.Time, yield func(*message)) {
	for i := range w.slots {
		s := &w.slots[i]
		if s.m == nil || !s.sent.Before(before) {
			continue
		}
		m := s.m
		s.m = nil
		s.turn++
		s.reply = w.reply(i, s.turn)
		w.free = append(w.free, i)
		yield(m)
	}
}
