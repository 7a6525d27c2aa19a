package polygontest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"bridge/polygon"
)

// odd is a market of everything that bars differ in.
func odd(symbols int) Market {
	m := Market{Symbols: Symbols(symbols), Minutes: true, Oddities: Typical(), Start: firstWindow}
	m.Oddities.Corrected = 0.05
	m.Oddities.Foreign = 0.01
	return m
}

// truth is the last version of every bar among the first n events of the market.
func truth(t *testing.T, m Market, n int) map[string]aggregate {
	t.Helper()
	bars := map[string]aggregate{}
	for _, raw := range take(m, n) {
		if a := parse(t, raw); a.Ev == "A" || a.Ev == "AM" {
			bars[fmt.Sprint(a.Ev, a.Sym, a.S)] = a
		}
	}
	return bars
}

// whole collects all bars of a symbol as events.
func whole(t *testing.T, r *polygon.REST, channel, symbol string) (events [][]byte, pages int) {
	t.Helper()
	c := polygon.Stocks.Channel(channel)
	from, to := firstWindow.Add(-24*time.Hour), firstWindow.Add(24*time.Hour)
	for page, err := range r.Aggregates(t.Context(), symbol, c.Kind.Timespan(), from, to) {
		if err != nil {
			t.Fatal(err)
		}
		pages++
		for _, bar := range page.Bars {
			events = append(events, bar.Event(c, symbol))
		}
	}
	return events, pages
}

// TestRESTHasAPast: when the market opens, REST has what one like it would have traded before, for as long as was said.
func TestRESTHasAPast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		market := odd(12)
		s, r := inBubble(t, Config{Market: market, Pace: RealTime, Events: 1, REST: REST{Keep: time.Hour, Past: 2 * time.Minute}})
		if err := s.WaitDone(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := truth(t, market, 1)
		before := market
		before.Start = firstWindow.Add(-2 * time.Minute)
		for raw := range before.Events() {
			a := parse(t, bytes.Clone(raw))
			if a.S >= firstWindow.UnixMilli() {
				break
			}
			if a.Ev == "A" || a.Ev == "AM" {
				want[fmt.Sprint(a.Ev, a.Sym, a.S)] = a
			}
		}
		n := 0
		for _, symbol := range market.Symbols {
			for _, channel := range []string{"A", "AM"} {
				got, _ := whole(t, r, channel, symbol)
				n += len(got)
				for _, raw := range got {
					compare(t, raw, want)
				}
			}
		}
		if n != len(want) || n < 1000 {
			t.Errorf("got %d bars, want %d", n, len(want))
		}
		s.Close()
	})
}

// TestRESTHasWhatNobodyWasSent trades while nobody listens, and wants every bar in its last version.
func TestRESTHasWhatNobodyWasSent(t *testing.T) {
	const events = 6_000
	for _, rest := range []REST{
		{Keep: time.Hour},
		{Keep: time.Hour, PageSize: 7, Exponent: true, OmitEmpty: true},
	} {
		synctest.Test(t, func(t *testing.T) {
			market := odd(12)
			s, r := inBubble(t, Config{Market: market, Pace: RealTime, Events: events, REST: rest})
			if err := s.WaitDone(t.Context()); err != nil {
				t.Fatal(err)
			}
			want := truth(t, market, events)
			n := 0
			for _, symbol := range market.Symbols {
				for _, channel := range []string{"A", "AM"} {
					got, pages := whole(t, r, channel, symbol)
					n += len(got)
					if rest.PageSize > 0 && pages != max(1, (len(got)+rest.PageSize-1)/rest.PageSize) {
						t.Errorf("%d bars came on %d pages", len(got), pages)
					}
					for _, raw := range got {
						if exponent := bytes.Contains(polygon.Event{Raw: raw}.Field("v"), []byte("e")); exponent != rest.Exponent {
							t.Fatalf("exponent: got %t in %s", exponent, raw)
						}
						compare(t, raw, want)
					}
				}
			}
			if n != len(want) {
				t.Errorf("got %d bars, want %d", n, len(want))
			}
			s.Close()
		})
	}
}

// compare holds a bar from REST to the last one that the feed would have sent.
func compare(t *testing.T, raw []byte, truth map[string]aggregate) {
	t.Helper()
	got, err := polygon.ParseAggregate(raw)
	if err != nil {
		t.Fatal(err)
	}
	want, ok := truth[fmt.Sprint(got.Type, got.Symbol, int64(got.StartMs))]
	if !ok {
		t.Fatalf("the market did not make %s", raw)
	}
	exact, err := json.Number(want.DV).Float64()
	if err != nil {
		t.Fatal(err)
	}
	type values struct{ o, h, l, c, vw, v float64 }
	if got, want := (values{got.Open, got.High, got.Low, got.Close, got.VWAP, got.Volume}), (values{want.O, want.H, want.L, want.C, want.VW, exact}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	if int64(got.EndMs) != want.E || got.OTC != want.OTC || got.Trades < 1 || got.Trades != math.Trunc(got.Trades) {
		t.Errorf("got %s for %s", raw, want.raw)
	}
}

func TestRESTHasWhatWasLostOnTheWire(t *testing.T) {
	market := Market{Symbols: Symbols(10), PerSecond: 10}
	s := start(t, Config{Market: market, FrameEvents: 10, Events: 100, REST: REST{Keep: time.Hour}})
	s.NextSession(CutMidFrame(2))
	if got, _ := subscribe(t, s, "A.*").drain(); len(got) != 20 {
		t.Fatalf("got %d events before the cut, want 20", len(got))
	}
	reader := subscribe(t, s, "A.*")
	go func() { reader.drain() }()
	if err := s.WaitDone(deadline(t)); err != nil {
		t.Fatal(err)
	}
	if got, _ := whole(t, restClient(t, s, 1e6), "A", "AAPL"); len(got) != 10 {
		t.Errorf("got %d bars, want one for each of 10 seconds", len(got))
	}
}

func TestRESTForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r := inBubble(t, Config{Market: Market{Symbols: Symbols(2), PerSecond: 2, Start: firstWindow}, Pace: RealTime, Events: 1000, REST: REST{Keep: time.Minute}})
		if err := s.WaitDone(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, _ := whole(t, r, "A", "AAPL"); len(got) != 61 {
			t.Errorf("got %d bars, want the last one and the minute before it", len(got))
		}
		s.Close()
	})
}

// TestRESTIsLate looks, at a moment of the market, which of its bars can be seen.
func TestRESTIsLate(t *testing.T) {
	for _, tt := range []struct {
		name  string
		rest  REST
		start time.Time // of the market; zero is the present
		late  time.Duration
	}{
		{"not at all", REST{}, time.Time{}, broadcastDelay},
		{"lag", REST{Lag: 7 * time.Second}, time.Time{}, 7 * time.Second},
		{"delayed plan", REST{Delayed: true}, time.Time{}, 15 * time.Minute},
		{"lag of a market on another day", REST{Lag: 7 * time.Second}, firstWindow, 7 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tt.rest.Keep = time.Hour
				opened := time.Now().Truncate(time.Second).Add(time.Second) // when the first second is sent
				s, r := inBubble(t, Config{Market: Market{Symbols: Symbols(1), PerSecond: 1, Start: tt.start}, Pace: RealTime, REST: tt.rest})
				market := func(now time.Time) time.Time { return now } // the market's time
				if !tt.start.IsZero() {
					market = func(now time.Time) time.Time { return tt.start.Add(time.Second + broadcastDelay).Add(now.Sub(opened)) }
				}
				<-time.After(20*time.Minute + 500*time.Millisecond)
				for page, err := range r.Aggregates(t.Context(), "AAPL", polygon.TimespanSecond, time.UnixMilli(0), market(time.Now())) {
					if err != nil || len(page.Bars) == 0 {
						t.Fatalf("got %+v, %v", page, err)
					}
					if page.Delayed != tt.rest.Delayed {
						t.Errorf("delayed: got %t", page.Delayed)
					}
					end := time.UnixMilli(page.Bars[len(page.Bars)-1].StartMs + 1000)
					if late := market(time.Now()).Sub(end); late < tt.late || late >= tt.late+time.Second {
						t.Errorf("the last bar ended %s ago, want %s and less than a second", late, tt.late)
					}
				}
				s.Close()
			})
		})
	}
}

func TestSnapshotTellsWhoTraded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		market := odd(40)
		market.PerSecond, market.Minutes = 2, false
		market.Oddities.OTC = 0.3
		s, r := inBubble(t, Config{Market: market, Pace: RealTime, Events: 60, REST: REST{Keep: time.Hour}})
		if err := s.WaitDone(t.Context()); err != nil {
			t.Fatal(err)
		}
		got, err := r.Snapshot(t.Context())
		if err != nil || got.Delayed {
			t.Fatalf("got %+v, %v", got, err)
		}
		last := map[string]aggregate{} // of each symbol, the newest bar, corrected
		for _, a := range truth(t, market, 60) {
			if a.S >= last[a.Sym].S {
				last[a.Sym] = a
			}
		}
		if len(got.Tickers) != len(last) || len(last) == len(market.Symbols) {
			t.Errorf("got %d tickers, want the %d that traded", len(got.Tickers), len(last))
		}
		for _, ticker := range got.Tickers {
			a := last[ticker.Ticker]
			want := polygon.TickerState{
				Ticker:          a.Sym,
				Updated:         time.UnixMilli(a.E).UTC(),
				MinuteStart:     time.UnixMilli(a.S).UTC().Truncate(time.Minute),
				MinuteDayVolume: float64(a.AV),
			}
			want.DayVolume, _ = json.Number(a.DAV).Float64()
			if ticker != want {
				t.Errorf("got %+v, want %+v", ticker, want)
			}
		}
		if st := s.Stats(); st.RESTRequests != 1 || st.RESTSnapshots != 1 || st.RESTRefused != 0 {
			t.Errorf("got %+v", st)
		}
		listed := 0
		for _, a := range last {
			if !a.OTC {
				listed++
			}
		}
		var plain struct{ Tickers []struct{ Ticker string } }
		if _, body := get(t, s, s.RESTURL+snapshotPath, "Bearer key"); json.Unmarshal(body, &plain) != nil || len(plain.Tickers) != listed || listed == len(last) {
			t.Errorf("got %d tickers without asking for OTC ones, want %d of %d", len(plain.Tickers), listed, len(last))
		}
		s.Close()
	})
}

func TestRESTBackward(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		market := Market{Symbols: Symbols(1), PerSecond: 1, Start: firstWindow}
		s, _ := inBubble(t, Config{Market: market, Pace: RealTime, Events: 10, REST: REST{Keep: time.Hour}})
		if err := s.WaitDone(t.Context()); err != nil {
			t.Fatal(err)
		}
		var got []int64
		url := fmt.Sprintf("%s/v2/aggs/ticker/AAPL/range/1/second/0/%d?sort=desc&limit=4", s.RESTURL, firstWindow.Add(time.Hour).UnixMilli())
		for url != "" {
			var page struct {
				Results []struct{ T int64 }
				NextURL string `json:"next_url"`
			}
			if _, body := get(t, s, url, "Bearer key"); json.Unmarshal(body, &page) != nil {
				t.Fatalf("got %s", body)
			}
			for _, bar := range page.Results {
				got = append(got, bar.T)
			}
			url = page.NextURL
		}
		want := make([]int64, 10)
		for i := range want {
			want[i] = firstWindow.Add(time.Duration(9-i) * time.Second).UnixMilli()
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		s.Close()
	})
}
