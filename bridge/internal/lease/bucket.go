package lease

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// writeTimeout bounds one renewal. While the bucket has no leader nobody answers, and the sooner
// one asks again the sooner the new leader is found.
const writeTimeout = time.Second

// claim is what the key holds.
type claim struct {
	Holder string `json:"holder"`
	ID     string `json:"id"` // of one call of Hold
}

// heldError says that another is active.
type heldError struct{ holder string }

func (e *heldError) Error() string { return "held by " + e.holder }

// errReleased says that the key is no longer there.
var errReleased = errors.New("the key has been removed")

// bucket is one connection and the key, reached through it.
type bucket struct {
	opt   Options
	claim claim
	conn  *nats.Conn
	js    jetstream.JetStream

	stream jetstream.Stream // nil: not looked at yet. A renewal does without: only a leader can show it
	ttl    time.Duration    // of the stream
}

// take makes the key ours, if it is free, and returns its revision. If it is ours already, because an answer was
// lost, it is taken up.
func (b *bucket) take(ctx context.Context) (revision uint64, err error) {
	revision, err = b.read(ctx)
	if err != nil && !errors.Is(err, errReleased) {
		return 0, err
	}
	return b.write(ctx, revision)
}

// renew writes the key again, if its revision is still the given one, and returns the new one.
func (b *bucket) renew(ctx context.Context, revision uint64) (uint64, error) {
	writing, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	next, err := b.write(writing, revision)
	if !isConflict(err) {
		return next, err
	}
	// An earlier renewal may have been granted, and its answer lost.
	if revision, err = b.read(ctx); err != nil {
		return 0, err
	}
	return b.write(ctx, revision)
}

// release removes the key if it is ours, with the mark that key-value clients know.
func (b *bucket) release(ctx context.Context) error {
	revision, err := b.read(ctx)
	if err != nil {
		return err
	}
	mark := nats.NewMsg(subject(b.opt))
	mark.Header.Set("KV-Operation", "DEL")
	_, err = b.js.PublishMsg(ctx, mark, jetstream.WithExpectLastSequencePerSubject(revision))
	return err
}

// read returns the revision of the key, and no error if it is ours, a *heldError if it is another's, and
// errReleased if it is free.
func (b *bucket) read(ctx context.Context) (revision uint64, err error) {
	if err := b.prepare(ctx); err != nil {
		return 0, err
	}
	m, err := b.stream.GetLastMsgForSubject(ctx, subject(b.opt))
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return 0, errReleased
	case err != nil:
		return 0, err
	case m.Header.Get("KV-Operation") != "":
		return m.Sequence, errReleased
	}
	var c claim
	if err := json.Unmarshal(m.Data, &c); err != nil {
		return 0, &heldError{"somebody unknown"} // not written by us; like all others it ends in time
	}
	if c != b.claim {
		return 0, &heldError{c.Holder}
	}
	return m.Sequence, nil
}

// write stores our claim if the key's revision is the given one, 0 for a key that is not there.
func (b *bucket) write(ctx context.Context, revision uint64) (uint64, error) {
	text, err := json.Marshal(b.claim)
	if err != nil {
		return 0, fmt.Errorf("encode the claim: %w", err)
	}
	ack, err := b.js.Publish(ctx, subject(b.opt), text, jetstream.WithExpectLastSequencePerSubject(revision))
	if err != nil {
		return 0, err
	}
	return ack.Sequence, nil
}

// HolderOf returns who holds the lease of a key; "" if nobody does, or if it cannot be seen. It makes no bucket.
func HolderOf(ctx context.Context, js jetstream.JetStream, bucketName, key string) string {
	b := &bucket{opt: Options{Bucket: bucketName, Key: key}, js: js}
	var err error
	if b.stream, err = js.Stream(ctx, streamName(b.opt)); err != nil {
		return ""
	}
	_, err = b.read(ctx)
	if held, ok := errors.AsType[*heldError](err); ok {
		return held.holder
	}
	return ""
}

// watch returns the changes of the key until ctx or the connection ends; nil if they cannot be had.
func (b *bucket) watch(ctx context.Context) <-chan jetstream.KeyValueEntry {
	kv, err := b.js.KeyValue(ctx, b.opt.Bucket)
	if err != nil {
		return nil
	}
	w, err := kv.Watch(ctx, b.opt.Key, jetstream.MetaOnly())
	if err != nil {
		return nil
	}
	return w.Updates()
}

// isConflict reports whether another has written the key between our reading and our writing.
func isConflict(err error) bool {
	const wrongLastSequence, wrongLastSequenceReplicated = 10071, 10164
	api, ok := errors.AsType[*jetstream.APIError](err)
	return ok && (api.ErrorCode == wrongLastSequence || api.ErrorCode == wrongLastSequenceReplicated)
}

// isHeld reports whether another is active.
func isHeld(err error) bool {
	_, held := errors.AsType[*heldError](err)
	return held
}

// isAnswer reports whether err is an answer about the key. Any other error leaves the connection in doubt.
func isAnswer(err error) bool { return isHeld(err) || errors.Is(err, errReleased) || isConflict(err) }
