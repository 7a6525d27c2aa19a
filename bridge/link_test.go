package bridge

import (
	"context"
	"io"
	"net"
	"testing"
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
