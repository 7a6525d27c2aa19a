package polygontest

import (
	"context"
	"encoding/json"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestRealTimeSendsABurstEachSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewUnstartedServer(Config{Market: Market{Symbols: Symbols(30), PerSecond: 25}, Pace: RealTime, FrameEvents: 10})
		s.StartPipe()
		defer s.Close()
		c := subscribe(t, s, "A.*")
		for range 100 {
			for _, want := range []int{10, 10, 5} {
				elements := c.events()
				if len(elements) != want {
					t.Fatalf("got a frame of %d events, want %d", len(elements), want)
				}
				for _, e := range elements {
					if end := time.UnixMilli(parse(t, e).E); !time.Now().Equal(end.Add(broadcastDelay)) {
						t.Fatalf("window that ended at %v came at %v, want two seconds later", end, time.Now())
					}
				}
			}
		}
	})
}

func TestRealTimeGoesOnWhileNobodyListens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewUnstartedServer(Config{Market: tenSymbols, Pace: RealTime})
		s.StartPipe()
		defer s.Close()
		s.NextSession(DropAfter(1))
		first, _ := subscribe(t, s, "A.*").drain()
		select { // an hour without a connection
		case <-time.After(time.Hour):
		case <-t.Context().Done():
		}
		second := subscribe(t, s, "A.*").events()
		gap := parse(t, second[0]).S - parse(t, []byte(first[0])).S
		if gap != time.Hour.Milliseconds()+1000 && gap != time.Hour.Milliseconds() {
			t.Errorf("the windows are %d ms apart, want the hour that nobody listened", gap)
		}
	})
}

func TestAsReadWaitsForReaders(t *testing.T) {
	s := start(t, Config{Market: tenSymbols, FrameEvents: 10, Events: 100})
	s.NextSession(DropAfter(1))
	s.NextSession()
	s.NextSession(CutMidFrame(2))

	got, _ := subscribe(t, s, "A.*").drain()
	login(t, s).CloseNow() // subscribes to nothing, so the market waits
	more, _ := subscribe(t, s, "A.*").drain()
	got = append(got, more...)
	last := subscribe(t, s, "A.*")
	for len(got) < 90 {
		for _, e := range last.events() {
			got = append(got, string(e))
		}
	}
	var want []string
	for i, raw := range take(tenSymbols, 100) {
		if i/10 != 3 { // the frame that was cut
			want = append(want, string(raw))
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %d events that are not the %d wanted", len(got), len(want))
	}
}

func TestFramesHoldUpToTheirLimit(t *testing.T) {
	for _, tt := range []struct{ limit, want int }{{1, 1}, {7, 7}, {5000, 5000}} {
		s := start(t, Config{Market: Market{Symbols: Symbols(10_000)}, FrameEvents: tt.limit})
		c := subscribe(t, s, "A.*")
		data, err := c.next()
		var elements []json.RawMessage
		if err != nil || json.Unmarshal(data, &elements) != nil {
			t.Fatalf("frame of %d bytes, %v", len(data), err)
		}
		if len(data) >= maxFrame {
			t.Errorf("a frame of %d bytes", len(data))
		}
		if len(elements) > tt.want || len(elements) < tt.want*4/5 {
			t.Errorf("got %d events, want %d or as many as fit", len(elements), tt.want)
		}
	}
}

func TestMarketClosesButSessionStays(t *testing.T) {
	s := start(t, Config{Market: tenSymbols, Events: 25, FrameEvents: 10})
	c := subscribe(t, s, "A.*")
	for range 3 {
		c.events()
	}
	if err := s.WaitDone(deadline(t)); err != nil {
		t.Fatal(err)
	}
	if st := s.Stats(); st.Events != 25 || st.Open != 1 {
		t.Errorf("got %+v, want 25 events and a session", st)
	}
	if s.Send([]byte(`[{"ev":"A"}]`)) != 1 {
		t.Error("the session is gone")
	}
}

func TestOutboxIsEmptyWhenDone(t *testing.T) {
	s := start(t, Config{Market: tenSymbols, Events: 5000, Buffer: 4 << 20})
	c := subscribe(t, s, "A.*")
	go func() {
		for range 500 {
			c.next()
		}
	}()
	if err := s.WaitDone(deadline(t)); err != nil {
		t.Fatal(err)
	}
	if n := len(s.Tape().Events()); n != 5000 {
		t.Errorf("the tape has %d events, want 5000", n)
	}
}

func TestCloseEndsEverything(t *testing.T) {
	for _, pace := range []Pace{AsRead, RealTime} {
		s := NewServer(Config{Market: tenSymbols, Pace: pace, Plan: Plan{Connections: -1}})
		reads := subscribe(t, s, "A.*")
		subscribe(t, s, "A.*") // never reads again
		reads.events()
		s.Close()
		if _, err := reads.drain(); err == nil {
			t.Error("the connection lives on")
		}
		if st := s.Stats(); st.Open != 0 || st.Subscribed != 0 {
			t.Errorf("got %+v after Close, want nothing open", st)
		}
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	s := start(t, Config{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.WaitSessions(ctx, 1); err != context.Canceled {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}
