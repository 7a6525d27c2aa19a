package polygon

import "context"

// watch is a context whose end ends the pending read.
type watch struct {
	done <-chan struct{}
	stop func() bool
}

// watch makes the end of ctx end the reads of this connection. It costs nothing when ctx is the one that
// is watched already, so that a read needs no allocation; and an end between two reads harms nobody.
func (c *Conn) watch(ctx context.Context) {
	done := ctx.Done()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.watched != nil {
		if c.watched.done == done {
			return
		}
		c.watched.stop()
		c.watched = nil
	}
	if done == nil {
		return
	}
	w := &watch{done: done}
	w.stop = context.AfterFunc(ctx, func() {
		c.mu.Lock()
		current := c.watched == w
		c.mu.Unlock()
		if current && c.reading.Load() {
			c.abort()
		}
	})
	c.watched = w
}

// unwatch forgets the context that is watched.
func (c *Conn) unwatch() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.watched != nil {
		c.watched.stop()
		c.watched = nil
	}
}
