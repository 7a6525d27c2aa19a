package bridge

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"bridge/polygon"

	"github.com/nats-io/nats.go/jetstream"
)

// storing has the bars of one gap stored. Others may store the same ones meanwhile, or newer versions: the feed, or another filler where
// one works by hand. So the stream is asked again right before bars are published what it has of their ticker, and the server takes
// them only if nothing came to the subject since. That needs no agreement of fillers, and no memory of ids.
type storing struct {
	filler *filler
	task   task
	work   *work

	mu     sync.Mutex // guards what follows
	js     jetstream.JetStream
	stream jetstream.Stream // nil: not connected
}

// overtakenWait is between a refusal and the next look: a server that lags behind the stream's leader may have answered.
const overtakenWait = 20 * time.Millisecond

// ticker is one that is asked for, and what the stream has of it.
type ticker struct {
	request
	subject string
	seen    uint64 // sequence up to which the subject's messages are known
	last    uint64 // sequence of the last one; 0 when there is none
	newer   idSet  // keys of the bars that came behind the survey
}

func (f *filler) newTicker(w *work, r request) *ticker {
	subject := appendSubject(nil, f.cfg.Market, r.channel.Kind, []byte(r.symbol))
	return &ticker{request: r, subject: string(subject), seen: w.surveyed, newer: make(idSet)}
}

// store returns when every one of the bars is in the stream, those that were not there by us.
func (s *storing) store(ctx context.Context, k *ticker, bars []polygon.RESTBar) error {
	stored := 0
	for {
		if err := s.look(ctx, k); err != nil {
			return err
		}
		b := &batch{frame: s.work.frame(k, bars), last: k.last}
		if b.frame == nil {
			break
		}
		if err := s.task.put(b); err != nil {
			return err
		}
		if stored += b.stored; !b.overtaken {
			break
		}
		if !sleep(ctx, overtakenWait) {
			return context.Cause(ctx)
		}
	}
	s.work.found.Add(int64(len(bars)))
	s.work.sent.Add(int64(stored))
	s.work.present.Add(int64(len(bars) - stored))
	s.work.change()
	return nil
}

// frame makes a frame, as the feed would, of the bars that the stream does not have; nil if it has all.
func (w *work) frame(k *ticker, bars []polygon.RESTBar) (frame []byte) {
	key := []byte(k.channel.Type + "." + k.symbol + ".")
	prefix := len(key)
	for _, bar := range bars {
		key = strconv.AppendInt(key[:prefix], bar.StartMs, 10)
		if w.stored.has(key) || k.newer.has(key) {
			continue
		}
		if frame == nil {
			frame = append(frame, '[')
		} else {
			frame = append(frame, ',')
		}
		frame = append(frame, bar.Event(k.channel, k.symbol)...)
	}
	if frame != nil {
		frame = append(frame, ']')
	}
	return frame
}

// look finds out what was stored of a ticker since the last look. It is repeated until NATS answers.
func (s *storing) look(ctx context.Context, k *ticker) error {
	for failures := 0; ; failures++ {
		stream, err := s.open(ctx)
		if err == nil {
			err = k.lookOnce(ctx, stream)
		}
		if err == nil {
			s.work.heardFrom()
			return nil
		}
		s.close(stream)
		if err := s.work.pause(ctx, backoff(failures, longestNATSWait), err, s.work.change); err != nil {
			return err
		}
	}
}

func (k *ticker) lookOnce(ctx context.Context, stream jetstream.Stream) error {
	last, err := stream.GetLastMsgForSubject(ctx, k.subject)
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		k.last = 0
		return nil
	case err != nil:
		return fmt.Errorf("read the last message of %s: %w", k.subject, err)
	}
	for k.seen < last.Sequence {
		m, err := stream.GetMsg(ctx, k.seen+1, jetstream.WithGetMsgSubject(k.subject))
		if err != nil {
			return fmt.Errorf("read a message of %s: %w", k.subject, err)
		}
		k.newer.addBytes(barKey([]byte(m.Header.Get(jetstream.MsgIDHeader))))
		k.seen = m.Sequence
	}
	k.last = last.Sequence
	return nil
}

// open returns the stream over a connection that all share who ask, and that is opened anew when it fails.
func (s *storing) open(ctx context.Context) (jetstream.Stream, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stream != nil {
		return s.stream, nil
	}
	js, stream, err := s.filler.openStream(ctx)
	if err != nil {
		return nil, err
	}
	s.js, s.stream = js, stream
	return stream, nil
}

// close ends the connection, if it is still the one over which the stream was opened.
func (s *storing) close(stream jetstream.Stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if stream != nil && s.stream == stream {
		s.js.Conn().Close()
		s.stream = nil
	}
}
