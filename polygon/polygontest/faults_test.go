package polygontest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
)

var tenSymbols = Market{Symbols: Symbols(10), PerSecond: 10}

func TestConnectionEndsAfterFrames(t *testing.T) {
	for _, tt := range []struct {
		fault Fault
		after int
		ended func(error) bool
	}{
		{DropAfter(3), 3, noCloseFrame},
		{DropAfter(0), 0, noCloseFrame},
		{CutMidFrame(2), 2, func(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }},
		{CutMidFrame(0), 0, func(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }},
		{CloseAfter(2, websocket.StatusGoingAway), 2, closeCode(websocket.StatusGoingAway)},
		{CloseAfter(0, websocket.StatusPolicyViolation), 0, closeCode(websocket.StatusPolicyViolation)},
	} {
		t.Run(tt.fault.String(), func(t *testing.T) {
			s := start(t, Config{Market: tenSymbols, FrameEvents: 5})
			s.NextSession(tt.fault)
			c := subscribe(t, s, "A.*")
			events, err := c.drain()
			if len(events) != 5*tt.after {
				t.Errorf("got %d events, want %d", len(events), 5*tt.after)
			}
			if !tt.ended(err) {
				t.Errorf("ended with %v", err)
			}
			if got := len(s.Tape().Events()); got != len(events) {
				t.Errorf("the tape has %d events, want %d", got, len(events))
			}
		})
	}
}

func noCloseFrame(err error) bool { return errors.Is(err, io.EOF) && websocket.CloseStatus(err) == -1 }

func closeCode(code websocket.StatusCode) func(error) bool {
	return func(err error) bool { return websocket.CloseStatus(err) == code }
}

func TestReset(t *testing.T) {
	s := start(t, Config{})
	s.NextSession(ResetAfter(0))
	c := subscribe(t, s, "A.*")
	if _, err := c.next(); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v, want a reset", err)
	}
}

func TestEviction(t *testing.T) {
	s := start(t, Config{Market: tenSymbols})
	s.NextSession(EvictAfter(1))
	c := subscribe(t, s, "A.*")
	c.events()
	c.expect("max_connections: " + textEvicted1008)
	if _, err := c.next(); !closeCode(websocket.StatusPolicyViolation)(err) {
		t.Errorf("got %v, want 1008", err)
	}
}

func TestFaultsFollowTheScript(t *testing.T) {
	s := start(t, Config{Market: tenSymbols, FrameEvents: 5, Events: 40})
	s.NextSession(DropAfter(1))
	s.NextSession()
	s.NextSession(RefuseUpgrade(http.StatusServiceUnavailable))
	s.NextSession(DropAfter(2))

	first, _ := subscribe(t, s, "A.*").drain()
	quiet := login(t, s) // no fault; takes its turn in the script
	quiet.CloseNow()
	_, resp, err := websocket.Dial(deadline(t), s.URL, nil)
	if err == nil || resp == nil || resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("got %v, want 503", err)
	}
	fourth, _ := subscribe(t, s, "A.*").drain()
	rest := subscribe(t, s, "A.*")
	if err := s.WaitDone(deadline(t)); err != nil {
		t.Fatal(err)
	}
	if len(first) != 5 || len(fourth) != 10 {
		t.Errorf("got %d and %d events, want 5 and 10", len(first), len(fourth))
	}
	got := slices.Concat(first, fourth)
	for len(got) < 40 {
		for _, e := range rest.events() {
			got = append(got, string(e))
		}
	}
	var want []string
	for _, e := range s.Tape().Events() {
		want = append(want, string(e.Raw))
	}
	if !slices.Equal(got, want) {
		t.Error("the three sessions together are not the tape")
	}
	if st := s.Stats(); st.Refused != 1 || st.Sessions != 4 {
		t.Errorf("got %+v, want 4 sessions and 1 refused", st)
	}
}

func TestStalledConnectionAnswersNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewUnstartedServer(Config{Market: tenSymbols, FrameEvents: 5})
		s.StartPipe()
		defer s.Close()
		s.NextSession(StallAfter(2))
		c := subscribe(t, s, "A.*")
		c.events()
		c.events()
		if err := s.Wait(t.Context(), func(st Stats) bool { return st.Stalled == 1 }); err != nil {
			t.Fatal(err)
		}
		pong := ping(t, c, time.Hour)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Hour)
		defer cancel()
		if _, data, err := c.Read(ctx); ctx.Err() == nil {
			t.Errorf("got %s, %v, want silence", data, err)
		}
		if err := <-pong; err == nil {
			t.Error("the ping was answered")
		}
		if n := len(s.Tape().Events()); n != 10 {
			t.Errorf("the tape has %d events, want 10", n)
		}
	})
}

// The times are those of what a connection is sent: a half-open one, or one that does not read its eviction, has ended though it is there.
func TestFormerSubscribers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewUnstartedServer(Config{Plan: Plan{Limit: KickOlder}})
		s.StartPipe()
		defer s.Close()
		begin := time.Now()
		s.NextSession(StallAfter(1))
		s.NextSession(DropAfter(1))
		for range 2 {
			time.Sleep(time.Minute)
			c := subscribe(t, s, "A.*")
			time.Sleep(time.Minute)
			go s.Send([]byte("[]"))
			c.next()
			time.Sleep(time.Minute)
			c.CloseNow()
			synctest.Wait()
		}
		evicted := subscribe(t, s, "A.*")
		time.Sleep(time.Minute)
		last := login(t, s) // asks for nothing
		time.Sleep(time.Minute)
		evicted.CloseNow()
		last.CloseNow()
		synctest.Wait()
		minute := func(n time.Duration) time.Time { return begin.Add(n * time.Minute) }
		want := []Subscriber{{1, "key", minute(1), minute(2)}, {2, "key", minute(4), minute(5)}, {3, "key", minute(6), minute(7)}}
		if got := s.FormerSubscribers(); !slices.Equal(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
}

func TestStalledConnectionStillCounts(t *testing.T) {
	for _, limit := range []Limit{KickOlder, RefuseNewer} {
		t.Run(string(limit), func(t *testing.T) {
			s := start(t, Config{Plan: Plan{Limit: limit, Eviction: Abort}})
			s.NextSession(StallAfter(0))
			stalled := subscribe(t, s, "A.*")
			if err := s.Wait(deadline(t), func(st Stats) bool { return st.Stalled == 1 }); err != nil {
				t.Fatal(err)
			}
			newer := subscribe(t, s, "A.*")
			if limit == RefuseNewer {
				newer.expect("max_connections: " + textEvictedAbort)
				return
			}
			if data, err := stalled.next(); !noCloseFrame(err) {
				t.Errorf("got %q, %v, want the end without a word", data, err)
			}
		})
	}
}

func TestPongsMayBeMissing(t *testing.T) {
	for _, tt := range []struct {
		name   string
		faults []Fault
		want   bool
	}{
		{"as a rule they come", nil, true},
		{"no pongs", []Fault{NoPongs()}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := NewUnstartedServer(Config{})
				s.StartPipe()
				defer s.Close()
				s.NextSession(tt.faults...)
				c := subscribe(t, s, "A.*")
				pong := ping(t, c, time.Second)
				got := make(chan []byte)
				go func() {
					data, _ := c.next()
					got <- data
				}()
				if err := <-pong; (err == nil) != tt.want {
					t.Errorf("got %v, want a pong: %v", err, tt.want)
				}
				if s.Send([]byte("[]")); string(<-got) != "[]" {
					t.Error("no data after the ping")
				}
			})
		})
	}
}

// ping sends a ping and reports what became of it. Somebody must read meanwhile.
func ping(t *testing.T, c *client, patience time.Duration) <-chan error {
	result := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		result <- c.Ping(ctx)
	}()
	return result
}

func TestSlowReaderIsKilled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewUnstartedServer(Config{
			Market: tenSymbols, Pace: RealTime, FrameEvents: 10, Buffer: 10_000, Plan: Plan{Connections: -1},
		})
		s.StartPipe()
		defer s.Close()
		slow, quick := subscribe(t, s, "A.*"), subscribe(t, s, "A.*")
		read := 0
		go func() {
			for {
				if _, err := quick.next(); err != nil {
					return
				}
				read++
			}
		}()
		if err := s.Wait(t.Context(), func(st Stats) bool { return st.TooSlow == 1 }); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if _, err := slow.next(); err == nil {
			t.Error("the slow reader can still read") // a pipe holds nothing
		}
		if st := s.Stats(); st.Subscribed != 1 || read < 3 {
			t.Errorf("got %+v and %d frames read, want the quick reader to go on", st, read)
		}
		quick.CloseNow()
	})
}
