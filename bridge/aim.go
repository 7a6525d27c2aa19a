package bridge

import (
	"context"
	"errors"
	"time"

	"bridge/polygon"
)

// aim takes out of the requests the tickers that had no trade since the gap began, as one call for all stocks tells. Where
// that is not to be had, all are asked for.
func (f *filler) aim(ctx context.Context, w *work) {
	const worthwhile = 50 // requests
	if f.noSnapshot || f.cfg.Market != polygon.Stocks || len(w.requests) < worthwhile {
		return
	}
	updated, err := f.updated(ctx, w.windows.to)
	if err != nil {
		f.noSnapshot = errors.Is(err, polygon.ErrPlan)
		f.log.Info("every ticker is asked for", "tickers", len(w.requests), "err", err)
		return
	}
	kept := w.requests[:0]
	for _, r := range w.requests {
		first, _ := w.windows.starts(r.channel.Kind.Window())
		if at := updated[r.symbol]; at.IsZero() || !at.Before(first) {
			kept = append(kept, r)
		}
	}
	w.idle = len(w.requests) - len(kept)
	f.log.Debug("tickers without a trade left out", "tickers", w.idle)
	w.requests = kept
}

// errOldSnapshot is returned where nothing tells whether the snapshot has the end of a gap: it is of a delayed plan or from a
// cache, or nothing has happened since on a market that is closed. To ask in vain only takes time.
var errOldSnapshot = errors.New("the snapshot may be older than the gap's end")

// updated returns when something last happened to each stock, as far as it is known. All of it up to then is known.
func (f *filler) updated(ctx context.Context, then time.Time) (map[string]time.Time, error) {
	s, err := f.rest.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	var newest time.Time
	updated := make(map[string]time.Time, len(s.Tickers))
	for _, t := range s.Tickers {
		updated[t.Ticker] = t.Updated
		if t.Updated.After(newest) {
			newest = t.Updated
		}
	}
	if newest.Before(then) {
		return nil, errOldSnapshot
	}
	return updated, nil
}
