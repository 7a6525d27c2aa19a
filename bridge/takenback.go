package bridge

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// trustFor is how long the stream may have said nothing before it is looked at again, ahead of the next message: its server may have
// died and come back with less than it had acknowledged, and a connection to another one of its cluster does not tell.
const trustFor = time.Second

// known is what is known of the stream, and shows whether it has less than it had acknowledged.
type known struct {
	created time.Time // the stream that the acks came from
	acked   uint64    // the highest sequence that it has acknowledged
	witness uint64    // digest of the message id of that sequence; 0 when it is not known
	heard   time.Time // when it was last known to have all that
}

// errTakenBack ends a connection on which the stream is found to have less than it had acknowledged.
var errTakenBack = errors.New("the stream was taken back")

// errMadeAnew ends a connection on which the stream is found to be another one.
var errMadeAnew = errors.New("the stream was made anew")

// lookAgain looks whether the stream still has what it had, after it has said nothing for a while. That is one question, unless others store in
// the stream as well. What several servers have is not taken back, and one of them may be slow to answer more.
func (p *publisher) lookAgain(ctx context.Context, stream jetstream.Stream) error {
	asked := time.Now()
	info, err := currentInfo(ctx, stream)
	if err != nil {
		return err
	}
	if !info.Created.Equal(p.known.created) {
		return errMadeAnew
	}
	lost := info.State.LastSeq < p.known.acked
	if info.Config.Replicas == 1 && info.State.LastSeq > p.known.acked {
		lost, err = p.known.isLost(ctx, stream, info)
	}
	if lost {
		return errTakenBack
	}
	p.known.heard = asked
	return err
}

// isLost reports whether the stream has lost acknowledged messages: it ends before the newest of them, or, where others have
// stored more since, that sequence is of another one.
func (k known) isLost(ctx context.Context, stream jetstream.Stream, info *jetstream.StreamInfo) (bool, error) {
	switch {
	case !info.Created.Equal(k.created):
		return false, nil
	case info.State.LastSeq < k.acked:
		return true, nil
	case k.witness == 0:
		return false, nil
	}
	witness, err := witnessAt(ctx, stream, info, k.acked)
	return witness != 0 && witness != k.witness, err
}
