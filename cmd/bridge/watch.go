package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bridge/polygon"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	demoStream   = "STOCKS"
	demoConsumer = "demo"
)

// watch reads second bars through a durable consumer, as any program would, and shows them on the screen
// until ctx ends.
func watch(ctx context.Context, url string, screen *screen) error {
	conn, err := nats.Connect(url, nats.Name("bridge demo"), nats.RetryOnFailedConnect(true), nats.ReconnectWait(20*time.Millisecond), nats.MaxReconnects(-1))
	if err != nil {
		return fmt.Errorf("demo: connect to %s: %w", url, err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	consumer, err := openConsumer(ctx, js)
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	b := newBoard()
	consuming, err := consumer.Consume(func(m jetstream.Msg) {
		if v, err := polygon.ParseAggregate(m.Data()); err == nil {
			b.add(v, m.Headers().Get("Bridge-Revision") == "true", time.Now())
		}
		_ = m.Ack() // one that is lost is sent again
	})
	if err != nil {
		return fmt.Errorf("demo: consume: %w", err)
	}
	defer consuming.Stop()
	return screen.show(ctx, b)
}

// openConsumer makes the durable consumer, once the bridge has made the stream.
func openConsumer(ctx context.Context, js jetstream.JetStream) (jetstream.Consumer, error) {
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		attempt, cancel := context.WithTimeout(ctx, time.Second)
		consumer, err := js.CreateOrUpdateConsumer(attempt, demoStream, jetstream.ConsumerConfig{
			Durable:       demoConsumer,
			FilterSubject: "stocks.agg.>",
			AckPolicy:     jetstream.AckExplicitPolicy,
			MaxAckPending: 10_000,
		})
		cancel()
		starting := errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, nats.ErrNoResponders) || errors.Is(err, context.DeadlineExceeded)
		if !starting {
			return consumer, err
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
