package bridge

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"bridge/polygon"
	"bridge/polygon/polygontest"
)

// TestAskAgain: a ticker is asked for until the vendor has said all that it has of it, and given up at once only when the vendor
// itself will not have another answer.
func TestAskAgain(t *testing.T) {
	type fault = polygontest.RESTFault
	for _, tt := range []struct {
		name        string
		faults      []fault
		failed      int64
		err         error
		least, most time.Duration // until it is done
	}{
		{"answered", nil, 0, nil, 0, time.Second},
		{"too many requests", []fault{polygontest.RESTTooMany(""), polygontest.RESTTooMany("")}, 0, nil, time.Second, 2 * time.Minute},
		{"too many requests, and until when", []fault{polygontest.RESTTooMany("300")}, 0, nil, 300 * time.Second, 301 * time.Second},
		{"firewall", []fault{polygontest.RESTBroken(403)}, 0, nil, 0, time.Minute},
		{"proxy that wants a login", []fault{polygontest.RESTBroken(401)}, 0, nil, 0, time.Minute},
		{"host that is not the vendor's", []fault{polygontest.RESTBroken(404)}, 0, nil, 0, time.Minute},
		{"breakdown", []fault{polygontest.RESTBroken(500), polygontest.RESTBroken(502)}, 0, nil, 0, time.Minute},
		{"answer that is cut", []fault{polygontest.RESTCut()}, 0, nil, 0, time.Minute},
		{"not found", []fault{polygontest.RESTNotFound()}, 1, nil, 0, time.Second},
		{"not in the plan", []fault{polygontest.RESTNotEntitled()}, 1, nil, 0, time.Second},
		{"unknown key", []fault{polygontest.RESTUnknownKey()}, 0, polygon.ErrAuth, 0, time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, w := startProbing(t, polygontest.REST{}, false, tt.faults...)
				began := time.Now()
				found := 0
				store := func(_ context.Context, _ *ticker, bars []polygon.RESTBar) error {
					found += len(bars)
					return nil
				}
				if err := f.ask(t.Context(), w, w.requests[0], store); !errors.Is(err, tt.err) {
					t.Errorf("got %v, want %v", err, tt.err)
				}
				if took := time.Since(began); took < tt.least || took > tt.most {
					t.Errorf("it took %v, want %v to %v", took, tt.least, tt.most)
				}
				if done := w.asked.Load() == 1; done != (tt.err == nil) {
					t.Errorf("counted as asked for: %v", done)
				}
				if n := w.failed.Load(); n != tt.failed {
					t.Errorf("%d tickers without an answer, want %d", n, tt.failed)
				}
				if answered := tt.failed == 0 && tt.err == nil; answered != (found > 0) {
					t.Errorf("%d bars found", found)
				}
			})
		})
	}
}

// TestGivenUp: a ticker is given up when it has no answer while others have one, and for no outage, however long it is and whenever
// it began.
func TestGivenUp(t *testing.T) {
	broken := polygontest.RESTBroken(502)
	for _, tt := range []struct {
		name     string
		answered bool                    // another ticker, before: it is asked for again ahead of every attempt but the first
		script   []polygontest.RESTFault // for both
		failed   int64
	}{
		{"outage before the first answer", false, slices.Repeat([]polygontest.RESTFault{broken}, 30), 0},
		{"outage behind the first answer", true, slices.Repeat([]polygontest.RESTFault{broken}, 60), 0},
		{"some outages", true, slices.Repeat([]polygontest.RESTFault{broken, broken, broken, {}}, 4), 0},
		{"this ticker only", true, slices.Repeat([]polygontest.RESTFault{broken, {}}, askAttempts+1), 1},
		{"all tickers in an outage, then this one only", true,
			append(slices.Repeat([]polygontest.RESTFault{broken}, 31), slices.Repeat([]polygontest.RESTFault{{}, broken}, askAttempts)...), 1},
		{"too many requests for this ticker only", true, slices.Repeat([]polygontest.RESTFault{polygontest.RESTTooMany(""), {}}, askAttempts+1), 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, w := startProbing(t, polygontest.REST{}, false, tt.script...)
				if tt.answered {
					w.answerable.Store(&w.requests[0])
				}
				found := 0
				store := func(_ context.Context, _ *ticker, bars []polygon.RESTBar) error {
					found += len(bars)
					return nil
				}
				if err := f.ask(t.Context(), w, w.requests[0], store); err != nil {
					t.Fatal(err)
				}
				if n := w.failed.Load(); n != tt.failed {
					t.Errorf("%d tickers without an answer, want %d", n, tt.failed)
				}
				if answered := tt.failed == 0; answered != (found > 0) {
					t.Errorf("%d bars found", found)
				}
			})
		})
	}
}
