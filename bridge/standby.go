package bridge

import (
	"context"
	"errors"
	"fmt"
	"os"

	"bridge/bridge/internal/lease"

	"github.com/nats-io/nats.go"
)

// leaseBucket is the key-value bucket with a key for each stream that has bridges in turns.
const leaseBucket = "bridge_lease"

// takeTurns works while this process holds the stream's lease, and stands by while another does. Two that dial with one
// key would end each other's sessions, and two that publish would mix their orders.
func (d *daemon) takeTurns(ctx context.Context) error {
	d.ready.standby(true)
	d.metrics.active.Set(0)
	complain := newLimiter(d.log).complain
	err := lease.Hold(ctx, lease.Options{
		Dial:     func(extra ...nats.Option) (*nats.Conn, error) { return dialNATS(d.cfg.NATS, complain, extra...) },
		Bucket:   leaseBucket,
		Key:      d.cfg.Stream,
		Holder:   holder(),
		Replicas: d.cfg.StreamReplicas,
		Logger:   d.log,
		Notify: func(s lease.Status) {
			d.ready.lease(s.Err == nil)
			if s.Role == lease.RoleStandby && s.Err == nil { // then another one has it
				d.feed.took = true
			}
		},
		Explain: explainStream,
		Fatal:   isBadBucket,
	}, d.takeTurn)
	if isBadBucket(err) && ExitCode(err) != 2 {
		return &ConfigError{fmt.Errorf("BRIDGE_STANDBY: %w", err)}
	}
	return err
}

// takeTurn is the time in which this process is the active one.
func (d *daemon) takeTurn(ctx context.Context, l *lease.Lease) error {
	d.ready.standby(false)
	d.metrics.active.Set(1)
	defer func() {
		d.ready.standby(true)
		d.metrics.active.Set(0)
	}()
	d.feed.valid = l.Valid
	d.publisher.begin(l.Valid)
	err := d.work(ctx, l.Held())
	d.feed.took = false
	return err
}

// warnOfHolder warns a bridge on its own of others that take turns: it does not ask for their lease, and dials as well. Nothing is
// said where the lease cannot be seen, as for lack of permissions.
func (d *daemon) warnOfHolder(ctx context.Context) {
	ignore := func(error) {}
	js, err := dialJetStream(ctx, d.cfg.NATS, ignore)
	for failures := 0; err != nil; failures++ {
		if !sleep(ctx, backoff(failures, longestNATSWait)) {
			return
		}
		js, err = dialJetStream(ctx, d.cfg.NATS, ignore)
	}
	defer js.Conn().Close()
	if holder := lease.HolderOf(ctx, js, leaseBucket, d.cfg.Stream); holder != "" {
		d.log.Warn("another bridge has the lease of this stream, or was killed a moment ago; with one key each ends the other's session: set BRIDGE_STANDBY=true for this one, too, or stop the other", "holder", holder)
	}
}

// isBadBucket reports whether it takes another setting, or an operator, before there can be a lease.
func isBadBucket(err error) bool {
	var bucket *lease.BucketError
	return ExitCode(err) == 2 || errors.As(err, &bucket)
}

// holder names this process for people.
func holder() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	return fmt.Sprintf("%s, process %d", host, os.Getpid())
}
