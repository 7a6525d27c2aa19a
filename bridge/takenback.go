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
	if !info.Created.Equal(p.created) {
		return errMadeAnew
	}
	lost := info.State.LastSeq < p.acked
	if info.Config.Replicas == 1 && info.State.LastSeq > p.acked {
		lost, err = p.hasLost(ctx, stream, info)
	}
	if lost {
		return errTakenBack
	}
	p.heard = asked
	return err
}

// hasLost reports whether the stream has lost acknowledged messages: it ends before the newest of them, or, where others have
// stored more since, that sequence is of another one.
func (p *publisher) hasLost(ctx context.Context, stream jetstream.Stream, info *jetstream.StreamInfo) (bool, error) {
	switch {
	case !info.Created.Equal(p.created):
		return false, nil
	case info.State.LastSeq < p.acked:
		return true, nil
	case p.witness == 0:
		return false, nil
	}
	witness, err := witnessAt(ctx, stream, info, p.acked)
	return witness != 0 && witness != p.witness, err
}
