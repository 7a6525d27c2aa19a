package spool

import "time"

// Hold says whether acknowledged records stay for longer than Options.Retain. While the destination is away, nobody knows
// what it will have when it is back.
func (l *Log) Hold(held bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = held
}

// discard removes the segments whose records were all acknowledged long enough ago.
func (l *Log) discard(now time.Time) {
	for _, s := range l.outdated(now) {
		if err := l.fs.remove(s.name()); err != nil {
			l.log.Warn("spool file not removed", "file", s.name(), "err", err)
		}
		l.out.dirUnsynced = true
	}
}

// outdated takes the segments out of the list that are to be removed.
func (l *Log) outdated(now time.Time) []*segment {
	l.mu.Lock()
	defer l.mu.Unlock()
	bytes := int64(0)
	for _, s := range l.segments {
		bytes += s.end
	}
	n := 0
	for i, s := range l.segments {
		last := l.last
		if i < len(l.segments)-1 {
			last = l.segments[i+1].first - 1
		}
		if s == l.out.seg || last > l.acked {
			break
		}
		if s.settled.IsZero() {
			s.settled = now
		}
		if i == n && (!l.held && now.Sub(s.settled) >= l.opt.Retain || bytes > l.opt.MaxBytes) {
			bytes -= s.end
			n++
		}
	}
	gone := l.segments[:n:n]
	l.segments = l.segments[n:]
	return gone
}
