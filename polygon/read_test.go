package polygon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/coder/websocket"
)

func TestReadReturnsFramesInOrder(t *testing.T) {
	large := "[" + strings.Repeat(bar+",", 30_000) + bar + "]" // 2 MB
	c := dial(t, serve(t, func(p *peer) {
		p.greet()
		p.send("[1]", large)
		p.ws.Write(context.Background(), websocket.MessageBinary, []byte("[2]"))
		p.send("")
		p.wait()
	}), DialOptions{})
	for _, want := range []string{"[1]", large, "[2]", ""} {
		if got := read(t, c); got != want {
			t.Fatalf("got a frame of %d bytes, want %d", len(got), len(want))
		}
	}
}

func TestReadReportsStatusesAndKeepsTheirFrame(t *testing.T) {
	mixed := "[" + confirmed("A.X") + "," + bar + `,{"ev":"status","status":"notice","message":"?"}]`
	var said []string
	c := dial(t, serve(t, func(p *peer) {
		p.greet()
		p.send(`[{"ev":"status","status":7}]`, mixed, "["+refused+"]", "[2]")
		p.wait()
	}), DialOptions{OnStatus: func(s Status) { said = append(said, s.Status) }})
	for _, want := range []string{mixed, "[2]"} {
		if got := read(t, c); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if want := []string{"", "success", "notice", "error"}; !slices.Equal(said, want) {
		t.Errorf("got the statuses %q, want %q", said, want)
	}
}

func TestReadReturnsTheDataBeforeTheEnd(t *testing.T) {
	last := "[" + evicted + "," + bar + "]"
	c := dial(t, serve(t, func(p *peer) { p.greet(); p.send(last, "[2]"); p.wait() }), DialOptions{})
	if got := read(t, c); got != last {
		t.Errorf("got %s, want %s", got, last)
	}
	for range 2 {
		if frame, err := c.Read(t.Context()); !errors.Is(err, ErrMaxConnections) {
			t.Errorf("got %q and %v, want %v", frame, err, ErrMaxConnections)
		}
	}
}

func TestReadErrors(t *testing.T) {
	realtime := `[{"ev":"status","status":"error","message":"You don't have access real-time data. If your plan only includes delayed data, ..."}]`
	for _, tt := range []struct {
		name   string
		script func(*peer)
		want   error
	}{
		{"not entitled", func(p *peer) { p.send(realtime); p.wait() }, ErrNotEntitled},
		{"too many connections", func(p *peer) { p.send("[" + evicted + "]"); p.drop() }, ErrMaxConnections},
		{"too many connections, until 2021", func(p *peer) {
			p.send(`[{"ev":"","status":"disconnected","message":"Reason: Max connections reached"}]`)
		}, ErrMaxConnections},
		{"closed with 1008", func(p *peer) { p.ws.Close(websocket.StatusPolicyViolation, "") }, ErrMaxConnections},
		{"dropped without a closing handshake", (*peer).drop, io.EOF},
		{"closed", func(p *peer) { p.ws.Close(websocket.StatusGoingAway, "later") }, websocket.CloseError{Code: websocket.StatusGoingAway, Reason: "later"}},
		{"cut in mid-frame", func(p *peer) { p.net.Write([]byte{0x81, 20, '['}); p.drop() }, io.ErrUnexpectedEOF},
		{"too large a frame", func(p *peer) { p.send(strings.Repeat(" ", readLimit+1)); p.wait() }, websocket.ErrMessageTooBig},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := dial(t, serve(t, func(p *peer) { p.greet(); tt.script(p) }), DialOptions{})
			frame, err := c.Read(t.Context())
			if !errors.Is(err, tt.want) {
				t.Errorf("got %q and %v, want %v", frame, err, tt.want)
			}
			if strings.Contains(fmt.Sprint(err), "failed to get reader") {
				t.Errorf("got %q, want what happened and not where the library was", err)
			}
		})
	}
}

func TestReadEndsWithItsContext(t *testing.T) {
	c := dial(t, serve(t, func(p *peer) { p.greet(); p.wait() }), DialOptions{})
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("asked to stop")
	pending := make(chan error)
	go func() {
		_, err := c.Read(ctx)
		pending <- err
	}()
	cancel(why)
	if err := <-pending; !errors.Is(err, why) {
		t.Errorf("got %v, want %v", err, why)
	}
}

func TestContextThatEndsBetweenReadsHarmsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := dial(t, "ws://feed/stocks", DialOptions{HTTPClient: pipe(t, nil, func(p *peer) { p.greet(); p.send("[1]", "[2]"); p.wait() })})
		for _, want := range []string{"[1]", "[2]"} {
			ctx, cancel := context.WithCancel(t.Context())
			if frame, err := c.Read(ctx); err != nil || string(frame) != want {
				t.Errorf("got %q and %v, want %s", frame, err, want)
			}
			cancel()
			synctest.Wait() // whatever the end of ctx does is done
		}
	})
}

func TestCloseSaysGoodbyeAndEndsRead(t *testing.T) {
	goodbye := make(chan websocket.StatusCode, 1)
	c := dial(t, serve(t, func(p *peer) {
		p.greet()
		p.send("[1]")
		_, _, err := p.ws.Read(context.Background())
		goodbye <- websocket.CloseStatus(err)
	}), DialOptions{})
	read(t, c)
	pending := make(chan error)
	go func() {
		_, err := c.Read(t.Context())
		pending <- err
	}()
	c.Close()
	if err := <-pending; !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v from the pending read, want %v", err, net.ErrClosed)
	}
	if got := <-goodbye; got != websocket.StatusNormalClosure {
		t.Errorf("the feed saw the close status %d, want 1000", got)
	}
	if _, err := c.Read(t.Context()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v from a later read, want %v", err, net.ErrClosed)
	}
	c.Close()
}

func TestReadDoesNotAllocate(t *testing.T) {
	const rounds = 200
	sent := make(chan struct{}) // the peer is in this process, and its writes must not count
	c := dial(t, serve(t, func(p *peer) {
		p.greet()
		for range rounds + 1 { // one to warm up
			p.send("[" + bar + "]")
		}
		close(sent)
		p.wait()
	}), DialOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	<-sent
	allocs := testing.AllocsPerRun(rounds, func() {
		if _, err := c.Read(ctx); err != nil {
			t.Fatal(err)
		}
	})
	if allocs != 0 {
		t.Errorf("got %v allocations per frame, want 0", allocs)
	}
}
