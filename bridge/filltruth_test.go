package bridge

import (
	"context"
	"fmt"
	"slices"
	"time"

	"bridge/polygon"

	"github.com/nats-io/nats.go/jetstream"
)

// awaitOutcomes waits until every gap in the stream has an outcome. The feed goes on meanwhile, as the bars behind a gap tell when REST
// has those of the gap; it may end, and make another gap, whose record is there before the bars behind it.
func (w *world) awaitOutcomes() {
	eventually(w.t, "all gaps have an outcome", func() error {
		w.send(1)
		w.awaitStored()
		return askOnce(w.t, w.bus.servers[0].url, func(ctx context.Context, js jetstream.JetStream) error {
			stream, err := js.Stream(ctx, "STOCKS")
			if err != nil {
				return err
			}
			open, err := openGaps(ctx, stream, gapSubject(polygon.Stocks), 1)
			if len(open) > 0 {
				err = fmt.Errorf("%d have none", len(open))
			}
			return err
		})
	})
}

// storedBar is a bar of the stream.
type storedBar struct {
	storedEvent
	subject string
	key     string
	end     time.Time // of its window
}

// windowEnd is when the window of a bar ended.
func windowEnd(raw []byte) time.Time {
	e := polygon.Stocks.Split(nil, slices.Concat([]byte("["), raw, []byte("]")))[0]
	return time.UnixMilli(e.Time).Add(e.Channel.Kind.Window())
}

// madeBar is a bar that REST has.
type madeBar struct {
	versions []polygon.Aggregate
	since    time.Time // when REST had the first of them
	subject  string
}

// checkFills compares what is from REST with what REST has. Each gap is filled: what REST has of its time is in the stream, from the feed
// or from REST. A bar from REST is one of the versions that the vendor has made, and stands alone or before those of the feed.
func (w *world) checkFills(records []storedEvent, bars []storedBar) {
	w.t.Helper()
	report := w.differences("wrong bars and gaps")
	made := w.made()
	stored := make(map[string]bool)     // keys
	began := make(map[string]time.Time) // when a subject had its first bar
	fromREST := 0
	for _, b := range bars {
		if b.rest {
			fromREST++
			switch {
			case stored[b.key]:
				report("%v: from REST, and behind another version: %s", b.at, b.raw)
			case !made[b.key].has(b.raw):
				report("from REST, and altered: %s", b.raw)
			}
		}
		stored[b.key] = true
		if began[b.subject].IsZero() {
			began[b.subject] = b.at
		}
	}
	filled, toFill := w.filled(records, report), 0
	for key, bar := range made {
		i := slices.IndexFunc(filled, func(g filledGap) bool {
			return g.wants(bar) && began[bar.subject].Before(g.recorded) && !began[bar.subject].IsZero()
		})
		if i < 0 {
			continue
		}
		toFill++
		if !stored[key] {
			report("missing: %s, made at %v, of gap %s", key, bar.since, filled[i].encode())
		}
	}
	w.t.Logf("%d gaps were filled, with %d bars from REST of %d", len(filled), fromREST, toFill)
}

// made returns the bars that REST has, by key.
func (w *world) made() map[string]*madeBar {
	all := make(map[string]*madeBar)
	for _, m := range w.vendor.made {
		for _, e := range polygon.Stocks.Split(nil, m.frame) {
			version, err := polygon.ParseAggregate(e.Raw)
			if err != nil || e.Fault != "" {
				continue
			}
			if all[version.Key()] == nil {
				all[version.Key()] = &madeBar{since: m.at, subject: subjectOf(w.t, e.Raw)}
			}
			all[version.Key()].versions = append(all[version.Key()].versions, version)
		}
	}
	return all
}

// has reports whether a bar is one of the versions.
func (b *madeBar) has(raw string) bool {
	got, err := polygon.ParseAggregate([]byte(raw))
	return b != nil && err == nil && slices.ContainsFunc(b.versions, func(v polygon.Aggregate) bool {
		return got.Volume == v.Volume && got.EndMs == v.EndMs && got.Open == v.Open && got.High == v.High && got.Low == v.Low && got.Close == v.Close
	})
}

// filledGap is a gap that was filled.
type filledGap struct {
	gap
	recorded time.Time // when the gap was, by the server's clock
}

// filled returns the gaps. Each is to be filled.
func (w *world) filled(records []storedEvent, report func(string, ...any)) (all []filledGap) {
	states := make(map[string]gapState)
	for _, r := range records {
		switch g, err := parseGap([]byte(r.raw)); {
		case err != nil: // see readGaps
		case g.State == gapOpen:
			all = append(all, filledGap{g, r.at})
			states[g.ID] = gapOpen
		default:
			states[g.ID] = g.State
			if g.State != gapFilled {
				report("gap is not filled: %s", r.raw)
			}
		}
	}
	for _, g := range all {
		if states[g.ID] == gapOpen {
			report("gap has no outcome: %s", g.encode())
		}
	}
	return all
}

// wants reports whether a bar belongs to the gap's time, and REST had it when it was asked.
func (g filledGap) wants(b *madeBar) bool {
	length := time.Second
	if b.versions[0].Type == "AM" {
		length = time.Minute
	}
	first, last := g.windows().starts(length)
	start := b.versions[0].Start()
	return !start.Before(first) && !start.After(last) && b.since.Before(g.To.Add(settleFor))
}
