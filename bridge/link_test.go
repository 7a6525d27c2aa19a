package bridge

import (
	"context"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"

	"bridge/bridge/internal/lease"

	"github.com/nats-io/nats.go"
)

// TestAbortedSocket: the end of the context ends a write that the peer does not take, and what the system
// still holds is not sent. A close would deliver it whenever the peer reads again.
func TestAbortedSocket(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	ctx, cancel := context.WithCancel(t.Context())
	s := &socket{ctx: ctx}
	context.AfterFunc(ctx, s.abort)
	conn, err := s.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	peer, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()

	written := make(chan int)
	filled := make(chan struct{})
	go func() {
		n, _ := conn.Write(make([]byte, 1<<10))
		close(filled)
		more, err := conn.Write(make([]byte, 64<<20)) // more than any two buffers hold
		if err == nil {
			t.Error("a write succeeded that nobody read")
		}
		written <- n + more
	}()
	<-filled
	cancel()
	n := <-written
	if read, err := io.Copy(io.Discard, peer); err == nil {
		t.Errorf("the peer read %d of %d bytes and the end of a connection that was closed, want one that was reset", read, n)
	}
	if _, err := s.Dial("tcp", listener.Addr().String()); err == nil {
		t.Error("dialled after the end")
	}
}

// TestFence: a link of a process that is not the active one any more sends nothing, not even what its client holds.
func TestFence(t *testing.T) {
	t.Parallel()
	url := newNATS(t).up().url
	others := connect(t, url).Conn()
	heard := make(chan *nats.Msg, 2)
	if _, err := others.ChanSubscribe("stocks.agg.>", heard); err != nil {
		t.Fatal(err)
	}
	if err := others.Flush(); err != nil {
		t.Fatal(err)
	}
	var active atomic.Bool
	active.Store(true)
	c, err := dialLink(t.Context(), testConfig(url).NATS, "STOCKS", active.Load, func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	hear := func(want string) {
		t.Helper()
		if got := string((<-heard).Data); got != want {
			t.Errorf("the server passed on %q, want %q", got, want)
		}
	}
	if err := errors.Join(c.conn.Publish("stocks.agg.X", []byte("active")), c.conn.Flush()); err != nil {
		t.Fatal(err)
	}
	hear("active")
	active.Store(false)
	if err := c.conn.Publish("stocks.agg.X", []byte("woken")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the message is sent or refused", func() error {
		if len(heard) > 0 || errors.Is(c.conn.LastError(), lease.ErrLost) {
			return nil
		}
		return errors.New("it is on its way")
	})
	if err := others.Publish("stocks.agg.X", []byte("another")); err != nil {
		t.Fatal(err)
	}
	hear("another")
}
