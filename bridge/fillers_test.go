package bridge

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"bridge/polygon/polygontest"
)

// lateREST passes on to the vendor what it is asked, and from the second request on, only when it is let.
func lateREST(t *testing.T, srv *polygontest.Server) (address string, let func()) {
	t.Helper()
	target, err := url.Parse(srv.RESTURL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	open := make(chan struct{})
	var requests atomic.Int32
	late := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1) > 1 {
			select {
			case <-open:
			case <-r.Context().Done():
			}
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(late.Close)
	return late.URL, func() { close(open) }
}

// TestTwoFillOneTime: one who fills a time has looked into the stream, and waits for REST. Meanwhile another fills the same time, and
// the feed sends of it. When REST answers at last, no bar is stored that is there.
func TestTwoFillOneTime(t *testing.T) {
	t.Parallel()
	s := newNATS(t).up()
	shortWindow(t, s.url)
	srv := polygontest.NewServer(polygontest.Config{REST: polygontest.REST{Keep: 2 * time.Hour}})
	t.Cleanup(srv.Close)
	cfg := testConfig(s.url)
	cfg.FeedURL, cfg.APIKey, cfg.RESTURL = srv.URL, NewSecret("secret-key"), srv.RESTURL
	began := time.Now().Add(-40 * time.Minute).Truncate(time.Second)
	frame := func(second, volume int) []byte {
		start := began.Add(time.Duration(second) * time.Second).UnixMilli()
		return fmt.Appendf(nil, `[{"ev":"A","sym":"AAPL","v":%d,"o":1,"c":1,"h":1,"l":1,"s":%d,"e":%d}]`, volume, start, start+1000)
	}
	for i := range 100 {
		srv.Past(frame(i, 7))
	}

	late := cfg
	var let func()
	late.RESTURL, let = lateREST(t, srv)
	asking := make(chan struct{}, 1)
	fill := func(cfg Config, from, to int) BackfillResult {
		got, err := Backfill(t.Context(), cfg, BackfillOptions{
			From: began.Add(time.Duration(from) * time.Second), To: began.Add(time.Duration(to) * time.Second),
			Symbols: []string{"AAPL"}, Logger: quiet(t),
			Progress: func(p BackfillProgress) {
				if p.Tickers > 0 && cfg.RESTURL == late.RESTURL {
					select {
					case asking <- struct{}{}:
					default:
					}
				}
			},
		})
		if err != nil {
			t.Error(err)
		}
		return got
	}
	first := make(chan BackfillResult, 1)
	go func() { first <- fill(late, 0, 100) }()
	<-asking
	if got := fill(cfg, 40, 60); got.Published != 20 {
		t.Errorf("got %+v, want 20 bars published", got)
	}
	d := startDelivery(t, cfg)
	for _, i := range []int{10, 50, 90} {
		put(t, d.q, kindFrame, frame(i, 8)) // another version
	}
	d.finish()
	let()
	if got := <-first; got.Bars != 100 || got.Present != 22 || got.Published != 78 {
		t.Errorf("got %+v, want 22 bars of 100 present and 78 published", got)
	}

	versions := make(map[string]int)
	for _, m := range readStream(t, s.url, "STOCKS") {
		key := windowOf(t, m.Data())
		if versions[key]++; m.Headers().Get(headerSource) == "rest" && versions[key] > 1 {
			t.Errorf("%s is stored behind another version", m.Data())
		}
	}
	if len(versions) != 100 {
		t.Errorf("%d bars, want 100", len(versions))
	}
}

// TestFillBehindWhatIsNotKnown: bars are stored as long as the subject has nothing else than the filler knows of, and not from there on.
func TestFillBehindWhatIsNotKnown(t *testing.T) {
	t.Parallel()
	s := newNATS(t).up()
	d := startDelivery(t, testConfig(s.url))
	give := func(last uint64, events ...string) *batch {
		b := &batch{frame: frameOf(events...), last: last}
		if err := (turn{ctx: t.Context(), batches: d.p.fills.batches}).put(b); err != nil {
			t.Fatal(err)
		}
		return b
	}
	put(t, d.q, kindFrame, frameOf(secondBar("X", 5, 1), secondBar("Y", 5, 1)))
	d.settled(0)
	for _, tt := range []struct {
		name   string
		last   uint64
		stored int
	}{
		{"none is known", 0, 0},
		{"all is known", 1, 2},
		{"the last two are not known", 1, 0},
		{"all is known again", 4, 2},
		{"another subject's is taken for it", 2, 0},
	} {
		b := give(tt.last, secondBar("X", 1, int(tt.last)), secondBar("X", 2, int(tt.last)))
		if b.stored != tt.stored || b.overtaken != (tt.stored == 0) {
			t.Errorf("%s: %d bars stored, overtaken %v; want %d", tt.name, b.stored, b.overtaken, tt.stored)
		}
	}
	if b := give(0, secondBar("Z", 1, 1)); b.stored != 1 {
		t.Errorf("got %+v, want a bar stored where there was none", b)
	}
	put(t, d.q, kindFrame, frameOf(secondBar("X", 6, 1)))
	d.finish()
}

// TestFeedSendsWhatIsFilled: the feed sends, in other versions, the very bars that are being filled. None from REST is stored behind one
// of those, and none is missing.
func TestFeedSendsWhatIsFilled(t *testing.T) {
	t.Parallel()
	const seconds = 600
	s := newNATS(t).up()
	shortWindow(t, s.url)
	srv := polygontest.NewServer(polygontest.Config{REST: polygontest.REST{Keep: 2 * time.Hour, PageSize: 100}})
	t.Cleanup(srv.Close)
	cfg := testConfig(s.url)
	cfg.FeedURL, cfg.APIKey, cfg.RESTURL = srv.URL, NewSecret("secret-key"), srv.RESTURL
	began := time.Now().Add(-40 * time.Minute).Truncate(time.Second)
	frame := func(second, volume int) []byte {
		start := began.Add(time.Duration(second) * time.Second).UnixMilli()
		return fmt.Appendf(nil, `[{"ev":"A","sym":"AAPL","v":%d,"o":1,"c":1,"h":1,"l":1,"s":%d,"e":%d}]`, volume, start, start+1000)
	}
	for i := range seconds {
		srv.Past(frame(i, 7))
	}
	d := startDelivery(t, cfg)
	put(t, d.q, kindFrame, frame(seconds, 7))
	d.settled(0)
	filled := make(chan struct{})
	go func() {
		defer close(filled)
		got, err := Backfill(t.Context(), cfg, BackfillOptions{From: began, To: began.Add(seconds * time.Second), Logger: quiet(t)})
		if err != nil || got.Bars != seconds || got.Present+got.Published != seconds || got.Present == 0 || got.Published == 0 {
			t.Errorf("got %+v, %v, want %d bars, some of them present and all others published", got, err, seconds)
		}
	}()
	rng := rand.New(rand.NewPCG(1, 1))
	for sending, volume := true, 100; sending; volume++ {
		put(t, d.q, kindFrame, frame(rng.IntN(seconds), volume))
		d.settled(0)
		select {
		case <-filled:
			sending = false
		default:
		}
	}
	d.finish()
	versions := make(map[string]int)
	for _, m := range readStream(t, s.url, "STOCKS") {
		key := windowOf(t, m.Data())
		if versions[key]++; m.Headers().Get(headerSource) == "rest" && versions[key] > 1 {
			t.Errorf("%s is stored behind another version", m.Data())
		}
	}
	if len(versions) != seconds+1 {
		t.Errorf("%d bars, want %d", len(versions), seconds+1)
	}
}
