package bridge

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"bridge/bridge/internal/natsd"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
)

// Options of Run.
type Options struct {
	Logger     *slog.Logger          // nil: slog.Default()
	Registerer prometheus.Registerer // nil: a registry of its own
}

// errDrainTimeout ends a publisher that could not empty the queue in BRIDGE_DRAIN_TIMEOUT.
var errDrainTimeout = errors.New("drain timeout")

// Run runs the bridge until ctx is cancelled, then stops in order: the feed ends, the queue
// closes, what is in it is published within the drain timeout, NATS and HTTP close. It returns nil when it was
// asked to stop, and otherwise an error for ExitCode.
func Run(ctx context.Context, cfg Config, opt Options) error {
	log := opt.Logger
	if log == nil {
		log = slog.Default()
	}
	log = log.With("market", string(cfg.Market))

	if cfg.NATS.URL == "" {
		server, err := natsd.Start(natsd.Options{Addr: cfg.NATSAddr, StoreDir: cfg.DataDir, Logger: log})
		if err != nil {
			return &ConfigError{err}
		}
		defer server.Close()
		cfg.NATS.URL = server.ClientURL()
		log.Info("embedded nats started", "url", cfg.NATS.URL, "dir", cfg.DataDir)
	}

	m := newMetrics(opt.Registerer, cfg.Market)
	q, err := openQueue(cfg, m, log)
	if err != nil {
		return err
	}
	defer releaseQueue(q, log)
	m.watchQueue(q)
	ready := &readiness{}
	web, err := startHTTP(cfg.HTTPAddr, ready, m, log)
	if err != nil {
		return &ConfigError{err}
	}
	defer web.close()

	f := &feed{cfg: cfg, queue: q, metrics: m, log: log, limited: newLimiter(log), ready: ready}
	p := newPublisher(cfg.Market, q, m, log)
	log.Info("bridge started", "url", cfg.FeedURL, "channel", strings.Join(cfg.Subscribe, ","), "stream", cfg.Stream)
	if strings.Contains(cfg.FeedURL, "//delayed.") {
		log.Info("feed is 15 minutes delayed, as every plan may use it; for real time set POLYGON_URL to url", "url", "wss://socket.massive.com/"+string(cfg.Market))
	}

	var g errgroup.Group
	feeding, stopFeed := context.WithCancel(ctx)
	publishing, giveUp := context.WithCancelCause(context.WithoutCancel(ctx))
	defer giveUp(nil)
	g.Go(func() error {
		err := f.run(feeding)
		q.Close()
		records, _, _ := q.Depth()
		log.Info("stopping, the queue drains", "n", records, "wait", cfg.DrainTimeout)
		time.AfterFunc(cfg.DrainTimeout, func() { giveUp(errDrainTimeout) })
		return err
	})
	g.Go(func() error {
		defer stopFeed()
		return p.run(publishing, cfg, ready)
	})
	err = g.Wait()
	switch records, bytes, _ := q.Depth(); {
	case records == 0:
		log.Info("bridge stopped", "seq", p.acked)
	case cfg.DataDir != "":
		log.Warn("stopped with frames that are not in the stream; they are on disk, for the next start", "n", records, "bytes", bytes, "err", err)
	default:
		log.Error("stopped with frames that are not in the stream", "n", records, "bytes", bytes, "err", err)
	}
	if errors.Is(err, errDrainTimeout) {
		return nil
	}
	return err
}

// releaseQueue gives the queue's directory back.
func releaseQueue(q queue, log *slog.Logger) {
	if err := q.Release(); err != nil {
		log.Error("queue not written to its end", "err", err)
	}
}
