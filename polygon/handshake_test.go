package polygon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
)

func TestDial(t *testing.T) {
	for _, tt := range []struct {
		name   string
		script func(*peer)
		want   error // nil: the client gets in
	}{
		{"accepted", func(p *peer) { p.greet(); p.wait() }, nil},
		{"needs no key", func(p *peer) {
			p.send(`[{"ev":"status","status":"connected"},{"ev":"status","status":"auth_success"}]`)
			p.wait()
		}, nil},
		{"unknown status", func(p *peer) {
			p.send(`[{"ev":"status","status":"notice","message":"maintenance tonight"}]`)
			p.greet()
			p.wait()
		}, nil},
		{"key refused", func(p *peer) {
			p.send(connected)
			p.receive()
			p.send(`[{"ev":"status","status":"auth_failed","message":"authentication failed"}]`)
			p.drop()
		}, ErrAuth},
		{"plan without websocket", func(p *peer) {
			p.send(connected)
			p.receive()
			p.send(`[{"ev":"status","status":"auth_failed","message":"Your plan doesn't include websocket access. Visit https://massive.com/pricing to upgrade."}]`)
			p.drop()
		}, ErrNoWebSocketAccess},
		{"asked too late", func(p *peer) {
			p.send(`[{"ev":"status","status":"auth_timeout","message":"No authentication request received."}]`)
		}, ErrAuthTimeout},
		{"too many connections", func(p *peer) {
			p.send(connected)
			p.receive()
			p.send("[" + evicted + "]")
		}, ErrMaxConnections},
		{"closed with 1008", func(p *peer) { p.ws.Close(1008, "") }, ErrMaxConnections},
		{"dropped", func(p *peer) { p.drop() }, io.EOF},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := Dial(t.Context(), serve(t, tt.script), DialOptions{Key: testKey})
			if !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if said, ok := errors.AsType[*StatusError](err); ok && err.Error() != said.Error() {
				t.Errorf("got %q, want the feed's words alone: %q", err, said)
			}
			if c != nil {
				c.Close()
			}
		})
	}
}

func TestDialErrorIsAuthWithoutWebSocketAccessToo(t *testing.T) {
	if !errors.Is(ErrNoWebSocketAccess, ErrAuth) || errors.Is(ErrAuth, ErrNoWebSocketAccess) {
		t.Error("ErrNoWebSocketAccess must be an ErrAuth, and not the other way round")
	}
}

func TestDialGivesUpOnSilence(t *testing.T) {
	for name, script := range map[string]func(*peer){
		"no greeting":          (*peer).wait,
		"no answer to the key": func(p *peer) { p.send(connected); p.wait() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, err := Dial(t.Context(), "ws://feed/stocks", DialOptions{Key: testKey, HTTPClient: pipe(t, nil, script)})
				if !errors.Is(err, ErrSilent) {
					t.Errorf("got %v, want %v", err, ErrSilent)
				}
			})
		})
	}
}

// TestDialSaysWhatTheFeedSaid: of a status that nobody knows, whether the feed goes on to say nothing or hangs up.
func TestDialSaysWhatTheFeedSaid(t *testing.T) {
	for name, then := range map[string]func(*peer){"silent": (*peer).wait, "hangs up": (*peer).drop} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, err := Dial(t.Context(), "ws://feed/stocks", DialOptions{Key: testKey, HTTPClient: pipe(t, nil, func(p *peer) {
					p.send(connected)
					p.receive()
					p.send(`[{"ev":"status","status":"account_suspended","message":"pay for ` + testKey + strings.Repeat(" please", 1000) + `"}]`)
					then(p)
				})})
				if err == nil || !strings.Contains(err.Error(), `account_suspended: "pay for REDACTED please`) || len(err.Error()) > 500 {
					t.Errorf("got %v, want the status and the begin of its message", err)
				}
				if errors.Is(err, ErrSilent) {
					t.Errorf("got %v, which was not silent", err)
				}
			})
		})
	}
}

func TestDialEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("asked to stop")
	_, err := Dial(ctx, serve(t, func(p *peer) { p.send(connected); p.receive(); cancel(why); p.wait() }), DialOptions{Key: testKey})
	if !errors.Is(err, why) {
		t.Errorf("got %v, want %v", err, why)
	}
}

func TestConnOutlivesTheContextOfDial(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	goOn := make(chan struct{})
	c, err := Dial(ctx, serve(t, func(p *peer) { p.greet(); <-goOn; p.send("[1]"); p.wait() }), DialOptions{Key: testKey})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	cancel()
	close(goOn)
	if got := read(t, c); got != "[1]" {
		t.Errorf("got %s, want [1]", got)
	}
}

func TestDialErrorHasTheHTTPStatusAndNoSecret(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, testKey, http.StatusForbidden) }))
	defer srv.Close()
	host := strings.TrimPrefix(srv.URL, "http://")
	for _, tt := range []struct {
		url  string
		want int
	}{
		{"ws://user:" + testKey + "@" + host + "/stocks?apiKey=" + testKey, http.StatusForbidden},
		{"ws://127.0.0.1:1/stocks?apiKey=" + testKey, 0},
		{"ftp://127.0.0.1/stocks?apiKey=" + testKey, 0},
		{"ws://a:" + testKey + "/\x7f", 0},
	} {
		_, err := Dial(t.Context(), tt.url, DialOptions{Key: testKey})
		var e *DialError
		if !errors.As(err, &e) || e.StatusCode != tt.want {
			t.Errorf("%s: got %v, want a DialError with the status %d", tt.url, err, tt.want)
			continue
		}
		asJSON, _ := json.Marshal(e)
		if all := fmt.Sprintf("%v %+v %#v %s", err, err, err, asJSON); strings.Contains(all, testKey) || strings.Contains(all, "apiKey") {
			t.Errorf("the error shows a secret: %s", all)
		}
	}
}

func TestKeyIsNeverPrinted(t *testing.T) {
	if _, err := Dial(t.Context(), "ws://127.0.0.1:1/stocks", DialOptions{}); !errors.Is(err, ErrAuth) {
		t.Errorf("got %v for an empty key, want %v", err, ErrAuth)
	}
	opt := DialOptions{Key: testKey}
	if all := fmt.Sprintf("%v %+v %#v %s %s", opt, opt, opt, opt, opt.LogValue()); strings.Contains(all, testKey) {
		t.Errorf("the options show the key: %s", all)
	}
	_, err := Dial(t.Context(), serve(t, func(p *peer) {
		p.send(connected)
		p.send(`[{"ev":"status","status":"auth_failed","message":"no such key: ` + p.expect("auth") + `"}]`)
	}), DialOptions{Key: testKey})
	if err == nil || strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), testKey) {
		t.Errorf("got the error %#v, want one without the key", err)
	}
	c := dial(t, serve(t, func(p *peer) { p.greet(); p.wait() }), opt)
	if all := fmt.Sprintf("%v %+v %#v", c, c, c); strings.Contains(all, testKey) {
		t.Errorf("the connection shows the key: %s", all)
	}
}
