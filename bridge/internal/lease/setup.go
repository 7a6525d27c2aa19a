package lease

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// leastTTL is the shortest time to live with which a holder can renew its lease in peace.
const leastTTL = 2 * time.Second

// maxBytes bounds the bucket. Some accounts allow no stream without a limit, and a few keys need a few hundred bytes.
const maxBytes = 1 << 20

// BucketError says that the bucket exists and is of no use for a lease.
type BucketError struct {
	Bucket string
	what   string
	remedy string
}

func (e *BucketError) Error() string {
	return fmt.Sprintf("bucket %s exists and cannot hold a lease: %s; %s", e.Bucket, e.what, e.remedy)
}

// A key-value bucket is a stream, and its keys are subjects.
func streamName(opt Options) string { return "KV_" + opt.Bucket }
func subject(opt Options) string    { return "$KV." + opt.Bucket + "." + opt.Key }

// bucketConfig is the bucket as Hold makes it: what any client makes for a key-value bucket with a TTL, but always
// read at its leader. Another replica may answer with what was true a while ago.
func bucketConfig(opt Options) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:              streamName(opt),
		Description:       "who is active",
		Subjects:          []string{"$KV." + opt.Bucket + ".>"},
		MaxMsgsPerSubject: 1,
		MaxBytes:          maxBytes,
		MaxAge:            opt.TTL,
		Duplicates:        min(opt.TTL, 2*time.Minute),
		Storage:           jetstream.FileStorage,
		Replicas:          max(opt.Replicas, 1),
		Discard:           jetstream.DiscardNew,
		AllowRollup:       true,
		DenyDelete:        true,
		AllowDirect:       false,
	}
}

// prepare looks at the bucket, once for each connection. It is made if it is absent.
func (b *bucket) prepare(ctx context.Context) error {
	if b.stream != nil {
		return nil
	}
	stream, err := b.js.Stream(ctx, streamName(b.opt))
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		stream, err = b.js.CreateStream(ctx, bucketConfig(b.opt))
	}
	if err != nil {
		return b.opt.Explain(fmt.Errorf("open bucket %s: %w", b.opt.Bucket, err))
	}
	have := stream.CachedInfo().Config
	if err := check(b.opt, have); err != nil {
		return err
	}
	b.stream, b.ttl = stream, have.MaxAge
	return nil
}

// check refuses a bucket with which two could be active, or none for ever.
func check(opt Options, have jetstream.StreamConfig) error {
	wrong := func(what, remedy string) error { return &BucketError{opt.Bucket, what, remedy} }
	remove := fmt.Sprintf("stop all who use it and remove it with `nats kv del %s`", opt.Bucket)
	switch {
	case have.MaxAge < leastTTL:
		return wrong(fmt.Sprintf("its TTL is %v", have.MaxAge), fmt.Sprintf("mend it with `nats stream edit %s --max-age=%v`", have.Name, opt.TTL))
	case have.Storage != jetstream.FileStorage:
		return wrong("it is kept in memory only", remove)
	case have.Mirror != nil:
		return wrong("it is a mirror", remove)
	}
	return nil
}
