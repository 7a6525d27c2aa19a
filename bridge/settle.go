package bridge

import (
	"errors"
	"time"

	"bridge/bridge/internal/spool"

	"github.com/cespare/xxhash/v2"
	"github.com/nats-io/nats.go"
)

// settleAll settles an answer and all others that are there already.
func (p *publisher) settleAll(c *link, m *nats.Msg) error {
	now := time.Now()
	for {
		if err := p.settle(c, m, now); err != nil {
			return err
		}
		select {
		case m = <-c.acks:
		default:
			p.release()
			return nil
		}
	}
}

// settle takes the answer to one message. An error is one of the connection.
func (p *publisher) settle(c *link, answer *nats.Msg, now time.Time) error {
	a, err := parseAck(answer, c.ackPrefix, c.stream)
	if errors.Is(err, errStranger) {
		p.limited.Warn("stranger", "answer ignored: a subscriber answers the messages on their way to the stream", "err", err)
		return nil
	}
	if errors.Is(err, errUndecided) {
		return nil // the ack comes, or it does not in time and reconcile looks whether the message is stored
	}
	m, sent := c.window.take(answer.Subject)
	if m == nil {
		return nil // nobody waits for it
	}
	if err != nil {
		c.window.spoil(answer.Subject)
		p.refuse(m, err, now)
		return nil
	}
	if !a.duplicate && a.seq <= sent.behind {
		return errTakenBack
	}
	if a.seq > p.known.acked {
		p.known.acked, p.known.witness = a.seq, xxhash.Sum64String(m.id)
	}
	if sent.at.After(p.known.heard) { // the ack itself may have waited for this process, or on its way
		p.known.heard = sent.at
	}
	p.throttle.widen()
	p.metrics.stored(m, a.duplicate, sent.at, now)
	if m.rest {
		m.record.batch.last = a.seq
	}
	p.done(m)
	return nil
}

// done ends a message that is in the stream.
func (p *publisher) done(m *message) {
	if m.rest {
		m.record.batch.stored++
	}
	p.takeHead(m.lane)
	p.retire(m)
}

// takeHead removes the head of a lane and lets the message behind it go.
func (p *publisher) takeHead(l *lane) *message {
	m := l.pop()
	l.state = laneIdle
	if l.head != nil {
		p.makeReady(l)
	} else {
		p.admit(l)
	}
	return m
}

// retire counts a message that has left its lane as settled, and keeps it to be used again.
func (p *publisher) retire(m *message) {
	m.record.pending--
	p.messages--
	*m = message{next: p.spare}
	p.spare = m
}

// refuse deals with a message that was not stored: it is sent again after a while, and its subject
// waits for it, or it is a dead letter.
func (p *publisher) refuse(m *message, err error, now time.Time) {
	r := &refusal{reason: "other", err: err}
	errors.As(err, &r)
	switch {
	case r.reason == reasonNoResponders:
		p.known.heard = time.Time{} // the stream is gone, or its server is
	case r.permanent:
		p.bury(m.lane, r.reason)
		return
	case m.rest && r.reason == reasonOvertaken:
		p.overtake(m)
		return
	}
	p.metrics.retried(r.reason)
	p.limited.Warn(r.reason, "message refused", "subject", m.lane.subject, "attempt", m.attempts, "err", r.err)
	p.putAside(m.lane, now)
	p.throttle.narrow(now)
}

// wait is a lane whose head may not be sent again before a time.
type wait struct {
	lane  *lane
	until time.Time
}

// putAside makes a lane wait after its head was refused.
func (p *publisher) putAside(l *lane, now time.Time) {
	l.state = laneWaiting
	p.waiting = append(p.waiting, wait{l, now.Add(min(tickEvery<<min(l.head.attempts, 6), 2*time.Second))})
}

// resume makes the waiting lanes ready whose time has come.
func (p *publisher) resume(now time.Time) {
	rest := p.waiting[:0]
	for _, w := range p.waiting {
		if now.Before(w.until) {
			rest = append(rest, w)
		} else {
			p.makeReady(w.lane)
		}
	}
	p.waiting = rest
}

func (p *publisher) makeReady(l *lane) {
	l.state = laneReady
	p.ready.push(l)
}

// release acknowledges to the queue the oldest records whose messages are all settled, and hands on the gaps among them.
func (p *publisher) release() {
	p.releaseBatches()
	settled := uint64(0)
	for p.records.len() > 0 && p.records.first().pending == 0 {
		r := p.records.pop()
		settled, p.read = r.seq, r.at
		for _, g := range r.gaps {
			p.fills.add(g)
		}
	}
	if settled > 0 {
		p.queue.Ack(settled, spool.Mark{
			Created: p.known.created.UnixNano(), Seq: p.known.acked, Witness: p.known.witness, Read: p.read.UnixNano(), Floor: p.floor(),
		})
	}
}
