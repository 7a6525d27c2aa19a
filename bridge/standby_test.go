package bridge

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"bridge/polygon/polygontest"

	"github.com/nats-io/nats.go/jetstream"
)

// pair is two bridges with one stream, one key and one lease, and a vendor that sends what the test says.
type pair struct {
	t    *testing.T
	srv  *polygontest.Server
	nats string
	a, b *process
	tape *tape
	sent int
}

// startPair returns when a is active and b stands by. The lease has a short TTL, and the server forgets ids at once.
func startPair(t *testing.T) *pair {
	t.Helper()
	s := newNATS(t).up()
	shortWindow(t, s.url)
	if _, err := connect(t, s.url).CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: leaseBucket, TTL: 3 * time.Second}); err != nil {
		t.Fatal(err)
	}
	srv := polygontest.NewServer(polygontest.Config{})
	t.Cleanup(srv.Close)
	p := &pair{t: t, srv: srv, nats: s.url, tape: newTape(11)}
	p.tape.fresh = true
	p.a = newBridge(t, srv, s.url, "BRIDGE_STANDBY=true", "BRIDGE_DATA_DIR="+t.TempDir())
	p.b = newBridge(t, srv, s.url, "BRIDGE_STANDBY=true", "BRIDGE_DATA_DIR="+t.TempDir())
	p.a.start()
	p.streams(p.a)
	p.b.start()
	p.logs(p.b, "standing by")
	return p
}

// logs waits for a line in the log of one of the two.
func (p *pair) logs(one *process, line string) {
	p.t.Helper()
	eventually(p.t, "the log says "+line, func() error {
		if !strings.Contains(one.log.String(), line) {
			return errors.New("not yet")
		}
		return nil
	})
}

// streams waits until one of them is active and has subscribed.
func (p *pair) streams(one *process) {
	p.t.Helper()
	p.logs(one, "lease acquired")
	p.logs(one, "session streaming")
}

// send sends frames, and waits until the stream has everything that was sent so far.
func (p *pair) send(frames int) {
	p.t.Helper()
	for range frames {
		p.srv.Send(p.tape.frame(20))
	}
	p.sent = p.tape.events()
	stored(p.t, p.nats, p.sent)
}

// TestTakeOver: when the active bridge ends, however it does, the other goes on, and the stream is as from one.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		end  func(*process)
	}{
		{"killed", (*process).kill},
		{"stopped", func(p *process) {
			p.signal(syscall.SIGTERM)
			if code := p.wait(); code != 0 {
				p.t.Errorf("exit code %d, want 0", code)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := startPair(t)
			p.send(50)
			tt.end(p.a)
			p.streams(p.b)
			p.send(50)
			p.a.log.reset()
			p.a.start()
			p.logs(p.a, "standing by")
			tt.end(p.b)
			p.streams(p.a)
			p.send(50)
			p.tape.check(t, p.nats)
			if n := p.srv.Stats().Sessions; n != 3 {
				t.Errorf("%d sessions, want 3: one for each time of being active", n)
			}
		})
	}
}

// TestPausedHolder: an active bridge that was frozen, and wakes when another has taken over, sends nothing. What
// both have read is stored once, also when the first one is active again.
func TestPausedHolder(t *testing.T) {
	t.Parallel()
	p := startPair(t)
	p.send(50)
	p.a.signal(syscall.SIGSTOP)
	p.streams(p.b)
	p.send(50) // to both: the vendor does not know that one of them is frozen
	p.a.signal(syscall.SIGCONT)
	p.logs(p.a, "lease lost")
	p.logs(p.a, "standing by")
	p.send(50)
	p.b.kill()
	p.a.log.reset()
	p.streams(p.a)
	p.send(50)
	p.tape.check(t, p.nats)
}

// TestStandbyOfOtherStream: the lease is for one stream; bridges of others do not wait for it.
func TestStandbyOfOtherStream(t *testing.T) {
	t.Parallel()
	p := startPair(t)
	p.b.kill()
	p.b.env = append(p.b.env, "BRIDGE_STREAM=OTHER", "POLYGON_SUBSCRIBE=XAS.*", "POLYGON_URL="+strings.Replace(p.srv.URL, "/stocks", "/crypto", 1))
	p.b.log.reset()
	p.b.start()
	p.logs(p.b, "lease acquired")
}

// TestStandbyIsReady: one that stands by is ready as long as it sees the lease, and says what it is.
func TestStandbyIsReady(t *testing.T) {
	t.Parallel()
	addr := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	p := startPair(t)
	p.b.kill()
	p.b.env = append(p.b.env, "BRIDGE_HTTP_ADDR="+addr)
	p.b.log.reset()
	p.b.start()
	p.logs(p.b, "standing by")
	eventually(t, "the standby is ready", func() error { return Healthcheck(t.Context(), addr) })
	if _, body := get(t, "http://"+addr+"/readyz"); body != "ok, standing by\n" {
		t.Errorf("got %q", body)
	}
	if _, body := get(t, "http://"+addr+"/metrics"); !strings.Contains(body, `bridge_active{market="stocks"} 0`) {
		t.Error("the metrics do not say that it stands by")
	}
}
