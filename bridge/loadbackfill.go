package bridge

import (
	"slices"
	"time"

	"bridge/polygon"
)

// loadBatch routes what the filler has. There are few batches at a time, each of one ticker (see askers), and of a subject one message is in
// flight: so an event of the feed does not wait behind many of them for a place in the window.
func (p *publisher) loadBatch(b *batch) {
	r := &loaded{at: time.Now(), floor: p.known.acked, batch: b}
	p.batches = append(p.batches, r)
	if b.outcome != nil {
		p.publishGap(*b.outcome, r)
	} else {
		events := p.market.Split(nil, b.frame) // p.events may be those of a record that waits, see take
		for i := range events {
			p.routeREST(&events[i], r)
		}
	}
	p.releaseBatches()
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

// admit puts the next bar from REST into its lane, which is empty. So a bar of the feed never waits for more than one from REST.
func (p *publisher) admit(l *lane) {
	waiting := p.late[l]
	if waiting == nil {
		return
	}
	for waiting.len() > 0 && l.head == nil {
		m := waiting.pop()
		if m.record.batch.overtaken {
			p.retire(m)
		} else {
			p.enqueue(l, m)
		}
	}
	if waiting.len() == 0 {
		delete(p.late, l)
	}
}

// overtake gives up a bar from REST, and those of its batch behind it, since something was stored on its subject of which the filler does not
// know: a late bar, a correction, or what another filler had. It looks again.
func (p *publisher) overtake(m *message) {
	m.record.batch.overtaken = true
	p.takeHead(m.lane)
	p.retire(m)
}

// releaseBatches tells the filler what is settled.
func (p *publisher) releaseBatches() {
	p.batches = slices.DeleteFunc(p.batches, func(r *loaded) bool {
		if r.pending == 0 {
			close(r.batch.settled)
		}
		return r.pending == 0
	})
}

// restartBackfill takes every bar from REST out of the lanes, and begins anew with the gaps that have no outcome. What was
// in flight the stream tells, if it is there.
func (p *publisher) restartBackfill(open []gap) {
	for l := range p.late {
		delete(p.late, l)
	}
	for _, l := range p.lanes {
		if l.head != nil && l.head.rest { // one at most, and only at the head
			p.retire(l.pop())
		}
	}
	p.batches = nil
	p.filled = p.fills.begin(open)
}
