package bridge

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
)

// fillQueue is what publisher and filler have in common: gaps go to the filler, and what it has to say comes back in batches.
type fillQueue struct {
	woken chan struct{} // capacity 1: to the filler, "a gap came, or all begins anew"
	left  atomic.Int64  // requests of the task that are to be made

	mu      sync.Mutex // guards what follows
	batches chan *batch
	gaps    []gap              // without an outcome, oldest first
	stop    context.CancelFunc // ends the task of the filler; nil while it has none
}

// batch is what the filler has for the publisher: bars of one ticker, or the outcome of a gap. Until it is settled it belongs to the
// publisher.
type batch struct {
	frame   []byte        // the bars, as the feed would send them
	outcome *gap          // nil: there are bars
	settled chan struct{} // closed when nothing more of it will be stored

	// A bar is stored only when the last message of its subject is the one that the filler knows of, or another of its batch.
	last      uint64 // sequence of that message, 0 for none
	overtaken bool   // it was another: what is left of the batch is given up
	stored    int    // bars
}

func newFillQueue() *fillQueue {
	return &fillQueue{woken: make(chan struct{}, 1)}
}

// begin throws away what is under way and starts over with the gaps that have no outcome. It returns where batches come from then.
func (q *fillQueue) begin(gaps []gap) <-chan *batch {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.batches, q.gaps = make(chan *batch), gaps
	if q.stop != nil {
		q.stop()
	}
	notify(q.woken)
	return q.batches
}

// add hands a gap to the filler, unless it has it.
func (q *fillQueue) add(g gap) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !slices.ContainsFunc(q.gaps, func(other gap) bool { return other.ID == g.ID }) {
		q.gaps = append(q.gaps, g)
		notify(q.woken)
	}
}

// task is one gap, to be filled. Its context ends when the gap has to be begun anew.
type task struct {
	ctx     context.Context
	gap     gap
	batches chan<- *batch
}

// next waits for a gap and returns the oldest one; false when ctx has ended. The task before it must be over.
func (q *fillQueue) next(ctx context.Context) (task, bool) {
	for ctx.Err() == nil {
		if t, ok := q.take(ctx); ok {
			return t, true
		}
		select {
		case <-q.woken:
		case <-ctx.Done():
		}
	}
	return task{}, false
}

func (q *fillQueue) take(ctx context.Context) (task, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.stop != nil {
		q.stop()
		q.stop = nil
	}
	if len(q.gaps) == 0 {
		return task{}, false
	}
	t := task{gap: q.gaps[0], batches: q.batches}
	t.ctx, q.stop = context.WithCancel(ctx)
	return t, true
}

// done forgets the task's gap, which has its outcome. It returns false when all has begun anew meanwhile.
func (q *fillQueue) done(t task) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.batches != t.batches {
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

// put gives a batch to the publisher and waits until it is settled.
func (t task) put(b *batch) error {
	b.settled = make(chan struct{})
	select {
	case t.batches <- b:
	case <-t.ctx.Done():
		return context.Cause(t.ctx)
	}
	select {
	case <-b.settled:
		return nil
	case <-t.ctx.Done():
		return context.Cause(t.ctx)
	}
}
