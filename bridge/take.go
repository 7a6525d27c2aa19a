package bridge

import (
	"time"

	"bridge/bridge/internal/spool"
	"bridge/polygon"
)

// loadAhead is how much newer the bars may be that are loaded than those that are not stored yet. When a process ends and
// its queue is lost, what the stream has is all that is known, and the gap begins with the newest bar in it; what is
// asked for reaches back by more than this (see beforeGap).
//
// A queue on disk is not lost, but needs the bound as well: its frames stay in memory from when they are loaded until all
// before them are settled. So a subject that is refused for long holds up the others. That takes a setting of an operator; nothing
// is lost meanwhile, and when nothing else is left to store, the stream is checked, and the setting named, after stallTimeout.
const loadAhead = 20 * time.Second

// taken is a record of the queue whose events wait to be put into their lanes.
type taken struct {
	spool.Record
	end int64 // of the newest window so far, Unix ms
}

// take takes a record from the queue, and splits it. It returns nil when there is none, or the next one has to wait for
// what is loaded already.
func (p *publisher) take() *taken {
	if p.next == nil {
		rec, ok := p.queue.Next()
		if !ok {
			return nil
		}
		p.next = &p.taken
		*p.next = taken{Record: rec, end: p.lastEnd}
		p.events = p.events[:0]
		if rec.Kind == kindFrame {
			p.events = p.market.Split(p.events, rec.Frame)
			p.next.end = max(p.next.end, newestWindow(p.events, rec.At))
		}
	}
	if p.records.len() > 0 && p.tooNew(p.next.end) {
		return nil
	}
	t := p.next
	p.next = nil
	return t
}

// tooNew reports whether a record up to that window has to wait for the oldest one that is loaded. Behind a gap all wait until
// it is recorded, or a later bar would hide it.
func (p *publisher) tooNew(end int64) bool {
	oldest := p.records.first()
	return len(p.records.last().gaps) > 0 || end-oldest.after > loadAhead.Milliseconds()
}

// newestWindow returns the end of the newest window of which there is a bar, in Unix ms, 0 for none. What is in the future
// of when it was read is wrong.
func newestWindow(events []polygon.Event, read time.Time) (end int64) {
	soon := read.Add(time.Minute).UnixMilli()
	for i := range events {
		e := &events[i]
		if e.Status || e.Fault != "" || !e.Channel.Kind.Aggregate() {
			continue
		}
		if at := e.Time + e.Channel.Kind.Window().Milliseconds(); at < soon {
			end = max(end, at)
		}
	}
	return end
}
