package bridge

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"bridge/polygon"
	"bridge/polygon/polygontest"

	"github.com/coder/websocket"
)

// newTestFeed returns a feed for a server on a pipe, both in the present bubble.
func newTestFeed(t *testing.T, srv *polygontest.Server, subscribe ...string) *feed {
	t.Helper()
	srv.StartPipe()
	f := &feed{
		cfg:     Config{FeedURL: srv.URL, Market: polygon.Stocks, APIKey: NewSecret("secret-key"), Subscribe: subscribe},
		queue:   newMemory(1 << 20),
		metrics: newMetrics(nil, polygon.Stocks),
		log:     quiet(t),
		ready:   &readiness{},
		client:  srv.Client(),
	}
	f.limited = newLimiter(f.log)
	return f
}

// startFeed runs such a feed.
func startFeed(t *testing.T, srv *polygontest.Server, subscribe ...string) (*feed, <-chan error) {
	t.Helper()
	f := newTestFeed(t, srv, subscribe...)
	return f, runFeed(t, srv, f)
}

func runFeed(t *testing.T, srv *polygontest.Server, f *feed) <-chan error {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.run(ctx) }()
	t.Cleanup(func() {
		cancel()
		srv.Close()
		synctest.Wait()
	})
	return done
}

// TestFeedComesBack: however a session ends, the next one subscribes again, after a wait that fits.
func TestFeedComesBack(t *testing.T) {
	for _, tt := range []struct {
		name        string
		fault       polygontest.Fault
		reason      string
		least, most time.Duration // until the second session
	}{
		{"dropped without a close frame", polygontest.DropAfter(1), "disconnected", 125 * time.Millisecond, time.Second},
		{"closed by the feed", polygontest.CloseAfter(1, websocket.StatusGoingAway), "disconnected", 125 * time.Millisecond, time.Second},
		{"cut in mid-frame", polygontest.CutMidFrame(1), "disconnected", 125 * time.Millisecond, time.Second},
		{"half-open", polygontest.StallAfter(1), "silent", 60 * time.Second, 90 * time.Second},
		{"evicted", polygontest.EvictAfter(1), "max_connections", 60 * time.Second, 91 * time.Second},
		{"closed with 1008", polygontest.CloseAfter(1, websocket.StatusPolicyViolation), "max_connections", 60 * time.Second, 91 * time.Second},
		{"upgrade refused", polygontest.RefuseUpgrade(503), "dial", 125 * time.Millisecond, time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := polygontest.NewUnstartedServer(polygontest.Config{
					Market: polygontest.Market{Symbols: polygontest.Symbols(3)}, Pace: polygontest.RealTime,
				})
				srv.NextSession(tt.fault)
				began := time.Now()
				f, _ := startFeed(t, srv, "A.*")
				if err := srv.Wait(t.Context(), func(s polygontest.Stats) bool {
					return len(s.Params) > 0 && s.Sessions+s.Refused == 2 && s.Subscribed == 1
				}); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				// Up to two seconds go by until the fault's frames have been sent.
				if took := time.Since(began); took < tt.least || took > tt.most+3*time.Second {
					t.Errorf("subscribed again after %v, want %v to %v", took, tt.least, tt.most)
				}
				if got := value(t, f.metrics, "bridge_sessions_ended_total", "reason="+tt.reason); got != 1 {
					t.Errorf("%v sessions ended with reason %s, want 1", got, tt.reason)
				}
				if len(f.ready.missing()) != 1 { // only NATS, which is not there
					t.Errorf("not ready: %v", f.ready.missing())
				}
			})
		})
	}
}

// TestFeedIsIdle: a feed that does not run, as that of a bridge that stands by, is idle, and not what it was last.
func TestFeedIsIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := polygontest.NewUnstartedServer(polygontest.Config{Market: polygontest.Market{Symbols: polygontest.Symbols(3)}, Pace: polygontest.RealTime})
		f := newTestFeed(t, srv, "A.*")
		is := func(when string, want State) {
			t.Helper()
			synctest.Wait()
			for _, s := range []State{StateIdle, StateStreaming} {
				if got := value(t, f.metrics, "bridge_session_state", "state="+string(s)) == 1; got != (s == want) {
					t.Errorf("%s: %s is %v", when, s, got)
				}
			}
		}
		is("before", StateIdle)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go func() { _ = f.run(ctx) }()
		if err := srv.WaitSubscribed(t.Context()); err != nil {
			t.Fatal(err)
		}
		is("while it runs", StateStreaming)
		stop()
		is("after", StateIdle)
		srv.Close()
	})
}

// TestFeedBackoff: a feed that keeps failing is asked ever more seldom, up to every 30 s, and a session
// that dies young does not start this over.
func TestFeedBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := polygontest.NewUnstartedServer(polygontest.Config{Market: polygontest.Market{Symbols: polygontest.Symbols(3)}, Pace: polygontest.RealTime})
		for range 20 {
			srv.NextSession(polygontest.DropAfter(0))
		}
		startFeed(t, srv, "A.*")
		var sessions []time.Time
		for n := 1; n <= 12; n++ {
			if err := srv.WaitSessions(t.Context(), n); err != nil {
				t.Fatal(err)
			}
			sessions = append(sessions, time.Now())
		}
		for i, most := 1, 250*time.Millisecond; i < len(sessions); i, most = i+1, min(2*most, longestFeedWait) {
			if wait := sessions[i].Sub(sessions[i-1]); wait < most/2 || wait > most+time.Second {
				t.Errorf("wait %d: got %v, want %v to %v", i, wait, most/2, most)
			}
		}
	})
}

// TestSessionsEndIsExplained: the remedy fits what has happened.
func TestSessionsEndIsExplained(t *testing.T) {
	answer := func(status int) *httptest.Server {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		t.Cleanup(srv.Close)
		return srv
	}
	for _, tt := range []struct{ name, url, want string }{
		{"no such market", strings.Replace(answer(404).URL, "http", "ws", 1), "check the path of POLYGON_URL"},
		{"no feed", strings.Replace(answer(403).URL, "http", "ws", 1), "serves no feed there"},
		{"in trouble", strings.Replace(answer(503).URL, "http", "ws", 1), "which passes"},
		{"no TLS", strings.Replace(answer(200).URL, "http", "wss", 1), "write ws:// instead of wss://"},
		{"nobody", "ws://127.0.0.1:1", "check POLYGON_URL and the network"},
	} {
		_, err := polygon.Dial(t.Context(), tt.url+"/stocks", polygon.DialOptions{Key: "k"})
		if got := explainSession(err).Error(); !strings.Contains(got, tt.want) {
			t.Errorf("%s: got %q, want %q in it", tt.name, got, tt.want)
		}
	}
}

// TestFeedGivesUp: a refused key is not tried again.
func TestFeedGivesUp(t *testing.T) {
	for _, tt := range []struct {
		name string
		plan polygontest.Plan
		want error
	}{
		{"wrong key", polygontest.Plan{Key: "another"}, polygon.ErrAuth},
		{"plan without websocket", polygontest.Plan{Access: polygontest.NoWebSocket}, polygon.ErrNoWebSocketAccess},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := polygontest.NewUnstartedServer(polygontest.Config{Plan: tt.plan})
				_, done := startFeed(t, srv, "A.*")
				err := <-done
				if !errors.Is(err, tt.want) || ExitCode(err) != 2 {
					t.Errorf("got %v with exit code %d, want %v with 2", err, ExitCode(err), tt.want)
				}
				if n := srv.Stats().Sessions; n != 1 {
					t.Errorf("%d sessions, want 1", n)
				}
			})
		})
	}
}

// TestFeedDoesNotHammer: where coming back soon changes nothing, the feed is asked once a minute at most.
func TestFeedDoesNotHammer(t *testing.T) {
	for _, tt := range []struct {
		name      string
		plan      polygontest.Plan
		subscribe []string
	}{
		{"no real-time data in the plan", polygontest.Plan{Access: polygontest.DelayedOnly}, []string{"A.*"}},
		{"agreements not signed", polygontest.Plan{Access: polygontest.Unsigned}, []string{"A.*"}},
		{"every channel refused", polygontest.Plan{Channels: []string{"AM"}}, []string{"A.*", "T.*"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := polygontest.NewUnstartedServer(polygontest.Config{Plan: tt.plan})
				startFeed(t, srv, tt.subscribe...)
				<-time.After(10 * time.Minute)
				if n := srv.Stats().Sessions; n < 5 || n > 10 {
					t.Errorf("%d sessions in ten minutes, want 5 to 10", n)
				}
			})
		})
	}
}

// TestFeedAsksAgainSoonWhatWasNotAnswered: a feed that is too busy to answer has refused nothing. Should its data have come all the
// same, what it sends until it is asked again is a gap.
func TestFeedAsksAgainSoonWhatWasNotAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := polygontest.NewUnstartedServer(polygontest.Config{})
		f, _ := startFeed(t, srv, "UNKNOWN.*")
		<-time.After(10 * time.Minute)
		if n := srv.Stats().Sessions; n < 14 {
			t.Errorf("%d sessions in ten minutes, want 14 at least: the answers and the waits take 40 s at most", n)
		}
		if got := value(t, f.metrics, "bridge_sessions_ended_total", "reason=not_entitled"); got != 0 {
			t.Errorf("%v sessions ended as not entitled, want none", got)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		srv := polygontest.NewUnstartedServer(polygontest.Config{})
		f := newTestFeed(t, srv, "UNKNOWN.*")
		defer srv.Close()
		f.lastFrame = time.Now() // and f.away is nil: data has come in this session
		want := f.lastFrame
		if err := f.session(t.Context()); !errors.Is(err, errNothingAnswered) {
			t.Errorf("the session ended with %v", err)
		}
		if f.away == nil || f.away.reason != "silent" || !f.away.from.Equal(want) {
			t.Errorf("the interruption is %+v, want one from the last frame on", f.away)
		}
	})
}

// TestFeedServesWhatIsAllowed: a refused channel costs nothing but itself.
func TestFeedServesWhatIsAllowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := polygontest.NewUnstartedServer(polygontest.Config{
			Plan:   polygontest.Plan{Channels: []string{"A"}},
			Market: polygontest.Market{Symbols: polygontest.Symbols(3)},
			Events: 50,
		})
		f, _ := startFeed(t, srv, "NOI.*", "A.*")
		if err := srv.WaitDone(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := value(t, f.metrics, "bridge_subscriptions", "outcome=refused"); got != 1 {
			t.Errorf("%v parameters refused, want 1", got)
		}
		if got := queued(f.queue); !slices.Equal(got, sent(srv)) {
			t.Errorf("%d events in the queue, want the %d of the tape", len(got), len(sent(srv)))
		}
	})
}

// TestFeedNamesWhatItIsNotServed: every parameter that was not confirmed is in the log, with the feed's own
// words where it had any, and in the metrics.
func TestFeedNamesWhatItIsNotServed(t *testing.T) {
	params := []string{"T.*", "ZZ.*"}
	refusal := polygon.Status{Status: "error", Message: "not authorized"}
	limit := polygon.Status{Status: "error", Message: "subscription limit reached"}
	for _, tt := range []struct {
		outcome string
		answer  polygon.Answer
		words   string
	}{
		{"refused", polygon.Answer{Refused: params, Refusals: []polygon.Status{refusal, refusal}}, refusal.Message},
		{"refused", polygon.Answer{Refused: params, Refusals: []polygon.Status{limit, limit}}, limit.Message},
		{"silent", polygon.Answer{Silent: params}, ""},
		{"unclear", polygon.Answer{Unclear: params, Refusals: []polygon.Status{refusal}}, refusal.Message},
	} {
		log := &logBuffer{}
		f := &feed{metrics: newMetrics(nil, polygon.Stocks), log: NewLogger(log, slog.LevelInfo, FormatText)}
		f.report(tt.answer)
		if got := value(t, f.metrics, "bridge_subscriptions", "outcome="+tt.outcome); got != 2 {
			t.Errorf("%v parameters are %s, want 2", got, tt.outcome)
		}
		if text := log.String(); !strings.Contains(text, "T.*,ZZ.*") || !strings.Contains(text, tt.words) {
			t.Errorf("%s: the log does not name the parameters and say %q: %s", tt.outcome, tt.words, text)
		}
	}
}

// TestFeedNeverWaits: when the queue is full, frames are refused and counted, and the session lives on.
func TestFeedNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := polygontest.NewUnstartedServer(polygontest.Config{
			Market: polygontest.Market{Symbols: polygontest.Symbols(100)},
			Events: 20_000, // about four times what the queue takes
		})
		f, _ := startFeed(t, srv, "A.*")
		if err := srv.WaitDone(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		lost := value(t, f.metrics, "bridge_frames_dropped_total", "reason=queue_full")
		read := value(t, f.metrics, "bridge_frames_received_total")
		kept, bytes, _ := f.queue.Depth()
		const gaps = 1 // of the start
		if lost == 0 || int(read-lost) != kept-gaps || bytes > 1<<20 {
			t.Errorf("%v frames read, %v counted as lost, %d kept with %d bytes", read, lost, kept, bytes)
		}
		got, all := queued(f.queue), sent(srv)
		if !slices.Equal(got[:len(got)/2], all[:len(got)/2]) {
			t.Error("what was kept is not the beginning of what was sent")
		}
		if n := srv.Stats().Sessions; n != 1 {
			t.Errorf("%d sessions, want 1", n)
		}
	})
}

// queued returns the events of all frames in a queue.
func queued(q queue) (events []string) {
	for {
		rec, ok := q.Next()
		if !ok {
			return events
		}
		if rec.Kind != kindFrame {
			continue
		}
		for _, e := range polygon.Stocks.Split(nil, rec.Frame) {
			if !e.Status {
				events = append(events, string(e.Raw))
			}
		}
	}
}

// sent returns the events of a server's tape.
func sent(srv *polygontest.Server) (events []string) {
	for _, s := range srv.Tape().Events() {
		events = append(events, string(s.Raw))
	}
	return events
}

// TestFeedOfStandbyDoesNotDial: a bridge that has ceased to be the active one does not come back to the vendor, also where nothing
// but the clock has told it so.
func TestFeedOfStandbyDoesNotDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := polygontest.NewUnstartedServer(polygontest.Config{
			Market: polygontest.Market{Symbols: polygontest.Symbols(3)}, Pace: polygontest.RealTime,
		})
		srv.NextSession(polygontest.DropAfter(1))
		f := newTestFeed(t, srv, "A.*")
		lost := time.Now().Add(time.Millisecond)
		f.valid = func() bool { return time.Now().Before(lost) }
		if err := f.run(t.Context()); err != nil {
			t.Error(err)
		}
		if n := srv.Stats().Sessions; n != 1 {
			t.Errorf("%d sessions, want 1", n)
		}
		srv.Close()
		synctest.Wait()
	})
}

// TestWhatWaitedForAFrozenProcess counts as read with what came before it: another bridge may have read later since, and by these times it
// is decided which version of a bar is newer.
func TestWhatWaitedForAFrozenProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := polygontest.NewUnstartedServer(polygontest.Config{})
		f := newTestFeed(t, srv, "A.*")
		var lost atomic.Bool // the lease
		f.valid = func() bool { return !lost.Load() }
		go func() { _ = f.run(t.Context()) }()
		defer srv.Close()
		if err := srv.WaitSubscribed(t.Context()); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Second)
		srv.Send([]byte(`[{"ev":"A","sym":"X","s":1}]`))
		synctest.Wait()
		before := time.Now()
		<-time.After(time.Minute)
		lost.Store(true)
		srv.Send([]byte(`[{"ev":"A","sym":"X","s":2}]`))
		synctest.Wait()
		for range 2 {
			rec, ok := f.queue.Next()
			for ok && rec.Kind == kindGap {
				rec, ok = f.queue.Next()
			}
			if !ok || !rec.At.Equal(before) {
				t.Errorf("%s was read at %v, want %v", rec.Frame, rec.At, before)
			}
		}
	})
}
