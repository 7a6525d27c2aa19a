package polygon

import (
	"context"
	"time"
)

const (
	pingEvery   = 20 * time.Second
	silentPings = 3 // so many pings without any sign of life since the first, and the feed is dead
)

// keepalive pings every 20 seconds and, when nothing whatever has arrived for 60 to 80, ends the
// connection, which makes Read return ErrSilent. A half-open connection shows in no other way.
//
// Any frame is life, and a pong is not demanded while others come: the feed has been seen to leave pongs
// out for as long as it has data to send. It counts pings rather than time, so that a process that was
// stopped for a while does not take its own absence for the feed's, and does not count while no read is pending.
func (c *Conn) keepalive() {
	defer close(c.stopped)
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for silent := 0; ; silent++ {
		select {
		case <-tick.C:
		case <-c.life.Done():
			return
		}
		if c.alive.Swap(false) || !c.reading.Load() {
			silent = 0
		}
		if silent == silentPings {
			c.dead.Store(true)
			c.ws.CloseNow()
			return
		}
		c.ping()
	}
}

// LastPong returns when the feed last answered a ping, the zero time if it never did. What it sent before that has been read,
// or is about to be: the connection keeps the order.
func (c *Conn) LastPong() time.Time {
	if at := c.ponged.Load(); at != 0 {
		return time.Unix(0, at)
	}
	return time.Time{}
}

// ping sends a ping and gives the pong, which is noted where it arrives, until shortly before the next one.
func (c *Conn) ping() {
	ctx, cancel := context.WithTimeout(c.life, pingEvery/2)
	defer cancel()
	c.ws.Ping(ctx)
}
