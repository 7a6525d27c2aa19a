package bridge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/nats-io/nats.go/jetstream"
)

// part is a part of a stream. It begins at a sequence, or at a time if that is set. Times are by the server's clock.
type part struct {
	seq   uint64
	time  time.Time
	until time.Time // zero: the end of the stream
}

func fromSequence(seq uint64) part { return part{seq: max(seq, 1)} }
func fromTime(when time.Time) part { return part{time: when} }

// consumer delivers the part from its beginning. Its end is for who reads to see.
func (p part) consumer() jetstream.ConsumerConfig {
	if !p.time.IsZero() {
		return jetstream.ConsumerConfig{DeliverPolicy: jetstream.DeliverByStartTimePolicy, OptStartTime: &p.time}
	}
	return jetstream.ConsumerConfig{DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: p.seq}
}

// storedIDs returns the ids of the messages that a stream has in a part, and the sequence before the first. Where there is a
// leftover, only ids that can be of it are returned.
func storedIDs(ctx context.Context, stream jetstream.Stream, in part, left *leftover) (ids idSet, before uint64, err error) {
	ids = make(idSet)
	err = upToDate(ctx, stream, func(last uint64) (highest uint64, err error) {
		before = last
		left.forget()
		if in.seq > last { // nothing was stored since
			return last, nil
		}
		ended := false
		highest, err = readHeaders(ctx, stream, in.consumer(), func(m jetstream.Msg, at *jetstream.MsgMetadata) (more bool) {
			if ended = !in.until.IsZero() && at.Timestamp.After(in.until); ended {
				return false
			}
			before = min(before, at.Sequence.Stream-1)
			if left.note(m, at) {
				ids.add(m.Headers().Get(jetstream.MsgIDHeader))
			}
			return true
		})
		if ended {
			return last, err
		}
		return highest, err
	})
	return ids, before, err
}

// witnessAt returns a digest of the id of the message that a stream has with a sequence, 0 if it has none, as after a purge.
func witnessAt(ctx context.Context, stream jetstream.Stream, info *jetstream.StreamInfo, seq uint64) (witness uint64, err error) {
	if seq == 0 || seq < info.State.FirstSeq {
		return 0, nil
	}
	err = upTo(ctx, seq, func() (highest uint64, err error) {
		return readHeaders(ctx, stream, fromSequence(seq).consumer(), func(m jetstream.Msg, at *jetstream.MsgMetadata) (more bool) {
			if at.Sequence.Stream == seq {
				witness = xxhash.Sum64String(m.Headers().Get(jetstream.MsgIDHeader))
			}
			return false
		})
	})
	return witness, err
}

// lastMessage is the last message of a subject.
type lastMessage struct {
	id   string
	seq  uint64
	at   time.Time // when it was stored, by the server's clock
	rest bool      // it is a bar from REST
}

func lastMessageOf(m jetstream.Msg, at *jetstream.MsgMetadata) lastMessage {
	return lastMessage{m.Headers().Get(jetstream.MsgIDHeader), at.Sequence.Stream, at.Timestamp, m.Headers().Get(headerSource) != ""}
}

// lastMessages returns the last message of every subject that matches the filter.
func lastMessages(ctx context.Context, stream jetstream.Stream, filter string) (map[string]lastMessage, error) {
	last := make(map[string]lastMessage)
	err := upToDate(ctx, stream, func(uint64) (highest uint64, err error) {
		policy := jetstream.ConsumerConfig{DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy, FilterSubject: filter}
		return readHeaders(ctx, stream, policy, func(m jetstream.Msg, at *jetstream.MsgMetadata) (more bool) {
			last[m.Subject()] = lastMessageOf(m, at)
			return true
		})
	})
	return last, err
}

// leaderSilence is how long ago the leader of a replicated stream may have heard from its peers: two heartbeats and some, and less
// than they wait before they elect another.
const leaderSilence = 2500 * time.Millisecond

// errNoLeader is returned when nobody can tell what a replicated stream has.
var errNoLeader = errors.New("the stream has no leader that reaches its peers")

// currentInfo returns the state of a stream. In a cluster only the leader knows it: while there is none, any server that is left
// answers with what it has itself, and a leader that is cut off answers for up to 20 s, while the others go on without it. Neither
// needs to have what was acknowledged.
func currentInfo(ctx context.Context, stream jetstream.Stream, opts ...jetstream.StreamInfoOpt) (*jetstream.StreamInfo, error) {
	info, err := stream.Info(ctx, opts...)
	if err == nil && info.Cluster != nil && !leads(info.Cluster) {
		err = errNoLeader
	}
	if err != nil {
		return nil, fmt.Errorf("read the state of stream %s: %w", stream.CachedInfo().Config.Name, err)
	}
	return info, nil
}

// leads reports whether who answered leads, and has just heard from a majority. A lone server in a cluster is its own.
func leads(c *jetstream.ClusterInfo) bool {
	heard := 1
	for _, peer := range c.Replicas {
		if 0 < peer.Active && peer.Active < leaderSilence { // 0: never
			heard++
		}
	}
	return c.Leader != "" && 2*heard > 1+len(c.Replicas)
}

// upToDate reads until the highest sequence that was seen is the stream's last.
func upToDate(ctx context.Context, stream jetstream.Stream, read func(last uint64) (highest uint64, err error)) error {
	info, err := currentInfo(ctx, stream)
	if err != nil {
		return err
	}
	last := info.State.LastSeq
	if info.State.Msgs == 0 {
		_, err := read(last)
		return err
	}
	return upTo(ctx, last, func() (uint64, error) { return read(last) })
}

// upTo reads until the highest sequence that was seen is last, or above. In a cluster each read goes to a server of the stream that is taken
// at random, and may lag behind the leader.
func upTo(ctx context.Context, last uint64, read func() (highest uint64, err error)) error {
	for attempt := 0; ; attempt++ {
		highest, err := read()
		if err != nil {
			return err
		}
		// After a deletion of the newest message the sequence stays short for good, hence the bound.
		if highest >= last || attempt == 10 {
			return nil
		}
		if !sleep(ctx, 100*time.Millisecond) {
			return context.Cause(ctx)
		}
	}
}

// readHeaders is readMessages without the data.
func readHeaders(ctx context.Context, stream jetstream.Stream, cfg jetstream.ConsumerConfig, yield func(jetstream.Msg, *jetstream.MsgMetadata) (more bool)) (highest uint64, err error) {
	cfg.HeadersOnly = true
	return readMessages(ctx, stream, cfg, yield)
}

// readMessages passes the messages that a new consumer has pending to yield as long as that wants more, and returns the highest
// sequence that it saw.
func readMessages(ctx context.Context, stream jetstream.Stream, cfg jetstream.ConsumerConfig, yield func(jetstream.Msg, *jetstream.MsgMetadata) (more bool)) (highest uint64, err error) {
	cfg.AckPolicy = jetstream.AckNonePolicy
	cfg.MemoryStorage = true
	cfg.Replicas = 1
	cfg.InactiveThreshold = time.Minute
	consumer, err := stream.CreateConsumer(ctx, cfg)
	if err != nil {
		return 0, fmt.Errorf("create consumer: %w", err)
	}
	defer func() { _ = stream.DeleteConsumer(context.WithoutCancel(ctx), consumer.CachedInfo().Name) }()
	more := true
	for pending := int(consumer.CachedInfo().NumPending); pending > 0 && more; {
		batch, err := consumer.Fetch(min(pending, 5000), jetstream.FetchMaxWait(5*time.Second))
		if err != nil {
			return 0, fmt.Errorf("fetch: %w", err)
		}
		before := highest
		for m := range batch.Messages() {
			meta, err := m.Metadata()
			if err != nil {
				return 0, fmt.Errorf("fetch: %w", err)
			}
			more = more && yield(m, meta)
			highest = max(highest, meta.Sequence.Stream)
			pending = int(meta.NumPending)
		}
		if err := batch.Error(); err != nil {
			return 0, fmt.Errorf("fetch: %w", err)
		}
		if highest == before {
			return 0, errors.New("fetch: the server sent nothing")
		}
	}
	return highest, nil
}
