package bridge

import (
	"context"
	"fmt"
	"testing"
	"time"

	"bridge/polygon"
	"bridge/polygon/polygontest"
)

// BenchmarkQueueOnDisk compares the whole bridge with the queue on disk and with the queue in memory.
func BenchmarkQueueOnDisk(b *testing.B) {
	for _, bb := range []struct{ events, perFrame int }{{200_000, 1}, {benchEvents, benchFrame}} {
		b.Run(fmt.Sprintf("%d events a frame", bb.perFrame), func(b *testing.B) {
			frames := benchFrames(bb.events, bb.perFrame)
			for b.Loop() {
				disk, diskCPU, resident := benchBridge(b, frames, bb.perFrame, "BRIDGE_DATA_DIR="+b.TempDir())
				memory, memoryCPU, _ := benchBridge(b, frames, bb.perFrame)
				b.ReportMetric(disk, "events/s")
				b.ReportMetric(diskCPU, "cpu-s/M")
				b.ReportMetric(resident, "MiB-resident")
				b.ReportMetric(memory, "memory-events/s")
				b.ReportMetric(memoryCPU, "memory-cpu-s/M")
				b.ReportMetric(disk/memory, "rate-ratio")
			}
		})
	}
}

// BenchmarkDrain has NATS come back after an outage with a million events in the queue on disk, and reports how fast they
// are stored, and the memory that the bridge takes meanwhile.
func BenchmarkDrain(b *testing.B) {
	frames := benchFrames(benchEvents, benchFrame)
	for b.Loop() {
		s := newNATS(b)
		srv := polygontest.NewServer(polygontest.Config{Record: polygontest.RecordCounts})
		p := newBinary(b, srv, s.url, "BRIDGE_DATA_DIR="+b.TempDir())
		p.start()
		if err := srv.WaitSubscribed(b.Context()); err != nil {
			b.Fatal(err)
		}
		for _, frame := range frames {
			srv.Send(frame)
		}
		outage := residentMiB(b, p.cmd.Process.Pid)
		s.up()
		js := connect(b, s.url)
		began, first := time.Now(), 0
		for n := 0; n < benchEvents; n = storedCount(b, js) {
			if first == 0 {
				began, first = time.Now(), n // the bridge may take some seconds to notice
			}
			sleep(b.Context(), 20*time.Millisecond)
		}
		took := time.Since(began)
		draining := residentMiB(b, p.cmd.Process.Pid)
		p.kill()
		srv.Close()
		s.kill()
		b.ReportMetric(float64(benchEvents-first)/took.Seconds(), "events/s")
		b.ReportMetric(outage, "outage-MiB")
		b.ReportMetric(draining, "draining-MiB")
	}
}

// BenchmarkReconcile is what a start costs before the first message may be sent: with 12,000 symbols in the stream, and a
// window of messages in doubt.
func BenchmarkReconcile(b *testing.B) {
	s := newNATS(b).up()
	cfg := testConfig(s.url)
	market := polygontest.Market{Symbols: polygontest.Symbols(12_000), PerSecond: 12_000}
	q := newMemory(1 << 30)
	n := 0
	for raw := range market.Events() {
		if err := q.Append(kindFrame, append(append([]byte("["), raw...), ']'), time.Now()); err != nil {
			b.Fatal(err)
		}
		if n++; n == 50_000 {
			break
		}
	}
	q.Close()
	p := newPublisher(cfg, q, newFillQueue(), newMetrics(nil, polygon.Stocks), quiet(b))
	if err := p.run(b.Context(), &readiness{}); err != nil {
		b.Fatal(err)
	}
	c, err := dialLink(context.Background(), cfg.NATS, cfg.Stream, nil, p.limited.complain)
	if err != nil {
		b.Fatal(err)
	}
	defer c.close()
	stream, err := openStream(b.Context(), c.js, cfg, quiet(b))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		again := newPublisher(cfg, newMemory(1<<20), newFillQueue(), newMetrics(nil, polygon.Stocks), quiet(b))
		again.known = known{created: p.known.created, acked: p.known.acked}
		again.doubt = &doubt{floor: p.known.acked - mostWindow}
		if err := again.reconcile(b.Context(), stream); err != nil {
			b.Fatal(err)
		}
	}
}
