package bridge

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"bridge/polygon"

	"github.com/nats-io/nats.go/jetstream"
)

// reconcile settles, before anything is published on a new connection, every doubt that the last one
// left, or the last process. At most one message per subject was in flight, so the last message of each
// subject in the stream tells what became of it, whatever the server remembers of message ids.
func (p *publisher) reconcile(ctx context.Context, stream jetstream.Stream) error {
	info, err := stream.Info(ctx)
	if err != nil {
		return fmt.Errorf("read the state of stream %s: %w", stream.CachedInfo().Config.Name, err)
	}
	last, err := lastMessages(ctx, stream, string(p.market)+".>")
	if err != nil {
		return fmt.Errorf("reconcile: %w", err)
	}
	// A stream that was made anew has lost nothing: somebody removed it, and that is not undone.
	lost := info.Created.Equal(p.created) && info.State.LastSeq < p.acked
	if lost {
		p.log.Error("the server lost acknowledged messages, sending again what is kept",
			"seq", info.State.LastSeq, "acked", p.acked)
		p.metrics.rollbacks.Inc()
		p.unload()
		p.queue.Rewind()
	}
	if lost || !p.connected {
		p.learn(last)
		if err := p.findStored(last); err != nil {
			return fmt.Errorf("reconcile: %w", err)
		}
	}
	p.settleDoubts(last)
	p.connected, p.created, p.acked = true, info.Created, info.State.LastSeq
	p.limit, p.paused, p.pause, p.stalled = windowSize, time.Time{}, 0, time.Time{}
	return nil
}

// settleDoubts ends the messages that were sent and are in the stream, and makes all others ready.
func (p *publisher) settleDoubts(last map[string]string) {
	p.ready, p.waiting = fifo[*lane]{}, p.waiting[:0]
	for _, l := range p.lanes {
		l.state = laneIdle
		switch m := l.head; {
		case m == nil:
		case m.attempts > 0 && last[l.subject] == m.id:
			p.metrics.reconciled.Inc()
			p.done(m) // makes the lane ready if there is another message
		default:
			p.makeReady(l)
		}
	}
	p.release()
}

// unload forgets what was taken from the queue, to take it again.
func (p *publisher) unload() {
	for _, l := range p.lanes {
		l.head, l.tail, l.newest, l.accumulated = nil, nil, 0, 0
	}
	p.records, p.messages, p.spare = fifo[*loaded]{}, 0, nil
}

// findStored looks through what the queue keeps for the last message of each subject in the stream. The
// events up to it are stored; those behind it are not.
func (p *publisher) findStored(last map[string]string) error {
	p.storedUpTo = make(map[*lane]position)
	for rec, err := range p.queue.All() {
		if err != nil {
			return err
		}
		p.resumeTo = rec.Seq
		p.events = p.market.Split(p.events[:0], rec.Frame)
		for i := range p.events {
			p.mark(&p.events[i], position{rec.Seq, i}, last)
		}
	}
	return nil
}

// mark notes the place of an event that is the last of its subject in the stream. Of identical
// copies the first counts: the server stored that one, and dropped the others.
func (p *publisher) mark(e *polygon.Event, at position, last map[string]string) {
	if e.Status {
		return
	}
	l, id, _ := p.place(e)
	if _, found := p.storedUpTo[l]; !found && last[l.subject] == string(id) {
		p.storedUpTo[l] = at
	}
}

// learn takes the newest bar of each symbol from the stream, so that a correction is known as one
// after a restart as well.
func (p *publisher) learn(last map[string]string) {
	for subject, id := range last {
		kind, _, _ := strings.Cut(strings.TrimPrefix(subject, string(p.market)+"."), ".")
		if !polygon.Kind(kind).Aggregate() {
			continue
		}
		parts := strings.Split(id, ".") // ev, the symbol's parts, window start, digest
		if len(parts) < 4 {
			continue
		}
		if start, err := strconv.ParseInt(parts[len(parts)-2], 10, 64); err == nil {
			p.lane([]byte(subject)).newest = start
		}
	}
}

// lastMessages returns the message id of the last message of every subject that matches the filter.
func lastMessages(ctx context.Context, stream jetstream.Stream, filter string) (map[string]string, error) {
	for attempt := 0; ; attempt++ {
		info, err := stream.Info(ctx)
		if err != nil {
			return nil, err
		}
		last, highest, err := readLast(ctx, stream, filter)
		if err != nil {
			return nil, err
		}
		// In a cluster the answers may come from a server that lags behind the stream's leader. After a
		// deletion of the newest message the sequence stays short for good, hence the bound.
		if highest >= info.State.LastSeq || info.State.Msgs == 0 || attempt == 10 {
			return last, nil
		}
		if !sleep(ctx, 100*time.Millisecond) {
			return nil, ctx.Err()
		}
	}
}

// readLast does it once, and also returns the highest sequence that it saw.
func readLast(ctx context.Context, stream jetstream.Stream, filter string) (map[string]string, uint64, error) {
	consumer, err := stream.CreateConsumer(ctx, jetstream.ConsumerConfig{
		DeliverPolicy:     jetstream.DeliverLastPerSubjectPolicy,
		AckPolicy:         jetstream.AckNonePolicy,
		FilterSubject:     filter,
		HeadersOnly:       true,
		MemoryStorage:     true,
		Replicas:          1,
		InactiveThreshold: time.Minute,
	})
	if err != nil {
		return nil, 0, fmt.Errorf("create consumer: %w", err)
	}
	defer func() { _ = stream.DeleteConsumer(context.WithoutCancel(ctx), consumer.CachedInfo().Name) }()
	pending := int(consumer.CachedInfo().NumPending)
	last, highest := make(map[string]string, pending), uint64(0)
	for pending > 0 {
		batch, err := consumer.Fetch(min(pending, 5000), jetstream.FetchMaxWait(5*time.Second))
		if err != nil {
			return nil, 0, fmt.Errorf("fetch: %w", err)
		}
		before := pending
		for m := range batch.Messages() {
			meta, err := m.Metadata()
			if err != nil {
				return nil, 0, fmt.Errorf("fetch: %w", err)
			}
			last[m.Subject()] = m.Headers().Get(jetstream.MsgIDHeader)
			highest = max(highest, meta.Sequence.Stream)
			pending = int(meta.NumPending)
		}
		if err := batch.Error(); err != nil {
			return nil, 0, fmt.Errorf("fetch: %w", err)
		}
		if pending == before {
			return nil, 0, errors.New("fetch: the server sent nothing")
		}
	}
	return last, highest, nil
}
