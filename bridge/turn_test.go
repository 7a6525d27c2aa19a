package bridge

import (
	"fmt"
	"testing"
	"time"

	"bridge/polygon"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// storedAt returns a stream with n messages of other bridges, and when each was stored.
func storedAt(t *testing.T, n int) (stream jetstream.Stream, at []time.Time) {
	t.Helper()
	cfg := testConfig(newNATS(t).up().url)
	js := connect(t, cfg.NATS.URL)
	stream, err := js.CreateStream(t.Context(), streamConfig(cfg))
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		m := nats.NewMsg("stocks.agg.X")
		m.Header.Set(jetstream.MsgIDHeader, fmt.Sprintf("A.X.%d.0", i))
		if _, err := js.PublishMsg(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		raw, err := stream.GetMsg(t.Context(), uint64(i+1))
		if err != nil {
			t.Fatal(err)
		}
		at = append(at, raw.Time)
	}
	return stream, at
}

// TestTurnLooksAtWhatMatters: of what others have stored, a bridge that becomes active looks up no more than can be of what was
// in its queue, however long it stood by.
func TestTurnLooksAtWhatMatters(t *testing.T) {
	t.Parallel()
	stream, at := storedAt(t, 10)
	info, err := stream.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	longAgo := at[0].Add(-time.Hour)
	for _, tt := range []struct {
		name   string
		queued []time.Time // when the records in the queue came
		want   int
	}{
		{"nothing queued", nil, 0},
		{"queued long before", []time.Time{longAgo}, 0},
		{"queued until now", []time.Time{longAgo, time.Now()}, len(at)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q := newMemory(1 << 20)
			for _, at := range tt.queued {
				if err := q.Append(kindFrame, []byte("[]"), at); err != nil {
					t.Fatal(err)
				}
			}
			p := newPublisher(testConfig(""), q, newFillQueue(), newMetrics(nil, polygon.Stocks), quiet(t))
			p.known.created = info.Created
			p.begin(func() bool { return true })
			if err := p.reconcile(t.Context(), stream); err != nil {
				t.Fatal(err)
			}
			got := 0
			if p.doubt != nil {
				got = len(p.doubt.stored)
			}
			if got != tt.want {
				t.Errorf("%d ids looked up, want %d", got, tt.want)
			}
		})
	}
}

// TestStoredIDsUntil: reading ends where it is told to, and what lies behind is not read at all.
func TestStoredIDsUntil(t *testing.T) {
	t.Parallel()
	stream, at := storedAt(t, 10)
	for want := range len(at) {
		from := fromSequence(3)
		from.until = at[want]
		ids, before, err := storedIDs(t.Context(), stream, from, nil)
		if err != nil {
			t.Fatal(err)
		}
		if n := max(0, want-1); len(ids) != n || n > 0 && before != 2 {
			t.Errorf("until message %d: %d ids behind %d, want %d behind 2", want+1, len(ids), before, n)
		}
	}
}
