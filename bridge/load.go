package bridge

import (
	"bridge/bridge/internal/spool"
	"bridge/polygon"
)

// load puts the events of the next record into their lanes. It returns false when there is no record, or enough is loaded.
func (p *publisher) load() bool {
	if p.messages >= loadedMessages {
		return false
	}
	rec := p.take()
	if rec == nil {
		return false
	}
	if p.doubt != nil && p.doubt.absent > doubtEnds {
		p.doubt = nil
	}
	if p.left != nil && rec.At.After(p.left.until) {
		p.left = nil
	}
	r := &loaded{seq: rec.Seq, at: rec.At, floor: p.known.acked, left: p.left, after: p.lastEnd}
	if p.doubt != nil {
		r.floor = p.doubt.floor
	}
	p.records.push(r)
	p.lookForHole(rec.Record, r)
	if rec.Kind == kindGap {
		p.loadGap(rec.Record, r)
	} else {
		p.loadFrame(rec.Record, r)
	}
	p.counted = max(p.counted, rec.Seq)
	p.lastAt, p.lastEnd = rec.At, rec.end
	if r.pending == 0 {
		p.release()
	}
	return true
}

// loadFrame routes the events of a frame.
func (p *publisher) loadFrame(rec spool.Record, r *loaded) {
	if rec.Seq > p.counted {
		p.metrics.received(p.events)
	}
	for i := range p.events {
		if e := &p.events[i]; !e.Status {
			p.route(e, r)
		}
	}
}

// route puts an event into the lane of its subject, or into the lane of the dead letters.
func (p *publisher) route(e *polygon.Event, r *loaded) {
	l, id, reason := p.place(e)
	bar := reason == "" && e.Channel.Kind.Aggregate()
	if p.doubt.settles(id) {
		p.left.met(id)
		return
	}
	if bar && p.left.superseded(id, r.at) {
		l, id, reason = p.dead, appendDeadID(id[:0], digest(e.Raw)), reasonSuperseded
		if p.doubt.settles(id) {
			return
		}
	}
	m := p.newMessage()
	m.raw, m.id, m.reason, m.record = e.Raw, string(id), reason, r
	r.pending++
	if reason != "" {
		p.reportDead(m)
	} else if length := e.Channel.Kind.Window(); length > 0 {
		m.end = e.Time + length.Milliseconds()
		m.revision = p.observe(l, e)
	}
	p.enqueue(l, m)
}

// place returns where an event goes: the lane, its message id, and why it is a dead letter if it is one.
// The id is good until the next call.
func (p *publisher) place(e *polygon.Event) (l *lane, id []byte, reason string) {
	sum := digest(e.Raw)
	if reason = p.unfit(e); reason != "" {
		p.buf = appendDeadID(p.buf[:0], sum)
		return p.dead, p.buf, reason
	}
	p.buf = appendSubject(p.buf[:0], p.market, e.Channel.Kind, e.Symbol)
	l = p.lane(p.buf)
	p.buf = appendID(p.buf[:0], e, sum)
	return l, p.buf, ""
}

// enqueue puts a message at the end of a lane.
func (p *publisher) enqueue(l *lane, m *message) {
	l.push(m)
	if l.state == laneIdle {
		p.makeReady(l)
	}
}

// unfit says why an event cannot be published under its own subject, "" if it can.
func (p *publisher) unfit(e *polygon.Event) (reason string) {
	switch {
	case e.Fault != "":
		return string(e.Fault)
	case !routable(e.Symbol):
		return "symbol"
	case len(e.Raw)+maxHeader > p.out.maxBytes:
		return "too_large"
	}
	return ""
}

// observe takes note of a bar and reports whether it is a revision: the vendor sends a bar again when
// late trades change it, for about 15 minutes, and marks it by nothing but its window.
func (p *publisher) observe(l *lane, e *polygon.Event) (revision bool) {
	if e.Time <= l.newest {
		return true
	}
	l.newest = e.Time
	if l.breaks(e.Raw) {
		p.metrics.continuityBreaks.Inc()
	}
	return false
}

// lane returns the lane of a subject.
func (p *publisher) lane(subject []byte) *lane {
	if l, ok := p.lanes[string(subject)]; ok {
		return l
	}
	if len(p.lanes) >= maxLanes {
		p.forgetIdle()
	}
	l := &lane{subject: string(subject)}
	p.lanes[l.subject] = l
	return l
}

// maxLanes bounds what is remembered of subjects. No market has as many active symbols in a day.
const maxLanes = 1 << 20

// forgetIdle drops the lanes that have no message. What is lost with them is only what tells a
// revision from a new bar.
func (p *publisher) forgetIdle() {
	for subject, l := range p.lanes {
		if l.head == nil && l != p.dead {
			delete(p.lanes, subject)
		}
	}
}

// newMessage takes a message that is used up, or makes one.
func (p *publisher) newMessage() *message {
	p.messages++
	m := p.spare
	if m == nil {
		return new(message)
	}
	p.spare, m.next = m.next, nil
	return m
}
