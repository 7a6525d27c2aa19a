package bridge

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"bridge/polygon"
	"bridge/polygon/polygontest"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// leaderFault takes the leader from a stream, for a time.
type leaderFault struct {
	name   string
	apart  int // how far the leader is from the bridge's own server; 0: it is that one
	strike func(c *cluster, leader int)
	end    func(c *cluster, leader int)
}

func kill(c *cluster, leader int)   { c.servers[leader].kill() }
func start(c *cluster, leader int)  { c.servers[leader].up() }
func pause(c *cluster, leader int)  { c.servers[leader].pause() }
func resume(c *cluster, leader int) { c.servers[leader].resume() }

// TestLeaderLost takes the leader from a stream in a real cluster of three, with the window full, until the others have gone on without
// it. Where the server forgets ids at once, what the stream has is all that tells what must be sent.
func TestLeaderLost(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		stream jetstream.StreamConfig
		faults []leaderFault
	}{
		{"ids are forgotten", briefStream(), []leaderFault{
			{"stepped down", 0, (*cluster).stepDown, func(*cluster, int) {}},
			{"killed", 0, kill, start},
			{"isolated, and the bridge with it", 0, (*cluster).isolate, (*cluster).join},
			{"paused", 1, pause, resume},
		}},
		// What a server had taken from the bridge when it was paused it passes on when it goes on, to whoever leads then, however
		// long ago the bridge sent it again elsewhere. Only the memory of ids can tell.
		{"ids are remembered", streamConfig(testConfig("")), []leaderFault{
			{"paused, with what the bridge has sent it", 0, pause, resume},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t).up().with(tt.stream)
			d := startDelivery(t, testConfig(c.urls()))
			tp := newTape(5)
			tp.fresh = true
			d.append(tp, 1, 20)
			for _, fault := range tt.faults {
				d.settled(0)
				leader := (d.connectedTo(c) + fault.apart) % len(c.servers)
				c.lead(leader)
				d.append(tp, 40, 20)
				d.settled(20)
				fault.strike(c, leader)
				d.append(tp, 40, 20)
				d.settled(0)
				fault.end(c, leader)
				d.append(tp, 1, 20)
				d.settled(0)
				c.whole()
				if tp.check(t, c.urls()); t.Failed() {
					t.Fatalf("the leader was %s", fault.name)
				}
			}
			d.finish()
			d.foundNothingLost()
		})
	}
}

// TestLeaderIsolatedForAMoment parts the leader from the others, and joins them again before there is an election: what it was sent is
// stored only then, after the bridge gave up waiting for it.
func TestLeaderIsolatedForAMoment(t *testing.T) {
	t.Parallel()
	c := newCluster(t).up().with(briefStream())
	d := startDelivery(t, testConfig(c.urls()))
	tp := newTape(22)
	tp.fresh = true
	d.append(tp, 1, 20)
	d.settled(0)
	leader := d.connectedTo(c)
	c.lead(leader)
	d.append(tp, 40, 20)
	d.settled(20)
	c.isolate(leader)
	eventually(t, "an ack times out", func() error {
		if d.p.metrics.retries() == 0 {
			return errors.New("not yet")
		}
		return nil
	})
	c.join(leader)
	d.append(tp, 40, 20)
	d.finish()
	c.whole()
	tp.check(t, c.urls())
	d.foundNothingLost()
}

// TestAwaitRest: what a leader has taken while its peers were down is waited for, though the leader has forgotten the ids.
func TestAwaitRest(t *testing.T) {
	t.Parallel()
	c := newCluster(t).up().with(briefStream())
	leader := c.leader()
	to, err := dialLink(t.Context(), testConfig(c.servers[leader].url).NATS, "STOCKS", nil, func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	defer to.close()
	publish := func(n int) {
		for range n {
			if err := to.conn.Publish("stocks.agg.X", []byte("{}")); err != nil {
				t.Fatal(err)
			}
		}
	}
	publish(20)
	c.stored(20)
	c.whole()
	for i, s := range c.servers {
		if i != leader {
			s.kill()
		}
	}
	publish(5)
	eventually(t, "the leader has taken them", func() error {
		taken, err := lastTaken(t.Context(), to, polygon.Stocks)
		if err == nil && taken != 25 {
			err = fmt.Errorf("it has taken %d", taken)
		}
		return err
	})
	stream, err := to.js.Stream(t.Context(), "STOCKS")
	if err != nil || stream.CachedInfo().State.LastSeq != 20 {
		t.Fatalf("it has stored %d messages, %v, want 20", stream.CachedInfo().State.LastSeq, err)
	}
	c.servers[(leader+1)%3].up()
	eventually(t, "the stream is at rest", func() error { return awaitRest(t.Context(), to, stream, polygon.Stocks) })
	if info, err := stream.Info(t.Context()); err != nil || info.State.LastSeq != 25 {
		t.Errorf("it has stored %d messages, %v, want 25", info.State.LastSeq, err)
	}
}

// TestProbeIsAnsweredByOthers: an answer that is not of the stream is left alone.
func TestProbeIsAnsweredByOthers(t *testing.T) {
	t.Parallel()
	c, err := dialLink(t.Context(), testConfig(newNATS(t).up().url).NATS, "STOCKS", nil, func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	if _, err := c.conn.Subscribe(probeSubject(polygon.Stocks), func(m *nats.Msg) {
		for _, answer := range []string{"", "+ACK", `{"stream":"OTHER","seq":5}`,
			`{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 17"},"stream":"STOCKS","seq":0}`} {
			_ = m.Respond([]byte(answer))
		}
	}); err != nil {
		t.Fatal(err)
	}
	if taken, err := lastTaken(t.Context(), c, polygon.Stocks); err != nil || taken != 17 {
		t.Errorf("got %d, %v, want 17", taken, err)
	}
}

// connectedTo is the server that the publisher was last connected to.
func (d *delivery) connectedTo(c *cluster) int {
	d.t.Helper()
	last := func(s *natsServer) int { return strings.LastIndex(d.log.String(), `msg="nats connected" url=`+s.url) }
	server := 0
	for i, s := range c.servers {
		if last(s) > last(c.servers[server]) {
			server = i
		}
	}
	return server
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
	d.log.await(t, errNoLeader.Error()) // the bridge does not believe it
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

// TestRollingRestart restarts all three servers one after the other, as for an upgrade, while the feed goes on. A server
// forgets ids at once.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		down func(*natsServer)
	}{
		{"SIGTERM", (*natsServer).end},
		{"kill -9", (*natsServer).kill},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t).up().with(briefStream())
			srv := polygontest.NewServer(polygontest.Config{})
			t.Cleanup(srv.Close)
			b := newBridge(t, srv, c.urls(), "BRIDGE_STREAM_REPLICAS=3")
			b.start()
			if err := srv.WaitSubscribed(t.Context()); err != nil {
				t.Fatal(err)
			}
			tp := newTape(21)
			tp.fresh = true
			send := func() {
				for range 50 {
					srv.Send(tp.frame(20))
				}
			}
			for _, s := range c.servers {
				send()
				tt.down(s)
				send()
				c.stored(tp.events())
				s.up()
				send()
				c.whole()
			}
			c.stored(tp.events())
			b.stop()
			tp.check(t, c.urls())
			if strings.Contains(b.log.String(), "level=ERROR") {
				t.Errorf("the bridge saw errors:\n%s", b.log)
			}
		})
	}
}

// TestTakenBackBehindTheConnection: a stream of a cluster with one copy comes back with less than was acknowledged, and the bridge's connection,
// which is to another server, has not ended meanwhile.
func TestTakenBackBehindTheConnection(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		frames int // that came while the stream was away
		others int // messages that others have stored when it was back
	}{
		{"the feed was silent", 0, 0},
		{"the feed went on", 10, 0},
		{"the feed went on, and others have stored more than was lost", 10, 5000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t).up()
			c.request("the stream is made", func(ctx context.Context, js jetstream.JetStream) error {
				_, err := js.CreateStream(ctx, briefStream())
				return err
			})
			holder := c.leader()
			s := c.servers[holder]
			d := startDelivery(t, testConfig(c.servers[(holder+1)%3].url))
			tp := newTape(24)
			tp.fresh = true
			d.append(tp, 100, 20)
			d.settled(0)
			earlier := s.stopToSave()
			d.append(tp, 100, 20)
			d.settled(0)
			s.kill()
			killed := time.Now()
			d.append(tp, tt.frames, 20)
			if tt.frames > 0 {
				eventually(t, "nobody takes them", func() error {
					if d.p.metrics.retries() == 0 {
						return errors.New("no refusal")
					}
					return nil
				})
			}
			s.restoreStore(earlier)
			s.up()
			if c.leader(); tt.others > 0 {
				storeOthers(t, c.urls(), tt.others)
			}
			silent(t, killed)
			d.append(tp, 100, 20)
			d.finish()
			tp.check(t, c.urls())
		})
	}
}
