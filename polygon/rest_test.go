package polygon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

const restKey = "k-5ecret-7d1f"

// fakeREST answers what a test has in mind, and gives a client of it.
func fakeREST(t *testing.T, handler http.HandlerFunc) *REST {
	t.Helper()
	srv := httptest.NewServer(handler)
	t.Cleanup(srv.Close)
	return restClient(t, srv.URL)
}

func restClient(t *testing.T, url string) *REST {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	r, err := NewREST(url, RESTOptions{Key: restKey, HTTPClient: &http.Client{Transport: transport}, Rate: 1e6})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// says answers everything with a body.
func says(statusCode int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(statusCode)
		io.WriteString(w, body)
	}
}

func TestRefusalsHaveAMeaning(t *testing.T) {
	const id = `"request_id":"a1"`
	for _, tt := range []struct {
		name       string
		statusCode int
		body       string
		want       RESTError
		meaning    error
	}{
		{"unknown key", 401, `{"status":"ERROR",` + id + `,"error":"Unknown API Key"}`,
			RESTError{401, "ERROR", "Unknown API Key", "a1"}, ErrAuth},
		{"plan", 403, `{"status":"NOT_AUTHORIZED",` + id + `,"message":"You are not entitled to this data. Please upgrade"}`,
			RESTError{403, "NOT_AUTHORIZED", "You are not entitled to this data. Please upgrade", "a1"}, ErrPlan},
		{"time of the plan", 403, `{"status":"NOT_AUTHORIZED","message":"Your plan doesn't include this data timeframe. Please"}`,
			RESTError{403, "NOT_AUTHORIZED", "Your plan doesn't include this data timeframe. Please", ""}, ErrPlanTime},
		{"day of the plan", 403, `{"status":"NOT_AUTHORIZED","message":"Attempted to request today's data before end of day. Please"}`,
			RESTError{403, "NOT_AUTHORIZED", "Attempted to request today's data before end of day. Please", ""}, ErrPlanTime},
		{"403 of a firewall", 403, `<html>Forbidden</html>`, RESTError{StatusCode: 403}, nil},
		{"401 of a proxy", 401, `<html>Log in</html>`, RESTError{StatusCode: 401}, nil},
		{"403 without a status", 403, `{"message":"Forbidden"}`, RESTError{403, "", "Forbidden", ""}, ErrPlan},
		{"words beside a null", 400, `{"status":"ERROR","error":"limit","message":null}`, RESTError{400, "ERROR", "limit", ""}, nil},
		{"refusal with status 200", 200, `{"status":"NOT_AUTHORIZED","message":"no"}`, RESTError{200, "NOT_AUTHORIZED", "no", ""}, ErrPlan},
		{"not found", 404, `{"status":"NOT_FOUND",` + id + `,"message":"Data not found."}`, RESTError{404, "NOT_FOUND", "Data not found.", "a1"}, nil},
		{"bad request", 400, `{"status":"ERROR","error":"limit"}`, RESTError{400, "ERROR", "limit", ""}, nil},
		{"HTML", 502, "<html><body>502 Bad Gateway</body></html>", RESTError{StatusCode: 502}, nil},
		{"nothing", 503, "", RESTError{StatusCode: 503}, nil},
		{"status of some new kind", 200, `{"status":"LATER","results":[]}`, RESTError{200, "LATER", "", ""}, nil},
		{"no status", 200, `{}`, RESTError{StatusCode: 200}, nil},
		{"endless words", 400, `{"status":"ERROR","error":"` + strings.Repeat("x", 600) + `"}`,
			RESTError{400, "ERROR", strings.Repeat("x", maxMessage), ""}, nil},
		{"our own key", 400, `{"status":"ERROR","error":"bad ` + restKey + `"}`, RESTError{400, "ERROR", "bad REDACTED", ""}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := fakeREST(t, says(tt.statusCode, tt.body))
			_, err := r.Snapshot(t.Context())
			got, ok := errors.AsType[*RESTError](err)
			if !ok || *got != tt.want {
				t.Fatalf("got %+v (%v), want %+v", got, err, tt.want)
			}
			if said := tt.want.Status + tt.want.Message; got.FromVendor() != (said != "") {
				t.Errorf("is %v from the vendor? Got %t", err, got.FromVendor())
			}
			for _, sentinel := range []error{ErrAuth, ErrPlan, ErrPlanTime} {
				want := tt.meaning != nil && errors.Is(tt.meaning, sentinel)
				if errors.Is(err, sentinel) != want {
					t.Errorf("%v: is it %q? Got %t", err, sentinel, !want)
				}
			}
			if _, limited := errors.AsType[*RateLimitError](err); limited {
				t.Errorf("%v is taken for a rate limit", err)
			}
		})
	}
}

func TestTooManyRequestsSayWhenToAskAgain(t *testing.T) {
	for _, tt := range []struct {
		name, header string
		least, most  time.Duration
	}{
		{"absent", "", 0, 0},
		{"seconds", "17", 17 * time.Second, 17 * time.Second},
		{"date", time.Now().Add(10 * time.Minute).UTC().Format(http.TimeFormat), 8 * time.Minute, 10 * time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := fakeREST(t, func(w http.ResponseWriter, _ *http.Request) {
				if tt.header != "" {
					w.Header().Set("Retry-After", tt.header)
				}
				says(429, `{"status":"ERROR","request_id":"b2","error":"You've exceeded the maximum requests per minute"}`)(w, nil)
			})
			_, err := r.Snapshot(t.Context())
			limited, ok := errors.AsType[*RateLimitError](err)
			if !ok || limited.RetryAfter < tt.least || limited.RetryAfter > tt.most {
				t.Fatalf("got %v, want a wait from %s to %s", err, tt.least, tt.most)
			}
			if said, ok := errors.AsType[*RESTError](err); !ok || said.StatusCode != 429 || said.RequestID != "b2" {
				t.Errorf("the vendor's words are lost in %v", err)
			}
			if r.pace.next.Before(time.Now().Add(tt.least - time.Second)) {
				t.Errorf("the next request goes out at %v", r.pace.next)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, time.March, 2, 14, 30, 0, 0, time.UTC)
	for _, tt := range []struct {
		header string
		want   time.Duration
	}{
		{"", 0},
		{"0", 0},
		{"60", time.Minute},
		{"3601", time.Hour},
		{"4000000000", time.Hour},
		{"999999999999999", time.Hour},
		{"99999999999999999999", time.Hour},
		{"-5", 0},
		{"1.5", 0},
		{"soon", 0},
		{"Mon, 02 Mar 2026 14:31:30 GMT", 90 * time.Second},
		{"Monday, 02-Mar-26 14:31:30 GMT", 90 * time.Second},
		{"Mon, 02 Mar 2026 14:29:00 GMT", 0},
		{"Tue, 02 Mar 2027 14:29:00 GMT", time.Hour},
	} {
		if got := retryAfter(tt.header, now); got != tt.want {
			t.Errorf("%q: got %s, want %s", tt.header, got, tt.want)
		}
	}
}

func TestAnswersThatMustNotPassForData(t *testing.T) {
	for _, tt := range []struct{ name, body, want string }{
		{"HTML", "<html>log in</html>", "no JSON object"},
		{"empty", "", "no JSON object"},
		{"an array", `[{"status":"OK"}]`, "no JSON object"},
		{"cut", `{"status":"OK","tickers":[{"ticker":"A"`, "no JSON object"},
		{"cut between members", `{"status":"OK","count":1`, "no JSON object"},
		{"something behind it", `{"status":"OK"} {}`, "no JSON object"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := fakeREST(t, says(200, tt.body))
			if _, err := r.Snapshot(t.Context()); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// endless is an answer that never ends, without a network to make it slow.
type endless struct{}

func (endless) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(endless{})}, nil
}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestAnswerIsBounded(t *testing.T) {
	r, err := NewREST("http://endless", RESTOptions{Key: restKey, HTTPClient: &http.Client{Transport: endless{}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Snapshot(t.Context()); err == nil || !strings.Contains(err.Error(), "more than 32 MiB") {
		t.Errorf("got %v, want an error that says how much is too much", err)
	}
}

func TestAnswerCutByTheNetworkIsAnError(t *testing.T) {
	r := fakeREST(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		says(200, `{"status":"OK"}`)(w, nil)
	})
	if _, err := r.Snapshot(t.Context()); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v, want %v", err, io.ErrUnexpectedEOF)
	}
}

func TestKeyIsNotLedAstray(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("a redirect was followed")
	}))
	defer other.Close()
	r := fakeREST(t, func(w http.ResponseWriter, req *http.Request) {
		http.Redirect(w, req, other.URL+"/v2?x=1", http.StatusMovedPermanently)
	})
	_, err := r.Snapshot(t.Context())
	said, ok := errors.AsType[*RESTError](err)
	if !ok || said.Message != "redirected to "+other.URL+", which is not followed" {
		t.Errorf("got %v, want where the redirect leads", err)
	}
}

func TestRESTKeepsTheKeyToItself(t *testing.T) {
	opt := RESTOptions{Key: restKey}
	r, err := NewREST("http://127.0.0.1:1/base/", opt) // nothing listens there
	if err != nil {
		t.Fatal(err)
	}
	_, refused := r.Snapshot(t.Context())
	if refused == nil {
		t.Fatal("got an answer of nobody")
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "opt", opt, "rest", r, "err", refused)
	for _, shown := range []string{fmt.Sprintf("%v %+v %#v %v %+v %#v", opt, opt, opt, r, r, r), log.String(), refused.Error()} {
		if strings.Contains(shown, restKey) {
			t.Errorf("the key is in %s", shown)
		}
	}
}

func TestNewRESTRefusesWhatCannotWork(t *testing.T) {
	for _, url := range []string{"", "api.massive.com", "ftp://a", "https://", "https://user:pass-w0rd@a", "https://a?apiKey=pass-w0rd", "https://a#x", "https://a:b:c/pass-w0rd"} {
		if _, err := NewREST(url, RESTOptions{Key: restKey}); err == nil || strings.Contains(err.Error(), "pass-w0rd") {
			t.Errorf("%q: got %v, want an error without the URL", url, err)
		}
	}
	if _, err := NewREST("https://a", RESTOptions{}); !errors.Is(err, ErrAuth) {
		t.Errorf("got %v, want %v", err, ErrAuth)
	}
}

func TestRESTEndsWithItsContext(t *testing.T) {
	gone := errors.New("gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	r := fakeREST(t, func(w http.ResponseWriter, req *http.Request) {
		cancel(gone)
		<-req.Context().Done()
	})
	if _, err := r.Snapshot(ctx); !errors.Is(err, gone) || err.Error() != "snapshot: gone" {
		t.Errorf("got %v while waiting for an answer, want %v", err, gone)
	}
	if _, err := r.Snapshot(ctx); !errors.Is(err, gone) {
		t.Errorf("got %v before asking, want %v", err, gone)
	}
}

func TestSnapshot(t *testing.T) {
	r := fakeREST(t, func(w http.ResponseWriter, req *http.Request) {
		if got := req.URL.String(); got != "/v2/snapshot/locale/us/markets/stocks/tickers?include_otc=true" {
			t.Errorf("asked for %s", got)
		}
		says(200, `{"status":"DELAYED","count":4,"tickers":[
			{"ticker":"BRK.B","day":{"v":5.617399e+07,"vw":1},"min":{"av":56170000,"t":1772461800000,"v":1},"updated":1772461859123456789,"prevDay":{"v":3}},
			{"ticker":"BCpC","day":{},"min":null,"updated":"never"},
			{"day":{"v":1}},
			7]}`)(w, nil)
	})
	got, err := r.Snapshot(t.Context())
	if err != nil || !got.Delayed || len(got.Tickers) != 2 {
		t.Fatalf("got %+v, %v", got, err)
	}
	want := TickerState{"BRK.B", time.Unix(0, 1772461859123456789).UTC(), 56173990, time.UnixMilli(1772461800000).UTC(), 56170000}
	if got.Tickers[0] != want {
		t.Errorf("got %+v, want %+v", got.Tickers[0], want)
	}
	if want := (TickerState{Ticker: "BCpC"}); got.Tickers[1] != want {
		t.Errorf("got %+v, want %+v", got.Tickers[1], want)
	}
}
