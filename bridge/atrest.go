package bridge

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"bridge/polygon"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// errNotAtRest is returned when a leader does not get stored what it has taken.
var errNotAtRest = errors.New("the stream's leader has taken messages that are not stored yet")

// awaitRest waits until all is stored that the stream's leader has taken. In a cluster it stores a message when a majority has it: while its
// peers are down or busy that may take longer than it remembers ids. What the stream does not have by then will not come any more.
func awaitRest(ctx context.Context, c *link, stream jetstream.Stream, m polygon.Market) error {
	if peers := stream.CachedInfo().Cluster; peers == nil || len(peers.Replicas) == 0 {
		return nil // it stores what it takes
	}
	if _, err := currentInfo(ctx, stream); err != nil { // nobody answers where there is no leader, and this tells so
		return err
	}
	taken, err := lastTaken(ctx, c, m)
	if err != nil {
		return err
	}
	for began := time.Now(); ; {
		info, err := currentInfo(ctx, stream)
		switch {
		case err != nil:
			return err
		case info.State.LastSeq >= taken:
			return nil
		case time.Since(began) > requestTimeout:
			return errNotAtRest
		case !sleep(ctx, 100*time.Millisecond):
			return context.Cause(ctx)
		}
	}
}

// probeSubject is that of a message that no stream stores.
func probeSubject(m polygon.Market) string { return string(m) + ".probe" }

// lastTaken returns the sequence of the newest message that the stream's leader has taken, stored or not. It tells that when it refuses
// one that is to be stored only behind another sequence.
func lastTaken(ctx context.Context, c *link, m polygon.Market) (uint64, error) {
	refusal, err := refusalOfProbe(ctx, c, m)
	if err != nil {
		return 0, fmt.Errorf("ask how far the stream's leader is: %w", err)
	}
	_, text, _ := strings.Cut(refusal.Description, ": ") // wrong last sequence: 17
	seq, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("ask how far the stream's leader is: no sequence in the answer %q", refusal.Description)
	}
	return seq, nil
}

// refusalOfProbe returns what the stream says of the probe. Some subscriber may answer it too, and before.
func refusalOfProbe(ctx context.Context, c *link, m polygon.Market) (*jetstream.APIError, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	probe := nats.NewMsg(probeSubject(m))
	probe.Header.Set(jetstream.ExpectedLastSeqHeader, strconv.Itoa(math.MaxInt64))
	probe.Reply = nats.NewInbox()
	answers, err := c.conn.SubscribeSync(probe.Reply)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answers.Unsubscribe() }()
	if err := c.conn.PublishMsg(probe); err != nil {
		return nil, err
	}
	for {
		answer, err := answers.NextMsgWithContext(ctx)
		if err != nil {
			return nil, err
		}
		_, err = parseAck(answer, c.ackPrefix, c.stream)
		if errors.Is(err, errStranger) {
			continue
		}
		if r, ok := errors.AsType[*refusal](err); ok {
			err = r.err
		}
		if api, ok := errors.AsType[*jetstream.APIError](err); ok && api.ErrorCode == codeWrongLast {
			return api, nil
		}
		return nil, fmt.Errorf("unexpected answer %.200q: %v", answer.Data, err)
	}
}
