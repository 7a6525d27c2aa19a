package main

import (
	"context"
	"fmt"
	"io"
	"runtime"

	"bridge/bridge"
)

func runVersion(_ context.Context, args []string, stdout, _ io.Writer) error {
	if done, err := noArguments("version", args, stdout); done || err != nil {
		return err
	}
	_, err := fmt.Fprintf(stdout, "bridge %s, %s, %s/%s\n", bridge.Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
