package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
)

// parseFlags parses the arguments of a command. What is left over is an error; a question for help prints how to
// call the command and ends it in peace, with done.
func parseFlags(flags *flag.FlagSet, args []string, stdout io.Writer) (done bool, err error) {
	flags.SetOutput(io.Discard) // the package would print an error and all flags before the error is returned
	err = flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		writeFlags(stdout, flags)
		return true, nil
	case err != nil:
		return false, &usageError{flags.Name() + ": " + err.Error()}
	case flags.NArg() > 0:
		return false, &usageError{"what is " + flags.Arg(0) + "? " + flags.Name() + " does not take it"}
	}
	return false, nil
}

// noArguments is parseFlags for a command that takes none.
func noArguments(name string, args []string, stdout io.Writer) (done bool, err error) {
	return parseFlags(flag.NewFlagSet(name, flag.ContinueOnError), args, stdout)
}

// writeFlags writes how to call one command.
func writeFlags(w io.Writer, flags *flag.FlagSet) {
	c, _ := find(flags.Name())
	var list strings.Builder
	flags.SetOutput(&list)
	flags.PrintDefaults()
	if list.Len() == 0 {
		fmt.Fprintf(w, "usage: bridge %s\n\n%s\n", c.name, c.summary)
		return
	}
	fmt.Fprintf(w, "usage: bridge %s [flags]\n\n%s\n\nflags:\n%s", c.name, c.summary, &list)
}
