package polygon

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

const (
	testKey   = "secret-key-of-the-tests"
	connected = `[{"ev":"status","status":"connected","message":"Connected Successfully"}]`
	accepted  = `[{"ev":"status","status":"auth_success","message":"authenticated"}]`
	refused   = `{"ev":"status","status":"error","message":"not authorized"}`
	evicted   = `{"ev":"status","status":"max_connections","message":"Maximum number of websocket connections exceeded. "}`
)

func confirmed(param string) string {
	return `{"ev":"status","status":"success","message":"subscribed to: ` + param + `"}`
}

// peer is the feed's end of one connection in a test. Its methods end the script when the connection ends.
type peer struct {
	t   *testing.T
	ws  *websocket.Conn
	net net.Conn // below ws
}

// gone is what a script panics with when its client has left.
type gone struct{}

func (p *peer) send(frames ...string) {
	for _, frame := range frames {
		if p.ws.Write(context.Background(), websocket.MessageText, []byte(frame)) != nil {
			panic(gone{})
		}
	}
}

// receive returns the next action of the client and its parameters.
func (p *peer) receive() (action, params string) {
	_, message, err := p.ws.Read(context.Background())
	if err != nil {
		panic(gone{})
	}
	var m struct{ Action, Params string }
	if err := json.Unmarshal(message, &m); err != nil {
		p.t.Errorf("the client sent %q: %v", message, err)
	}
	return m.Action, m.Params
}

func (p *peer) expect(action string) (params string) {
	got, params := p.receive()
	if got != action {
		p.t.Errorf("got the action %q, want %q", got, action)
	}
	return params
}

// greet takes a client through the handshake.
func (p *peer) greet() {
	p.send(connected)
	if key := p.expect("auth"); key != testKey {
		p.t.Errorf("got the key %q, want %q", key, testKey)
	}
	p.send(accepted)
}

// wait answers pings and the closing handshake until the client has left.
func (p *peer) wait() {
	for {
		if _, _, err := p.ws.Read(context.Background()); err != nil {
			return
		}
	}
}

// pause lets time pass, and answers pings, unless the peer leaves them, and the closing handshake.
func (p *peer) pause(d time.Duration) {
	select {
	case <-time.After(d):
	case <-p.ws.CloseRead(context.Background()).Done():
		panic(gone{})
	}
}

// drop ends the connection without a closing handshake, as the feed usually does.
func (p *peer) drop() { p.net.Close() }

type netKey struct{}

// handler runs the script for each connection, which it closes at the end.
func handler(t *testing.T, opt *websocket.AcceptOptions, script func(*peer)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := websocket.Accept(w, r, opt)
		if err != nil {
			t.Errorf("accept: %v", err)
			return
		}
		defer ws.CloseNow()
		defer func() {
			if v := recover(); v != nil && v != (gone{}) {
				panic(v)
			}
		}()
		ws.SetReadLimit(1 << 20)
		script(&peer{t, ws, r.Context().Value(netKey{}).(net.Conn)})
	})
}

func withNet(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, netKey{}, conn)
}

// serve runs the script on a real port and returns the feed's URL.
func serve(t *testing.T, script func(*peer)) string {
	t.Helper()
	var scripts sync.WaitGroup
	h := handler(t, nil, script)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scripts.Add(1)
		defer scripts.Done()
		h.ServeHTTP(w, r)
	}))
	srv.Config.ConnContext = withNet
	srv.Start()
	t.Cleanup(func() {
		srv.Close()
		scripts.Wait()
	})
	return "ws" + strings.TrimPrefix(srv.URL, "http") + "/stocks"
}

// pipe runs the script at the other end of a net.Pipe, for synctest, and returns the client that gets there.
func pipe(t *testing.T, opt *websocket.AcceptOptions, script func(*peer)) *http.Client {
	t.Helper()
	l := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	srv := &http.Server{Handler: handler(t, opt, script), ConnContext: withNet}
	go srv.Serve(l)
	transport := &http.Transport{DialContext: l.dial}
	t.Cleanup(func() {
		srv.Close()
		transport.CloseIdleConnections()
	})
	return &http.Client{Transport: transport}
}

type pipeListener struct {
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func (l *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case l.conns <- there:
		return here, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// dial connects to a feed that must let it in.
func dial(t *testing.T, url string, opt DialOptions) *Conn {
	t.Helper()
	opt.Key = testKey
	c, err := Dial(t.Context(), url, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// read returns the next frame, which must come.
func read(t *testing.T, c *Conn) string {
	t.Helper()
	frame, err := c.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return string(frame)
}

// noData fails the test for a frame that comes while nothing but answers should.
func noData(t *testing.T) func([]byte) {
	return func(frame []byte) { t.Errorf("got the frame %s, want none", frame) }
}
