package bridge

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
)

// The tests kill real processes. They start their own binary again, which then is what processVar says.
const processVar = "BRIDGETEST_PROCESS"

func TestMain(m *testing.M) {
	switch os.Getenv(processVar) {
	case "nats-server":
		natsServerMain()
	case "bridge":
		bridgeMain()
	case "async":
		if err := asyncMain(os.Args[1]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	default:
		os.Exit(m.Run())
	}
}

// natsServerMain is nats-server's own main: flags, configuration, signals.
func natsServerMain() {
	opts, err := server.ConfigureOptions(flag.NewFlagSet("nats-server", flag.ExitOnError), os.Args[1:], nil, nil, nil)
	if err != nil {
		server.PrintAndDie(err.Error())
	}
	s, err := server.NewServer(opts)
	if err != nil {
		server.PrintAndDie(err.Error())
	}
	s.ConfigureLogger()
	if err := server.Run(s); err != nil {
		server.PrintAndDie(err.Error())
	}
	s.WaitForShutdown()
}

// bridgeMain is the daemon, configured by the environment.
func bridgeMain() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	_ = os.Unsetenv(processVar)
	cfg, err := Load()
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

// kill is kill -9. It returns when the process is gone.
func (p *process) kill() {
	if p.cmd != nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
		p.cmd = nil
	}
}

// wait returns the exit code of a process that ends by itself. One that does not is killed after a minute.
func (p *process) wait() int {
	defer time.AfterFunc(time.Minute, func() { _ = p.cmd.Process.Kill() }).Stop()
	_ = p.cmd.Wait()
	code := p.cmd.ProcessState.ExitCode()
	p.cmd = nil
	return code
}

// logBuffer keeps the last output of a process, and lets a test wait for a line in it.
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

func (b *logBuffer) reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text.Reset()
}

// natsServer is a nats-server process with JetStream.
type natsServer struct {
	*process
	port int
	url  string
}

// newNATS prepares a single server. Its port and its store stay the same from start to start.
func newNATS(t testing.TB, config ...string) *natsServer {
	dir := t.TempDir()
	port := freePort(t)
	text := fmt.Sprintf("listen: 127.0.0.1:%d\njetstream { store_dir: %q }\n%s\n", port, filepath.Join(dir, "js"), strings.Join(config, "\n"))
	return natsFromConfig(t, dir, port, text)
}

// newCluster prepares three servers that form a cluster.
func newCluster(t testing.TB) []*natsServer {
	var routes []string
	ports := make([]int, 3)
	for i := range ports {
		ports[i] = freePort(t)
		routes = append(routes, fmt.Sprintf("nats://127.0.0.1:%d", ports[i]))
	}
	var servers []*natsServer
	for i := range ports {
		dir := t.TempDir()
		port := freePort(t)
		text := fmt.Sprintf(`
listen: 127.0.0.1:%d
server_name: n%d
jetstream { store_dir: %q }
cluster { name: c, listen: 127.0.0.1:%d, routes: [%s] }
`, port, i, filepath.Join(dir, "js"), ports[i], strings.Join(routes, ","))
		servers = append(servers, natsFromConfig(t, dir, port, text))
	}
	return servers
}

func natsFromConfig(t testing.TB, dir string, port int, text string) *natsServer {
	file := filepath.Join(dir, "nats.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return &natsServer{
		process: newProcess(t, "nats-server", []string{"-c", file}, nil),
		port:    port,
		url:     "nats://127.0.0.1:" + strconv.Itoa(port),
	}
}

// up starts the server and returns when it takes connections.
func (s *natsServer) up() *natsServer {
	s.t.Helper()
	s.start()
	s.reachable()
	return s
}

func (s *natsServer) reachable() {
	s.t.Helper()
	eventually(s.t, "nats-server takes connections", func() error {
		nc, err := nats.Connect(s.url, nats.NoReconnect())
		if err == nil {
			nc.Close()
		}
		return err
	})
}

// freePort returns a port that was free a moment ago.
func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// eventually waits for something that another process does and that cannot be awaited otherwise.
func eventually(t testing.TB, what string, check func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	for {
		err := check()
		if err == nil {
			return
		}
		if !sleep(ctx, 10*time.Millisecond) {
			t.Fatalf("%s: %v", what, err)
		}
	}
}

// proxy stands between the bridge and a server, and can cut, freeze or swallow.
type proxy struct {
	t      testing.TB
	listen net.Listener
	target string

	mu    sync.Mutex // guards what is below
	conns []net.Conn
	deaf  bool // what the server sends is thrown away
}

func newProxy(t testing.TB, target string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{t: t, listen: l, target: strings.TrimPrefix(target, "nats://")}
	go p.accept()
	t.Cleanup(func() {
		l.Close()
		p.cut()
	})
	return p
}

func (p *proxy) url() string { return "nats://" + p.listen.Addr().String() }

func (p *proxy) accept() {
	for {
		in, err := p.listen.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", p.target)
		if err != nil {
			in.Close()
			continue
		}
		p.mu.Lock()
		p.conns = append(p.conns, in, out)
		p.mu.Unlock()
		go func() { _, _ = io.Copy(out, in); in.Close(); out.Close() }()
		go func() { p.answers(in, out); in.Close(); out.Close() }()
	}
}

// answers copies what the server sends, unless the proxy is deaf.
func (p *proxy) answers(in io.Writer, out io.Reader) {
	r := bufio.NewReader(out)
	buf := make([]byte, 32<<10)
	for {
		n, err := r.Read(buf)
		if err != nil {
			return
		}
		p.mu.Lock()
		deaf := p.deaf
		p.mu.Unlock()
		if !deaf {
			if _, err := in.Write(buf[:n]); err != nil {
				return
			}
		}
	}
}

// cut breaks every connection; setDeaf makes acks disappear.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		c.Close()
	}
	p.conns = nil
}

func (p *proxy) setDeaf(deaf bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deaf = deaf
}

// saveStore copies the server's store; restoreStore puts the copy back. The server must be down.
func (s *natsServer) saveStore() (saved string) {
	s.t.Helper()
	saved = s.t.TempDir()
	if err := os.CopyFS(saved, os.DirFS(s.store())); err != nil {
		s.t.Fatal(err)
	}
	return saved
}

func (s *natsServer) restoreStore(saved string) {
	s.t.Helper()
	if err := os.RemoveAll(s.store()); err != nil {
		s.t.Fatal(err)
	}
	if err := os.CopyFS(s.store(), os.DirFS(saved)); err != nil {
		s.t.Fatal(err)
	}
}

func (s *natsServer) store() string { return filepath.Join(filepath.Dir(s.args[1]), "js") }

// leaderOf returns the server that leads the stream.
func leaderOf(t testing.TB, servers []*natsServer) (leader *natsServer) {
	t.Helper()
	eventually(t, "the stream has a leader", func() error {
		for _, s := range servers {
			nc, err := nats.Connect(s.url, nats.NoReconnect())
			if err != nil {
				continue
			}
			defer nc.Close()
			js, err := jetstream.New(nc)
			if err != nil {
				return err
			}
			stream, err := js.Stream(t.Context(), "STOCKS")
			if err != nil {
				return err
			}
			if c := stream.CachedInfo().Cluster; c != nil && strings.HasPrefix(c.Leader, "n") {
				i, err := strconv.Atoi(c.Leader[1:])
				if err == nil {
					leader = servers[i]
					return nil
				}
			}
		}
		return errors.New("none")
	})
	return leader
}

// quiet returns a logger whose output is shown when the test fails.
func quiet(t testing.TB) *slog.Logger {
	b := &logBuffer{}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log:\n%s", b)
		}
	})
	return slog.New(slog.NewTextHandler(b, nil))
}
