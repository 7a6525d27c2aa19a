package bridge

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"bridge/polygon/polygontest"

	"github.com/nats-io/nats.go/jetstream"
)

// newBridge prepares the daemon as a process of its own. More settings follow as NAME=value.
func newBridge(t testing.TB, srv *polygontest.Server, natsURL string, settings ...string) *process {
	return newProcess(t, "bridge", nil, append([]string{
		"POLYGON_API_KEY=secret-key",
		"POLYGON_URL=" + srv.URL,
		"NATS_URL=" + natsURL,
		"BRIDGE_HTTP_ADDR=off",
		"BRIDGE_LOG_FORMAT=text",
		"BRIDGE_STREAM_MAX_BYTES=1GiB",
		"BRIDGE_DRAIN_TIMEOUT=1m",
		"BRIDGE_BACKFILL=false",
	}, settings...))
}

// newFeed starts a feed of a market with all oddities that ends after n events.
func newFeed(t testing.TB, n int) *polygontest.Server {
	oddities := polygontest.Typical()
	oddities.Corrected, oddities.Repeated, oddities.Foreign = .05, .02, .01
	srv := polygontest.NewServer(polygontest.Config{
		Market: polygontest.Market{Symbols: polygontest.Symbols(300), Minutes: true, Oddities: oddities},
		Events: n,
	})
	t.Cleanup(srv.Close)
	return srv
}

// expected returns what a stream must have of a feed's tape, by subject. An identical copy is stored once.
func expected(t *testing.T, srv *polygontest.Server) map[string][]string {
	t.Helper()
	want := make(map[string][]string)
	seen := make(map[string]bool)
	for _, sent := range srv.Tape().Events() {
		if raw := string(sent.Raw); !seen[raw] {
			seen[raw] = true
			subject := subjectOf(t, sent.Raw)
			want[subject] = append(want[subject], raw)
		}
	}
	return want
}

// checkStream waits until the market has closed and everything is stored, ends the bridge with SIGTERM, and
// compares the stream with the tape, event by event.
func checkStream(t *testing.T, b *process, srv *polygontest.Server, url string) {
	t.Helper()
	if err := srv.WaitDone(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := &tape{want: expected(t, srv)}
	stored(t, url, want.events())
	b.stop()
	want.check(t, url)
}

// TestEverythingReadIsStored runs the daemon as a process between a feed with all its oddities and a real
// server, through drops of the feed, and ends it with SIGTERM.
func TestEverythingReadIsStored(t *testing.T) {
	t.Parallel()
	s := newNATS(t).up()
	srv := newFeed(t, 30_000)
	srv.NextSession(polygontest.CutMidFrame(20))
	srv.NextSession(polygontest.DropAfter(50))
	b := newBridge(t, srv, s.url, "POLYGON_SUBSCRIBE=A.*,AM.*")
	b.start()
	checkStream(t, b, srv, s.url)
	if strings.Contains(b.log.String(), "secret-key") {
		t.Error("the key is in the log")
	}
}

// TestServerDiesUnderTheBridge kills the server twice while the feed goes on.
func TestServerDiesUnderTheBridge(t *testing.T) {
	t.Parallel()
	s := newNATS(t).up()
	srv := newFeed(t, 60_000)
	b := newBridge(t, srv, s.url, "POLYGON_SUBSCRIBE=A.*,AM.*")
	b.start()
	for n := 10_000; n <= 20_000; n += 10_000 {
		stored(t, s.url, n)
		s.kill()
		s.up()
	}
	checkStream(t, b, srv, s.url)
}

// TestBadFramesCostNothingElse sends what no feed should, with good events around and inside. Every
// good event is stored, every bad one is a dead letter with its reason, and the bridge lives on.
func TestBadFramesCostNothingElse(t *testing.T) {
	t.Parallel()
	s := newNATS(t).up()
	srv := polygontest.NewServer(polygontest.Config{})
	t.Cleanup(srv.Close)
	b := newBridge(t, srv, s.url)
	b.start()
	if err := srv.WaitSubscribed(t.Context()); err != nil {
		t.Fatal(err)
	}

	var good, bad []string
	bar := func() string {
		good = append(good, fmt.Sprintf(`{"ev":"A","sym":"GOOD","v":1,"s":%d,"e":0}`, len(good)+1))
		return good[len(good)-1]
	}
	deep := strings.Repeat("[", 10_000)
	for _, tt := range []struct{ raw, reason string }{
		{`{"ev":"A","sym":"X","s":1,}`, "malformed"},
		{`{"ev":"A","sym":"X","s":01}`, "malformed"},
		{`{"ev":"A","sym":"X","s":1,"deep":` + deep + strings.Repeat("]", 10_000) + `}`, "malformed"},
		{`17`, "not_object"},
		{`{"sym":"X","s":1}`, "no_type"},
		{`{"ev":"ZZ","sym":"X","s":1}`, "unknown_type"},
		{`{"ev":"A","s":1}`, "no_symbol"},
		{`{"ev":"A","sym":17,"s":1}`, "no_symbol"},
		{`{"ev":"A","sym":"X"}`, "no_time"},
		{`{"ev":"A","sym":"X","s":"1754055000000"}`, "no_time"},
		{`{"ev":"A","sym":"X","sym":"Y","s":1}`, "duplicate_key"},
		{`{"ev":"A","sym":"X\r\nPUB evil 0\r\n","s":1}`, "symbol"},
		{`{"ev":"A","sym":"X > *","s":1}`, "symbol"},
		{`{"ev":"A","sym":"Ä","s":1}`, "symbol"},
		{`{"ev":"A","sym":"` + strings.Repeat("X", 10_240) + `","s":1}`, "symbol"},
	} {
		bad = append(bad, tt.reason+" "+tt.raw)
		srv.Send([]byte("[" + bar() + "," + tt.raw + "," + bar() + "]"))
	}
	huge := `{"ev":"A","sym":"HUGE","s":1,"x":"` + strings.Repeat("x", 2<<20) + `"}`
	srv.Send([]byte("[" + huge + "," + bar() + "]"))
	srv.Send([]byte(`[]`))
	srv.Send([]byte(``))
	bad = append(bad, "malformed ")
	srv.Send([]byte(`no JSON at all`))
	bad = append(bad, "malformed no JSON at all")
	srv.SendBinary([]byte{0, 1, 2})
	bad = append(bad, "malformed \x00\x01\x02")
	srv.Send([]byte("[" + bar() + `,{"ev":"A","sym":"CUT","s":`))
	bad = append(bad, `malformed {"ev":"A","sym":"CUT","s":`)
	srv.Send([]byte("[" + bar() + "]"))

	want := len(good) + len(bad) + 1
	stored(t, s.url, want)
	b.stop()
	var gotGood, gotBad []string
	cut := 0
	for _, m := range readStream(t, s.url, "STOCKS") {
		reason := m.Headers().Get("Bridge-Reason")
		switch {
		case m.Subject() == "stocks.agg.GOOD":
			gotGood = append(gotGood, string(m.Data()))
		case m.Subject() != "stocks.dead":
			t.Errorf("a message on %s", m.Subject())
		case reason == "too_large":
			cut++
			if !strings.HasPrefix(huge, string(m.Data())) || len(m.Data()) < 60_000 || m.Headers().Get("Bridge-Length") != fmt.Sprint(len(huge)) {
				t.Errorf("the cut dead letter has %d bytes and the headers %v", len(m.Data()), m.Headers())
			}
		default:
			gotBad = append(gotBad, reason+" "+string(m.Data()))
		}
	}
	if diff := firstDifference(gotGood, good); diff != "" {
		t.Errorf("good events: %s", diff)
	}
	if diff := firstDifference(gotBad, bad); diff != "" {
		t.Errorf("dead letters: %.300s", diff)
	}
	if cut != 1 {
		t.Errorf("%d cut dead letters, want 1", cut)
	}
	if log := b.log.String(); strings.Count(log, "reason=malformed") != 1 {
		t.Error("malformed events were not logged once")
	}
}

// TestDurableConsumers: one that stops and starts in mid-stream, and one that joins late, read every
// message exactly as stored.
func TestDurableConsumers(t *testing.T) {
	t.Parallel()
	s := newNATS(t).up()
	srv := newFeed(t, 8000)
	b := newBridge(t, srv, s.url, "POLYGON_SUBSCRIBE=A.*")
	b.start()
	stored(t, s.url, 2000)
	js := connect(t, s.url)
	first := read(t, js, "early", 1500)
	if err := srv.WaitDone(t.Context()); err != nil {
		t.Fatal(err)
	}
	stored(t, s.url, (&tape{want: expected(t, srv)}).events())
	b.stop()
	var all []string
	for _, m := range readStream(t, s.url, "STOCKS") {
		if strings.HasPrefix(m.Subject(), "stocks.agg.") {
			all = append(all, m.Subject()+" "+string(m.Data()))
		}
	}
	early := append(first, read(t, js, "early", len(all)-len(first))...)
	if diff := firstDifference(early, all); diff != "" {
		t.Errorf("the consumer that stopped and started: %s", diff)
	}
	if diff := firstDifference(read(t, js, "late", len(all)), all); diff != "" {
		t.Errorf("the consumer that joined late: %s", diff)
	}
}

// read reads n messages with a durable consumer, acknowledges them, and lets go of it.
func read(t *testing.T, js jetstream.JetStream, durable string, n int) (got []string) {
	t.Helper()
	consumer, err := js.CreateOrUpdateConsumer(t.Context(), "STOCKS", jetstream.ConsumerConfig{
		Durable: durable, FilterSubject: "stocks.agg.>", AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: -1,
	})
	if err != nil {
		t.Fatal(err)
	}
	for len(got) < n {
		batch, err := consumer.Fetch(n-len(got), jetstream.FetchMaxWait(10*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		before := len(got)
		for m := range batch.Messages() {
			got = append(got, m.Subject()+" "+string(m.Data()))
			if err := m.DoubleAck(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if len(got) == before {
			t.Fatalf("%s read %d of %d messages: %v", durable, before, n, batch.Error())
		}
	}
	return got
}

// TestStopWithoutNATS: what could not be stored before the drain timeout is reported, with exit code 0;
// a second signal ends at once.
func TestStopWithoutNATS(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		drain string
		stop  func(*process)
		code  int
	}{
		{"drain timeout", "10ms", func(b *process) { b.signal(syscall.SIGTERM) }, 0},
		{"second signal", "1h", func(b *process) {
			b.signal(syscall.SIGTERM)
			b.says("stopping")
			b.signal(syscall.SIGTERM)
		}, -1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newNATS(t)
			srv := newFeed(t, 1000)
			addr := fmt.Sprintf("127.0.0.1:%d", freePort(t))
			b := newBridge(t, srv, s.url, "BRIDGE_DRAIN_TIMEOUT="+tt.drain, "BRIDGE_HTTP_ADDR="+addr)
			b.start()
			if err := srv.WaitDone(t.Context()); err != nil {
				t.Fatal(err)
			}
			eventually(t, "a frame is read", func() error {
				if _, body := get(t, "http://"+addr+"/metrics"); strings.Contains(body, `bridge_frames_received_total{market="stocks"} 0`) {
					return errors.New("none yet")
				}
				return nil
			})
			tt.stop(b)
			if code := b.wait(); code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			if log := b.log.String(); tt.code == 0 && !strings.Contains(log, "not in the stream") {
				t.Error("what was left is not in the log")
			}
		})
	}
}

// TestStopWithNothingQueued: without NATS and with nothing to store, nothing is waited for.
func TestStopWithNothingQueued(t *testing.T) {
	t.Parallel()
	srv := polygontest.NewServer(polygontest.Config{})
	t.Cleanup(srv.Close)
	b := newBridge(t, srv, newNATS(t).url, "BRIDGE_DRAIN_TIMEOUT=1h")
	b.start()
	if err := srv.WaitSubscribed(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.stop()
}

// TestNATSComesLate: a bridge that starts before its NATS keeps what it reads and says what it waits for.
func TestNATSComesLate(t *testing.T) {
	t.Parallel()
	s := newNATS(t)
	srv := newFeed(t, 3000)
	b := newBridge(t, srv, s.url, "POLYGON_SUBSCRIBE=A.*,AM.*")
	b.start()
	if err := srv.WaitDone(t.Context()); err != nil {
		t.Fatal(err)
	}
	if log := b.log.String(); !strings.Contains(log, "NATS_URL="+s.url) {
		t.Error("the log does not say that NATS is missing")
	}
	s.up()
	checkStream(t, b, srv, s.url)
}

// TestPermissionsMissing: what the account may not do is in the log, once, with the subject; and the log is JSON,
// which a line of the NATS client itself would not be.
func TestPermissionsMissing(t *testing.T) {
	t.Parallel()
	for _, denied := range []string{"stocks.agg.>", "$JS.API.STREAM.INFO.STOCKS"} {
		t.Run(denied, func(t *testing.T) {
			t.Parallel()
			s := newNATS(t, fmt.Sprintf(`authorization { users: [ { user: u, password: p, permissions: { publish: { deny: %q } } } ] }`, denied))
			s.start()
			srv := newFeed(t, 1000)
			b := newBridge(t, srv, s.url, "NATS_USER=u", "NATS_PASSWORD=p", "BRIDGE_LOG_FORMAT=json", "BRIDGE_DRAIN_TIMEOUT=1ms")
			b.start()
			b.says("see its permissions")
			b.stop()
			said := 0
			for line := range strings.Lines(b.log.String()) {
				var entry struct{ Msg, Err string }
				if err := json.Unmarshal([]byte(line), &entry); err != nil {
					t.Errorf("%v in the log: %s", err, line)
				}
				if strings.Contains(entry.Msg, "see its permissions") {
					said++
					if !strings.Contains(entry.Err, strings.TrimSuffix(denied, ">")) {
						t.Errorf("the log does not name the subject %s: %s", denied, entry.Err)
					}
				}
			}
			if said != 1 {
				t.Errorf("said %d times, want once", said)
			}
		})
	}
}

// TestRefusalsAtTheStart: what only another setting can mend ends the process with code 2 and a
// sentence that names the setting, without any secret.
func TestRefusalsAtTheStart(t *testing.T) {
	t.Parallel()
	s := newNATS(t, `authorization { user: u, password: nats-secret }`)
	s.start()
	taken := newNATS(t).up()
	if _, err := connect(t, taken.url).CreateStream(t.Context(), jetstream.StreamConfig{Name: "OTHER", Subjects: []string{"stocks.agg.>"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := connect(t, taken.url).CreateStream(t.Context(), jetstream.StreamConfig{Name: "MEM", Subjects: []string{"x"}, Storage: jetstream.MemoryStorage}); err != nil {
		t.Fatal(err)
	}
	plain, empty := newNATS(t).up(), newNATS(t).up()
	for _, tt := range []struct {
		name     string
		plan     polygontest.Plan
		settings []string
		want     []string // in the output
	}{
		{"wrong key", polygontest.Plan{Key: "another"}, nil, []string{"POLYGON_API_KEY"}},
		{"plan without websocket", polygontest.Plan{Access: polygontest.NoWebSocket}, nil, []string{"POLYGON_API_KEY", "WebSocket"}},
		{"no key", polygontest.Plan{}, []string{"POLYGON_API_KEY="}, []string{"POLYGON_API_KEY is not set"}},
		{"unknown channel", polygontest.Plan{}, []string{"POLYGON_SUBSCRIBE=ZZ.*"}, []string{"POLYGON_SUBSCRIBE", "ZZ"}},
		{"misspelt setting", polygontest.Plan{}, []string{"BRIDGE_STREEM=x"}, []string{"BRIDGE_STREEM", "BRIDGE_STREAM"}},
		{"login refused", polygontest.Plan{}, []string{"NATS_URL=" + s.url, "NATS_USER=u", "NATS_PASSWORD=wrong-secret"}, []string{"NATS_USER", "NATS_PASSWORD"}},
		{"login missing", polygontest.Plan{}, []string{"NATS_URL=" + s.url}, []string{"NATS_CREDS"}},
		{"clashing subjects", polygontest.Plan{}, []string{"NATS_URL=" + taken.url}, []string{"OTHER", "BRIDGE_STREAM"}},
		{"stream in memory", polygontest.Plan{}, []string{"NATS_URL=" + taken.url, "BRIDGE_STREAM=MEM"}, []string{"MEM", "memory"}},
		{"stream in memory, update allowed", polygontest.Plan{}, []string{"NATS_URL=" + taken.url, "BRIDGE_STREAM=MEM", "BRIDGE_STREAM_UPDATE=true"}, []string{"MEM", "memory"}},
		{"stream too large", polygontest.Plan{}, []string{"NATS_URL=" + empty.url, "BRIDGE_STREAM_MAX_BYTES=900TiB"}, []string{"BRIDGE_STREAM_MAX_BYTES=900TiB"}},
		{"too many replicas", polygontest.Plan{}, []string{"NATS_URL=" + empty.url, "BRIDGE_STREAM_REPLICAS=3"}, []string{"BRIDGE_STREAM_REPLICAS"}},
		{"port taken", polygontest.Plan{}, []string{"BRIDGE_HTTP_ADDR=" + strings.TrimPrefix(plain.url, "nats://")}, []string{"BRIDGE_HTTP_ADDR"}},
		{"port taken, before anything is started", polygontest.Plan{}, []string{"NATS_URL=", "BRIDGE_DATA_DIR=/dev/null", "BRIDGE_HTTP_ADDR=" + strings.TrimPrefix(plain.url, "nats://")}, []string{"BRIDGE_HTTP_ADDR"}},
		{"embedded port taken", polygontest.Plan{}, []string{"NATS_URL=", "BRIDGE_DATA_DIR=" + t.TempDir(), "BRIDGE_NATS_ADDR=" + strings.TrimPrefix(plain.url, "nats://")}, []string{"BRIDGE_NATS_ADDR"}},
		{"data directory is a file", polygontest.Plan{}, []string{"NATS_URL=", "BRIDGE_DATA_DIR=/dev/null", "BRIDGE_NATS_ADDR=127.0.0.1:0"}, []string{"BRIDGE_DATA_DIR"}},
		{"bad certificate", polygontest.Plan{}, []string{"NATS_CA=/dev/null"}, []string{"NATS_CA"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := polygontest.NewServer(polygontest.Config{Plan: tt.plan})
			t.Cleanup(srv.Close)
			b := newBridge(t, srv, plain.url, tt.settings...)
			b.start()
			if code := b.wait(); code != 2 {
				t.Errorf("exit code %d, want 2", code)
			}
			out := b.log.String()
			for _, want := range tt.want {
				if !strings.Contains(out, want) {
					t.Errorf("the output does not say %q", want)
				}
			}
			if strings.Contains(out, "secret") {
				t.Error("a secret is in the output")
			}
		})
	}
}
