package bridge

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"bridge/bridge/internal/spool"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// gapTime is when the gaps of these tests were.
var gapTime = time.Date(2026, time.March, 2, 14, 30, 0, 0, time.UTC)

// secondBar is a bar of a window so many seconds into the gap.
func secondBar(symbol string, second, volume int) string {
	start := gapTime.Add(time.Duration(second) * time.Second).UnixMilli()
	return fmt.Sprintf(`{"ev":"A","sym":%q,"s":%d,"e":%d,"v":%d}`, symbol, start, start+1000, volume)
}

func frameOf(events ...string) []byte {
	frame := []byte("[")
	for i, e := range events {
		if i > 0 {
			frame = append(frame, ',')
		}
		frame = append(frame, e...)
	}
	return append(frame, ']')
}

// loading returns a publisher with a queue in memory, and without NATS.
func loading(t *testing.T) (*publisher, *memory) {
	q := newMemory(1 << 20)
	cfg := testConfig("")
	cfg.Subscribe = []string{"A.*"}
	p := newPublisher(cfg, q, newFillQueue(), newMetrics(nil, cfg.Market), quiet(t))
	p.out.maxBytes = maxMessageBytes
	return p, q
}

func loadAll(p *publisher) {
	for p.load() {
	}
}

func put(t *testing.T, q queue, kind uint8, frame []byte) {
	t.Helper()
	if err := q.Append(kind, frame, time.Now()); err != nil {
		t.Fatal(err)
	}
}

// openIn puts an open gap of ten seconds into a queue.
func openIn(t *testing.T, p *publisher, q queue) gap {
	t.Helper()
	g := newGap(p.cfg, "disconnected", gapTime, gapTime.Add(10*time.Second))
	put(t, q, kindGap, g.encode())
	return g
}

// settle ends the head of a lane as an ack does.
func settle(p *publisher, subject string) (data string) {
	m := p.lanes[subject].head
	data = string(m.raw)
	p.done(m)
	p.release()
	return data
}

// batchOf is what the filler gives the publisher.
func batchOf(events ...string) *batch {
	return &batch{frame: frameOf(events...), settled: make(chan struct{})}
}

// TestFeedGoesBeforeBackfill: an event of the feed waits for at most one bar from REST.
func TestFeedGoesBeforeBackfill(t *testing.T) {
	p, q := loading(t)
	put(t, q, kindFrame, frameOf(secondBar("X", 100, 2)))
	loadAll(p)
	b := batchOf(secondBar("X", 0, 1), secondBar("X", 1, 1))
	p.loadBatch(b)
	got := []string{settle(p, "stocks.agg.X")}
	put(t, q, kindFrame, frameOf(secondBar("X", 101, 2), secondBar("X", 102, 2)))
	loadAll(p)
	for range 4 {
		got = append(got, settle(p, "stocks.agg.X"))
	}
	want := []string{secondBar("X", 100, 2), secondBar("X", 0, 1), secondBar("X", 101, 2), secondBar("X", 102, 2), secondBar("X", 1, 1)}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	<-b.settled
	if b.stored != 2 || b.overtaken {
		t.Errorf("%d bars stored, overtaken %v; want 2 and not", b.stored, b.overtaken)
	}
}

// TestBarsFromRESTChangeNothingElse: they are no revisions, and a bar of the feed is one or not as if they were not there.
func TestBarsFromRESTChangeNothingElse(t *testing.T) {
	p, q := loading(t)
	put(t, q, kindFrame, frameOf(secondBar("X", 5, 1)))
	loadAll(p)
	p.loadBatch(batchOf(secondBar("X", 9, 1)))
	settle(p, "stocks.agg.X")
	if m := p.lanes["stocks.agg.X"].head; !m.rest || m.revision || m.end != 0 {
		t.Errorf("rest %v, revision %v, end %d, want true, false, 0", m.rest, m.revision, m.end)
	}
	settle(p, "stocks.agg.X")
	put(t, q, kindFrame, frameOf(secondBar("X", 6, 1)))
	loadAll(p)
	if p.lanes["stocks.agg.X"].head.revision {
		t.Error("a bar that follows the feed's newest counts as a revision because of one from REST")
	}
}

// TestBackfillKeepsWhatWaits: a frame that is taken from the queue and has to wait is loaded as it was, whatever the filler has meanwhile.
func TestBackfillKeepsWhatWaits(t *testing.T) {
	for _, tt := range []struct {
		name string
		has  func(gap) *batch
	}{
		{"bars", func(gap) *batch { return batchOf(secondBar("Y", 1, 1), secondBar("Y", 2, 1)) }},
		{"an outcome", func(g gap) *batch {
			g = g.closed(gapUnfilled, outcome{})
			return &batch{outcome: &g, settled: make(chan struct{})}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, q := loading(t)
			g := openIn(t, p, q)
			bar := secondBar("X", 11, 1)
			put(t, q, kindFrame, frameOf(bar))
			loadAll(p) // not the frame: it is behind the gap
			p.loadBatch(tt.has(g))
			settle(p, "stocks.gap")
			loadAll(p)
			if l := p.lanes["stocks.agg.X"]; l == nil || l.head == nil || string(l.head.raw) != bar {
				t.Error("the frame's bar is not loaded")
			}
			if p.dead.head != nil {
				t.Errorf("dead letter %q", p.dead.head.raw)
			}
		})
	}
}

// TestGapGoesToTheFillerWhenStored: not before everything in front of it is settled.
func TestGapGoesToTheFillerWhenStored(t *testing.T) {
	p, q := loading(t)
	put(t, q, kindFrame, frameOf(secondBar("X", 0, 1)))
	loadAll(p)
	settle(p, "stocks.agg.X")
	put(t, q, kindFrame, frameOf(secondBar("X", 1, 1)))
	g := openIn(t, p, q)
	loadAll(p)
	settle(p, "stocks.gap")
	if n := p.fills.pending(); n != 0 {
		t.Errorf("%d gaps with the filler before what was read before them is stored", n)
	}
	settle(p, "stocks.agg.X")
	next, ok := p.fills.take(t.Context())
	if !ok || next.gap.ID != g.ID {
		t.Errorf("got %+v, want the gap", next.gap)
	}
}

// TestRestartsGap: its begin is the last thing that the queue or the stream knows of another process, and a new stream has none.
func TestRestartsGap(t *testing.T) {
	started := time.Now().Add(time.Hour)
	for _, tt := range []struct {
		name     string
		streamed time.Time // by the stream
		read     time.Time // the record before
		want     time.Time
	}{
		{"new stream, empty queue", time.Time{}, time.Time{}, time.Time{}},
		{"empty queue", gapTime, time.Time{}, gapTime},
		{"the queue has more", gapTime, gapTime.Add(time.Second), gapTime.Add(time.Second)},
		{"another bridge went on", gapTime, gapTime.Add(-time.Second), gapTime},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, q := loading(t)
			p.streamed = tt.streamed
			if !tt.read.IsZero() {
				if err := q.Append(kindFrame, frameOf(secondBar("X", 0, 1)), tt.read); err != nil {
					t.Fatal(err)
				}
				loadAll(p)
				settle(p, "stocks.agg.X")
			}
			put(t, q, kindGap, newGap(p.cfg, reasonRestart, time.Time{}, started).encode())
			loadAll(p)
			l := p.lanes["stocks.gap"]
			if tt.want.IsZero() {
				if l != nil && l.head != nil {
					t.Errorf("got %s, want no gap", l.head.raw)
				}
				return
			}
			g, err := parseGap(l.head.raw)
			if err != nil || !g.From.Equal(tt.want) || !g.To.Equal(started.Truncate(time.Millisecond)) {
				t.Errorf("got %+v, %v, want one from %v", g, err, tt.want)
			}
		})
	}
}

// TestDamagedRecordIsAGap spoils one of three records on disk: the gap is between those around it.
func TestDamagedRecordIsAGap(t *testing.T) {
	dir := t.TempDir()
	open := func() *spool.Log {
		l, err := spool.Open(dir, spool.Options{MaxBytes: 1 << 30, MemoryBytes: 64 << 20, Retain: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	q := open()
	for i := range 3 {
		if err := q.Append(kindFrame, frameOf(secondBar("X", i, 1)), gapTime.Add(time.Duration(i)*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	if err := q.Release(); err != nil {
		t.Fatal(err)
	}
	spoilFile(t, dir, frameOf(secondBar("X", 1, 1)))

	p, _ := loading(t)
	q = open()
	defer q.Release()
	p.queue = q
	loadAll(p)
	settle(p, "stocks.agg.X")
	loadAll(p)
	g, err := parseGap(p.lanes["stocks.gap"].head.raw)
	if err != nil || g.Reason != reasonDamaged || !g.From.Equal(gapTime) || !g.To.Equal(gapTime.Add(2*time.Second)) {
		t.Errorf("got %+v, %v, want a damaged one of two seconds", g, err)
	}
}

// spoilFile changes one byte of what some file of a directory holds.
func spoilFile(t *testing.T, dir string, held []byte) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if i := bytes.Index(data, held); err == nil && i >= 0 {
			data[i] ^= 1
			if err := os.WriteFile(file, data, 0o600); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatalf("no file holds %s", held)
}

// TestLastBar: the newest window of the feed's bars counts, not when they were stored; without bars the newest message does.
func TestLastBar(t *testing.T) {
	at := gapTime.UnixMilli()
	id := func(ev string, start int64) string { return fmt.Sprintf("%s.X.%d.0123456789abcdef", ev, start) }
	future := time.Now().Add(time.Hour).UnixMilli()
	later := gapTime.Add(time.Hour)
	for _, tt := range []struct {
		name string
		last map[string]lastMessage
		want time.Time
	}{
		{"nothing", nil, time.Time{}},
		{"bars", map[string]lastMessage{"stocks.agg.X": {id: id("A", at), at: later}, "stocks.agg.B.A": {id: id("A", at+2000), at: later}}, gapTime.Add(3 * time.Second)},
		{"minute bars", map[string]lastMessage{"stocks.agg1m.X": {id: id("AM", at), at: later}}, gapTime.Add(time.Minute)},
		{"bars and trades", map[string]lastMessage{"stocks.agg.X": {id: id("A", at), at: later}, "stocks.trade.X": {id: id("T", at), at: later}}, gapTime.Add(time.Second)},
		{"trades", map[string]lastMessage{"stocks.trade.X": {id: id("T", at), at: later}}, later},
		{"a bar from the future", map[string]lastMessage{"stocks.agg.X": {id: id("A", future)}, "stocks.agg.Y": {id: id("A", at)}}, gapTime.Add(time.Second)},
		{"gaps", map[string]lastMessage{"stocks.gap": {id: "gap.1.open", at: later}}, time.Time{}},
	} {
		p, _ := loading(t)
		if got := p.lastBar(tt.last); !got.Equal(tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestLastOfFeedIsFarBack: what the feed sent last is found behind any number of bars from REST.
func TestLastOfFeedIsFarBack(t *testing.T) {
	t.Parallel()
	s := newNATS(t).up()
	cfg := testConfig(s.url)
	js := connect(t, s.url)
	stream, err := js.CreateStream(t.Context(), streamConfig(cfg))
	if err != nil {
		t.Fatal(err)
	}
	publish := func(symbol string, start int, source ...string) {
		m := nats.NewMsg("stocks.agg." + symbol)
		m.Header = nats.Header{jetstream.MsgIDHeader: {fmt.Sprintf("A.%s.%d.0", symbol, start)}, headerSource: source}
		if _, err := js.PublishMsgAsync(m); err != nil {
			t.Fatal(err)
		}
	}
	publish("OLD", 1)
	publish("X", 2)
	publish("X", 3)
	for i := range 12_000 {
		publish("X", 4+i, "rest")
		publish("Y", 4+i, "rest")
		if i%1000 == 0 {
			<-js.PublishAsyncComplete()
		}
	}
	stored(t, s.url, 24_003)
	last, err := lastMessages(t.Context(), stream, "stocks.>")
	if err != nil {
		t.Fatal(err)
	}
	p, _ := loading(t)
	feed, err := p.lastOfFeed(t.Context(), stream, last)
	if err != nil || len(feed) != 2 || feed["stocks.agg.OLD"].id != "A.OLD.1.0" || feed["stocks.agg.X"].id != "A.X.3.0" {
		t.Errorf("got %v, %v, want the bars of the feed", feed, err)
	}
}

// TestOpenGaps: those without an outcome are found again, oldest first, each once.
func TestOpenGaps(t *testing.T) {
	t.Parallel()
	s := newNATS(t).up()
	cfg := testConfig(s.url)
	js := connect(t, s.url)
	if _, err := js.CreateStream(t.Context(), streamConfig(cfg)); err != nil {
		t.Fatal(err)
	}
	publish := func(g gap) {
		if _, err := js.Publish(t.Context(), "stocks.gap", g.encode()); err != nil {
			t.Fatal(err)
		}
	}
	at := func(minute int, reason string) gap {
		to := gapTime.Add(time.Duration(minute) * time.Minute)
		return newGap(cfg, reason, to.Add(-time.Second), to)
	}
	younger, done, older := at(9, "silent"), at(5, "silent"), at(1, "disconnected")
	for _, g := range []gap{younger, done, older, done.closed(gapUnfilled, outcome{})} {
		publish(g)
	}
	if _, err := js.Publish(t.Context(), "stocks.gap", []byte("not ours")); err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), cfg.Stream)
	if err != nil {
		t.Fatal(err)
	}
	open, err := openGaps(t.Context(), stream, "stocks.gap", stream.CachedInfo().State.LastSeq)
	if err != nil || len(open) != 2 || open[0].ID != older.ID || open[1].ID != younger.ID {
		t.Errorf("got %+v, %v, want the older and the younger one", open, err)
	}
}
