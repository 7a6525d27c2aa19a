package bridge

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"bridge/polygon"
)

const (
	// settleFor is how long after a gap nothing is asked: the feed is still sending bars of windows that end with it.
	settleFor = 8 * time.Second
	// tryFor is the age of a gap at which it is given up, when nobody answers any more.
	tryFor = 24 * time.Hour
	// tryLeast is how long somebody has to answer all the same.
	tryLeast = time.Hour
	// tryByHand is the same where somebody waits for the end.
	tryByHand = time.Minute
)

// errNoAnswer ends the work on a gap.
var errNoAnswer = errors.New("no answer")

// filler has the gaps filled, one after the other. It asks REST for the bars and gives the publisher those that the stream
// does not have. It waits for everything and everybody; nothing waits for it.
type filler struct {
	cfg      Config
	fills    *fillQueue
	rest     *polygon.REST
	metrics  *metrics
	log      *slog.Logger
	limited  *limiter
	progress func(BackfillProgress) // called whenever there is some; nil: nobody wants to know

	said       map[string]bool // refusals that were logged
	noSnapshot bool            // the plan has none
}

func newFiller(cfg Config, fills *fillQueue, m *metrics, log *slog.Logger) (*filler, error) {
	f := &filler{cfg: cfg, fills: fills, metrics: m, log: log, limited: newLimiter(log), said: make(map[string]bool)}
	if !cfg.Backfill {
		return f, nil
	}
	var err error
	f.rest, err = newREST(cfg)
	return f, err
}

func newREST(cfg Config) (*polygon.REST, error) {
	return polygon.NewREST(cfg.RESTURL, polygon.RESTOptions{Key: cfg.APIKey.Reveal()})
}

// run fills gaps until ctx ends.
func (f *filler) run(ctx context.Context) {
	for {
		t, ok := f.fills.next(ctx)
		if !ok {
			return
		}
		_ = f.close(t) // what ends a task before its time is said elsewhere, and the gap comes again
	}
}

// close fills one gap and has its outcome recorded.
func (f *filler) close(t task) error {
	g, err := f.fill(t)
	if err != nil {
		return err
	}
	if g.Outcome.refusal != nil {
		f.sayOnce(g.Outcome.refusal)
	}
	if err := t.put(&batch{outcome: &g}); err != nil {
		return err
	}
	if !f.fills.done(t) {
		return nil
	}
	f.metrics.gapClosed(g)
	o, log, level := g.Outcome, f.log, slog.LevelInfo
	if g.State != gapFilled {
		log, level = log.With("why", o.Why), slog.LevelWarn
	}
	log.Log(t.ctx, level, "gap "+string(g.State), "from", g.From, "to", g.To, "published", o.Published, "found", o.Found, "asked", o.Asked, "failed", o.Failed)
	return nil
}

// fill returns the gap with its outcome, or the cause of the task's end.
func (f *filler) fill(t task) (gap, error) {
	if f.rest == nil {
		return t.gap.closed(gapUnfilled, outcome{Why: "BRIDGE_BACKFILL is false"}), nil
	}
	w := newWork(f.cfg, t.gap)
	if err := f.do(t.ctx, t, w); err != nil {
		if t.ctx.Err() != nil {
			return gap{}, context.Cause(t.ctx)
		}
		w.lack(refusalOf(err).Error())
		if errors.Is(err, polygon.ErrAuth) {
			w.refusal = err
		}
	}
	return t.gap.closed(w.outcome()), nil
}

// do works on one gap until there is nothing left to ask.
func (f *filler) do(ctx context.Context, t task, w *work) error {
	if len(w.channels) == 0 {
		return nil
	}
	if !sleep(ctx, time.Until(t.gap.To.Add(settleFor))) {
		return context.Cause(ctx)
	}
	f.tell(w)
	f.log.Info("filling gap", "reason", t.gap.Reason, "from", t.gap.From, "to", t.gap.To)
	if err := f.survey(ctx, w); err != nil {
		return err
	}
	if err := f.probe(ctx, w); err != nil {
		return err
	}
	f.aim(ctx, w)
	return f.askAll(ctx, t, w)
}

// tell tells how far the work is.
func (f *filler) tell(w *work) {
	if f.progress != nil {
		f.progress(w.progress())
	}
}

// sayOnce logs a refusal that is the same for every gap of this process.
func (f *filler) sayOnce(err error) {
	if said := refusalOf(err).Error(); !f.said[said] {
		f.said[said] = true
		f.log.Error("gaps cannot be filled: see what the plan of POLYGON_API_KEY has of REST, or set BRIDGE_BACKFILL=false", "err", err)
	}
}
