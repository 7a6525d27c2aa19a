package bridge

import (
	"fmt"
	"time"

	"bridge/bridge/internal/spool"
)

// loadGap routes a gap that the feed has put into the queue.
func (p *publisher) loadGap(rec spool.Record, r *loaded) {
	g, err := parseGap(rec.Frame)
	if err != nil { // our own record, with a good checksum
		p.log.Error("gap not understood", "err", err)
		return
	}
	switch last := p.lastStreamed(g.From); {
	case g.From.IsZero():
		if g.From = last; last.IsZero() || !last.Before(g.To) {
			return // nothing was ever streamed before
		}
	case g.From.After(p.lastAt) && !p.lastAt.IsZero(): // a pong came since the last frame
	case goesBackTo(last, g.From):
		g.From = last
	}
	p.openGap(g, r)
}

// lookForHole records a gap when the queue has lost records before this one.
func (p *publisher) lookForHole(rec spool.Record, r *loaded) {
	if rec.Lost == 0 {
		return
	}
	since := rec.Since
	if since.IsZero() { // what came before the hole is gone
		since = p.lastStreamed(time.Time{})
	}
	g := newGap(p.cfg, reasonDamaged, since, rec.At)
	g.ID = fmt.Sprintf("%s-%d", g.ID, rec.Seq)
	p.openGap(g, r)
}

// openGap publishes a gap. The filler gets it when its record, and so all that was read before it, is stored.
func (p *publisher) openGap(g gap, r *loaded) {
	if p.doubt.settles([]byte(g.messageID())) {
		return // it was read from the stream, see resumeGaps
	}
	p.publishGap(g, r)
	r.gaps = append(r.gaps, g)
	if r.seq > p.counted {
		p.metrics.gaps.WithLabelValues(g.Reason).Inc()
		p.log.Warn("gap in the feed", "reason", g.Reason, "from", g.From, "to", g.To)
	}
}

// publishGap puts a gap into its lane.
func (p *publisher) publishGap(g gap, r *loaded) {
	m := p.newMessage()
	m.raw, m.id, m.record = g.encode(), g.messageID(), r
	r.pending++
	p.enqueue(p.lane([]byte(gapSubject(p.market))), m)
}
