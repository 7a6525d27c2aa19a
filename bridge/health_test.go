package bridge

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bridge/bridge/internal/spool"
	"bridge/polygon"
)

func startWeb(t *testing.T) (w *web, ready *readiness, addr string) {
	t.Helper()
	ready = &readiness{}
	w, err := startHTTP("127.0.0.1:0", ready, newMetrics(nil, polygon.Stocks), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.close)
	return w, ready, w.addr.String()
}

func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func TestReadyWhenStreamingAndConnected(t *testing.T) {
	_, ready, addr := startWeb(t)
	for _, tt := range []struct {
		streaming, nats bool
		status          int
		missing         []string
	}{
		{false, false, 503, []string{"feed", "NATS"}},
		{true, false, 503, []string{"NATS"}},
		{false, true, 503, []string{"feed"}},
		{true, true, 200, nil},
	} {
		ready.feed(tt.streaming)
		ready.nats(tt.nats)
		status, body := get(t, "http://"+addr+"/readyz")
		if status != tt.status {
			t.Errorf("streaming %v, nats %v: got %d, want %d", tt.streaming, tt.nats, status, tt.status)
		}
		err := Healthcheck(t.Context(), addr)
		if (err == nil) != (tt.status == 200) {
			t.Errorf("streaming %v, nats %v: healthcheck says %v", tt.streaming, tt.nats, err)
		}
		for _, m := range tt.missing {
			if !strings.Contains(body, m) || !strings.Contains(err.Error(), m) {
				t.Errorf("streaming %v, nats %v: got %q and %v, want %s in both", tt.streaming, tt.nats, body, err, m)
			}
		}
		if status, _ := get(t, "http://"+addr+"/healthz"); status != 200 {
			t.Errorf("healthz: got %d, want 200 whatever is missing", status)
		}
	}
}

// TestNotReadyWhileNothingIsStored: a stream that refuses everything is seen, in a bridge that reaches it. One that catches up is ready.
func TestNotReadyWhileNothingIsStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, m, ready := newMemory(1<<20), newMetrics(nil, polygon.Stocks), &readiness{}
		ready.feed(true)
		ready.nats(true)
		ready.watch(q, m)
		check := func(name string, want bool) {
			t.Helper()
			if missing := ready.missing(); (len(missing) == 0) != want {
				t.Errorf("%s: missing: %v", name, missing)
			}
		}
		read := time.Now()
		put(t, q, kindFrame, []byte("[]"))
		<-time.After(stallTimeout)
		check("waits for a moment", true)
		<-time.After(time.Millisecond)
		check("waits", false)
		m.stored(&message{record: &loaded{at: read}}, false, read, time.Now())
		check("catches up", true)
		<-time.After(time.Hour)
		check("waits again", false)
		q.Ack(1, spool.Mark{})
		check("nothing to store", true)
	})
}

func TestMetricsAreServed(t *testing.T) {
	_, _, addr := startWeb(t)
	status, body := get(t, "http://"+addr+"/metrics")
	for _, want := range []string{`bridge_frames_received_total{market="stocks"} 0`, "go_goroutines", "process_open_fds", "bridge_build_info{"} {
		if status != 200 || !strings.Contains(body, want) {
			t.Errorf("status %d, %s is missing", status, want)
		}
	}
}

func TestPortInUseNamesTheSetting(t *testing.T) {
	_, _, addr := startWeb(t)
	_, err := startHTTP(addr, &readiness{}, newMetrics(nil, polygon.Stocks), slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "BRIDGE_HTTP_ADDR") || !strings.Contains(err.Error(), addr) {
		t.Errorf("got %v, want BRIDGE_HTTP_ADDR and %s in it", err, addr)
	}
}

func TestNoAddressServesNothing(t *testing.T) {
	w, err := startHTTP("", &readiness{}, newMetrics(nil, polygon.Stocks), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	w.close()
}

func TestCloseFreesThePort(t *testing.T) {
	w, _, addr := startWeb(t)
	w.close()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	if err := Healthcheck(t.Context(), addr); err == nil || !strings.Contains(err.Error(), "no bridge answers on "+addr) {
		t.Errorf("healthcheck of nobody: got %v", err)
	}
}

func TestHealthcheckOfAnotherProgram(t *testing.T) {
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	err := Healthcheck(t.Context(), other.Listener.Addr().String())
	if err == nil || !strings.Contains(err.Error(), "is no bridge") || !strings.Contains(err.Error(), "BRIDGE_HTTP_ADDR") {
		t.Errorf("got %v, want that this is no bridge, and the setting", err)
	}
}

func TestHealthcheckOfEveryInterface(t *testing.T) {
	_, ready, addr := startWeb(t)
	ready.feed(true)
	ready.nats(true)
	_, port, _ := net.SplitHostPort(addr)
	for _, a := range []string{":" + port, "0.0.0.0:" + port} {
		if err := Healthcheck(t.Context(), a); err != nil {
			t.Errorf("%s: %v", a, err)
		}
	}
}
