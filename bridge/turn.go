package bridge

import (
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// begin makes the publisher the active one of several bridges, from now until valid reports false. It must be called before
// the feed begins.
func (p *publisher) begin(valid func() bool) {
	p.valid, p.fresh = valid, true
	if records, _, _ := p.queue.Depth(); records == 0 {
		p.left = nil
		return
	}
	p.left = &leftover{market: p.market, acked: p.known.acked, before: p.left}
	for rec, err := range p.queue.All() {
		if err != nil { // then the time is not known
			p.left.until = time.Now()
			return
		}
		p.left.until = rec.At
	}
}

// sinceTurn is the part of the stream that can have what was queued when the turn began, or other versions of it. Others may have stored
// a day of the market since then: to read all of it would take many minutes. The server's clock is ahead of ours.
func (p *publisher) sinceTurn(info *jetstream.StreamInfo, ahead time.Duration, from part) part {
	if p.left == nil {
		return fromSequence(info.State.LastSeq + 1)
	}
	p.left.ahead = ahead
	from.until = p.left.until.Add(ahead + correctedFor)
	return from
}
