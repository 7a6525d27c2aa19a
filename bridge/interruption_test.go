package bridge

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bridge/polygon"
	"bridge/polygon/polygontest"

	"github.com/coder/websocket"
)

// gapsIn takes all records from a queue and returns the gaps, and how many frames came before each.
func gapsIn(t *testing.T, q queue) (gaps []gap, framesBefore []int) {
	t.Helper()
	frames := 0
	for {
		rec, ok := q.Next()
		switch {
		case !ok:
			return gaps, framesBefore
		case rec.Kind != kindGap:
			frames++
			continue
		}
		g, err := parseGap(rec.Frame)
		if err != nil {
			t.Fatal(err)
		}
		gaps, framesBefore = append(gaps, g), append(framesBefore, frames)
	}
}

// TestEverySessionBeginsWithItsGap: the queue has the time between two sessions before the first frame of the second, from the
// last sign of life to the first.
func TestEverySessionBeginsWithItsGap(t *testing.T) {
	for _, tt := range []struct {
		name   string
		fault  polygontest.Fault
		reason string
		least  time.Duration // of the gap
		most   time.Duration
	}{
		{"dropped", polygontest.DropAfter(2), "disconnected", 125 * time.Millisecond, 4 * time.Second},
		{"closed by the feed", polygontest.CloseAfter(2, websocket.StatusGoingAway), "disconnected", 125 * time.Millisecond, 4 * time.Second},
		{"half-open", polygontest.StallAfter(2), "silent", 60 * time.Second, 90 * time.Second},
		{"evicted", polygontest.EvictAfter(2), "max_connections", 60 * time.Second, 95 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := polygontest.NewUnstartedServer(polygontest.Config{
					Market: polygontest.Market{Symbols: polygontest.Symbols(3)}, Pace: polygontest.RealTime,
				})
				srv.NextSession(tt.fault)
				f, _ := startFeed(t, srv, "A.*", "T.*")
				if err := srv.WaitSessions(t.Context(), 2); err != nil {
					t.Fatal(err)
				}
				<-time.After(5 * time.Second)
				synctest.Wait()
				gaps, before := gapsIn(t, f.queue)
				if len(gaps) != 2 {
					t.Fatalf("%d gaps, want 2: %+v", len(gaps), gaps)
				}
				if g := gaps[0]; g.Reason != reasonRestart || !g.From.IsZero() || before[0] != 0 {
					t.Errorf("first gap %+v behind %d frames, want one from an unknown time before all frames", g, before[0])
				}
				g := gaps[1]
				if g.Reason != tt.reason || g.length() < tt.least || g.length() > tt.most || before[1] != 2 {
					t.Errorf("%s gap of %v behind %d frames, want a %s one of %v to %v behind 2", g.Reason, g.length(), before[1], tt.reason, tt.least, tt.most)
				}
				if len(g.Channels) != 2 || g.Channels[0] != "A" || g.Channels[1] != "T" {
					t.Errorf("channels %v, want A and T", g.Channels)
				}
			})
		})
	}
}

// TestSilenceIsNoGap: a quiet market that answers pings is known to stream until the end of the session.
func TestSilenceIsNoGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := polygontest.NewUnstartedServer(polygontest.Config{})
		srv.NextSession(polygontest.CutMidFrame(1))
		f, _ := startFeed(t, srv, "A.*")
		if err := srv.WaitSubscribed(t.Context()); err != nil {
			t.Fatal(err)
		}
		srv.Send([]byte(`[{"ev":"A","sym":"X","s":1}]`))
		<-time.After(3*time.Hour + time.Second)
		srv.Send([]byte(`[{"ev":"A","sym":"X","s":2}]`))
		if err := srv.WaitSessions(t.Context(), 2); err != nil {
			t.Fatal(err)
		}
		if err := srv.WaitSubscribed(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		gaps, _ := gapsIn(t, f.queue)
		if len(gaps) != 2 || gaps[1].length() > time.Minute {
			t.Fatalf("got %+v, want a gap of less than a minute after the one of the start", gaps)
		}
	})
}

// TestFullQueueIsAGap: from the last frame that the queue took to the first one that it takes again.
func TestFullQueueIsAGap(t *testing.T) {
	log := shownOnFailure(t)
	synctest.Test(t, func(t *testing.T) {
		srv := polygontest.NewUnstartedServer(polygontest.Config{})
		f := newTestFeed(t, srv, "A.*")
		f.log = logTo(log)
		f.limited = newLimiter(f.log)
		runFeed(t, srv, f)
		if err := srv.WaitSubscribed(t.Context()); err != nil {
			t.Fatal(err)
		}
		lastKept := sendInto(f, srv, fullRoom)
		for range 3 {
			sendInto(f, srv, noRoom)
		}
		sendInto(f, srv, fullRoom) // for a moment: this is no end of it
		sendInto(f, srv, noRoom)
		again := sendInto(f, srv, fullRoom)
		for range 10 {
			sendInto(f, srv, fullRoom)
		}
		gaps, _ := gapsIn(t, f.queue)
		if len(gaps) != 2 {
			t.Fatalf("%d gaps, want 2: %+v", len(gaps), gaps)
		}
		if g := gaps[1]; g.Reason != reasonQueueFull || !g.From.Equal(lastKept) || !g.To.Equal(again) {
			t.Errorf("got %+v, want a full queue from %v to %v", g, lastKept.UTC(), again.UTC())
		}
		if got := log.String(); strings.Count(got, "frames are being lost") != 1 || strings.Count(got, "were lost") != 1 || !strings.Contains(got, "frames=4 ") {
			t.Errorf("got %s\nwant one line at the begin, and one at the end that counts 4 frames", got)
		}
	})
}

// TestFullQueueNamesItsSetting: that which bounds it.
func TestFullQueueNamesItsSetting(t *testing.T) {
	for _, tt := range []struct {
		cfg  Config // of the room
		want string
	}{
		{Config{QueueMaxBytes: 5}, "BRIDGE_QUEUE_MAX_BYTES"},
		{Config{QueueMaxBytes: 5, SpoolMaxBytes: 1 << 30, DataDir: t.TempDir()}, "BRIDGE_QUEUE_MAX_BYTES"},
		{Config{QueueMaxBytes: 1 << 20, SpoolMaxBytes: 5, DataDir: t.TempDir()}, "BRIDGE_SPOOL_MAX_BYTES"},
	} {
		q, err := openQueue(tt.cfg, newMetrics(nil, polygon.Stocks), quiet(t))
		if err != nil {
			t.Fatal(err)
		}
		err = q.Append(kindFrame, []byte("a frame"), time.Now())
		if got := (&feed{cfg: tt.cfg}).bound(err); err == nil || got != tt.want {
			t.Errorf("%v: got %s, want %s", err, got, tt.want)
		}
		q.Close()
		if err := q.Release(); err != nil {
			t.Error(err)
		}
	}
}

// What sendInto may leave in the queue.
const (
	noRoom   = 0
	gapRoom  = 500 // for a gap, and not for a frame
	fullRoom = 1 << 20
)

// sendInto sends a frame a second later, while the queue has that many bytes of room, and returns when it was read.
func sendInto(f *feed, srv *polygontest.Server, room int64) time.Time {
	<-time.After(time.Second)
	q := f.queue.(*memory)
	q.mu.Lock()
	q.maxBytes = q.bytes + room
	q.mu.Unlock()
	srv.Send([]byte(`[{"ev":"A","sym":"X","s":1}` + strings.Repeat(" ", 1000) + `]`))
	synctest.Wait()
	return time.Now()
}

// TestFullQueueIsKnownInTime: whenever the bridge dies, what the queue has refused is in a gap of the queue, or so short before the last
// frame that the gap of the restart has it.
func TestFullQueueIsKnownInTime(t *testing.T) {
	for _, tt := range []struct {
		name    string
		takes   func(second int) bool
		refuses int64 // room
	}{
		{"refuses for long", func(second int) bool { return second == 0 || second == 119 }, noRoom},
		{"refuses for long, and takes gaps", func(second int) bool { return second == 0 || second == 119 }, gapRoom},
		{"takes and refuses by turns", func(second int) bool { return second%3 == 0 }, noRoom},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := polygontest.NewUnstartedServer(polygontest.Config{})
				f, _ := startFeed(t, srv, "A.*")
				if err := srv.WaitSubscribed(t.Context()); err != nil {
					t.Fatal(err)
				}
				var refused []time.Time
				var lastKept time.Time
				for second := range 120 {
					if tt.takes(second) {
						lastKept = sendInto(f, srv, fullRoom)
					} else {
						refused = append(refused, sendInto(f, srv, tt.refuses))
					}
				}
				gaps, _ := gapsIn(t, f.queue)
				for _, at := range refused {
					if at.Before(lastKept.Add(-beforeGap)) && !slices.ContainsFunc(gaps[1:], func(g gap) bool {
						return !at.Before(g.From) && !at.After(g.To)
					}) {
						t.Errorf("refused %v before the last frame, and in none of %d gaps", lastKept.Sub(at), len(gaps)-1)
					}
				}
				if most := 120/int(longestFull.Seconds()) + 1; len(gaps) > most {
					t.Errorf("%d gaps, want %d at most", len(gaps), most)
				}
			})
		})
	}
}
