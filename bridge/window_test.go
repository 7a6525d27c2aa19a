package bridge

import (
	"testing"
	"time"
)

// TestWindowTakesNoLateAnswer: after an error, which may have been late and meant for another message, the ack that then comes on the
// same reply subject is nobody's.
func TestWindowTakesNoLateAnswer(t *testing.T) {
	w := newWindow("inbox.", 1)
	first, second := &message{id: "first"}, &message{id: "second"}
	old := w.put(first, sending{})
	if m, _ := w.take(old); m != first {
		t.Fatalf("got %v, want the first message", m)
	}
	w.spoil(old)
	reply := w.put(second, sending{})
	if m, _ := w.take(old); m != nil {
		t.Errorf("a late answer was taken for that of %s", m.id)
	}
	w.spoil(old)
	if m, _ := w.take(reply); m != second {
		t.Errorf("got %v, want the second message", m)
	}
	for _, reply := range []string{"inbox.", "inbox.1", "inbox.-1", "inbox.x", "inbox.0", "inbox.0-2"} {
		if m, _ := w.take(reply); m != nil {
			t.Errorf("%s is the reply subject of %s", reply, m.id)
		}
	}
}

// TestWindowSize: where an ack takes longer than the server's work, more messages are in flight.
func TestWindowSize(t *testing.T) {
	for _, tt := range []struct {
		name     string
		replicas int
		answered time.Duration
		want     int
	}{
		{"one copy, near", 1, time.Millisecond, 500},
		{"one copy, far", 1, 10 * time.Millisecond, 2048},
		{"three copies", 3, time.Millisecond, 2048},
	} {
		if got := windowSize(tt.replicas, tt.answered); got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.name, got, tt.want)
		}
	}
}

// TestWindowOfFarServer: the window of a link is for how far its stream is.
func TestWindowOfFarServer(t *testing.T) {
	t.Parallel()
	proxy := newProxy(t, newNATS(t).up().url)
	proxy.set(linkSlow)
	cfg := testConfig(proxy.url())
	c, err := dialLink(t.Context(), cfg.NATS, cfg.Stream, nil, func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	stream, err := openStream(t.Context(), c.js, cfg, quiet(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.openWindow(t.Context(), stream); err != nil {
		t.Fatal(err)
	}
	if got := c.window.size(); got != mostWindow {
		t.Errorf("the window is %d messages, want %d", got, mostWindow)
	}
}
