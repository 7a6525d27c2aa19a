package polygon

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestMarketOf(t *testing.T) {
	for _, tt := range []struct {
		url  string
		want Market
	}{
		{"wss://socket.massive.com/stocks", Stocks},
		{"wss://delayed.massive.com/options/", Options},
		{"wss://business.massive.com/business/stocks", Stocks},
		{"wss://socket.massive.com/futures/cme", Futures},
		{"ws://127.0.0.1:8080/launchpad/forex?x=1", Forex},
	} {
		if got, err := MarketOf(tt.url); got != tt.want || err != nil {
			t.Errorf("%s: got %q and %v, want %q", tt.url, got, err, tt.want)
		}
	}
	for _, url := range []string{"wss://hidden:hidden@socket.massive.com/?apiKey=hidden", "wss://hidden@x/Stocks", "wss://hi:hidden/stocks", "wss://x/hidden", "hidden", "", "::"} {
		_, err := MarketOf(url)
		if err == nil || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%s: got the error %v, want one that hides the URL", url, err)
		}
	}
}

func TestEveryChannelIsComplete(t *testing.T) {
	n := 0
	for _, m := range markets {
		seen := map[string]bool{}
		for _, c := range m.Channels() {
			n++
			if seen[c.Type] {
				t.Errorf("%s has %s twice", m, c.Type)
			}
			seen[c.Type] = true
			if m.Channel(c.Type) != c {
				t.Errorf("%s: Channel(%q) finds another", m, c.Type)
			}
			if c.Name == "" || c.Kind == "" || c.TimeUnit > time.Millisecond || c.TimeUnit == 0 {
				t.Errorf("%s %s is not complete: %+v", m, c.Type, c)
			}
			if c.Kind.Aggregate() != (c.TimeField == "s") {
				t.Errorf("%s %s: kind %s with the time field %q", m, c.Type, c.Kind, c.TimeField)
			}
		}
	}
	// 33 of the vendor's specification, less AM of stocks and options that is there twice, and 4 of futures
	if n != 35 {
		t.Errorf("got %d channels, want 35", n)
	}
	if Market("bonds").Channels() != nil || Stocks.Channel("XA") != nil {
		t.Error("a channel that does not exist was found")
	}
}

func TestMinuteAndSecondBarsOfPairs(t *testing.T) {
	for typ, want := range map[string]Kind{"CA": KindAgg1m, "CAS": KindAgg} {
		if got := Forex.Channel(typ).Kind; got != want {
			t.Errorf("%s: got %s, want %s", typ, got, want)
		}
	}
	for typ, want := range map[string]Kind{"XA": KindAgg1m, "XAS": KindAgg} {
		if got := Crypto.Channel(typ).Kind; got != want {
			t.Errorf("%s: got %s, want %s", typ, got, want)
		}
	}
}

func TestParseSubscription(t *testing.T) {
	for _, tt := range []struct {
		market Market
		list   string
		want   []string
	}{
		{Stocks, "A.*", []string{"A.*"}},
		{Stocks, " A.AAPL , AM.*,T.BRK.B, T.BCpC ", []string{"A.AAPL", "AM.*", "T.BRK.B", "T.BCpC"}},
		{Stocks, "A.TPC,A.TpC", []string{"A.TPC", "A.TpC"}},
		{Options, "A.O:SPY251219C00650000", []string{"A.O:SPY251219C00650000"}},
		{Forex, "CAS.EUR/USD", []string{"CAS.EUR/USD"}},
		{Crypto, "XT.BTC-USD,LV.X:BTC-USD", []string{"XT.BTC-USD", "LV.X:BTC-USD"}},
	} {
		if got, err := tt.market.ParseSubscription(tt.list); err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %q and %v, want %q", tt.list, got, err, tt.want)
		}
	}
}

func TestParseSubscriptionNamesEveryProblem(t *testing.T) {
	for _, tt := range []struct {
		list string
		want []string // one per line of the error
	}{
		{"", []string{"empty subscription"}},
		{" ", []string{"empty subscription"}},
		{"A.*,", []string{"empty parameter"}},
		{",A.*,,", []string{"empty parameter"}},
		{"ZZ.*,ZZ.*", []string{"ZZ", "twice"}},
		{"A. AAPL", []string{`"A. AAPL" has a blank in it: want "A.AAPL"`}},
		{"A\t.\tBRK.B", []string{`want "A.BRK.B"`}},
		{"A.AAPL MSFT", []string{`separated by commas and have no blanks, as in A.AAPL,A.MSFT`}},
		{"AAPL", []string{`"AAPL" has no channel: want CHANNEL.TICKER or CHANNEL.*, as in A.AAPL`}},
		{"*", []string{`"*" has no channel: want CHANNEL.TICKER or CHANNEL.*, as in A.*`}},
		{"A.AAPL;A.MSFT", []string{`"A.AAPL;A.MSFT": parameters are separated by commas: want "A.AAPL,A.MSFT"`}},
		{"A.AAPL  A.MSFT; T.*,ZZ.*", []string{`want "A.AAPL,A.MSFT,T.*"`, "ZZ"}},
		{"A.AAP*", []string{`"A.AAP*": the feed knows no patterns: name each ticker, or use A.* for all`}},
		{"XA.BTC-USD", []string{`no channel "XA", only A, AM, T, Q, LULD, NOI, FMV, LV`}},
		{"a.AAPL", []string{`no channel "a"`}},
		{"A.", []string{"no ticker"}},
		{".AAPL", []string{`no channel ""`}},
		{"A..*", []string{"no patterns"}},
		{"A.AAPL!", []string{"letters, digits"}},
		{"A.AA PL,A.>,A.A*,A..,A.B.,A.A..B,A.\r\nPUB", []string{"", "", "", "", "", "", ""}},
		{"A." + strings.Repeat("X", 65), []string{"65 bytes"}},
		{"A.X,A.X", []string{`"A.X" is there twice`}},
		{"A.X,AM.*,A.*", []string{`"A.X" is already part of "A.*"`}},
		{"ZZ.*,A.X,A.X,A.*", []string{"ZZ", "twice", "already part"}},
	} {
		got, err := Stocks.ParseSubscription(tt.list)
		if err == nil {
			t.Errorf("%q: got %q, want an error", tt.list, got)
			continue
		}
		lines := strings.Split(err.Error(), "\n")
		if len(lines) != len(tt.want) {
			t.Errorf("%q: got %q, want %d problems", tt.list, lines, len(tt.want))
			continue
		}
		for i, want := range tt.want {
			if !strings.Contains(lines[i], want) {
				t.Errorf("%q: got %q, want it to say %q", tt.list, lines[i], want)
			}
		}
	}
}
