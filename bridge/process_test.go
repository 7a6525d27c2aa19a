package bridge

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// The tests kill real processes. They start their own binary again, which then is what processVar says.
const processVar = "BRIDGETEST_PROCESS"

// queueVar bounds the queue of a bridge to a number of bytes, fewer than may be configured.
const queueVar = "BRIDGETEST_QUEUE_MAX_BYTES"

func TestMain(m *testing.M) {
	switch os.Getenv(processVar) {
	case "bridge":
		bridgeMain()
	case "async":
		if err := asyncMain(os.Args[1]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	default:
		// Most tests wait most of the time, for an election or a market: more of them run at once than there are cores. This is
		// only the default, as the command line is not read yet.
		if err := flag.Set("test.parallel", strconv.Itoa(max(8, runtime.GOMAXPROCS(0)))); err != nil {
			panic(err)
		}
		os.Exit(m.Run())
	}
}

// bridgeMain is the daemon, configured by the environment.
func bridgeMain() {
	if file := os.Getenv(diskVar); file != "" {
		if err := obeyDisk(file); err != nil {
			panic(err)
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	_ = os.Unsetenv(processVar)
	cfg, err := Load()
	if n, _ := strconv.ParseInt(os.Getenv(queueVar), 10, 64); n > 0 {
		cfg.SpoolMaxBytes = n
		if cfg.DataDir == "" {
			cfg.QueueMaxBytes = n // otherwise it is for when the disk takes nothing
		}
	}
	if err == nil {
		err = Run(ctx, cfg, Options{Logger: NewLogger(os.Stderr, cfg.LogLevel, cfg.LogFormat), Registerer: prometheus.NewRegistry()})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(ExitCode(err))
}

// process is a child of the test.
type process struct {
	t    testing.TB
	role string
	file string // the program; "" for the test's own
	args []string
	env  []string
	cmd  *exec.Cmd
	log  *logBuffer

	logged int // by those before the present one
	paused bool
}

func newProcess(t testing.TB, role string, args, env []string) *process {
	p := &process{t: t, role: role, args: args, env: env, log: &logBuffer{}}
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("output of %s:\n%s", role, p.log)
		}
	})
	return p
}

func (p *process) start() {
	p.t.Helper()
	file := p.file
	if file == "" {
		file = os.Args[0]
		p.env = append(p.env, processVar+"="+p.role)
	}
	p.cmd = exec.Command(file, p.args...)
	p.cmd.Env = append(os.Environ(), p.env...)
	p.cmd.Stderr, p.cmd.Stdout = p.log, p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	p.logged = len(p.log.String())
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
}

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// pause stops the process, without its knowledge, until resume. It returns when nothing of it runs any more.
func (p *process) pause() {
	p.t.Helper()
	p.signal(syscall.SIGSTOP)
	eventually(p.t, p.role+" stands still", func() error {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
		if err == nil && !strings.Contains(string(status), "State:\tT") {
			err = errors.New("it runs")
		}
		return err
	})
	p.paused = true
}

func (p *process) resume() {
	p.signal(syscall.SIGCONT)
	p.paused = false
}

// kill is kill -9. It returns when the process is gone.
func (p *process) kill() {
	if p.cmd != nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
		p.cmd, p.paused = nil, false
	}
}

// wait returns the exit code of a process that ends by itself. One that does not is killed in the end.
func (p *process) wait() int {
	defer time.AfterFunc(patience, func() { _ = p.cmd.Process.Kill() }).Stop()
	_ = p.cmd.Wait()
	code := p.cmd.ProcessState.ExitCode()
	p.cmd = nil
	return code
}

// stop asks the process to end, which a bridge does with exit code 0. It returns when it has.
func (p *process) stop() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != 0 {
		p.t.Errorf("exit code %d, want 0", code)
	}
}

// said reports whether the present process has printed a text.
func (p *process) said(text string) bool { return strings.Contains(p.log.String()[p.logged:], text) }

// says waits until the process has printed a text.
func (p *process) says(text string) {
	p.t.Helper()
	p.log.await(p.t, text)
}

// logBuffer keeps the output of a process, or the log of a part of the bridge in the test's own.
type logBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// await waits until a text is in it.
func (b *logBuffer) await(t testing.TB, text string) {
	t.Helper()
	eventually(t, "the log says "+text, func() error {
		if !strings.Contains(b.String(), text) {
			return errors.New("not yet")
		}
		return nil
	})
}

func (b *logBuffer) reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text.Reset()
}

// patience is how long a test waits before it fails. A cluster on a busy machine may need a minute for an election.
const patience = 3 * time.Minute

// eventually waits for something that another process does and that cannot be awaited otherwise.
func eventually(t testing.TB, what string, check func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for wait := 10 * time.Millisecond; ; wait = min(wait*5/4, 200*time.Millisecond) {
		err := check()
		if err == nil {
			return
		}
		if !sleep(ctx, wait) {
			t.Fatalf("%s: %v", what, err)
		}
	}
}

// quiet returns a logger whose output is shown when the test fails.
func quiet(t testing.TB) *slog.Logger { return logTo(shownOnFailure(t)) }

func logTo(b *logBuffer) *slog.Logger { return slog.New(slog.NewTextHandler(b, nil)) }

func shownOnFailure(t testing.TB) *logBuffer {
	b := &logBuffer{}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log:\n%s", b)
		}
	})
	return b
}
