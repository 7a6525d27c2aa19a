//go:build unix

package spool

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	benchEvents = 1_000_000
	eventBytes  = 200
	ackEvery    = 100      // records
	unsettled   = 32 << 20 // bytes that the benchmark has appended and not acknowledged, at most
)

// BenchmarkSpool passes a million events from one goroutine to another through the disk, and does the same with the alternative: a file
// stream of a NATS server in this process, with a durable consumer. Run it alone on the machine:
//
//	go test -run '^$' -bench Spool -benchtime 1x ./bridge/internal/spool
func BenchmarkSpool(b *testing.B) {
	for _, perFrame := range []int{1, 100} {
		b.Run(fmt.Sprintf("%d events a frame", perFrame), func(b *testing.B) {
			records, frame := benchEvents/perFrame, make([]byte, perFrame*eventBytes)
			for b.Loop() {
				rate, cpu := measure(records, func() { throughSpool(b, records, frame) })
				streamRate, streamCPU := measure(records, func() { throughStream(b, records, frame) })
				b.ReportMetric(rate, "records/s")
				b.ReportMetric(cpu, "cpu-s/Mevents")
				b.ReportMetric(streamRate, "stream-records/s")
				b.ReportMetric(streamCPU, "stream-cpu-s/Mevents")
				b.ReportMetric(rate/streamRate, "rate-ratio")
				b.ReportMetric(streamCPU/cpu, "cpu-ratio")
			}
		})
	}
}

// measure returns records per second, and CPU seconds of this process, which are those for a million events.
func measure(records int, f func()) (rate, cpu float64) {
	runtime.GC()
	before, start := cpuTime(), time.Now()
	f()
	return float64(records) / time.Since(start).Seconds(), (cpuTime() - before).Seconds()
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func benchOptions() Options {
	return Options{MaxBytes: 100 << 30, MemoryBytes: 256 << 20, Retain: 5 * time.Minute, Logger: slog.New(slog.DiscardHandler)}
}

func throughSpool(b *testing.B, records int, frame []byte) {
	l, err := Open(b.TempDir(), benchOptions())
	if err != nil {
		b.Fatal(err)
	}
	room := make(chan struct{}, max(1, unsettled/len(frame)/ackEvery))
	go func() {
		for i := range records {
			if i%ackEvery == 0 {
				room <- struct{}{}
			}
			if err := l.Append(0, frame, time.Now()); err != nil {
				b.Error(err)
			}
		}
		l.Close()
	}()
	for !l.Drained() {
		rec, ok := l.Next()
		switch {
		case !ok:
			<-l.Woken()
		case rec.Seq%ackEvery == 0 || rec.Seq == uint64(records):
			l.Ack(rec.Seq, Mark{})
			<-room
		}
	}
	if err := l.Release(); err != nil { // all of it is on the disk
		b.Error(err)
	}
}

func throughStream(b *testing.B, records int, frame []byte) {
	js, stop := benchStream(b)
	defer stop()
	ctx := context.Background()
	consumer, err := js.CreateConsumer(ctx, "SPOOL", jetstream.ConsumerConfig{
		Durable: "reader", AckPolicy: jetstream.AckAllPolicy, MaxAckPending: -1, AckWait: time.Hour,
	})
	if err != nil {
		b.Fatal(err)
	}
	room := make(chan struct{}, max(1, unsettled/len(frame)/ackEvery))
	go func() {
		for i := range records {
			if i%ackEvery == 0 {
				room <- struct{}{}
			}
			if _, err := js.PublishAsync("spool", frame); err != nil {
				b.Error(err)
			}
		}
		<-js.PublishAsyncComplete()
	}()
	messages, err := consumer.Messages(jetstream.PullMaxMessages(1000))
	if err != nil {
		b.Fatal(err)
	}
	defer messages.Stop()
	for i := 1; i <= records; i++ {
		m, err := messages.Next()
		if err != nil {
			b.Fatal(err)
		}
		if i%ackEvery == 0 || i == records {
			if err := m.Ack(); err != nil {
				b.Fatal(err)
			}
			<-room
		}
	}
}

func benchStream(b *testing.B) (js jetstream.JetStream, stop func()) {
	s, err := server.NewServer(&server.Options{
		DontListen: true, JetStream: true, StoreDir: b.TempDir(), SyncInterval: time.Second, NoSigs: true, NoLog: true,
	})
	if err != nil {
		b.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		b.Fatal("the server does not start")
	}
	nc, err := nats.Connect("", nats.InProcessServer(s))
	if err != nil {
		b.Fatal(err)
	}
	js, err = jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(4000))
	if err != nil {
		b.Fatal(err)
	}
	if _, err := js.CreateStream(context.Background(), jetstream.StreamConfig{
		Name: "SPOOL", Subjects: []string{"spool"}, MaxAge: 5 * time.Minute, Discard: jetstream.DiscardNew,
	}); err != nil {
		b.Fatal(err)
	}
	return js, func() {
		nc.Close()
		s.Shutdown()
		s.WaitForShutdown()
	}
}

// BenchmarkOpen opens a log with ten million events of 200 bytes, as after an outage. Its bytes are those of the memory for that,
// read-MB what it reads of the files.
func BenchmarkOpen(b *testing.B) {
	for _, perFrame := range []int{1, 100} {
		b.Run(fmt.Sprintf("%d events a frame", perFrame), func(b *testing.B) {
			path := b.TempDir()
			fill(b, path, 10*benchEvents/perFrame, make([]byte, perFrame*eventBytes))
			read := 0
			l, err := open(&faulty{directory: directory(path), onRead: func(n int) error { read += n; return nil }}, benchOptions(), usualSizes)
			if err != nil {
				b.Fatal(err)
			}
			if err := l.closeFiles(); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				l, err := Open(path, benchOptions())
				if err != nil {
					b.Fatal(err)
				}
				if n, _, _ := l.Depth(); n != 10*benchEvents/perFrame {
					b.Errorf("%d records wait", n)
				}
				b.StopTimer()
				if err := l.Release(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
			b.ReportMetric(float64(read)/1e6, "read-MB")
		})
	}
}

// fill appends records that nobody reads to the log in a directory.
func fill(b *testing.B, path string, records int, frame []byte) {
	l, err := Open(path, benchOptions())
	if err != nil {
		b.Fatal(err)
	}
	for range records {
		for l.Append(0, frame, time.Now()) != nil {
			runtime.Gosched()
		}
	}
	if err := l.Release(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkOutage appends ten million events that nobody reads, opens the log again, and drains it.
func BenchmarkOutage(b *testing.B) {
	const perFrame, records = 100, 100_000
	frame := make([]byte, perFrame*eventBytes)
	for b.Loop() {
		path := b.TempDir()
		in, inCPU := measure(records, func() { fill(b, path, records, frame) })
		l, err := Open(path, benchOptions())
		if err != nil {
			b.Fatal(err)
		}
		out, outCPU := measure(records, func() {
			for rec, ok := l.Next(); ok; rec, ok = l.Next() {
				if rec.Seq%ackEvery == 0 {
					l.Ack(rec.Seq, Mark{})
				}
			}
		})
		if n, _, _ := l.Depth(); n > 0 {
			b.Errorf("%d records are left", n)
		}
		if err := l.Release(); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(in, "in/s")
		b.ReportMetric(inCPU/10, "in-cpu-s/Mevents")
		b.ReportMetric(out, "out/s")
		b.ReportMetric(outCPU/10, "out-cpu-s/Mevents")
	}
}
