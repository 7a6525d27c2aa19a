package main

import (
	"context"
	"fmt"
	"io"

	"bridge/bridge"
)

func runHelp(_ context.Context, args []string, stdout, _ io.Writer) error {
	if err := noArguments("help", args); err != nil {
		return err
	}
	fmt.Fprint(stdout, "The bridge carries the Polygon.io (Massive) WebSocket feed into NATS JetStream,\none message an event, to <market>.agg.<symbol> and the like.\n\n")
	writeUsage(stdout)
	fmt.Fprint(stdout, "\nSettings, with their defaults:\n")
	return bridge.WriteSettings(stdout)
}

// writeUsage writes how to call the bridge.
func writeUsage(w io.Writer) {
	fmt.Fprintln(w, "usage:")
	for _, c := range commands() {
		fmt.Fprintf(w, "  bridge %-12s %s\n", c.name, c.summary)
	}
	fmt.Fprintln(w, "\nbridge demo -h and bridge simulate -h list their flags.")
}
