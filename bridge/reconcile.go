package bridge

import (
	"context"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// doubt is about records that a publisher had taken and not acknowledged when its process ended, or that the server
// may have lost: some of their messages are in the stream.
type doubt struct {
	stored idSet
	floor  uint64 // none of their messages has a sequence up to this one
	absent int    // events that were looked up, and are not stored
}

// doubtEnds is how many events have to be absent for none of those behind them to be stored. A publisher loads
// no further than loadedMessages unsettled ones, and a frame.
const doubtEnds = 8 * loadedMessages

// reconcile settles, before anything is published on a new connection, every doubt that the last one
// left, or the last process: it looks for the ids in question in what the stream has stored since they could
// have been sent, whatever the server remembers of ids itself.
func (p *publisher) reconcile(ctx context.Context, stream jetstream.Stream) error {
	asked := time.Now()
	info, err := currentInfo(ctx, stream)
	if err != nil {
		return err
	}
	ahead := time.Until(info.TimeStamp) // at once, what follows may take long
	// A stream that was made anew has lost nothing: somebody removed it, and that is not undone.
	same := info.Created.Equal(p.known.created)
	lost, err := p.known.isLost(ctx, stream, info)
	if err != nil {
		return err
	}
	if !same && p.known.acked > 0 {
		p.log.Warn("another stream than before: what that one had is not sent again", "stream", info.Config.Name, "created", info.Created)
	}
	if lost {
		p.log.Error("the server lost acknowledged messages, sending again what is kept",
			"sequence", info.State.LastSeq, "acked", p.known.acked)
		p.metrics.rollbacks.Inc()
		p.unload()
		p.queue.Rewind()
	}
	if lost || p.fresh {
		if err := p.learn(ctx, stream); err != nil {
			return err
		}
	}
	doubtful := fromSequence(p.floor() + 1)
	if lost || !same {
		if doubtful, err = p.sinceOldest(info); err != nil {
			return err
		}
	}
	var left *leftover
	switch {
	case lost:
		p.left = nil
	case p.fresh && p.valid != nil:
		doubtful = p.sinceTurn(info, ahead, doubtful)
		left = p.left
	}
	stored, floor, err := storedIDs(ctx, stream, doubtful, left)
	if err != nil {
		return err
	}
	witness, err := witnessAt(ctx, stream, info, info.State.LastSeq)
	if err != nil {
		return err
	}
	switch {
	case len(stored) == 0:
		p.doubt = nil
	case lost || p.fresh:
		p.doubt = &doubt{stored: stored, floor: floor}
	}
	if p.fresh {
		p.sweep(stored)
	}
	p.settleDoubts(stored)
	p.connected, p.fresh = true, false
	p.known = known{created: info.Created, acked: info.State.LastSeq, witness: witness, heard: asked}
	return nil
}

// floor is a sequence of the stream up to which no message of a record that is not acknowledged can be stored.
func (p *publisher) floor() uint64 {
	floor := p.known.acked
	switch {
	case p.records.len() > 0:
		floor = p.records.first().floor
	case p.doubt != nil:
		floor = p.doubt.floor
	}
	for _, r := range p.batches {
		floor = min(floor, r.floor)
	}
	return floor
}

// sinceOldest is the part of the stream that can have what the queue keeps.
func (p *publisher) sinceOldest(info *jetstream.StreamInfo) (part, error) {
	const margin = 10 * time.Second // for the time that the answer took, and for steps of a clock
	for rec, err := range p.queue.All() {
		return fromTime(info.TimeStamp.Add(-time.Since(rec.At) - margin)), err
	}
	return fromSequence(info.State.LastSeq + 1), nil
}

// settleDoubts ends the messages that were sent and are in the stream, and makes all others ready.
func (p *publisher) settleDoubts(stored idSet) {
	p.ready, p.waiting = fifo[*lane]{}, p.waiting[:0]
	for _, l := range p.lanes {
		l.state = laneIdle
		switch m := l.head; {
		case m == nil:
		case m.attempts > 0 && stored.has([]byte(m.id)):
			p.metrics.reconciled.Inc()
			p.done(m) // makes the lane ready if there is another message
		default:
			p.makeReady(l)
		}
	}
	p.release()
}

// sweep takes the messages out of their lanes that another bridge has stored meanwhile, or newer versions of them. The gaps that are in the
// stream were read from there, see resumeGaps: the other one may have filled them.
func (p *publisher) sweep(stored idSet) {
	for _, r := range p.records.items[p.records.head:] {
		r.gaps = slices.DeleteFunc(r.gaps, func(g gap) bool { return stored.has([]byte(g.messageID())) })
	}
	var dead []*message
	for _, l := range p.lanes {
		kept := l.head
		l.head, l.tail = nil, nil
		for kept != nil {
			m := kept
			kept = m.next
			switch {
			case stored.has([]byte(m.id)):
				p.left.met([]byte(m.id))
				p.metrics.reconciled.Inc()
				p.retire(m)
			case m.end > 0 && m.reason == "" && p.left.superseded([]byte(m.id), m.record.at):
				dead = append(dead, m)
			default:
				m.record.left = p.left
				l.push(m)
			}
		}
	}
	for _, m := range dead {
		p.dies(m, reasonSuperseded)
	}
}

// unload forgets what was taken from the queue, to take it again.
func (p *publisher) unload() {
	for _, l := range p.lanes {
		l.head, l.tail, l.newest, l.accumulated = nil, nil, 0, 0
	}
	p.records, p.messages, p.spare = fifo[*loaded]{}, 0, nil
	p.lastAt, p.lastEnd, p.next = time.Time{}, 0, nil
}

// settles reports whether the stream has an event that is loaded for the first time since a doubt arose.
func (d *doubt) settles(id []byte) bool {
	if d == nil {
		return false
	}
	if d.stored.has(id) {
		return true
	}
	d.absent++
	return false
}

// learn takes the newest bar of each symbol from the stream, so that a correction is known as one
// after a restart as well.
func (p *publisher) learn(ctx context.Context, stream jetstream.Stream) error {
	last, err := lastMessages(ctx, stream, string(p.market)+".>")
	if err != nil {
		return err
	}
	feed, err := p.lastOfFeed(ctx, stream, last)
	if err != nil {
		return err
	}
	p.streamed = p.lastBar(feed)
	if p.streamed.IsZero() && p.valid == nil { // the stream was purged, and of two bridges the other one may have been on since
		p.streamed = p.read
	}
	if err := p.resumeGaps(ctx, stream, last[gapSubject(p.market)].seq); err != nil {
		return err
	}
	for subject, m := range last {
		if !kindOf(p.market, subject).Aggregate() {
			continue
		}
		if start, ok := windowStart(m.id); ok {
			l := p.lane([]byte(subject))
			l.newest = max(l.newest, start)
			for m := l.head; m != nil; m = m.next { // another bridge has been on since they were loaded
				m.revision = m.revision || m.end-kindOf(p.market, subject).Window().Milliseconds() <= start
			}
		}
	}
	return nil
}
