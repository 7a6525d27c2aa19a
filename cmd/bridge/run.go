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
	return bridge.Run(ctx, cfg, bridge.Options{Logger: log})
}
