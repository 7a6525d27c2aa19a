package bridge

import (
	"bridge/bridge/internal/spool"
	"bridge/polygon"
)

// backfillMessages bounds the bars from REST that are loaded and not settled. They are few, so that an event of the feed
// does not wait behind them for a place in the window.
const backfillMessages = 256

// loadBackfill takes the next record from the filler. It returns false when there is none, or enough is loaded.
func (p *publisher) loadBackfill() bool {
	if p.restMessages >= backfillMessages {
		return false
	}
	rec, ok := p.side.Next()
	if !ok {
		return false
	}
	r := &loaded{seq: rec.Seq, at: rec.At, floor: p.acked}
	p.sideRecords.push(r)
	if rec.Kind == kindGap {
		p.loadOutcome(rec.Frame, r)
	} else {
		p.events = p.market.Split(p.events[:0], rec.Frame)
		for i := range p.events {
			p.routeREST(&p.events[i], r)
		}
	}
	if r.pending == 0 {
		p.release()
	}
	return true
}

// loadOutcome routes what became of a gap. There is nothing more to come of it.
func (p *publisher) loadOutcome(raw []byte, r *loaded) {
	g, err := parseGap(raw)
	if err != nil {
		p.log.Error("outcome of a gap not understood", "err", err)
		return
	}
	p.heard.forget(g.ID)
	p.publishGap(g, r)
}

// routeREST puts a bar from REST where it waits until its lane is empty.
func (p *publisher) routeREST(e *polygon.Event, r *loaded) {
	l, id, reason := p.place(e)
	if reason != "" {
		p.limited.Error("rest "+reason, "bar from REST cannot be published", "reason", reason)
		return
	}
	m := p.newMessage()
	m.raw, m.id, m.record, m.rest = e.Raw, string(id), r, true
	r.pending++
	p.restMessages++
	waiting := p.late[l]
	if waiting == nil {
		waiting = new(fifo[*message])
		p.late[l] = waiting
	}
	waiting.push(m)
	if l.head == nil {
		p.admit(l)
	}
}

// admit puts the next bar from REST into its lane, which is empty. One that the feed has sent meanwhile is dropped: the
// feed's, which may be a correction, would be followed by an older version. So a bar of the feed never
// waits for more than one from REST.
func (p *publisher) admit(l *lane) {
	waiting := p.late[l]
	if waiting == nil {
		return
	}
	for waiting.len() > 0 && l.head == nil {
		m := waiting.pop()
		if p.heard.has(m.id) {
			p.fills.present.Add(1)
			p.retire(m)
		} else {
			p.enqueue(l, m)
		}
	}
	if waiting.len() == 0 {
		delete(p.late, l)
	}
}

// releaseBackfill acknowledges to the filler what is settled.
func (p *publisher) releaseBackfill() {
	settled := uint64(0)
	for p.sideRecords.len() > 0 && p.sideRecords.first().pending == 0 {
		settled = p.sideRecords.pop().seq
	}
	if settled > 0 {
		p.side.Ack(settled, spool.Mark{})
		p.fills.wake()
	}
}

// dropBackfill takes every bar from REST out of the lanes, and begins anew with the gaps that have no outcome. What was
// in flight the stream tells, if it is there.
func (p *publisher) dropBackfill(open []gap) {
	for l := range p.late {
		delete(p.late, l)
	}
	for _, l := range p.lanes {
		if l.head != nil && l.head.rest { // one at most, and only at the head
			p.retire(l.pop())
		}
	}
	p.sideRecords, p.restMessages = fifo[*loaded]{}, 0
	p.heard = heard{}
	for _, g := range open {
		p.heard.listen(g)
	}
	p.side = p.fills.begin(open)
}
