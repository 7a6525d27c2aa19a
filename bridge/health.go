package bridge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// readiness is whether the bridge can do its job: it streams, NATS can be reached, and the stream takes what is read; or it stands by
// and sees the lease. A feed that is silent is no fault, since a closed market sends nothing for hours. Any goroutine may use it.
type readiness struct {
	streaming atomic.Bool
	natsUp    atomic.Bool
	standing  atomic.Bool // by, while another bridge is active
	leaseSeen atomic.Bool
	stuck     atomic.Pointer[func() time.Duration] // nil: there is no queue yet
}

func (r *readiness) feed(streaming bool) { r.streaming.Store(streaming) }
func (r *readiness) nats(up bool)        { r.natsUp.Store(up) }
func (r *readiness) standby(by bool)     { r.standing.Store(by) }
func (r *readiness) lease(seen bool)     { r.leaseSeen.Store(seen) }

// watch makes it known when the stream takes nothing, for any reason, while something waits in the queue.
func (r *readiness) watch(q queue, m *metrics) {
	stuck := func() time.Duration {
		_, _, oldest := q.Depth()
		return min(oldest, time.Since(time.Unix(0, m.lastStored.Load())))
	}
	r.stuck.Store(&stuck)
}

// missing lists what keeps the bridge from its job, one sentence each.
func (r *readiness) missing() (all []string) {
	if r.standing.Load() {
		if !r.leaseSeen.Load() {
			all = append(all, "standing by, and NATS or the lease cannot be reached")
		}
		return all
	}
	if !r.streaming.Load() {
		all = append(all, "the feed is not streaming")
	}
	if !r.natsUp.Load() {
		all = append(all, "NATS or the stream cannot be reached: what is read waits in the queue")
	}
	if stuck := r.stuck.Load(); stuck != nil {
		if wait := (*stuck)(); wait > stallTimeout {
			all = append(all, fmt.Sprintf("nothing was stored for %s: what is read waits in the queue", wait.Round(time.Second)))
		}
	}
	return all
}

// closeTimeout bounds how long the last requests may take when the bridge stops.
const closeTimeout = time.Second

// web serves health and metrics.
type web struct {
	server *http.Server
	addr   net.Addr
	done   chan struct{} // closed when serving has ended
}

// startHTTP serves /healthz, /readyz and /metrics on addr. An empty addr serves nothing.
func startHTTP(addr string, ready *readiness, m *metrics, log *slog.Logger) (*web, error) {
	if addr == "" {
		return &web{}, nil
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("cannot serve health and metrics, set BRIDGE_HTTP_ADDR to another address or to off: %w", err)
	}
	w := &web{
		server: &http.Server{Handler: healthMux(ready, m), ReadHeaderTimeout: 5 * time.Second, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug)},
		addr:   listener.Addr(),
		done:   make(chan struct{}),
	}
	go func() {
		defer close(w.done)
		if err := w.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("health and metrics ended", "err", err)
		}
	}()
	return w, nil
}

// close stops serving, after the requests that are being answered.
func (w *web) close() {
	if w.server == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if err := w.server.Shutdown(ctx); err != nil {
		_ = w.server.Close()
	}
	<-w.done
}

func healthMux(ready *readiness, m *metrics) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "ok\n")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if missing := ready.missing(); len(missing) > 0 {
			http.Error(w, strings.Join(missing, "\n"), http.StatusServiceUnavailable)
			return
		}
		if ready.standing.Load() {
			_, _ = io.WriteString(w, "ok, standing by\n")
			return
		}
		_, _ = io.WriteString(w, "ok\n")
	})
	if m.gatherer != nil {
		mux.Handle("GET /metrics", promhttp.HandlerFor(m.gatherer, promhttp.HandlerOpts{}))
	}
	return mux
}

// Healthcheck asks the bridge that serves on addr, a value of BRIDGE_HTTP_ADDR, whether it does its job. The
// error says what is missing.
func Healthcheck(ctx context.Context, addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("BRIDGE_HTTP_ADDR=%q: %w", addr, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(reachable(host), port)+"/readyz", nil)
	if err != nil {
		return err
	}
	// A proxy of the environment has no business between a container and itself.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("no bridge answers on %s: does it run, with the same BRIDGE_HTTP_ADDR? %w", addr, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 4096))
	if err != nil {
		return err
	}
	switch resp.StatusCode {
	case http.StatusOK:
		return nil
	case http.StatusServiceUnavailable:
		return fmt.Errorf("not ready, its log says why: %s", strings.ReplaceAll(strings.TrimSpace(string(body)), "\n", "; "))
	}
	return fmt.Errorf("what answers on %s is no bridge, set BRIDGE_HTTP_ADDR for both to another address: %s", addr, resp.Status)
}

// reachable returns the host at which this machine finds a listener of its own: one on every interface has none that could be dialled.
func reachable(host string) string {
	if host == "" || net.ParseIP(host).IsUnspecified() {
		return "127.0.0.1"
	}
	return host
}
