package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"bridge/bridge"
)

// runHelp shows everything, or how to call the command that args name.
func runHelp(ctx context.Context, args []string, stdout, _ io.Writer) error {
	switch {
	case len(args) == 0:
		fmt.Fprint(stdout, "The bridge carries the Polygon.io (Massive) WebSocket feed into NATS JetStream,\none message an event, to <market>.agg.<symbol> and the like.\n\n")
		writeCommands(stdout)
		fmt.Fprint(stdout, "\nSettings, with their defaults:\n")
		return bridge.WriteSettings(stdout)
	case len(args) > 1:
		return &usageError{"what is " + args[1] + "? help takes one command"}
	case strings.HasPrefix(args[0], "-"):
		writeCommands(stdout)
		return nil
	}
	c, err := find(args[0])
	if err != nil {
		return err
	}
	return c.writeUsage(ctx, stdout)
}

// writeCommands writes what commands there are.
func writeCommands(w io.Writer) {
	fmt.Fprintln(w, "usage:")
	for _, c := range commands() {
		fmt.Fprintf(w, "  bridge %-12s %s\n", c.name, c.summary)
	}
	fmt.Fprintln(w, "\nbridge help COMMAND shows how to call one, with its flags.")
}
