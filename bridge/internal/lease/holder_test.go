package lease

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// shortTTL keeps tests of what happens at its end short; longTTL keeps its end out of a test.
const (
	shortTTL = 2 * time.Second
	longTTL  = time.Minute
)

// hold is one call of Hold in the test's own process.
type hold struct {
	t      *testing.T
	name   string
	active chan *Lease // each time it becomes active
	lost   chan error  // the cause, each time its active function has ended
	finish chan error  // ends the active function; its context does so only when there is no stop to wait for
	stop   context.CancelFunc
	done   chan error

	mu     sync.Mutex // guards status
	status Status
}

func startHold(t *testing.T, name string, opt Options) *hold {
	ctx, stop := context.WithCancel(t.Context())
	h := &hold{t: t, name: name, active: make(chan *Lease, 10), lost: make(chan error, 10), finish: make(chan error), stop: stop, done: make(chan error, 1)}
	opt.Holder = name
	opt.Logger = logger(t, name)
	opt.Notify = func(s Status) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.status = s
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		h.done <- Hold(ctx, opt, func(ctx context.Context, l *Lease) error {
			h.active <- l
			select {
			case <-ctx.Done():
				h.lost <- context.Cause(ctx)
				return context.Cause(ctx)
			case err := <-h.finish:
				return err
			}
		})
	}()
	t.Cleanup(func() {
		stop()
		<-ended
	})
	return h
}

// wait returns what comes from c.
func wait[T any](t *testing.T, what string, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(time.Minute):
		t.Fatalf("waited in vain: %s", what)
	}
	return v
}

func (h *hold) becomesActive() *Lease {
	h.t.Helper()
	return wait(h.t, h.name+" becomes active", h.active)
}

// standsBy waits until it knows that the other is active.
func (h *hold) standsBy(other string) {
	h.t.Helper()
	eventually(h.t, h.name+" stands by", func() error {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.status.Role != RoleStandby || h.status.Holder != other {
			return fmt.Errorf("its status is %+v", h.status)
		}
		return nil
	})
}

func (h *hold) loses() {
	h.t.Helper()
	if cause := wait(h.t, h.name+" loses the lease", h.lost); !errors.Is(cause, ErrLost) {
		h.t.Fatalf("%s: got the cause %v, want ErrLost", h.name, cause)
	}
}

func options(url string, ttl time.Duration) Options {
	return Options{Dial: dialTo(url), Bucket: "lease", Key: "stocks", TTL: ttl}
}

// logger keeps a log that is shown when the test fails.
func logger(t *testing.T, name string) *slog.Logger {
	o := &output{}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of %s:\n%s", name, o)
		}
	})
	return slog.New(slog.NewTextHandler(o, nil))
}

// connect returns the bucket's stream, from outside.
func connect(t *testing.T, url string) (jetstream.JetStream, *nats.Conn) {
	t.Helper()
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js, nc
}

func keyValue(t *testing.T, url string) jetstream.KeyValue {
	t.Helper()
	js, _ := connect(t, url)
	kv, err := js.KeyValue(t.Context(), "lease")
	if err != nil {
		t.Fatal(err)
	}
	return kv
}

func keyValueOnceMade(t *testing.T, url string) (kv jetstream.KeyValue) {
	t.Helper()
	js, _ := connect(t, url)
	eventually(t, "the key is made", func() (err error) {
		if kv, err = js.KeyValue(t.Context(), "lease"); err != nil {
			return err
		}
		_, err = kv.Get(t.Context(), "stocks")
		return err
	})
	return kv
}
