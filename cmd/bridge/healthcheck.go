package main

import (
	"context"
	"io"
	"time"

	"bridge/bridge"
)

// runHealthcheck is for containers, whose image has no other program that could ask.
func runHealthcheck(ctx context.Context, args []string, _, _ io.Writer) error {
	if err := noArguments("healthcheck", args); err != nil {
		return err
	}
	addr, err := bridge.HTTPAddr()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return bridge.Healthcheck(ctx, addr)
}
