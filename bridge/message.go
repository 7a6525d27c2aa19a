package bridge

import (
	"time"

	"bridge/polygon"
)

// message is one event on its way to the stream.
type message struct {
	raw      []byte // points into the frame of its record
	id       string // its Nats-Msg-Id
	channel  *polygon.Channel
	start    int64  // the event's time; of a bar the start of its window
	revision bool   // a bar that is not newer than the newest of its symbol
	reason   string // why it is a dead letter; "" if it is none

	lane     *lane
	record   *loaded
	next     *message // behind it in its lane
	sent     time.Time
	attempts int // sends so far; above 0 it may be in the stream although no ack came
}

// lane holds the messages of one subject in the order in which the feed sent them. Only its head is
// ever in flight: that is what keeps the order when a message has to be sent again.
type lane struct {
	subject    string
	head, tail *message
	state      laneState
	retry      time.Time // when waiting: not before

	newest      int64 // window start of the newest bar seen
	accumulated int64 // the day's volume after the newest bar, in millionths; 0 when unknown
	stored      position
}

type laneState uint8

const (
	laneIdle     laneState = iota // nothing to send
	laneReady                     // its head is to be sent
	laneInFlight                  // its head awaits an ack
	laneWaiting                   // its head was refused and is sent again after retry
)

// position is a place in the feed: an event's index in the frame of a record. Positions after
// reconciling tell which events of a lane the stream already has.
type position struct {
	record uint64
	event  int
}

func (p position) before(q position) bool {
	return p.record < q.record || p.record == q.record && p.event < q.event
}

func (l *lane) push(m *message) {
	m.lane, m.next = l, nil
	if l.head == nil {
		l.head = m
	} else {
		l.tail.next = m
	}
	l.tail = m
}

func (l *lane) pop() *message {
	m := l.head
	l.head = m.next
	m.next = nil
	return m
}

// loaded is a record whose messages are in lanes.
type loaded struct {
	seq     uint64
	at      time.Time
	pending int // messages that are not settled
}
