package polygontest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bridge/polygon"
)

// inBubble starts a server in a bubble, and gives a client of its REST side.
func inBubble(t *testing.T, config Config) (*Server, *polygon.REST) {
	t.Helper()
	s := NewUnstartedServer(config)
	s.StartPipe()
	t.Cleanup(s.Close)
	return s, restClient(t, s, 1e6)
}

func restClient(t *testing.T, s *Server, rate float64) *polygon.REST {
	t.Helper()
	r, err := polygon.NewREST(s.RESTURL, polygon.RESTOptions{Key: "key", HTTPClient: s.Client(), Rate: rate})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

const snapshotPath = "/v2/snapshot/locale/us/markets/stocks/tickers"

// get shows an answer as it is on the wire.
func get(t *testing.T, s *Server, url, authorization string) (int, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	client := s.Client()
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, body
}

func TestRESTFaultsComeInTheirOrder(t *testing.T) {
	s := start(t, Config{Market: tenSymbols, Plan: Plan{Key: "key"}, REST: REST{Keep: time.Hour}})
	faults := []RESTFault{
		RESTUnknownKey(), RESTNotEntitled(), RESTNoTimeframe(), RESTTooEarly(), RESTNotFound(),
		RESTTooMany(""), {}, RESTBroken(502), RESTCut(), {},
	}
	s.NextREST(faults...)
	r := restClient(t, s, 1e6)
	refused := 0
	for _, fault := range faults {
		if fault.kind == restRefuse && fault.statusCode == 429 {
			r = restClient(t, s, 1e6) // one that will not wait
		}
		_, err := r.Snapshot(t.Context())
		if fault != (RESTFault{}) {
			refused++
		}
		if fault.kind == restRefuse && fault.statusCode == 429 {
			if _, ok := errors.AsType[*polygon.RateLimitError](err); !ok {
				t.Errorf("%v: got %v", fault, err)
			}
			r = restClient(t, s, 1e6)
			continue
		}
		said, _ := errors.AsType[*polygon.RESTError](err)
		switch {
		case fault == RESTFault{}:
			if err != nil {
				t.Errorf("%v: got %v", fault, err)
			}
		case fault.kind == restCut:
			if !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%v: got %v", fault, err)
			}
		case said == nil || said.StatusCode != fault.statusCode || said.Status != fault.status || said.Message != fault.text:
			t.Errorf("%v: got %v", fault, err)
		case fault.status != "" && said.RequestID == "":
			t.Errorf("%v: no request id", fault)
		}
	}
	if st := s.Stats(); st.RESTRequests != len(faults) || st.RESTRefused != refused {
		t.Errorf("got %+v, want %d requests, %d refused", st, len(faults), refused)
	}
}

func TestRetryAfterIsSentAsGiven(t *testing.T) {
	s := start(t, Config{Market: tenSymbols, REST: REST{Keep: time.Hour}})
	s.NextREST(RESTTooMany("17"))
	_, err := restClient(t, s, 1e6).Snapshot(t.Context())
	if limited, ok := errors.AsType[*polygon.RateLimitError](err); !ok || limited.RetryAfter != 17*time.Second {
		t.Errorf("got %v, want 17 seconds", err)
	}
}

func TestSilentRequestEndsWithItsClientOrServer(t *testing.T) {
	s := start(t, Config{Market: tenSymbols, REST: REST{Keep: time.Hour}})
	s.NextREST(RESTSilent(), RESTSilent())
	r := restClient(t, s, 1e6)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		s.Wait(ctx, func(st Stats) bool { return st.RESTRefused == 1 })
		cancel()
	}()
	if _, err := r.Snapshot(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	go func() {
		s.Wait(t.Context(), func(st Stats) bool { return st.RESTRefused == 2 })
		s.Close()
	}()
	if _, err := r.Snapshot(t.Context()); err == nil {
		t.Error("got an answer of a server that was closed")
	}
}

func TestPlanDecidesWhatRESTAnswers(t *testing.T) {
	s := start(t, Config{
		Market: tenSymbols,
		Plan:   Plan{Key: "the other key"},
		REST:   REST{Keep: time.Hour},
	})
	if _, err := restClient(t, s, 1e6).Snapshot(t.Context()); !errors.Is(err, polygon.ErrAuth) {
		t.Errorf("wrong key: got %v, want %v", err, polygon.ErrAuth)
	}
	if got, body := get(t, s, s.RESTURL+snapshotPath, ""); got != 401 || !bytes.Contains(body, []byte("API Key was not provided")) {
		t.Errorf("no key: got %d, %s", got, body)
	}

	s = start(t, Config{Market: tenSymbols, REST: REST{Keep: time.Hour, Snapshot: RESTNotEntitled()}})
	r := restClient(t, s, 1e6)
	if _, err := r.Snapshot(t.Context()); !errors.Is(err, polygon.ErrPlan) {
		t.Errorf("no snapshots: got %v, want %v", err, polygon.ErrPlan)
	}
	whole(t, r, "A", "AAPL")

	s = start(t, Config{Market: tenSymbols, REST: REST{Keep: time.Hour, Aggregates: RESTNoTimeframe()}})
	r = restClient(t, s, 1e6)
	if _, err := r.Snapshot(t.Context()); err != nil {
		t.Errorf("no aggregates: the snapshot says %v", err)
	}
	for _, err := range r.Aggregates(t.Context(), "AAPL", polygon.TimespanSecond, firstWindow, firstWindow) {
		if !errors.Is(err, polygon.ErrPlanTime) {
			t.Errorf("no aggregates: got %v, want %v", err, polygon.ErrPlanTime)
		}
	}
}

// TestFreePlanIsMadeTheMostOf asks a plan of five requests a minute, from several goroutines.
func TestFreePlanIsMadeTheMostOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := inBubble(t, Config{Market: tenSymbols, REST: REST{Keep: time.Hour, PerMinute: 5}})
		r := restClient(t, s, 80)
		begun := time.Now()
		var work sync.WaitGroup
		for range 4 {
			work.Go(func() {
				for done := 0; done < 10; {
					_, err := r.Snapshot(t.Context())
					if _, limited := errors.AsType[*polygon.RateLimitError](err); limited {
						continue // the client waits
					}
					if err != nil {
						t.Error(err)
						return
					}
					done++
				}
			})
		}
		work.Wait()
		// Eight minutes is what the plan takes; each refusal costs a wait.
		if st := s.Stats(); time.Since(begun) < 7*time.Minute || time.Since(begun) > 12*time.Minute || st.RESTRefused > 12 {
			t.Errorf("40 requests took %s, with %d refused", time.Since(begun), st.RESTRefused)
		}
		s.Close()
	})
}

func TestRESTIsServedWhereItIsWanted(t *testing.T) {
	s := start(t, Config{Market: tenSymbols})
	if s.RESTURL != "" {
		t.Errorf("got %q, want no URL", s.RESTURL)
	}
	if n := len(s.past.seconds); n != 0 {
		t.Errorf("%d symbols have a past that nobody can ask for", n)
	}
}

func TestRESTRequestsThatMakeNoSense(t *testing.T) {
	s := start(t, Config{Market: tenSymbols, REST: REST{Keep: time.Hour}})
	for _, tt := range []struct {
		path string
		want int
	}{
		{"/v2/aggs/ticker/AAPL/range/1/second/1000/9000", 200},
		{"/v2/aggs/ticker/aapl/range/1/second/1000/9000", 200}, // a ticker that is not known
		{"/v2/aggs/ticker/AAPL/range/1/second/9000/1000", 400},
		{"/v2/aggs/ticker/AAPL/range/1/fortnight/1000/9000", 400},
		{"/v2/aggs/ticker/AAPL/range/1/second/today/9000", 400},
		{"/v2/aggs/ticker/AAPL/range/1/second/1000/9000?cursor=!", 400},
		{"/v2/aggs/ticker/AAPL/range/1/second/-9223372036854775808/9223372036854775807", 200},
		{"/v2/nothing", 404},
	} {
		if got, body := get(t, s, s.RESTURL+tt.path, "Bearer key"); got != tt.want || !json.Valid(body) {
			t.Errorf("%s: got %d, %s, want %d", tt.path, got, body, tt.want)
		}
	}
}
