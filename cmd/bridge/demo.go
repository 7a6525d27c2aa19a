package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"time"

	"bridge/bridge"
	"bridge/polygon"
	"bridge/polygon/polygontest"
)

// demoAddr is where the demo's NATS listens if nobody else does, so that the NATS CLI finds it unasked.
const demoAddr = "127.0.0.1:4222"

// runDemo runs a simulated feed, the bridge with its own NATS in a temporary directory, and a durable
// consumer that shows the bars, until it is asked to stop. Nothing is left behind.
func runDemo(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	s := simulation{symbols: 12}
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	limit := flags.Duration("for", 0, "how long to run, as in 30s; 0: until Ctrl-C")
	s.register(flags, "nine in ten tickers trade each second")
	if done, err := parseFlags(flags, args, stdout); done || err != nil {
		return err
	}
	if err := s.check(); err != nil {
		return err
	}
	if *limit < 0 {
		return &usageError{fmt.Sprintf("-for %s: want 0 or more, as in 30s", *limit)}
	}
	if *limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, *limit)
		defer cancel()
	}
	dir, err := os.MkdirTemp("", "bridge-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	addr, err := demoAddress()
	if err != nil {
		return err
	}

	market := s.market()
	market.Oddities.Corrected = 0.2 // far more than in life, so that one is seen within the first minute
	feed := polygontest.NewServer(polygontest.Config{Market: market, Pace: polygontest.RealTime, Record: polygontest.RecordCounts,
		REST: polygontest.REST{Keep: time.Hour}})
	defer feed.Close()

	watching, stopWatching := context.WithCancel(ctx)
	defer stopWatching()
	running, stopRunning := context.WithCancel(context.WithoutCancel(ctx))
	defer stopRunning()
	ended := make(chan error, 1) // the one result of Run
	go func() {
		defer stopWatching()
		log := bridge.NewLogger(stderr, slog.LevelWarn, bridge.FormatText)
		ended <- bridge.Run(running, demoConfig(feed.URL, feed.RESTURL, addr, dir), bridge.Options{Logger: log})
	}()
	fmt.Fprintf(stdout, "A simulated feed, the bridge, NATS and a durable consumer, all in this process. Ctrl-C ends it.\n"+
		"Read beside it:  nats -s nats://%s sub 'stocks.agg.>'\n\n", addr)
	err = watch(watching, "nats://"+addr, newScreen(stdout))
	stopRunning() // only now, so that the consumer never meets a server that is gone
	if err := errors.Join(err, <-ended); err != nil {
		return err
	}
	_, err = fmt.Fprintln(stdout, "stopped; nothing is left behind")
	return err
}

// demoConfig is the bridge as the demo needs it: small, and out of everybody's way.
func demoConfig(feedURL, restURL, addr, dir string) bridge.Config {
	return bridge.Config{
		APIKey:         bridge.NewSecret("demo"),
		FeedURL:        feedURL,
		RESTURL:        restURL,
		Backfill:       true,
		Market:         polygon.Stocks,
		Subscribe:      []string{"A.*"},
		DataDir:        dir,
		NATSAddr:       addr,
		Stream:         demoStream,
		StreamReplicas: 1,
		StreamMaxAge:   time.Hour,
		StreamMaxBytes: 256 << 20,
		QueueMaxBytes:  64 << 20,
		SpoolMaxBytes:  256 << 20,
		SpoolRetain:    time.Minute,
		DrainTimeout:   5 * time.Second,
	}
}

// demoAddress returns demoAddr, or the same with a free port when somebody listens there.
func demoAddress() (string, error) {
	l, err := net.Listen("tcp", demoAddr)
	if err != nil {
		if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return "", err
		}
	}
	return l.Addr().String(), l.Close()
}
