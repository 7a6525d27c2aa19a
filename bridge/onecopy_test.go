package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// putHolderFirst makes the first server the one that has the stream.
func (b *bus) putHolderFirst() {
	var holder int
	b.request("the stream is somewhere", func(ctx context.Context, js jetstream.JetStream) error {
		stream, err := js.Stream(ctx, "STOCKS")
		if err != nil {
			return err
		}
		_, err = fmt.Sscanf(stream.CachedInfo().Cluster.Leader, "n%d", &holder)
		return err
	})
	first := b.servers[holder]
	b.servers = slices.Insert(slices.Delete(b.servers, holder, holder+1), 0, first)
}

// entrances are the servers that the bridges are told of.
func (b *bus) entrances() []*natsServer {
	if b.remote() {
		return b.servers[1:]
	}
	return b.servers
}

// keep copies the disk of the stream's server.
func (b *bus) keep() {
	b.copy = b.servers[0].stopToSave()
}

// takeBack takes the stream's server back to the copy of its disk, if there is one that is still of use.
//
// A bridge whose connection does not end trusts the stream until it has said nothing for trustFor, and may store a window of messages
// before an ack tells it better: these stand before what it sends again then. That is no promise broken, so the server stays away for long
// enough, also for what was sent in trust and is on its way; what the bridge sends meanwhile is refused, which it takes as a sign as well.
func (b *bus) takeBack() {
	b.servers[0].kill()
	killed := time.Now()
	if b.copy != "" {
		b.servers[0].restoreStore(b.copy)
	}
	if b.remote() {
		silent(b.t, killed.Add(ackTimeout))
	}
	b.servers[0].up()
}

// takeBackAndHide takes the stream's server back, and has others store so much that the stream's last sequence does not tell.
func (b *bus) takeBackAndHide() {
	var before uint64
	b.request("the stream tells where it ends", func(ctx context.Context, js jetstream.JetStream) (err error) {
		before, err = lastSequence(ctx, js)
		return err
	})
	b.takeBack()
	const meanwhile = 2 * mostWindow // may have been stored since it told
	b.request("others have stored more than was lost", func(ctx context.Context, js jetstream.JetStream) error {
		last, err := lastSequence(ctx, js)
		if err != nil || last >= before+meanwhile {
			return err
		}
		for range before + meanwhile - last {
			if _, err := js.PublishAsync("others.X", nil); err != nil {
				return err
			}
		}
		select {
		case <-js.PublishAsyncComplete():
		case <-ctx.Done():
		}
		return errors.New("not yet")
	})
}

func lastSequence(ctx context.Context, js jetstream.JetStream) (uint64, error) {
	stream, err := js.Stream(ctx, "STOCKS")
	if err != nil {
		return 0, err
	}
	return stream.CachedInfo().State.LastSeq, nil
}
