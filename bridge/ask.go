package bridge

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"time"

	"bridge/polygon"

	"golang.org/x/sync/errgroup"
)

const (
	// askers is how many requests are under way at once. The client keeps the vendor's rate, so this only has to cover
	// the time that an answer takes.
	askers = 8
	// longestAskWait is between two attempts to ask for a ticker.
	longestAskWait = 30 * time.Second
	// askAttempts is how often a ticker may have no answer right after another had one.
	askAttempts = 5
	// batchBars is how many bars of one ticker go to the publisher at once.
	batchBars = 32
	// progressEvery is how often a long backfill says how far it is.
	progressEvery = 10 * time.Second
)

// askAll asks for every ticker, some at a time, and gives the publisher what the stream does not have.
func (f *filler) askAll(ctx context.Context, t task, w *work) error {
	w.total.Store(int64(len(w.requests)))
	requests := make(chan request)
	s := &storing{filler: f, task: t, work: w}
	defer func() { s.close(s.stream) }()
	group, asking := errgroup.WithContext(ctx)
	for range askers {
		group.Go(func() error {
			for r := range requests {
				if err := f.ask(asking, w, r, s.store); err != nil {
					return err
				}
			}
			return nil
		})
	}
	group.Go(func() error {
		defer close(requests)
		for _, r := range w.requests {
			select {
			case requests <- r:
			case <-asking.Done():
				return context.Cause(asking)
			}
		}
		return nil
	})
	group.Go(func() error { return f.follow(asking, w) })
	return group.Wait()
}

// follow tells from time to time how far the work is, until every ticker has been asked for.
func (f *filler) follow(ctx context.Context, w *work) error {
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	defer f.fills.left.Store(0)
	for {
		left := w.total.Load() - w.asked.Load()
		f.fills.left.Store(left)
		f.tell(w)
		if left == 0 {
			return nil
		}
		select {
		case <-w.changed:
		case <-tick.C:
			f.log.Info("filling gap", "asked", w.asked.Load(), "of", w.total.Load(), "found", w.found.Load(), "published", w.sent.Load())
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// barStorer has bars of a ticker stored.
type barStorer func(context.Context, *ticker, []polygon.RESTBar) error

// ask asks for one ticker until there is an answer and that is stored, or none can be hoped for. It returns an error only when
// there is no sense in asking for another.
func (f *filler) ask(ctx context.Context, w *work, r request, store barStorer) error {
	k := f.newTicker(w, r)
	first, last := w.windows.starts(r.channel.Kind.Window())
	alone := 0 // attempts that failed for this ticker only: an outage is none of its fault, however long it lasts
	for attempt := 1; ; attempt++ {
		answering := attempt > 1 && f.answering(ctx, w)
		next, err := f.askFrom(ctx, k, first, last, store)
		first = next
		if answering && !tooMany(err) {
			alone++
		}
		switch {
		case err == nil:
			w.heardFrom()
			w.answerable.Store(&r)
			w.oneAsked()
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, polygon.ErrAuth), errors.Is(err, errNoAnswer):
			return err
		case hopeless(err), alone == askAttempts:
			w.failed.Add(1)
			w.oneAsked()
			f.log.Debug("ticker not answered", "sym", r.symbol, "attempt", attempt, "err", err)
			return nil
		}
		if err := w.pause(ctx, backoff(attempt, longestAskWait), err, w.change); err != nil {
			return err
		}
	}
}

// answering reports whether REST answers for a ticker that it has answered for before.
func (f *filler) answering(ctx context.Context, w *work) bool {
	r := w.answerable.Load()
	if r == nil {
		return false
	}
	first, _ := w.windows.starts(r.channel.Kind.Window())
	for _, err := range f.bars(ctx, *r, first, first) {
		if err != nil {
			return false
		}
	}
	w.heardFrom()
	return true
}

// askFrom asks for the bars of a ticker. It returns where to go on after an error.
func (f *filler) askFrom(ctx context.Context, k *ticker, first, last time.Time, store barStorer) (next time.Time, err error) {
	for page, err := range f.bars(ctx, k.request, first, last) {
		if err != nil {
			return first, err
		}
		for bars := page.Bars; len(bars) > 0; {
			n := min(len(bars), batchBars)
			if err := store(ctx, k, bars[:n]); err != nil {
				return first, err
			}
			first = time.UnixMilli(bars[n-1].StartMs + 1)
			bars = bars[n:]
		}
	}
	return first, nil
}

// bars asks REST for the bars of a ticker whose windows start from first to last.
func (f *filler) bars(ctx context.Context, r request, first, last time.Time) iter.Seq2[polygon.BarPage, error] {
	return f.rest.Aggregates(ctx, f.cfg.Market.RESTTicker(r.symbol), r.channel.Kind.Timespan(), first, last)
}

// refusalOf returns why REST gives nothing to this key; err itself when it is of another kind.
func refusalOf(err error) error {
	for _, refusal := range []error{polygon.ErrAuth, polygon.ErrPlanTime, polygon.ErrPlan} {
		if errors.Is(err, refusal) {
			return refusal
		}
	}
	return err
}

// hopeless reports whether asking for the ticker again would bring the same answer. Only the vendor can say so: a firewall on the
// way that says 403 may be mended.
func hopeless(err error) bool {
	e, ok := errors.AsType[*polygon.RESTError](err)
	if !ok || tooMany(err) || !e.FromVendor() {
		return false
	}
	return e.StatusCode >= 400 && e.StatusCode < 500 && e.StatusCode != http.StatusRequestTimeout
}

// tooMany reports whether there were too many requests. That says nothing of the ticker.
func tooMany(err error) bool {
	_, ok := errors.AsType[*polygon.RateLimitError](err)
	return ok
}
