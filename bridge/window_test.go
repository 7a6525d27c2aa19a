package bridge

import "testing"

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
