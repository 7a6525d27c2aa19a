package bridge

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"bridge/polygon"
	"bridge/polygon/polygontest"
)

// startProbing returns a filler and the work on a gap that ended when the market opened, in the present bubble. The market trades in
// real time, so that the sample is a bar of its first seconds.
func startProbing(t *testing.T, rest polygontest.REST, sampled bool, script ...polygontest.RESTFault) (*filler, *work) {
	t.Helper()
	rest.Keep = 24 * time.Hour
	srv := polygontest.NewUnstartedServer(polygontest.Config{
		Market: polygontest.Market{Symbols: polygontest.Symbols(1), PerSecond: 1},
		Pace:   polygontest.RealTime,
		REST:   rest,
	})
	srv.StartPipe()
	srv.NextREST(script...)
	t.Cleanup(func() {
		srv.Close()
		synctest.Wait()
	})
	client, err := polygon.NewREST(srv.RESTURL, polygon.RESTOptions{Key: "k", HTTPClient: srv.Client()})
	if err != nil {
		t.Fatal(err)
	}
	cfg := testConfig("")
	cfg.StreamMaxAge = 72 * time.Hour
	cfg.Subscribe = []string{"A.*"}
	f := &filler{cfg: cfg, rest: client, fills: newFillQueue(), metrics: newMetrics(nil, cfg.Market), log: quiet(t), said: map[string]bool{}}
	began := time.Now()
	<-time.After(10 * time.Second)
	w := newWork(cfg, newGap(cfg, "disconnected", began.Add(-time.Second), began))
	w.requests = []request{{w.channels[0], polygontest.Symbols(1)[0]}}
	if sampled {
		w.sample = &sampleBar{w.requests[0], began.Add(3 * time.Second).Truncate(time.Second).UnixMilli()}
	}
	return f, w
}

// TestProbe: REST is asked for the gap only when it can have all bars of it.
func TestProbe(t *testing.T) {
	for _, tt := range []struct {
		name        string
		rest        polygontest.REST
		sampled     bool
		least, most time.Duration // after the gap
	}{
		{"in time", polygontest.REST{}, true, 8 * time.Second, 9 * time.Second},
		{"late by a minute", polygontest.REST{Lag: time.Minute}, true, time.Minute, 2 * time.Minute},
		{"delayed plan", polygontest.REST{Delayed: true}, true, 15 * time.Minute, 16 * time.Minute},
		{"idle feed", polygontest.REST{}, false, time.Minute, 2 * time.Minute},
		{"idle feed, delayed plan", polygontest.REST{Delayed: true}, false, 16 * time.Minute, 18 * time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, w := startProbing(t, tt.rest, tt.sampled)
				if err := f.probe(t.Context(), w); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(w.windows.to); took < tt.least || took > tt.most {
					t.Errorf("asked %v after the gap, want %v to %v", took, tt.least, tt.most)
				}
			})
		})
	}
}

// TestProbeTellsRefusals: what the plan does not have is left out at once, and what it does not have yet is waited for.
func TestProbeTellsRefusals(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault polygontest.RESTFault
		err   error         // of probe
		least time.Duration // until it is known
		most  time.Duration
	}{
		{"not entitled", polygontest.RESTNotEntitled(), nil, 0, 11 * time.Second},
		{"unknown key", polygontest.RESTUnknownKey(), polygon.ErrAuth, 0, 11 * time.Second},
		{"time not in the plan", polygontest.RESTNoTimeframe(), nil, 15 * time.Minute, 18 * time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, w := startProbing(t, polygontest.REST{Aggregates: tt.fault}, true)
				err := f.probe(t.Context(), w)
				if !errors.Is(err, tt.err) {
					t.Errorf("got error %v, want %v", err, tt.err)
				}
				if took := time.Since(w.windows.to); took < tt.least || took > tt.most {
					t.Errorf("known %v after the gap, want %v to %v", took, tt.least, tt.most)
				}
				if err == nil && (len(w.requests) > 0 || w.sample != nil || len(w.lacks) != 1) {
					t.Errorf("%d requests are left, with the lacks %v", len(w.requests), w.lacks)
				}
			})
		})
	}
}

// TestNobodyAnswers: a gap is given up when it is a day old, and not before an hour without any answer has passed.
func TestNobodyAnswers(t *testing.T) {
	for _, tt := range []struct{ age, want time.Duration }{
		{22 * time.Hour, 2 * time.Hour},
		{30 * time.Hour, time.Hour},
	} {
		synctest.Test(t, func(t *testing.T) {
			f, _ := startProbing(t, polygontest.REST{Aggregates: polygontest.RESTBroken(503)}, true)
			ended := time.Now().Add(-tt.age)
			w := newWork(f.cfg, newGap(f.cfg, "disconnected", ended.Add(-time.Second), ended))
			w.requests = []request{{w.channels[0], "X"}}
			began := time.Now()
			err := f.probe(t.Context(), w)
			if took := time.Since(began); !errors.Is(err, errNoAnswer) || took < tt.want || took > tt.want+time.Minute {
				t.Errorf("%v after the gap: got %v after %v, want %v after %v", tt.age, err, took, errNoAnswer, tt.want)
			}
		})
	}
}

// TestNobodyAnswersByHand: who waits for the end is told after a minute or so, and of what.
func TestNobodyAnswersByHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, _ := startProbing(t, polygontest.REST{Aggregates: polygontest.RESTBroken(403)}, false)
		hour := time.Now().Add(-time.Hour)
		w := newWork(f.cfg, newGap(f.cfg, reasonByHand, hour, hour.Add(time.Minute)))
		w.requests = []request{{w.channels[0], "X"}}
		told := false
		f.progress = func(p BackfillProgress) { told = told || p.Trouble != nil }
		began := time.Now()
		err := f.probe(t.Context(), w)
		said, _ := errors.AsType[*polygon.RESTError](err)
		if took := time.Since(began); !errors.Is(err, errNoAnswer) || said == nil || said.StatusCode != 403 || took < tryByHand || took > 2*tryByHand {
			t.Errorf("got %v after %v, want %v and why after %v", err, took, errNoAnswer, tryByHand)
		}
		if !told {
			t.Error("nobody was told what is waited for")
		}
	})
}

// TestNothingTraded: a gap in which no ticker had a trade lacks nothing.
func TestNothingTraded(t *testing.T) {
	cfg := testConfig("")
	cfg.Subscribe = []string{"A.*"}
	w := newWork(cfg, newGap(cfg, reasonByHand, time.Now().Add(-time.Hour), time.Now()))
	if state, o := w.outcome(); state != gapUnfilled || o.Why == "" {
		t.Errorf("without a ticker: got %s %+v, want it unfilled, and why", state, o)
	}
	w.idle = 60
	if state, o := w.outcome(); state != gapFilled || o.Why != "" {
		t.Errorf("without a trade: got %s %+v, want it filled", state, o)
	}
}

// TestFillingEnds: the end of the bridge ends the waiting.
func TestFillingEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, w := startProbing(t, polygontest.REST{Delayed: true}, true)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Minute, cancel)
		if err := f.probe(ctx, w); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want %v", err, context.Canceled)
		}
	})
}
