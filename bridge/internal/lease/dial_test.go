package lease

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// Servers that accept and then say nothing do not keep a process from stopping.
func TestEndOfContextEndsTheDial(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	accepted := make(chan net.Conn, 10)
	var urls []string
	for range 5 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		urls = append(urls, "nats://"+l.Addr().String())
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				accepted <- conn
				cancel()
			}
		}()
	}
	opt := Options{Logger: logger(t, "a")}
	opt.Dial = func(options ...nats.Option) (*nats.Conn, error) {
		return nats.Connect(strings.Join(urls, ","), append(options, nats.Timeout(time.Hour))...)
	}
	if _, err := dial(ctx, opt); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that of the context", err)
	}
	if n := len(accepted); n != 1 {
		t.Errorf("%d servers were tried, want the one that was first", n)
	}
	for range len(accepted) {
		(<-accepted).Close()
	}
}

// What ctx bounds is the dial, not the connection: a lease is renewed after a stop was asked for.
func TestConnectionOutlastsTheContextOfItsDial(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	opt := options(newNATS(t).up().url, longTTL)
	opt.Logger = logger(t, "a")
	conn, err := dial(ctx, opt)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	cancel()
	if err := conn.Flush(); err != nil {
		t.Error(err)
	}
}
