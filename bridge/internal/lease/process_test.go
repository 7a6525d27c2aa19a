package lease

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/sys/unix"
)

// The tests kill real processes. They start their own binary again, which then is what processVar says.
const processVar = "LEASETEST_PROCESS"

// TestMain also fails when a test has left a goroutine behind.
func TestMain(m *testing.M) {
	switch os.Getenv(processVar) {
	case "contender":
		contenderMain()
	default:
		code := m.Run()
		if code == 0 && leaked() {
			fmt.Fprintln(os.Stderr, "goroutines are left:")
			pprof.Lookup("goroutine").WriteTo(os.Stderr, 1)
			code = 1
		}
		os.Exit(code)
	}
}

// leaked gives goroutines that are about to end a while to do so.
func leaked() bool {
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); runtime.Gosched() {
		if runtime.NumGoroutine() == 1 {
			return false
		}
	}
	return true
}

// contenderMain holds a lease until it gets a signal, and prints what it does: its name, url and TTL are its arguments.
func contenderMain() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	fmt.Println("started")
	ttl, err := time.ParseDuration(os.Args[3])
	if err != nil {
		panic(err)
	}
	opt := Options{Dial: dialTo(os.Args[2]), Bucket: "lease", Key: "stocks", Holder: os.Args[1], TTL: ttl, Replicas: 1 + strings.Count(os.Args[2], ",")}
	opt.Notify = func(s Status) { fmt.Println(s.Role, s.Epoch, s.Holder, s.Err) }
	err = Hold(ctx, opt, func(ctx context.Context, l *Lease) error {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			// The clock is read first: a lease that is valid afterwards was valid then.
			now := monotonic()
			if l.Valid() {
				fmt.Println("work", l.Epoch(), now)
			}
			<-tick.C
		}
		fmt.Println("ended", l.Epoch(), context.Cause(ctx))
		return nil
	})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
}

// monotonic is CLOCK_MONOTONIC in nanoseconds, the same for all processes.
func monotonic() int64 {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		panic(err)
	}
	return now.Nano()
}

func dialTo(url string) func(...nats.Option) (*nats.Conn, error) {
	return func(options ...nats.Option) (*nats.Conn, error) { return nats.Connect(url, options...) }
}

// process is a child of the test.
type process struct {
	t    testing.TB
	role string
	file string // the program; "" for the test's own
	args []string
	cmd  *exec.Cmd
	out  output
}

func newProcess(t testing.TB, role string, args ...string) *process {
	p := &process{t: t, role: role, args: args}
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("output of %s %v:\n%s", role, args, p.out.last(4000))
		}
	})
	return p
}

func (p *process) start() {
	p.t.Helper()
	file := p.file
	if file == "" {
		file = os.Args[0]
	}
	p.cmd = exec.Command(file, p.args...)
	p.cmd.Env = append(os.Environ(), processVar+"="+p.role)
	p.cmd.Stderr, p.cmd.Stdout = &p.out, &p.out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
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

// kill is kill -9. It returns when the process is gone and its output is read.
func (p *process) kill() {
	if p.cmd != nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
		p.cmd = nil
	}
}

// terminate asks the process to end and returns its exit code. One that does not is killed after a minute.
func (p *process) terminate() int {
	p.signal(syscall.SIGTERM)
	defer time.AfterFunc(time.Minute, func() { _ = p.cmd.Process.Kill() }).Stop()
	_ = p.cmd.Wait()
	code := p.cmd.ProcessState.ExitCode()
	p.cmd = nil
	return code
}

// output is what a process has printed.
type output struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// last returns the end of the output, without what is printed every millisecond.
func (o *output) last(n int) string {
	var lines []string
	for line := range strings.Lines(o.String()) {
		if !strings.HasPrefix(line, "work ") {
			lines = append(lines, line)
		}
	}
	text := strings.Join(lines, "")
	return text[max(0, len(text)-n):]
}

// natsServerFile returns the file of nats-server, the program itself in the version of go.mod, and builds it when there is none.
var natsServerFile = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("go", "tool", "-n", "nats-server").Output()
	return strings.TrimSpace(string(out)), err
})

// natsServer is a nats-server process with JetStream. Its port and its store stay the same from start to start.
type natsServer struct {
	*process
	url string
}

func newNATS(t testing.TB) *natsServer { return newNATSWith(t, "") }

func newNATSWith(t testing.TB, config string) *natsServer {
	t.Helper()
	program, err := natsServerFile()
	if err != nil {
		t.Fatalf("go tool nats-server: %v", err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "nats.conf")
	address := freeAddress(t)
	text := fmt.Sprintf("listen: %s\njetstream { store_dir: %q }\n%s\n", address, filepath.Join(dir, "js"), config)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := newProcess(t, "nats-server", "-c", file)
	p.file = program
	return &natsServer{p, "nats://" + address}
}

// newCluster prepares three servers that form a cluster.
func newCluster(t testing.TB) []*natsServer {
	var routes []string
	for range 3 {
		routes = append(routes, freeAddress(t))
	}
	var servers []*natsServer
	for i, route := range routes {
		servers = append(servers, newNATSWith(t, fmt.Sprintf("server_name: n%d\ncluster { name: c, listen: %q, routes: [nats://%s] }",
			i, route, strings.Join(routes, ", nats://"))))
	}
	return servers
}

// up starts the server and returns when it takes connections.
func (s *natsServer) up() *natsServer {
	s.t.Helper()
	s.start()
	eventually(s.t, "nats-server takes connections", func() error {
		nc, err := nats.Connect(s.url, nats.NoReconnect())
		if err == nil {
			nc.Close()
		}
		return err
	})
	return s
}

// freeAddress returns an address that was free a moment ago. Its port is none of those that the system gives to clients: one that
// dials a server that is down would now and then be given the server's, and reach itself.
func freeAddress(t testing.TB) string {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 10_000+rand.IntN(20_000)))
		if err == nil {
			defer l.Close()
			return l.Addr().String()
		}
	}
	t.Fatal("no address is free")
	return ""
}

// eventually waits for something that another process does and that cannot be awaited otherwise.
func eventually(t testing.TB, what string, check func() error) {
	t.Helper()
	within(t, time.Minute, what, check)
}

func within(t testing.TB, limit time.Duration, what string, check func() error) {
	t.Helper()
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-again.C:
		case <-deadline.C:
			t.Fatalf("%s: %v", what, err)
		}
	}
}

var errNotYet = errors.New("not yet")

func number(t testing.TB, text string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
