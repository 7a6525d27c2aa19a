package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// BackfillOptions of Backfill.
type BackfillOptions struct {
	From, To time.Time // windows that begin and end between them are filled
	Symbols  []string  // none: all that the stream has
	Channel  string    // of bars, such as A
	Logger   *slog.Logger
	Progress func(BackfillProgress) // called often, by one goroutine; nil: nobody wants to know
}

// BackfillProgress is how far a backfill is.
type BackfillProgress struct {
	Tickers int // to be asked for
	Asked   int // of those, the ones that are done
	Failed  int // of those, the ones without an answer
	Bars    int // that REST has
	Present int // of those, the ones that were in the stream
}

// BackfillResult is what a backfill did.
type BackfillResult struct {
	BackfillProgress
	Published int // bars that are new in the stream
}

// settledAfter is how long after a time the feed may still correct its bars, and a running bridge fill a gap of it.
const settledAfter = 20 * time.Minute

// errNotWhole is returned by Backfill when something could not be filled.
var errNotWhole = errors.New("not all could be filled")

// Backfill asks REST for the bars of a time and stores those that the stream does not have. As it looks into the stream first, it
// may be broken off and run again. It works beside a running bridge. Without NATS_URL it looks for that bridge's own server.
func Backfill(ctx context.Context, cfg Config, opt BackfillOptions) (BackfillResult, error) {
	cfg, err := backfillConfig(cfg, opt)
	if err != nil {
		return BackfillResult{}, &ConfigError{err}
	}
	log := opt.Logger
	if log == nil {
		log = slog.Default()
	}
	log = log.With("market", string(cfg.Market))
	if conn, err := dialNATS(cfg.NATS); err != nil { // the publisher would wait for it
		return BackfillResult{}, err
	} else {
		conn.Close()
	}
	m := newMetrics(nil, cfg.Market)
	b := newFillQueue()
	f, err := newFiller(cfg, b, m, log)
	if err != nil {
		return BackfillResult{}, &ConfigError{err}
	}
	f.progress = opt.Progress
	q := newMemory(cfg.QueueMaxBytes) // stays empty: no feed is there
	p := newPublisher(cfg, q, b, m, log)
	wanted := newGap(cfg, reasonByHand, opt.From, opt.To)
	wanted.Delay = 0
	p.only = &wanted

	publishing, stop := context.WithCancel(ctx)
	defer stop()
	var filled gap
	g, filling := errgroup.WithContext(publishing)
	g.Go(func() error { return p.run(publishing, cfg, &readiness{}) })
	g.Go(func() error {
		defer q.Close()
		var err error
		filled, err = f.fillOne(filling)
		return err
	})
	if err := g.Wait(); err != nil {
		return BackfillResult{}, err
	}
	o := filled.Outcome
	result := BackfillResult{BackfillProgress{o.Asked, o.Asked, o.Failed, o.Found, o.Present}, o.Published}
	if filled.State != gapFilled {
		return result, fmt.Errorf("%w: %s", errNotWhole, o.Why)
	}
	return result, nil
}

// fillOne fills the one gap that the publisher hands over, however often that begins anew.
func (f *filler) fillOne(ctx context.Context) (gap, error) {
	for {
		t, ok := f.fills.next(ctx)
		if !ok {
			return gap{}, context.Cause(ctx)
		}
		if g, err := f.fill(t); err == nil && f.fills.done(t) {
			return g, nil
		}
	}
}

// backfillConfig returns the configuration for a backfill.
func backfillConfig(cfg Config, opt BackfillOptions) (Config, error) {
	cfg.Backfill = true
	recent := settledAfter + feedDelay(cfg)
	c := cfg.Market.Channel(opt.Channel)
	switch {
	case !opt.From.Before(opt.To):
		return cfg, errors.New("nothing is to be filled: the time ends before it begins")
	case time.Since(opt.To) < recent:
		return cfg, fmt.Errorf("the last %s are left to the running bridge: the feed still corrects them", recent)
	case c == nil || !c.Kind.Aggregate():
		return cfg, fmt.Errorf("%q is no channel of bars of %s", opt.Channel, cfg.Market)
	}
	symbols := opt.Symbols
	if len(symbols) == 0 {
		symbols = []string{"*"}
	}
	params := make([]string, len(symbols))
	for i, symbol := range symbols {
		params[i] = opt.Channel + "." + symbol
	}
	var err error
	if cfg.Subscribe, err = cfg.Market.ParseSubscription(strings.Join(params, ",")); err != nil {
		return cfg, err
	}
	if cfg.NATS.URL == "" {
		host, port, err := net.SplitHostPort(cfg.NATSAddr)
		if err != nil {
			return cfg, err
		}
		if host == "" || net.ParseIP(host).IsUnspecified() {
			host = "127.0.0.1"
		}
		cfg.NATS.URL = "nats://" + net.JoinHostPort(host, port)
	}
	return cfg, nil
}
