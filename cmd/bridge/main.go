// Command bridge carries the Polygon.io (Massive) WebSocket feed into NATS JetStream.
//
//   - main.go: which command runs, and the exit code
//   - run.go: the bridge itself, which is the command without a name
//   - backfill.go: a time of the stream filled by hand; progress.go: how far that is
//   - demo.go: a simulated feed, the bridge and a consumer in one process
//   - watch.go, board.go, screen.go: the demo's durable consumer, what it has seen, and how that is drawn
//   - simulate.go: the simulated feed alone, as a server
//   - healthcheck.go, version.go, help.go: a command each
//   - flags.go: command lines that are understood whole or not at all
//
// What the bridge does is in bridge/bridge; here is what a person types and reads.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"bridge/bridge"
)

func main() {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as it is under nohup
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	context.AfterFunc(ctx, func() {
		signal.Ignore(syscall.SIGHUP) // the shell and the terminal that it closes with both send one
		stop()                        // another second signal kills at once
	})
	signal.Ignore(syscall.SIGPIPE) // who no longer reads the output does not end the feed; the demo sees an error, and tidies up
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// command is a word after "bridge".
type command struct {
	name    string
	summary string
	run     func(ctx context.Context, args []string, stdout, stderr io.Writer) error
}

func commands() []command {
	return []command{
		{"", "carry the feed into NATS; the settings come from the environment", runBridge},
		{"backfill", "fill a time of the stream with bars from REST, for given tickers or all", runBackfill},
		{"demo", "show it all at work: simulated feed, NATS and consumer; needs no key", runDemo},
		{"simulate", "serve the simulated feed, for a bridge to connect to", runSimulate},
		{"healthcheck", "ask the bridge on BRIDGE_HTTP_ADDR whether it is ready", runHealthcheck},
		{"version", "print the version", runVersion},
		{"help", "print this, and all settings", runHelp},
	}
}

// find returns the command of that name, or a *usageError.
func find(name string) (command, error) {
	var names []string
	for _, c := range commands()[1:] { // the first has no name
		if c.name == name {
			return c, nil
		}
		names = append(names, c.name)
	}
	hint := ""
	if nearest := bridge.Nearest(name, names); nearest != "" {
		hint = "; did you mean " + nearest + "?"
	}
	return command{}, &usageError{fmt.Sprintf("there is no command %q%s", name, hint)}
}

// writeUsage writes how to call the command, which each says itself when it is asked with -h; without a name, how to
// call any.
func (c command) writeUsage(ctx context.Context, w io.Writer) error {
	if c.name == "" {
		writeCommands(w)
		return nil
	}
	return c.run(ctx, []string{"-h"}, w, w)
}

// usageError is a command line that is not understood.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

// run runs the command that args name and returns the exit code: 0 done, 1 gave up, 2 a wrong command line, a
// wrong setting or a refused key.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	c, err := commands()[0], error(nil)
	if len(args) > 0 {
		name := args[0]
		switch name {
		case "-h", "-help", "--help":
			name = "help"
		case "-v", "-version", "--version":
			name = "version"
		}
		c, err = find(name)
		args = args[1:]
	}
	if err == nil {
		err = c.run(ctx, args, stdout, stderr)
	}
	if usage, ok := errors.AsType[*usageError](err); ok {
		fmt.Fprintf(stderr, "bridge: %s\n\n", usage.text)
		_ = c.writeUsage(ctx, stderr)
		return 2
	}
	code := bridge.ExitCode(err)
	if _, logged := errors.AsType[*loggedError](err); code != 0 && !logged && !readerLeft(err) {
		fmt.Fprintf(stderr, "bridge: %s\n", strings.ReplaceAll(err.Error(), "\n", "\nbridge: "))
	}
	return code
}

// readerLeft reports whether the one who read the output has had enough of it, as head has.
func readerLeft(err error) bool {
	write, ok := errors.AsType[*fs.PathError](err) // of a file: a connection that breaks has another type
	return ok && errors.Is(write, syscall.EPIPE)
}
