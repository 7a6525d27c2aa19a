package polygontest

import (
	"context"
	"net"
	"net/http"
	"sync"
)

// pipe is a listener whose connections are net.Pipe pairs. Nothing in it waits for the outside world, so a
// server and its clients can live in a bubble of testing/synctest and hours pass in no time.
type pipe struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// StartPipe starts the server on net.Pipe instead of TCP. Dial it with the HTTP client of [Server.Client].
// A pipe has no buffer: a write returns when the peer has read it.
func (s *Server) StartPipe() {
	s.Listener = &pipe{conns: make(chan net.Conn), closed: make(chan struct{})}
	s.Start()
}

// Client returns an HTTP client that reaches the server, whatever it listens on.
func (s *Server) Client() *http.Client {
	p, ok := s.Listener.(*pipe)
	if !ok {
		return &http.Client{Transport: &http.Transport{}}
	}
	return &http.Client{Transport: &http.Transport{DialContext: p.dial}}
}

func (p *pipe) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.conns <- server:
		return client, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (p *pipe) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipe) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipe) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }
