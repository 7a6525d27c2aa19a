package polygon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"time"

	"github.com/coder/websocket"
)

// readLimit bounds a frame. The library's default of 32 KiB would end the connection in any busy second of
// A.*; no frame above 1 MB has been reported.
const readLimit = 16 << 20

// DialError says that a feed could not be reached or did not answer as a WebSocket server.
type DialError struct {
	URL        string // without user and query
	StatusCode int    // of an HTTP answer that was no upgrade; 0 when there was none
	Err        error
}

func (e *DialError) Error() string {
	if e.StatusCode != 0 {
		return fmt.Sprintf("dial %s: HTTP status %d %s instead of a websocket", e.URL, e.StatusCode, http.StatusText(e.StatusCode))
	}
	return fmt.Sprintf("dial %s: %v", e.URL, e.Err)
}

func (e *DialError) Unwrap() error { return e.Err }

// Dial connects to a feed, waits for its greeting, sends the key, and returns once the key is accepted.
// That does not mean that the connection will live: a refusal for too many connections, or for a plan
// without real-time data, comes later, from Subscribe or Read.
//
// ctx bounds Dial only. Each step has ten seconds. A *DialError says that the feed was not reached; otherwise see the
// sentinels, of which ErrAuth and ErrNoWebSocketAccess are not worth another attempt. No error shows the key.
func Dial(ctx context.Context, url string, opt DialOptions) (*Conn, error) {
	if opt.Key == "" {
		return nil, fmt.Errorf("%w: it is empty", ErrAuth)
	}
	c, err := upgrade(ctx, url, opt)
	if err != nil {
		return nil, err
	}
	if err := c.authenticate(ctx, opt.Key); err != nil {
		c.abort()
		return nil, err
	}
	c.onStatus = opt.OnStatus
	go c.keepalive()
	return c, nil
}

func upgrade(ctx context.Context, rawURL string, opt DialOptions) (*Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	c := &Conn{
		redact:  redactor(opt.Key),
		buf:     make([]byte, 0, 64<<10),
		held:    make(map[string]bool),
		stopped: make(chan struct{}),
	}
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) { c.setNet(info.Conn) }})
	ws, resp, err := websocket.Dial(ctx, rawURL, &websocket.DialOptions{
		HTTPClient:      opt.HTTPClient,
		CompressionMode: websocket.CompressionDisabled, // whether the feed knows it is unknown
		OnPingReceived:  func(context.Context, []byte) bool { c.alive.Store(true); return true },
		OnPongReceived:  func(context.Context, []byte) { c.alive.Store(true) },
	})
	if err != nil {
		return nil, dialError(rawURL, resp, err)
	}
	ws.SetReadLimit(readLimit)
	c.ws = ws
	c.life, c.stop = context.WithCancel(context.Background())
	return c, nil
}

func (c *Conn) setNet(conn net.Conn) {
	c.mu.Lock()
	c.net = conn
	c.mu.Unlock()
}

func dialError(rawURL string, resp *http.Response, err error) error {
	e := &DialError{URL: "the feed", Err: withoutURL(err)}
	if u, parseErr := url.Parse(rawURL); parseErr == nil {
		e.URL = (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
	} else {
		e.Err = errors.New("the URL does not parse") // the parser's words may quote a password
	}
	if resp != nil && resp.StatusCode != http.StatusSwitchingProtocols {
		e.StatusCode = resp.StatusCode
	}
	return e
}

// redactor returns what takes the key out of a text. A key that short is no secret, and could be part of a word.
func redactor(key string) *strings.Replacer {
	if len(key) < 8 {
		return strings.NewReplacer()
	}
	return strings.NewReplacer(key, "REDACTED")
}

// authenticate waits for the greeting, sends the key, and waits for its acceptance. The key goes into a
// message of its own; it is neither in the URL nor in a header.
func (c *Conn) authenticate(ctx context.Context, key string) error {
	defer c.unwatch()
	said := make(map[string]bool)
	if err := c.awaitStatus(ctx, "connected", said); err != nil {
		return err
	}
	if err := c.send(ctx, "auth", key); err != nil {
		return err
	}
	return c.awaitStatus(ctx, "auth_success", said)
}

// awaitStatus reads until the feed has said want, noting all it says. A bad status behind it in the same
// frame is the error of the next read.
func (c *Conn) awaitStatus(ctx context.Context, want string, said map[string]bool) error {
	deadline := time.Now().Add(answerTimeout)
	var other *StatusError // what it has said last in place of it
	for !said[want] {
		frame, err := c.readUntil(ctx, deadline)
		_, refused := errors.AsType[*StatusError](err)
		switch {
		case err == nil:
		case refused:
			return err // the feed's own words need no others
		case errors.Is(err, errDeadline) && other == nil:
			return fmt.Errorf("await %s: no answer in %s: %w", want, answerTimeout, ErrSilent)
		case errors.Is(err, errDeadline):
			return fmt.Errorf("await %s: no answer in %s, and %w", want, answerTimeout, other)
		case other != nil:
			return fmt.Errorf("await %s: %w, and %w", want, err, other)
		default:
			return fmt.Errorf("await %s: %w", want, err)
		}
		c.statuses(frame, func(s Status) {
			if said[s.Status] = true; s.Status != "connected" {
				other = &StatusError{shortened(s.Status), shortened(s.Message)}
			}
			c.note(s)
		})
	}
	return nil
}

// shortened bounds a text for a log.
func shortened(text string) string {
	const most = 200
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "..."
}

// send writes one action. Outbound messages are single objects; only inbound frames are arrays.
func (c *Conn) send(ctx context.Context, action, params string) error {
	message, err := json.Marshal(struct {
		Action string `json:"action"`
		Params string `json:"params"`
	}{action, params})
	if err != nil {
		return fmt.Errorf("%s: %w", action, err)
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	if err := c.ws.Write(ctx, websocket.MessageText, message); err != nil {
		return fmt.Errorf("%s: %w", action, c.explain(ctx, err))
	}
	return nil
}
