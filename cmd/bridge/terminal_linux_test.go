package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
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
