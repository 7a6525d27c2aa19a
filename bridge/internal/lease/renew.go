package lease

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// renewEvery is the time between two renewals. It is short because what remains of the TTL must outlast an election
// of the bucket's leader, and a renewal costs no more than any other message.
func renewEvery(ttl time.Duration) time.Duration { return ttl / 12 }

// renew keeps the lease until ctx ends or the lease is lost.
func (c *contender) renew(ctx context.Context, l *Lease) {
	revision := l.Epoch()
	wait := renewEvery(l.ttl)
	for {
		pause := time.NewTimer(wait)
		select {
		case <-pause.C:
		case <-l.Held().Done():
		case <-ctx.Done():
		}
		pause.Stop()
		if ctx.Err() != nil || !l.Valid() {
			return
		}

		sent := time.Now()
		err := c.ask(ctx, func(b *bucket, ctx context.Context) error {
			next, err := b.renew(ctx, revision)
			if err == nil {
				revision = next
			}
			return err
		})
		status := Status{Role: RoleActive, Epoch: l.Epoch(), Holder: c.opt.Holder, Err: err}
		switch {
		case err == nil:
			l.extend(sent)
			wait = renewEvery(l.ttl)
		case ctx.Err() != nil:
			return
		case errors.Is(err, errReleased), isHeld(err):
			l.lose(fmt.Errorf("%w: %w", ErrLost, err))
			return
		default:
			wait = c.retry - time.Since(sent)
		}
		c.report(status)
	}
}
