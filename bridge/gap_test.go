package bridge

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

const delayedURL = "wss://delayed.massive.com/stocks"

// TestWindowsOfAGap: the bars of a gap are those of its time, and of a delayed feed, those of a quarter of an hour before. What was under way
// when the session ended is asked for too. By hand the time is meant as it is.
func TestWindowsOfAGap(t *testing.T) {
	for _, tt := range []struct {
		name, url, reason string
		from, to          time.Duration // from the gap's begin and end
	}{
		{"real time", "wss://socket.massive.com/stocks", "disconnected", -30 * time.Second, 2 * time.Second},
		{"delayed", delayedURL, "disconnected", -15*time.Minute - 30*time.Second, -15*time.Minute + 2*time.Second},
		{"by hand", delayedURL, reasonByHand, 0, 0},
	} {
		cfg := testConfig("")
		cfg.FeedURL = tt.url
		end := gapTime.Add(time.Minute)
		g, err := parseGap(newGap(cfg, tt.reason, gapTime, end).encode()) // as another process reads it
		if err != nil {
			t.Fatal(err)
		}
		got := g.windows()
		if got.from.Sub(gapTime) != tt.from || got.to.Sub(end) != tt.to {
			t.Errorf("%s: got windows from %v to %v of the gap, want %v to %v", tt.name, got.from.Sub(gapTime), got.to.Sub(end), tt.from, tt.to)
		}
	}
}

// TestWindowsAskedFor: from the window in which a time begins to the last one that ends by its end.
func TestWindowsAskedFor(t *testing.T) {
	s := span{gapTime.Add(30*time.Second + 500*time.Millisecond), gapTime.Add(150 * time.Second)}
	for _, tt := range []struct{ length, first, last time.Duration }{
		{time.Second, 30 * time.Second, 149 * time.Second},
		{time.Minute, 0, 90 * time.Second},
	} {
		first, last := s.starts(tt.length)
		if first.Sub(gapTime) != tt.first || last.Sub(gapTime) != tt.last {
			t.Errorf("windows of %v: got %v to %v, want %v to %v", tt.length, first.Sub(gapTime), last.Sub(gapTime), tt.first, tt.last)
		}
	}
}

// TestTooOldToFill: what the stream would not keep is not asked for, and the outcome says so, unless somebody asks for it by hand.
func TestTooOldToFill(t *testing.T) {
	cfg := testConfig("")
	cfg.StreamMaxAge, cfg.Subscribe = time.Hour, []string{"A.*"}
	hour := time.Now().Add(-time.Hour)
	for _, tt := range []struct {
		name     string
		reason   string
		from, to time.Duration // from the age that is the limit
		cut      bool
		asked    bool
		want     gapState
	}{
		{"young", reasonRestart, 5 * time.Minute, 10 * time.Minute, false, true, gapFilled},
		{"half of it", reasonRestart, -10 * time.Minute, 10 * time.Minute, true, true, gapPartly},
		{"all of it", reasonRestart, -10 * time.Minute, -5 * time.Minute, true, false, gapUnfilled},
		{"by hand", reasonByHand, -10 * time.Minute, -5 * time.Minute, false, true, gapFilled},
	} {
		g := newGap(cfg, tt.reason, hour.Add(tt.from), hour.Add(tt.to))
		w := newWork(cfg, g)
		if asked := len(w.channels) == 1; asked != tt.asked {
			t.Errorf("%s: channels %v", tt.name, w.channels)
		}
		if kept := w.windows.from.Equal(g.windows().from); kept == tt.cut || w.windows.from.Before(hour) && tt.cut {
			t.Errorf("%s: asked for from %v on", tt.name, w.windows.from)
		}
		if tt.asked { // and answered
			w.requests = []request{{w.channels[0], "X"}}
			w.asked.Add(1)
		}
		state, o := w.outcome()
		if state != tt.want || strings.Contains(o.Why, "BRIDGE_STREAM_MAX_AGE") != tt.cut {
			t.Errorf("%s: got %s, %q, want %s", tt.name, state, o.Why, tt.want)
		}
	}
}

// TestWhenTheFeedLastStreamed: a restart's gap begins when the record before it was read, or where that had waited for a process that was
// stopped, when its bar was new. A feed that replays the past has old bars at all times.
func TestWhenTheFeedLastStreamed(t *testing.T) {
	const realTimeURL = "wss://socket.massive.com/stocks"
	read := time.Now().Truncate(time.Second).Add(-time.Hour)
	for _, tt := range []struct {
		name, url string
		ended     time.Duration // the bar's window, from when it was read
		want      time.Duration
	}{
		{"at once", realTimeURL, -2 * time.Second, -2 * time.Second},
		{"clocks differ", realTimeURL, 2 * time.Second, 0},
		{"stopped over the weekend", realTimeURL, -60 * time.Hour, -60 * time.Hour},
		{"a replay", realTimeURL, -8 * 24 * time.Hour, 0},
		{"delayed, at once", delayedURL, -15*time.Minute - 2*time.Second, -2 * time.Second},
		{"delayed, stopped", delayedURL, -2 * time.Hour, -105 * time.Minute},
	} {
		p, q := loading(t)
		p.cfg.FeedURL = tt.url
		storeBar(t, p, q, read, tt.ended)
		g := loadedGap(t, p, q, newGap(p.cfg, reasonRestart, time.Time{}, time.Now()))
		if got := g.From.Sub(read); got != tt.want {
			t.Errorf("%s: got a gap from %v, want it from %v", tt.name, got, tt.want)
		}
	}
}

// TestGapOfAStoppedBridge: what it read when it went on had waited for it, so that its newest bar says more than the clock, or that of the
// stream, where a process before this one has stored it. The stream tells that only by what was stored before it was read, and a pong behind
// it says that the feed was there.
func TestGapOfAStoppedBridge(t *testing.T) {
	const waited = 60 * time.Hour
	read := time.Now().Truncate(time.Second).Add(-time.Hour)
	for _, tt := range []struct {
		name     string
		loaded   bool          // by this process
		pong     time.Duration // the newest, from when the frame was read; zero: none since
		streamed time.Duration // by the stream, from when the frame was read
		want     time.Duration
	}{
		{"alone", true, 0, -waited - time.Minute, -waited},
		{"another bridge was on meanwhile", true, 0, -time.Minute, -time.Minute},
		{"another bridge has stored since", true, 0, time.Minute, -waited},
		{"a pong came", true, time.Minute, -waited, time.Minute},
		{"not stopped, and started anew", false, 0, -2 * time.Second, -2 * time.Second},
		{"started anew", false, 0, -waited, -waited},
		{"started anew, and a replay", false, 0, -8 * 24 * time.Hour, 0},
		{"started anew, and another bridge has stored since", false, 0, time.Minute, 0},
	} {
		p, q := loading(t)
		p.streamed = read.Add(tt.streamed)
		if tt.loaded {
			storeBar(t, p, q, read, -waited)
		}
		g := loadedGap(t, p, q, newGap(p.cfg, "disconnected", read.Add(tt.pong), time.Now()))
		if got := g.From.Sub(read); got != tt.want {
			t.Errorf("%s: got a gap from %v, want it from %v", tt.name, got, tt.want)
		}
	}
}

// storeBar has a bar in the stream that was read at a time, and whose window ended so long after that.
func storeBar(t *testing.T, p *publisher, q *memory, read time.Time, ended time.Duration) {
	t.Helper()
	second := int(read.Add(ended).Sub(gapTime)/time.Second) - 1
	if err := q.Append(kindFrame, frameOf(secondBar("X", second, 1)), read); err != nil {
		t.Fatal(err)
	}
	loadAll(p)
	settle(p, "stocks.agg.X")
}

// loadedGap returns the record of a gap that the feed has found.
func loadedGap(t *testing.T, p *publisher, q *memory, g gap) gap {
	t.Helper()
	put(t, q, kindGap, g.encode())
	loadAll(p)
	got, err := parseGap(p.lanes[gapSubject(p.market)].head.raw)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// TestLastBarOfADelayedFeed was new when it came, however old its window was then.
func TestLastBarOfADelayedFeed(t *testing.T) {
	p, _ := loading(t)
	p.cfg.FeedURL = delayedURL
	bar := func(at time.Time) lastMessage { return lastMessage{id: fmt.Sprintf("A.X.%d.0", at.UnixMilli())} }
	got := p.lastBar(map[string]lastMessage{
		"stocks.agg.X": bar(gapTime),
		"stocks.agg.Y": bar(time.Now().Add(-10 * time.Minute)), // cannot have come yet
	})
	if want := gapTime.Add(time.Second + 15*time.Minute); !got.Equal(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
