package polygontest

import "time"

// Pace says when the market's events are sent.
type Pace string

const (
	// AsRead sends as fast as the subscribed sessions read. While nobody is subscribed to anything that
	// trades the market stands still, so a session begins where the one before it ended.
	AsRead Pace = "as_read"

	// RealTime sends a burst each second, the bars of the window that ended two seconds ago, as the vendor
	// does. The market goes on while nobody listens, and what it makes then is sent to nobody.
	RealTime Pace = "real_time"
)

// broadcastDelay is how long the vendor waits after a window for late trades before it sends the bar.
const broadcastDelay = 2 * time.Second

// maxFrame is the most bytes in a frame: clients with a limit of one megabyte run without complaint. maxEvent
// is more than any event needs.
const (
	maxFrame = 1_000_000
	maxEvent = 1_000
)

// openMarket returns a market with its past, and when its first second is due.
func (s *Server) openMarket() (g *generator, due time.Time) {
	market := s.config.Market
	due = time.Now().Truncate(time.Second).Add(time.Second)
	if market.Start.IsZero() && s.config.Pace == RealTime {
		market.Start = due.Add(-broadcastDelay - time.Second)
	}
	g = newGenerator(market)
	s.past.begin(market, g.start, s.config.REST.Past)
	s.past.open(g.start, due)
	return g, due
}

// runMarket makes the market's events and sends them, until the market closes or the server does.
func (s *Server) runMarket(g *generator, due time.Time) {
	for made := 0; g.trades() && !s.enough(made); g.advance() {
		if s.config.Pace == RealTime && !s.until(due) {
			return
		}
		due = due.Add(time.Second)
		n, ok := s.sendSecond(g, made)
		if !ok {
			return
		}
		made += n
	}
	s.flush()
	s.update(func(st *Stats) { st.Closed = true })
}

// enough reports whether the market closes after so many events.
func (s *Server) enough(made int) bool { return s.config.Events > 0 && made >= s.config.Events }

// sendSecond makes and sends one second's events, after those made before. It returns how many, and false when
// the server has closed.
func (s *Server) sendSecond(g *generator, before int) (int, bool) {
	f := &s.burst
	made := 0
	for {
		f.reset()
		for len(f.events) < s.config.FrameEvents && len(f.data) < maxFrame-maxEvent && !s.enough(before+made) {
			e, ok := g.next()
			if !ok {
				break
			}
			if !e.foreign {
				s.past.add(e.bar)
			}
			start := len(f.data)
			f.data = g.append(f.data, e)
			f.events = append(f.events, span{start, len(f.data), e.bar.channel(), g.Symbols[e.bar.symbol]})
			f.data = append(f.data, ',')
			made++
		}
		if len(f.events) == 0 {
			return made, true
		}
		f.close()
		if s.ctx.Err() != nil || (s.config.Pace != RealTime && !s.awaitReader()) {
			return made, false
		}
		s.deliver(f)
	}
}

// until waits for a moment of the clock; false when the server has closed. A moment that has passed, because
// a reader was waited for, is made up for at once.
func (s *Server) until(due time.Time) bool {
	t := time.NewTimer(time.Until(due))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-s.ctx.Done():
		return false
	}
}

// awaitReader waits until a session is subscribed to something that trades; false when the server has closed.
func (s *Server) awaitReader() bool {
	return s.read() || s.Wait(s.ctx, func(Stats) bool { return s.read() }) == nil
}

// read reports whether a session is subscribed to something that trades.
func (s *Server) read() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.sessions {
		if c.trades() {
			return true
		}
	}
	return false
}

func (c *session) trades() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.traded > 0
}

// flush waits until what was sent has left the outboxes.
func (s *Server) flush() {
	s.mu.Lock()
	sessions := s.sessions
	s.mu.Unlock()
	for _, c := range sessions {
		if c.outbox != nil {
			c.outbox.flush()
		}
	}
}
