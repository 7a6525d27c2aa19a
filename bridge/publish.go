package bridge

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"time"

	"bridge/bridge/internal/natsd"
	"bridge/polygon"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// loadedMessages bounds the messages that are taken from the queue and not settled. It is larger than any window so that
	// one subject whose head waits does not hold up the others.
	loadedMessages = 8 * mostWindow
	// ackTimeout is how long an ack may take before the connection is given up, and the stream asked whether it has the
	// message. One that a change of the stream's leader swallows gets no answer at all.
	ackTimeout = 3 * time.Second
	// stallTimeout is how long nothing may be stored before the connection and the stream are looked at anew.
	stallTimeout = 15 * time.Second
	// tickEvery is how often timeouts and waiting lanes are looked at, while there are any.
	tickEvery = 50 * time.Millisecond
)

// errStalled ends a connection on which nothing is stored any more.
var errStalled = errors.New("no message was stored for " + stallTimeout.String())

// errAckTimeout ends a connection on which a message got no answer.
var errAckTimeout = errors.New("no ack within " + ackTimeout.String())

// publisher takes records from the queue and has their events stored, each once and in order per
// subject. It fills the window, settles what is answered, and sends again what is not. It is owned
// by one goroutine and keeps its state from one NATS connection to the next.
type publisher struct {
	cfg     Config
	market  polygon.Market
	queue   queue
	metrics *metrics
	log     *slog.Logger
	limited *limiter
	server  *natsd.Server // the bridge's own, nil for none

	lanes    map[string]*lane // by subject
	dead     *lane
	ready    fifo[*lane]   // lanes whose head is to be sent
	waiting  []wait        // lanes whose head was refused
	records  fifo[*loaded] // loaded records, oldest first
	messages int           // in lanes, in flight or not
	spare    *message      // settled messages, to be used again

	throttle throttle // of the window

	known     known       // of the stream
	connected bool        // the stream was reconciled with once
	fresh     bool        // nothing was reconciled with yet since this process started, or became the active one
	valid     func() bool // whether it may publish at this moment; nil: always
	left      *leftover   // of the last turn, while it is loaded; nil for none
	doubt     *doubt      // about the records to be loaded; nil when there is none

	next    *taken // nil, or the record that was taken from the queue and waits; points to taken
	taken   taken
	counted uint64    // records up to this one are in the metrics of what was received
	lastAt  time.Time // of the record that was loaded last; zero when there was none since the start or a rewind
	lastEnd int64     // of the newest window that was loaded since then, Unix ms

	streamed time.Time // when the feed was last known to stream, by what the stream had at the start
	read     time.Time // when the newest record was read that is stored, by this process or one before it; zero for none

	fills   *fillQueue
	filled  <-chan *batch             // from the filler
	batches []*loaded                 // that are not settled
	late    map[*lane]*fifo[*message] // bars from REST that wait until their lane is empty
	only    *gap                      // to be filled, and no others; nil: those of the stream

	events []polygon.Event // of the record that was taken last; reused
	buf    []byte          // reused for subjects and ids
	out    outbox
}

// outbox is what send needs and uses again for each message.
type outbox struct {
	msg      nats.Msg
	plain    nats.Header
	revision nats.Header
	rest     nats.Header
	maxBytes int // largest message, headers included, that the stream takes
}

func newPublisher(cfg Config, q queue, fills *fillQueue, m *metrics, log *slog.Logger) *publisher {
	p := &publisher{
		cfg:     cfg,
		market:  cfg.Market,
		queue:   q,
		metrics: m,
		log:     log,
		limited: newLimiter(log),
		lanes:   make(map[string]*lane),
		fresh:   true,
		fills:   fills,

		late: make(map[*lane]*fifo[*message]),
		out: outbox{
			plain:    nats.Header{jetstream.MsgIDHeader: {""}},
			revision: nats.Header{jetstream.MsgIDHeader: {""}, headerRevision: {"true"}},
			rest:     nats.Header{jetstream.MsgIDHeader: {""}, headerSource: {"rest"}, jetstream.ExpectedLastSubjSeqHeader: {""}},
		},
	}
	mark := q.Mark()
	p.known = known{created: time.Unix(0, mark.Created), acked: mark.Seq, witness: mark.Witness}
	p.doubt = &doubt{floor: mark.Floor}
	if mark.Read > 0 {
		p.read = time.Unix(0, mark.Read)
	}
	p.dead = p.lane([]byte(deadSubject(cfg.Market)))
	p.restartBackfill(nil)
	return p
}

// serve publishes over one NATS connection until the queue is closed and drained, the connection
// ends, or ctx does. Messages that await an ack when it returns are in doubt: reconcile settles them.
func (p *publisher) serve(ctx context.Context, c *link, stream jetstream.Stream) error {
	p.throttle = newThrottle(c.window.size())
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	for {
		if err := p.fillWindow(ctx, c, stream); err != nil {
			return err
		}
		if p.queue.Drained() {
			return nil
		}
		select {
		case m := <-c.acks:
			if err := p.settleAll(c, m); err != nil {
				return err
			}
		case now := <-tick.C:
			if len(c.acks) == 0 && c.window.waitsSince(now.Add(-ackTimeout)) {
				p.metrics.retried("timeout")
				return errAckTimeout
			}
			p.resume(now)
			if p.throttle.isStalled(now) {
				return errStalled
			}
		case <-p.queue.Woken():
		case b := <-p.filled:
			p.loadBatch(b)
		case <-c.closed:
			return c.err()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// fillWindow sends heads of ready lanes while the window has room, and loads records while lanes run dry.
func (p *publisher) fillWindow(ctx context.Context, c *link, stream jetstream.Stream) error {
	now := time.Now()
	if p.throttle.holds(c.window.inFlight(), now) {
		return nil
	}
	p.throttle.full = false
	trusted := now.Sub(p.known.heard) <= trustFor
	for c.window.inFlight() < p.throttle.limit {
		switch {
		case p.ready.len() == 0:
			if !p.load() {
				return nil
			}
		case !trusted:
			if err := p.lookAgain(ctx, stream); err != nil {
				return err
			}
			now, trusted = time.Now(), true
		default:
			p.send(c, p.ready.pop(), now)
		}
	}
	p.throttle.full = true
	return nil
}

// send publishes the head of a lane, or makes it a dead letter when the stream takes less than it did when
// the message was loaded.
func (p *publisher) send(c *link, l *lane, now time.Time) {
	m := l.head
	tooLarge := len(m.raw)+maxHeader > p.out.maxBytes
	if tooLarge && m.reason == "" {
		p.bury(l, "too_large")
		return
	}
	header := p.out.plain
	switch {
	case m.reason != "":
		header = deadHeader(m)
	case m.rest:
		header = p.out.rest
		header[jetstream.ExpectedLastSubjSeqHeader][0] = strconv.FormatUint(m.record.batch.last, 10)
	case m.record.left != nil:
		header = leftoverHeader(m)
	case m.revision:
		header = p.out.revision
	}
	header[jetstream.MsgIDHeader][0] = m.id

	out := &p.out.msg
	out.Subject, out.Header, out.Data = l.subject, header, m.raw
	if tooLarge {
		cutDeadLetter(out, p.out.maxBytes-maxHeader)
	}
	out.Reply = c.window.put(m, sending{now, p.known.acked})
	l.state = laneInFlight
	m.attempts++
	// An error here is a connection that has ended: serve hears of it by itself, and m stays in doubt.
	_ = c.conn.PublishMsg(out)
}
