package bridge

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/nats-io/nats.go"
)

// natsServerFile returns the file of nats-server, the program itself in the version of go.mod, and builds it when there is none. It
// has no race detector, which would find nothing of ours in it and make it slow.
var natsServerFile = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("go", "tool", "-n", "nats-server").Output()
	return strings.TrimSpace(string(out)), err
})

// natsServer is a nats-server process with JetStream.
type natsServer struct {
	*process
	url string
}

// newNATS prepares a single server. Its port and its store stay the same from start to start.
func newNATS(t testing.TB, config ...string) *natsServer {
	dir := t.TempDir()
	port := freePort(t)
	text := fmt.Sprintf("listen: 127.0.0.1:%d\njetstream { store_dir: %q }\n%s\n", port, filepath.Join(dir, "js"), strings.Join(config, "\n"))
	return natsFromConfig(t, dir, port, text)
}

func natsFromConfig(t testing.TB, dir string, port int, text string) *natsServer {
	program, err := natsServerFile()
	if err != nil {
		t.Fatalf("go tool nats-server: %v", err)
	}
	file := filepath.Join(dir, "nats.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := newProcess(t, "nats-server", []string{"-c", file}, nil)
	p.file = program
	return &natsServer{p, "nats://127.0.0.1:" + strconv.Itoa(port)}
}

// up starts the server and returns when it takes connections.
func (s *natsServer) up() *natsServer {
	s.t.Helper()
	s.start()
	s.reachable()
	return s
}

// end asks the server to stop and waits until it has.
func (s *natsServer) end() {
	s.signal(syscall.SIGTERM)
	s.wait()
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

// freePort returns a port that was free a moment ago, and is given to no other test before this one ends, though nobody may listen there for
// a while. It is none of those that the system gives to clients.
func freePort(t testing.TB) int {
	t.Helper()
	for range 100 {
		port := 10_000 + rand.IntN(20_000)
		addr := "127.0.0.1:" + strconv.Itoa(port)
		reserved, err := net.ListenPacket("udp", addr) // a sign to tests of other processes as well
		if err != nil {
			continue
		}
		t.Cleanup(func() { reserved.Close() })
		if l, err := net.Listen("tcp", addr); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}

// stopToSave kills the server, copies its store and starts it again.
func (s *natsServer) stopToSave() (saved string) {
	s.t.Helper()
	s.kill()
	defer s.up()
	return s.saveStore()
}

// saveStore copies the server's store; restoreStore puts the copy back. The server must be down, or for a copy paused.
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
