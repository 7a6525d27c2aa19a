package bridge

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"bridge/polygon"
	"bridge/polygon/polygontest"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// The benchmarks run the real binary between a feed in this process and a nats-server process, and the
// alternative in a process of its own, one after the other. Run them alone on the machine:
//
//	go test -run '^$' -bench EndToEnd -benchtime 8x ./bridge
const (
	benchEvents  = 1_000_000
	benchSymbols = 10_000
	benchFrame   = 100    // events
	outstanding  = 30_000 // events sent and not stored: the feed of the benchmark waits for the bridge
)

// BenchmarkEndToEnd compares the whole bridge, WebSocket to ack, with PublishMsgAsync that sends the same
// messages and has no feed to read. Rates of one run differ by some percent on a shared machine: it takes the means of all, and logs each.
// Either goes first by turns, as a disk that has just taken much may be slower.
func BenchmarkEndToEnd(b *testing.B) {
	frames := benchFrames(benchEvents, benchFrame)
	var rate, cpu, resident, asyncRate, asyncCPU mean
	pair := []func(){
		func() {
			r, c, m := benchBridge(b, frames, benchFrame)
			rate.add(r)
			cpu.add(c)
			resident.add(m)
		},
		func() {
			r, c := benchAsync(b)
			asyncRate.add(r)
			asyncCPU.add(c)
		},
	}
	for b.Loop() {
		for _, run := range pair {
			run()
		}
		slices.Reverse(pair)
		b.Logf("%.0f and %.0f events/s, ratio %.3f; %.2f and %.2f cpu-s/M", rate.last, asyncRate.last, rate.last/asyncRate.last, cpu.last, asyncCPU.last)
	}
	b.ReportMetric(rate.of(), "events/s")
	b.ReportMetric(cpu.of(), "cpu-s/M")
	b.ReportMetric(resident.of(), "MiB-resident")
	b.ReportMetric(asyncRate.of(), "async-events/s")
	b.ReportMetric(asyncCPU.of(), "async-cpu-s/M")
	b.ReportMetric(rate.of()/asyncRate.of(), "rate-ratio")
	b.ReportMetric(asyncCPU.of()/cpu.of(), "cpu-ratio")
}

// mean is that of what was added.
type mean struct{ sum, n, last float64 }

func (m *mean) add(v float64) { m.sum, m.n, m.last = m.sum+v, m.n+1, v }
func (m *mean) of() float64   { return m.sum / m.n }

// BenchmarkProcessors compares the bridge on the one processor that it takes with the same on all that there are.
func BenchmarkProcessors(b *testing.B) {
	frames := benchFrames(benchEvents, benchFrame)
	for b.Loop() {
		rate, cpu, _ := benchBridge(b, frames, benchFrame)
		allRate, allCPU, _ := benchBridge(b, frames, benchFrame, fmt.Sprintf("GOMAXPROCS=%d", runtime.NumCPU()))
		b.ReportMetric(rate, "events/s")
		b.ReportMetric(cpu, "cpu-s/M")
		b.ReportMetric(allRate, "all-events/s")
		b.ReportMetric(allCPU, "all-cpu-s/M")
		b.ReportMetric(rate/allRate, "rate-ratio")
		b.ReportMetric(allCPU/cpu, "cpu-ratio")
	}
}

// benchFrames makes frames of a plain market of second bars.
func benchFrames(events, perFrame int) (frames [][]byte) {
	market := polygontest.Market{Symbols: polygontest.Symbols(benchSymbols), PerSecond: benchSymbols}
	var frame []byte
	n := 0
	for raw := range market.Events() {
		frame = append(append(frame, ','), raw...)
		if n++; n%perFrame == 0 || n == events {
			frame[0] = '['
			frames = append(frames, append(bytes.Clone(frame), ']'))
			frame = frame[:0]
		}
		if n == events {
			return frames
		}
	}
	return frames
}

// benchBridge sends the frames, of so many events each, through a bridge with these settings and returns the rate, CPU seconds per
// million events, and resident memory in MiB in the middle of the run, all of the bridge's process.
func benchBridge(b *testing.B, frames [][]byte, perFrame int, settings ...string) (rate, cpu, resident float64) {
	s := newNATS(b).up()
	srv := polygontest.NewServer(polygontest.Config{Record: polygontest.RecordCounts})
	defer srv.Close()
	p := newBinary(b, srv, s.url, settings...)
	p.start()
	if err := srv.WaitSubscribed(b.Context()); err != nil {
		b.Fatal(err)
	}
	p.says("nats connected") // the alternative makes its stream beforehand, too
	js := connect(b, s.url)
	cpuBefore, began := cpuSeconds(b, p.cmd.Process.Pid), time.Now()
	sent, known := 0, 0
	for _, frame := range frames {
		for sent-known > outstanding {
			sleep(b.Context(), 50*time.Millisecond) // asking is work for the server
			known = storedCount(b, js)
		}
		srv.Send(frame)
		sent += perFrame
		if sent == len(frames)*perFrame/2 {
			resident = residentMiB(b, p.cmd.Process.Pid)
		}
	}
	for storedCount(b, js) < sent {
		sleep(b.Context(), 2*time.Millisecond)
	}
	took := time.Since(began)
	millions := float64(sent) / 1e6
	cpu = (cpuSeconds(b, p.cmd.Process.Pid) - cpuBefore) / millions
	p.kill()
	s.kill()
	return float64(sent) / took.Seconds(), cpu, resident
}

// benchAsync runs the alternative in a process of its own.
func benchAsync(b *testing.B) (rate, cpu float64) {
	s := newNATS(b).up()
	p := newProcess(b, "async", []string{s.url}, nil)
	p.start()
	if code := p.wait(); code != 0 {
		b.Fatalf("exit code %d: %s", code, p.log)
	}
	s.kill()
	var result struct{ Rate, CPU float64 }
	if err := json.Unmarshal([]byte(p.log.String()), &result); err != nil {
		b.Fatal(err)
	}
	return result.Rate, result.CPU
}

// asyncMain publishes the same events with PublishMsgAsync, prepared beforehand, to a stream of the same kind.
func asyncMain(url string) error {
	var messages []*nats.Msg
	for _, frame := range benchFrames(benchEvents, benchFrame) {
		for _, e := range polygon.Stocks.Split(nil, frame) {
			m := nats.NewMsg(string(appendSubject(nil, polygon.Stocks, e.Channel.Kind, e.Symbol)))
			m.Header.Set(jetstream.MsgIDHeader, string(appendID(nil, &e, digest(e.Raw))))
			m.Data = e.Raw
			messages = append(messages, m)
		}
	}
	nc, err := nats.Connect(url)
	if err != nil {
		return err
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	if _, err := js.CreateStream(context.Background(), streamConfig(testConfig(url))); err != nil {
		return err
	}
	cpuBefore, began := cpuSeconds(nil, os.Getpid()), time.Now()
	for _, m := range messages {
		if _, err := js.PublishMsgAsync(m, jetstream.WithStallWait(time.Minute)); err != nil {
			return err
		}
	}
	<-js.PublishAsyncComplete()
	took := time.Since(began)
	millions := float64(len(messages)) / 1e6
	return json.NewEncoder(os.Stdout).Encode(map[string]float64{
		"Rate": float64(len(messages)) / took.Seconds(),
		"CPU":  (cpuSeconds(nil, os.Getpid()) - cpuBefore) / millions,
	})
}

// BenchmarkLatency is the realistic load: every second a burst of 10,000 bars, and between the bursts one bar
// alone. It reports the time from reading the frame to the ack, as the bridge's own histogram has it, and
// that of PublishMsgAsync for the same bursts.
func BenchmarkLatency(b *testing.B) {
	const seconds = 20
	for b.Loop() {
		s := newNATS(b).up()
		srv := polygontest.NewServer(polygontest.Config{Record: polygontest.RecordCounts})
		p := newBinary(b, srv, s.url)
		p.start()
		if err := srv.WaitSubscribed(b.Context()); err != nil {
			b.Fatal(err)
		}
		js := connect(b, s.url)
		frames := benchFrames(seconds*benchSymbols, benchFrame)
		perSecond := len(frames) / seconds
		tick := time.NewTicker(time.Second)
		for i := range seconds {
			<-tick.C
			for _, frame := range frames[i*perSecond : (i+1)*perSecond] {
				srv.Send(frame)
			}
		}
		for storedCount(b, js) < seconds*benchSymbols {
			sleep(b.Context(), 5*time.Millisecond)
		}
		burst := quantile(b, p.httpAddr, "bridge_delivery_seconds", .99, nil)
		before := buckets(b, p.httpAddr, "bridge_delivery_seconds")
		for i := range 200 {
			sleep(b.Context(), 20*time.Millisecond)
			srv.Send(fmt.Appendf(nil, `[{"ev":"A","sym":"LONE","v":1,"s":%d,"e":0}]`, 1000*(i+1)))
		}
		for storedCount(b, js) < seconds*benchSymbols+200 {
			sleep(b.Context(), 5*time.Millisecond)
		}
		lone := quantile(b, p.httpAddr, "bridge_delivery_seconds", .99, before)
		p.kill()
		srv.Close()
		async := asyncBursts(b, s.url, frames, perSecond)
		s.kill()
		b.ReportMetric(1000*burst, "burst-p99-ms")
		b.ReportMetric(1000*lone, "lone-p99-ms")
		b.ReportMetric(1000*async, "async-burst-p99-ms")
		b.ReportMetric(async/burst, "latency-ratio")
	}
}

// asyncBursts is the p99 from the start of a burst to the ack with PublishMsgAsync.
func asyncBursts(b *testing.B, url string, frames [][]byte, perSecond int) float64 {
	js := connect(b, url)
	var took []float64
	var events []polygon.Event
	tick := time.NewTicker(time.Second)
	for i := 0; i < len(frames); i += perSecond {
		<-tick.C
		began := time.Now()
		var acks []jetstream.PubAckFuture
		for _, frame := range frames[i : i+perSecond] {
			events = polygon.Stocks.Split(events[:0], frame)
			for j := range events {
				e := &events[j]
				m := nats.NewMsg("stocks.async." + string(e.Symbol))
				m.Header.Set(jetstream.MsgIDHeader, "async."+string(appendID(nil, e, digest(e.Raw))))
				m.Data = e.Raw
				ack, err := js.PublishMsgAsync(m, jetstream.WithStallWait(time.Minute))
				if err != nil {
					b.Fatal(err)
				}
				acks = append(acks, ack)
			}
		}
		for _, ack := range acks {
			<-ack.Ok()
			took = append(took, time.Since(began).Seconds())
		}
	}
	slices.Sort(took)
	return took[len(took)*99/100]
}

// BenchmarkMemory sends an hour of the whole market, 1000 events a second, at full speed and reports the bridge's
// resident memory after the first tenth and at the end.
func BenchmarkMemory(b *testing.B) {
	const events = 3_600_000
	frames := benchFrames(events/4, benchFrame)
	for b.Loop() {
		s := newNATS(b).up()
		srv := polygontest.NewServer(polygontest.Config{Record: polygontest.RecordCounts})
		p := newBinary(b, srv, s.url)
		p.start()
		if err := srv.WaitSubscribed(b.Context()); err != nil {
			b.Fatal(err)
		}
		js := connect(b, s.url)
		var early float64
		sent, known := 0, 0
		for round := range 4 {
			for _, frame := range frames {
				for sent-known > outstanding {
					known = storedCount(b, js)
					sleep(b.Context(), 5*time.Millisecond)
				}
				// Another day's windows make other bars.
				srv.Send(bytes.ReplaceAll(frame, []byte(`"s":17`), fmt.Appendf(nil, `"s":%d`, 17+round)))
				sent += benchFrame
			}
			if early == 0 {
				early = residentMiB(b, p.cmd.Process.Pid)
			}
		}
		late := residentMiB(b, p.cmd.Process.Pid)
		p.kill()
		srv.Close()
		s.kill()
		b.ReportMetric(early, "early-MiB")
		b.ReportMetric(late, "late-MiB")
		b.ReportMetric(late/early, "growth-ratio")
	}
}

// binary is the real program, with its own HTTP address.
type binary struct {
	*process
	httpAddr string
}

// newBinary builds the program and prepares it as a process.
func newBinary(b *testing.B, srv *polygontest.Server, natsURL string, settings ...string) *binary {
	file := filepath.Join(b.TempDir(), "bridge")
	if out, err := exec.Command("go", "build", "-o", file, "../cmd/bridge").CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	addr := fmt.Sprintf("127.0.0.1:%d", freePort(b))
	p := newBridge(b, srv, natsURL, append(settings, "BRIDGE_HTTP_ADDR="+addr)...)
	p.file = file
	return &binary{p, addr}
}

// storedCount is how many messages the stream has.
func storedCount(b *testing.B, js jetstream.JetStream) int {
	stream, err := js.Stream(b.Context(), "STOCKS")
	if err != nil {
		return 0
	}
	return int(stream.CachedInfo().State.LastSeq)
}

// cpuSeconds is what a process has used, in user and system mode, as /proc has it.
func cpuSeconds(b *testing.B, pid int) float64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		if b == nil {
			return 0
		}
		b.Fatal(err)
	}
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:])) // from the state on
	user, _ := strconv.ParseFloat(fields[11], 64)
	system, _ := strconv.ParseFloat(fields[12], 64)
	const ticksPerSecond = 100
	return (user + system) / ticksPerSecond
}

// residentMiB is the resident memory of a process, as /proc has it.
func residentMiB(b *testing.B, pid int) float64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(data), "VmRSS:")
	kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
	if err != nil {
		b.Fatal(err)
	}
	return kib / 1024
}

// buckets reads the cumulative buckets of a histogram from the bridge's metrics.
func buckets(b *testing.B, addr, name string) map[float64]float64 {
	resp, err := http.Get("http://" + addr + "/metrics")
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(resp.Body); err != nil {
		b.Fatal(err)
	}
	all := make(map[float64]float64)
	for line := range strings.Lines(text.String()) {
		labels, count, ok := strings.Cut(strings.TrimSpace(strings.TrimPrefix(line, name+"_bucket{")), "} ")
		if !ok || !strings.HasPrefix(line, name+"_bucket{") {
			continue
		}
		_, le, _ := strings.Cut(labels, `le="`)
		bound, err := strconv.ParseFloat(strings.TrimSuffix(strings.Split(le, `"`)[0], `"`), 64)
		if err != nil {
			b.Fatal(err)
		}
		all[bound], _ = strconv.ParseFloat(count, 64)
	}
	return all
}

// quantile is a quantile of what came after before, interpolated within its bucket.
func quantile(b *testing.B, addr, name string, q float64, before map[float64]float64) float64 {
	all := buckets(b, addr, name)
	bounds := slices.Sorted(maps.Keys(all))
	count := func(i int) float64 {
		if i < 0 {
			return 0
		}
		return all[bounds[i]] - before[bounds[i]]
	}
	rank := q * count(len(bounds)-1)
	for i, bound := range bounds {
		if count(i) >= rank && rank > 0 {
			low := 0.0
			if i > 0 {
				low = bounds[i-1]
			}
			return low + (bound-low)*(rank-count(i-1))/(count(i)-count(i-1))
		}
	}
	b.Fatalf("no observations of %s", name)
	return 0
}
