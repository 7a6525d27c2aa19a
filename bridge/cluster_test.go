package bridge

import (
	"errors"
	"strings"
	"testing"
)

// TestLeaderLost takes the leader from a stream in a real cluster of three, with the window full, and again. The server
// forgets ids at once: what the stream has is all that tells what must be sent.
func TestLeaderLost(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		lose  func(c *cluster, leader int)
		again func(c *cluster, leader int)
	}{
		{"killed", func(c *cluster, leader int) { c.servers[leader].kill() }, func(c *cluster, leader int) { c.servers[leader].up() }},
		{"stepped down", func(c *cluster, _ int) { c.stepDown() }, func(*cluster, int) {}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t).up().with(briefStream())
			d := startDelivery(t, testConfig(c.urls()))
			tp := newTape(5)
			tp.fresh = true
			for range 2 {
				d.append(tp, 150, 20)
				d.settled(75)
				leader := c.leader()
				tt.lose(c, leader)
				d.append(tp, 150, 20)
				d.settled(150)
				tt.again(c, leader)
				d.settled(0)
			}
			d.finish()
			c.whole()
			tp.check(t, c.urls())
			d.foundNothingLost()
		})
	}
}

// foundNothingLost checks that the publisher never took a server for one that had lost acknowledged messages.
func (d *delivery) foundNothingLost() {
	d.t.Helper()
	if n := value(d.t, d.p.metrics, "bridge_nats_rollbacks_total"); n > 0 {
		d.t.Errorf("%v times the server was thought to have lost acknowledged messages", n)
	}
}

// TestFollowerIsNotBelieved: a server that lost the others answers for the leader after a while, with what it has itself, though it
// was cut off before all the rest was acknowledged. The bridge, which reaches no other, must not take that for a loss.
func TestFollowerIsNotBelieved(t *testing.T) {
	t.Parallel()
	c := newCluster(t).up().with(briefStream())
	leader := c.leader()
	follower := (leader + 1) % 3
	tp := newTape(23)
	tp.fresh = true
	d := startDelivery(t, testConfig(c.urls()))
	d.append(tp, 50, 20)
	d.settled(0)
	c.whole()
	c.isolate(follower)
	d.append(tp, 50, 20)
	d.settled(0)
	for i, s := range c.servers {
		if i != follower {
			s.kill()
		}
	}
	eventually(t, "the follower answers", func() error {
		info, err := c.state(c.servers[follower].url)
		if err == nil && info.State.Msgs >= uint64(tp.events()) {
			t.Fatalf("it has %d messages, want less than %d", info.State.Msgs, tp.events())
		}
		return err
	})
	d.append(tp, 50, 20)
	eventually(t, "the bridge does not believe it", func() error {
		if !strings.Contains(d.log.String(), errNoLeader.Error()) {
			return errors.New("not yet")
		}
		return nil
	})
	for i, s := range c.servers {
		if i != follower {
			s.up()
		}
	}
	c.join(follower)
	d.finish()
	c.whole()
	tp.check(t, c.urls())
	d.foundNothingLost()
}
