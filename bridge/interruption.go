package bridge

import (
	"time"

	"bridge/polygon"
)

// interruption is a time in which nothing of the feed gets into the queue. When it is over it becomes a gap.
type interruption struct {
	reason string
	from   time.Time // zero: not known, as after a start; the publisher finds out
	again  time.Time // of the first frame since the queue last refused one; zero: there was none yet
	lost   int       // frames that the queue has refused
}

const (
	// fullFor is how long the queue must take every frame before a time in which it did not is over: a queue at its
	// bound takes and refuses by turns.
	fullFor = 10 * time.Second
	// longestFull is how long such a time may get before a part of it is recorded. Should the bridge die, the gap of its restart
	// begins with the last frame that the queue took, and what is asked for reaches back by more than this (see beforeGap).
	longestFull = 20 * time.Second
)

// interrupt notes that the session has ended.
func (f *feed) interrupt(conn *polygon.Conn, err error) {
	switch a := f.away; {
	case a == nil:
	case a.reason == reasonQueueFull: // it goes on now for another reason
		a.reason, a.again = endReason(err), time.Time{}
		return
	default: // the session did not stream
		return
	}
	last := f.lastFrame
	if proven := conn.Proven(); proven.After(last) {
		last = proven
	}
	f.away = &interruption{reason: endReason(err), from: last}
}

// resumed puts the gap into the queue if one is over now. It comes before the first frame of the new session, so
// that it is known even if the bridge dies right after that frame.
func (f *feed) resumed(now time.Time) error {
	a := f.away
	to := now
	switch {
	case a == nil:
		return nil
	case a.reason == reasonQueueFull:
		switch {
		case !a.again.IsZero() && now.Sub(a.again) >= fullFor:
			to = a.again
		case now.Sub(a.from) < longestFull:
			return nil
		}
	}
	g := newGap(f.cfg, a.reason, a.from, to)
	if err := f.queue.Append(kindGap, g.encode(), now); err != nil {
		return err
	}
	if a.lost > 0 {
		f.log.Warn("frames were lost: the queue was full", "frames", a.lost, "from", g.From, "to", g.To)
	}
	f.away, f.lastGap = nil, now
	return nil
}

// kept notes that the queue took a frame.
func (f *feed) kept(now time.Time) {
	f.lastFrame = now
	if f.away != nil && f.away.again.IsZero() {
		f.away.again = now
	}
}

// refused notes that the queue did not take a frame.
func (f *feed) refused() {
	if f.away == nil {
		f.away = &interruption{reason: reasonQueueFull, from: f.lastFrame}
		if f.lastGap.After(f.lastFrame) { // the queue took the gap, and not the frame behind it
			f.away.from = f.lastGap
		}
	}
	f.away.again = time.Time{}
	f.away.lost++
}

// subscribed notes that the whole subscription is answered. If that took longer than what is asked for after a gap, the
// channels and tickers that came last have missed more.
func (f *feed) subscribed(now time.Time) {
	_ = f.resumed(now) // a queue that is full says so with the next frame
	if f.away == nil && now.Sub(f.lastGap) > afterGap && !f.lastGap.IsZero() {
		f.away = &interruption{reason: reasonSubscribing, from: f.lastGap}
		_ = f.resumed(now)
	}
	f.lastGap, f.lastFrame = time.Time{}, now
}
