package lease

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// requestTimeout bounds one operation on the key.
const requestTimeout = 2 * time.Second

// ask carries out one operation on the key. After an error that is no answer it hangs up, so the next attempt is on
// a new connection, perhaps to another server. The end of ctx ends the dial only: what has been sent is waited for.
func (c *contender) ask(ctx context.Context, operation func(*bucket, context.Context) error) error {
	if c.bucket == nil {
		if err := c.dial(ctx); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
	defer cancel()
	err := operation(c.bucket, ctx)
	if !c.seen && c.bucket.stream != nil {
		c.seen = true
		c.compare(c.bucket.stream.CachedInfo().Config)
	}
	if err != nil && !isAnswer(err) {
		c.hangUp()
	}
	return err
}

func (c *contender) dial(ctx context.Context) error {
	conn, err := dial(ctx, c.opt)
	if err != nil {
		return err
	}
	js, err := jetstream.New(conn)
	if err != nil {
		conn.Close()
		return fmt.Errorf("jetstream: %w", err)
	}
	c.bucket = &bucket{opt: c.opt, claim: c.claim, conn: conn, js: js}
	return nil
}

func (c *contender) hangUp() {
	if c.bucket != nil {
		c.bucket.conn.Close()
		c.bucket = nil
	}
}

// compare warns of settings of the bucket that are not as configured. Those of the bucket count.
func (c *contender) compare(have jetstream.StreamConfig) {
	want := bucketConfig(c.opt)
	if have.MaxAge != want.MaxAge {
		c.log.Warn("the lease's bucket has another ttl than configured", "bucket", c.opt.Bucket, "ttl", have.MaxAge, "want", want.MaxAge)
	}
	if have.Replicas != want.Replicas {
		c.log.Warn("the lease's bucket has another number of replicas than configured", "bucket", c.opt.Bucket, "replicas", have.Replicas, "want", want.Replicas)
	}
}
