package bridge

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"bridge/polygon"
	"bridge/polygon/polygontest"

	"github.com/nats-io/nats.go/jetstream"
)

// newLiveMarket starts a market that trades in real time, whether somebody listens or not, until it has made n events. All
// its bars can be asked for over REST.
func newLiveMarket(t *testing.T, n int, rest polygontest.REST) *polygontest.Server {
	t.Helper()
	rest.Keep = 2 * time.Hour
	srv := polygontest.NewServer(polygontest.Config{
		Market: polygontest.Market{Symbols: polygontest.Symbols(20), Oddities: polygontest.Oddities{Corrected: .1}},
		Pace:   polygontest.RealTime,
		Events: n,
		REST:   rest,
	})
	t.Cleanup(srv.Close)
	return srv
}

// outage makes the feed refuse some connections after the present one ends, which takes it away for seconds.
func outage(srv *polygontest.Server, frames int) {
	srv.NextSession(polygontest.DropAfter(frames))
	for range 4 {
		srv.NextSession(polygontest.RefuseUpgrade(503))
	}
}

// newFillingBridge prepares a bridge that fills its gaps from the market.
func newFillingBridge(t testing.TB, srv *polygontest.Server, natsURL string, settings ...string) *process {
	return newBridge(t, srv, natsURL, append([]string{"BRIDGE_BACKFILL=true", "POLYGON_REST_URL=" + srv.RESTURL}, settings...)...)
}

// outcomes returns the gaps that have an outcome, and their states by id.
func outcomes(t *testing.T, url string) (all []gap) {
	t.Helper()
	stream, err := connect(t, url).Stream(t.Context(), "STOCKS")
	if err != nil {
		return nil
	}
	_, err = readMessages(t.Context(), stream, jetstream.ConsumerConfig{FilterSubject: "stocks.gap"}, func(m jetstream.Msg, _ *jetstream.MsgMetadata) (more bool) {
		g, err := parseGap(m.Data())
		if err != nil {
			t.Error(err)
		}
		if g.State != gapOpen {
			all = append(all, g)
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// awaitOutcome waits until n gaps have an outcome, and returns them.
func awaitOutcome(t *testing.T, url string, n int) []gap {
	t.Helper()
	eventually(t, fmt.Sprintf("%d gaps have an outcome", n), func() error {
		if have := len(outcomes(t, url)); have < n {
			return fmt.Errorf("%d have", have)
		}
		return nil
	})
	all := outcomes(t, url)
	if len(all) > n {
		t.Errorf("%d gaps, want %d: %+v", len(all), n, all)
	}
	return all
}

// checkBars compares the stream with all bars that the market has made from the stream's first one to its last: what came behind
// that was in the socket when the bridge was stopped. Each is there, those
// from REST say so, and none of those comes behind one of the feed for the same window, or twice. It returns how
// many are from REST.
func checkBars(t *testing.T, srv *polygontest.Server, url string) (fromREST int) {
	t.Helper()
	type version struct {
		rest bool
		data string
	}
	stored := make(map[string][]version) // by key
	first, last := int64(0), int64(0)
	for _, m := range readStream(t, url, "STOCKS") {
		if !strings.HasPrefix(m.Subject(), "stocks.agg.") {
			continue
		}
		bar, err := polygon.ParseAggregate(m.Data())
		if err != nil {
			t.Fatal(err)
		}
		if first == 0 || int64(bar.StartMs) < first {
			first = int64(bar.StartMs)
		}
		last = max(last, int64(bar.StartMs))
		rest := m.Headers().Get("Bridge-Source") == "rest"
		if rest {
			fromREST++
		}
		if rest && len(stored[bar.Key()]) > 0 {
			t.Errorf("%s from REST is stored behind %+v", m.Data(), stored[bar.Key()])
		}
		stored[bar.Key()] = append(stored[bar.Key()], version{rest, string(m.Data())})
	}
	client, err := polygon.NewREST(srv.RESTURL, polygon.RESTOptions{Key: "secret-key", Rate: 1000})
	if err != nil {
		t.Fatal(err)
	}
	channel := polygon.Stocks.Channel("A")
	made := 0
	for _, symbol := range polygontest.Symbols(20) {
		for page, err := range client.Aggregates(t.Context(), symbol, polygon.TimespanSecond, time.UnixMilli(first+1000), time.UnixMilli(last)) {
			if err != nil {
				t.Fatal(err)
			}
			for _, bar := range page.Bars {
				made++
				key := fmt.Sprintf("A.%s.%d", symbol, bar.StartMs)
				switch have := stored[key]; {
				case len(have) == 0:
					t.Errorf("%s is missing", key)
				case have[0].rest && len(have) == 1 && have[0].data != string(bar.Event(channel, symbol)):
					t.Errorf("%s: got %s, want %s", key, have[0].data, bar.Event(channel, symbol))
				}
			}
		}
	}
	t.Logf("%d bars were made, %d are from REST", made, fromREST)
	return fromREST
}

// finishFill waits until n gaps have an outcome and the market has closed, ends the bridge and compares the stream with the market.
// It returns the gaps, and how many bars are from REST.
func finishFill(t *testing.T, b *process, srv *polygontest.Server, url string, n int) (all []gap, fromREST int) {
	t.Helper()
	awaitOutcome(t, url, n)
	if err := srv.WaitDone(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.stop()
	if all = outcomes(t, url); len(all) != n {
		t.Errorf("%d outcomes, want one for each of %d gaps: %+v", len(all), n, all)
	}
	return all, checkBars(t, srv, url)
}

// checkResumed checks the outcomes of a gap that one bridge has filled in part and another one to its end, and of the gap between the two.
func checkResumed(t *testing.T, all []gap, between string) {
	t.Helper()
	if g := all[0]; g.Reason != "disconnected" || g.State != gapFilled || g.Outcome.Present == 0 || g.Outcome.Published == 0 {
		t.Errorf("got %+v %+v, want it filled, in part by the first bridge", g, g.Outcome)
	}
	if g := all[1]; g.Reason != between || g.State != gapFilled {
		t.Errorf("got %+v %+v, want the time without a bridge filled", g, g.Outcome)
	}
}

// TestGapIsFilled: what the feed sent while it was away is asked for over REST, and is in the stream in the end.
func TestGapIsFilled(t *testing.T) {
	t.Parallel()
	s := newNATS(t).up()
	srv := newLiveMarket(t, 400, polygontest.REST{})
	outage(srv, 4)
	b := newFillingBridge(t, srv, s.url)
	b.start()
	all, fromREST := finishFill(t, b, srv, s.url, 1)
	g, o := all[0], all[0].Outcome
	if g.State != gapFilled || g.Reason != "disconnected" || o.Published == 0 || o.Published != fromREST || o.Failed > 0 || o.Asked != 20 {
		t.Errorf("got %+v %+v, want it filled by the %d bars from REST", g, o, fromREST)
	}
	if o.Found != o.Present+o.Published {
		t.Errorf("found %d, which are not %d present and %d published", o.Found, o.Present, o.Published)
	}
}

// TestRestartIsFilled: what the feed sent while no bridge was there is filled by the next one, with the queue on disk and without.
func TestRestartIsFilled(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		settings []string
	}{
		{"queue on disk", []string{"BRIDGE_DATA_DIR=" + t.TempDir()}},
		{"queue in memory", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newNATS(t).up()
			srv := newLiveMarket(t, 450, polygontest.REST{})
			b := newFillingBridge(t, srv, s.url, tt.settings...)
			b.start()
			stored(t, s.url, 60)
			b.kill()
			away := srv.Stats().Events // none are sent to nobody
			<-time.After(3 * time.Second)
			if n := srv.Stats().Events; n != away {
				t.Fatalf("%d events were sent to a dead bridge", n-away)
			}
			b.start()
			all, fromREST := finishFill(t, b, srv, s.url, 1)
			if g := all[0]; g.Reason != reasonRestart || g.State != gapFilled || fromREST == 0 || g.Outcome.Published != fromREST {
				t.Errorf("got %+v %+v, want a restart that is filled by %d bars", g, g.Outcome, fromREST)
			}
		})
	}
}

// TestFillIsResumed kills the bridge while it fills a gap. The next one goes on with that, and stores nothing twice.
func TestFillIsResumed(t *testing.T) {
	t.Parallel()
	s := newNATS(t).up()
	shortWindow(t, s.url)
	srv := newLiveMarket(t, 650, polygontest.REST{})
	outage(srv, 4)
	hangInFill(srv)
	b := newFillingBridge(t, srv, s.url)
	b.start()
	awaitHalfFilled(t, srv, s.url)
	b.kill()
	b.start()
	all, _ := finishFill(t, b, srv, s.url, 2)
	checkResumed(t, all, reasonRestart)
}

// TestRESTIsInTrouble: breakdowns and answers that are cut delay the filling, and no more.
func TestRESTIsInTrouble(t *testing.T) {
	t.Parallel()
	s := newNATS(t).up()
	srv := newLiveMarket(t, 450, polygontest.REST{PageSize: 3})
	outage(srv, 4)
	srv.NextREST(polygontest.RESTBroken(502), polygontest.RESTFault{}, polygontest.RESTCut(), polygontest.RESTFault{}, polygontest.RESTBroken(500))
	b := newFillingBridge(t, srv, s.url)
	b.start()
	all, _ := finishFill(t, b, srv, s.url, 1)
	if g := all[0]; g.State != gapFilled || g.Outcome.Failed > 0 {
		t.Errorf("got %+v %+v, want it filled", g, g.Outcome)
	}
}

// TestGapStaysUnfilled: where nothing can be done the gap says why, the log does so once, and the feed goes on.
func TestGapStaysUnfilled(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		rest     polygontest.REST
		settings []string
		state    gapState
		why      string
	}{
		{"not entitled", polygontest.REST{Aggregates: polygontest.RESTNotEntitled()}, nil, gapUnfilled, "plan does not include this data"},
		{"switched off", polygontest.REST{}, []string{"BRIDGE_BACKFILL=false"}, gapUnfilled, "BRIDGE_BACKFILL"},
		{"trades", polygontest.REST{}, []string{"POLYGON_SUBSCRIBE=T.AAPL,T.MSFT"}, gapUnfilled, "T cannot be asked for"},
		{"bars and trades", polygontest.REST{}, []string{"POLYGON_SUBSCRIBE=A.AAPL,T.AAPL"}, gapPartly, "T cannot be asked for"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newNATS(t).up()
			srv := newLiveMarket(t, 600, tt.rest)
			for range 2 {
				srv.NextSession(polygontest.DropAfter(2))
			}
			if strings.HasPrefix(tt.name, "trades") { // the market has none
				srv.Close()
				srv = polygontest.NewServer(polygontest.Config{REST: polygontest.REST{Keep: time.Hour}})
				t.Cleanup(srv.Close)
				srv.NextSession(polygontest.DropAfter(1))
				srv.NextSession(polygontest.DropAfter(1))
			}
			b := newFillingBridge(t, srv, s.url, tt.settings...)
			b.start()
			if tt.name == "trades" {
				for session := 1; session <= 2; session++ {
					if err := srv.Wait(t.Context(), func(st polygontest.Stats) bool { return st.Sessions == session && st.Subscribed == 1 }); err != nil {
						t.Fatal(err)
					}
					srv.Send([]byte(`[{"ev":"T","sym":"AAPL","p":1,"t":1754055000000}]`))
				}
			}
			for _, g := range awaitOutcome(t, s.url, 2) {
				if g.State != tt.state || !strings.Contains(g.Outcome.Why, tt.why) {
					t.Errorf("got %s: %q, want %s: %q", g.State, g.Outcome.Why, tt.state, tt.why)
				}
			}
			b.stop()
			if n := strings.Count(b.log.String(), "gaps cannot be filled"); n > 1 || tt.name == "not entitled" && n == 0 {
				t.Errorf("the log says %d times that gaps cannot be filled", n)
			}
		})
	}
}
