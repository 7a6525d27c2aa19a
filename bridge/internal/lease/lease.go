package lease

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// ErrLost is the cause with which the context of an active function ends when the lease is lost or about to be.
var ErrLost = errors.New("lease lost")

// margin is how long before the server removes the key its holder steps down: time for those who must stop, and
// for clocks that differ.
func margin(ttl time.Duration) time.Duration { return ttl / 6 }

// Lease is what an active function holds. Its methods may be called from any goroutine.
type Lease struct {
	epoch uint64
	ttl   time.Duration // how long the server keeps a grant, from after it was asked for

	held context.Context // kept here because it lasts as long as the lease
	lose context.CancelCauseFunc

	mu       sync.Mutex // guards what is below
	sent     time.Time  // when the request was sent that was granted last
	sentWall time.Time  // the same without the monotonic clock, which stands still while the machine is suspended
	timer    *time.Timer
}

// newLease returns the lease that was granted to a request sent at the given time.
func newLease(ctx context.Context, epoch uint64, ttl time.Duration, sent time.Time) *Lease {
	l := &Lease{epoch: epoch, ttl: ttl, sent: sent, sentWall: sent.Round(0)}
	l.held, l.lose = context.WithCancelCause(context.WithoutCancel(ctx))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.timer = time.AfterFunc(l.life()-time.Since(sent), func() { l.Valid() })
	return l
}

// life is how long a grant may be relied on, from before it was asked for.
func (l *Lease) life() time.Duration { return l.ttl - margin(l.ttl) }

// Epoch is the revision of the key when it was acquired. Of two leases of one bucket the later has the greater epoch.
func (l *Lease) Epoch() uint64 { return l.epoch }

// Held returns a context that ends with the cause ErrLost when the lease is lost or about to be, and not before, even
// when the context of Hold has ended: for work that is finished before the lease is released.
func (l *Lease) Held() context.Context { return l.held }

// Valid reports whether the lease is held at this moment. It reads the clock, so unlike a context it is right at
// once in a process that was paused: ask it before anything that only the active one may do.
func (l *Lease) Valid() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.valid()
}

// valid is Valid for those who hold the mutex. Once it was false it stays so.
func (l *Lease) valid() bool {
	if l.held.Err() == nil && l.age() >= l.life() {
		l.lose(fmt.Errorf("%w: not renewed in time", ErrLost))
	}
	return l.held.Err() == nil
}

// age is the time since the last granted request was sent, by the clock that says more.
func (l *Lease) age() time.Duration {
	now := time.Now()
	return max(now.Sub(l.sent), now.Round(0).Sub(l.sentWall))
}

// extend notes that a request sent at the given time was granted. A lease that is lost stays lost.
func (l *Lease) extend(sent time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.valid() {
		return
	}
	l.sent, l.sentWall = sent, sent.Round(0)
	l.timer.Reset(l.life() - time.Since(sent))
}

// end makes the lease invalid before it is released.
func (l *Lease) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.timer.Stop()
	l.lose(nil)
}
