package bridge

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"bridge/polygon"
	"bridge/polygon/polygontest"
)

// crowd is sixty tickers, for which a snapshot is worth its while, and a minute that they are asked for.
type crowd struct {
	t        *testing.T
	srv      *polygontest.Server
	symbols  []string
	from, to time.Time
}

// newCrowd starts a vendor for whom nothing has traded yet. The time begins in the middle of a minute.
func newCrowd(t *testing.T, rest polygontest.REST) *crowd {
	c := &crowd{t: t, symbols: polygontest.Symbols(60)}
	rest.Keep = 2 * time.Hour
	c.srv = polygontest.NewServer(polygontest.Config{REST: rest})
	t.Cleanup(c.srv.Close)
	c.from = time.Now().Add(-40 * time.Minute).Truncate(time.Minute).Add(30 * time.Second)
	c.to = c.from.Add(time.Minute)
	return c
}

// config is that of a bridge with this vendor.
func (c *crowd) config(natsURL string) Config {
	cfg := testConfig(natsURL)
	cfg.Subscribe, cfg.Backfill = []string{"A.*"}, true
	cfg.FeedURL, cfg.APIKey, cfg.RESTURL = c.srv.URL, NewSecret("secret-key"), c.srv.RESTURL
	return cfg
}

// trade lets REST have a bar of a ticker, that many seconds from the begin of the time.
func (c *crowd) trade(ticker, second int, channel string) {
	start := c.from.Add(time.Duration(second) * time.Second)
	if channel == "AM" {
		start = start.Truncate(time.Minute)
	}
	c.srv.Past(fmt.Appendf(nil, `[{"ev":%q,"sym":%q,"v":7,"o":1,"c":1,"h":1,"l":1,"s":%d,"e":%d}]`, channel, c.symbols[ticker], start.UnixMilli(), start.UnixMilli()+1000))
}

// oldSnapshot is a vendor who says of every ticker that nothing has happened to it since a second, however the bars of REST are.
func (c *crowd) oldSnapshot(second int) (address string) {
	at := c.from.Add(time.Duration(second) * time.Second).UnixNano()
	var tickers []string
	for _, symbol := range c.symbols {
		tickers = append(tickers, fmt.Sprintf(`{"ticker":%q,"updated":%d}`, symbol, at))
	}
	target, err := url.Parse(c.srv.RESTURL)
	if err != nil {
		c.t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/", httputil.NewSingleHostReverseProxy(target))
	mux.HandleFunc("/v2/snapshot/", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"status":"OK","tickers":[%s]}`, strings.Join(tickers, ","))
	})
	old := httptest.NewServer(mux)
	c.t.Cleanup(old.Close)
	return old.URL
}

// TestOnlyWhoTradedIsAskedFor: a snapshot tells who did not trade in a time, and is not believed where it may be older than that.
func TestOnlyWhoTradedIsAskedFor(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		channel   string
		idle      bool // those who are asked for have not traded since
		newest    int  // second of the last trade of all
		old       bool // the snapshot is from before the time
		asked     int
		published int
	}{
		{"second bars", "A", false, 100, false, 6, 4},
		{"minute bars", "AM", false, 100, false, 7, 3},
		{"up to the last second", "A", false, 59, false, 6, 5},
		{"only others traded", "A", true, 100, false, 0, 0},
		{"nothing tells of the last second", "A", false, 58, false, 60, 5},
		{"an old snapshot", "A", false, 100, true, 60, 4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, s := newCrowd(t, polygontest.REST{}), newNATS(t).up()
			cfg := c.config(s.url)
			if _, err := connect(t, s.url).CreateStream(t.Context(), streamConfig(cfg)); err != nil {
				t.Fatal(err)
			}
			if tt.old {
				cfg.RESTURL = c.oldSnapshot(-10)
			}
			trade := func(ticker, second int) {
				c.trade(ticker, second, "A")
				if tt.channel == "AM" {
					c.trade(ticker, second, "AM")
				}
			}
			symbols := c.symbols
			if tt.idle {
				symbols = symbols[6 : len(symbols)-1]
			}
			for i := range len(c.symbols) - 1 { // the snapshot does not know the last one
				trade(i, -100)
			}
			trade(0, 0)
			trade(1, 5)
			trade(2, 30)
			trade(3, 57)
			trade(4, -20) // in the minute in which the time begins
			trade(5, tt.newest)
			got, err := Backfill(t.Context(), cfg, BackfillOptions{From: c.from, To: c.to, Symbols: symbols, Channel: tt.channel, Logger: quiet(t)})
			if err != nil || got.Asked != tt.asked || got.Published != tt.published {
				t.Errorf("got %+v, %v, want %d tickers asked for and %d bars", got, err, tt.asked, tt.published)
			}
		})
	}
}

// TestSnapshotIsAskedForWhereItPays: for many tickers of stocks, and not again where the plan has none.
func TestSnapshotIsAskedForWhereItPays(t *testing.T) {
	for _, tt := range []struct {
		name     string
		market   polygon.Market
		requests int
		fault    polygontest.RESTFault
		want     int // snapshots that are asked for in two gaps
	}{
		{"few tickers", polygon.Stocks, 49, polygontest.RESTFault{}, 0},
		{"many tickers", polygon.Stocks, 50, polygontest.RESTFault{}, 2},
		{"another market", polygon.Crypto, 50, polygontest.RESTFault{}, 0},
		{"not in the plan", polygon.Stocks, 50, polygontest.RESTNotEntitled(), 1},
		{"not to be had at present", polygon.Stocks, 50, polygontest.RESTBroken(503), 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newCrowd(t, polygontest.REST{Snapshot: tt.fault})
			c.trade(0, 100, "A")
			cfg := c.config("")
			cfg.Market = tt.market
			f, err := newFiller(cfg, newFillQueue(), newMetrics(nil, tt.market), quiet(t))
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				w := &work{windows: span{c.from, c.to}}
				for _, symbol := range c.symbols[:tt.requests] {
					w.requests = append(w.requests, request{polygon.Stocks.Channel("A"), symbol})
				}
				f.aim(t.Context(), w)
				if len(w.requests) != tt.requests { // nobody is known to be idle
					t.Errorf("%d requests are left of %d", len(w.requests), tt.requests)
				}
			}
			if n := c.srv.Stats().RESTRequests; n != tt.want {
				t.Errorf("%d snapshots were asked for, want %d", n, tt.want)
			}
		})
	}
}
