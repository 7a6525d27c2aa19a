package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"bridge/polygon/polygontest"
)

// terminal is a pseudo terminal with something that reads what is written to it.
type terminal struct {
	person  *os.File // types, and sees what is shown
	program *os.File
	shown   *output
	done    chan struct{} // closed when all was read
}

// newTerminal opens a terminal of 24 rows and that many columns.
func newTerminal(t *testing.T, columns uint16, want string) *terminal {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("this machine has no pseudo terminals: %v", err)
	}
	var number, locked uint32
	size := [4]uint16{24, columns}
	control(t, person, syscall.TIOCSPTLCK, unsafe.Pointer(&locked))
	control(t, person, syscall.TIOCGPTN, unsafe.Pointer(&number))
	control(t, person, syscall.TIOCSWINSZ, unsafe.Pointer(&size))
	program, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	term := &terminal{person: person, program: program, shown: newOutput(want), done: make(chan struct{})}
	go func() {
		defer close(term.done)
		_, _ = io.Copy(term.shown, person) // ends with an error when the last program has closed its end
	}()
	t.Cleanup(func() {
		_ = program.Close()
		<-term.done
		_ = person.Close()
		if t.Failed() {
			t.Logf("the terminal got\n%q", term.shown)
		}
	})
	return term
}

func control(t *testing.T, f *os.File, request uintptr, arg unsafe.Pointer) {
	t.Helper()
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), request, uintptr(arg)); errno != 0 {
		t.Fatal(errno)
	}
}

// run starts the command on the terminal, as a shell would, and returns how to wait for its exit code.
func (term *terminal) run(t *testing.T, args ...string) (wait func() int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), mainVar+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = term.program, term.program, term.program
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return func() int {
		_ = cmd.Wait()
		_ = term.program.Close()
		<-term.done
		return cmd.ProcessState.ExitCode()
	}
}

// TestDemoOnClosedTerminal: whoever closes the window has ended the demo, which tidies up.
func TestDemoOnClosedTerminal(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	term := newTerminal(t, 80, `Ctrl-C ends it`)
	wait := term.run(t, "demo", "-symbols", "5")
	await(t, term.shown)
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Fatalf("got %v, %v, want the demo's directory", left, err)
	}
	if err := term.person.Close(); err != nil {
		t.Fatal(err)
	}
	wait()
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestHangup: a terminal that closes says so more than once, and the bridge drains all the same, for as long as it may.
func TestHangup(t *testing.T) {
	simulated := newOutput(`on (ws://\S+)\n`)
	background(t, simulated, newOutput(`$^`), "simulate", "-addr", "127.0.0.1:0", "-rate", "0")
	cmd, log := startBridge(t, `"records":([2-9]|\d\d)`, []string{
		"POLYGON_URL=" + await(t, simulated)[1], "NATS_URL=nats://" + freeAddr(t), "BRIDGE_DRAIN_TIMEOUT=2s",
	}, os.Args[0])
	hangUp := func() {
		if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Error(err)
		}
	}
	log.next("stopping")
	hangUp()
	await(t, log)
	hangUp()
	if err := cmd.Wait(); err != nil || !strings.Contains(log.String(), "stopped with frames that are not in the stream") {
		t.Errorf("got %v, want exit code 0 and an end in order, after the drain", err)
	}
}

// TestNohup: what was told not to hear of its terminal's end does not.
func TestNohup(t *testing.T) {
	cmd, _ := startBridge(t, "bridge started", []string{"POLYGON_URL=ws://" + freeAddr(t) + "/stocks", "BRIDGE_NATS_ADDR=127.0.0.1:0"}, "nohup", os.Args[0])
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(status), "\nSigIgn:\t")
	mask, _, _ := strings.Cut(after, "\n")
	if ignored, err := strconv.ParseUint(mask, 16, 64); err != nil || ignored&(1<<(syscall.SIGHUP-1)) == 0 {
		t.Errorf("SIGHUP is not ignored: %q, %v", mask, err)
	}
}

// startBridge starts a bridge in a process of its own and waits for a line of its log. It is killed when the test ends.
func startBridge(t *testing.T, want string, env []string, args ...string) (*exec.Cmd, *output) {
	t.Helper()
	log := newOutput(want)
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Env = append(env, mainVar+"=1", "POLYGON_API_KEY=k", "BRIDGE_HTTP_ADDR=off", "BRIDGE_DATA_DIR="+t.TempDir())
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	await(t, log)
	return cmd, log
}

// On a terminal a bar grows, Ctrl-C ends it with how to go on, a warning does not get into the bar's line, and no line is too long.
func TestBackfillOnTerminal(t *testing.T) {
	silent := polygontest.RESTSilent()
	for _, tt := range []struct {
		name   string
		faults []polygontest.RESTFault
		await  string
		key    string
		code   int
		want   []string
	}{
		{"Ctrl-C", []polygontest.RESTFault{{}, silent, silent}, `0 of 2 tickers, 0 bars`, "\x03", 1,
			[]string{"] looking into the stream\x1b[K", "bridge: stopped before the end, with 0 of 2 tickers asked for; the same command goes on with the rest\r\n"}},
		{"to the end", []polygontest.RESTFault{polygontest.RESTBroken(503)}, `waiting: test request: HTTP status 503 `, "", 0,
			[]string{"\r[========================] 2 of 2 tickers, 100 bars\x1b[K\r\n100 bars found,"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPast(t, polygontest.REST{PageSize: 20})
			term := newTerminal(t, 60, tt.await)
			p.srv.NextREST(tt.faults...)
			wait := term.run(t, p.backfill()...)
			await(t, term.shown)
			if _, err := term.person.WriteString(tt.key); err != nil {
				t.Fatal(err)
			}
			if code := wait(); code != tt.code {
				t.Errorf("got exit code %d, want %d", code, tt.code)
			}
			shown := term.shown.String()
			for _, want := range tt.want {
				if !strings.Contains(shown, want) {
					t.Errorf("%q is not in what the terminal got", want)
				}
			}
			for drawn := range strings.SplitSeq(shown, "\r") {
				if bar, _, found := strings.Cut(drawn, "\x1b[K"); found && len(bar) > 59 {
					t.Errorf("%q is drawn, which a terminal of 60 columns wraps", bar)
				}
			}
			if tt.code == 0 {
				p.whole()
			}
		})
	}
}
