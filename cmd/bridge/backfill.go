package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"bridge/bridge"
)

// runBackfill fills a time of the stream from REST.
func runBackfill(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("backfill", flag.ContinueOnError)
	var opt bridge.BackfillOptions
	instant := func(name, usage string, at *time.Time) {
		flags.Func(name, usage, func(text string) (err error) {
			if *at, err = time.Parse(time.RFC3339, text); err != nil {
				return fmt.Errorf("want a time as 2026-03-02T14:30:00Z or 2026-03-02T09:30:00-05:00")
			}
			return nil
		})
	}
	instant("from", "`time` to begin with, as 2026-03-02T14:30:00Z", &opt.From)
	instant("to", "`time` to end with: 20 minutes ago or earlier, 35 on a delayed feed", &opt.To)
	symbols := flags.String("symbols", "", "`tickers`, comma separated; empty: all that the stream has")
	flags.StringVar(&opt.Channel, "channel", "", "`channel` of bars, as AM for the minutes of stocks; empty: the one of seconds")
	if done, err := parseFlags(flags, args, stdout); done || err != nil {
		return err
	}
	if opt.From.IsZero() || opt.To.IsZero() {
		return &usageError{"backfill: -from and -to are needed; bridge backfill -h lists the flags"}
	}
	if *symbols != "" {
		for symbol := range strings.SplitSeq(*symbols, ",") {
			if symbol = strings.TrimSpace(symbol); symbol == "" {
				return &usageError{fmt.Sprintf("backfill: -symbols %q: want tickers with a comma between them, as AAPL,BRK.B", *symbols)}
			}
			opt.Symbols = append(opt.Symbols, symbol)
		}
	}
	cfg, err := bridge.Load()
	if err != nil {
		return err
	}
	bar := newProgressBar(stdout)
	opt.Logger = bridge.NewLogger(bar.above(stderr), max(cfg.LogLevel, slog.LevelWarn), bridge.FormatText)
	opt.Progress = bar.show
	result, err := bridge.Backfill(ctx, cfg, opt)
	bar.end()
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) { // an unfinished work is no success, although somebody asked for its end
		return fmt.Errorf("stopped before the end, with %d of %d tickers asked for; the same command goes on with the rest", bar.last.Asked, bar.last.Tickers)
	}
	if result.Asked > 0 || err == nil {
		fmt.Fprintf(stdout, "%d bars found, %d in the stream already, %d published; %d tickers asked for, %d without an answer\n",
			result.Bars, result.Present, result.Published, result.Asked, result.Failed)
	}
	if err == nil && result.Bars == 0 && len(opt.Symbols) > 0 {
		fmt.Fprintf(stderr, "bridge: no bars of %s: check the tickers, whose case counts, and whether they traded then\n", strings.Join(opt.Symbols, ","))
	}
	return err
}
