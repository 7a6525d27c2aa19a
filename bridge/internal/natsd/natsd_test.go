package natsd

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// holderVar makes the test binary a process that runs a server in the directory that it names.
const holderVar = "NATSD_TEST_HOLDER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(holderVar); dir != "" {
		s, err := Start(Options{Addr: "127.0.0.1:0", StoreDir: dir, Logger: quiet()})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(s.ClientURL())
		_, _ = io.Copy(io.Discard, os.Stdin) // until it is killed, or the test ends
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func startIn(t *testing.T, dir string) *Server {
	t.Helper()
	s, err := Start(Options{Addr: "127.0.0.1:0", StoreDir: dir, Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// holder starts another process that runs a server in dir, and returns it and its URL.
func holder(t *testing.T, dir string) (*exec.Cmd, string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), holderVar+"="+dir)
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	url, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.HasPrefix(url, "nats://") {
		t.Fatalf("the other process did not start: %q, %v", url, err)
	}
	return cmd, strings.TrimSpace(url)
}

func connect(t *testing.T, url string) jetstream.JetStream {
	t.Helper()
	conn, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func publish(t *testing.T, js jetstream.JetStream, n int) {
	t.Helper()
	if _, err := js.CreateOrUpdateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s.>"}}); err != nil {
		t.Fatal(err)
	}
	for range n {
		if _, err := js.Publish(t.Context(), "s.a", []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
}

func messages(t *testing.T, js jetstream.JetStream) uint64 {
	t.Helper()
	stream, err := js.Stream(t.Context(), "S")
	if err != nil {
		t.Fatal(err)
	}
	return stream.CachedInfo().State.Msgs
}

func TestStoreSurvivesClose(t *testing.T) {
	dir := t.TempDir()
	s := startIn(t, dir)
	publish(t, connect(t, s.ClientURL()), 10)
	s.Close()
	if got := messages(t, connect(t, startIn(t, dir).ClientURL())); got != 10 {
		t.Errorf("got %d messages after reopening, want 10", got)
	}
}

func TestStoreSurvivesKill(t *testing.T) {
	dir := t.TempDir()
	cmd, url := holder(t, dir)
	publish(t, connect(t, url), 10)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if got := messages(t, connect(t, startIn(t, dir).ClientURL())); got != 10 {
		t.Errorf("got %d messages after a kill, want 10", got)
	}
}

func TestDirectoryInUseNamesTheHolder(t *testing.T) {
	dir := t.TempDir()
	cmd, _ := holder(t, dir)
	_, err := Start(Options{Addr: "127.0.0.1:0", StoreDir: dir, Logger: quiet()})
	wantError(t, err, dir, "in use by process "+strconv.Itoa(cmd.Process.Pid), "BRIDGE_DATA_DIR")
}

func TestDirectoryInUseByThisProcess(t *testing.T) {
	dir := t.TempDir()
	startIn(t, dir)
	_, err := Start(Options{Addr: "127.0.0.1:0", StoreDir: dir, Logger: quiet()})
	wantError(t, err, "in use by process "+strconv.Itoa(os.Getpid()))
}

func TestPortInUseSaysWhatToDo(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dir := t.TempDir()
	_, err = Start(Options{Addr: l.Addr().String(), StoreDir: dir, Logger: quiet()})
	wantError(t, err, l.Addr().String()+" is in use", "BRIDGE_NATS_ADDR", "NATS_URL")

	startIn(t, dir) // the failed start has let go of the directory
}

func TestAddressThatIsNotOursSaysWhatToDo(t *testing.T) {
	_, err := Start(Options{Addr: "192.0.2.1:4222", StoreDir: t.TempDir(), Logger: quiet()})
	wantError(t, err, "BRIDGE_NATS_ADDR")
}

func TestUnwritableDirectorySaysWhatToDo(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Start(Options{Addr: "127.0.0.1:0", StoreDir: filepath.Join(file, "data"), Logger: quiet()})
	wantError(t, err, file, "BRIDGE_DATA_DIR")
}

func TestClientURLOfEveryInterface(t *testing.T) {
	s, err := Start(Options{Addr: "0.0.0.0:0", StoreDir: t.TempDir(), Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if !strings.HasPrefix(s.ClientURL(), "nats://127.0.0.1:") {
		t.Errorf("got %s, want an address that a client can dial", s.ClientURL())
	}
}

func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("got no error")
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("got %q, want it to contain %q", err, part)
		}
	}
}
