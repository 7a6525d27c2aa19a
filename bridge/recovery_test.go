package bridge

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"bridge/polygon/polygontest"

	"github.com/nats-io/nats.go/jetstream"
)

// subjectOf is where an event must be, by encoding/json and not by the code under test.
func subjectOf(t testing.TB, raw []byte) string {
	t.Helper()
	var e struct{ Ev, Sym string }
	if err := json.Unmarshal(raw, &e); err != nil {
		t.Fatal(err)
	}
	switch e.Ev {
	case "A":
		return "stocks.agg." + e.Sym
	case "AM":
		return "stocks.agg1m." + e.Sym
	}
	return "stocks.dead"
}

// checkSessions compares a stream with a feed whose sessions were cut short. Of each session the stream must
// have all events up to some point, and none behind it: what was in the wire when the bridge died was never read.
func checkSessions(t *testing.T, srv *polygontest.Server, url string) {
	t.Helper()
	stored := make(map[string]bool)
	for _, m := range readStream(t, url, "STOCKS") {
		stored[string(m.Data())] = true
	}
	want := make(map[string][]string)
	seen := make(map[string]bool)
	missing, kept := 0, 0
	for session := 1; session <= srv.Stats().Sessions; session++ {
		events := slices.Collect(srv.Tape().Session(session))
		end := slices.IndexFunc(events, func(raw []byte) bool { return !stored[string(raw)] })
		if end < 0 {
			end = len(events)
		}
		missing += len(events) - end
		kept += end
		for _, raw := range events[:end] {
			if raw := string(raw); !seen[raw] {
				seen[raw] = true
				subject := subjectOf(t, []byte(raw))
				want[subject] = append(want[subject], raw)
			}
		}
	}
	t.Logf("%d sessions, %d events stored, %d never read", srv.Stats().Sessions, kept, missing)
	(&tape{want: want}).check(t, url)
}

// TestKilledBridge kills the bridge with -9 again and again, with a queue on disk. What it had read is stored
// after the next start, once and in order.
func TestKilledBridge(t *testing.T) {
	t.Parallel()
	const seed = 1
	rng := rand.New(rand.NewPCG(seed, seed))
	s := newNATS(t).up()
	srv := newFeed(t, 40_000)
	b := newBridge(t, srv, s.url, "POLYGON_SUBSCRIBE=A.*,AM.*", "BRIDGE_DATA_DIR="+t.TempDir())
	for session := 1; session <= 5; session++ {
		b.start()
		sent := srv.Stats().Events
		enough := sent + 1000 + rng.IntN(6000)
		if err := srv.Wait(t.Context(), func(st polygontest.Stats) bool { return st.Events >= enough || st.Closed }); err != nil {
			t.Fatal(err)
		}
		b.kill()
	}
	b.start()
	finish(t, b, srv)
	checkSessions(t, srv, s.url)
}

// finish waits until the market has closed and the queue is empty, and ends the bridge with SIGTERM.
func finish(t *testing.T, b *process, srv *polygontest.Server) {
	t.Helper()
	if err := srv.WaitDone(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the last bridge is connected", func() error { // the market may have closed before it began
		if !b.said("nats connected") {
			return errors.New("not yet")
		}
		return nil
	})
	b.stop()
	if !b.said("bridge stopped") {
		t.Error("the bridge did not empty its queue")
	}
}

// TestBridgeAndServerKilled kills both, with the server's window for duplicates at its least: what the stream
// has is all that tells what must be sent.
func TestBridgeAndServerKilled(t *testing.T) {
	t.Parallel()
	s := newNATS(t).up()
	shortWindow(t, s.url)
	srv := newFeedWithoutRepeats(t, 40_000)
	b := newBridge(t, srv, s.url, "BRIDGE_DATA_DIR="+t.TempDir())
	for session := 1; session <= 3; session++ {
		b.start()
		enough := srv.Stats().Events + 5000
		if err := srv.Wait(t.Context(), func(st polygontest.Stats) bool { return st.Events >= enough || st.Closed }); err != nil {
			t.Fatal(err)
		}
		s.kill()
		b.kill()
		s.up()
	}
	b.start()
	finish(t, b, srv)
	checkSessions(t, srv, s.url)
}

// newFeedWithoutRepeats starts a vendor that sends no bar twice: with a short window for duplicates the second one would be stored,
// as it should be.
func newFeedWithoutRepeats(t *testing.T, events int) *polygontest.Server {
	t.Helper()
	srv := polygontest.NewServer(polygontest.Config{
		Market: polygontest.Market{Symbols: polygontest.Symbols(300), Oddities: polygontest.Oddities{Corrected: .05}},
		Events: events,
	})
	t.Cleanup(srv.Close)
	return srv
}

// TestStreamIsAheadOfQueue takes the bridge back to an earlier state of its disk, as a power cut does, or a time in which another
// bridge went on. What the stream has had since is not sent again.
func TestStreamIsAheadOfQueue(t *testing.T) {
	t.Parallel()
	s := newNATS(t).up()
	shortWindow(t, s.url)
	srv := newFeedWithoutRepeats(t, 20_000)
	dir := t.TempDir()
	b := newBridge(t, srv, s.url, "BRIDGE_DATA_DIR="+dir)
	b.start()
	stored(t, s.url, 5000)
	b.kill()
	b.log.reset()
	earlier := t.TempDir()
	if err := os.CopyFS(earlier, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	b.start()
	b.says("nats connected")
	finish(t, b, srv)
	before := messages(t, s.url)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(dir, os.DirFS(earlier)); err != nil {
		t.Fatal(err)
	}
	b.log.reset()
	b.start()
	b.says("nats connected")
	if !strings.Contains(b.log.String(), "queue found on disk") {
		t.Error("there was nothing to doubt")
	}
	b.stop()
	if n := messages(t, s.url); n != before {
		t.Errorf("%d messages were sent again", n-before)
	}
	checkSessions(t, srv, s.url)
}

// TestOutageIsSpooled keeps the server away until much more has been read than memory may hold.
func TestOutageIsSpooled(t *testing.T) {
	t.Parallel()
	s := newNATS(t)
	srv := newFeed(t, 100_000)
	b := newBridge(t, srv, s.url, "POLYGON_SUBSCRIBE=A.*,AM.*", "BRIDGE_DATA_DIR="+t.TempDir(), "BRIDGE_QUEUE_MAX_BYTES=16MiB")
	b.start()
	if err := srv.WaitDone(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.kill() // and die with it all on disk
	b.start()
	s.up()
	eventually(t, "the backlog is stored", func() error {
		if n, want := messages(t, s.url), srv.Stats().Events/2; n < want {
			return fmt.Errorf("%d messages, want at least %d", n, want)
		}
		return nil
	})
	finish(t, b, srv)
	checkSessions(t, srv, s.url)
}

// messages is how many messages the stream has, records of gaps aside.
func messages(t testing.TB, url string) int {
	t.Helper()
	stream, err := connect(t, url).Stream(t.Context(), "STOCKS")
	if err != nil {
		return 0
	}
	info, err := stream.Info(t.Context(), jetstream.WithSubjectFilter("stocks.gap"))
	if err != nil {
		t.Fatal(err)
	}
	return int(info.State.Msgs - info.State.Subjects["stocks.gap"])
}

// TestPowerCut takes the server back to an earlier state of its disk while it and the bridge are down. The records that the queue
// keeps fill the hole after the start, also where others have stored more meanwhile than was lost, and where the server is away for longer
// than the queue keeps records beside one that is there.
func TestPowerCut(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		others int // messages
		away   bool
	}{
		{"both come back", 0, false},
		{"others store before the bridge is back", 40_000, false},
		{"the server is away for long", 0, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newNATS(t).up()
			srv := newFeed(t, 30_000)
			b := newBridge(t, srv, s.url, "POLYGON_SUBSCRIBE=A.*,AM.*", "BRIDGE_DATA_DIR="+t.TempDir(), "BRIDGE_SPOOL_RETAIN=1s")
			b.start()
			stored(t, s.url, 5000)
			earlier := s.stopToSave()
			finish(t, b, srv)
			s.kill()
			s.restoreStore(earlier)
			if tt.away {
				b.log.reset()
				b.start()
				eventually(t, "the bridge has waited for longer than it keeps records", func() error {
					if n := strings.Count(b.log.String(), "nats unavailable"); n < 5 {
						return fmt.Errorf("it has dialled %d times", n)
					}
					return nil
				})
				b.kill()
			}
			s.up()
			if tt.others > 0 {
				storeOthers(t, s.url, tt.others)
			}
			before := messages(t, s.url)
			b.start()
			eventually(t, "what was lost is sent again", func() error {
				if n := messages(t, s.url); n < before+20_000 {
					return fmt.Errorf("%d messages", n-before)
				}
				return nil
			})
			b.stop()
			checkSessions(t, srv, s.url)
		})
	}
}

// TestPurgeIsNotUndone: what an operator removes stays removed, over restarts of both. That the bridge was not there is known
// all the same.
func TestPurgeIsNotUndone(t *testing.T) {
	t.Parallel()
	s := newNATS(t).up()
	srv := newFeed(t, 5000)
	b := newBridge(t, srv, s.url, "BRIDGE_DATA_DIR="+t.TempDir())
	js := connect(t, s.url)
	b.start()
	finish(t, b, srv)
	stream, err := js.Stream(t.Context(), "STOCKS")
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	restart := func(after, line string) {
		t.Helper()
		b.log.reset()
		b.start()
		b.says(line)
		b.says(`msg="gap in the feed" market=stocks reason=restart`)
		b.stop()
		if n := messages(t, s.url); n != 0 {
			t.Errorf("%d messages came back after the %s", n, after)
		}
	}
	restart("purge", "nats connected")
	if err := js.DeleteStream(t.Context(), "STOCKS"); err != nil {
		t.Fatal(err)
	}
	restart("deletion", "another stream than before")
}
