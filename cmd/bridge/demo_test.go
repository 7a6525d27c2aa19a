package main

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
)

func TestDemoShowsBarsAndLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	out, errs := newOutput(`[1-9]\d* bars of \d+ symbols.* p50 .*; \S+ \d\d:\d\d:\d\d o `), newOutput(`$^`)
	stop := background(t, out, errs, "demo", "-symbols", "5")
	await(t, out)
	if code := stop(); code != 0 {
		t.Errorf("got exit code %d, want 0", code)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	text := out.String()
	if strings.Contains(text, "\x1b") {
		t.Error("escape sequences without a terminal")
	}
	if !strings.Contains(text, "nats -s nats://127.0.0.1:") || !strings.Contains(text, "stopped") {
		t.Errorf("got %q, want the command to read beside it, and an end", text)
	}
	if errs.String() != "" {
		t.Errorf("got warnings: %s", errs)
	}
}

// As in bridge demo | head: who reads the output may leave, and the demo tidies up all the same.
func TestDemoWhoseReaderLeaves(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "demo", "-symbols", "5")
	cmd.Env = append(os.Environ(), mainVar+"=1", "TMPDIR="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Error(err)
	}
	_ = out.Close()
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 1 || errs.Len() > 0 {
		t.Errorf("got %v, %q; want exit code 1 and not a word", err, &errs)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestDemoEndsByItself(t *testing.T) {
	if code, stdout, stderr := call(t, "demo", "-for", "1ms"); code != 0 || !strings.Contains(stdout, "stopped") {
		t.Errorf("got %d, %q, %q", code, stdout, stderr)
	}
}

func TestDemoTakesAnotherPortWhenItsOwnIsTaken(t *testing.T) {
	if l, err := net.Listen("tcp", demoAddr); err == nil { // else somebody else has it, which does as well
		defer l.Close()
	}
	addr, err := demoAddress()
	if err != nil {
		t.Fatal(err)
	}
	if addr == demoAddr || !strings.HasPrefix(addr, "127.0.0.1:") {
		t.Errorf("got %s, want a free port", addr)
	}
}
