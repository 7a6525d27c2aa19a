package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"bridge/polygon"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"
)

// BackfillOptions of Backfill.
type BackfillOptions struct {
	From, To time.Time // windows that begin and end between them are filled
	Symbols  []string  // none: all that the stream has
	Channel  string    // of bars, such as AM; "": the one of second bars
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

	Trouble error // for which it is waiting to try again; nil while all is well
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

// Backfill asks REST for the bars of a time and stores those that the stream does not have. It may be broken off and run again, and works
// beside a running bridge, whatever that fills. Without NATS_URL it looks for that bridge's own server.
//
// It waits for NATS and REST where they had answered once, for REST a minute at most. A wrong setting, and a stream that is not
// there, is a *ConfigError; a refused key is polygon.ErrAuth.
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
	if err := streamIsThere(ctx, cfg, log); err != nil { // the publisher would wait for NATS, and make the stream
		return BackfillResult{}, err
	}
	m := newMetrics(nil, cfg.Market)
	fills := newFillQueue()
	f, err := newFiller(cfg, fills, m, log)
	if err != nil {
		return BackfillResult{}, &ConfigError{err}
	}
	f.progress = opt.Progress
	q := newMemory(cfg.QueueMaxBytes) // stays empty: no feed is there
	p := newPublisher(cfg, q, fills, m, log)
	wanted := newGap(cfg, reasonByHand, opt.From, opt.To)
	p.only = &wanted

	publishing, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var filled gap
	g, filling := errgroup.WithContext(publishing)
	g.Go(func() error {
		err := p.run(publishing, &readiness{})
		if errors.Is(err, errDrained) {
			return nil
		}
		return err
	})
	g.Go(func() (err error) {
		if filled, err = f.fillOne(filling); err == nil {
			stop(errDrained) // whether NATS is there or not
		}
		return err
	})
	if err := g.Wait(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return BackfillResult{}, err
	}
	return resultOf(filled)
}

// streamIsThere returns an error unless NATS answers and has the stream. Where it does not, more likely NATS_URL or
// BRIDGE_STREAM is wrong than bars are wanted of a time before any bridge.
func streamIsThere(ctx context.Context, cfg Config, log *slog.Logger) error {
	js, err := dialJetStream(ctx, cfg.NATS, newLimiter(log).complain)
	if err != nil {
		return err
	}
	defer js.Conn().Close()
	_, err = js.Stream(ctx, cfg.Stream)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return &ConfigError{fmt.Errorf("there is no stream %s: check %s and BRIDGE_STREAM; a bridge makes the stream when it first runs", cfg.Stream, cfg.NATS.place())}
	case errors.Is(err, nats.ErrNoResponders):
		return fmt.Errorf("nobody answers for JetStream at %s: was the server started with it (nats-server -js)?", js.Conn().ConnectedUrlRedacted())
	case err != nil:
		return explainStream(fmt.Errorf("open stream %s: %w", cfg.Stream, err))
	}
	return nil
}

// resultOf returns what became of the time that was to be filled.
func resultOf(filled gap) (BackfillResult, error) {
	o := filled.Outcome
	result := BackfillResult{
		BackfillProgress: BackfillProgress{Tickers: o.Asked, Asked: o.Asked, Failed: o.Failed, Bars: o.Found, Present: o.Present},
		Published:        o.Published,
	}
	switch {
	case filled.State == gapFilled:
		return result, nil
	case errors.Is(o.refusal, polygon.ErrAuth):
		return result, explainAuth(o.refusal)
	}
	return result, fmt.Errorf("%w: %s", errNotWhole, o.Why)
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

// barChannels are the channels of a market that have bars.
func barChannels(m polygon.Market) (names []string) {
	for _, c := range m.Channels() {
		if c.Kind.Aggregate() {
			names = append(names, c.Type)
		}
	}
	return names
}

// backfillConfig returns the configuration for a backfill.
func backfillConfig(cfg Config, opt BackfillOptions) (Config, error) {
	cfg.Backfill = true
	if opt.Channel == "" {
		opt.Channel, _, _ = strings.Cut(secondBars(cfg.Market), ".")
	}
	latest := time.Now().Add(-settledAfter - feedDelay(cfg)).UTC().Truncate(time.Second)
	c := cfg.Market.Channel(opt.Channel)
	switch {
	case !opt.From.Before(opt.To):
		return cfg, fmt.Errorf("nothing is to be filled from %s to %s: the time ends before it begins", opt.From.Format(time.RFC3339), opt.To.Format(time.RFC3339))
	case opt.To.After(latest):
		return cfg, fmt.Errorf("the time may end at %s now: what is newer is left to the running bridge, since the feed still corrects it", latest.Format(time.RFC3339))
	case c == nil || !c.Kind.Aggregate():
		return cfg, fmt.Errorf("%q is no channel of bars of %s: want %s", opt.Channel, cfg.Market, strings.Join(barChannels(cfg.Market), " or "))
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
		cfg.NATS.URL, cfg.NATS.embedded = "nats://"+net.JoinHostPort(reachable(host), port), true
	}
	return cfg, nil
}
