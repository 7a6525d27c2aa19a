package bridge

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// requestTimeout bounds one request to JetStream. A cluster without a leader does not answer at all.
	requestTimeout = 3 * time.Second
	// longestNATSWait is between two attempts to reach NATS: a server of one's own may be asked often.
	longestNATSWait = 5 * time.Second
)

// run keeps the publisher connected: dial, open the stream, reconcile, serve, and again. It returns
// nil when the queue is closed and drained, and an error when ctx ends before that or, at the start,
// when NATS or the stream is of no use as configured. Later the same refusal is waited out: an operator
// is in mid-change, and the queue holds.
func (p *publisher) run(ctx context.Context, ready *readiness) error {
	p.queue.Hold(true)
	for failures := 0; ; failures++ {
		began := time.Now()
		err := p.connection(ctx, ready)
		ready.nats(false)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !p.connected && ExitCode(err) == 2:
			return err
		}
		if time.Since(began) > longestNATSWait { // it lived for longer than any wait, so what ended it is new
			failures = 0
		}
		if p.server != nil && p.server.Failed() {
			revived, err := p.server.Revive()
			if err != nil {
				return err
			}
			p.log.Warn("embedded nats stores nothing", "revived", revived)
		}
		wait := backoff(failures, longestNATSWait)
		records, _, _ := p.queue.Depth()
		p.log.Warn("nats unavailable, events wait in the queue", "err", err, "wait", wait.Round(time.Millisecond), "records", records)
		if !sleep(ctx, wait) {
			return context.Cause(ctx)
		}
	}
}

// connection is the life of one NATS connection.
func (p *publisher) connection(ctx context.Context, ready *readiness) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c, err := dialLink(ctx, p.cfg.NATS, p.cfg.Stream, p.valid, p.limited.complain)
	if err != nil {
		return err
	}
	defer c.close()

	stream, err := openStream(ctx, c.js, p.cfg, p.log)
	if err != nil {
		return err
	}
	if err := streamAdvice(stream.CachedInfo().Config, p.cfg); err != nil && p.only == nil { // a backfill by hand leaves it to the bridge
		p.limited.Warn("stream", "stream is not as set or promised", "err", err)
	}
	p.out.maxBytes = int(c.conn.MaxPayload())
	if limit := stream.CachedInfo().Config.MaxMsgSize; limit > 0 {
		p.out.maxBytes = min(p.out.maxBytes, int(limit))
	}
	if err := awaitRest(ctx, c, stream, p.market); err != nil {
		return err
	}
	if err := c.openWindow(ctx, stream); err != nil {
		return err
	}
	if err := p.reconcile(ctx, stream); err != nil {
		return fmt.Errorf("reconcile: %w", err)
	}
	p.queue.Hold(false)
	defer p.queue.Hold(true)
	p.metrics.natsConnections.Inc()
	p.log.Info("nats connected", "url", c.conn.ConnectedUrlRedacted(), "stream", p.cfg.Stream, "sequence", p.known.acked)
	ready.nats(true)

	err = p.serve(ctx, c, stream)
	if errors.Is(err, errStalled) {
		return fmt.Errorf("stream %s: %w", p.cfg.Stream, err)
	}
	return err
}
