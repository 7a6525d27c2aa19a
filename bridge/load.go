package bridge

import "bridge/polygon"

// load takes the next record from the queue and puts its events into their lanes. It returns false
// when there is no record, or enough is loaded.
func (p *publisher) load() bool {
	if p.messages >= loadedMessages {
		return false
	}
	rec, ok := p.queue.next()
	if !ok {
		return false
	}
	p.events = p.market.Split(p.events[:0], rec.frame)
	r := &loaded{seq: rec.seq, at: rec.at}
	p.records.push(r)
	if rec.seq > p.counted {
		p.counted = rec.seq
		p.metrics.received(p.events)
	}
	for i := range p.events {
		if e := &p.events[i]; !e.Status {
			p.route(e, r, position{rec.seq, i})
		}
	}
	if r.pending == 0 {
		p.release()
	}
	return true
}

// route puts an event into the lane of its subject, or into the lane of the dead letters.
func (p *publisher) route(e *polygon.Event, r *loaded, at position) {
	m := p.newMessage(e, r)
	if reason := p.unfit(e); reason != "" {
		p.reportDead(m, reason)
		m.reason = reason
		p.enqueue(p.dead, m, at)
		return
	}
	p.buf = appendSubject(p.buf[:0], p.market, e.Channel.Kind, e.Symbol)
	l := p.lane(p.buf)
	if e.Channel.Kind.Aggregate() {
		m.revision = p.observe(l, e)
	}
	p.enqueue(l, m, at)
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

// enqueue puts a message at the end of its lane, unless the stream has it already.
func (p *publisher) enqueue(l *lane, m *message, at position) {
	if at.record <= p.resumeTo && !l.stored.before(at) {
		p.drop(m)
		return
	}
	l.push(m)
	if l.state == laneIdle {
		p.makeReady(l)
	}
}

// observe takes note of a bar and reports whether it is a revision: the vendor sends a bar again when
// late trades change it, for about 15 minutes, and marks it by nothing but its window.
func (p *publisher) observe(l *lane, e *polygon.Event) (revision bool) {
	if e.Time <= l.newest {
		return true
	}
	l.newest = e.Time
	now, before := accumulated(e)
	if l.accumulated != 0 && now > l.accumulated && before != l.accumulated {
		p.metrics.continuityBreaks.Inc()
	}
	l.accumulated = now
	return false
}

// accumulated returns the day's volume after and before a bar, in millionths of a share, 0 when the
// bar does not say. The exact decimal strings are preferred: the integers are cut to whole shares.
func accumulated(e *polygon.Event) (after, before int64) {
	for _, names := range [...][2]string{{"dav", "dv"}, {"av", "v"}} {
		day, ok := millionths(e.Field(names[0]))
		if !ok {
			continue
		}
		if bar, ok := millionths(e.Field(names[1])); ok {
			return day, day - bar
		}
	}
	return 0, 0
}

// millionths reads a decimal number or a string that holds one.
func millionths(v []byte) (int64, bool) {
	if len(v) > 2 && v[0] == '"' {
		v = v[1 : len(v)-1]
	}
	if len(v) == 0 || len(v) > 18 {
		return 0, false
	}
	var n int64
	decimals := -1
	for _, c := range v {
		switch {
		case c == '.' && decimals < 0:
			decimals = 0
		case c >= '0' && c <= '9' && decimals < 6:
			n = n*10 + int64(c-'0')
			if decimals >= 0 {
				decimals++
			}
		default:
			return 0, false
		}
	}
	for decimals = max(decimals, 0); decimals < 6; decimals++ {
		n *= 10
	}
	return n, true
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

func (p *publisher) newMessage(e *polygon.Event, r *loaded) *message {
	m := p.spare
	if m == nil {
		m = new(message)
	} else {
		p.spare = m.next
	}
	*m = message{event: *e, digest: digest(e.Raw), record: r}
	r.pending++
	p.messages++
	return m
}
