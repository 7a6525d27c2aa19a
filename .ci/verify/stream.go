package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// message is one message of the stream.
type message struct {
	subject  string
	raw      string
	seq      uint64
	at       time.Time // when the server stored it
	rest     bool      // a bar from REST
	revision bool      // said to be a bar that is not newer than the newest of its symbol
}

// gap is what consumers may know of a gap from its records.
type gap struct {
	ID      string
	State   string
	Reason  string
	From    time.Time
	To      time.Time
	Outcome struct {
		Found, Present, Published int
	}
}

func (g gap) String() string {
	return fmt.Sprintf("gap of %v, %s: %s; %d bars found, %d present, %d published",
		g.To.Sub(g.From), g.Reason, g.State, g.Outcome.Found, g.Outcome.Present, g.Outcome.Published)
}

// readStream returns all messages of the stream, in order.
func readStream(ctx context.Context, url string) ([]message, error) {
	conn, err := nats.Connect(url)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", url, err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return nil, err
	}
	consumer, err := js.OrderedConsumer(ctx, "STOCKS", jetstream.OrderedConsumerConfig{})
	if err != nil {
		return nil, fmt.Errorf("read the stream: %w", err)
	}
	next, err := consumer.Messages()
	if err != nil {
		return nil, fmt.Errorf("read the stream: %w", err)
	}
	defer next.Stop()
	var messages []message
	for {
		m, err := next.Next(jetstream.NextContext(ctx))
		if err != nil {
			return nil, fmt.Errorf("read the stream: %w", err)
		}
		meta, err := m.Metadata()
		if err != nil {
			return nil, fmt.Errorf("read the stream: %w", err)
		}
		messages = append(messages, message{
			subject:  m.Subject(),
			raw:      string(m.Data()),
			seq:      meta.Sequence.Stream,
			at:       meta.Timestamp,
			rest:     m.Headers().Get("Bridge-Source") == "rest",
			revision: m.Headers().Get("Bridge-Revision") == "true",
		})
		if meta.NumPending == 0 {
			return messages, nil
		}
	}
}

// bar is what is compared of a bar.
type bar struct {
	Sym        string
	S          int64
	O, H, L, C float64
	V          float64     // of the feed, cut to whole shares; of REST, exact
	DV         json.Number // of the feed, exact
}

func parseBar(raw string) (b bar, err error) {
	err = json.Unmarshal([]byte(raw), &b)
	return b, err
}
