package polygon

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

// answerTimeout is how long the feed may take for each thing it owes us: the upgrade, its greeting, the
// answer to the key, and the next answer to a subscription. It usually takes a fraction of a second.
const answerTimeout = 10 * time.Second

// closeTimeout bounds the closing handshake. A dead peer never answers it, and nothing depends on it.
const closeTimeout = time.Second

// DialOptions of Dial.
type DialOptions struct {
	Key        string       // API key
	HTTPClient *http.Client // for the upgrade; nil: http.DefaultClient
	OnStatus   func(Status) // called by Read and Subscribe for every status of the feed after the handshake
}

const dialOptionsHidden = "polygon.DialOptions{Key: REDACTED}"

// String keeps the key out of logs, as do GoString and LogValue.
func (DialOptions) String() string       { return dialOptionsHidden }
func (DialOptions) GoString() string     { return dialOptionsHidden }
func (DialOptions) LogValue() slog.Value { return slog.StringValue(dialOptionsHidden) }

// Conn is an authenticated connection. Read and Subscribe are for one goroutine; Close for any.
//
// An error of Read or Subscribe is the end of the connection: it is closed, and every later call returns
// the same error. Close must be called all the same.
type Conn struct {
	ws       *websocket.Conn
	onStatus func(Status)
	redact   *strings.Replacer // takes the key out of what the feed says

	// Of the goroutine that reads.
	buf     []byte          // the last frame, used again by the next
	scratch []Event         // elements of the last frame that was looked into
	begun   chan readResult // a read that goes on in the background; nil when there is none
	err     error           // what the next Read returns
	held    map[string]bool // confirmed parameters; the feed does not answer those again

	alive   atomic.Bool  // something arrived since keepalive looked last
	proven  atomic.Int64 // when the newest ping was sent that was answered, in Unix ns; 0 before the first
	reading atomic.Bool  // a read is pending, so that silence is the feed's and not ours
	dead    atomic.Bool  // keepalive's verdict
	closed  atomic.Bool  // Close was called

	life    context.Context    // of keepalive
	stop    context.CancelFunc // ends life
	stopped chan struct{}      // closed when keepalive has ended

	mu      sync.Mutex
	watched *watch   // the context that ends the pending read
	net     net.Conn // below ws; nil when the HTTP client did not show it
}

// Close ends the connection with status 1000, and ends a pending Read with net.ErrClosed. It takes a
// second at most. Its error is always nil: what went wrong in a goodbye is of use to nobody.
func (c *Conn) Close() error {
	c.closed.Store(true)
	c.stop()
	// The library waits five seconds for a peer's goodbye, and only closing the connection below it cuts that short.
	timer := time.AfterFunc(closeTimeout, c.cut)
	defer timer.Stop()
	c.ws.Close(websocket.StatusNormalClosure, "")
	c.unwatch()
	<-c.stopped
	return nil
}

// abort ends the connection at once, without a closing handshake, unless Close is at it already.
func (c *Conn) abort() {
	c.stop()
	if !c.closed.Load() {
		c.ws.CloseNow()
	}
}

// cut closes the network connection below a closing handshake that does not end.
func (c *Conn) cut() {
	c.mu.Lock()
	below := c.net
	c.mu.Unlock()
	if below != nil {
		below.Close()
	}
}
