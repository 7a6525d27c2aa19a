package polygon

import (
	"context"
	"sync"
	"time"
)

// slowest is the longest interval between requests that a plan asks for: the free one grants five a minute.
const slowest = time.Minute / 5

// pace spaces requests evenly, and learns from refusals what the key's plan grants. The vendor counts requests per
// minute, so what it granted in the last minute before a refusal is about the plan's rate. From there the pace
// doubles with each minute without a refusal, since the refusal may have been meant for a passing crowd. In a plan that
// grants little, that costs a refusal a minute.
type pace struct {
	turn chan struct{} // holds one: who has put it there waits for the next slot, the others for their turn

	mu       sync.Mutex // guards what follows
	fastest  time.Duration
	interval time.Duration // between requests, from fastest to slowest
	next     time.Time     // before which no request is sent
	refusal  time.Time     // the last one
	changed  time.Time     // when the interval was last set
	minute   minuteCount   // requests granted
}

// newPace returns a pace of at most rate requests a second.
func newPace(rate float64) *pace {
	fastest := time.Duration(float64(time.Second) / rate)
	return &pace{turn: make(chan struct{}, 1), fastest: fastest, interval: fastest}
}

// wait returns when a request may be sent, or with the cause of ctx's end.
func (p *pace) wait(ctx context.Context) error {
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	for ctx.Err() == nil {
		wait := p.take(time.Now())
		if wait <= 0 {
			return nil
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C: // a refusal may have come meanwhile, so look again
		case <-ctx.Done():
			timer.Stop()
		}
	}
	return context.Cause(ctx)
}

// take takes the slot that is due, or returns how long it is until the next one.
func (p *pace) take(now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if wait := p.next.Sub(now); wait > 0 {
		return wait
	}
	p.next = now.Add(p.interval)
	return 0
}

// granted notes that a request was answered with anything but a refusal for its number.
func (p *pace) granted() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.minute.add(now)
	if p.interval > p.fastest && now.Sub(p.changed) >= time.Minute {
		p.interval = max(p.fastest, p.interval/2)
		p.changed = now
	}
}

// refused notes that a request asked at that time was one too many, and when the next one may be sent; 0 when
// the vendor did not say.
func (p *pace) refused(asked time.Time, retryAfter time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	granted, oldest := p.minute.count(now)
	if asked.After(p.refusal) { // others that were on their way tell nothing new
		p.interval = p.interval * 5 / 4
		if granted > 0 {
			p.interval = max(p.interval, time.Minute/time.Duration(granted))
		} else {
			p.interval = slowest // something else uses the key
		}
		p.interval = min(p.interval, slowest)
		p.refusal, p.changed = now, now
	}
	if retryAfter == 0 {
		retryAfter = p.interval
		if granted > 0 { // by then the vendor has forgotten the first of them
			retryAfter = max(retryAfter, oldest.Add(time.Minute).Sub(now))
		}
	}
	if until := now.Add(retryAfter); until.After(p.next) {
		p.next = until
	}
}

// minuteCount counts what happened in the last minute, by the second.
type minuteCount struct {
	second [60]int64 // Unix time of each count
	n      [60]int
}

func (c *minuteCount) add(now time.Time) {
	s := now.Unix()
	i := s % 60
	if c.second[i] != s {
		c.second[i], c.n[i] = s, 0
	}
	c.n[i]++
}

// count returns how many there were, and the end of the second in which the first of them was.
func (c *minuteCount) count(now time.Time) (n int, oldest time.Time) {
	s := now.Unix()
	first := s
	for i, at := range c.second {
		if at > s-60 {
			n += c.n[i]
			first = min(first, at)
		}
	}
	return n, time.Unix(first+1, 0)
}
