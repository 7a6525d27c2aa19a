package polygontest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/coder/websocket"
)

func TestTapeIsWhatWasRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		market := Market{Symbols: Symbols(100), Oddities: Typical()}
		s := NewUnstartedServer(Config{Market: market, Pace: RealTime, Events: 3000, Plan: Plan{Connections: -1}})
		s.StartPipe()
		defer s.Close()
		read := make([][]string, 3)
		for i, params := range []string{"A.*", "A.AAPL,A.F", "A.*"} {
			c := subscribe(t, s, params)
			go func() { read[i], _ = c.drain() }()
		}
		if err := s.WaitDone(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.Close()
		synctest.Wait()
		total := 0
		for i := range read {
			var want []string
			for raw := range s.Tape().Session(i + 1) {
				want = append(want, string(raw))
			}
			if len(want) == 0 || !slices.Equal(read[i], want) {
				t.Errorf("session %d read %d events that are not the %d of the tape", i+1, len(read[i]), len(want))
			}
			total += len(want)
		}
		if st := s.Stats(); st.Events != total || len(s.Tape().Events()) != total {
			t.Errorf("got %d events counted, want %d", st.Events, total)
		}
	})
}

func TestTapeMayBeCountsOnly(t *testing.T) {
	s := start(t, Config{Market: tenSymbols, Events: 50, Record: RecordCounts})
	c := subscribe(t, s, "A.*")
	for range 5 {
		c.events()
	}
	if err := s.WaitSent(deadline(t), 50); err != nil {
		t.Fatal(err)
	}
	if n := len(s.Tape().Events()); n != 0 {
		t.Errorf("the tape has %d events, want none", n)
	}
}

// TestSendToOneSession: it goes to no other, also when that has taken the place of one that has ended.
func TestSendToOneSession(t *testing.T) {
	s := start(t, Config{})
	c := subscribe(t, s, "T.*")
	if err := s.WaitSubscribed(deadline(t)); err != nil {
		t.Fatal(err)
	}
	frame := []byte(`[{"ev":"T"}]`)
	if first, second := s.SendTo(1, frame), s.SendTo(2, frame); first != 1 || second != 0 {
		t.Errorf("sent to %d and %d connections, want 1 of the first session and none of the second", first, second)
	}
	if _, err := c.next(); err != nil {
		t.Error(err)
	}
}

func TestSendNeedsNoMarket(t *testing.T) {
	s := start(t, Config{})
	if n := s.Send([]byte(`[{"ev":"A"}]`)); n != 0 {
		t.Errorf("sent to %d connections, want none", n)
	}
	c := subscribe(t, s, "T.*")
	if err := s.WaitSubscribed(deadline(t)); err != nil {
		t.Fatal(err)
	}
	var want []string // number of the frame, event
	for number, tt := range []struct {
		frame string
		tape  []string
	}{
		{`[{"ev":"T","sym":"F"}, {"ev":"T","sym":"GE"} ]`, []string{`{"ev":"T","sym":"F"}`, `{"ev":"T","sym":"GE"}`}},
		{`[{"ev":"status","status":"success"},{"ev":"T"},7]`, []string{`{"ev":"T"}`, `7`}},
		{`[]`, nil},
		{`[{"ev":"T"`, []string{`[{"ev":"T"`}},
		{`{"ev":"T"}`, []string{`{"ev":"T"}`}},
		{`[{"ev":"T"}]]`, []string{`[{"ev":"T"}]]`}},
		{"", []string{""}},
	} {
		if n := s.Send([]byte(tt.frame)); n != 1 {
			t.Errorf("%q was sent to %d connections, want 1", tt.frame, n)
		}
		if data, err := c.next(); err != nil || string(data) != tt.frame {
			t.Errorf("got %q, %v, want %q", data, err, tt.frame)
		}
		for _, raw := range tt.tape {
			want = append(want, fmt.Sprint(number+1, raw))
		}
	}
	s.SendBinary([]byte("\x00\x01"))
	typ, data, err := c.Read(deadline(t))
	if typ != websocket.MessageBinary || string(data) != "\x00\x01" {
		t.Errorf("got %v %q, %v", typ, data, err)
	}
	want = append(want, fmt.Sprint(8, "\x00\x01"))
	var got []string
	for _, e := range s.Tape().Events() {
		got = append(got, fmt.Sprint(e.Frame, string(e.Raw)))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got tape %q, want %q", got, want)
	}
}

func TestFaultNamesItself(t *testing.T) {
	got := fmt.Sprint([]Fault{DropAfter(3), CloseAfter(2, 1001), NoPongs(), RefuseUpgrade(503)})
	want := "[drop after 3 frames close with 1001 after 2 frames no pongs refuse upgrade with 503]"
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func BenchmarkServer(b *testing.B) {
	for _, record := range []Record{RecordCounts, RecordEvents} {
		b.Run(string(record), func(b *testing.B) {
			s := NewServer(Config{Market: Market{Symbols: Symbols(10_000)}, Record: record})
			defer s.Close()
			conn, _, err := websocket.Dial(b.Context(), s.URL, nil)
			if err != nil {
				b.Fatal(err)
			}
			defer conn.CloseNow()
			conn.SetReadLimit(maxFrame)
			for _, m := range []string{`{"action":"auth"}`, `{"action":"subscribe","params":"A.*"}`} {
				if err := conn.Write(b.Context(), websocket.MessageText, []byte(m)); err != nil {
					b.Fatal(err)
				}
			}
			for n := 0; b.Loop(); n-- {
				for n <= 0 {
					_, data, err := conn.Read(b.Context())
					if err != nil {
						b.Fatal(err)
					}
					n = strings.Count(string(data), `"av"`)
				}
			}
		})
	}
}
