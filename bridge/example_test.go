package bridge_test

import (
	"context"
	"fmt"
	"log"

	"bridge/polygon"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A durable consumer that keeps the newest version of every bar. Stop it and start it again: it goes on
// where it was.
func Example_durable() {
	ctx := context.Background()
	nc, err := nats.Connect(nats.DefaultURL)
	if err != nil {
		log.Fatal(err)
	}
	defer nc.Close()
	js, _ := jetstream.New(nc)
	consumer, err := js.CreateOrUpdateConsumer(ctx, "STOCKS", jetstream.ConsumerConfig{
		Durable:       "strategy",
		FilterSubject: "stocks.agg.>",
		MaxAckPending: 10_000,
	})
	if err != nil {
		log.Fatal(err)
	}
	bars := map[string]polygon.Aggregate{} // your database
	messages, err := consumer.Messages()
	if err != nil {
		log.Fatal(err)
	}
	defer messages.Stop()
	for {
		msg, err := messages.Next()
		if err != nil {
			log.Fatal(err)
		}
		bar, err := polygon.ParseAggregate(msg.Data())
		if err != nil {
			log.Fatal(err)
		}
		bars[bar.Key()] = bar // upsert by (ev, sym, s): a corrected bar replaces the one before
		fmt.Println(bar.Symbol, bar.Start(), bar.Close)
		_ = msg.Ack() // after the upsert, so that a crash repeats a bar and loses none
	}
}
