package main

import (
	"context"
	"io"

	"bridge/bridge"
)

// runBridge is the bridge, until it is asked to stop.
func runBridge(ctx context.Context, _ []string, _, stderr io.Writer) error {
	cfg, err := bridge.Load()
	if err != nil {
		return err
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
