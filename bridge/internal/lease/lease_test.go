package lease

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

const (
	ttl  = 12 * time.Second
	life = 10 * time.Second // what remains without the margin
)

// held says whether the lease is held, by each way to ask.
func held(t *testing.T, l *Lease) bool {
	t.Helper()
	synctest.Wait()
	ended := l.Held().Err() != nil
	if valid := l.Valid(); valid == ended {
		t.Fatalf("valid %v, and the context says %v", valid, l.Held().Err())
	}
	if ended && !errors.Is(context.Cause(l.Held()), ErrLost) {
		t.Fatalf("got the cause %v, want ErrLost", context.Cause(l.Held()))
	}
	return !ended
}

func TestLeaseIsCountedFromBeforeTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sent := time.Now()
		time.Sleep(3 * time.Second) // the answer takes its time
		l := newLease(t.Context(), 1, ttl, sent)
		time.Sleep(life - 3*time.Second - time.Nanosecond)
		if !held(t, l) {
			t.Fatal("lost too soon")
		}
		time.Sleep(time.Nanosecond)
		if held(t, l) {
			t.Fatal("held for longer than granted")
		}
	})
}

func TestRenewalIsCountedFromBeforeTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLease(t.Context(), 1, ttl, time.Now())
		time.Sleep(5 * time.Second)
		sent := time.Now()
		time.Sleep(3 * time.Second)
		l.extend(sent)
		time.Sleep(life - 3*time.Second - time.Nanosecond)
		if !held(t, l) {
			t.Fatal("lost in spite of a renewal")
		}
		time.Sleep(time.Nanosecond)
		if held(t, l) {
			t.Fatal("held for longer than granted")
		}
	})
}

func TestLostLeaseStaysLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLease(t.Context(), 1, ttl, time.Now())
		time.Sleep(life)
		l.extend(time.Now())
		if held(t, l) {
			t.Fatal("a late renewal brought it back")
		}
	})
}

// A process that was paused must not wait for its timers to be told.
func TestValidReadsTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLease(t.Context(), 1, ttl, time.Now())
		l.timer.Stop()
		time.Sleep(life)
		if l.Valid() {
			t.Fatal("held for longer than granted")
		}
	})
}

// The monotonic clock stands still while a machine is suspended, and the clock of the wall does not.
func TestSuspendedMachineLosesTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLease(t.Context(), 1, ttl, time.Now())
		l.mu.Lock()
		l.sentWall = l.sentWall.Add(-life)
		l.mu.Unlock()
		if l.Valid() || held(t, l) {
			t.Fatal("held for longer than granted")
		}
	})
}

func TestLeaseOutlastsTheContextOfHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		l := newLease(ctx, 1, ttl, time.Now())
		cancel()
		if !held(t, l) {
			t.Fatal("lost because a stop was asked for")
		}
		l.end()
		if l.Valid() {
			t.Fatal("held after its end")
		}
	})
}
