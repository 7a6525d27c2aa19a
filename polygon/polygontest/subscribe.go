package polygontest

import (
	"strings"
	"time"
)

// Answers says how the answers to a subscribe are framed. All three were seen or are allowed by the vendor's
// documentation.
type Answers string

const (
	AnswersTogether Answers = "together"  // all in one frame
	AnswersApart    Answers = "apart"     // one frame each, with data in between
	AnswersWithData Answers = "with_data" // in the next frame of the market, before its events
)

// subscribe answers each parameter: refusals first, then confirmations, as the vendor does, and nothing for
// channels that do not exist or parameters already held.
func (c *session) subscribe(list string) {
	c.asks(time.Now())
	params := strings.Split(list, ",")
	c.server.update(func(st *Stats) { st.Params = append(st.Params, params...) })

	var refused, granted []string
	seen := map[string]bool{}
	for _, param := range params {
		channel, _, ok := strings.Cut(param, ".")
		switch {
		case !ok || c.server.config.Feed.Channel(channel) == nil || c.holds(param) || seen[param]:
		case !c.server.config.Plan.covers(channel):
			refused = append(refused, param)
		default:
			granted = append(granted, param)
		}
		seen[param] = true
	}
	refusal := textRefused
	if c.full(len(granted)) {
		refusal, refused, granted = textFull, append(refused, granted...), nil
	}

	var statuses [][]byte
	for range refused {
		statuses = append(statuses, appendStatus(nil, "error", refusal))
	}
	for _, param := range granted {
		statuses = append(statuses, appendStatus(nil, "success", "subscribed to: "+param))
	}
	switch {
	case c.in(phaseSurplus):
		c.answer(statuses, nil)
		c.server.background(c.evict)
	case c.doomed():
		c.write(enclose(statuses...))
		c.strike(0)
	default:
		c.answer(statuses, granted)
	}
}

// unsubscribe confirms each parameter that was held. The vendor writes "unsubscribed to".
func (c *session) unsubscribe(list string) {
	var statuses [][]byte
	for param := range strings.SplitSeq(list, ",") {
		if c.drop(param) {
			statuses = append(statuses, appendStatus(nil, "success", "unsubscribed to: "+param))
		}
	}
	c.answer(statuses, nil)
}

// answer sends the statuses as the server's Answers say, and lets the granted parameters take effect, whose
// statuses are the last ones.
func (c *session) answer(statuses [][]byte, granted []string) {
	switch c.server.config.Answers {
	case AnswersApart:
		refusals := len(statuses) - len(granted)
		for i, status := range statuses {
			if i >= refusals {
				c.hold(granted[i-refusals]) // from here on data may come before the answer
			}
			c.write(enclose(status))
		}
	case AnswersWithData:
		if len(granted) == 0 && len(statuses) > 0 { // nothing may ever follow
			c.write(enclose(statuses...))
			return
		}
		c.mu.Lock()
		for _, status := range statuses {
			c.held = append(append(c.held, status...), ',')
		}
		c.mu.Unlock()
		c.hold(granted...)
	default:
		// Nothing may be sent in between: who has read the answer gets what is sent from then on.
		c.server.sending.Lock()
		defer c.server.sending.Unlock()
		if len(statuses) > 0 {
			c.write(enclose(statuses...))
		}
		c.hold(granted...)
	}
}

// enclose makes a frame of elements.
func enclose(elements ...[]byte) []byte {
	frame := []byte{'['}
	for i, e := range elements {
		if i > 0 {
			frame = append(frame, ',')
		}
		frame = append(frame, e...)
	}
	return append(frame, ']')
}

// asks notes when the session asks for parameters first.
func (c *session) asks(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.since.IsZero() {
		c.since = now
	}
}

func (c *session) holds(param string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.params[param]
}

// full reports whether n more parameters are too many.
func (c *session) full(n int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	limit := c.server.config.Plan.MaxParams
	return limit > 0 && len(c.params)+n > limit
}

// hold lets parameters take effect, in a session that gets data.
func (c *session) hold(params ...string) {
	c.mu.Lock()
	before := len(c.params)
	if c.phase == phaseLive {
		for _, param := range params {
			c.params[param] = true
			if c.server.traded[param] {
				c.traded++
			}
		}
	}
	first := before == 0 && len(c.params) > 0
	c.mu.Unlock()
	c.server.update(func(st *Stats) { // even without a change: the market may wait for this very parameter
		if first {
			st.Subscribed++
		}
	})
}

// drop gives a parameter up; false if it was not held.
func (c *session) drop(param string) bool {
	c.mu.Lock()
	held := c.params[param]
	delete(c.params, param)
	if held && c.server.traded[param] {
		c.traded--
	}
	last := held && len(c.params) == 0
	c.mu.Unlock()
	if last {
		c.server.update(func(st *Stats) { st.Subscribed-- })
	}
	return held
}
