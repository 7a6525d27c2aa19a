package polygon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/coder/websocket"
)

// Read returns the next frame that has data. The slice is valid until the next call. Read blocks through
// silence: a closed market sends nothing for hours, and that is not an error. Of a frame that has a status too, the
// data comes first, and what the status means is the error of the next call.
//
// It does not allocate as long as ctx is the same from call to call. A ctx that ends while Read waits closes
// the connection.
func (c *Conn) Read(ctx context.Context) ([]byte, error) {
	for {
		frame, err := c.read(ctx)
		if err != nil {
			return nil, fmt.Errorf("read: %w", err)
		}
		if !bytes.Contains(frame, []byte(`"status"`)) {
			return frame, nil
		}
		if c.statuses(frame, c.note) {
			return frame, nil
		}
	}
}

// statuses calls f for each status of the frame and reports whether the frame has anything else.
func (c *Conn) statuses(frame []byte, f func(Status)) (data bool) {
	c.scratch = Market("").Split(c.scratch[:0], frame) // a status is one in every market
	for _, e := range c.scratch {
		if !e.Status {
			data = true
			continue
		}
		s, err := ParseStatus(e.Raw)
		if err != nil { // a status of some new shape
			s.Message = string(e.Raw)
		}
		s.Message = c.redact.Replace(s.Message)
		f(s)
	}
	clear(c.scratch) // so that it does not keep a frame that has been outgrown
	return data
}

// note tells the caller of a status and remembers what ends the connection.
func (c *Conn) note(s Status) {
	if c.onStatus != nil {
		c.onStatus(s)
	}
	if _, ends := s.meaning(); ends && c.err == nil {
		c.err = s.Err()
	}
}

// readResult is how a read ended.
type readResult struct {
	frame []byte
	err   error
}

// errDeadline is returned by readUntil only.
var errDeadline = errors.New("deadline")

// read returns the next frame, whatever is in it.
func (c *Conn) read(ctx context.Context) ([]byte, error) {
	if c.err != nil {
		c.abort()
		return nil, c.err
	}
	c.reading.Store(true)
	defer c.reading.Store(false)
	c.watch(ctx)
	if err := ctx.Err(); err != nil || c.closed.Load() {
		return nil, c.fail(ctx, err)
	}
	var r readResult
	if c.begun != nil {
		r = <-c.begun
		c.begun = nil
	} else {
		r = c.receive()
	}
	if r.err != nil {
		return nil, c.fail(ctx, r.err)
	}
	return r.frame, nil
}

// readUntil is read, but returns errDeadline when no frame has come by then. The connection is as good as
// before: since the library's read cannot be taken back, it goes on, and the next read has its result.
func (c *Conn) readUntil(ctx context.Context, deadline time.Time) ([]byte, error) {
	wait := time.Until(deadline)
	if wait <= 0 {
		return nil, errDeadline
	}
	if c.begun == nil && c.err == nil {
		result := make(chan readResult, 1)
		c.begun = result
		go func() { result <- c.receive() }()
	}
	if c.begun != nil {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		c.watch(ctx)
		c.reading.Store(true)
		defer c.reading.Store(false)
		select {
		case r := <-c.begun:
			c.begun <- r // it has room for one, and read takes it at once
		case <-timer.C:
			return nil, errDeadline
		case <-ctx.Done():
		}
	}
	return c.read(ctx)
}

// receive reads one message into the connection's buffer, whether it is text or binary.
//
// The library's context is not used: with one that can end it allocates several times for each read.
// When the connection is cut in mid-message, the library may give what came of it as if that were all;
// Split then finds a truncated frame, and the next read fails.
func (c *Conn) receive() readResult {
	_, r, err := c.ws.Reader(context.Background())
	if err != nil {
		return readResult{err: err}
	}
	buf := c.buf[:0]
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if err == io.EOF {
			c.buf = buf
			c.alive.Store(true)
			return readResult{frame: buf}
		}
		if err != nil {
			return readResult{err: err}
		}
	}
}

// fail closes the connection for err and returns, now and from every later read, what it means.
func (c *Conn) fail(ctx context.Context, err error) error {
	c.err = c.explain(ctx, err)
	c.unwatch()
	c.abort()
	return c.err
}

// explain says why an operation of the library failed. Of an end by the feed it leaves out where the library was.
func (c *Conn) explain(ctx context.Context, err error) error {
	goodbye, said := errors.AsType[websocket.CloseError](err)
	switch {
	case c.dead.Load():
		return ErrSilent
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case c.closed.Load():
		return net.ErrClosed
	case goodbye.Code == websocket.StatusPolicyViolation:
		// The feed sends it for one thing only, with an empty reason, when another connection has the key.
		return fmt.Errorf("%w: %w", ErrMaxConnections, goodbye)
	case said:
		return fmt.Errorf("the feed closed the connection: %w", goodbye)
	case errors.Is(err, io.EOF):
		return fmt.Errorf("the feed closed the connection: %w", io.EOF)
	}
	return err
}
