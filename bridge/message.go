package bridge

import "time"

// message is one event on its way to the stream. Thousands are under way at once, so it is kept small.
type message struct {
	raw      []byte // points into the frame of its record
	id       string // its Nats-Msg-Id
	reason   string // why it is a dead letter; "" if it is none
	end      int64  // of a bar's window, in Unix ms; 0 for other events
	lane     *lane
	record   *loaded
	next     *message // behind it in its lane
	attempts int32    // sends so far; above 0 it may be in the stream although no ack came
	revision bool     // a bar of the feed that is not newer than the newest of its symbol
	rest     bool     // a bar from REST
}

// lane holds the messages of one subject in the order in which the feed sent them. Only its head is
// ever in flight: that is what keeps the order when a message has to be sent again. A lane is one
// cache line: with every symbol of a market, finding it is most of what an event costs.
type lane struct {
	subject     string
	head, tail  *message
	newest      int64 // window start of the newest bar seen
	accumulated int64 // the day's volume after the newest bar, in millionths; 0 when unknown
	state       laneState
}

type laneState uint8

const (
	laneIdle     laneState = iota // nothing to send
	laneReady                     // its head is to be sent
	laneInFlight                  // its head awaits an ack
	laneWaiting                   // its head was refused and is sent again after a while, see wait
)

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
	pending int       // messages that are not settled
	after   int64     // end of the newest window of the records before it, Unix ms
	floor   uint64    // the stream's sequence when it was loaded: what it has of the record came later
	left    *leftover // that it is of; nil: it was read in this turn
	gaps    []gap     // that begin to be filled once it is settled
	batch   *batch    // of the filler; nil: it is a record of the queue
}
