package lease

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// openBucket returns the bucket as a contender of the given name sees it.
func openBucket(t *testing.T, url, name string) *bucket {
	t.Helper()
	c := &contender{opt: options(url, longTTL), claim: claim{Holder: name, ID: name}}
	c.opt.Logger = logger(t, name)
	if err := c.dial(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.hangUp)
	if err := c.bucket.prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c.bucket
}

func take(t *testing.T, b *bucket) uint64 {
	t.Helper()
	revision, err := b.take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return revision
}

func wantHeld(t *testing.T, err error, by string) {
	t.Helper()
	var held *heldError
	if !errors.As(err, &held) || held.holder != by {
		t.Errorf("got %v, want held by %s", err, by)
	}
}

func TestOneTakesAndTheOthersAreRefused(t *testing.T) {
	url := newNATS(t).up().url
	a, b := openBucket(t, url, "a"), openBucket(t, url, "b")
	take(t, a)
	revision := take(t, a)
	_, err := b.take(t.Context())
	wantHeld(t, err, "a")
	_, err = b.renew(t.Context(), revision-1)
	wantHeld(t, err, "a")
	wantHeld(t, b.release(t.Context()), "a")

	if err := a.release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if next := take(t, b); next <= revision {
		t.Errorf("got revision %d after %d", next, revision)
	}
}

// Of those who see a free key at the same moment, one gets it.
func TestRaceForTheKeyHasOneWinner(t *testing.T) {
	url := newNATS(t).up().url
	var contenders []*bucket
	for _, name := range []string{"a", "b", "c", "d"} {
		contenders = append(contenders, openBucket(t, url, name))
	}
	for range 50 {
		var wg sync.WaitGroup
		errs := make([]error, len(contenders))
		for i, b := range contenders {
			wg.Go(func() { _, errs[i] = b.take(t.Context()) })
		}
		wg.Wait()
		var winner *bucket
		for i, err := range errs {
			switch {
			case err == nil && winner != nil:
				t.Fatal("two have taken the key")
			case err == nil:
				winner = contenders[i]
			case !isAnswer(err):
				t.Fatalf("a loser is told %v", err)
			}
		}
		if winner == nil {
			t.Fatalf("nobody has taken the key: %v", errs)
		}
		if err := winner.release(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// The answer to a request may be lost after the server has granted it.
func TestLostAnswersAreMadeGood(t *testing.T) {
	b := openBucket(t, newNATS(t).up().url, "a")
	first := take(t, b)
	second := take(t, b) // the answer to the first was lost
	if second <= first {
		t.Errorf("got revision %d after %d", second, first)
	}
	third, err := b.renew(t.Context(), first) // the answer to the second was lost
	if err != nil || third <= second {
		t.Errorf("got revision %d after %d, %v", third, second, err)
	}
}

func TestRenewDoesNotCreate(t *testing.T) {
	b := openBucket(t, newNATS(t).up().url, "a")
	revision := take(t, b)
	if err := b.release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := b.renew(t.Context(), revision); !errors.Is(err, errReleased) {
		t.Errorf("got %v, want errReleased", err)
	}
}

func TestWatchSeesTheRelease(t *testing.T) {
	url := newNATS(t).up().url
	a, b := openBucket(t, url, "a"), openBucket(t, url, "b")
	take(t, a)
	changes := b.watch(t.Context())
	if err := a.release(t.Context()); err != nil {
		t.Fatal(err)
	}
	for {
		entry := wait(t, "the watch sees the release", changes)
		if entry != nil && entry.Operation() == jetstream.KeyValueDelete {
			return
		}
	}
}

func TestBucketIsMadeOnce(t *testing.T) {
	url := newNATS(t).up().url
	openBucket(t, url, "a")
	openBucket(t, url, "b")
	js, _ := connect(t, url)
	stream, err := js.Stream(t.Context(), "KV_lease")
	if err != nil {
		t.Fatal(err)
	}
	have := stream.CachedInfo().Config
	if have.MaxAge != longTTL || have.Storage != jetstream.FileStorage || have.AllowDirect || have.MaxMsgsPerSubject != 1 {
		t.Errorf("got %+v", have)
	}
}

func TestBucketOfTheOperator(t *testing.T) {
	for _, tt := range []struct {
		name   string
		have   jetstream.KeyValueConfig
		refuse []string // what the error says; none: the bucket is good
	}{
		{"as any client makes it", jetstream.KeyValueConfig{TTL: longTTL}, nil},
		{"with another TTL", jetstream.KeyValueConfig{TTL: 3 * time.Second}, nil},
		{"with history", jetstream.KeyValueConfig{TTL: longTTL, History: 10}, nil},
		{"without a TTL", jetstream.KeyValueConfig{}, []string{"TTL", "nats stream edit KV_lease --max-age=1m0s"}},
		{"with too short a TTL", jetstream.KeyValueConfig{TTL: time.Second}, []string{"TTL is 1s", "--max-age"}},
		{"in memory", jetstream.KeyValueConfig{TTL: longTTL, Storage: jetstream.MemoryStorage}, []string{"memory", "nats kv del lease"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			url := newNATS(t).up().url
			js, _ := connect(t, url)
			tt.have.Bucket = "lease"
			if _, err := js.CreateKeyValue(t.Context(), tt.have); err != nil {
				t.Fatal(err)
			}
			if tt.refuse == nil {
				b := openBucket(t, url, "a")
				if b.ttl != tt.have.TTL {
					t.Errorf("got the TTL %v, want that of the bucket, %v", b.ttl, tt.have.TTL)
				}
				revision := take(t, b)
				if _, err := b.renew(t.Context(), revision); err != nil {
					t.Error(err)
				}
				if err := b.release(t.Context()); err != nil {
					t.Error(err)
				}
				return
			}
			opt := options(url, longTTL)
			opt.Fatal = func(err error) bool { _, ok := errors.AsType[*BucketError](err); return ok }
			err := wait(t, "hold gives up", startHold(t, "a", opt).done)
			if err == nil {
				t.Fatal("got no error")
			}
			for _, part := range tt.refuse {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("got %q, want %q in it", err, part)
				}
			}
		})
	}
}
