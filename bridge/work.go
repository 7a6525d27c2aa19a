package bridge

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"bridge/polygon"
)

// work is what has to be asked for one gap, and how far that has come.
type work struct {
	windows  span
	channels []*polygon.Channel // of bars, in the gap's subscription
	requests []request
	idle     int           // requests that are not made, since the ticker had no trade
	stored   idSet         // keys of the bars that the stream had of the time when it was surveyed
	surveyed uint64        // its last sequence then
	sample   *sampleBar    // of the feed, from behind the gap; nil when there is none
	lacks    []string      // why the gap is not filled, or not whole
	refusal  error         // of the key or its plan; nil when there was none
	byHand   bool          // somebody waits for it
	until    time.Time     // before it, who does not answer is waited for
	patience time.Duration // and behind it, for that long after the last answer

	// Written by those who ask, and read by anybody.
	total      atomic.Int64            // requests
	asked      atomic.Int64            // of those, the ones that are done
	failed     atomic.Int64            // of those asked, the ones without an answer
	found      atomic.Int64            // bars
	present    atomic.Int64            // of those found, the ones in the stream already
	sent       atomic.Int64            // of those found, the ones that were stored
	answered   atomic.Int64            // when NATS or REST last answered, in Unix ns; at first, when the work began
	answerable atomic.Pointer[request] // one that had an answer; nil when none had
	trouble    atomic.Pointer[error]   // why the last attempt failed; nil when it did not
	changed    chan struct{}           // capacity 1: "there is something new to tell"
}

// request is a ticker of a channel that is asked for.
type request struct {
	channel *polygon.Channel
	symbol  string
}

// newWork returns what can be asked for of a gap. The tickers are not known yet.
func newWork(cfg Config, g gap) *work {
	w := &work{windows: g.windows(), changed: make(chan struct{}, 1)}
	w.answered.Store(time.Now().UnixNano())
	w.byHand, w.patience = g.Reason == reasonByHand, tryByHand
	if !w.byHand {
		w.until, w.patience = g.To.Add(tryFor), tryLeast
		if oldest := time.Now().Add(-cfg.StreamMaxAge); w.windows.from.Before(oldest) {
			w.windows.from = oldest
			w.lack("what is older than BRIDGE_STREAM_MAX_AGE is left out")
		}
	}
	if !w.windows.from.Before(w.windows.to) {
		return w
	}
	for _, name := range g.Channels {
		c := cfg.Market.Channel(name)
		switch {
		case c == nil || !c.Kind.Aggregate():
			w.lack(name + " cannot be asked for")
		case cfg.Market.RESTTicker(name) == "":
			w.lack(name + " of " + string(cfg.Market) + " cannot be asked for")
		default:
			w.channels = append(w.channels, c)
		}
	}
	return w
}

// lack notes why the gap is not filled, or not whole.
func (w *work) lack(why string) { w.lacks = append(w.lacks, why) }

// pause waits before the next attempt, and has it told why: nil stands for an answer that is not good enough yet. It returns an
// error when nobody has answered for too long, or ctx has ended.
func (w *work) pause(ctx context.Context, wait time.Duration, why error, tell func()) error {
	if why == nil || tooMany(why) {
		w.heardFrom()
	}
	now := time.Now()
	if silent := now.Sub(time.Unix(0, w.answered.Load())); now.After(w.until) && silent > w.patience {
		return fmt.Errorf("%w for %s: %w", errNoAnswer, silent.Round(time.Second), why)
	}
	if why != nil {
		w.trouble.Store(&why)
	}
	tell()
	if !sleep(ctx, wait) {
		return context.Cause(ctx)
	}
	return nil
}

// heardFrom notes that somebody answered.
func (w *work) heardFrom() {
	w.answered.Store(time.Now().UnixNano())
	w.trouble.Store(nil)
}

// progress is how far it has come.
func (w *work) progress() BackfillProgress {
	p := BackfillProgress{
		Tickers: int(w.total.Load()),
		Asked:   int(w.asked.Load()),
		Failed:  int(w.failed.Load()),
		Bars:    int(w.found.Load()),
		Present: int(w.present.Load()),
	}
	if why := w.trouble.Load(); why != nil {
		p.Trouble = *why
	}
	return p
}

// oneAsked counts a request that is done.
func (w *work) oneAsked() {
	w.asked.Add(1)
	w.change()
}

// change has it told how far the work is.
func (w *work) change() { notify(w.changed) }

// outcome says what became of the gap.
func (w *work) outcome() (gapState, outcome) {
	o := outcome{
		Asked:     int(w.asked.Load()),
		Failed:    int(w.failed.Load()),
		Found:     int(w.found.Load()),
		Present:   int(w.present.Load()),
		Published: int(w.sent.Load()),
		refusal:   w.refusal,
	}
	lacks := w.lacks
	switch {
	case len(w.requests) == 0 && w.idle == 0 && len(lacks) == 0:
		lacks = append(lacks, "no ticker is known, as the stream has none")
	case o.Failed > 0:
		lacks = append(lacks, "not all tickers were answered")
	}
	o.Why = strings.Join(lacks, "; ")
	switch {
	case len(lacks) == 0:
		return gapFilled, o
	case o.Asked == o.Failed:
		return gapUnfilled, o
	}
	return gapPartly, o
}
