package bridge

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"bridge/bridge/internal/lease"
	"bridge/bridge/internal/natsd"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
)

// Options of Run.
type Options struct {
	Logger     *slog.Logger          // nil: slog.Default()
	Registerer prometheus.Registerer // nil: a registry of its own
}

// What ends a publisher when the bridge stops.
var (
	errDrainTimeout = errors.New("drain timeout") // it could not empty the queue in BRIDGE_DRAIN_TIMEOUT
	errDrained      = errors.New("queue drained") // there was nothing in the queue
)

// Run runs the bridge until ctx is cancelled, then stops in order: the feed ends, the queue
// closes, what is in it is published within the drain timeout, NATS and HTTP close. It returns nil when it was
// asked to stop, and otherwise an error for ExitCode.
func Run(ctx context.Context, cfg Config, opt Options) error {
	log := opt.Logger
	if log == nil {
		log = slog.Default()
	}
	log = log.With("market", string(cfg.Market))

	m := newMetrics(opt.Registerer, cfg.Market)
	ready := &readiness{}
	web, err := startHTTP(cfg.HTTPAddr, ready, m, log) // first, since a port that is taken is found out at once
	if err != nil {
		return &ConfigError{err}
	}
	defer web.close()

	var server *natsd.Server
	if cfg.NATS.URL == "" {
		server, err = natsd.Start(natsd.Options{Addr: cfg.NATSAddr, StoreDir: cfg.DataDir, Logger: log})
		if err != nil {
			return &ConfigError{err}
		}
		defer server.Close()
		cfg.NATS.URL, cfg.NATS.embedded = server.ClientURL(), true
		log.Info("embedded nats started", "url", cfg.NATS.URL, "dir", cfg.DataDir)
	}

	q, err := openQueue(cfg, m, log)
	if err != nil {
		return err
	}
	defer releaseQueue(q, log)
	m.watchQueue(q)
	ready.watch(q, m)

	fills := newFillQueue()
	m.watchBackfill(fills)
	filler, err := newFiller(cfg, fills, m, log)
	if err != nil {
		return &ConfigError{err}
	}
	d := &daemon{
		cfg:       cfg,
		queue:     q,
		feed:      &feed{cfg: cfg, queue: q, metrics: m, log: log, limited: newLimiter(log), ready: ready},
		publisher: newPublisher(cfg, q, fills, m, log),
		filler:    filler,
		metrics:   m,
		ready:     ready,
		log:       log,
	}
	d.publisher.server = server
	d.sayStart()
	if cfg.Standby {
		err = d.takeTurns(ctx)
	} else {
		m.active.Set(1)
		err = d.work(ctx, context.WithoutCancel(ctx))
	}
	d.sayEnd(err)
	if errors.Is(err, errDrainTimeout) || ctx.Err() != nil && errors.Is(err, lease.ErrLost) {
		return nil
	}
	return err
}

// daemon is what works on one queue: the feed at its one end, the publisher at the other.
type daemon struct {
	cfg       Config
	queue     queue
	feed      *feed
	publisher *publisher
	filler    *filler
	metrics   *metrics
	ready     *readiness
	log       *slog.Logger
}

// sayStart logs what the settings come to, and what of them is perhaps not meant.
func (d *daemon) sayStart() {
	d.log.Info("bridge started", "url", d.cfg.FeedURL, "channel", strings.Join(d.cfg.Subscribe, ","), "stream", d.cfg.Stream)
	if feedDelay(d.cfg) > 0 {
		d.log.Info("feed is 15 minutes delayed, as every plan may use it; with a real-time plan set POLYGON_URL=wss://socket.massive.com/" + string(d.cfg.Market))
	}
	if odd := lowerCase(d.cfg.Subscribe); len(odd) > 0 {
		d.log.Warn("tickers in lower case: the vendor has none such, and the feed confirms what it never sends", "channel", strings.Join(odd, ","))
	}
}

// sayEnd logs what is left in the queue.
func (d *daemon) sayEnd(err error) {
	switch records, bytes, _ := d.queue.Depth(); {
	case records == 0, d.feed.total == 0 && d.cfg.DataDir == "": // a gap that is recorded again at the next start
		d.log.Info("bridge stopped", "sequence", d.publisher.known.acked)
	case d.cfg.DataDir != "":
		d.log.Warn("stopped with frames that are not in the stream; they are on disk, for the next start", "records", records, "bytes", bytes, "err", err)
	default:
		d.log.Error("stopped, and frames are lost: they were in memory, and not in the stream yet", "records", records, "bytes", bytes, "err", err)
	}
}

// work feeds and publishes until ctx ends, and then publishes what is queued. The end of held, which ends ctx too, ends it at
// once and with the cause; the queue stays open then, for the next time.
func (d *daemon) work(ctx, held context.Context) error {
	feeding, stopFeed := context.WithCancel(ctx)
	publishing, giveUp := context.WithCancelCause(context.WithoutCancel(ctx))
	defer giveUp(nil)
	defer context.AfterFunc(held, func() { giveUp(context.Cause(held)) })()
	var g errgroup.Group
	g.Go(func() error {
		err := d.feed.run(feeding)
		if held.Err() != nil {
			return context.Cause(held)
		}
		d.queue.Close()
		records, _, _ := d.queue.Depth()
		d.log.Info("stopping, the queue drains; a second signal ends at once", "records", records, "wait", d.cfg.DrainTimeout)
		if d.queue.Drained() || d.feed.total == 0 && !d.ready.natsUp.Load() { // then there is nothing to wait for NATS for
			giveUp(errDrained)
		}
		time.AfterFunc(d.cfg.DrainTimeout, func() { giveUp(errDrainTimeout) })
		return err
	})
	g.Go(func() error {
		d.filler.run(feeding)
		return nil
	})
	if !d.cfg.Standby {
		g.Go(func() error {
			d.warnOfHolder(feeding)
			return nil
		})
	}
	g.Go(func() error {
		defer stopFeed()
		if err := d.publisher.run(publishing, d.ready); !errors.Is(err, errDrained) {
			return err
		}
		return nil
	})
	return g.Wait()
}

// lowerCase returns the parameters whose ticker has lower-case letters only, which a mixed one such as BCpC has not.
func lowerCase(params []string) (odd []string) {
	for _, param := range params {
		_, ticker, _ := strings.Cut(param, ".")
		if ticker == strings.ToLower(ticker) && ticker != strings.ToUpper(ticker) {
			odd = append(odd, param)
		}
	}
	return odd
}

// releaseQueue gives the queue's directory back.
func releaseQueue(q queue, log *slog.Logger) {
	if err := q.Release(); err != nil {
		log.Error("queue not written to its end", "err", err)
	}
}
