package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"bridge/polygon"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// delivery is a queue and a publisher at work, without a feed: the test appends the frames.
type delivery struct {
	t    *testing.T
	q    queue
	p    *publisher
	log  *logBuffer
	done chan error
}

func startDelivery(t *testing.T, cfg Config) *delivery {
	t.Helper()
	d := newDelivery(t, cfg)
	d.start()
	return d
}

func newDelivery(t *testing.T, cfg Config) *delivery {
	t.Helper()
	d := &delivery{t: t, q: newMemory(cfg.QueueMaxBytes), log: shownOnFailure(t), done: make(chan error, 1)}
	d.p = newPublisher(cfg, d.q, newFillQueue(), newMetrics(nil, polygon.Stocks), logTo(d.log))
	return d
}

func (d *delivery) start() {
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		d.done <- d.p.run(ctx, &readiness{})
	}()
	d.t.Cleanup(func() {
		cancel()
		<-stopped
	})
}

// append puts frames of the tape into the queue.
func (d *delivery) append(tp *tape, frames, events int) {
	d.t.Helper()
	for range frames {
		if err := d.q.Append(0, tp.frame(events), time.Now()); err != nil {
			d.t.Fatal(err)
		}
	}
}

// settled waits until at most n records wait in the queue.
func (d *delivery) settled(n int) {
	d.t.Helper()
	eventually(d.t, "the queue empties", func() error {
		if records, _, _ := d.q.Depth(); records > n {
			return fmt.Errorf("%d records, want at most %d", records, n)
		}
		return nil
	})
}

// finish closes the queue and waits for the publisher to end.
func (d *delivery) finish() {
	d.t.Helper()
	d.q.Close()
	select {
	case err := <-d.done:
		if err != nil {
			d.t.Fatalf("publisher: %v", err)
		}
	case <-time.After(patience):
		records, bytes, oldest := d.q.Depth()
		d.t.Fatalf("the publisher did not end: %d records, %d bytes, oldest %v", records, bytes, oldest)
	}
}

// shortWindow makes the stream with the least window for duplicates that the server takes. What is settled then
// is settled by what the stream has, and not by the server's memory of ids.
func shortWindow(t *testing.T, url string) {
	t.Helper()
	if _, err := connect(t, url).CreateStream(t.Context(), briefStream()); err != nil {
		t.Fatal(err)
	}
}

func briefStream() jetstream.StreamConfig {
	cfg := streamConfig(testConfig(""))
	cfg.Duplicates = 100 * time.Millisecond
	return cfg
}

// TestStreamIsCompleteAfter has faults strike in the middle of a full window. Afterwards the stream has
// every event once, in order per subject, as sent, whether the server remembers ids for long or not.
func TestStreamIsCompleteAfter(t *testing.T) {
	t.Parallel()
	const frames, events = 300, 20
	for _, tt := range []struct {
		name  string
		fault func(*testing.T, *delivery, *tape, *natsServer, *proxy)
	}{
		{"nothing", func(*testing.T, *delivery, *tape, *natsServer, *proxy) {}},
		{"server killed and restarted", func(t *testing.T, d *delivery, tp *tape, s *natsServer, _ *proxy) {
			s.kill()
			d.append(tp, frames, events)
			s.up()
		}},
		{"connection cut, three times", func(t *testing.T, d *delivery, tp *tape, _ *natsServer, px *proxy) {
			for range 3 {
				px.cut()
				d.append(tp, frames, events)
				d.settled(frames / 2)
			}
		}},
		{"acks lost, then cut", func(t *testing.T, d *delivery, tp *tape, s *natsServer, px *proxy) {
			d.settled(0)
			before := tp.events()
			px.set(linkDeaf)
			d.append(tp, frames, events)
			stored(t, s.url, before+1)
			px.cut()
			px.set(linkOpen)
		}},
		{"acks lost until they time out", func(t *testing.T, d *delivery, tp *tape, s *natsServer, px *proxy) {
			retried := d.p.metrics.retries()
			px.set(linkDeaf)
			d.append(tp, frames, events)
			eventually(t, "an ack times out", func() error {
				if d.p.metrics.retries() == retried {
					return fmt.Errorf("no retry")
				}
				return nil
			})
			px.set(linkOpen)
		}},
	} {
		for _, short := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, short window %v", tt.name, short), func(t *testing.T) {
				t.Parallel()
				s := newNATS(t).up()
				px := newProxy(t, s.url)
				tp := newTape(1)
				if short {
					shortWindow(t, s.url)
					tp.fresh = true // what the vendor repeats after the window is stored again, as it should be
				}
				d := startDelivery(t, testConfig(px.url()))
				d.append(tp, frames, events)
				d.settled(frames / 2)
				tt.fault(t, d, tp, s, px)
				d.append(tp, frames, events)
				d.finish()
				tp.check(t, s.url)
			})
		}
	}
}

// stored waits until the stream has at least n messages.
func stored(t *testing.T, url string, n int) {
	t.Helper()
	js := connect(t, url)
	eventually(t, fmt.Sprintf("%d messages are stored", n), func() error {
		stream, err := js.Stream(t.Context(), "STOCKS")
		if err != nil {
			return err
		}
		if have := stream.CachedInfo().State.Msgs; have < uint64(n) {
			return fmt.Errorf("%d messages", have)
		}
		return nil
	})
}

// TestFullStreamHoldsTheQueue: a stream that refuses what is new loses nothing; when there is room
// again everything arrives.
func TestFullStreamHoldsTheQueue(t *testing.T) {
	t.Parallel()
	s := newNATS(t).up()
	js := connect(t, s.url)
	cfg := testConfig(s.url)
	full := streamConfig(cfg)
	full.Discard, full.MaxBytes, full.DenyDelete = jetstream.DiscardNew, 200_000, false
	if _, err := js.CreateStream(t.Context(), full); err != nil {
		t.Fatal(err)
	}
	d := startDelivery(t, cfg)
	tp := newTape(2)
	d.append(tp, 300, 20)
	eventually(t, "the stream refuses", func() error {
		if d.p.metrics.retries() == 0 {
			return fmt.Errorf("no refusal")
		}
		return nil
	})
	full.MaxBytes = 1 << 30
	if _, err := js.UpdateStream(t.Context(), full); err != nil {
		t.Fatal(err)
	}
	d.finish()
	tp.check(t, s.url)
}

// TestStrangersAnswers: a subscriber that is no consumer and still acknowledges what it receives does so to
// the publisher, before the stream does. That neither stops the publisher nor counts as the stream's ack.
func TestStrangersAnswers(t *testing.T) {
	t.Parallel()
	s := newNATS(t).up()
	conn := connect(t, s.url).Conn()
	if _, err := conn.Subscribe("stocks.>", func(m *nats.Msg) { _ = m.Ack() }); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Subscribe("stocks.>", func(m *nats.Msg) { _ = m.Respond([]byte(`{"stream":"OTHER","seq":1}`)) }); err != nil {
		t.Fatal(err)
	}
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
	d := startDelivery(t, testConfig(s.url))
	tp := newTape(6)
	d.append(tp, 300, 20)
	d.finish()
	tp.check(t, s.url)
	if n := d.p.metrics.retries(); n > 0 {
		t.Errorf("%d messages were sent again, want none", n)
	}
}

// TestUndecidedIsNoAnswer: a leader that was replaced and does not know it says of messages that they are in process, when the new leader
// has long acknowledged them. They are not sent again, which would store them twice as the server forgets ids at once.
func TestUndecidedIsNoAnswer(t *testing.T) {
	t.Parallel()
	s := newNATS(t).up()
	shortWindow(t, s.url)
	conn := connect(t, s.url).Conn()
	if _, err := conn.Subscribe("stocks.>", func(m *nats.Msg) {
		_ = m.Respond([]byte(`{"error":{"code":409,"err_code":10158,"description":"duplicate message id is in process"},"stream":"STOCKS","seq":0}`))
	}); err != nil {
		t.Fatal(err)
	}
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
	d := startDelivery(t, testConfig(s.url))
	tp := newTape(7)
	tp.fresh = true
	d.append(tp, 300, 20)
	d.finish()
	tp.check(t, s.url)
}

// TestAckOfThePast: an ack with a sequence that the stream had given before the message was sent is that of a stream that was taken back. What
// it has is read before anything else is sent.
func TestAckOfThePast(t *testing.T) {
	t.Parallel()
	s := newNATS(t).up()
	shortWindow(t, s.url)
	d := startDelivery(t, testConfig(s.url))
	tp := newTape(8)
	tp.fresh = true
	d.append(tp, 100, 20)
	d.settled(0)
	conn := connect(t, s.url).Conn()
	answers, err := conn.Subscribe("stocks.>", func(m *nats.Msg) { _ = m.Respond([]byte(`{"stream":"STOCKS","seq":1}`)) })
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
	d.append(tp, 100, 20)
	d.log.await(t, errTakenBack.Error())
	if err := answers.Unsubscribe(); err != nil {
		t.Fatal(err)
	}
	d.finish()
	tp.check(t, s.url)
}

// TestLimitLoweredBehindALoadedMessage: a message that was loaded when the stream still took its size, and
// is sent when it does not any more, is a dead letter and never a cut event. The others stay as they are.
func TestLimitLoweredBehindALoadedMessage(t *testing.T) {
	t.Parallel()
	s := newNATS(t).up()
	px := newProxy(t, s.url)
	d := startDelivery(t, testConfig(px.url()))
	event := func(second, bytes int) string {
		return fmt.Sprintf(`{"ev":"A","sym":"X","s":%d,"x":%q}`, second, strings.Repeat("x", bytes))
	}
	send := func(events ...string) {
		if err := d.q.Append(0, []byte("["+strings.Join(events, ",")+"]"), time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	send(event(1, 0))
	d.settled(0)
	px.set(linkDeaf)
	send(event(2, 0), event(3, 10_000), event(4, 0)) // without an ack of the first the others wait
	stored(t, s.url, 2)
	stream, err := connect(t, s.url).Stream(t.Context(), "STOCKS")
	if err != nil {
		t.Fatal(err)
	}
	smaller := stream.CachedInfo().Config
	smaller.MaxMsgSize = leastMessageBytes
	if _, err := connect(t, s.url).UpdateStream(t.Context(), smaller); err != nil {
		t.Fatal(err)
	}
	px.cut()
	px.set(linkOpen)
	d.finish()

	var got []string
	for _, m := range readStream(t, s.url, "STOCKS") {
		got = append(got, fmt.Sprintf("%s %s %s", m.Subject(), m.Headers().Get(headerReason), m.Headers().Get(headerLength)))
	}
	slices.Sort(got)
	want := []string{"stocks.agg.X  ", "stocks.agg.X  ", "stocks.agg.X  ", "stocks.dead too_large 10033"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestDuplicateWindowIsNotLeantOn: what was in flight when the server died is settled by what the
// stream has, not by the server's memory of ids, which here is gone.
func TestDuplicateWindowIsNotLeantOn(t *testing.T) {
	t.Parallel()
	s := newNATS(t).up()
	px := newProxy(t, s.url)
	shortWindow(t, s.url)
	d := startDelivery(t, testConfig(px.url()))
	tp := newTape(3)
	tp.fresh = true
	d.append(tp, 100, 1)
	d.settled(0)
	px.set(linkDeaf)
	d.append(tp, 1, 40)
	stored(t, s.url, 110)
	s.kill()
	px.cut()
	px.set(linkOpen)
	s.up()
	d.finish()
	tp.check(t, s.url)
}

// TestLostAcknowledgedMessagesAreSentAgain takes the server back to an earlier state of its disk, as a power
// cut does to one that had not synced. The records that the queue keeps fill the hole, also where others have stored more
// meanwhile than was lost, so that the stream's last sequence does not tell.
func TestLostAcknowledgedMessagesAreSentAgain(t *testing.T) {
	t.Parallel()
	for _, others := range []int{0, 5000} {
		t.Run(fmt.Sprintf("others have stored %d", others), func(t *testing.T) {
			t.Parallel()
			s := newNATS(t).up()
			shortWindow(t, s.url)
			px := newProxy(t, s.url)
			d := startDelivery(t, testConfig(px.url()))
			tp := newTape(4)
			tp.fresh = true
			d.append(tp, 100, 20)
			d.settled(0)
			earlier := s.stopToSave()
			d.append(tp, 200, 20)
			d.settled(0)
			px.set(linkFrozen)
			s.kill()
			s.restoreStore(earlier)
			s.up()
			storeOthers(t, s.url, others)
			px.set(linkOpen)
			d.append(tp, 100, 20)
			d.finish()
			tp.check(t, s.url)
		})
	}
}

// TestTakenBackAfterItWasMadeAnew: what a stream that was made anew beside the connection has acknowledged is sent again, too, where it loses it.
func TestTakenBackAfterItWasMadeAnew(t *testing.T) {
	t.Parallel()
	s := newNATS(t).up()
	shortWindow(t, s.url)
	px := newProxy(t, s.url)
	d := startDelivery(t, testConfig(px.url()))
	d.log.await(t, "nats connected")
	if err := connect(t, s.url).DeleteStream(t.Context(), "STOCKS"); err != nil {
		t.Fatal(err)
	}
	shortWindow(t, s.url)
	storeOthers(t, s.url, 500)
	silent(t, time.Now())
	tp := newTape(25)
	tp.fresh = true
	d.append(tp, 10, 20)
	d.settled(0)
	s.pause()
	earlier := s.saveStore()
	s.resume()
	d.append(tp, 20, 20)
	d.settled(0)
	px.set(linkFrozen)
	s.kill()
	s.restoreStore(earlier)
	s.up()
	px.set(linkOpen)
	d.append(tp, 10, 20)
	d.finish()
	tp.check(t, s.url)
}

// silent returns when a stream that has said nothing since a time is not trusted any more.
func silent(t testing.TB, since time.Time) {
	t.Helper()
	eventually(t, "the stream is not trusted any more", func() error {
		if time.Since(since) <= trustFor {
			return errors.New("it is")
		}
		return nil
	})
}

// storeOthers stores messages in the stream that are not of the feed.
func storeOthers(t *testing.T, url string, n int) {
	t.Helper()
	eventually(t, "the stream is for others, too", func() error {
		return askOnce(t, url, func(ctx context.Context, js jetstream.JetStream) error {
			stream, err := js.Stream(ctx, "STOCKS")
			if err != nil {
				return err
			}
			cfg := stream.CachedInfo().Config
			cfg.Subjects = []string{"stocks.>", "others.>"}
			_, err = js.UpdateStream(ctx, cfg)
			return err
		})
	})
	js := connect(t, url)
	for range n {
		if _, err := js.PublishAsync("others.X", nil, jetstream.WithStallWait(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	<-js.PublishAsyncComplete()
}
