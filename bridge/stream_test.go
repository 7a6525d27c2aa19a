package bridge

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"bridge/polygon"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// tape is what a feed sent: the truth that a stream is compared with.
type tape struct {
	rng    *rand.Rand
	second int64
	fresh  bool              // only new bars: none corrected, none repeated
	bars   map[string]string // the newest bar of each symbol, to be corrected or repeated
	frames [][]byte
	want   map[string][]string // by subject: the events as sent, identical copies once
	seen   map[string]bool
}

func newTape(seed uint64) *tape {
	return &tape{
		rng:    rand.New(rand.NewPCG(seed, seed)),
		second: 1754055000000,
		bars:   make(map[string]string),
		want:   make(map[string][]string),
		seen:   make(map[string]bool),
	}
}

// frame makes one frame with n events of up to 50 symbols: new bars, corrected ones and repeated ones.
func (tp *tape) frame(n int) []byte {
	var events []string
	for range n {
		tp.second += 1000
		symbol := fmt.Sprintf("S%d", tp.rng.IntN(50))
		event := fmt.Sprintf(`{"ev":"A","sym":%q,"v":%d,"s":%d,"e":%d}`, symbol, tp.rng.IntN(1000), tp.second, tp.second+1000)
		switch old := tp.bars[symbol]; {
		case tp.fresh:
		case old != "" && tp.rng.IntN(10) == 0:
			event = old
		case old != "" && tp.rng.IntN(10) == 0:
			event = strings.Replace(old, `"v":`, `"v":1`, 1)
		}
		tp.bars[symbol] = event
		events = append(events, event)
		if !tp.seen[event] {
			tp.seen[event] = true
			subject := "stocks.agg." + symbol
			tp.want[subject] = append(tp.want[subject], event)
		}
	}
	frame := []byte("[" + strings.Join(events, ",") + "]")
	tp.frames = append(tp.frames, frame)
	return frame
}

// events is the number of messages that the stream must have in the end.
func (tp *tape) events() (n int) {
	for _, events := range tp.want {
		n += len(events)
	}
	return n
}

// check reads the whole stream back and compares it event by event: nothing lost, nothing twice,
// in order, as sent.
func (tp *tape) check(t *testing.T, url string) {
	t.Helper()
	got := make(map[string][]string)
	for _, m := range readStream(t, url, "STOCKS") {
		if m.Subject() == "stocks.gap" || !strings.HasPrefix(m.Subject(), "stocks.") {
			continue
		}
		got[m.Subject()] = append(got[m.Subject()], string(m.Data()))
	}
	wrong := 0
	report := func(format string, args ...any) {
		if wrong++; wrong <= 5 {
			t.Errorf(format, args...)
		}
	}
	for subject := range got {
		if tp.want[subject] == nil {
			report("%s: %d messages, want none: %s", subject, len(got[subject]), got[subject][0])
		}
	}
	for subject, want := range tp.want {
		if diff := firstDifference(got[subject], want); diff != "" {
			report("%s: %s", subject, diff)
		}
	}
	if wrong > 5 {
		t.Errorf("and %d more subjects", wrong-5)
	}
}

func firstDifference(got, want []string) string {
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			return fmt.Sprintf("got %d messages, want %d; the first that is missing: %s", len(got), len(want), want[i])
		case i >= len(want):
			return fmt.Sprintf("got %d messages, want %d; the first too many: %s", len(got), len(want), got[i])
		case got[i] != want[i]:
			return fmt.Sprintf("message %d: got %s, want %s", i, got[i], want[i])
		}
	}
	return ""
}

// connect connects a client of the test's own.
func connect(t testing.TB, url string) jetstream.JetStream {
	t.Helper()
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// readStream returns every message of a stream.
func readStream(t testing.TB, url, name string) []jetstream.Msg {
	t.Helper()
	js := connect(t, url)
	var info *jetstream.StreamInfo
	var consumer jetstream.Consumer
	eventually(t, "stream "+name+" can be read", func() (err error) {
		// A request that a cluster loses while it changes its leader is never answered: ask again.
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		stream, err := js.Stream(ctx, name)
		if err != nil {
			return err
		}
		info = stream.CachedInfo()
		consumer, err = stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{})
		return err
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	messages, err := consumer.Messages()
	if err != nil {
		t.Fatal(err)
	}
	defer messages.Stop()
	var all []jetstream.Msg
	for range info.State.Msgs {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			t.Fatalf("message %d of %d: %v", len(all)+1, info.State.Msgs, err)
		}
		all = append(all, m)
	}
	return all
}

// testConfig is a configuration for the stocks market and a server.
func testConfig(url string) Config {
	return Config{
		Market:         polygon.Stocks,
		Stream:         "STOCKS",
		StreamReplicas: 1,
		StreamMaxAge:   time.Hour,
		StreamMaxBytes: 1 << 30,
		QueueMaxBytes:  64 << 20,
		NATS:           NATSConfig{URL: url},
	}
}
