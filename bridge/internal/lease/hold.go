package lease

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"
)

// DefaultTTL outlasts the election of a new leader of the bucket, which takes a NATS cluster up to 9 s.
const DefaultTTL = 15 * time.Second

// Options of Hold.
type Options struct {
	// Dial connects to NATS with the given options added. It is called again after every error, so it should
	// know every server of a cluster.
	Dial func(...nats.Option) (*nats.Conn, error)

	Bucket   string        // made when absent
	Key      string        // what the lease is for: of those with one key, one is active
	Holder   string        // a name for people, such as the host's
	TTL      time.Duration // of a bucket that is made; 0: DefaultTTL. The TTL of one that exists counts as it is
	Replicas int           // of a bucket that is made; 0: 1

	Logger  *slog.Logger      // nil: slog.Default()
	Notify  func(Status)      // told of every change, by one goroutine at a time; nil: nobody
	Explain func(error) error // adds what to do to the error of a bucket that cannot be opened; nil: nothing
	Fatal   func(error) bool  // whether trying again cannot help; asked until the bucket was first seen. nil: it always can
}

// Hold stands by until the lease is free, takes it and calls active, and so on until ctx ends or active returns
// without having lost the lease. At most one active function runs among all processes that share the bucket and the key.
//
// The context of active ends with the cause ErrLost when the lease is lost or about to be, and active must then return
// without delay; Hold logs its error and stands by again. It ends with ctx, too, but then there is time to
// finish: the lease is renewed until active has returned, and then released, so that another takes
// over at once. Hold returns the error of active, nil when ctx ended in standby, and an error that is Fatal.
func Hold(ctx context.Context, opt Options, active func(context.Context, *Lease) error) error {
	c := newContender(opt)
	defer c.hangUp()
	for {
		l, err := c.standBy(ctx)
		if err != nil || l == nil {
			return err
		}
		err = c.serve(ctx, l, active)
		if l.Valid() {
			l.end()
			c.release(l)
			return err
		}
		c.log.Warn("stepped down", "epoch", l.Epoch(), "err", context.Cause(l.Held()))
		if ctx.Err() != nil {
			return err
		}
		if err != nil && !errors.Is(err, ErrLost) {
			c.log.Warn("active function ended", "epoch", l.Epoch(), "err", err)
		}
	}
}

// contender is one call of Hold. Its fields belong to the goroutine of Hold, and to renew while active runs.
type contender struct {
	opt    Options
	log    *slog.Logger
	claim  claim
	retry  time.Duration // from one attempt to the next, by one who waits or has had an error
	bucket *bucket       // nil: not connected
	seen   bool          // the bucket was seen once
	status Status
}

func newContender(opt Options) *contender {
	if opt.TTL == 0 {
		opt.TTL = DefaultTTL
	}
	if opt.Logger == nil {
		opt.Logger = slog.Default()
	}
	if opt.Explain == nil {
		opt.Explain = func(err error) error { return err }
	}
	return &contender{
		opt:   opt,
		log:   opt.Logger,
		claim: claim{Holder: opt.Holder, ID: nuid.Next()},
		retry: time.Second,
	}
}

// serve runs active and renews the lease until it returns.
func (c *contender) serve(ctx context.Context, l *Lease, active func(context.Context, *Lease) error) error {
	running, cancel := context.WithCancelCause(l.Held())
	defer cancel(nil)
	defer context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })()

	renewing, stop := context.WithCancel(context.WithoutCancel(ctx))
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		c.renew(renewing, l)
	}()
	err := active(running, l)
	stop()
	<-stopped
	return err
}

// release removes the key of a lease that is over, so that another can take over at once.
func (c *contender) release(l *Lease) {
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	defer cancel()
	if err := c.ask(ctx, (*bucket).release); err != nil {
		c.log.Warn("lease not released, it ends by itself", "epoch", l.Epoch(), "err", err)
		return
	}
	c.log.Info("lease released", "epoch", l.Epoch())
}
