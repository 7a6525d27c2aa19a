package polygontest

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// session is one connection, from upgrade to end. Its goroutine reads what the client sends and writes the
// answers; data comes from the goroutine that trades, or from the outbox's.
type session struct {
	server *Server
	wire   *wire
	conn   *websocket.Conn
	number int // 1 for the first connection
	faults []Fault
	outbox *outbox // nil when the market waits for its readers

	mu      sync.Mutex // guards what follows
	phase   phase
	key     string          // with which it authenticated
	params  map[string]bool // held, as written
	since   time.Time       // when it first asked for one; zero while it has not
	until   time.Time       // when it left; zero before
	traded  int             // how many of them the market serves
	frames  int             // of data, sent so far
	held    []byte          // answers that wait for the next frame of data
	scratch frame           // the part of a frame that this session wants
}

// phase is how far a session has come.
type phase string

const (
	phaseGreeted phase = "greeted" // waits for the key
	phaseDenied  phase = "denied"  // authenticated, but its plan has no data
	phaseSurplus phase = "surplus" // authenticated, one too many: ends after its first subscribe
	phaseLive    phase = "live"
	phaseLeft    phase = "left" // gets nothing more, though the connection may last a while
)

// maxRequest is the most bytes of one message from a client.
const maxRequest = 4 << 20

// serve upgrades the connection and stays with it to its end.
func (c *session) serve(w http.ResponseWriter, r *http.Request) {
	_, mute := find(c.faults, kindNoPongs)
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		OnPingReceived: func(context.Context, []byte) bool { return !mute },
	})
	if err != nil {
		return // Accept has answered
	}
	defer conn.CloseNow()
	conn.SetReadLimit(maxRequest)
	c.conn, c.phase, c.params = conn, phaseGreeted, map[string]bool{}
	if c.server.config.Buffer > 0 {
		c.wire.narrow(narrowBuffer)
		c.outbox = newOutbox(c, c.server.config.Buffer)
		defer c.outbox.close()
	}
	if !c.server.enter(c) {
		return
	}
	defer c.server.exit(c)
	defer c.leave()

	c.write(statusFrame("connected", textConnected))
	late := time.AfterFunc(c.server.config.AuthTimeout, c.expire)
	defer late.Stop()
	for {
		_, message, err := conn.Read(context.Background())
		if err != nil {
			return
		}
		var request struct{ Action, Params string }
		if json.Unmarshal(message, &request) != nil {
			continue // what the vendor answers to bad JSON is not known; it is met with silence
		}
		if !c.handle(request.Action, request.Params) {
			return
		}
	}
}

// handle does what the client asks; false ends the connection without a close frame. What is asked out of
// turn is met with silence: what the vendor answers is not known.
func (c *session) handle(action, params string) bool {
	greeted := c.in(phaseGreeted)
	switch {
	case action == "auth" && greeted:
		return c.authenticate(params)
	case action == "subscribe" && c.in(phaseLive, phaseSurplus):
		c.subscribe(params)
	case action == "unsubscribe" && c.in(phaseLive, phaseSurplus):
		c.unsubscribe(params)
	}
	return true
}

// authenticate accepts or refuses a key. The vendor drops a refused connection without a close frame.
func (c *session) authenticate(key string) bool {
	plan := c.server.config.Plan
	refusal := ""
	switch {
	case plan.Key != "" && key != plan.Key:
		refusal = textAuthFailed
	case plan.Access == NoWebSocket:
		refusal = textNoWebSocket
	}
	if refusal != "" {
		c.write(statusFrame("auth_failed", refusal))
		c.server.update(func(st *Stats) { st.AuthFailed++ })
		return false
	}
	c.write(statusFrame("auth_success", textAuthSuccess))
	c.mu.Lock()
	c.key = key
	c.mu.Unlock()
	if denial := plan.denial(); denial != "" {
		c.enter(phaseDenied)
		c.server.update(func(st *Stats) { st.AuthOK++ })
		// Beside the reader: a pipe has no buffer, and the client may be sending its subscribe.
		c.server.background(func() { c.write(statusFrame("error", denial)) })
		return true
	}
	c.server.admit(c)
	c.server.update(func(st *Stats) { st.AuthOK++ })
	return true
}

// expire ends a connection that has not authenticated in time.
func (c *session) expire() {
	c.server.run(func() {
		if c.leaveFrom(phaseGreeted) {
			c.write(statusFrame("auth_timeout", textAuthTimeout))
			c.wire.Close()
		}
	})
}

// evict ends the connection because there are too many.
func (c *session) evict() {
	c.leave()
	c.server.update(func(st *Stats) { st.Evicted++ })
	if c.server.config.Plan.Eviction == Abort {
		c.write(statusFrame("max_connections", textEvictedAbort))
		c.wire.Close()
		return
	}
	c.write(statusFrame("max_connections", textEvicted1008))
	c.conn.Close(websocket.StatusPolicyViolation, "")
}

// write writes a frame. An error ends the session's reader as well, so nobody else need know.
func (c *session) write(data []byte) error {
	// No deadline: when the connection must end, closing the wire ends the write.
	return c.conn.Write(context.Background(), websocket.MessageText, data)
}

func (c *session) in(phases ...phase) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Contains(phases, c.phase)
}

// enter moves on to the phase, unless the session has left.
func (c *session) enter(p phase) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase != phaseLeft {
		c.phase = p
	}
}

// leave stops data and answers for good; the connection itself may last.
func (c *session) leave() { c.leaveFrom("") }

// leaveFrom leaves if the session is in the phase, or in any for "". It reports whether it has left just now.
func (c *session) leaveFrom(p phase) bool {
	c.mu.Lock()
	if c.phase == phaseLeft || (p != "" && c.phase != p) {
		c.mu.Unlock()
		return false
	}
	subscribed := len(c.params) > 0
	c.phase, c.until = phaseLeft, time.Now()
	clear(c.params)
	c.traded = 0
	c.mu.Unlock()
	if subscribed {
		c.server.update(func(st *Stats) { st.Subscribed-- })
	}
	return true
}

// admit lets a session in whose key was accepted, and ends one if there are now too many. A half-open
// connection counts, as the vendor may count one that the client has lost.
func (s *Server) admit(c *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var alike []*session // authenticated sessions, oldest first
	for _, other := range s.sessions {
		if other == c || other.in(phaseLive) || other.wire.stalled.Load() {
			alike = append(alike, other)
		}
	}
	excess := s.config.Plan.excess(len(alike))
	if excess > 0 && s.config.Plan.Limit == RefuseNewer {
		c.enter(phaseSurplus)
		return
	}
	c.enter(phaseLive)
	for _, old := range alike[:excess] {
		s.background(old.evict)
	}
}

// exit takes a session, which has left, from the open ones.
func (s *Server) exit(c *session) {
	c.mu.Lock()
	was := Subscriber{Session: c.number, Key: c.key, Since: c.since, Until: c.until}
	c.mu.Unlock()
	s.update(func(st *Stats) {
		st.Open--
		if !was.Since.IsZero() {
			s.former = append(s.former, was)
		}
		s.sessions = slices.DeleteFunc(slices.Clone(s.sessions), func(other *session) bool { return other == c })
	})
}
