package main

import (
	"errors"
	"flag"
	"io"
)

// parseFlags parses the arguments of a command. What is left over is an error; a question for help ends the
// command in peace, with done.
func parseFlags(flags *flag.FlagSet, args []string, stdout io.Writer) (done bool, err error) {
	flags.SetOutput(io.Discard)
	err = flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		flags.SetOutput(stdout)
		flags.PrintDefaults()
		return true, nil
	case err != nil:
		return false, &usageError{flags.Name() + ": " + err.Error()}
	case flags.NArg() > 0:
		return false, &usageError{"what is " + flags.Arg(0) + "? " + flags.Name() + " takes flags only"}
	}
	return false, nil
}

// noArguments is for commands that take none.
func noArguments(name string, args []string) error {
	if len(args) > 0 {
		return &usageError{"what is " + args[0] + "? " + name + " takes no arguments"}
	}
	return nil
}
