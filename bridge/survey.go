package bridge

import (
	"context"
	"fmt"
	"strings"
	"time"

	"bridge/polygon"

	"github.com/nats-io/nats.go/jetstream"
)

// sampleBar is a bar of the feed.
type sampleBar struct {
	request
	start int64 // of its window, Unix ms
}

// survey finds out what the stream has of a gap, and which tickers to ask for. It is repeated until NATS answers.
func (f *filler) survey(ctx context.Context, w *work) error {
	for failures := 0; ; failures++ {
		err := f.surveyOnce(ctx, w)
		if err == nil {
			w.heardFrom()
			return nil
		}
		f.log.Debug("stream not read", "err", err)
		if err := w.pause(ctx, backoff(failures, longestNATSWait), err, func() { f.tell(w) }); err != nil {
			return err
		}
	}
}

// openStream opens the stream over a connection of its own: reading is slow, and the publisher's must not be.
func (f *filler) openStream(ctx context.Context) (jetstream.JetStream, jetstream.Stream, error) {
	js, err := dialJetStream(ctx, f.cfg.NATS, f.limited.complain)
	if err != nil {
		return nil, nil, err
	}
	stream, err := js.Stream(ctx, f.cfg.Stream)
	if err != nil {
		js.Conn().Close()
		return nil, nil, fmt.Errorf("open stream %s: %w", f.cfg.Stream, err)
	}
	return js, stream, nil
}

func (f *filler) surveyOnce(ctx context.Context, w *work) error {
	js, stream, err := f.openStream(ctx)
	if err != nil {
		return err
	}
	defer js.Conn().Close()
	if err := w.readStored(ctx, stream, f.cfg); err != nil {
		return err
	}
	w.requests = nil
	for _, c := range w.channels {
		symbols, err := f.symbols(ctx, stream, c)
		if err != nil {
			return err
		}
		for _, symbol := range symbols {
			w.requests = append(w.requests, request{c, symbol})
		}
	}
	return nil
}

// readStored reads the ids of what was stored since the first window of the gap: from them it takes the bars of the
// gap, and one from behind it.
func (w *work) readStored(ctx context.Context, stream jetstream.Stream, cfg Config) error {
	const margin = 2 * time.Minute // for windows of a minute, and for clocks that differ
	info, err := currentInfo(ctx, stream)
	if err != nil {
		return err
	}
	first, _ := w.windows.starts(time.Minute)
	from, to := first.UnixMilli(), w.windows.to.UnixMilli()
	since := fromTime(info.TimeStamp.Add(-time.Since(w.windows.from) - margin))
	return upToDate(ctx, stream, func(last uint64) (highest uint64, err error) {
		w.stored, w.surveyed, w.sample = make(idSet), last, nil
		return readHeaders(ctx, stream, since.consumer(), func(m jetstream.Msg, _ *jetstream.MsgMetadata) (more bool) {
			id := m.Headers().Get(jetstream.MsgIDHeader)
			kind := kindOf(cfg.Market, m.Subject())
			start, ok := windowStart(id)
			switch {
			case !ok || !kind.Aggregate():
			case from <= start && start <= to:
				w.stored.addBytes(barKey([]byte(id)))
			case start > to && (w.sample == nil || start < w.sample.start) && m.Headers().Get(headerSource) == "":
				w.consider(cfg.Market, id, m.Subject(), start)
			}
			return true
		})
	})
}

// consider takes a bar as the sample, if it is of a channel that is asked for.
func (w *work) consider(m polygon.Market, id, subject string, start int64) {
	typ, _, _ := strings.Cut(id, ".")
	for _, c := range w.channels {
		if c.Type == typ {
			w.sample = &sampleBar{request{c, symbolOf(m, c.Kind, subject)}, start}
		}
	}
}

// symbolOf returns the symbol in a subject.
func symbolOf(m polygon.Market, k polygon.Kind, subject string) string {
	return strings.TrimPrefix(subject, string(m)+"."+string(k)+".")
}

// symbols returns the tickers that are subscribed to on a channel; for all of them, those that the stream has.
func (f *filler) symbols(ctx context.Context, stream jetstream.Stream, c *polygon.Channel) (symbols []string, err error) {
	for _, param := range f.cfg.Subscribe {
		channel, symbol, _ := strings.Cut(param, ".")
		switch {
		case channel != c.Type:
		case symbol != "*":
			symbols = append(symbols, symbol)
		default:
			return seenSymbols(ctx, stream, f.cfg.Market, c)
		}
	}
	return symbols, nil
}

// seenSymbols returns the tickers that the stream has of a channel's kind.
func seenSymbols(ctx context.Context, stream jetstream.Stream, m polygon.Market, c *polygon.Channel) (symbols []string, err error) {
	filter := string(m) + "." + string(c.Kind) + ".>"
	info, err := currentInfo(ctx, stream, jetstream.WithSubjectFilter(filter))
	if err != nil {
		return nil, fmt.Errorf("list the subjects of %s: %w", filter, err)
	}
	for subject := range info.State.Subjects {
		symbols = append(symbols, symbolOf(m, c.Kind, subject))
	}
	return symbols, nil
}
