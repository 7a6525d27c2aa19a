package bridge

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"bridge/polygon"
)

const (
	// lagFor is how long a bar that the feed has sent may be unknown to REST before it is believed to stay so.
	lagFor = 15 * time.Minute
	// restDelay is how late the data of delayed plans is over REST.
	restDelay = 15 * time.Minute
	// idleFor is how long after a gap REST is believed to have everything where the feed sends nothing that could tell.
	idleFor = time.Minute
)

// probe asks REST for one bar until it has it: one that the feed sent right after the gap. Then it has those of the gap too, since a
// window that has no bar there may also be one whose bar is not there yet. On the way it learns what the plan has.
func (f *filler) probe(ctx context.Context, w *work) error {
	since := time.Now()
	for failures := 0; len(w.requests) > 0; {
		visible, delayed, err := f.see(ctx, w)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, polygon.ErrAuth):
			return err
		case errors.Is(err, polygon.ErrPlan) && !w.tooEarly(err):
			w.refuse(w.sampleRequest().channel, err)
			continue
		case w.byHand && nobodyThere(err):
			return fmt.Errorf("%w: check POLYGON_REST_URL", err)
		case err != nil && !hopeless(err) || errors.Is(err, polygon.ErrPlanTime):
			f.log.Debug("REST did not answer", "err", err)
			failures++
		case visible || hopeless(err) || w.byHand || time.Since(since) > lagFor+restDelay:
			return nil
		}
		wait := max(backoff(failures, longestAskWait), time.Second)
		if known := time.Until(w.windows.to.Add(restDelay + settleFor)); delayed && known > 0 {
			f.log.Info("gap waits for a delayed plan", "wait", known.Round(time.Second))
			wait = known
		}
		if err := w.pause(ctx, wait, err, func() { f.tell(w) }); err != nil {
			return err
		}
	}
	return nil
}

// nobodyThere reports whether there was no connection to be had. By hand that is a wrong host, until one was to be had.
func nobodyThere(err error) bool {
	dial, ok := errors.AsType[*net.OpError](err)
	return ok && dial.Op == "dial"
}

// tooEarly reports whether REST refuses the time of a gap and may not do so later: some plans have no data of the last quarter
// of an hour.
func (w *work) tooEarly(err error) bool {
	return errors.Is(err, polygon.ErrPlanTime) && time.Since(w.windows.to) < restDelay+time.Minute
}

// sampleRequest is what the probe asks for.
func (w *work) sampleRequest() request {
	if w.sample != nil {
		return w.sample.request
	}
	return w.requests[0]
}

// refuse takes a channel out of the work that the plan does not have.
func (w *work) refuse(c *polygon.Channel, err error) {
	w.refusal = err
	w.lack(c.Type + ": " + refusalOf(err).Error())
	w.requests = slices.DeleteFunc(w.requests, func(r request) bool { return r.channel == c })
	if w.sample != nil && w.sample.channel == c {
		w.sample = nil
	}
}

// see reports whether REST shows the sample; without one, whether REST can be expected to show everything.
func (f *filler) see(ctx context.Context, w *work) (visible, delayed bool, err error) {
	r, from, to := w.sampleRequest(), w.windows.from, w.windows.to
	if w.sample != nil {
		from = time.UnixMilli(w.sample.start)
		to = from
	}
	for page, err := range f.bars(ctx, r, from, to) {
		if err != nil {
			return false, false, fmt.Errorf("test request: %w", errors.Unwrap(err)) // without the ticker, for which nobody need have asked
		}
		visible, delayed = len(page.Bars) > 0, page.Delayed
		break
	}
	if w.sample == nil {
		age := time.Since(w.windows.to)
		visible = age > idleFor && (!delayed || age > idleFor+restDelay)
	}
	return visible, delayed, nil
}
