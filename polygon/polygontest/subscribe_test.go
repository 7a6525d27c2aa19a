package polygontest

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
)

func TestAnswers(t *testing.T) {
	for _, tt := range []struct {
		name, params string
		plan         Plan
		want         []string
	}{
		{"one each", "A.AAPL,AM.*", Plan{},
			[]string{"success: subscribed to: A.AAPL", "success: subscribed to: AM.*"}},
		{"dots in the ticker", "T.BRK.B", Plan{}, []string{"success: subscribed to: T.BRK.B"}},
		{"unknown ticker", "A.NOSUCH", Plan{}, []string{"success: subscribed to: A.NOSUCH"}},
		{"silence for an unknown channel", "ZZ.AAPL,A.F,nonsense", Plan{}, []string{"success: subscribed to: A.F"}},
		{"silence for a repeated one", "A.F,A.F", Plan{}, []string{"success: subscribed to: A.F"}},
		{"refusals first, unnamed", "A.F,NOI.*,T.F", Plan{Channels: []string{"A", "T"}},
			[]string{"error: not authorized", "success: subscribed to: A.F", "success: subscribed to: T.F"}},
		{"whole frame over the limit", "A.F,A.GE,A.T", Plan{MaxParams: 2},
			[]string{"error: " + textFull, "error: " + textFull, "error: " + textFull}},
	} {
		for _, answers := range []Answers{AnswersTogether, AnswersApart} {
			t.Run(fmt.Sprint(tt.name, " ", answers), func(t *testing.T) {
				s := start(t, Config{Plan: tt.plan, Answers: answers})
				c := login(t, s)
				c.send("subscribe", tt.params)
				if answers == AnswersTogether {
					c.expect(tt.want...)
					return
				}
				for _, want := range tt.want {
					c.expect(want)
				}
			})
		}
	}
}

func TestHeldParameterIsNotAnsweredAgain(t *testing.T) {
	s := start(t, Config{})
	c := subscribe(t, s, "A.F,A.GE")
	c.send("subscribe", "A.F,A.T")
	c.expect("success: subscribed to: A.T")
	c.send("unsubscribe", "A.F,A.NONE")
	c.expect("success: unsubscribed to: A.F")
	c.send("subscribe", "A.F")
	c.expect("success: subscribed to: A.F")
	want := []string{"A.F", "A.GE", "A.F", "A.T", "A.F"}
	if got := s.Stats().Params; !slices.Equal(got, want) {
		t.Errorf("got params %q, want %q", got, want)
	}
}

func TestAnswersShareAFrameWithData(t *testing.T) {
	s := start(t, Config{Answers: AnswersWithData, Market: Market{Symbols: Symbols(10)}})
	c := login(t, s)
	c.send("subscribe", "A.AAPL,A.*")
	elements := c.events()
	if len(elements) < 3 {
		t.Fatalf("got %d elements, want two answers and data", len(elements))
	}
	for i, want := range []string{"success: subscribed to: A.AAPL", "success: subscribed to: A.*"} {
		if got := statusOf(t, elements[i]); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if a := parse(t, elements[2]); a.Ev != "A" {
		t.Errorf("got %s, want a bar", a.raw)
	}
}

func TestSessionGetsWhatItSubscribedTo(t *testing.T) {
	market := Market{Symbols: Symbols(50), Minutes: true, PerSecond: 50}
	for _, tt := range []struct {
		params string
		wants  func(a aggregate) bool
	}{
		{"A.*", func(a aggregate) bool { return a.Ev == "A" }},
		{"AM.*", func(a aggregate) bool { return a.Ev == "AM" }},
		{"A.*,AM.*", func(aggregate) bool { return true }},
		{"A.AAPL,AM.BRK.B", func(a aggregate) bool {
			return a.Ev == "A" && a.Sym == "AAPL" || a.Ev == "AM" && a.Sym == "BRK.B"
		}},
		{"AM.*,A.BRK.B", func(a aggregate) bool { return a.Ev == "AM" || a.Sym == "BRK.B" }},
	} {
		t.Run(tt.params, func(t *testing.T) {
			const made = 3_300 // a minute and some seconds
			var want []string
			for raw := range market.Events() {
				want = append(want, string(raw))
				if len(want) == made {
					break
				}
			}
			want = slices.DeleteFunc(want, func(raw string) bool { return !tt.wants(parse(t, []byte(raw))) })

			s := start(t, Config{Market: market, Events: made, FrameEvents: 7})
			c := subscribe(t, s, tt.params)
			var got []string
			for len(got) < len(want) {
				for _, e := range c.events() {
					got = append(got, string(e))
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("got %d events that differ from the %d wanted", len(got), len(want))
			}
		})
	}
}

func TestUnsubscribeStopsData(t *testing.T) {
	s := start(t, Config{})
	c := subscribe(t, s, "A.F")
	c.send("unsubscribe", "A.F")
	c.expect("success: unsubscribed to: A.F")
	if err := s.Wait(deadline(t), func(st Stats) bool { return st.Subscribed == 0 }); err != nil {
		t.Fatal(err)
	}
	if n := s.Send([]byte(`[{"ev":"A"}]`)); n != 0 {
		t.Errorf("sent to %d connections, want none", n)
	}
}

func TestDataComesBetweenAnswersApart(t *testing.T) {
	s := start(t, Config{Answers: AnswersApart, Market: Market{Symbols: Symbols(100)}})
	c := login(t, s)
	c.send("subscribe", "A.*,A.AAPL,A.F,A.GE")
	statuses, bars := 0, 0
	for statuses < 4 {
		for _, e := range c.events() {
			var head struct{ Ev string }
			if err := json.Unmarshal(e, &head); err != nil {
				t.Fatal(err)
			}
			if head.Ev == "status" {
				statuses++
			} else {
				bars++
			}
		}
	}
	t.Logf("%d bars before the last answer", bars)
}
