package polygon

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// ask collects what Aggregates gives for the windows from 1000 to 9000.
func ask(t *testing.T, r *REST, ticker string) (starts []int64, pages int, err error) {
	t.Helper()
	for page, pageErr := range r.Aggregates(t.Context(), ticker, TimespanSecond, time.UnixMilli(1000), time.UnixMilli(9000)) {
		if pageErr != nil {
			return starts, pages, pageErr
		}
		pages++
		for _, bar := range page.Bars {
			starts = append(starts, bar.StartMs)
		}
	}
	return starts, pages, nil
}

// barsBody is an answer with bars that start at those times.
func barsBody(next string, starts ...int64) string {
	var bars []string
	for _, s := range starts {
		bars = append(bars, fmt.Sprintf(`{"v":1,"t":%d}`, s))
	}
	return fmt.Sprintf(`{"status":"OK","results":[%s],"resultsCount":%d,"next_url":%q}`, strings.Join(bars, ","), len(starts), next)
}

// script answers with one body after the other, and notes what was asked.
type script struct {
	t      *testing.T
	bodies []string
	asked  []string
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if got := r.Header.Get("Authorization"); got != "Bearer "+restKey {
		s.t.Errorf("the key came as %q", got)
	}
	s.asked = append(s.asked, r.URL.String())
	if len(s.bodies) == 0 {
		s.t.Errorf("one request too many: %s", r.URL)
		return
	}
	says(200, strings.ReplaceAll(s.bodies[0], "SELF", "http://"+r.Host))(w, r)
	s.bodies = s.bodies[1:]
}

const firstPage = "/v2/aggs/ticker/AAPL/range/1/second/1000/9000?adjusted=false&sort=asc&limit=50000"

func TestAggregatesAsksForEveryPage(t *testing.T) {
	for _, tt := range []struct {
		name   string
		bodies []string
		want   []int64
		asked  []string
	}{
		{"one page", []string{barsBody("", 1000, 2000, 9000)}, []int64{1000, 2000, 9000}, []string{firstPage}},
		{"no results", []string{`{"status":"OK","resultsCount":0}`}, nil, []string{firstPage}},
		{"null results", []string{`{"status":"OK","results":null}`}, nil, []string{firstPage}},
		{"links", []string{barsBody("SELF/next?cursor=a%2Fb", 1000), barsBody("/again", 2000), barsBody("", 3000)},
			[]int64{1000, 2000, 3000}, []string{firstPage, "/next?cursor=a%2Fb", "/again"}},
		{"link to an empty page", []string{barsBody("SELF/a", 1000), barsBody("SELF/b"), barsBody("", 3000)},
			[]int64{1000, 3000}, []string{firstPage, "/a", "/b"}},
		{"page that begins with the last bar", []string{barsBody("/a", 1000, 2000), barsBody("", 2000, 3000)},
			[]int64{1000, 2000, 3000}, []string{firstPage, "/a"}},
		{"bars that were not asked for", []string{barsBody("", 0, 1000, 9000, 10_000)}, []int64{1000, 9000}, []string{firstPage}},
		{"elements that are no bars", []string{`{"status":"OK","results":[{"v":1},7,{"t":"5000"},{"t":5000.5},{"t":6e3}]}`},
			[]int64{6000}, []string{firstPage}},
		{"link to another host", []string{barsBody("https://example.com/evil", 1000, 2000), barsBody("", 3000)},
			[]int64{1000, 2000, 3000}, []string{firstPage, strings.Replace(firstPage, "1000", "2001", 1)}},
		{"link to another host behind the last bar", []string{barsBody("https://example.com/evil", 1000, 9000)},
			[]int64{1000, 9000}, []string{firstPage}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &script{t: t, bodies: tt.bodies}
			got, pages, err := ask(t, fakeREST(t, s.ServeHTTP), "AAPL")
			if err != nil || !slices.Equal(got, tt.want) || pages != len(tt.bodies) {
				t.Errorf("got %v on %d pages, %v, want %v on %d", got, pages, err, tt.want, len(tt.bodies))
			}
			if !slices.Equal(s.asked, tt.asked) {
				t.Errorf("asked %q, want %q", s.asked, tt.asked)
			}
		})
	}
}

func TestAggregatesRefusesToLoseOrMixUpBars(t *testing.T) {
	circle := slices.Repeat([]string{barsBody("/a")}, maxIdlePages)
	for _, tt := range []struct {
		name   string
		bodies []string
		good   []int64 // bars before the error
		want   string
	}{
		{"backward", []string{barsBody("", 2000, 1000)}, nil, "not in order"},
		{"pages backward", []string{barsBody("/a", 4000, 5000), barsBody("", 2000, 3000)}, []int64{4000, 5000}, "not in order"},
		{"the same page for ever", []string{barsBody("/a", 1000, 2000), barsBody("/a", 1000, 2000)}, []int64{1000, 2000}, "not in order"},
		{"empty pages for ever", circle, nil, "do not end"},
		{"counted but absent", []string{`{"status":"OK","resultsCount":3}`}, nil, "none of its 3"},
		{"another ticker", []string{`{"status":"OK","ticker":"AApL","results":[{"t":1000}]}`}, nil, `about "AApL"`},
		{"empty page that leads to another host", []string{barsBody("https://example.com/")}, nil, "another host"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &script{t: t, bodies: tt.bodies}
			got, _, err := ask(t, fakeREST(t, s.ServeHTTP), "AAPL")
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "AAPL") {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if !slices.Equal(got, tt.good) {
				t.Errorf("got bars %v before the error, want %v", got, tt.good)
			}
		})
	}
}

func TestKeyStaysOnItsOrigin(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("%s was asked, with the key %q", r.URL, r.Header.Get("Authorization"))
	}))
	defer other.Close()
	s := &script{t: t, bodies: []string{barsBody(other.URL+"/next", 1000), barsBody("", 2000)}} // the same host, another port
	if got, _, err := ask(t, fakeREST(t, s.ServeHTTP), "AAPL"); err != nil || len(got) != 2 {
		t.Errorf("got %v, %v, want both bars", got, err)
	}
}

func TestSameOrigin(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"https://api.massive.com/v2", "https://api.massive.com/x?y", true},
		{"https://api.massive.com", "https://API.massive.com:443/", true},
		{"http://a:80", "http://a", true},
		{"https://api.massive.com", "http://api.massive.com", false},
		{"https://api.massive.com", "https://api.massive.com:8443", false},
		{"https://api.massive.com:8443", "http://api.massive.com:8443", false},
		{"https://api.massive.com", "https://api.massive.com.example.com", false},
		{"https://api.massive.com", "https://massive.com", false},
		{"https://api.massive.com", "https://api.massive.com@example.com/", false},
	} {
		a, errA := url.Parse(tt.a)
		b, errB := url.Parse(tt.b)
		if errA != nil || errB != nil {
			t.Fatal(errA, errB)
		}
		if got := sameOrigin(a, b); got != tt.want {
			t.Errorf("%s and %s: got %t, want %t", tt.a, tt.b, got, tt.want)
		}
	}
}

func TestTickerIsEscaped(t *testing.T) {
	for _, tt := range []struct{ ticker, want string }{
		{"BRK.B", "BRK.B"},
		{"BCpC", "BCpC"},
		{"C:EURUSD", "C:EURUSD"},
		{"a/../b?c#d%", "a%2F..%2Fb%3Fc%23d%25"},
		{"A B\n", "A%20B%0A"},
	} {
		s := &script{t: t, bodies: []string{barsBody("")}}
		if _, _, err := ask(t, fakeREST(t, s.ServeHTTP), tt.ticker); err != nil {
			t.Errorf("%q: %v", tt.ticker, err)
			continue
		}
		if want := strings.Replace(firstPage, "AAPL", tt.want, 1); s.asked[0] != want {
			t.Errorf("%q: asked %s, want %s", tt.ticker, s.asked[0], want)
		}
	}
	for _, ticker := range []string{"", ".", ".."} {
		if _, _, err := ask(t, fakeREST(t, (&script{t: t}).ServeHTTP), ticker); err == nil {
			t.Errorf("%q was asked for", ticker)
		}
	}
}

func TestBaseURLMayHaveAPath(t *testing.T) {
	s := &script{t: t, bodies: []string{barsBody("SELF/proxy/x", 1000), barsBody("", 2000)}}
	srv := httptest.NewServer(s)
	defer srv.Close()
	if _, _, err := ask(t, restClient(t, srv.URL+"/proxy/"), "AAPL"); err != nil {
		t.Fatal(err)
	}
	if want := []string{"/proxy" + firstPage, "/proxy/x"}; !slices.Equal(s.asked, want) {
		t.Errorf("asked %q, want %q", s.asked, want)
	}
}

func TestAggregatesAsksForNoMoreThanIsWanted(t *testing.T) {
	s := &script{t: t, bodies: []string{barsBody("/a", 1000)}}
	r := fakeREST(t, s.ServeHTTP)
	for range r.Aggregates(t.Context(), "AAPL", TimespanSecond, time.UnixMilli(1000), time.UnixMilli(9000)) {
		break
	}
	for range r.Aggregates(t.Context(), "AAPL", TimespanSecond, time.UnixMilli(9001), time.UnixMilli(9000)) {
		t.Error("a page of nothing")
	}
	if len(s.asked) != 1 {
		t.Errorf("asked %q, want one page", s.asked)
	}
}

func TestGoodPagesComeBeforeTheError(t *testing.T) {
	pages := 0
	r := fakeREST(t, func(w http.ResponseWriter, req *http.Request) {
		if pages++; pages > 1 {
			says(http.StatusBadGateway, "<html>")(w, req)
			return
		}
		says(200, barsBody("/a", 1000))(w, req)
	})
	got, _, err := ask(t, r, "AAPL")
	if said, ok := errors.AsType[*RESTError](err); !ok || said.StatusCode != 502 || !slices.Equal(got, []int64{1000}) {
		t.Errorf("got %v, %v, want one bar and HTTP status 502", got, err)
	}
}

func TestPageTellsOfDelayAndOfWhatWasSkipped(t *testing.T) {
	r := fakeREST(t, says(200, `{"status":"DELAYED","results":[{"v":1},{"t":1000}]}`))
	for page, err := range r.Aggregates(t.Context(), "AAPL", TimespanSecond, time.UnixMilli(0), time.UnixMilli(9000)) {
		if err != nil || !page.Delayed || page.Skipped != 1 || len(page.Bars) != 1 {
			t.Errorf("got %+v, %v", page, err)
		}
	}
}

func TestTimespan(t *testing.T) {
	for _, m := range markets {
		for _, c := range m.Channels() {
			want := Timespan("")
			switch c.Kind {
			case KindAgg:
				want = TimespanSecond
			case KindAgg1m:
				want = TimespanMinute
			}
			if got := c.Kind.Timespan(); got != want {
				t.Errorf("%s %s: got %q, want %q", m, c.Type, got, want)
			}
		}
	}
}
