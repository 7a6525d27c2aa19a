package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"time"

	"bridge/polygon/polygontest"
)

// simulation is what the demo's and the simulator's feed have in common.
type simulation struct {
	symbols int
	rate    int
	seed    uint64
}

// register adds the flags; meaning says what a rate of 0 means.
func (s *simulation) register(flags *flag.FlagSet, meaning string) {
	flags.IntVar(&s.symbols, "symbols", s.symbols, fmt.Sprintf("how many `tickers` trade, up to %d", polygontest.MaxSymbols))
	flags.IntVar(&s.rate, "rate", s.rate, "`bars` a second, up to one a ticker; 0: "+meaning)
	flags.Uint64Var(&s.seed, "seed", 1, "`number` of the market: the same one trades the same")
}

func (s *simulation) check() error {
	if s.symbols < 1 || s.symbols > polygontest.MaxSymbols {
		return &usageError{fmt.Sprintf("-symbols %d: want 1 to %d", s.symbols, polygontest.MaxSymbols)}
	}
	if s.rate < 0 || s.rate > s.symbols {
		return &usageError{fmt.Sprintf("-rate %d: want 0 to -symbols, which is %d: a ticker has one bar a second at most", s.rate, s.symbols)}
	}
	return nil
}

func (s *simulation) market() polygontest.Market {
	return polygontest.Market{
		Symbols:   polygontest.Symbols(s.symbols),
		Seed:      s.seed,
		PerSecond: s.rate,
		Minutes:   true,
		Oddities:  polygontest.Typical(),
	}
}

// slowReader is how many bytes the simulator holds for a connection that does not read. The market goes on for the others, as
// the one that takes the place of a connection that was cut off.
const slowReader = 16 << 20

// longestPast is the most of -rest and -past: a year of one ticker's bars takes 4 GB.
const longestPast = 365 * 24 * time.Hour

// runSimulate serves the simulated feed until it is asked to stop.
func runSimulate(ctx context.Context, args []string, stdout, _ io.Writer) error {
	s := simulation{symbols: 100, rate: 90}
	flags := flag.NewFlagSet("simulate", flag.ContinueOnError)
	addr := flags.String("addr", "127.0.0.1:8765", "`address` to listen on")
	frame := flags.Int("events-per-frame", 100, "most `events` in a frame")
	key := flags.String("key", "", "the one API `key` to accept; empty: any")
	keep := flags.Duration("rest", 5*time.Minute, "keep bars for this `duration`, to ask for over REST; 120 bytes each, unused with -rate 0")
	past := flags.Duration("past", 0, "make bars for this `duration` before the start, to ask for over REST")
	s.register(flags, "as fast as the reader reads")
	if done, err := parseFlags(flags, args, stdout); done || err != nil {
		return err
	}
	given := false
	flags.Visit(func(f *flag.Flag) { given = given || f.Name == "rate" })
	if !given {
		s.rate = min(s.rate, s.symbols)
	}
	if err := s.check(); err != nil {
		return err
	}
	if *frame < 1 {
		return &usageError{fmt.Sprintf("-events-per-frame %d: want at least 1", *frame)}
	}
	for _, d := range []struct {
		flag  string
		value time.Duration
	}{{"rest", *keep}, {"past", *past}} {
		if d.value < 0 || d.value > longestPast {
			return &usageError{fmt.Sprintf("-%s %s: want 0 to %.0fh", d.flag, d.value, longestPast.Hours())}
		}
	}
	_, port, err := net.SplitHostPort(*addr)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil {
		return &usageError{fmt.Sprintf("-addr %q: want host:port, as in 127.0.0.1:8765, or :8765 for every interface", *addr)}
	}
	config := polygontest.Config{
		Plan:        polygontest.Plan{Key: *key},
		Market:      s.market(),
		Pace:        polygontest.RealTime,
		FrameEvents: *frame,
		Buffer:      slowReader,
		Record:      polygontest.RecordCounts,
		REST:        polygontest.REST{Keep: *keep + *past, Past: *past},
	}
	if s.rate == 0 {
		config.Pace = polygontest.AsRead
		config.Buffer = 0                // it waits for the reader
		config.REST = polygontest.REST{} // the market's time is not that of any gap
	}
	srv := polygontest.NewUnstartedServer(config)
	if srv.Listener, err = net.Listen("tcp", *addr); err != nil {
		return fmt.Errorf("cannot serve the simulated feed, choose another -addr: %w", err)
	}
	srv.Start()
	defer srv.Close()
	fmt.Fprintf(stdout, "simulated feed of %d tickers, all made up, on %s\n", s.symbols, srv.URL)
	if srv.RESTURL != "" {
		fmt.Fprintf(stdout, "what a bridge missed: POLYGON_REST_URL=%s\n", srv.RESTURL)
	}
	<-ctx.Done()
	return nil
}
