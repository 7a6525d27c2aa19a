package bridge

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"bridge/polygon"
	"bridge/polygon/polygontest"
)

// TestBackfillByHand fills a time twice: what the stream has is left alone, what it lacks is there once, and marked.
func TestBackfillByHand(t *testing.T) {
	t.Parallel()
	s := newNATS(t).up()
	shortWindow(t, s.url)
	srv := polygontest.NewServer(polygontest.Config{REST: polygontest.REST{Keep: 2 * time.Hour}})
	t.Cleanup(srv.Close)
	cfg := testConfig(s.url)
	cfg.FeedURL, cfg.APIKey, cfg.RESTURL = srv.URL, NewSecret("secret-key"), srv.RESTURL

	began := time.Now().Add(-30 * time.Minute).Truncate(time.Second)
	d := startDelivery(t, cfg)
	for i := range 20 {
		for _, symbol := range []string{"AAPL", "BRK.B"} {
			start := began.Add(time.Duration(i) * time.Second).UnixMilli()
			frame := fmt.Appendf(nil, `[{"ev":"A","sym":%q,"v":7,"o":1,"c":1,"h":1,"l":1,"s":%d,"e":%d}]`, symbol, start, start+1000)
			srv.Past(frame)
			if i%2 == 0 {
				put(t, d.q, kindFrame, frame)
			}
		}
	}
	d.finish()

	opt := BackfillOptions{From: began, To: began.Add(20 * time.Second), Channel: "A", Logger: quiet(t)}
	for round, want := range []struct{ present, published int }{{20, 20}, {40, 0}} {
		got, err := Backfill(t.Context(), cfg, opt)
		if err != nil {
			t.Fatal(err)
		}
		if got.Asked != 2 || got.Failed != 0 || got.Bars != 40 || got.Present != want.present || got.Published != want.published {
			t.Errorf("round %d: got %+v, want %d bars present and %d published", round, got, want.present, want.published)
		}
	}
	times := make(map[string]int)
	rest := 0
	for _, m := range readStream(t, s.url, "STOCKS") {
		times[windowOf(t, m.Data())]++
		if m.Headers().Get(headerSource) == "rest" {
			rest++
		}
	}
	if len(times) != 40 || rest != 20 {
		t.Errorf("%d bars, %d from REST, want 40 and 20", len(times), rest)
	}
	for bar, n := range times {
		if n != 1 {
			t.Errorf("%s is stored %d times", bar, n)
		}
	}
}

// TestBackfillHidesNoGap: where every symbol's last bar is one from REST, a bridge that starts still knows when the feed was last
// known to stream, however old or new those bars are.
func TestBackfillHidesNoGap(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		from, to int // seconds
	}{
		{"a time before", -40, -20},
		{"a part of the gap", 10, 20},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newNATS(t).up()
			srv := polygontest.NewServer(polygontest.Config{REST: polygontest.REST{Keep: 2 * time.Hour}})
			t.Cleanup(srv.Close)
			cfg := testConfig(s.url)
			cfg.FeedURL, cfg.APIKey, cfg.RESTURL = srv.URL, NewSecret("secret-key"), srv.RESTURL
			stopped := time.Now().Add(-30 * time.Minute).Truncate(time.Second)
			at := func(second int) time.Time { return stopped.Add(time.Duration(second) * time.Second) }
			d := startDelivery(t, cfg)
			for i := -60; i < 60; i++ {
				for _, symbol := range []string{"AAPL", "BRK.B"} {
					start := at(i).UnixMilli()
					frame := fmt.Appendf(nil, `[{"ev":"A","sym":%q,"v":7,"o":1,"c":1,"h":1,"l":1,"s":%d,"e":%d}]`, symbol, start, start+1000)
					srv.Past(frame)
					if i == -50 || i == -1 && symbol == "AAPL" {
						put(t, d.q, kindFrame, frame)
					}
				}
			}
			d.finish()
			got, err := Backfill(t.Context(), cfg, BackfillOptions{From: at(tt.from), To: at(tt.to), Logger: quiet(t)})
			if err != nil || got.Published < 20 {
				t.Fatalf("got %+v, %v, want bars behind the feed's", got, err)
			}
			d = startDelivery(t, cfg)
			put(t, d.q, kindGap, newGap(cfg, reasonRestart, time.Time{}, time.Now()).encode())
			d.finish()
			all := readStream(t, s.url, "STOCKS")
			g, err := parseGap(all[len(all)-1].Data())
			if err != nil || !g.From.Equal(stopped) {
				t.Errorf("got a gap from %v, %v, want it from %v, when the feed's newest bar ended", g.From, err, stopped.UTC())
			}
		})
	}
}

// TestBackfillRefuses what makes no sense, and what is the running bridge's to fill, before anything is connected to.
func TestBackfillRefuses(t *testing.T) {
	cfg := testConfig("nats://127.0.0.1:1")
	hour := time.Now().Add(-time.Hour)
	for _, tt := range []struct {
		name string
		opt  BackfillOptions
	}{
		{"the end before the begin", BackfillOptions{From: hour, To: hour.Add(-time.Minute), Channel: "A"}},
		{"a moment ago", BackfillOptions{From: hour, To: time.Now().Add(-time.Minute), Channel: "A"}},
		{"trades", BackfillOptions{From: hour, To: hour.Add(time.Minute), Channel: "T"}},
		{"no ticker", BackfillOptions{From: hour, To: hour.Add(time.Minute), Channel: "A", Symbols: []string{"A APL"}}},
	} {
		_, err := Backfill(t.Context(), cfg, tt.opt)
		if config := (*ConfigError)(nil); !errors.As(err, &config) {
			t.Errorf("%s: got %v, want a ConfigError", tt.name, err)
		}
	}
}

// TestBackfillLeavesWhatIsFresh: the feed may correct a bar for a quarter of an hour, and is late by as much on a delayed plan.
func TestBackfillLeavesWhatIsFresh(t *testing.T) {
	for _, tt := range []struct {
		url     string
		minutes int // since its end
		want    bool
	}{
		{"wss://socket.massive.com/stocks", 19, false},
		{"wss://socket.massive.com/stocks", 21, true},
		{delayedURL, 34, false},
		{delayedURL, 36, true},
	} {
		cfg := testConfig("")
		cfg.FeedURL, cfg.NATSAddr = tt.url, "127.0.0.1:4222"
		to := time.Now().Add(-time.Duration(tt.minutes) * time.Minute)
		_, err := backfillConfig(cfg, BackfillOptions{From: to.Add(-time.Minute), To: to})
		if (err == nil) != tt.want {
			t.Errorf("%s, %d minutes ago: got %v", tt.url, tt.minutes, err)
		}
	}
}

// windowOf names the window of a bar.
func windowOf(t *testing.T, raw []byte) string {
	t.Helper()
	bar, err := polygon.ParseAggregate(raw)
	if err != nil {
		t.Fatal(err)
	}
	return bar.Key()
}
