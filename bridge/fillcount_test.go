package bridge

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bridge/polygon/polygontest"
)

// TestGapsAreCounted: the metrics say how long the gaps were, by what became of them, and how many wait for that.
func TestGapsAreCounted(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		rest    polygontest.RESTFault
		off     bool
		outcome gapState
	}{
		{"filled", polygontest.RESTFault{}, false, gapFilled},
		{"not in the plan", polygontest.RESTNotEntitled(), false, gapUnfilled},
		{"switched off", polygontest.RESTFault{}, true, gapUnfilled},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newNATS(t).up()
			c := newCrowd(t, polygontest.REST{Aggregates: tt.rest})
			cfg := c.config(s.url)
			cfg.Backfill = !tt.off
			c.trade(0, 10, "A")
			d := startDelivery(t, cfg)
			d.p.metrics.watchBackfill(d.p.fills)
			put(t, d.q, kindFrame, frameOf(secondBar(c.symbols[0], 0, 1)))
			g := newGap(cfg, "disconnected", c.from, c.to)
			put(t, d.q, kindGap, g.encode())
			eventually(t, "the gap is open", func() error {
				if n := value(t, d.p.metrics, "bridge_backfill_pending"); n != 1 {
					return fmt.Errorf("%v gaps are", n)
				}
				return nil
			})
			f, err := newFiller(cfg, d.p.fills, d.p.metrics, quiet(t))
			if err != nil {
				t.Fatal(err)
			}
			next, _ := d.p.fills.next(t.Context())
			if err := f.close(next); err != nil {
				t.Fatal(err)
			}
			d.finish()
			if n := value(t, d.p.metrics, "bridge_backfill_pending"); n != 0 {
				t.Errorf("%v gaps are open", n)
			}
			if n := value(t, d.p.metrics, "bridge_gaps_total", "reason=disconnected"); n != 1 {
				t.Errorf("%v gaps were disconnected, want 1", n)
			}
			bars := 0.0
			for _, state := range []gapState{gapFilled, gapPartly, gapUnfilled} {
				want := 0.0
				if state == tt.outcome {
					want = 60
				}
				if got := value(t, d.p.metrics, "bridge_gap_seconds_total", "outcome="+string(state)); got != want {
					t.Errorf("%v seconds are %s, want %v", got, state, want)
				}
			}
			if tt.outcome == gapFilled {
				bars = 1
			}
			if got := value(t, d.p.metrics, "bridge_backfill_bars_total"); got != bars {
				t.Errorf("%v bars from REST, want %v", got, bars)
			}
		})
	}
}

// TestFillIsFollowed: while tickers are asked for, the metrics say how many are left, and the log does every ten seconds.
func TestFillIsFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := shownOnFailure(t)
		f := &filler{fills: newFillQueue(), metrics: newMetrics(nil, "stocks"), log: logTo(log)}
		f.metrics.watchBackfill(f.fills)
		w := newWork(testConfig(""), gap{To: time.Now()})
		w.total.Store(3)
		followed := make(chan error, 1)
		go func() { followed <- f.follow(t.Context(), w) }()
		for asked := range 3 {
			<-time.After(25 * time.Second)
			synctest.Wait()
			if left := value(t, f.metrics, "bridge_backfill_requests_pending"); left != float64(3-asked) {
				t.Errorf("%v requests are left, want %d", left, 3-asked)
			}
			w.oneAsked()
		}
		if err := <-followed; err != nil {
			t.Error(err)
		}
		if left := value(t, f.metrics, "bridge_backfill_requests_pending"); left != 0 {
			t.Errorf("%v requests are left at the end", left)
		}
		if n, last := strings.Count(log.String(), "filling gap"), strings.Count(log.String(), "asked=2 of=3"); n != 7 || last != 2 {
			t.Errorf("%d lines in 75 seconds and %d of them at the end, want 7 and 2", n, last)
		}
	})
}

// TestNothingIsLeftOfAFillThatEnded: a key that is refused ends a fill, and so does a bridge that stands by.
func TestNothingIsLeftOfAFillThatEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &filler{fills: newFillQueue(), log: quiet(t)}
		w := newWork(testConfig(""), gap{To: time.Now()})
		w.total.Store(3)
		ctx, end := context.WithCancel(t.Context())
		followed := make(chan error, 1)
		go func() { followed <- f.follow(ctx, w) }()
		synctest.Wait()
		if left := f.fills.left.Load(); left != 3 {
			t.Errorf("%d requests are left, want 3", left)
		}
		end()
		if err := <-followed; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if left := f.fills.left.Load(); left != 0 {
			t.Errorf("%d requests are left of a fill that has ended", left)
		}
	})
}
