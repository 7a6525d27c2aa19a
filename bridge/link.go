package bridge

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"bridge/bridge/internal/lease"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// errDisconnected ends a link whose NATS connection broke.
var errDisconnected = errors.New("nats: connection lost")

// link is one NATS connection and what the publisher needs of it. It is never mended: the client's own
// reconnect would send what it holds behind our back, before reconcile has looked at the stream.
type link struct {
	conn   *nats.Conn
	js     jetstream.JetStream
	inbox  string         // prefix of the subjects of acks
	acks   chan *nats.Msg // one place per slot and more for strangers'; an answer without a place times out
	window *window        // nil until openWindow
	closed chan struct{}
	socket *socket

	stream    string
	ackPrefix []byte // how the server begins the ack of a message that is new
}

// dialLink connects and subscribes to the acks. The end of ctx ends the connection, at once and whatever it is doing.
// Nothing is sent while valid, unless it is nil, reports false.
func dialLink(ctx context.Context, cfg NATSConfig, stream string, valid func() bool, complain func(error)) (*link, error) {
	c := &link{
		inbox:     nats.NewInbox() + ".",
		acks:      make(chan *nats.Msg, 2*mostWindow),
		closed:    make(chan struct{}),
		socket:    &socket{ctx: ctx, valid: valid},
		stream:    stream,
		ackPrefix: []byte(`{"stream":"` + stream + `","seq":`),
	}
	context.AfterFunc(ctx, c.socket.abort)
	conn, err := dialNATS(cfg, complain,
		nats.SetCustomDialer(c.socket),
		nats.PingInterval(5*time.Second), // a server that is gone without a word is noticed in 15 s
		nats.MaxPingsOutstanding(2),
		nats.FlusherTimeout(10*time.Second),
		nats.ClosedHandler(func(*nats.Conn) { close(c.closed) }),
	)
	if err != nil {
		return nil, err
	}
	c.conn = conn
	if c.js, err = jetstream.New(conn, jetstream.WithDefaultTimeout(requestTimeout)); err != nil {
		c.close()
		return nil, fmt.Errorf("jetstream: %w", err)
	}
	if _, err := conn.ChanSubscribe(c.inbox+"*", c.acks); err != nil {
		c.close()
		return nil, fmt.Errorf("subscribe to acks: %w", err)
	}
	return c, nil
}

// openWindow makes the window, for how many copies the stream has, and how far it is.
func (c *link) openWindow(ctx context.Context, stream jetstream.Stream) error {
	asked := time.Now()
	info, err := currentInfo(ctx, stream)
	if err != nil {
		return err
	}
	c.window = newWindow(c.inbox, windowSize(info.Config.Replicas, time.Since(asked)))
	return nil
}

// err says why the connection ended.
func (c *link) err() error {
	if err := c.conn.LastError(); err != nil {
		return fmt.Errorf("%w: %w", errDisconnected, err)
	}
	return errDisconnected
}

// close ends the connection at once, also when the server has stopped reading.
func (c *link) close() {
	c.socket.abort()
	c.conn.Close()
}

// socket dials for the NATS client and remembers the connection, to end it when the client would wait for a
// write that the server does not take, or for a word of one that has none.
type socket struct {
	ctx   context.Context // of the link; the client's dialler has none
	valid func() bool

	mu   sync.Mutex // guards conn
	conn net.Conn
}

func (s *socket) Dial(network, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: 5 * time.Second}
	conn, err := d.DialContext(s.ctx, network, address)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.conn = conn
	s.mu.Unlock()
	if s.ctx.Err() != nil { // abort may have come before the connection
		s.abort()
	}
	if s.valid != nil {
		return &fenced{conn, s.valid}, nil
	}
	return conn, nil
}

// abort resets the connection. What the system still holds of it is not sent: it would reach the server after
// reconcile has looked at the stream. A deadline would not do, as the client sets its own for each write.
func (s *socket) abort() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == nil {
		return
	}
	if tcp, ok := s.conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = s.conn.Close()
}

// fenced is a connection that sends nothing once its process is not the active one any more. It is the last place to
// look: what the client holds would go out first when a paused process is woken.
type fenced struct {
	net.Conn
	valid func() bool
}

func (f *fenced) Write(b []byte) (int, error) {
	if !f.valid() {
		return 0, lease.ErrLost
	}
	return f.Conn.Write(b)
}
