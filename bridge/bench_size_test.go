package bridge

import (
	"io/fs"
	"path/filepath"
	"testing"
	"time"

	"bridge/polygon"

	"github.com/nats-io/nats.go/jetstream"
)

// BenchmarkSize reports what a second bar takes in the stream, as its limits count it, and on disk, with S2 and without: the figures
// of the README's table.
func BenchmarkSize(b *testing.B) {
	frames := benchFrames(benchEvents, benchFrame)
	for b.Loop() {
		counted, compressed := benchSize(b, frames, jetstream.S2Compression)
		_, plain := benchSize(b, frames, jetstream.NoCompression)
		b.ReportMetric(counted, "B/bar")
		b.ReportMetric(plain, "disk-B/bar")
		b.ReportMetric(compressed, "s2-disk-B/bar")
	}
}

// benchSize publishes the frames and returns the bytes of an event.
func benchSize(b *testing.B, frames [][]byte, compression jetstream.StoreCompression) (counted, onDisk float64) {
	s := newNATS(b).up()
	cfg := testConfig(s.url)
	stream := streamConfig(cfg)
	stream.Compression = compression
	js := connect(b, s.url)
	if _, err := js.CreateStream(b.Context(), stream); err != nil {
		b.Fatal(err)
	}
	q := newMemory(1 << 30)
	for _, frame := range frames {
		if err := q.Append(kindFrame, frame, time.Now()); err != nil {
			b.Fatal(err)
		}
	}
	q.Close()
	p := newPublisher(cfg, q, newFillQueue(), newMetrics(nil, polygon.Stocks), quiet(b))
	if err := p.run(b.Context(), &readiness{}); err != nil {
		b.Fatal(err)
	}
	made, err := js.Stream(b.Context(), cfg.Stream)
	if err != nil {
		b.Fatal(err)
	}
	state := made.CachedInfo().State
	s.kill()
	return float64(state.Bytes) / float64(state.Msgs), float64(sizeOf(b, s.store())) / float64(state.Msgs)
}

// sizeOf returns the bytes of all files below a directory.
func sizeOf(b *testing.B, dir string) (bytes int64) {
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			bytes += info.Size()
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return bytes
}
