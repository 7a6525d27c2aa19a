package bridge

import (
	"strconv"
	"strings"
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
func (w *window) put(m *message) (reply string) {
	i := w.free[len(w.free)-1]
	w.free = w.free[:len(w.free)-1]
	w.slots[i].m = m
	return w.slots[i].reply
}

// take returns the message that awaits an answer on a reply subject and frees its slot. It returns
// nil when no message does: the answer came after its time.
func (w *window) take(reply string) *message {
	number, _, ok := strings.Cut(reply[len(w.prefix):], "-")
	i, err := strconv.Atoi(number)
	if !ok || err != nil || i < 0 || i >= len(w.slots) || w.slots[i].reply != reply {
		return nil
	}
	m := w.slots[i].m
	if m != nil {
		w.slots[i].m = nil
		w.free = append(w.free, i)
	}
	return m
}

// expired frees the slots of the messages that were sent before the given time and passes the messages
// to yield. Their reply subjects are renewed, so that a late answer is not taken for another message's.
func (w *window) expired(before time.Time, yield func(*message)) {
	for i := range w.slots {
		s := &w.slots[i]
		if s.m == nil || !s.m.sent.Before(before) {
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
