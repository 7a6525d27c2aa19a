package bridge

import (
	"context"
	"os"
	"testing"
	"time"

	"bridge/polygon"
)

func BenchmarkPub(b *testing.B) {
	const n = 1_000_000
	frames := benchFrames(n, 100)
	for b.Loop() {
		s := newNATS(b).up()
		q := newQueue(1 << 30)
		p := newPublisher(polygon.Stocks, q, newMetrics(nil, polygon.Stocks), quiet(b))
		for _, f := range frames {
			q.append(f, time.Now())
		}
		q.close()
		c0, t0 := cpuSeconds(b, os.Getpid()), time.Now()
		if err := p.run(context.Background(), testConfig(s.url), &readiness{}); err != nil {
			b.Fatal(err)
		}
		d := time.Since(t0)
		b.ReportMetric(n/d.Seconds(), "msg/s")
		b.ReportMetric((cpuSeconds(b, os.Getpid())-c0)*1e6/n, "cpu-s/M")
		s.kill()
	}
}
