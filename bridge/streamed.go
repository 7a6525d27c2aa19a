package bridge

import (
	"context"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// lastOfFeed returns the last messages without bars from REST. Those say nothing of when the feed streamed, and may stand behind all that
// it has sent, by hand of any time; so the newest of what it has sent is looked for, from the end of the stream backwards.
func (p *publisher) lastOfFeed(ctx context.Context, stream jetstream.Stream, last map[string]lastMessage) (map[string]lastMessage, error) {
	feed := make(map[string]lastMessage, len(last))
	seen, end := uint64(0), uint64(0) // the last bar of the feed that is known, and the last one from REST
	for subject, m := range last {
		switch {
		case m.rest:
			end = max(end, m.seq)
			continue
		case kindOf(p.market, subject).Aggregate():
			seen = max(seen, m.seq)
		}
		feed[subject] = m
	}
	found := false
	for n, begin := uint64(10_000), end; begin > seen && !found; n *= 10 {
		begin = end - min(n, end-seen)
		err := upTo(ctx, end, func() (highest uint64, err error) {
			return readHeaders(ctx, stream, fromSequence(begin+1).consumer(), func(m jetstream.Msg, at *jetstream.MsgMetadata) (more bool) {
				if of := lastMessageOf(m, at); !of.rest && kindOf(p.market, m.Subject()).Aggregate() {
					feed[m.Subject()], found = of, true
				}
				return true
			})
		})
		if err != nil {
			return nil, err
		}
	}
	return feed, nil
}

// lastBar is when the feed was last known to stream by what the stream has: when the newest bar's window ended, since what was read may
// have been stored much later; where there are no bars, when the newest message was stored.
func (p *publisher) lastBar(last map[string]lastMessage) time.Time {
	var ended, stored time.Time
	soon := time.Now().Add(time.Minute)
	for subject, m := range last {
		kind := kindOf(p.market, subject)
		start, ok := windowStart(m.id)
		switch {
		case kind.Aggregate() && ok:
			end := time.UnixMilli(start).Add(kind.Window() + feedDelay(p.cfg))
			if end.After(ended) && end.Before(soon) { // what is in the future is wrong
				ended = end
			}
		case subject != gapSubject(p.market) && m.at.After(stored):
			stored = m.at
		}
	}
	if ended.IsZero() {
		return stored
	}
	return ended
}

// longestStop is the longest time for which a process may have been stopped, a weekend in a closed laptop. A feed whose bars are
// older than that replays the past.
const longestStop = 7 * 24 * time.Hour

// goesBackTo reports whether what was read at a time may have waited since the end of its newest bar's window.
func goesBackTo(end, read time.Time) bool { return end.Before(read) && read.Sub(end) < longestStop }

// lastStreamed is when the feed was last known to stream before the record that is being loaded: when the record before it was
// read, or as the stream tells of what was read before a time, zero for any, by another process. A process that was stopped reads, when it
// goes on, what had waited for it all the time: then the newest bar's window says more than the clock.
func (p *publisher) lastStreamed(before time.Time) time.Time {
	last := p.lastAt
	if end := time.UnixMilli(p.lastEnd).Add(feedDelay(p.cfg)); goesBackTo(end, last) {
		last = end
	}
	if p.streamed.After(last) && (before.IsZero() || p.streamed.Before(before)) {
		last = p.streamed
	}
	return last.UTC().Truncate(time.Millisecond)
}
