package polygontest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// client is a bare WebSocket client: it shows what is on the wire.
type client struct {
	*websocket.Conn
	t *testing.T
}

func start(t *testing.T, config Config) *Server {
	t.Helper()
	s := NewServer(config)
	t.Cleanup(s.Close)
	return s
}

func dial(t *testing.T, s *Server) *client {
	t.Helper()
	conn, _, err := websocket.Dial(deadline(t), s.URL, &websocket.DialOptions{HTTPClient: s.Client()})
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	t.Cleanup(func() { conn.CloseNow() })
	conn.SetReadLimit(maxFrame)
	return &client{conn, t}
}

// login dials, is greeted and authenticates.
func login(t *testing.T, s *Server) *client {
	t.Helper()
	c := dial(t, s)
	c.expect("connected: Connected Successfully")
	c.send("auth", "key")
	c.expect("auth_success: authenticated")
	return c
}

// subscribe logs in and subscribes, with answers in one frame.
func subscribe(t *testing.T, s *Server, params string) *client {
	t.Helper()
	c := login(t, s)
	c.send("subscribe", params)
	var want []string
	for param := range strings.SplitSeq(params, ",") {
		want = append(want, "success: subscribed to: "+param)
	}
	c.expect(want...)
	return c
}

// deadline bounds what would otherwise hang when the code under test is broken. It asserts nothing.
func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func (c *client) send(action, params string) {
	c.t.Helper()
	message := fmt.Sprintf(`{"action":%q,"params":%q}`, action, params)
	if err := c.Write(deadline(c.t), websocket.MessageText, []byte(message)); err != nil {
		c.t.Fatalf("write %s: %v", action, err)
	}
}

// next reads a frame.
func (c *client) next() ([]byte, error) {
	_, data, err := c.Read(deadline(c.t))
	return data, err
}

// events reads a frame and returns its elements.
func (c *client) events() []json.RawMessage {
	c.t.Helper()
	data, err := c.next()
	if err != nil {
		c.t.Fatalf("read: %v", err)
	}
	var elements []json.RawMessage
	if err := json.Unmarshal(data, &elements); err != nil {
		c.t.Fatalf("frame %.200q: %v", data, err)
	}
	return elements
}

// expect reads a frame that has exactly these statuses, each written "status: message".
func (c *client) expect(want ...string) {
	c.t.Helper()
	var got []string
	for _, e := range c.events() {
		got = append(got, statusOf(c.t, e))
	}
	if !slices.Equal(got, want) {
		c.t.Fatalf("got %q, want %q", got, want)
	}
}

// drain reads to the end of the connection and returns the events and the error that ended it.
func (c *client) drain() (events []string, err error) {
	for {
		data, err := c.next()
		if err != nil {
			return events, err
		}
		var elements []json.RawMessage
		if err := json.Unmarshal(data, &elements); err != nil {
			c.t.Fatalf("frame %.200q: %v", data, err)
		}
		for _, e := range elements {
			events = append(events, string(e))
		}
	}
}

func statusOf(t *testing.T, element json.RawMessage) string {
	t.Helper()
	var s struct{ Ev, Status, Message string }
	if err := json.Unmarshal(element, &s); err != nil || s.Ev != "status" {
		t.Fatalf("got %s, want a status", element)
	}
	return s.Status + ": " + s.Message
}
