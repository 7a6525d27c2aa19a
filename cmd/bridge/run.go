package main

import (
	"context"
	"io"
	"os"
	"runtime"

	"bridge/bridge"
)

// processors that the bridge uses, unless GOMAXPROCS says how many or a NATS server in the same process has use for more. A
// bar passes through several goroutines, which take turns on one processor; on more, one wakes another all the time, and
// that costs more than working side by side gains (BenchmarkProcessors). 100,000 events a second need a third of one.
const processors = 1

// runBridge is the bridge, until it is asked to stop.
func runBridge(ctx context.Context, _ []string, _, stderr io.Writer) error {
	cfg, err := bridge.Load()
	if err != nil {
		return err
	}
	if cfg.NATS.URL != "" && os.Getenv("GOMAXPROCS") == "" {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(processors))
	}
	log := bridge.NewLogger(stderr, cfg.LogLevel, cfg.LogFormat)
	err = bridge.Run(ctx, cfg, bridge.Options{Logger: log})
	if bridge.ExitCode(err) != 0 && cfg.LogFormat == bridge.FormatJSON {
		log.Error("bridge gave up", "err", err)
		return &loggedError{err}
	}
	return err
}

// loggedError is an error that is in the log: whoever reads that by program does not want another line.
type loggedError struct{ error }

func (e *loggedError) Unwrap() error { return e.error }
