package lease

import (
	"context"
	"errors"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func TestGracefulReleaseHandsOver(t *testing.T) {
	url := newNATS(t).up().url
	a := startHold(t, "a", options(url, longTTL))
	first := a.becomesActive()
	b := startHold(t, "b", options(url, longTTL))
	b.standsBy("a")
	began := time.Now()
	a.stop()
	second := b.becomesActive()
	t.Logf("handed over in %v", time.Since(began))
	if err := wait(t, "a ends", a.done); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("got %v from a hold that was asked to stop", err)
	}
	if first.Valid() {
		t.Error("the released lease is still valid")
	}
	if second.Epoch() <= first.Epoch() {
		t.Errorf("got epoch %d after %d", second.Epoch(), first.Epoch())
	}
}

// What drains after a stop still needs the lease, for longer than its TTL.
func TestLeaseIsRenewedUntilActiveReturns(t *testing.T) {
	url := newNATS(t).up().url
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	draining, drained := make(chan *Lease), make(chan struct{})
	done := make(chan error, 1)
	opt := options(url, shortTTL)
	opt.Holder, opt.Logger = "a", logger(t, "a")
	go func() {
		done <- Hold(ctx, opt, func(ctx context.Context, l *Lease) error {
			<-ctx.Done()
			draining <- l
			<-drained
			return context.Cause(ctx)
		})
	}()
	kv := keyValueOnceMade(t, url)
	stop()
	l := wait(t, "a drains", draining)
	b := startHold(t, "b", options(url, shortTTL))
	b.standsBy("a")

	before := l.Epoch()
	eventually(t, "the lease is renewed for more than its TTL", func() error {
		entry, err := kv.Get(t.Context(), "stocks")
		if err == nil && entry.Revision() < before+15 { // every twelfth of the TTL
			return errNotYet
		}
		return err
	})
	if !l.Valid() || l.Held().Err() != nil {
		t.Errorf("the lease is not held while its active function drains: %v", context.Cause(l.Held()))
	}
	if len(b.active) > 0 {
		t.Error("another is active while this one drains")
	}
	close(drained)
	b.becomesActive()
	if err := wait(t, "a ends", done); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the error of the active function", err)
	}
}

// A standby that hears of the release does not wait for its next attempt.
func TestReleaseIsHeardOf(t *testing.T) {
	url := newNATS(t).up().url
	a := openBucket(t, url, "a")
	take(t, a)
	opt := options(url, longTTL)
	opt.Holder, opt.Logger = "b", logger(t, "b")
	standing := make(chan Status, 10)
	opt.Notify = func(s Status) { standing <- s }
	b := newContender(opt)
	b.retry = time.Hour
	defer b.hangUp()
	taken := make(chan *Lease, 1)
	go func() {
		l, err := b.standBy(t.Context())
		if err != nil {
			t.Error(err)
		}
		taken <- l
	}()
	wait(t, "b stands by", standing)
	if err := a.release(t.Context()); err != nil {
		t.Fatal(err)
	}
	wait(t, "b takes over", taken)
}

func TestActiveThatEndsByItselfEndsHold(t *testing.T) {
	url := newNATS(t).up().url
	a := startHold(t, "a", options(url, longTTL))
	a.becomesActive()
	gaveUp := errors.New("gave up")
	a.finish <- gaveUp
	if err := wait(t, "a ends", a.done); !errors.Is(err, gaveUp) {
		t.Errorf("got %v, want the error of the active function", err)
	}
	startHold(t, "b", options(url, longTTL)).becomesActive()
}

func TestNATSAwayForLongStepsDown(t *testing.T) {
	server := newNATS(t).up()
	a := startHold(t, "a", options(server.url, shortTTL))
	first := a.becomesActive()
	server.kill()
	a.loses()
	server.up()
	if second := a.becomesActive(); second.Epoch() <= first.Epoch() {
		t.Errorf("got epoch %d after %d", second.Epoch(), first.Epoch())
	}
}

func TestNATSRestartKeepsTheLease(t *testing.T) {
	server := newNATS(t).up()
	a := startHold(t, "a", options(server.url, DefaultTTL))
	l := a.becomesActive()
	server.kill()
	server.up()
	kv := keyValue(t, server.url)
	before, err := kv.Get(t.Context(), "stocks")
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the lease is renewed", func() error {
		entry, err := kv.Get(t.Context(), "stocks")
		if err == nil && entry.Revision() <= before.Revision() {
			return errNotYet
		}
		return err
	})
	if !l.Valid() || len(a.active) > 0 {
		t.Error("a short restart changed the lease")
	}
}

// A server that is frozen answers nothing, and its connections stay up.
func TestFrozenNATSStepsDown(t *testing.T) {
	server := newNATS(t).up()
	a := startHold(t, "a", options(server.url, shortTTL))
	a.becomesActive()
	server.signal(syscall.SIGSTOP)
	a.loses()
	server.signal(syscall.SIGCONT)
	a.becomesActive()
}

func TestKeyThatIsTakenAwayIsLost(t *testing.T) {
	for _, tt := range []struct {
		name string
		take func(*testing.T, jetstream.KeyValue)
	}{
		{"deleted", func(t *testing.T, kv jetstream.KeyValue) {
			if err := kv.Delete(t.Context(), "stocks"); err != nil {
				t.Fatal(err)
			}
		}},
		{"written by another", func(t *testing.T, kv jetstream.KeyValue) {
			if _, err := kv.Put(t.Context(), "stocks", []byte(`{"holder":"b","id":"1"}`)); err != nil {
				t.Fatal(err)
			}
		}},
		{"written by hand", func(t *testing.T, kv jetstream.KeyValue) {
			if _, err := kv.PutString(t.Context(), "stocks", "x"); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			url := newNATS(t).up().url
			a := startHold(t, "a", options(url, shortTTL))
			first := a.becomesActive()
			tt.take(t, keyValue(t, url))
			a.loses()
			if first.Valid() {
				t.Error("the lost lease is still valid")
			}
			a.becomesActive()
		})
	}
}

func TestStandbyStopsWhateverNATSDoes(t *testing.T) {
	server := newNATS(t)
	stops := func(h *hold) {
		t.Helper()
		h.stop()
		if err := wait(t, h.name+" stops", h.done); err != nil {
			t.Errorf("%s: got %v, want nil", h.name, err)
		}
	}
	outOfReach := func(h *hold) {
		t.Helper()
		eventually(t, h.name+" has seen that NATS is away", func() error {
			h.mu.Lock()
			defer h.mu.Unlock()
			if h.status.Err == nil {
				return errNotYet
			}
			return nil
		})
	}

	down := startHold(t, "down", options(server.url, longTTL))
	outOfReach(down)
	stops(down)

	server.up()
	a := startHold(t, "a", options(server.url, longTTL))
	a.becomesActive()
	up := startHold(t, "up", options(server.url, longTTL))
	up.standsBy("a")
	frozen := startHold(t, "frozen", options(server.url, longTTL))
	frozen.standsBy("a")
	stops(up)

	server.signal(syscall.SIGSTOP)
	outOfReach(frozen)
	stops(frozen)
	server.signal(syscall.SIGCONT)
}

// A wrong setting ends Hold at once, and the same error later, in mid-change, does not.
func TestFatalErrorCountsUntilTheBucketWasSeen(t *testing.T) {
	server := newNATS(t)
	opt := options(server.url, shortTTL)
	opt.Fatal = func(err error) bool { return errors.Is(err, nats.ErrNoServers) }
	never := startHold(t, "never", opt)
	if err := wait(t, "hold gives up", never.done); !errors.Is(err, nats.ErrNoServers) {
		t.Errorf("got %v, want the fatal error", err)
	}

	server.up()
	a := startHold(t, "a", opt)
	a.becomesActive()
	server.kill()
	a.loses()
	server.up()
	a.becomesActive()
}
