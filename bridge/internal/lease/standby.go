package lease

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// standBy waits for the lease and returns it, or nil when ctx ended first. Its error is one that is Fatal.
func (c *contender) standBy(ctx context.Context) (*Lease, error) {
	watching, stop := context.WithCancel(ctx)
	defer stop()
	var changes <-chan jetstream.KeyValueEntry // of the key; only a hint to try now
	for {
		began := time.Now()
		l, err := c.take(ctx)
		held, isHeld := errors.AsType[*heldError](err)
		switch {
		case err == nil:
			c.report(Status{Role: RoleActive, Epoch: l.Epoch(), Holder: c.opt.Holder})
			return l, nil
		case ctx.Err() != nil:
			return nil, nil
		case !c.seen && c.opt.Fatal != nil && c.opt.Fatal(err):
			return nil, err
		case isHeld:
			c.report(Status{Role: RoleStandby, Holder: held.holder})
			if changes == nil {
				changes = c.bucket.watch(watching)
			}
		case !isConflict(err):
			c.report(Status{Role: RoleStandby, Holder: c.status.Holder, Err: err})
		}
		pause := time.NewTimer(c.retry - time.Since(began))
		select {
		case <-pause.C:
		case _, open := <-changes:
			if !open {
				changes = nil // its connection has ended
			}
		case <-ctx.Done():
		}
		pause.Stop()
	}
}

// take makes one attempt. Its error is a *heldError when another is active.
func (c *contender) take(ctx context.Context) (l *Lease, err error) {
	err = c.ask(ctx, func(b *bucket, ctx context.Context) error {
		sent := time.Now()
		epoch, err := b.take(ctx)
		if err == nil {
			l = newLease(ctx, epoch, b.ttl, sent)
		}
		return err
	})
	return l, err
}
