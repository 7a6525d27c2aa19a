package main

import (
	"context"
	"io"
	"time"

	"bridge/bridge"
)

// runHealthcheck is for containers, whose image has no other program that could ask.
func runHealthcheck(ctx context.Context, args []string, stdout, _ io.Writer) error {
	if done, err := noArguments("healthcheck", args, stdout); done || err != nil {
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
