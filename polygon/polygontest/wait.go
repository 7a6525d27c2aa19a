package polygontest

import (
	"context"
	"slices"
	"time"
)

// Stats counts what has happened to a server.
type Stats struct {
	Refused    int      // upgrades that a fault refused
	Sessions   int      // connections accepted, ever
	Open       int      // connections that are open now; a half-open one counts until the client lets go
	Subscribed int      // open connections that hold a parameter and still receive
	AuthOK     int      // keys accepted
	AuthFailed int      // keys refused
	Stalled    int      // connections that a fault made half-open
	Evicted    int      // connections told that there were too many
	TooSlow    int      // connections killed because they read too slowly
	Params     []string // parameters of all subscribes, in order of arrival, known or not
	Events     int      // events sent, counted once for each session they went to
	Frames     int      // frames with data sent, counted likewise
	Closed     bool     // the market has made all its events

	RESTRequests  int // requests of the REST side, whatever was answered
	RESTSnapshots int // those for a snapshot that the key and the plan's rate allowed
	RESTRefused   int // those that got no data
}

// Stats returns the counts of this moment.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.Params = slices.Clip(st.Params)
	return st
}

// Subscriber is a session that has asked for a parameter.
type Subscriber struct {
	Session int
	Key     string    // with which it authenticated
	Since   time.Time // when it first asked
	Until   time.Time // when it was sent its last, though its connection may have lasted; zero while it receives
}

// FormerSubscribers returns those whose connections are closed, in the order in which they were.
func (s *Server) FormerSubscribers() []Subscriber {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clip(s.former)
}

// Subscribers returns those that hold a parameter and still receive, oldest first.
func (s *Server) Subscribers() (all []Subscriber) {
	s.mu.Lock()
	sessions := s.sessions
	s.mu.Unlock()
	for _, c := range sessions {
		c.mu.Lock()
		if c.phase == phaseLive && len(c.params) > 0 {
			all = append(all, Subscriber{Session: c.number, Key: c.key, Since: c.since})
		}
		c.mu.Unlock()
	}
	return all
}

// Wait returns once enough is true, or with the cause of ctx's end. It calls enough after every change.
func (s *Server) Wait(ctx context.Context, enough func(Stats) bool) error {
	for {
		s.mu.Lock()
		if s.changed == nil {
			s.changed = make(chan struct{})
		}
		changed := s.changed
		s.mu.Unlock()
		if enough(s.Stats()) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// WaitSessions waits until n connections were accepted in all.
func (s *Server) WaitSessions(ctx context.Context, n int) error {
	return s.Wait(ctx, func(st Stats) bool { return st.Sessions >= n })
}

// WaitSubscribed waits until an open connection holds a parameter, so that Send reaches someone.
func (s *Server) WaitSubscribed(ctx context.Context) error {
	return s.Wait(ctx, func(st Stats) bool { return st.Subscribed > 0 })
}

// WaitSent waits until n events were sent in all.
func (s *Server) WaitSent(ctx context.Context, n int) error {
	return s.Wait(ctx, func(st Stats) bool { return st.Events >= n })
}

// WaitDone waits until the market has closed and everything it made was sent or lost with its connection.
func (s *Server) WaitDone(ctx context.Context) error {
	return s.Wait(ctx, func(st Stats) bool { return st.Closed })
}

// update changes the counts and wakes who waits for them.
func (s *Server) update(change func(*Stats)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.stats)
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}
