package bridge

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// backfill is what publisher and filler have in common: gaps go to the filler, and what it has to say comes back through a
// queue of its own, from which the publisher takes only while the feed has nothing for it.
type backfill struct {
	woken   chan struct{} // capacity 1: to the filler, "a gap came, or the queue has room, or all begins anew"
	left    atomic.Int64  // requests of the turn that are to be made
	present atomic.Int64  // bars that the publisher dropped because the feed had sent them meanwhile

	mu    sync.Mutex // guards what follows
	queue *memory
	gaps  []gap              // without an outcome, oldest first
	stop  context.CancelFunc // ends the turn of the filler; nil while it has none
}

// backfillBytes bounds what waits in the queue. The filler waits while it is full.
const backfillBytes = 2 << 20

func newBackfill() *backfill {
	return &backfill{woken: make(chan struct{}, 1), queue: newBackfillQueue()}
}

func newBackfillQueue() *memory {
	q := newMemory(backfillBytes)
	q.retain = 0 // what a server loses of it is asked for again
	return q
}

// begin throws away what is under way and starts over with the gaps that have no outcome. It returns the new queue.
func (b *backfill) begin(gaps []gap) *memory {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.queue, b.gaps = newBackfillQueue(), gaps
	if b.stop != nil {
		b.stop()
	}
	b.wake()
	return b.queue
}

// add hands a gap to the filler, unless it has it.
func (b *backfill) add(g gap) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !slices.ContainsFunc(b.gaps, func(other gap) bool { return other.ID == g.ID }) {
		b.gaps = append(b.gaps, g)
		b.wake()
	}
}

// turn is the work on one gap. Its context ends when the gap has to be begun anew.
type turn struct {
	ctx   context.Context
	gap   gap
	queue *memory
}

// next waits for a gap and returns the oldest one; false when ctx has ended. The turn before it must be over.
func (b *backfill) next(ctx context.Context) (turn, bool) {
	for ctx.Err() == nil {
		if t, ok := b.take(ctx); ok {
			return t, true
		}
		select {
		case <-b.woken:
		case <-ctx.Done():
		}
	}
	return turn{}, false
}

func (b *backfill) take(ctx context.Context) (turn, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stop != nil {
		b.stop()
		b.stop = nil
	}
	if len(b.gaps) == 0 {
		return turn{}, false
	}
	t := turn{gap: b.gaps[0], queue: b.queue}
	t.ctx, b.stop = context.WithCancel(ctx)
	b.present.Store(0)
	return t, true
}

// done forgets the turn's gap, which has its outcome. It returns false when all has begun anew meanwhile.
func (b *backfill) done(t turn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.queue != t.queue {
		return false
	}
	b.gaps = slices.DeleteFunc(b.gaps, func(g gap) bool { return g.ID == t.gap.ID })
	return true
}

// pending is how many gaps have no outcome.
func (b *backfill) pending() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.gaps)
}

// wake tells the filler that there is something to look at.
func (b *backfill) wake() {
	select {
	case b.woken <- struct{}{}:
	default:
	}
}

// put appends a record to the turn's queue, and waits while that is full. It is for one goroutine.
func (b *backfill) put(t turn, kind uint8, frame []byte) error {
	for t.queue.Append(kind, frame, time.Now()) != nil {
		if err := b.wait(t.ctx); err != nil {
			return err
		}
	}
	return nil
}

// drain waits until all that was put is settled.
func (b *backfill) drain(t turn) error {
	for {
		if records, _, _ := t.queue.Depth(); records == 0 {
			return nil
		}
		if err := b.wait(t.ctx); err != nil {
			return err
		}
	}
}

// wait waits until the publisher has settled something.
func (b *backfill) wait(ctx context.Context) error {
	select {
	case <-b.woken:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
