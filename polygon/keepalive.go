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

// Proven returns when the newest ping was sent that the feed has answered, the zero time if there is none. What the feed sent
// before that has been read, or is about to be: the connection keeps the order. When the pong was read proves nothing: it may
// have waited for as long as this process was stopped.
func (c *Conn) Proven() time.Time {
	if at := c.proven.Load(); at != 0 {
		return time.Unix(0, at)
	}
	return time.Time{}
}

// ping sends a ping and gives the pong until shortly before the next one.
func (c *Conn) ping() {
	ctx, cancel := context.WithTimeout(c.life, pingEvery/2)
	defer cancel()
	sent := time.Now()
	if c.ws.Ping(ctx) == nil {
		c.proven.Store(sent.UnixNano())
	}
}
