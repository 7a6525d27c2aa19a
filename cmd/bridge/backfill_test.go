package main

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"bridge/polygon"
	"bridge/polygon/polygontest"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// past is a time that REST has bars of, a stream that has none of them yet, and the settings to bring them together.
type past struct {
	t        *testing.T
	srv      *polygontest.Server
	url      string // of NATS
	from, to string // of the time
	began    time.Time
}

// pastSeconds is how many bars each of the two tickers has.
const pastSeconds = 50

const secretKey = "s3cret-key"

func newPast(t *testing.T, rest polygontest.REST) *past {
	t.Helper()
	rest.Keep = 2 * time.Hour
	began := time.Now().Add(-40 * time.Minute).Truncate(time.Second).UTC()
	p := &past{
		t: t, began: began, url: startNATS(t, true),
		from: began.Format(time.RFC3339), to: began.Add(pastSeconds * time.Second).Format(time.RFC3339),
		srv: polygontest.NewServer(polygontest.Config{REST: rest, Plan: polygontest.Plan{Key: secretKey}}),
	}
	t.Cleanup(p.srv.Close)
	for i := range pastSeconds {
		p.srv.Past(p.frame(i))
	}
	setenv(t, map[string]string{
		"POLYGON_API_KEY":  secretKey,
		"POLYGON_URL":      p.srv.URL,
		"POLYGON_REST_URL": p.srv.RESTURL,
		"NATS_URL":         p.url,
		"BRIDGE_HTTP_ADDR": "off",
	})
	// The server forgets ids at once, so that nothing but the command keeps bars from being stored twice.
	_, err := p.jetStream().CreateStream(t.Context(), jetstream.StreamConfig{Name: "STOCKS", Subjects: []string{"stocks.>"}, Duplicates: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// frame is what the feed sent, or would have sent, of one second.
func (p *past) frame(second int) []byte {
	start := p.began.Add(time.Duration(second) * time.Second).UnixMilli()
	return fmt.Appendf(nil, `[{"ev":"A","sym":"AAPL","v":7,"o":1,"c":1,"h":1,"l":1,"s":%d,"e":%d},{"ev":"A","sym":"BRK.B","v":8,"o":1,"c":1,"h":1,"l":1,"s":%[1]d,"e":%[2]d}]`, start, start+1000)
}

// startNATS runs a server in this process and returns its URL.
func startNATS(t *testing.T, jetStream bool) string {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, JetStream: jetStream, StoreDir: t.TempDir(), NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(time.Minute) {
		t.Fatal("NATS does not take connections")
	}
	return s.ClientURL()
}

func (p *past) jetStream() jetstream.JetStream {
	p.t.Helper()
	nc, err := nats.Connect(p.url)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		p.t.Fatal(err)
	}
	return js
}

// backfill is the command line for both tickers.
func (p *past) backfill() []string {
	return []string{"backfill", "-from", p.from, "-to", p.to, "-symbols", "AAPL, BRK.B"}
}

// bars returns how many bars the stream has, and how many of them are from REST. None may be there twice.
func (p *past) bars() (all, fromREST int) {
	p.t.Helper()
	stream, err := p.jetStream().Stream(p.t.Context(), "STOCKS")
	if err != nil {
		p.t.Fatal(err)
	}
	seen := make(map[string]bool)
	for seq := uint64(1); seq <= stream.CachedInfo().State.LastSeq; seq++ {
		m, err := stream.GetMsg(p.t.Context(), seq)
		if err != nil {
			p.t.Fatal(err)
		}
		bar, err := polygon.ParseAggregate(m.Data)
		if err != nil {
			continue // the record of a gap
		}
		if seen[bar.Key()] {
			p.t.Errorf("%s is stored twice", bar.Key())
		}
		seen[bar.Key()] = true
		if m.Header.Get("Bridge-Source") == "rest" {
			fromREST++
		}
	}
	return len(seen), fromREST
}

// whole checks that the stream has every bar once.
func (p *past) whole() {
	p.t.Helper()
	if all, _ := p.bars(); all != 2*pastSeconds {
		p.t.Errorf("%d bars are in the stream, want %d", all, 2*pastSeconds)
	}
}

func TestBackfillFillsOnce(t *testing.T) {
	p := newPast(t, polygontest.REST{PageSize: 7})
	for _, want := range []string{
		"100 bars found, 0 in the stream already, 100 published; 2 tickers asked for, 0 without an answer\n",
		"100 bars found, 100 in the stream already, 0 published; 2 tickers asked for, 0 without an answer\n",
	} {
		code, stdout, stderr := call(t, p.backfill()...)
		if code != 0 || stderr != "" || !strings.HasSuffix(stdout, want) {
			t.Errorf("got %d, %q, %q; want 0 and %q", code, stdout, stderr, want)
		}
		if strings.ContainsAny(stdout, "\x1b\r") {
			t.Errorf("got %q: escape sequences without a terminal", stdout)
		}
		p.whole()
	}
	// All that the stream has, by flags of other forms.
	zoned := p.began.In(time.FixedZone("", -5*3600)).Format(time.RFC3339)
	if code, stdout, stderr := call(t, "backfill", "-from", zoned, "-to", p.to, "-channel", "A"); code != 0 || !strings.Contains(stdout, "2 tickers asked for") {
		t.Errorf("got %d, %q, %q; want the two tickers of the stream", code, stdout, stderr)
	}
	if code, stdout, stderr := call(t, append(p.backfill(), "-symbols", "aapl,MSFT")...); code != 0 || !strings.Contains(stdout, "0 bars found") || !strings.Contains(stderr, "no bars of aapl,MSFT") {
		t.Errorf("got %d, %q, %q; want the tickers without bars", code, stdout, stderr)
	}
}

// What is in REST's way delays a backfill and no more.
func TestBackfillGoesOnBehindFaults(t *testing.T) {
	p := newPast(t, polygontest.REST{PageSize: 20})
	ok := polygontest.RESTFault{}
	p.srv.NextREST(polygontest.RESTBroken(500), ok, polygontest.RESTCut(), polygontest.RESTBroken(403), ok, ok, ok, polygontest.RESTBroken(503), ok, ok,
		polygontest.RESTTooMany("1")) // before the last page, since what comes behind a refusal is asked for slowly
	code, stdout, stderr := call(t, p.backfill()...)
	if code != 0 || stderr != "" || !strings.Contains(stdout, "100 published") {
		t.Errorf("got %d, %q, %q; want 0 and 100 published", code, stdout, stderr)
	}
	p.whole()
}

// A backfill that is asked to stop in the middle says how to go on, and the same command does.
func TestBackfillGoesOnAfterStop(t *testing.T) {
	p := newPast(t, polygontest.REST{PageSize: 20})
	silent := polygontest.RESTSilent()
	p.srv.NextREST(polygontest.RESTFault{}, polygontest.RESTFault{}, polygontest.RESTFault{}, silent, silent)
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		defer stop()
		_ = p.srv.Wait(ctx, func(st polygontest.Stats) bool { return st.RESTRefused == 2 })
	}()
	code, stdout, stderr := callContext(ctx, p.backfill()...)
	if code != 1 || strings.Contains(stdout, "found") || !strings.Contains(stderr, "stopped before the end, with 0 of 2 tickers") || !strings.Contains(stderr, "same command") {
		t.Errorf("got %d, %q, %q; want 1 and how to go on", code, stdout, stderr)
	}
	code, stdout, stderr = call(t, p.backfill()...)
	if code != 0 || stderr != "" || !strings.Contains(stdout, "100 bars found") {
		t.Errorf("got %d, %q, %q; want the rest", code, stdout, stderr)
	}
	p.whole()
}

// Beside a running bridge: where a bar of the feed is, none from REST goes.
func TestBackfillBesideBridge(t *testing.T) {
	p := newPast(t, polygontest.REST{})
	log := newOutput(`session streaming`)
	stop := background(t, newOutput(`$^`), log)
	await(t, log)
	for i := 0; i < pastSeconds; i += 2 {
		p.srv.Send(p.frame(i))
	}
	for all := 0; all < pastSeconds; all, _ = p.bars() {
		if t.Context().Err() != nil {
			t.Fatal("the bridge stores nothing")
		}
	}
	code, stdout, stderr := call(t, p.backfill()...)
	if code != 0 || stderr != "" || !strings.Contains(stdout, "100 bars found, 50 in the stream already, 50 published") {
		t.Errorf("got %d, %q, %q; want what the feed did not send", code, stdout, stderr)
	}
	if code := stop(); code != 0 {
		t.Errorf("bridge: got exit code %d, want 0", code)
	}
	if !strings.Contains(log.String(), "nats stream edit STOCKS --dupe-window=2m0s") {
		t.Error("the bridge does not warn of the stream's short window, which the backfill leaves to it")
	}
	p.whole()
	if _, fromREST := p.bars(); fromREST != pastSeconds {
		t.Errorf("%d bars are from REST, want %d", fromREST, pastSeconds)
	}
}

// What cannot work says why at once, with the exit code of a wrong setting where one is wrong, and shows no key.
func TestBackfillThatCannotBe(t *testing.T) {
	p := newPast(t, polygontest.REST{})
	elsewhere, noJetStream := startNATS(t, true), startNATS(t, false)
	now := time.Now().UTC().Format(time.RFC3339)
	with := func(flag, value string) []string { return append(p.backfill(), flag, value) } // of two equal flags the last counts
	for _, tt := range []struct {
		name string
		env  map[string]string
		args []string
		code int
		want []string // in the error
	}{
		{"no time", nil, []string{"backfill"}, 2, []string{"-from and -to are needed", "usage:"}},
		{"no end", nil, []string{"backfill", "-from", p.from}, 2, []string{"-from and -to are needed"}},
		{"no time at all", nil, with("-from", "yesterday"), 2, []string{`"yesterday" for flag -from`, "2026-03-02T14:30:00Z", "usage:"}},
		{"time without a zone", nil, with("-to", "2026-03-02T14:30:00"), 2, []string{"for flag -to", "2026-03-02T14:30:00Z"}},
		{"end before begin", nil, with("-to", p.began.Add(-time.Second).Format(time.RFC3339)), 2, []string{"ends before it begins", p.from}},
		{"a moment ago", nil, with("-to", now), 2, []string{"may end at 20", "the running bridge"}},
		{"in the future", nil, with("-to", "2999-01-01T00:00:00Z"), 2, []string{"may end at 20"}},
		{"unknown channel", nil, with("-channel", "XYZ"), 2, []string{`"XYZ"`, "A or AM"}},
		{"trades", nil, with("-channel", "T"), 2, []string{`"T"`, "A or AM"}},
		{"empty ticker", nil, with("-symbols", "AAPL,,MSFT"), 2, []string{"-symbols", "AAPL,BRK.B", "usage:"}},
		{"no comma", nil, with("-symbols", "AAPL MSFT"), 2, []string{"AAPL MSFT", "comma"}},
		{"pattern", nil, with("-symbols", "BRK*"), 2, []string{"BRK*", "no patterns"}},
		{"garbage", nil, with("-symbols", "A\x1b[2J"), 2, []string{"a ticker has letters"}},
		{"left over", nil, append(p.backfill(), "AAPL"), 2, []string{"what is AAPL?", "usage:"}},
		{"no tickers in the stream", nil, []string{"backfill", "-from", p.from, "-to", p.to}, 1, []string{"no ticker is known", "the stream has none"}},
		{"no key", map[string]string{"POLYGON_API_KEY": ""}, p.backfill(), 2, []string{"POLYGON_API_KEY is not set"}},
		{"wrong key", map[string]string{"POLYGON_API_KEY": "wr0ng-key"}, p.backfill(), 2, []string{"key refused", "Unknown API Key", "check POLYGON_API_KEY", "POLYGON_API_KEY_FILE"}},
		{"no REST there", map[string]string{"POLYGON_REST_URL": "http://" + freeAddr(t)}, p.backfill(), 1, []string{"test request", "connection refused", "POLYGON_REST_URL"}},
		{"REST URL is none", map[string]string{"POLYGON_REST_URL": "api.massive.com"}, p.backfill(), 2, []string{"POLYGON_REST_URL"}},
		{"no NATS there", map[string]string{"NATS_URL": "nats://" + freeAddr(t)}, p.backfill(), 1, []string{"NATS_URL", "nobody answers"}},
		{"no bridge's own NATS there", map[string]string{"NATS_URL": "", "BRIDGE_NATS_ADDR": freeAddr(t)}, p.backfill(), 1, []string{"BRIDGE_NATS_ADDR=127.0.0.1:", "nobody answers", "start the bridge"}},
		{"no stream", map[string]string{"NATS_URL": elsewhere}, p.backfill(), 2, []string{"no stream STOCKS", elsewhere, "BRIDGE_STREAM"}},
		{"no JetStream", map[string]string{"NATS_URL": noJetStream}, p.backfill(), 1, []string{"JetStream", noJetStream}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for name, value := range tt.env {
				t.Setenv(name, value)
			}
			code, stdout, stderr := call(t, tt.args...)
			if code != tt.code || stdout != "" {
				t.Errorf("got %d, %q; want %d and nothing", code, stdout, tt.code)
			}
			for _, want := range tt.want {
				if !strings.Contains(stderr, want) {
					t.Errorf("got %q, want %q in it", stderr, want)
				}
			}
			if strings.Contains(stderr, "s3cret") || strings.Contains(stderr, "wr0ng") || strings.Contains(stderr, "\x1b") {
				t.Errorf("the key, or an escape sequence, is in %q", stderr)
			}
		})
	}
	if all, _ := p.bars(); all != 0 {
		t.Errorf("%d bars are in the stream", all)
	}
}
