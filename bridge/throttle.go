package bridge

import "time"

// throttle says how much of the window may be used. Each refusal halves that, each ack adds one message to it.
type throttle struct {
	size    int           // of the window
	burst   int           // messages that are sent at once, at least, when it was full
	limit   int           // messages in flight
	full    bool          // the limit was reached: more is sent when there is room for a burst
	pause   time.Duration // how long the last refusal with a limit of one lets all wait; 0 behind an ack
	paused  time.Time     // nothing is sent before
	stalled time.Time     // of the first refusal behind the last ack; zero when the last answer was an ack
}

// nearBurst is how many messages are sent at once when a small window was full: so many that the client need not wake its flusher for
// each, and so few that the server does not run out of messages meanwhile. Several servers work on half of a large one at once.
const nearBurst = 16

func newThrottle(size int) throttle {
	burst := size / 2
	if size == nearWindow {
		burst = nearBurst
	}
	return throttle{size: size, burst: burst, limit: size}
}

// holds reports whether nothing more is to be sent now.
func (t *throttle) holds(inFlight int, now time.Time) bool {
	return now.Before(t.paused) || t.full && inFlight > t.limit-min(t.burst, t.limit/2)
}

// widen is for an ack.
func (t *throttle) widen() {
	t.stalled, t.pause = time.Time{}, 0
	t.limit = min(t.limit+1, t.size)
}

// narrow is for a refusal.
func (t *throttle) narrow(now time.Time) {
	if t.stalled.IsZero() {
		t.stalled = now
	}
	if t.limit = max(1, t.limit/2); t.limit == 1 {
		t.pause = min(max(2*t.pause, tickEvery), 2*time.Second)
		t.paused = now.Add(t.pause)
	}
}

// isStalled reports whether all has been refused for too long.
func (t *throttle) isStalled(now time.Time) bool {
	return !t.stalled.IsZero() && now.Sub(t.stalled) > stallTimeout
}
