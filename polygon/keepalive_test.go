package polygon

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
)

// noPongs makes a peer that leaves pings unanswered, as the feed does while it has data to send.
var noPongs = &websocket.AcceptOptions{OnPingReceived: func(context.Context, []byte) bool { return false }}

func TestQuietFeedThatAnswersPingsIsAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := dial(t, "ws://feed/stocks", DialOptions{HTTPClient: pipe(t, nil, func(p *peer) {
			p.greet()
			p.pause(60 * time.Hour) // a weekend
			p.send("[1]")
		})})
		if got := read(t, c); got != "[1]" {
			t.Errorf("got %s, want [1]", got)
		}
	})
}

func TestFeedWithoutPongsIsAliveWhileDataComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := dial(t, "ws://feed/stocks", DialOptions{HTTPClient: pipe(t, noPongs, func(p *peer) {
			p.greet()
			for range 100 {
				p.pause(59 * time.Second)
				p.send("[1]")
			}
		})})
		for range 100 {
			read(t, c)
		}
	})
}

func TestPingOfTheFeedIsLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := dial(t, "ws://feed/stocks", DialOptions{HTTPClient: pipe(t, noPongs, func(p *peer) {
			p.greet()
			for range 10 {
				p.pause(50 * time.Second)
				if err := p.ws.Ping(context.Background()); err != nil {
					t.Errorf("ping of the feed: %v", err)
				}
			}
			p.send("[1]")
		})})
		read(t, c)
	})
}

// What a pong proves is of when its ping was sent: the pong itself may have waited in the socket.
func TestPongProvesTheTimeOfItsPing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		late := &websocket.AcceptOptions{OnPingReceived: func(context.Context, []byte) bool { <-time.After(2 * time.Second); return true }}
		began := time.Now()
		c := dial(t, "ws://feed/stocks", DialOptions{HTTPClient: pipe(t, late, func(p *peer) {
			p.greet()
			p.pause(pingEvery + 3*time.Second)
			p.send("[1]")
		})})
		if at := c.Proven(); !at.IsZero() {
			t.Errorf("proven at %v before any ping", at)
		}
		read(t, c)
		if at := c.Proven(); !at.Equal(began.Add(pingEvery)) {
			t.Errorf("proven at %v, want %v", at, began.Add(pingEvery))
		}
	})
}

func TestSilentFeedIsDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := dial(t, "ws://feed/stocks", DialOptions{HTTPClient: pipe(t, noPongs, func(p *peer) {
			p.greet()
			p.send("[1]")
			p.wait()
		})})
		read(t, c)
		began := time.Now()
		_, err := c.Read(t.Context())
		if !errors.Is(err, ErrSilent) {
			t.Errorf("got %v, want %v", err, ErrSilent)
		}
		if waited := time.Since(began); waited < 60*time.Second || waited > 80*time.Second {
			t.Errorf("the verdict came after %s, want 60 to 80 s", waited)
		}
	})
}

// Frames wait in the socket while nobody reads; that is our silence and not the feed's.
func TestSlowReaderIsNotTakenForASilentFeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := dial(t, "ws://feed/stocks", DialOptions{HTTPClient: pipe(t, noPongs, func(p *peer) {
			p.greet()
			p.ws.CloseRead(context.Background())
			p.send("[1]", "[2]", "[3]")
			p.pause(time.Hour)
		})})
		read(t, c)
		<-time.After(10 * time.Minute)
		for _, want := range []string{"[2]", "[3]"} {
			if got := read(t, c); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		}
	})
}

// A dead peer answers no closing handshake, and the library would wait five seconds for it.
func TestCloseIsQuickWhenThePeerIsDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		over := make(chan struct{})
		c := dial(t, "ws://feed/stocks", DialOptions{HTTPClient: pipe(t, nil, func(p *peer) { p.greet(); <-over })})
		pending := make(chan error)
		go func() {
			_, err := c.Read(t.Context())
			pending <- err
		}()
		synctest.Wait()
		began := time.Now()
		c.Close()
		if took := time.Since(began); took > closeTimeout {
			t.Errorf("closing took %s, want %s at most", took, closeTimeout)
		}
		<-pending
		close(over)
	})
}
