package bridge

import (
	"context"
	"slices"

	"github.com/nats-io/nats.go/jetstream"
)

// resumeGaps goes on with the gaps that have no outcome in the stream, which is all that is kept of them.
func (p *publisher) resumeGaps(ctx context.Context, stream jetstream.Stream, last uint64) error {
	if p.only != nil {
		p.restartBackfill([]gap{*p.only})
		return nil
	}
	open, err := openGaps(ctx, stream, gapSubject(p.market), last)
	if err != nil {
		return err
	}
	if len(open) > 0 {
		p.log.Info("gaps found without an outcome", "gaps", len(open), "from", open[0].From)
	}
	p.restartBackfill(open)
	return nil
}

// openGaps returns the gaps of a subject that have no outcome, oldest first. last is the sequence of the subject's last
// message, 0 when it has none.
func openGaps(ctx context.Context, stream jetstream.Stream, subject string, last uint64) ([]gap, error) {
	if last == 0 {
		return nil, nil
	}
	var open []gap
	closed := make(map[string]bool)
	err := upTo(ctx, last, func() (highest uint64, err error) {
		open = nil
		return readMessages(ctx, stream, jetstream.ConsumerConfig{FilterSubject: subject}, func(m jetstream.Msg, _ *jetstream.MsgMetadata) (more bool) {
			g, err := parseGap(m.Data())
			switch {
			case err != nil: // not ours
			case g.State != gapOpen:
				closed[g.ID] = true
			case !closed[g.ID]:
				open = append(open, g)
			}
			return true
		})
	})
	open = slices.DeleteFunc(open, func(g gap) bool { return closed[g.ID] })
	slices.SortStableFunc(open, func(a, b gap) int { return a.To.Compare(b.To) })
	return open, err
}
