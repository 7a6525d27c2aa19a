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

// TestWindowSize: a server that is far away gets more messages at once.
func TestWindowSize(t *testing.T) {
	for _, tt := range []struct {
		roundTrip time.Duration
		want      int
	}{
		{100 * time.Microsecond, 500},
		{5 * time.Millisecond, 500},
		{20 * time.Millisecond, 2000},
		{time.Second, 2048},
	} {
		if got := windowSize(tt.roundTrip); got != tt.want {
			t.Errorf("%v: got %d, want %d", tt.roundTrip, got, tt.want)
		}
	}
}

// TestWindowOfFarServer: the window of a link is for how far its server is.
func TestWindowOfFarServer(t *testing.T) {
	t.Parallel()
	proxy := newProxy(t, newNATS(t).up().url)
	proxy.set(linkSlow)
	c, err := dialLink(t.Context(), testConfig(proxy.url()).NATS, "STOCKS", nil, func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	if c.window.size() <= leastWindow {
		t.Errorf("the window is %d messages", c.window.size())
	}
}
