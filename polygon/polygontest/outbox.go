package polygontest

import "sync"

// narrowBuffer is how many bytes the kernel may hold beside an outbox.
const narrowBuffer = 16 << 10

// outbox is the vendor's buffer of a connection that reads too slowly: what is in it comes late, and when it
// is full the connection is killed.
type outbox struct {
	session *session
	limit   int // bytes

	mu     sync.Mutex // guards what follows
	moved  sync.Cond  // a frame came or went, or the outbox was closed
	frames []*frame   // the first one is being written
	bytes  int
	closed bool
}

// newOutbox returns an outbox that is being emptied until it is closed.
func newOutbox(c *session, limit int) *outbox {
	o := &outbox{session: c, limit: limit}
	o.moved.L = &o.mu
	c.server.background(o.run)
	return o
}

// put adds a frame, or kills the connection when it does not fit.
func (o *outbox) put(f *frame) {
	o.mu.Lock()
	full := o.bytes+len(f.data) > o.limit
	if !full {
		o.frames = append(o.frames, f)
		o.bytes += len(f.data)
		o.moved.Broadcast()
	}
	o.mu.Unlock()
	if full {
		c := o.session
		c.leave()
		c.server.update(func(st *Stats) { st.TooSlow++ })
		c.wire.Close()
	}
}

// run writes frames until the outbox is closed.
func (o *outbox) run() {
	for {
		o.mu.Lock()
		for len(o.frames) == 0 && !o.closed {
			o.moved.Wait()
		}
		if o.closed {
			o.mu.Unlock()
			return
		}
		f := o.frames[0]
		o.mu.Unlock()

		o.session.transmit(f)

		o.mu.Lock()
		o.frames = o.frames[1:]
		o.bytes -= len(f.data)
		o.moved.Broadcast()
		o.mu.Unlock()
	}
}

// flush waits until the outbox is empty or closed.
func (o *outbox) flush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(o.frames) > 0 && !o.closed {
		o.moved.Wait()
	}
}

func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	o.moved.Broadcast()
}
