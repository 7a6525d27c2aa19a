package bridge

import (
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// othersBehind is how much later another bridge may have stored what this one had read as well: both read for a moment
// when the active one was frozen, and the vendor has not noticed.
const othersBehind = time.Minute

// begin makes the publisher the active one of several bridges, from now until valid reports false. It must be called before
// the feed begins.
func (p *publisher) begin(valid func() bool) {
	p.valid, p.fresh, p.queued = valid, true, time.Time{}
	if records, _, _ := p.queue.Depth(); records == 0 {
		return
	}
	for rec, err := range p.queue.All() {
		if err != nil { // then the time is not known
			p.queued = time.Now()
			return
		}
		p.queued = rec.At
	}
}

// sinceTurn is the part of the stream that can have what was queued when the turn began. Others may have stored a
// day of the market since then: to read all of it would take many minutes.
func (p *publisher) sinceTurn(info *jetstream.StreamInfo, from since) since {
	if p.queued.IsZero() {
		return fromSequence(info.State.LastSeq + 1)
	}
	from.until = info.TimeStamp.Add(-time.Since(p.queued) + othersBehind)
	return from
}
