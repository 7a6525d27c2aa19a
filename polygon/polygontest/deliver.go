package polygontest

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/coder/websocket"
)

// frame is a WebSocket message on its way out, and where its events are.
type frame struct {
	data   []byte
	events []span
	market bool // made by the market, so it goes to those who subscribed to its events
	binary bool
	only   int // number of the session that it is for; 0: for all
}

// span is one event of a frame.
type span struct {
	from, to int
	channel  string // A or AM; "" for an event that Send was given
	symbol   string
}

// reset empties the frame of the market and keeps its memory.
func (f *frame) reset() {
	f.data, f.events, f.market = append(f.data[:0], '['), f.events[:0], true
}

// close ends the frame's array.
func (f *frame) close() { f.data[len(f.data)-1] = ']' }

// add appends a copy of an event of another frame.
func (f *frame) add(from *frame, e span) {
	start := len(f.data)
	f.data = append(f.data, from.data[e.from:e.to]...)
	f.events = append(f.events, span{start, len(f.data), e.channel, e.symbol})
	f.data = append(f.data, ',')
}

// clone copies what the frame needs once it is addressed.
func (f *frame) clone() *frame {
	return &frame{data: bytes.Clone(f.data), events: slices.Clone(f.events), binary: f.binary}
}

// Send sends a text frame, as it is, to every connection that holds a subscription, whatever it is to. It
// returns to how many. The frame need not be valid.
func (s *Server) Send(data []byte) int { return s.SendTo(0, data) }

// SendTo is Send to one session only, by its number: the first connection's is 1, as in Sent and Subscriber. It returns 0 when that has
// ended, though another may have begun.
func (s *Server) SendTo(session int, data []byte) int {
	events := []span{{to: len(data)}}
	if s.config.Record != RecordCounts {
		events = split(data)
	}
	return s.deliver(&frame{data: data, events: events, only: session})
}

// SendBinary is Send with a binary frame, which the vendor never sends.
func (s *Server) SendBinary(data []byte) int {
	return s.deliver(&frame{data: data, events: []span{{to: len(data)}}, binary: true})
}

// split finds the events of a frame, without its statuses, for the tape. What is no JSON array is one event.
func split(data []byte) []span {
	whole := []span{{to: len(data)}}
	var elements []json.RawMessage
	if json.Unmarshal(data, &elements) != nil {
		return whole
	}
	var events []span
	d := json.NewDecoder(bytes.NewReader(data))
	if _, err := d.Token(); err != nil { // the opening bracket
		return whole
	}
	for d.More() {
		var element json.RawMessage
		if d.Decode(&element) != nil {
			return whole
		}
		var head struct{ Ev string }
		if json.Unmarshal(element, &head) == nil && head.Ev == "status" {
			continue
		}
		end := int(d.InputOffset())
		events = append(events, span{from: end - len(element), to: end})
	}
	return events
}

// deliver sends a frame to the sessions that it concerns and returns to how many. Where a session has no
// outbox, deliver waits for its reader.
func (s *Server) deliver(f *frame) int {
	s.sending.Lock()
	defer s.sending.Unlock()
	s.mu.Lock()
	s.targets = append(s.targets[:0], s.sessions...)
	s.mu.Unlock()
	n := 0
	for _, c := range s.targets {
		mine := c.address(f)
		switch {
		case mine == nil:
			continue
		case c.outbox != nil:
			c.outbox.put(mine.clone())
			n++
		case c.transmit(mine):
			n++
		}
	}
	return n
}

// address returns the part of the frame that the session subscribed to, nil for none. It is valid until the
// next call.
func (c *session) address(f *frame) *frame {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase != phaseLive || len(c.params) == 0 || f.only != 0 && f.only != c.number {
		return nil
	}
	seconds, minutes := c.params["A.*"], c.params["AM.*"]
	if !f.market || (seconds && (minutes || !f.hasMinutes()) && len(c.held) == 0) {
		return f
	}
	mine := &c.scratch
	mine.reset()
	mine.data = append(mine.data, c.held...)
	for _, e := range f.events {
		wild := (seconds && e.channel == "A") || (minutes && e.channel == "AM")
		if wild || c.params[e.channel+"."+e.symbol] {
			mine.add(f, e)
		}
	}
	if len(mine.events) == 0 {
		return nil
	}
	mine.close()
	c.held = nil
	return mine
}

// hasMinutes reports whether a minute bar is in the frame. The market sends them last in a second.
func (f *frame) hasMinutes() bool {
	return slices.ContainsFunc(f.events, func(e span) bool { return e.channel == "AM" })
}

// transmit writes the frame, records it, and lets the faults happen that it makes due. It reports whether
// the socket has taken the frame. Only one goroutine transmits for a session.
func (c *session) transmit(f *frame) bool {
	c.mu.Lock()
	frames, left := c.frames, c.phase == phaseLeft
	c.mu.Unlock()
	if left || c.cut(f.data, frames) {
		return false
	}
	typ := websocket.MessageText
	if f.binary {
		typ = websocket.MessageBinary
	}
	began := time.Now()
	if err := c.conn.Write(context.Background(), typ, f.data); err != nil {
		c.leave()
		return false
	}
	c.server.tape.add(c.number, frames+1, began, f)
	c.mu.Lock()
	c.frames++
	c.mu.Unlock()
	c.server.update(func(st *Stats) {
		st.Frames++
		st.Events += len(f.events)
	})
	c.strike(frames + 1)
	return true
}
