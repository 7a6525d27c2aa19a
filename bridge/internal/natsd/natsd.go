package natsd

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"bridge/bridge/internal/dirlock"

	"github.com/nats-io/nats-server/v2/server"
)

// Options of Start.
type Options struct {
	Addr     string       // to listen on, as in 127.0.0.1:4222; port 0 takes a free one
	StoreDir string       // JetStream's files; made when absent
	Logger   *slog.Logger // nil: slog.Default()
}

const (
	// syncInterval is how often JetStream's files are flushed to the disk, and so what a power cut may
	// take. The server's own default is two minutes.
	syncInterval = time.Second
	// maxMemory bounds what streams in memory may hold, in bytes. The bridge makes none, but a neighbour may.
	maxMemory = 256 << 20
	// leastRoom is what the disk must have room for to begin anew, in bytes.
	leastRoom = 1 << 20
)

// Server is a running NATS server.
type Server struct {
	nats *server.Server
	lock *dirlock.Lock
	opt  Options // with the port that it has
}

// Start returns a server that listens and has recovered its streams, which takes a moment for each
// gigabyte. Its errors name the setting to change.
func Start(opt Options) (*Server, error) {
	host, port, err := splitAddr(opt.Addr)
	if err != nil {
		return nil, fmt.Errorf("BRIDGE_NATS_ADDR: %w", err)
	}
	if opt.StoreDir == "" {
		return nil, errors.New("BRIDGE_DATA_DIR is empty: set it to a directory")
	}
	// nats-server takes no lock of its own, and two servers on one directory destroy its streams.
	lock, err := dirlock.Take(opt.StoreDir)
	if err != nil {
		return nil, fmt.Errorf("embedded nats, as NATS_URL is not set: %w", err)
	}
	s, err := start(host, port, opt)
	if err != nil {
		lock.Release()
		return nil, err
	}
	opt.Addr = net.JoinHostPort(host, strconv.Itoa(s.Addr().(*net.TCPAddr).Port))
	return &Server{s, lock, opt}, nil
}

// Failed reports whether the server could not write. It stores nothing more then, though its disk has long had room again.
func (s *Server) Failed() bool {
	health := s.nats.Healthz(&server.HealthzOptions{Details: true})
	return slices.ContainsFunc(health.Errors, func(e server.HealthzError) bool {
		return e.Type == server.HealthzErrorStream || e.Type == server.HealthzErrorJetStream
	})
}

// Revive starts the server anew, at the same address and with the same streams, unless its disk takes nothing.
func (s *Server) Revive() (revived bool, err error) {
	if err := tryDisk(s.opt.StoreDir); err != nil {
		return false, nil
	}
	s.stop()
	host, port, err := splitAddr(s.opt.Addr)
	if err == nil {
		s.nats, err = start(host, port, s.opt)
	}
	return err == nil, err
}

// tryDisk writes a file and removes it.
func tryDisk(dir string) error {
	f, err := os.Create(filepath.Join(dir, "try")) // one name, so that no more than one is left behind when the process is killed
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, leastRoom))
	err = errors.Join(err, f.Sync(), f.Close())
	return errors.Join(err, os.Remove(f.Name()))
}

func start(host string, port int, opt Options) (*server.Server, error) {
	log := opt.Logger
	if log == nil {
		log = slog.Default()
	}
	s, err := server.NewServer(&server.Options{
		ServerName:             "bridge",
		Host:                   host,
		Port:                   port,
		NoSigs:                 true, // signals are the process's, not the server's
		NoLog:                  true, // until it has our logger
		JetStream:              true,
		StoreDir:               opt.StoreDir,
		SyncInterval:           syncInterval,
		JetStreamMaxMemory:     maxMemory,
		DisableJetStreamBanner: true,
	})
	if err != nil {
		return nil, fmt.Errorf("embedded nats: %w", err)
	}
	adapter := &logger{log: log}
	s.SetLoggerV2(adapter, false, false, false)
	s.Start()
	if err := adapter.fatal(); err != nil || !s.ReadyForConnections(time.Second) {
		s.Shutdown()
		s.WaitForShutdown()
		return nil, explain(err, opt)
	}
	return s, nil
}

// explain says what to do about a server that did not start.
func explain(err error, opt Options) error {
	var listen *net.OpError
	switch {
	case err == nil:
		return fmt.Errorf("embedded nats does not accept connections on %s", opt.Addr)
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%s is in use, perhaps by another NATS server: set BRIDGE_NATS_ADDR to another address, or NATS_URL=nats://%[1]s to use that server", opt.Addr)
	case errors.As(err, &listen):
		return fmt.Errorf("embedded nats cannot listen, set BRIDGE_NATS_ADDR to another address: %w", err)
	}
	return fmt.Errorf("embedded nats does not start with the files in %s, mend them or set BRIDGE_DATA_DIR to another directory: %w", opt.StoreDir, err)
}

// ClientURL is where a client on this machine connects.
func (s *Server) ClientURL() string {
	addr := s.nats.Addr().(*net.TCPAddr)
	host := addr.IP.String()
	if addr.IP.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "nats://" + net.JoinHostPort(host, strconv.Itoa(addr.Port))
}

// Close stops the server and returns when its files are closed.
func (s *Server) Close() {
	s.stop()
	s.lock.Release()
}

func (s *Server) stop() {
	if s.nats != nil { // else it has not come up again
		s.nats.Shutdown()
		s.nats.WaitForShutdown()
	}
}

func splitAddr(addr string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, err
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return "", 0, err
	}
	if n == 0 {
		return host, server.RANDOM_PORT, nil
	}
	return host, int(n), nil
}
