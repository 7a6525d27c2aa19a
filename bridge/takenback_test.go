package bridge

import (
	"testing"
	"time"

	"bridge/polygon"

	"github.com/nats-io/nats.go"
)

// TestLateAckIsOfThePast: an ack that has waited, for a process that stood still, does not show that the stream still has what it had.
func TestLateAckIsOfThePast(t *testing.T) {
	q := newMemory(1 << 20)
	if err := q.Append(kindFrame, frameOf(secondBar("X", 1, 1)), time.Now()); err != nil {
		t.Fatal(err)
	}
	p := newPublisher(testConfig(""), q, newFillQueue(), newMetrics(nil, polygon.Stocks), quiet(t))
	p.out.maxBytes = maxMessageBytes
	if !p.load() {
		t.Fatal("nothing to send")
	}
	c := &link{stream: "STOCKS", acks: make(chan *nats.Msg), window: newWindow("acks.", 1)}
	sent := sending{at: time.Now()}
	answer := &nats.Msg{Subject: c.window.put(p.ready.pop().head, sent), Data: []byte(`{"stream":"STOCKS","seq":1}`)}
	if err := p.settle(c, answer, sent.at.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if p.known.acked != 1 || !p.known.heard.Equal(sent.at) {
		t.Errorf("acknowledged up to %d, and trusted from %v, want 1 and from when it was sent, %v", p.known.acked, p.known.heard, sent.at)
	}
}
