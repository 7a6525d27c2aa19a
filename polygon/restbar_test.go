package polygon

import (
	"bytes"
	"encoding/json"
	"testing"
)

func TestRESTTicker(t *testing.T) {
	for _, tt := range []struct {
		market       Market
		symbol, want string
	}{
		{Stocks, "AAPL", "AAPL"},
		{Stocks, "BRK.B", "BRK.B"},
		{Stocks, "BCpC", "BCpC"},
		{Options, "O:SPY251219C00650000", "O:SPY251219C00650000"},
		{Indices, "I:SPX", "I:SPX"},
		{Forex, "EUR/USD", "C:EURUSD"},
		{Forex, "C:USD-EUR", "C:USDEUR"},
		{Crypto, "BTC-USD", "X:BTCUSD"},
		{Crypto, "X:BTC-USD", "X:BTCUSD"},
		{Futures, "ESU5", ""},
	} {
		if got := tt.market.RESTTicker(tt.symbol); got != tt.want {
			t.Errorf("%s %s: got %q, want %q", tt.market, tt.symbol, got, tt.want)
		}
	}
}

func TestRESTBarBecomesAGoodEvent(t *testing.T) {
	const full = `{"T":"AAPL", "v":5.617399e+07,"vw":225.4381,"o":225.390,"c":2.2545e2,"h":225.47,"l":225.37,"t":1754055000000,"n":12.0,"a":1,"op":2,"otc":true}`
	for _, tt := range []struct {
		name      string
		market    Market
		typ       string
		symbol    string
		raw, want string
	}{
		{"tokens as sent, and nothing of the day", Stocks, "A", "AAPL", full,
			`{"ev":"A","sym":"AAPL","s":1754055000000,"e":1754055001000,"v":5.617399e+07,"vw":225.4381,"o":225.390,"c":2.2545e2,"h":225.47,"l":225.37,"n":12.0,"otc":true}`},
		{"minute", Stocks, "AM", "BRK.B", `{"v":1,"t":1.754055e12}`,
			`{"ev":"AM","sym":"BRK.B","s":1754055000000,"e":1754055060000,"v":1}`},
		{"pair", Forex, "CAS", "EUR/USD", `{"v":11,"vw":null,"t":1754055000000}`,
			`{"ev":"CAS","pair":"EUR/USD","s":1754055000000,"e":1754055001000,"v":11}`},
		{"minute of a pair", Crypto, "XA", "BTC-USD", `{"n":3,"t":1754055000000}`,
			`{"ev":"XA","pair":"BTC-USD","s":1754055000000,"e":1754055060000,"n":3}`},
		{"crafted symbol", Stocks, "A", "\",\"s\":1,\"x\":\"\\\n", `{"t":1754055000000}`,
			`{"ev":"A","sym":"\",\"s\":1,\"x\":\"\\\n","s":1754055000000,"e":1754055001000}`},
		{"bytes that are no text", Stocks, "A", "A\xff", `{"t":1754055000000}`,
			"{\"ev\":\"A\",\"sym\":\"A\xff\",\"s\":1754055000000,\"e\":1754055001000}"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			event := RESTBar{1754055000000, []byte(tt.raw)}.Event(tt.market.Channel(tt.typ), tt.symbol)
			if string(event) != tt.want {
				t.Errorf("got  %s\nwant %s", event, tt.want)
			}
			checkGood(t, tt.market, event, tt.symbol, 1754055000000)
		})
	}
}

// checkGood splits what should be one event.
func checkGood(t *testing.T, m Market, event []byte, symbol string, start int64) {
	t.Helper()
	events := m.Split(nil, event)
	if len(events) != 1 || events[0].Fault != "" || string(events[0].Symbol) != symbol || events[0].Time != start || string(events[0].Raw) != string(event) {
		t.Errorf("%q splits into %+v", event, events)
	}
}

// FuzzBars reads answers and turns their bars into events: whatever comes, each is good.
func FuzzBars(f *testing.F) {
	for _, body := range []string{
		`{"ticker":"AAPL","resultsCount":2,"results":[{"v":5.6e+07,"vw":1,"o":1,"c":1,"h":1,"l":1,"t":1754055000000,"n":1},{"t":1754055001000}],"status":"OK","request_id":"a","next_url":"https://x/y?cursor=1"}`,
		`{"status":"DELAYED","resultsCount":0}`,
		` {"results":null , "results":[ 1 , "t", {"t":"1"}, [{}], {} ] } `,
		`{"\u0073tatus":"OK","results":[{"t":1e3,"t":2,"v":{"x":[1]},"otc":"\ud800"}]}`,
		`{"status":"OK","tickers":[{"ticker":"A","min":{"t":1},"day":[],"updated":1e18}]}`,
		`{"results":[{"t":1},`,
	} {
		f.Add([]byte(body))
	}
	channel := Stocks.Channel("A")
	f.Fuzz(func(t *testing.T, body []byte) {
		a, ok := parseAnswer(body)
		if ok != validObject(body) {
			t.Fatalf("valid object: got %t for %q", ok, body)
		}
		for raw := range elements(a.tickers) {
			tickerState(raw)
		}
		p := pager{ticker: a.ticker, from: 0, to: 1 << 60, last: -1}
		page, err := p.read(a)
		last := int64(-1)
		for _, bar := range page.Bars {
			if bar.StartMs <= last {
				t.Errorf("bar of %d comes behind that of %d", bar.StartMs, last)
			}
			last = bar.StartMs
			checkGood(t, Stocks, bar.Event(channel, "AAPL"), "AAPL", bar.StartMs)
		}
		if err != nil && len(page.Bars) > 0 {
			t.Errorf("bars beside the error %v", err)
		}
	})
}

// validObject is what encoding/json thinks, but for the nesting limit.
func validObject(b []byte) bool {
	return json.Valid(b) && bytes.TrimLeft(b, " \t\r\n")[0] == '{' && nesting(b) <= maxDepth
}
