package bridge

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// fillQueue is what publisher and filler have in common: gaps go to the filler, and what it has to say comes back through a
// queue of its own, from which the publisher takes only while the feed has nothing for it.
type fillQueue struct {
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

func newFillQueue() *fillQueue {
	return &fillQueue{woken: make(chan struct{}, 1), queue: newSideQueue()}
}

func newSideQueue() *memory {
	q := newMemory(backfillBytes)
	q.retain = 0 // what a server loses of it is asked for again
	return q
}

// begin throws away what is under way and starts over with the gaps that have no outcome. It returns the new queue.
func (q *fillQueue) begin(gaps []gap) *memory {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.queue, q.gaps = newSideQueue(), gaps
	if q.stop != nil {
		q.stop()
	}
	q.wake()
	return q.queue
}

// add hands a gap to the filler, unless it has it.
func (q *fillQueue) add(g gap) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !slices.ContainsFunc(q.gaps, func(other gap) bool { return other.ID == g.ID }) {
		q.gaps = append(q.gaps, g)
		q.wake()
	}
}

// turn is the work on one gap. Its context ends when the gap has to be begun anew.
type turn struct {
	ctx   context.Context
	gap   gap
	queue *memory
}

// next waits for a gap and returns the oldest one; false when ctx has ended. The turn before it must be over.
func (q *fillQueue) next(ctx context.Context) (turn, bool) {
	for ctx.Err() == nil {
		if t, ok := q.take(ctx); ok {
			return t, true
		}
		select {
		case <-q.woken:
		case <-ctx.Done():
		}
	}
	return turn{}, false
}

func (q *fillQueue) take(ctx context.Context) (turn, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.stop != nil {
		q.stop()
		q.stop = nil
	}
	if len(q.gaps) == 0 {
		return turn{}, false
	}
	t := turn{gap: q.gaps[0], queue: q.queue}
	t.ctx, q.stop = context.WithCancel(ctx)
	q.present.Store(0)
	return t, true
}

// done forgets the turn's gap, which has its outcome. It returns false when all has begun anew meanwhile.
func (q *fillQueue) done(t turn) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.queue != t.queue {
		return false
	}
	q.gaps = slices.DeleteFunc(q.gaps, func(g gap) bool { return g.ID == t.gap.ID })
	return true
}

// pending is how many gaps have no outcome.
func (q *fillQueue) pending() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.gaps)
}

// wake tells the filler that there is something to look at.
func (q *fillQueue) wake() {
	select {
	case q.woken <- struct{}{}:
	default:
	}
}

// put appends a record to the turn's queue, and waits while that is full. It is for one goroutine.
func (q *fillQueue) put(t turn, kind uint8, frame []byte) error {
	for t.queue.Append(kind, frame, time.Now()) != nil {
		if err := q.wait(t.ctx); err != nil {
			return err
		}
	}
	return nil
}

// drain waits until all that was put is settled.
func (q *fillQueue) drain(t turn) error {
	for {
		if records, _, _ := t.queue.Depth(); records == 0 {
			return nil
		}
		if err := q.wait(t.ctx); err != nil {
			return err
		}
	}
}

// wait waits until the publisher has settled something.
func (q *fillQueue) wait(ctx context.Context) error {
	select {
	case <-q.woken:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
