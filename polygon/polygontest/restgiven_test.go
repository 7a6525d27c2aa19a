package polygontest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bridge/polygon"
)

// frameOf is a frame of bars of a symbol, of one volume, whose windows start so many seconds after firstWindow.
func frameOf(symbol string, volume int, seconds ...int64) []byte {
	var events []string
	for _, s := range seconds {
		start := firstWindow.UnixMilli() + s*1000
		events = append(events, fmt.Sprintf(`{"ev":"A","sym":%q,"v":%d,"o":1,"c":1,"h":1,"l":1,"s":%d,"e":%d}`, symbol, volume, start, start+1000))
	}
	return []byte("[" + strings.Join(events, ",") + "]")
}

// asked is the start of each bar that REST has of a symbol, in seconds after firstWindow, and its volume.
func asked(t *testing.T, r *polygon.REST, symbol string) (starts []int64, volumes []float64) {
	t.Helper()
	events, _ := whole(t, r, "A", symbol)
	for _, raw := range events {
		a, err := polygon.ParseAggregate(raw)
		if err != nil {
			t.Fatal(err)
		}
		starts = append(starts, (int64(a.StartMs)-firstWindow.UnixMilli())/1000)
		volumes = append(volumes, a.Volume)
	}
	return starts, volumes
}

func TestRESTHasWhatItIsTold(t *testing.T) {
	s := start(t, Config{REST: REST{Keep: time.Hour}})
	s.Past([]byte(`[{"ev":"status","status":"success","message":"x"}, {"ev":"T","sym":"AAPL","p":1,"s":100,"t":1772461800000},
		{"ev":"A","sym":"BRK.B","v":12,"dv":"12.345678","av":99,"op":500.5,"vw":501.2345,"o":500,"c":501.5,"h":502,"l":499.99,"a":500.1,"z":4.5,"s":1772461800000,"e":1772461801000,"otc":true},
		{"ev":"AM","sym":"BRK.B","v":7,"o":1,"c":2,"h":3,"l":0.5,"s":1772461800000,"e":1772461860000}, 7, {"ev":"A"}]`))
	s.Past([]byte(`no JSON`))
	r := restClient(t, s, 1e6)
	for _, tt := range []struct{ channel, want string }{
		{"A", `{"ev":"A","sym":"BRK.B","s":1772461800000,"e":1772461801000,"v":12.345678,"vw":501.2345,"o":500,"c":501.5,"h":502,"l":499.99,"n":2,"otc":true}`},
		{"AM", `{"ev":"AM","sym":"BRK.B","s":1772461800000,"e":1772461860000,"v":7,"vw":0,"o":1,"c":2,"h":3,"l":0.5,"n":1}`},
	} {
		got, _ := whole(t, r, tt.channel, "BRK.B")
		if len(got) != 1 || string(got[0]) != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
	if got, _ := whole(t, r, "A", "AAPL"); len(got) > 0 {
		t.Errorf("got %s for a symbol without bars", got)
	}
	snapshot, err := r.Snapshot(t.Context())
	want := polygon.TickerState{
		Ticker:          "BRK.B",
		Updated:         firstWindow.Add(time.Second),
		DayVolume:       99,
		MinuteStart:     firstWindow,
		MinuteDayVolume: 99,
	}
	if err != nil || len(snapshot.Tickers) != 1 || snapshot.Tickers[0] != want {
		t.Errorf("got %+v, %v, want %+v", snapshot, err, want)
	}
}

func TestWhatIsToldLastCounts(t *testing.T) {
	s := start(t, Config{REST: REST{Keep: time.Minute}})
	s.Past(frameOf("AAPL", 1, 100, 40, 70, 39, 101))
	s.Past(frameOf("AAPL", 2, 70, 102, 30))
	starts, volumes := asked(t, restClient(t, s, 1e6), "AAPL")
	if want := []int64{70, 100, 101, 102}; !slices.Equal(starts, want) {
		t.Errorf("got bars of %v, want the last minute's, %v", starts, want)
	}
	if want := []float64{2, 1, 1, 2}; !slices.Equal(volumes, want) {
		t.Errorf("got volumes %v, want %v", volumes, want)
	}
}

// TestKeepingForLessThanNoTime is keeping nothing, of the market and of what is told.
func TestKeepingForLessThanNoTime(t *testing.T) {
	p := newPast(-time.Minute, polygon.Stocks, tenSymbols.Symbols)
	p.begin(tenSymbols, firstWindow.UnixMilli(), -time.Minute)
	p.add(&bar{symbol: 3})
	p.addOf("AAPL", bar{})
	if known := p.known(); len(known) > 0 {
		t.Errorf("got %q, want no ticker", known)
	}
}

// TestWhatIsToldStandsBesideTheMarket lets a market of ten seconds trade, and then changes one of its bars and adds one.
func TestWhatIsToldStandsBesideTheMarket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		market := Market{Symbols: []string{"AAPL", "MSFT"}, PerSecond: 2, Start: firstWindow}
		s, r := inBubble(t, Config{Market: market, Pace: RealTime, Events: 20, REST: REST{Keep: time.Hour}})
		if err := s.WaitDone(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.Past(frameOf("AAPL", 1e9, -60, 3))
		s.Past(frameOf("TSLA", 1, 3))
		starts, volumes := asked(t, r, "AAPL")
		if want := []int64{-60, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9}; !slices.Equal(starts, want) {
			t.Fatalf("got bars of %v, want %v", starts, want)
		}
		for i, v := range volumes {
			if told := v == 1e9; told != (starts[i] == -60 || starts[i] == 3) {
				t.Errorf("the bar of %d has a volume of %f", starts[i], v)
			}
		}
		for symbol, want := range map[string]int{"MSFT": 10, "TSLA": 1} {
			if starts, _ := asked(t, r, symbol); len(starts) != want {
				t.Errorf("%s: got %d bars, want %d", symbol, len(starts), want)
			}
		}
		s.Close()
	})
}

// TestWhatIsToldIsSeenByTheClock tells a server without a market, in real time, of a bar of the present.
func TestWhatIsToldIsSeenByTheClock(t *testing.T) {
	for _, tt := range []struct {
		name string
		rest REST
		late time.Duration // after the end of the window
	}{
		{"at its end", REST{}, 0},
		{"lag", REST{Lag: 7 * time.Second}, 7 * time.Second},
		{"delayed plan", REST{Delayed: true}, 15 * time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tt.rest.Keep = time.Hour
				s, r := inBubble(t, Config{Pace: RealTime, REST: tt.rest})
				now := time.Now().Truncate(time.Second)
				end := now.Add(10 * time.Second)
				s.Past(frameOf("AAPL", 1, int64(end.Sub(firstWindow)/time.Second)-1))
				for _, at := range []struct {
					when time.Time
					want int
				}{{end.Add(tt.late - time.Millisecond), 0}, {end.Add(tt.late), 1}} {
					<-time.After(time.Until(at.when))
					got := 0
					for page, err := range r.Aggregates(t.Context(), "AAPL", polygon.TimespanSecond, now, end) {
						if err != nil {
							t.Fatal(err)
						}
						got += len(page.Bars)
					}
					if got != at.want {
						t.Errorf("%s after the window: got %d bars, want %d", time.Since(end), got, at.want)
					}
				}
				s.Close()
			})
		})
	}
}

func TestOtherMarketsHaveTickersOfREST(t *testing.T) {
	s := start(t, Config{Feed: polygon.Crypto, REST: REST{Keep: time.Hour}})
	s.Past([]byte(`[{"ev":"XAS","pair":"BTC-USD","v":0.5,"o":1,"c":1,"h":1,"l":1,"s":1772461800000,"e":1772461801000}]`))
	c := polygon.Crypto.Channel("XAS")
	n := 0
	for page, err := range restClient(t, s, 1e6).Aggregates(t.Context(), "X:BTCUSD", c.Kind.Timespan(), firstWindow, firstWindow) {
		if err != nil {
			t.Fatal(err)
		}
		n += len(page.Bars)
	}
	if n != 1 {
		t.Errorf("got %d bars, want 1", n)
	}
}
