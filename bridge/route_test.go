package bridge

import (
	"bytes"
	"strings"
	"testing"

	"bridge/polygon"

	"github.com/nats-io/nats-server/v2/server"
)

func TestSubject(t *testing.T) {
	for _, tt := range []struct {
		name   string
		market polygon.Market
		event  string
		want   string // "" for a dead letter
	}{
		{"second bar", polygon.Stocks, `{"ev":"A","sym":"AAPL","s":1}`, "stocks.agg.AAPL"},
		{"minute bar", polygon.Stocks, `{"ev":"AM","sym":"AAPL","s":1}`, "stocks.agg1m.AAPL"},
		{"dot in symbol", polygon.Stocks, `{"ev":"A","sym":"BRK.B","s":1}`, "stocks.agg.BRK.B"},
		{"case is kept", polygon.Stocks, `{"ev":"A","sym":"BCpC","s":1}`, "stocks.agg.BCpC"},
		{"symbol in T", polygon.Stocks, `{"ev":"LULD","T":"AAPL","t":1}`, "stocks.luld.AAPL"},
		{"p is a price on trades", polygon.Stocks, `{"ev":"T","sym":"AAPL","p":114.1,"t":1}`, "stocks.trade.AAPL"},
		{"option", polygon.Options, `{"ev":"A","sym":"O:SPY251219C00650000","s":1}`, "options.agg.O:SPY251219C00650000"},
		{"currency pair", polygon.Forex, `{"ev":"CAS","pair":"EUR/USD","s":1}`, "forex.agg.EUR/USD"},
		{"p is the pair on currency quotes", polygon.Forex, `{"ev":"C","p":"EUR/USD","t":1}`, "forex.quote.EUR/USD"},
		{"crypto pair", polygon.Crypto, `{"ev":"XA","pair":"BTC-USD","s":1}`, "crypto.agg1m.BTC-USD"},
		{"index", polygon.Indices, `{"ev":"V","T":"I:SPX","val":1,"t":1}`, "indices.value.I:SPX"},
		{"escaped letters are letters", polygon.Stocks, `{"ev":"A","sym":"A\u0041PL","s":1}`, "stocks.agg.AAPL"},

		{"empty token", polygon.Stocks, `{"ev":"A","sym":"BRK..B","s":1}`, ""},
		{"leading dot", polygon.Stocks, `{"ev":"A","sym":".A","s":1}`, ""},
		{"trailing dot", polygon.Stocks, `{"ev":"A","sym":"A.","s":1}`, ""},
		{"wildcard", polygon.Stocks, `{"ev":"A","sym":"*","s":1}`, ""},
		{"full wildcard", polygon.Stocks, `{"ev":"A","sym":"A.>","s":1}`, ""},
		{"space", polygon.Stocks, `{"ev":"A","sym":"A B","s":1}`, ""},
		{"line break", polygon.Stocks, `{"ev":"A","sym":"A\r\nPUB x 0\r\n","s":1}`, ""},
		{"NUL", polygon.Stocks, `{"ev":"A","sym":"A\u0000","s":1}`, ""},
		{"not ASCII", polygon.Stocks, `{"ev":"A","sym":"Ä","s":1}`, ""},
		{"too long", polygon.Stocks, `{"ev":"A","sym":"` + strings.Repeat("A", 10_000) + `","s":1}`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := tt.market.Split(nil, []byte(tt.event))[0]
			if e.Fault != "" {
				t.Fatalf("fault %q", e.Fault)
			}
			got := ""
			if routable(e.Symbol) {
				got = string(appendSubject(nil, tt.market, e.Channel.Kind, e.Symbol))
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// FuzzSubject: whatever the symbol, what goes on the wire is one valid subject of its own.
func FuzzSubject(f *testing.F) {
	for _, s := range []string{"AAPL", "BRK.B", "BRK..B", "A\r\nPUB x 0\r\n", "EUR/USD", "*", "\xff", "I:SPX"} {
		f.Add([]byte(s), []byte("AAPL"))
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		if !routable(a) {
			return
		}
		subject := appendSubject(nil, polygon.Stocks, polygon.KindAgg, a)
		if !server.IsValidPublishSubject(string(subject)) {
			t.Errorf("symbol %q makes the invalid subject %q", a, subject)
		}
		if bytes.ContainsFunc(subject, func(r rune) bool { return r <= ' ' || r > '~' }) {
			t.Errorf("symbol %q makes a subject with bytes that end a command: %q", a, subject)
		}
		if routable(b) && bytes.Equal(subject, appendSubject(nil, polygon.Stocks, polygon.KindAgg, b)) != bytes.Equal(a, b) {
			t.Errorf("symbols %q and %q share the subject %q", a, b, subject)
		}
	})
}

func TestMessageID(t *testing.T) {
	id := func(m polygon.Market, event string) string {
		e := m.Split(nil, []byte(event))[0]
		return string(appendID(nil, &e, digest(e.Raw)))
	}
	bar := id(polygon.Stocks, `{"ev":"A","sym":"AAPL","v":1,"s":1754055000000}`)
	if want := "A.AAPL.1754055000000."; !strings.HasPrefix(bar, want) || len(bar) != len(want)+16 {
		t.Errorf("got %s, want %s and 16 digits", bar, want)
	}
	if same := id(polygon.Stocks, `{"ev":"A","sym":"AAPL","v":1,"s":1754055000000}`); same != bar {
		t.Errorf("the same event has the ids %s and %s", bar, same)
	}
	if corrected := id(polygon.Stocks, `{"ev":"A","sym":"AAPL","v":2,"s":1754055000000}`); corrected == bar {
		t.Errorf("a corrected bar has the id of the first: %s", bar)
	}
	trade := id(polygon.Stocks, `{"ev":"T","sym":"AAPL","x":4,"i":"52983525029461","p":1.5,"t":1754055000123}`)
	if want := "T.AAPL.1754055000123.4."; !strings.HasPrefix(trade, want) {
		t.Errorf("got %s, want it to begin with %s", trade, want)
	}
	evil := id(polygon.Stocks, `{"ev":"T","sym":"AAPL","x":4,"i":"a b\r\nX: y","p":1.5,"t":1}`)
	if strings.ContainsAny(evil, " \r\n\"") {
		t.Errorf("an identity field got into the id as it is: %q", evil)
	}
}
