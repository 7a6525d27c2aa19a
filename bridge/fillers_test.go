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

// pastBars is a ticker of which REST has a bar for each second of some minutes, and a stream that remembers no ids.
type pastBars struct {
	t     *testing.T
	cfg   Config
	srv   *polygontest.Server
	began time.Time
	n     int
}

func newPastBars(t *testing.T, url string, n int) *pastBars {
	srv := polygontest.NewServer(polygontest.Config{REST: polygontest.REST{Keep: 2 * time.Hour, PageSize: 100}})
	t.Cleanup(srv.Close)
	p := &pastBars{t: t, cfg: testConfig(url), srv: srv, began: time.Now().Add(-40 * time.Minute).Truncate(time.Second), n: n}
	p.cfg.FeedURL, p.cfg.APIKey, p.cfg.RESTURL = srv.URL, NewSecret("secret-key"), srv.RESTURL
	for i := range n {
		srv.Past(p.frame(i, 7))
	}
	return p
}

// frame is the bar of a second, with a volume that tells its versions apart. REST has those of volume 7.
func (p *pastBars) frame(second, volume int) []byte {
	start := p.began.Add(time.Duration(second) * time.Second).UnixMilli()
	return fmt.Appendf(nil, `[{"ev":"A","sym":"AAPL","v":%d,"o":1,"c":1,"h":1,"l":1,"s":%d,"e":%d}]`, volume, start, start+1000)
}

// fill fills the bars of some seconds by hand.
func (p *pastBars) fill(cfg Config, from, to int, progress func(BackfillProgress)) BackfillResult {
	got, err := Backfill(p.t.Context(), cfg, BackfillOptions{
		From:     p.began.Add(time.Duration(from) * time.Second),
		To:       p.began.Add(time.Duration(to) * time.Second),
		Symbols:  []string{"AAPL"},
		Logger:   quiet(p.t),
		Progress: progress,
	})
	if err != nil {
		p.t.Error(err)
	}
	return got
}

// check checks that the stream has all bars, and no bar from REST behind another version of it.
func (p *pastBars) check() {
	p.t.Helper()
	versions := make(map[string]int)
	for _, m := range readStream(p.t, p.cfg.NATS.URL, "STOCKS") {
		key := windowOf(p.t, m.Data())
		if versions[key]++; m.Headers().Get(headerSource) == "rest" && versions[key] > 1 {
			p.t.Errorf("%s is stored behind another version", m.Data())
		}
	}
	if len(versions) != p.n {
		p.t.Errorf("%d bars, want %d", len(versions), p.n)
	}
}

// TestTwoFillOneTime: one who fills a time has looked into the stream, and waits for REST. Meanwhile another fills the same time, and
// the feed sends of it. When REST answers at last, no bar is stored that is there.
func TestTwoFillOneTime(t *testing.T) {
	t.Parallel()
	s := newNATS(t).up()
	shortWindow(t, s.url)
	p := newPastBars(t, s.url, 100)
	late := p.cfg
	var let func()
	late.RESTURL, let = lateREST(t, p.srv)
	asking := make(chan struct{}, 1)
	first := make(chan BackfillResult, 1)
	go func() {
		first <- p.fill(late, 0, 100, func(now BackfillProgress) {
			if now.Tickers > 0 && now.Asked == 0 {
				select {
				case asking <- struct{}{}:
				default:
				}
			}
		})
	}()
	<-asking
	if got := p.fill(p.cfg, 40, 60, nil); got.Published != 20 {
		t.Errorf("got %+v, want 20 bars published", got)
	}
	d := startDelivery(t, p.cfg)
	for _, i := range []int{10, 50, 90} {
		put(t, d.q, kindFrame, p.frame(i, 8))
	}
	d.finish()
	let()
	if got := <-first; got.Bars != 100 || got.Present != 22 || got.Published != 78 {
		t.Errorf("got %+v, want 22 bars of 100 present and 78 published", got)
	}
	p.check()
}

// TestFillBehindWhatIsNotKnown: bars are stored as long as the subject has nothing else than the filler knows of, and not from there on.
func TestFillBehindWhatIsNotKnown(t *testing.T) {
	t.Parallel()
	s := newNATS(t).up()
	d := startDelivery(t, testConfig(s.url))
	give := func(last uint64, events ...string) *batch {
		b := &batch{frame: frameOf(events...), last: last}
		if err := (task{ctx: t.Context(), batches: d.p.fills.batches}).put(b); err != nil {
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
// of those, and none is missing, also where the stream's leader changes on the way.
func TestFeedSendsWhatIsFilled(t *testing.T) {
	t.Parallel()
	for _, replicas := range []int{1, 3} {
		t.Run(fmt.Sprintf("%d replicas", replicas), func(t *testing.T) {
			t.Parallel()
			var p *pastBars
			disturb := func() {}
			if replicas == 1 {
				s := newNATS(t).up()
				shortWindow(t, s.url)
				p = newPastBars(t, s.url, 600)
			} else {
				c := newCluster(t).up().with(briefStream())
				p = newPastBars(t, c.urls(), 600)
				disturb = func() { c.stepDown(0) }
			}
			d := startDelivery(t, p.cfg)
			filled := make(chan BackfillResult, 1)
			go func() { filled <- p.fill(p.cfg, 0, p.n, nil) }()
			var got BackfillResult
			rng := rand.New(rand.NewPCG(1, 1))
			for sent := 1; got.Bars == 0 && !t.Failed(); sent++ {
				put(t, d.q, kindFrame, p.frame(rng.IntN(p.n), 7+sent))
				d.settled(0)
				if sent%100 == 0 {
					disturb()
				}
				select {
				case got = <-filled:
				default:
				}
			}
			d.finish()
			if got.Bars != p.n || got.Present+got.Published != p.n || got.Present == 0 || got.Published == 0 {
				t.Errorf("got %+v, want %d bars, some of them present and all others published", got, p.n)
			}
			p.check()
		})
	}
}
