package bridge

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"bridge/bridge/internal/lease"
	"bridge/polygon/polygontest"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// pair is two bridges with one stream, one key and one lease, and a vendor that sends what the test says.
type pair struct {
	t      *testing.T
	srv    *polygontest.Server
	server *natsServer
	a, b   *process
	tape   *tape
}

const (
	shortTTL = 3 * time.Second
	longTTL  = 10 * time.Minute // no test waits for so long
)

// startPair returns when a is active and b stands by. The server forgets ids at once.
func startPair(t *testing.T, ttl time.Duration, plan polygontest.Plan) *pair {
	t.Helper()
	srv := polygontest.NewServer(polygontest.Config{Plan: plan})
	t.Cleanup(srv.Close)
	return startPairOn(t, srv, ttl, newBridge)
}

// startPairOn is startPair with a vendor, and with a kind of bridge.
func startPairOn(t *testing.T, srv *polygontest.Server, ttl time.Duration, bridge func(testing.TB, *polygontest.Server, string, ...string) *process) *pair {
	t.Helper()
	s := newNATS(t).up()
	shortWindow(t, s.url)
	if _, err := connect(t, s.url).CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: leaseBucket, TTL: ttl}); err != nil {
		t.Fatal(err)
	}
	p := &pair{t: t, srv: srv, server: s, tape: newTape(11)}
	p.tape.fresh = true
	p.a = bridge(t, srv, s.url, "BRIDGE_STANDBY=true", "BRIDGE_DATA_DIR="+t.TempDir())
	p.b = bridge(t, srv, s.url, "BRIDGE_STANDBY=true", "BRIDGE_DATA_DIR="+t.TempDir())
	p.a.start()
	p.streams(p.a)
	p.b.start()
	p.b.says("standing by")
	return p
}

// streams waits until one of them is active and has subscribed.
func (p *pair) streams(one *process) {
	p.t.Helper()
	one.says("lease acquired")
	one.says("session streaming")
}

// send sends frames, and waits until the stream has everything that was sent so far.
func (p *pair) send(frames int) {
	p.t.Helper()
	for range frames {
		p.srv.Send(p.tape.frame(20))
	}
	stored(p.t, p.server.url, p.tape.events())
}

// restart starts one that has ended, and waits until it stands by.
func (p *pair) restart(one *process) {
	p.t.Helper()
	one.log.reset()
	one.start()
	one.says("standing by")
}

// sessions compares how often the vendor was dialled.
func (p *pair) sessions(want int) {
	p.t.Helper()
	if n := p.srv.Stats().Sessions; n != want {
		p.t.Errorf("%d sessions, want %d: one for each time of being active", n, want)
	}
}

// TestTakeOver: when the active bridge ends, however it does, the other goes on, and the stream is as from one. One that was
// asked to stop does not keep the other waiting until the lease ends by itself.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		ttl  time.Duration
		end  func(*process)
	}{
		{"killed", shortTTL, (*process).kill},
		{"stopped", longTTL, (*process).stop},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := startPair(t, tt.ttl, polygontest.Plan{})
			p.send(50)
			tt.end(p.a)
			began := time.Now()
			p.streams(p.b)
			t.Logf("taken over after %v", time.Since(began))
			p.send(50)
			p.b.says("reason=takeover")
			p.restart(p.a)
			tt.end(p.b)
			p.streams(p.a)
			p.send(50)
			p.tape.check(t, p.server.url)
			p.sessions(3)
		})
	}
}

// TestPausedHolder: an active bridge that was frozen, and wakes when another has taken over, sends nothing and does not dial. What
// both have read is stored once, also when the first one is active again.
func TestPausedHolder(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		plan polygontest.Plan
	}{
		{"its session was ended", polygontest.Plan{}},
		{"its session goes on", polygontest.Plan{Connections: -1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := startPair(t, shortTTL, tt.plan)
			p.send(50)
			p.a.signal(syscall.SIGSTOP)
			p.streams(p.b)
			p.send(50)
			p.a.signal(syscall.SIGCONT)
			p.a.says("lease lost")
			p.a.says("standing by")
			p.send(50)
			p.sessions(2)
			p.b.kill()
			p.a.log.reset()
			p.streams(p.a)
			p.send(50)
			p.tape.check(t, p.server.url)
			p.sessions(3)
		})
	}
}

// TestStandbyStops: one that stands by ends at once when it is asked to, and the active one does not notice.
func TestStandbyStops(t *testing.T) {
	t.Parallel()
	p := startPair(t, longTTL, polygontest.Plan{})
	p.b.stop()
	p.send(50)
	p.sessions(1)
}

// TestRefusedKeyReleases: an active bridge that gives up because of its settings leaves the lease to the other.
func TestRefusedKeyReleases(t *testing.T) {
	t.Parallel()
	p := startPair(t, longTTL, polygontest.Plan{Key: "secret-key"})
	p.b.stop()
	p.b.env = append(p.b.env, "POLYGON_API_KEY=another")
	p.restart(p.b)
	p.a.stop()
	if code := p.b.wait(); code != 2 {
		t.Errorf("exit code %d, want 2", code)
	}
	p.a.log.reset()
	p.a.start()
	p.streams(p.a)
}

// TestOutageOfTwo: without NATS nobody can say who is active, so neither bridge is. What the active one had read by then stays in its
// queue, and is stored when it is active again.
func TestOutageOfTwo(t *testing.T) {
	t.Parallel()
	p := startPair(t, shortTTL, polygontest.Plan{})
	p.send(50)
	p.server.kill()
	for range 50 {
		p.srv.Send(p.tape.frame(20))
	}
	p.a.says("lease lost")
	p.b.stop()
	p.a.log.reset()
	p.server.up()
	p.streams(p.a)
	p.send(50)
	p.tape.check(t, p.server.url)
	p.sessions(2)
}

// TestLeaseSurvivesElection: when the server that leads the lease's bucket dies, the active bridge stays the active one.
func TestLeaseSurvivesElection(t *testing.T) {
	t.Parallel()
	c := newCluster(t).up()
	srv := polygontest.NewServer(polygontest.Config{})
	t.Cleanup(srv.Close)
	bridge := func() *process {
		return newBridge(t, srv, c.urls(), "BRIDGE_STANDBY=true", "BRIDGE_STREAM_REPLICAS=3")
	}
	p := &pair{t: t, srv: srv, a: bridge(), b: bridge(), tape: newTape(11)}
	p.a.start()
	p.streams(p.a)
	p.a.stop()
	leader := -1
	c.request("the bucket keeps a lease for longer than an election takes", func(ctx context.Context, js jetstream.JetStream) error {
		bucket, err := js.Stream(ctx, "KV_"+leaseBucket)
		if err != nil {
			return err
		}
		cfg := bucket.CachedInfo().Config
		if cfg.Replicas != 3 {
			t.Errorf("%d replicas of the lease, want 3", cfg.Replicas)
		}
		cfg.MaxAge = 30 * time.Second
		if bucket, err = js.UpdateStream(ctx, cfg); err != nil {
			return err
		}
		leader, err = strconv.Atoi(strings.TrimPrefix(bucket.CachedInfo().Cluster.Leader, "n"))
		return err
	})
	p.a.log.reset()
	p.a.start()
	p.streams(p.a)
	p.a.says("nats connected")
	p.b.start()
	p.b.says("standing by")
	c.servers[leader].kill()
	p.server = c.servers[(leader+1)%3]
	p.renewed(2)
	p.send(50)
	p.tape.check(t, p.server.url)
	p.sessions(2)
	if strings.Contains(p.a.log.String(), "lease lost") || strings.Contains(p.b.log.String(), "lease acquired") {
		t.Error("the lease has changed hands")
	}
}

// renewed waits until the lease was renewed n times.
func (p *pair) renewed(n int) {
	p.t.Helper()
	seen := make(map[uint64]bool)
	js := connect(p.t, p.server.url)
	eventually(p.t, "the lease is renewed", func() error {
		bucket, err := js.Stream(p.t.Context(), "KV_"+leaseBucket)
		if err != nil {
			return err
		}
		if seen[bucket.CachedInfo().State.LastSeq] = true; len(seen) <= n {
			return errors.New("not yet")
		}
		return nil
	})
}

// TestStandbyOfOtherStream: the lease is for one stream; bridges of others do not wait for it.
func TestStandbyOfOtherStream(t *testing.T) {
	t.Parallel()
	p := startPair(t, shortTTL, polygontest.Plan{})
	p.b.kill()
	p.b.env = append(p.b.env, "BRIDGE_STREAM=OTHER", "POLYGON_SUBSCRIBE=XAS.*", "POLYGON_URL="+strings.Replace(p.srv.URL, "/stocks", "/crypto", 1))
	p.b.log.reset()
	p.b.start()
	p.b.says("lease acquired")
}

// TestStandbyWithoutJetStream: where the lease cannot be had for lack of JetStream, the log says what to do, as without BRIDGE_STANDBY.
func TestStandbyWithoutJetStream(t *testing.T) {
	t.Parallel()
	b := newBridge(t, newFeed(t, 100), startNATS(t, &server.Options{}), "BRIDGE_STANDBY=true")
	b.start()
	b.says("has the server JetStream (nats-server -js)")
	b.stop()

	s := newNATS(t, `accounts { A { users: [ { user: a, password: p } ] } }`)
	s.url = strings.Replace(s.url, "//", "//a:p@", 1)
	s.up()
	b = newBridge(t, newFeed(t, 100), s.url, "BRIDGE_STANDBY=true")
	b.start()
	if code := b.wait(); code != 2 {
		t.Errorf("exit code %d, want 2", code)
	}
	b.says("start the server at NATS_URL with JetStream (nats-server -js)")
}

// TestOneWithoutStandby: a bridge that does not take turns is told when others do on its stream.
func TestOneWithoutStandby(t *testing.T) {
	t.Parallel()
	p := startPair(t, longTTL, polygontest.Plan{Connections: -1})
	lone := newBridge(t, p.srv, p.server.url)
	lone.start()
	lone.says("set BRIDGE_STANDBY=true for this one, too")
	lone.stop()
}

// holdLease holds the lease of the stream as "a host" until it is let go.
func holdLease(t *testing.T, url string) (letGo func()) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	held, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- lease.Hold(ctx, lease.Options{
			Dial:   func(options ...nats.Option) (*nats.Conn, error) { return nats.Connect(url, options...) },
			Bucket: leaseBucket,
			Key:    "STOCKS",
			Holder: "a host",
			Logger: quiet(t),
		}, func(ctx context.Context, _ *lease.Lease) error {
			close(held)
			<-ctx.Done()
			return nil
		})
	}()
	<-held
	letGo = sync.OnceFunc(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(letGo)
	return letGo
}

// TestWarnOfHolder: the warning is for a lease that is held. Where none can be seen there is none.
func TestWarnOfHolder(t *testing.T) {
	t.Parallel()
	s := newNATS(t, `authorization { users: [ { user: test, password: p }, { user: denied, password: p, permissions: { publish: { deny: "$JS.API.STREAM.>" } } } ] }`)
	denied := testConfig(strings.Replace(s.url, "//", "//denied:p@", 1))
	s.url = strings.Replace(s.url, "//", "//test:p@", 1)
	s.up()
	cfg, other := testConfig(s.url), testConfig(s.url)
	other.Stream = "OTHER"
	check := func(name string, cfg Config, want bool) {
		t.Helper()
		log := shownOnFailure(t)
		(&daemon{cfg: cfg, log: logTo(log)}).warnOfHolder(t.Context())
		if warned := strings.Contains(log.String(), `holder="a host"`); warned != want {
			t.Errorf("%s: warned: %v, want %v", name, warned, want)
		}
	}
	check("no bucket", cfg, false)
	letGo := holdLease(t, s.url)
	check("held", cfg, true)
	check("held, of another stream", other, false)
	check("held, not to be read", denied, false)
	letGo()
	check("released", cfg, false)
}

// TestWarnOfHolderEnds: a bridge that stops does not wait for NATS servers that say nothing, one after the other.
func TestWarnOfHolderEnds(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, stop := context.WithCancel(t.Context())
	dialled := make(chan int, 1)
	go func() {
		n := 0
		for conn, err := l.Accept(); err == nil; conn, err = l.Accept() {
			defer conn.Close()
			n++
			stop()
		}
		dialled <- n
	}()
	url := "nats://" + l.Addr().String()
	(&daemon{cfg: testConfig(url + "," + url), log: quiet(t)}).warnOfHolder(ctx)
	l.Close()
	if n := <-dialled; n != 1 {
		t.Errorf("dialled %d times, want once", n)
	}
}

// TestStandbyIsReady: one that stands by is ready as long as it sees the lease, and says what it is.
func TestStandbyIsReady(t *testing.T) {
	t.Parallel()
	addr := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	p := startPair(t, shortTTL, polygontest.Plan{})
	p.b.kill()
	p.b.env = append(p.b.env, "BRIDGE_HTTP_ADDR="+addr)
	p.restart(p.b)
	eventually(t, "the standby is ready", func() error { return Healthcheck(t.Context(), addr) })
	if _, body := get(t, "http://"+addr+"/readyz"); body != "ok, standing by\n" {
		t.Errorf("got %q", body)
	}
	if _, body := get(t, "http://"+addr+"/metrics"); !strings.Contains(body, `bridge_active{market="stocks"} 0`) {
		t.Error("the metrics do not say that it stands by")
	}
}
